"""A pass over the frames: one task per chunk, which reads its frames itself.

In dask a chunk that two tasks use stays in memory until both have run; two passes in one graph
would so hold the whole video. Here the reading is part of the task: the lazy chunk travels as a
recipe that nothing else in the graph can share, frames exist only while their task runs, and memory
does not depend on the length of the capture, the scheduler or the order of tasks.
"""

from __future__ import annotations

import uuid
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np
from dask.highlevelgraph import HighLevelGraph
from dask.optimization import cull

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dask.delayed import Delayed
    from numpy.typing import DTypeLike

    from skry_dask.types import AnyArray, Frames, IntArray


PASS = "frames-"
"""What the names of tasks that read a chunk of frames begin with."""


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
        """Read the frames, in the calling thread: uint8 or uint16 (frame, y, x)."""
        frames: Frames = dask.get(self.graph, self.key)
        return frames


def frame_chunks(frames: da.Array) -> list[FrameChunk]:
    """Split frames (frame, y, x), chunked along ``frame`` only, into recipes of their chunks."""
    (optimized,) = dask.optimize(frames)
    graph = dict(optimized.__dask_graph__())
    keys = [(optimized.name, i, 0, 0) for i in range(frames.numblocks[0])]
    return [FrameChunk(cull(graph, [key])[0], key) for key in keys]


def single_frames(frames: da.Array, indices: IntArray) -> list[FrameChunk]:
    """Recipes of single frames (1, y, x)."""
    return [frame_chunks(frames[i : i + 1])[0] for i in indices]


def map_frames(
    function: Callable[..., AnyArray],
    frames: da.Array,
    *along: AnyArray | da.Array | Sequence[Any],
    shared: Sequence[Delayed] = (),
    per_chunk: bool = False,
    shape: tuple[int, ...] = (),
    dtype: DTypeLike,
) -> da.Array:
    """Call a function with each chunk of frames, lazily.

    Parameters
    ----------
    function
        Called as ``function(frames, *along, *shared)`` with numpy arrays; its name is what the
        tasks are called.
    frames
        uint8 or uint16 (frame, y, x), chunked along ``frame`` only.
    along
        What else belongs to each frame: arrays whose first dim is ``frame``, of which each call
        gets its part, or a sequence of one object per chunk.
    shared
        Lazy values that every call gets whole; each is in the graph once.
    per_chunk
        Whether the function returns one entry per chunk, in place of one per frame.
    shape
        What follows the first dim of the returned arrays.
    dtype
        Of the returned arrays.

    Returns
    -------
    dask.array.Array (frame or chunk, *shape)
    """
    name = f"{PASS}{function.__name__}-{uuid.uuid4().hex}"
    sizes = frames.chunks[0]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    dependencies: list[Any] = list(shared)
    columns: list[list[Any]] = []
    for values in along:
        if isinstance(values, da.Array):
            lazy = values.rechunk({0: sizes, **dict.fromkeys(range(1, values.ndim), -1)})
            dependencies.append(lazy)
            columns.append([(lazy.name, i, *(0,) * (lazy.ndim - 1)) for i in range(len(sizes))])
        elif isinstance(values, np.ndarray):
            columns.append([values[a:b] for a, b in pairwise(starts)])
        else:
            columns.append(list(values))
    keys = [value.key for value in shared]
    tasks = {
        (name, i, *(0,) * len(shape)): (_run, function, chunk, *parts, *keys)
        for i, (chunk, *parts) in enumerate(zip(frame_chunks(frames), *columns, strict=True))
    }
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=dependencies)
    first = (1,) * len(sizes) if per_chunk else sizes
    return da.Array(graph, name, chunks=(first, *((n,) for n in shape)), dtype=dtype)


def _run(function: Callable[..., AnyArray], chunk: FrameChunk, *arguments: Any) -> AnyArray:
    return function(chunk.read(), *arguments)
