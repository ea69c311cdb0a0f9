"""A pass over the frames: one task per chunk, which reads its frames itself.

In dask a chunk that two tasks use stays in memory until both have run; two passes in one graph
would so hold the whole video. Here the reading is part of the task: the lazy chunk travels as a
recipe that nothing else in the graph can share, frames exist only while their task runs, and memory
does not depend on the length of the capture, the scheduler or the order of tasks.
"""

from __future__ import annotations

import sys
import threading
import uuid
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np
from dask.core import get, quote
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.optimization import cull

from skry_dask.graph.frame_tables import even, in_groups, parts_along
from skry_dask.heap import trim
from skry_dask.profiling import reading, task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import DTypeLike

    from skry_dask.capture.develop import Developer
    from skry_dask.types import AnyArray, Frames, IntArray


PASS = "frames_"
"""What the names of tasks that read a chunk of frames begin with."""


FOLD_FRAMES = 32
"""A task folds at least about this many frames into its accumulator,"""

MIN_FOLDS = 8
"""unless there would be fewer tasks than this."""


NARROW = 2**31
"""Sums below this are added up in 32 bits inside tasks."""


class FrameChunk:
    """How to get one chunk of frames, hidden from the graph it travels in.

    Parameters
    ----------
    graph
        The tasks that lead to the chunk, and no others.
    key
        The chunk's key in them.
    """

    __slots__ = ("graph", "key")

    def __init__(self, graph: dict[Any, Any], key: Any) -> None:
        self.graph = graph
        self.key = key

    def read(self) -> Frames:
        """Read the frames, in the calling thread: uint8 or uint16 (frame, y, x[, channel])."""
        with reading() as sizes:
            (frames,) = get(self.graph, [self.key])
            sizes.append(frames.nbytes)
        return frames


def frame_chunks(frames: da.Array) -> list[FrameChunk]:
    """Split frames, chunked along ``frame`` only, into recipes of their chunks."""
    (optimized,) = dask.optimize(frames)
    rest = (0,) * (frames.ndim - 1)
    keys = [(optimized.name, i, *rest) for i in range(frames.numblocks[0])]
    return _recipes(dict(optimized.__dask_graph__()), keys)


def single_frames(frames: da.Array, indices: IntArray) -> list[FrameChunk]:
    """Recipes of single frames (1, y, x[, channel])."""
    # Optimised together, for what leads to them is the same, but each from a slice of its own:
    # so a slice reaches the reading, which then reads one frame and not its whole chunk.
    optimized = dask.optimize(*(frames[i : i + 1] for i in indices))
    graph: dict[Any, Any] = {}
    for shared in {id(one.__dask_graph__()): one.__dask_graph__() for one in optimized}.values():
        graph |= shared
    return _recipes(graph, [(one.name, *(0,) * frames.ndim) for one in optimized])


def _recipes(graph: dict[Any, Any], keys: list[Any]) -> list[FrameChunk]:
    return [FrameChunk(cull(graph, [key])[0], key) for key in keys]


def map_frames(
    function: Callable[..., AnyArray],
    frames: da.Array,
    *along: AnyArray | da.Array,
    developer: Delayed | None = None,
    shared: Sequence[Delayed] = (),
    shape: tuple[int, ...] = (),
    dtype: DTypeLike,
) -> da.Array:
    """Call a function with each chunk of frames, lazily.

    Parameters
    ----------
    function
        Called as ``function(frames, *along, *shared)`` with numpy arrays, returns an array of one
        entry per frame; its name is what the tasks are called.
    frames
        uint8 or uint16 (frame, y, x[, channel]), chunked along ``frame`` only.
    along
        What else belongs to each frame: arrays whose first dim is ``frame``, or what can be sliced
        like one, of which each call gets its part.
    developer
        Lazy `Developer`, which turns each chunk to grey before the call.
    shared
        Lazy values that every call gets whole; each is in the graph once.
    shape
        What follows the first dim of the returned arrays.
    dtype
        Of the returned arrays.

    Returns
    -------
    dask.array.Array (frame, *shape)
    """
    name = _task_name(function)
    columns, dependencies = parts_along(frames.chunks[0], along)
    keys = [value.key for value in shared]
    if developer is not None:
        dependencies += [developer]
    develop = None if developer is None else developer.key
    tasks = {
        (name, i, *(0,) * len(shape)): (_map, function, develop, chunk, *parts, *keys)
        for i, (chunk, *parts) in enumerate(zip(frame_chunks(frames), *columns, strict=True))
    }
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=[*dependencies, *shared])
    return da.Array(graph, name, chunks=(frames.chunks[0], *((n,) for n in shape)), dtype=dtype)


def call_each(
    function: Callable[..., Any], shared: Sequence[Delayed], items: Iterable[tuple[Any, ...]]
) -> Delayed:
    """Call a function several times, lazily; a sixth of the time of one `dask.delayed` each.

    Parameters
    ----------
    function
        Called as ``function(*shared, *item)``.
    shared
        Lazy values that each call gets.
    items
        What else each call gets: nothing that is lazy.

    Returns
    -------
    Delayed list of what the calls return.
    """
    name = f"{function.__name__}-{uuid.uuid4().hex}"
    keys = [value.key for value in shared]
    tasks: dict[Any, Any] = {
        (name, i): (function, *keys, *map(quote, item)) for i, item in enumerate(items)
    }
    tasks[f"all-{name}"] = list(tasks)
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=shared)
    return Delayed(f"all-{name}", graph, layer=name)


def fold_frames(
    function: Callable[..., None],
    frames: da.Array,
    *along: Any,
    shared: Sequence[Delayed] = (),
    shape: tuple[int, ...],
    most: int,
) -> da.Array:
    """Fold all frames into one array of sums, lazily.

    A task folds several chunks of frames, one after the other, into one accumulator, and adds that
    to the sum when it is done, so that each thread has one: see `accumulators_alive`. Workers of a
    cluster have no sum in common: accumulators are added up in tasks of their own, a few at a time.

    Parameters
    ----------
    function
        Called as ``function(frames, *along, *shared, accumulator)``, adds to the accumulator.
    frames, along, shared
        As for `map_frames`.
    shape
        Of the accumulator.
    most
        By how much a frame can change an entry of the accumulator at most.

    Returns
    -------
    dask.array.Array, int64 of that shape, in one chunk. Sums are integers, for the result not to
    depend on chunks; a task whose frames leave them within int32 folds into half the memory.
    """
    name = _task_name(function)
    columns, dependencies = parts_along(frames.chunks[0], along)
    keys = [value.key for value in shared]
    calls = [list(call) for call in zip(frame_chunks(frames), *columns, strict=True)]
    dtype = dtype_of_sums(frames.chunks[0], most)
    together = dask.config.get("scheduler", None) is None
    begin = f"begin-{name}" if together else None
    tasks: dict[Any, Any] = {
        (name, i): (_fold, function, list(shape), dtype, calls[a:b], keys, begin)
        for i, (a, b) in enumerate(pairwise(_deal(frames.chunks[0])))
    }
    level = list(tasks)
    if together:
        tasks[begin] = (_Sum, list(shape))
    else:
        level = in_groups(tasks, f"add-{name}", level, _add_up)
    total = f"total-{name}"
    tasks[(total, *(0,) * len(shape))] = (_add_up, level, begin)
    graph = HighLevelGraph.from_collections(total, tasks, dependencies=[*dependencies, *shared])
    return da.Array(graph, total, chunks=tuple((n,) for n in shape), dtype=np.int64)


def _deal(sizes: Sequence[int]) -> IntArray:
    """Deal chunks of so many frames out to the tasks of a fold: int64 (task + 1), in chunks."""
    n_tasks = min(even(max(sum(sizes) // FOLD_FRAMES, MIN_FOLDS)), len(sizes))
    return np.linspace(0, len(sizes), n_tasks + 1).astype(np.int64)


def dtype_of_sums(sizes: Sequence[int], most: int) -> np.dtype[np.signedinteger]:
    """Tell which dtype accumulators have inside the tasks of `fold_frames`.

    Parameters
    ----------
    sizes
        Of the chunks, frames.
    most
        By how much a frame can change an entry at most.

    Returns
    -------
    int32 where no task's frames can leave it, else int64.
    """
    before = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])[_deal(sizes)]
    narrow = most * int(np.diff(before).max(initial=0)) < NARROW
    return np.dtype(np.int32 if narrow else np.int64)


def accumulators_alive(n_threads: int) -> int:
    """Tell how many accumulators of `fold_frames` exist at a time, at most, on threads.

    One of each thread, and the sum, which alone is int64 whatever their dtype.
    """
    return n_threads + 1


def _task_name(function: Callable[..., Any]) -> str:
    return f"{PASS}{function.__name__}-{uuid.uuid4().hex}"


def _map(
    function: Callable[..., AnyArray],
    developer: Developer | None,
    chunk: FrameChunk,
    *arguments: Any,
) -> AnyArray:
    with task():
        frames = chunk.read()
        return function(frames if developer is None else developer.grey(frames), *arguments)


class _Sum:
    """The sum of all accumulators, to which threads of this process add.

    Other processes have a copy of it, and a cluster may run a task again: there tasks return their
    accumulators.
    """

    def __init__(self, shape: list[int]) -> None:
        # Large, and does not fit into what an earlier pass has freed bit by bit.
        trim()
        self.array = np.zeros(shape, np.int64)
        self.is_copy = False

    def __getstate__(self) -> dict[str, Any]:
        """Tell a copy, such as one in another process, that it is one."""
        return {"array": self.array, "is_copy": True}

    def takes(self, accumulator: AnyArray) -> bool:
        """Add an accumulator, if that can be done here."""
        if self.is_copy or _on_cluster():
            return False
        with _ADDING:
            self.array += accumulator
        return True


_ADDING = threading.Lock()


def _fold(
    function: Callable[..., None],
    shape: list[int],
    dtype: np.dtype[Any],
    calls: list[list[Any]],
    shared: list[Any],
    total: _Sum | None,
) -> AnyArray | None:
    with task():
        accumulator = np.zeros(shape, dtype)
        for chunk, *parts in calls:
            function(chunk.read(), *parts, *shared, accumulator)
        return None if total is not None and total.takes(accumulator) else accumulator


def _add_up(accumulators: list[AnyArray | None], total: _Sum | None = None) -> AnyArray:
    """Add up what is not in the sum yet; a task that is run twice must not count twice."""
    left = [one for one in accumulators if one is not None]
    if total is not None and not left:
        return total.array
    made = np.zeros_like(left[0], np.int64) if total is None else total.array.copy()
    for one in left:
        made += one
    return made


def _on_cluster() -> bool:
    """Tell whether a worker of a cluster runs this task."""
    if "distributed" not in sys.modules:
        return False
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True
