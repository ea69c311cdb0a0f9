"""A pass over the frames: one task per chunk, which reads its frames itself.

In dask a chunk that two tasks use stays in memory until both have run; two passes in one graph
would so hold the whole video. Here the reading is part of the task: the lazy chunk travels as a
recipe that nothing else in the graph can share, frames exist only while their task runs, and memory
does not depend on the length of the capture, the scheduler or the order of tasks.
"""

from __future__ import annotations

import operator
import sys
import threading
import uuid
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import dask
import dask.array as da
import numpy as np
from dask.core import get, quote
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.optimization import cull

from skry_dask.heap import trim
from skry_dask.tally import reading, task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import DTypeLike

    from skry_dask.develop import Developer
    from skry_dask.types import AnyArray, Frames, IntArray


Shared: TypeAlias = Delayed | da.Array

PASS = "frames_"
"""What the names of tasks that read a chunk of frames begin with."""


FOLD_FRAMES = 32
"""A task folds at least about this many frames into its accumulator,"""

MIN_FOLDS = 8
"""unless there would be fewer tasks than this."""


NARROW = 2**31
"""Sums below this are added up in 32 bits inside tasks."""

GATHERED = 2**18
"""Small tables of values per frame are gone through in parts of about so many bytes."""

ADDED = 16
"""So many parts are added up in one task, and their sums likewise, so that adding does not keep
many workers of a cluster waiting."""


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
    columns, dependencies = _parts(frames.chunks[0], along)
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


def map_parts(
    function: Callable[..., AnyArray],
    sizes: Sequence[int],
    *along: Any,
    shared: Sequence[Shared] = (),
    shape: tuple[int, ...],
    dtype: DTypeLike,
    per_frame: bool = False,
) -> da.Array:
    """Call a function with what is known of each so many frames, lazily: no frame is read.

    Parameters
    ----------
    function
        Called as ``function(*along, *shared)``.
    sizes
        How many frames each call gets; see `gathered`.
    along
        As for `map_frames`.
    shared
        Lazy values, or arrays of one chunk, that every call gets whole.
    shape, dtype
        Of what is returned, but for the first dim.
    per_frame
        Whether a call returns an entry for each of its frames: else it returns one.

    Returns
    -------
    dask.array.Array (frame, *shape) or (call, *shape)
    """
    name = f"{function.__name__}-{uuid.uuid4().hex}"
    columns, dependencies = _parts(tuple(sizes), along)
    keys = [_key_of(value) for value in shared]
    tasks = {
        (name, i, *(0,) * len(shape)): (function, *parts, *keys)
        for i, parts in enumerate(zip(*columns, strict=True))
    }
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=[*dependencies, *shared])
    rows = tuple(sizes) if per_frame else (1,) * len(sizes)
    return da.Array(graph, name, (rows, *((n,) for n in shape)), dtype=dtype)


def gathered(values: da.Array) -> list[int]:
    """Choose how many frames of a table each call of `map_parts` gets: several chunks if small.

    A task takes 0.2 ms of Python whatever it does, and memory for as long as its graph exists.

    Parameters
    ----------
    values
        (frame, ...), chunked along frames only.
    """
    n_chunks = values.numblocks[0]
    n_tasks = -(-values.nbytes // GATHERED)
    borders = np.linspace(0, n_chunks, min(_even(max(n_tasks, 1)), n_chunks) + 1).astype(np.int64)
    frames = np.concatenate([[0], np.cumsum(values.chunks[0])])
    return np.diff(frames[borders]).tolist()


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


def from_chunks(
    function: Callable[..., AnyArray],
    values: da.Array,
    *arguments: Any,
    shape: tuple[int, ...],
    dtype: DTypeLike,
) -> da.Array:
    """Call a function once with all chunks of frames, lazily: ``function(chunks, *arguments)``.

    What is known of all frames is large, so chunks come as a list, and are not copied into one
    array beforehand.

    Parameters
    ----------
    function
        Returns an array of this shape and dtype.
    values
        (frame, ...), chunked along frames only.
    arguments
        What else it gets.
    shape, dtype
        Of what is returned, in one chunk.
    """
    name = f"{function.__name__}-{uuid.uuid4().hex}"
    keys = [(values.name, i, *(0,) * (values.ndim - 1)) for i in range(values.numblocks[0])]
    tasks = {(name, *(0,) * len(shape)): (function, keys, *map(quote, arguments))}
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=[values])
    return da.Array(graph, name, tuple((n,) for n in shape), dtype=dtype)


def some_frames(values: da.Array, indices: IntArray) -> da.Array:
    """Take some frames of an array (frame, ...), into one chunk; indices ascend."""
    name = f"some-{uuid.uuid4().hex}"
    rest = (0,) * (values.ndim - 1)
    rows = []
    start = 0
    for i, size in enumerate(values.chunks[0]):
        own = indices[np.searchsorted(indices, start) : np.searchsorted(indices, start + size)]
        if len(own):
            rows.append((operator.getitem, (values.name, i, *rest), own - start))
        start += size
    tasks = {(name, 0, *rest): (np.concatenate, rows)}
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=[values])
    chunks = ((len(indices),), *((n,) for n in values.shape[1:]))
    return da.Array(graph, name, chunks, dtype=values.dtype)


def total_of(parts: da.Array) -> da.Array:
    """Add up int64 (part, ...) over its first dim, lazily: so many at a time, as they come."""
    name = f"total-{uuid.uuid4().hex}"
    rest = (0,) * (parts.ndim - 1)
    tasks: dict[Any, Any] = {}
    level: list[Any] = [(parts.name, i, *rest) for i in range(parts.numblocks[0])]
    while len(level) > ADDED:
        groups = [level[i : i + ADDED] for i in range(0, len(level), ADDED)]
        level = [(f"part-{name}", len(tasks) + i) for i in range(len(groups))]
        tasks |= {key: (_total, group) for key, group in zip(level, groups, strict=True)}
    tasks[(name, *rest)] = (operator.itemgetter(0), (_total, level))
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=[parts])
    return da.Array(graph, name, tuple((n,) for n in parts.shape[1:]), dtype=np.int64)


def _total(parts: list[IntArray]) -> IntArray:
    total = np.zeros((1, *parts[0].shape[1:]), np.int64)
    for part in parts:
        total += part.sum(axis=0)
    return total


def _key_of(value: Shared) -> Any:
    """Name what a task gets whole: a lazy value, or an array's only chunk."""
    return (value.name, *(0,) * value.ndim) if isinstance(value, da.Array) else value.key


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
    columns, dependencies = _parts(frames.chunks[0], along)
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
    while len(level) > ADDED and not together:
        groups = [level[i : i + ADDED] for i in range(0, len(level), ADDED)]
        level = [(f"add-{name}", len(tasks) + i) for i in range(len(groups))]
        tasks |= {key: (_add_up, None, group) for key, group in zip(level, groups, strict=True)}
    total = f"total-{name}"
    tasks[(total, *(0,) * len(shape))] = (_add_up, begin, level)
    graph = HighLevelGraph.from_collections(total, tasks, dependencies=[*dependencies, *shared])
    return da.Array(graph, total, chunks=tuple((n,) for n in shape), dtype=np.int64)


def _deal(sizes: Sequence[int]) -> IntArray:
    """Deal chunks of so many frames out to the tasks of a fold: int64 (task + 1), in chunks."""
    n_tasks = min(_even(max(sum(sizes) // FOLD_FRAMES, MIN_FOLDS)), len(sizes))
    return np.linspace(0, len(sizes), n_tasks + 1).astype(np.int64)


def _even(n_tasks: int) -> int:
    """Round up: most often there are two, four or eight cores, and none shall wait for another."""
    return n_tasks + n_tasks % 2


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


def _parts(
    sizes: tuple[int, ...], along: Sequence[Any]
) -> tuple[list[list[Any]], list[da.Array | Delayed]]:
    """Cut arrays into the parts that belong to each chunk: values, or keys of lazy ones."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    columns: list[list[Any]] = []
    dependencies: list[da.Array | Delayed] = []
    for values in along:
        if isinstance(values, da.Array):
            rest = (0,) * (values.ndim - 1)
            if values.npartitions == 1:
                key = (values.name, 0, *rest)
                columns.append([(operator.getitem, key, slice(a, b)) for a, b in pairwise(starts)])
                dependencies.append(values)
                continue
            own = np.concatenate([[0], np.cumsum(values.chunks[0])])
            whole = np.isin(starts, own).all() and 0 not in (*sizes, *values.chunks[0])
            if whole and values.numblocks[1:] == (1,) * len(rest):
                borders = np.searchsorted(own, starts)
                dependencies.append(values)
                columns.append([_joined(values.name, *pair, rest) for pair in pairwise(borders)])
                continue
            lazy = values.rechunk({0: sizes, **dict.fromkeys(range(1, values.ndim), -1)})
            dependencies.append(lazy)
            columns.append([(lazy.name, i, *rest) for i in range(len(sizes))])
        else:
            columns.append([values[a:b] for a, b in pairwise(starts)])
    return columns, dependencies


def _joined(name: str, first: int, end: int, rest: tuple[int, ...]) -> Any:
    """Join chunks along frames, as part of a task."""
    keys = [(name, i, *rest) for i in range(first, end)]
    return keys[0] if len(keys) == 1 else (np.concatenate, keys)


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


def _add_up(total: _Sum | None, accumulators: list[AnyArray | None]) -> AnyArray:
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
