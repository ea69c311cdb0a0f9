"""Sums over all frames, as a reduction of dask arrays.

Each task adds a chunk of frames to an accumulator, and accumulators are added up in a tree. All are
integers, so that sums depend neither on chunks nor on the order of tasks.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import dask.array as da
import numpy as np

from skry_dask.graph.frame_passes import annotate_pass, frame_tasks
from skry_dask.graph.frame_progress import frame_task
from skry_dask.graph.row_tasks import task_name
from skry_dask.graph.shared_accumulators import Fold, SharedSum, shared_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from skry_dask.graph.row_tasks import Rows, Shared
    from skry_dask.types import AnyArray, Frames

SPLIT_EVERY = 4
"""Number of accumulators that one task adds up: with more of them, more wait for each other."""

MIN_FRAMES = 32
"""An accumulator holds at least the sum of this many frames, so that shared ones, which are added
to the total when they are full, seldom are."""


def fold_frames(
    function: Callable[..., None],
    frames: da.Array,
    *along: Rows | da.Array,
    shared: Sequence[Shared] = (),
    shape: tuple[int, ...],
    max_increment: int,
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
        As for `map_frames`.
    shape
        Shape of the accumulator.
    max_increment
        Largest absolute change that one frame can make to an entry of the accumulator.

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
    )
    accumulators, n_extra = frame_tasks(
        partial(_fold_chunk, function, fold),
        frames,
        (range(len(frames)), *along),
        shared,
        name=fold.name,
        shape=shape,
        dtype=dtype,
        n_rows=1,
    )
    with annotate_pass(fold.name):  # So that no task of its own passes accumulators on.
        return da.reduction(
            accumulators,
            chunk=_as_it_is,
            combine=_add_up,
            aggregate=_add_up,
            axis=tuple(range(1 + n_extra)),
            split_every={0: SPLIT_EVERY},
            concatenate=False,
            name=function.__name__,
            dtype=np.int64,
            meta=np.empty((0,) * len(shape), np.int64),
        )


Accumulated: TypeAlias = "AnyArray | SharedSum"
"""What a task of a fold returns: its accumulator, or the sum to which it has added its chunk."""


def _fold_chunk(
    function: Callable[..., None], fold: Fold, frames: Frames, numbers: range, *arguments: Any
) -> Accumulated:
    with frame_task(fold.name):
        total = shared_sum(fold)
        if total is not None:
            total.add(numbers, lambda accumulator: function(frames, *arguments, accumulator))
            return total
        accumulator = fold.accumulator()
        function(frames, *arguments, accumulator)
        return accumulator[None]


def _as_it_is(block: Accumulated, axis: tuple[int, ...], keepdims: bool) -> Accumulated:
    return block


def _add_up(blocks: list[Any], axis: tuple[int, ...], keepdims: bool) -> Accumulated:
    """Add up accumulators; where they were shared, all of them are the same sum."""
    first, *others = _flat(blocks)
    if isinstance(first, SharedSum):
        return first if keepdims else first.take_total()
    total = first.astype(np.int64)
    for accumulator in others:
        total += accumulator
    return total if keepdims else total.reshape(total.shape[len(axis) :])


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


def accumulators_alive(n_threads: int, n_chunks: int, *, shared: bool) -> int:
    """Bound the number of accumulators of `fold_frames` that one process holds at a time.

    Parameters
    ----------
    n_threads
        Number of threads of the process.
    n_chunks
        Number of chunks of frames.
    shared
        Whether threads share accumulators: see `shared_accumulators`.

    Returns
    -------
    Where they are shared, one for each thread and one for their sum. Else two for each thread, and
    those that wait on each level of the tree: 14 for 40 chunks and 2 threads, where up to 11 were
    seen; 20 for 400 chunks and 2 threads (16 seen).
    """
    if shared:
        return n_threads + 1
    n_levels = 1
    while SPLIT_EVERY**n_levels < n_chunks:
        n_levels += 1
    return 2 * n_threads + (SPLIT_EVERY - 1) * (n_levels + 1)
