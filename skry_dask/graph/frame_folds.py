"""Sums over all frames, as a reduction of dask arrays.

Each task adds a chunk of frames to an accumulator, and accumulators are added up in a tree. All are
integers, so that sums depend neither on chunks nor on the order of tasks.

Of more than `FEW_TASKS` chunks each task adds a run to its accumulator, one chunk after the other.
So there are fewer accumulators, each of the size of an image, and fewer of them wait for others.
Of 200 chunks on a cluster of one worker with one thread 11 existed at a time (14 with a task for
each chunk and four added up at a time), of 1000 chunks on two such workers 8 on each (13).
"""

from __future__ import annotations

import time
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import dask
import dask.array as da
import numpy as np

from skry_dask.graph.frame_passes import FrameSource, annotate_pass, frame_tasks
from skry_dask.graph.frame_progress import frame_task
from skry_dask.graph.kept.known_sums import Marks, Partial
from skry_dask.graph.row_tasks import row_tasks
from skry_dask.graph.shared_accumulators import Fold, SharedSum, shared_sum
from skry_dask.graph.task_names import step_name, task_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from skry_dask.graph.frame_parts import FrameNumbers
    from skry_dask.graph.kept.known_sums import KnownSums
    from skry_dask.graph.kept.sums import SumKeeper
    from skry_dask.graph.row_tasks import Rows, Shared
    from skry_dask.types import AnyArray, Frames, IntArray

SPLIT_EVERY = 2
"""Number of accumulators that one task adds up: with more of them, more wait for each other."""

FEW_TASKS = 64
"""Up to this many chunks, each has a task of its own. So no thread waits long for the last task."""

MAX_RUN = 16
"""Number of chunks that one task adds up at most, so that many workers find work."""

MIN_FRAMES = 32
"""An accumulator holds at least the sum of this many frames, so that shared ones, which are added
to the total when they are full, seldom are."""


def fold_frames(
    function: Callable[..., None],
    frames: da.Array | FrameNumbers,
    *along: Rows | da.Array,
    shared: Sequence[Shared] = (),
    shape: tuple[int, ...],
    max_increment: int,
    keeper: SumKeeper | None = None,
) -> da.Array:
    """Add up what a function makes of all frames, lazily.

    Each task adds a chunk of frames to an accumulator of its own, and `SPLIT_EVERY` of these are
    added up at a time. Where the runner computes on threads of this process, tasks that run on the
    same thread share an accumulator: see `shared_accumulators`.

    Parameters
    ----------
    function
        Called as ``function(frames, *along, *shared, accumulator)``; adds to the accumulator, int32
        or int64 (*shape). Tasks are named after it.
    frames, along, shared
        As for `map_frames`; or `FrameNumbers`, of which each call gets those of its frames.
    shape
        Shape of the accumulator.
    max_increment
        Largest absolute change that one frame can make to an entry of the accumulator.
    keeper
        Keeps the sums; None = they are not kept. The first array along is the selection that they
        hold. If sums are known, the second one is what these hold, and the function adds the
        difference to the accumulator.

    Returns
    -------
    dask.array.Array
        int64 (*shape), in one chunk.

    Examples
    --------
    >>> import dask.array as da
    >>> def add_up(frames, accumulator):
    ...     accumulator += frames.sum(axis=0, dtype=accumulator.dtype)
    >>> frames = da.ones((6, 2, 3), dtype="u1", chunks=(2, -1, -1))
    >>> fold_frames(add_up, frames, shape=(2, 3), max_increment=255).compute()
    array([[6, 6, 6],
           [6, 6, 6]])
    """
    sizes = frames.chunks[0]
    dtype = dtype_of_sums(sizes, max_increment)
    fold = Fold(
        name=task_name(function),
        shape=shape,
        dtype=dtype.name,
        max_frames=int(np.iinfo(dtype).max) // max(max_increment, 1),
        n_frames=len(frames),
        keeper=keeper,
    )
    accumulators, n_extra = _accumulators(function, fold, frames, along, shared)
    with annotate_pass(fold.name):  # So that no task of its own passes accumulators on.
        return da.reduction(
            accumulators,
            chunk=_as_it_is,
            combine=partial(_add_up, fold),
            aggregate=partial(_add_up_all, fold, None if keeper is None else keeper.to_add),
            axis=tuple(range(1 + n_extra)),
            split_every={0: SPLIT_EVERY},
            concatenate=False,
            name=step_name(function),
            dtype=np.int64,
            meta=np.empty((0,) * len(shape), np.int64),
        )


Accumulated: TypeAlias = "AnyArray | Partial | SharedSum"
"""What a task of a fold returns: its accumulator, or the sum to which it has added its chunk."""


def _accumulators(
    function: Callable[..., None],
    fold: Fold,
    frames: da.Array | FrameNumbers,
    along: Sequence[Rows | da.Array],
    shared: Sequence[Shared],
) -> tuple[da.Array, int]:
    """Build the tasks that add frames to accumulators; see `row_tasks` for what is returned."""
    about: Any = {"name": fold.name, "shape": fold.shape, "dtype": fold.dtype, "n_rows": 1}
    sizes, numbers = frames.chunks[0], range(len(frames))
    runs = runs_of_chunks(sizes, fold.max_frames)
    n_marks = 0 if fold.keeper is None else 1 + (fold.keeper.known is not None)
    if len(runs) == len(sizes):
        process = partial(_fold_chunk, function, fold, n_marks)
        return frame_tasks(process, frames, (numbers, *along), shared, **about)
    source = FrameSource(frames) if isinstance(frames, da.Array) else frames
    with annotate_pass(fold.name):
        return row_tasks(
            partial(_fold_run, function, fold, len(along), n_marks),
            [sum(run) for run in runs],
            (_Chunks(sizes), *along),
            [dask.delayed(source, traverse=False), *shared],
            **about,
        )


def _fold_chunk(
    function: Callable[..., None],
    fold: Fold,
    n_marks: int,
    frames: Frames,
    numbers: range,
    *arguments: Any,
) -> Accumulated:
    def add_to(accumulator: AnyArray) -> None:
        function(frames, *arguments, accumulator)

    marks = Marks(numbers, *arguments[:n_marks]) if n_marks else None
    with frame_task(fold.name):
        return _fold_chunks(fold, [(numbers, add_to, marks)])


def _fold_run(
    function: Callable[..., None],
    fold: Fold,
    n_along: int,
    n_marks: int,
    chunks: list[range],
    *arguments: Any,
) -> Accumulated:
    """Read a run of chunks, one after the other, and add each to the same accumulator."""
    along, source, shared = arguments[:n_along], arguments[n_along], arguments[n_along + 1 :]
    read = source.__getitem__
    if isinstance(source, FrameSource):
        # Read once for the run: a table in a store has blocks of more rows than a chunk.
        along = tuple(np.asarray(values) for values in along)

        def read(numbers: slice) -> Frames:
            return source.read_chunk(numbers.start)

    def parts() -> Iterator[_Part]:
        for numbers in chunks:
            rows = slice(numbers.start - chunks[0].start, numbers.stop - chunks[0].start)
            of_chunk = [values[rows] for values in along]
            marks = Marks(numbers, *of_chunk[:n_marks]) if n_marks else None
            yield numbers, partial(add_to, numbers, of_chunk), marks

    def add_to(numbers: range, of_chunk: list[Any], accumulator: AnyArray) -> None:
        frames = read(slice(numbers.start, numbers.stop))
        function(frames, *of_chunk, *shared, accumulator)

    with frame_task(fold.name):
        return _fold_chunks(fold, parts())


_Part: TypeAlias = "tuple[range, Callable[[AnyArray], None], Marks | None]"
"""A chunk: its frames, what adds it to an accumulator, and what that then holds."""


def _fold_chunks(fold: Fold, parts: Iterable[_Part]) -> Accumulated:
    total = shared_sum(fold)
    if total is not None:
        for numbers, add_to, marks in parts:
            total.add(numbers, add_to, marks)
        return total
    began = time.monotonic()
    accumulator, held = fold.accumulator(), []
    for _numbers, add_to, marks in parts:
        add_to(accumulator)
        if marks is not None:
            held.append(marks)
    if fold.keeper is None:
        return accumulator[None]
    part = Partial(accumulator, held, time.monotonic() - began)
    fold.keeper.keep_part(part)
    return part


class _Chunks:
    """Numbers of the frames of each chunk; slices at the borders of chunks are lists of ranges.

    Parameters
    ----------
    sizes
        Number of frames of each chunk.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.borders = np.cumsum([0, *sizes])

    def __getitem__(self, rows: slice) -> list[range]:
        first, last = np.searchsorted(self.borders, [rows.start, rows.stop])
        return [range(a, b) for a, b in pairwise(self.borders[first : last + 1].tolist()) if a < b]


def _as_it_is(block: Accumulated, axis: tuple[int, ...], keepdims: bool) -> Accumulated:
    return block


def _add_up(fold: Fold, blocks: list[Any], axis: tuple[int, ...], keepdims: bool) -> Accumulated:
    """Add up accumulators; where they were shared, all of them are the same sum."""
    first, *others = _flat(blocks)
    if isinstance(first, SharedSum):
        return first
    if isinstance(first, Partial):
        part = first.plus(others)
        if fold.keeper is not None and keepdims:
            fold.keeper.keep_part(part)
        return part
    total = first.astype(np.int64)
    for accumulator in others:
        total += accumulator
    return total


def _add_up_all(
    fold: Fold, known: KnownSums | None, blocks: list[Any], axis: tuple[int, ...], keepdims: bool
) -> IntArray:
    """Add up the last accumulators, and the sums that were known before."""
    total: Any = _add_up(fold, blocks, axis, keepdims)
    if isinstance(total, SharedSum):
        return total.take_total()
    if not isinstance(total, Partial):
        return total.reshape(total.shape[len(axis) :])
    sums = total.sums
    if known is not None:
        sums += known.load()
    if fold.keeper is not None:
        fold.keeper.finish(sums, total.marks)
    return sums


def _flat(blocks: Any) -> Iterator[Any]:
    """Go through nested lists: one level for each dim that is added up."""
    if isinstance(blocks, list):
        for block in blocks:
            yield from _flat(block)
    else:
        yield blocks


def dtype_of_sums(sizes: Sequence[int], max_increment: int) -> np.dtype[np.signedinteger]:
    """Choose the dtype of accumulators, inside the tasks of `fold_frames`.

    Parameters
    ----------
    sizes
        Numbers of frames of the chunks.
    max_increment
        Largest absolute change that one frame can make to an entry.

    Returns
    -------
    int32, which takes half the memory, where no chunk, nor `MIN_FRAMES` frames, can leave its
    range; else int64.
    """
    n_frames = min(sum(sizes), max(MIN_FRAMES, max(sizes, default=0)))
    return np.dtype(np.int32 if n_frames * max_increment < 2**31 else np.int64)


def runs_of_chunks(sizes: Sequence[int], max_frames: int) -> list[tuple[int, ...]]:
    """Divide chunks into runs, each of which one task adds to its accumulator.

    Parameters
    ----------
    sizes
        Number of frames of each chunk.
    max_frames
        Number of frames that can be added to an accumulator without overflow.

    Returns
    -------
    For each run the sizes of its chunks: one chunk in a run up to `FEW_TASKS` chunks, then as many
    as leave about that many tasks, up to `MAX_RUN`.
    """
    length = min(max(1, len(sizes) // FEW_TASKS), MAX_RUN)
    runs: list[tuple[int, ...]] = []
    run: list[int] = []
    for size in sizes:
        if len(run) == length or (run and sum(run) + size > max_frames):
            runs.append(tuple(run))
            run = []
        run.append(size)
    return [*runs, tuple(run)] if run else runs


def accumulators_alive(n_threads: int, n_tasks: int, *, shared: bool) -> int:
    """Bound the number of accumulators of `fold_frames` that one process holds at a time.

    Parameters
    ----------
    n_threads
        Number of threads of the process.
    n_tasks
        Number of tasks that make accumulators: see `runs_of_chunks`.
    shared
        Whether threads share accumulators: see `shared_accumulators`.

    Returns
    -------
    Where they are shared, one for each thread and one for their sum. Else two for each thread, one
    that waits on each level of the tree, and two on their way between workers. One worker of a
    cluster, with one thread, had 10 of 67 tasks (11 allowed) and 8 of 125 (11), two had 8 (11).
    """
    if shared:
        return n_threads + 1
    n_levels = 1
    while SPLIT_EVERY**n_levels < n_tasks:
        n_levels += 1
    return 2 * n_threads + (SPLIT_EVERY - 1) * n_levels + 2
