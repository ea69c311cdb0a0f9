"""What is known of all frames: small tables, worked on in parts, lazily, without reading a frame.

Tables are chunked along frames as the capture is, for passes make them. What is made of them needs
other parts, larger ones most often.
"""

from __future__ import annotations

import operator
import uuid
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import dask.array as da
import numpy as np
from dask.core import quote
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import DTypeLike

    from skry_dask.types import AnyArray, IntArray

Shared: TypeAlias = Delayed | da.Array

GATHERED = 2**18
"""Small tables of values per frame are gone through in parts of about so many bytes."""

ADDED = 16
"""So many parts are added up in one task, and their sums likewise, so that adding does not keep
many workers of a cluster waiting."""


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
    columns, dependencies = parts_along(tuple(sizes), along)
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
    borders = np.linspace(0, n_chunks, min(even(max(n_tasks, 1)), n_chunks) + 1).astype(np.int64)
    frames = np.concatenate([[0], np.cumsum(values.chunks[0])])
    return np.diff(frames[borders]).tolist()


def even(n_tasks: int) -> int:
    """Round up: most often there are two, four or eight cores, and none shall wait for another."""
    return n_tasks + n_tasks % 2


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
    level = [(parts.name, i, *rest) for i in range(parts.numblocks[0])]
    level = in_groups(tasks, f"part-{name}", level, _total)
    tasks[(name, *rest)] = (operator.itemgetter(0), (_total, level))
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=[parts])
    return da.Array(graph, name, tuple((n,) for n in parts.shape[1:]), dtype=np.int64)


def _total(parts: list[IntArray]) -> IntArray:
    total = np.zeros((1, *parts[0].shape[1:]), np.int64)
    for part in parts:
        total += part.sum(axis=0)
    return total


def in_groups(
    tasks: dict[Any, Any], name: str, level: list[Any], function: Callable[[list[Any]], Any]
) -> list[Any]:
    """Add tasks that join a few results each, and theirs, until only a few are left.

    Parameters
    ----------
    tasks
        Receives them.
    name
        Of these tasks.
    level
        Keys of what is to be joined.
    function
        Called with a list of results.

    Returns
    -------
    Keys of what is left.
    """
    while len(level) > ADDED:
        groups = [level[i : i + ADDED] for i in range(0, len(level), ADDED)]
        level = [(name, len(tasks) + i) for i in range(len(groups))]
        tasks |= {key: (function, group) for key, group in zip(level, groups, strict=True)}
    return level


def _key_of(value: Shared) -> Any:
    """Name what a task gets whole: a lazy value, or an array's only chunk."""
    return (value.name, *(0,) * value.ndim) if isinstance(value, da.Array) else value.key


def parts_along(
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
