"""Small tables with a row per frame, processed lazily in blocks of rows; no frame is read.

Passes make tables in the chunks of the frames, most often a few KiB each. What follows is computed
in larger *table blocks*, since a task takes 0.2 ms of Python whatever it does.
"""

from __future__ import annotations

from itertools import pairwise, repeat
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from skry_dask.graph.parcels import SMALL_BYTES, share
from skry_dask.graph.row_tables import as_table, opened
from skry_dask.graph.row_tasks import (
    alternate,
    as_delayed,
    graph_array,
    is_whole,
    keys_of_rows,
    only_chunk,
    rechunk_rows,
)
from skry_dask.graph.task_names import task_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dask.delayed import Delayed
    from numpy.typing import DTypeLike

    from skry_dask.graph.row_tasks import Rows, Shared
    from skry_dask.types import AnyArray, IntArray

BLOCK_BYTES = 2**19
"""Approximate size of a table block, bytes."""

MAX_CALL_TASKS = 16
"""Number of tasks into which `call_each` divides its calls at most."""

SPLIT_EVERY = 16
"""Number of arrays that one task adds up."""


def table_blocks(values: da.Array) -> tuple[int, ...]:
    """Choose table blocks: whole chunks of about `BLOCK_BYTES`.

    Parameters
    ----------
    values
        (frame, ...), chunked along frames only.

    Returns
    -------
    Numbers of rows; see `table_borders`.
    """
    first_rows = np.cumsum([0, *values.chunks[0]])
    return tuple(np.diff(first_rows[table_borders(values)]).tolist())


def table_borders(values: da.Array) -> list[int]:
    """Choose table blocks: index of the first chunk of each, and number of chunks at the end.

    Parameters
    ----------
    values
        (frame, ...), chunked along frames only. The number of blocks is even, or that of the
        chunks: most often there are two, four or eight cores, and none has to wait for another.
    """
    n_chunks = values.numblocks[0]
    n_blocks = max(1, -(-values.nbytes // BLOCK_BYTES))
    n_blocks = min(n_blocks + n_blocks % 2, n_chunks)
    return np.linspace(0, n_chunks, n_blocks + 1).astype(np.int64).tolist()


def map_table(
    function: Callable[..., AnyArray],
    *along: Rows | da.Array,
    sizes: Sequence[int] | None = None,
    shared: Sequence[Shared] = (),
    shape: tuple[int, ...] = (),
    dtype: DTypeLike,
    reduces: bool = False,
) -> da.Array:
    """Call a function with each block of rows of some tables, lazily.

    Parameters
    ----------
    function
        Called as ``function(*along, *shared)``. Tasks are named after it.
    along
        Tables (frame, ...): dask arrays in any chunks, or other `Rows`.
    sizes
        Number of rows of each block; None = those of the first dask array.
    shared
        Lazy values that every call gets whole.
    shape
        Dims of the returned arrays after the first.
    dtype
        Data type of the returned arrays.
    reduces
        Whether a call returns one row for its whole block, rather than one for each of its rows.

    Returns
    -------
    dask.array.Array (frame, *shape) or, if it reduces, (block, *shape)

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> def double(rows):
    ...     return 2 * rows
    >>> table = da.arange(6, chunks=2)
    >>> map_table(double, table, dtype=int).compute()
    array([ 0,  2,  4,  6,  8, 10])
    """
    if sizes is None:
        sizes = next(table.chunks[0] for table in along if isinstance(table, da.Array))
    sizes = tuple(sizes)
    name, zeros = task_name(function), (0,) * len(shape)
    lazy = [table for table in along if isinstance(table, da.Array)]
    tables = [t if is_whole(t, sizes) else rechunk_rows(t, sizes) for t in lazy]
    keys = [keys_of_rows(table) * (len(sizes) if is_whole(table, sizes) else 1) for table in tables]
    values = [as_delayed(value) for value in shared]
    in_memory = [None if isinstance(rows, da.Array) else as_table(rows) for rows in along]
    is_cut = [is_whole(rows, sizes) for rows in along]
    tasks = {}
    for i, (start, stop) in enumerate(pairwise(np.cumsum([0, *sizes]).tolist())):
        rows = slice(start, stop)
        given = _Given(
            [
                rows if cut else None if table is None else table[rows]
                for table, cut in zip(in_memory, is_cut, strict=True)
            ]
        )
        lazy_keys = [of_table[i] for of_table in keys]
        tasks[name, i, *zeros] = (_call, function, given, *lazy_keys, *(v.key for v in values))
    chunks = ((1,) * len(sizes) if reduces else sizes, *((n,) for n in shape))
    return graph_array(name, tasks, [*tables, *values], chunks, dtype)


class _Given:
    """What a task has of the tables along: rows in memory, a slice of the next one, or all of it.

    Parameters
    ----------
    rows
        For each table along: its rows; a slice of what is lazy; None for all of what is lazy.
    """

    __slots__ = ("rows",)

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows


def _call(function: Callable[..., AnyArray], given: _Given, *lazy: Any) -> AnyArray:
    """Call a function with a block of each table, and shared values after them."""
    values = iter(lazy)
    along: list[Any] = []
    for rows in given.rows:
        if rows is None:
            along.append(next(values))
        else:
            along.append(next(values)[rows] if isinstance(rows, slice) else opened(rows))
    return function(*along, *values)


def call_each(
    function: Callable[..., Any], shared: Sequence[Shared], items: Sequence[tuple[Any, ...]]
) -> Delayed:
    """Call a function once for each item, lazily: 100 items take 1 ms, by `dask.delayed` 18 ms.

    Each item has a task of its own, or, where there are more than `MAX_CALL_TASKS`, several share
    one: on a cluster a task costs as much as a call.

    Parameters
    ----------
    function
        Called as ``function(*shared, *item)``. Tasks are named after it.
    shared
        Lazy values that every call gets.
    items
        Further arguments of each call, none of them lazy; at least one item.

    Returns
    -------
    dask.delayed.Delayed
        A list of what the calls return.

    Examples
    --------
    >>> import dask
    >>> call_each(pow, [dask.delayed(10)], [(2,), (3,)]).compute()
    [100, 1000]
    """
    n_items = -(-len(items) // MAX_CALL_TASKS)
    starts = range(0, len(items), n_items)
    sizes = [min(n_items, len(items) - start) for start in starts]
    calls = map_table(_Items(function), items, sizes=sizes, shared=shared, dtype=object)
    return only_chunk(from_all_chunks(_collect, calls, shape=(1,), dtype=object))


class _Items:
    """Calls a function with each item of a list; returns an array of what that returns.

    Parameters
    ----------
    function
        See `call_each`.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__name__ = function.__name__

    def __call__(self, items: Sequence[tuple[Any, ...]], *shared: Any) -> AnyArray:
        out = np.empty(len(items), object)
        for i, item in enumerate(items):
            out[i] = self.function(*shared, *item)
        return out


def _collect(found: list[AnyArray]) -> Any:
    return [one for part in found for one in part]


def from_all_chunks(
    function: Callable[..., AnyArray],
    values: da.Array,
    *arguments: Any,
    shape: tuple[int, ...],
    dtype: DTypeLike,
) -> da.Array:
    """Call a function once with the chunks of a table, lazily.

    Parameters
    ----------
    function
        Called as ``function(chunks, *arguments)`` with a list of arrays, which are not copied into
        one beforehand: tables are large. Returns an array of this shape and dtype.
    values
        (frame, ...), chunked along frames only.
    arguments
        Further arguments.
    shape, dtype
        Of the returned array.

    Returns
    -------
    dask.array.Array, in one chunk
    """
    table_dims = range(values.ndim)
    new_dims = range(values.ndim, values.ndim + len(shape))
    return da.blockwise(
        _call_with_chunks,
        tuple(new_dims),
        values,
        tuple(table_dims),
        *alternate(map(_shared_if_large, arguments), repeat(None)),
        name=task_name(function),
        new_axes=dict(zip(new_dims, shape, strict=True)),
        concatenate=False,
        dtype=dtype,
        meta=np.empty((0,) * len(shape), dtype),
        function=function,
    )


def _shared_if_large(argument: Any) -> Any:
    is_large = isinstance(argument, np.ndarray) and argument.nbytes > SMALL_BYTES
    return share(argument) if is_large else argument


def _call_with_chunks(
    nested: list[Any], *arguments: Any, function: Callable[..., AnyArray]
) -> AnyArray:
    return function([_innermost(chunk) for chunk in nested], *arguments)


def _innermost(nested: Any) -> AnyArray:
    """Unwrap a chunk, which lies in a list for each dim that is not cut."""
    while isinstance(nested, list):
        (nested,) = nested
    return nested


def rows_at(values: da.Array, indices: IntArray) -> da.Array:
    """Take some rows of a table, lazily.

    Parameters
    ----------
    values
        (frame, ...), chunked along frames only.
    indices
        int64 (row), ascending.

    Returns
    -------
    dask.array.Array (row, ...), in one chunk
    """
    shape = (len(indices), *values.shape[1:])
    return from_all_chunks(take_rows, values, indices, shape=shape, dtype=values.dtype)


def take_rows(chunks: list[AnyArray], indices: IntArray) -> AnyArray:
    """Take rows of a table from its chunks.

    Parameters
    ----------
    chunks
        Arrays (frame, ...).
    indices
        int64 (row), ascending.
    """
    first_rows = np.cumsum([0, *map(len, chunks)])
    borders = np.searchsorted(indices, first_rows)
    return np.concatenate(
        [
            chunk[indices[a:b] - first]
            for chunk, first, (a, b) in zip(chunks, first_rows, pairwise(borders), strict=False)
        ]
    )


def total_of(parts: da.Array) -> da.Array:
    """Add up rows (row, ...), lazily, a few chunks at a time.

    Parameters
    ----------
    parts
        int64 or bool (row, ...), chunked along its first dim only.

    Returns
    -------
    dask.array.Array
        int64 (...), in one chunk.
    """
    keys, zeros = keys_of_rows(parts), (0,) * (parts.ndim - 1)
    name = task_name(_add_up)
    tasks: dict[Any, Any] = {}
    level = 0
    while True:
        groups = [keys[i : i + SPLIT_EVERY] for i in range(0, len(keys), SPLIT_EVERY)]
        if len(groups) == 1:
            tasks[name, *zeros] = (_add_up, groups[0])
            return graph_array(name, tasks, [parts], parts.chunks[1:], np.int64)
        level += 1
        keys = [(f"{name}-{level}", i) for i in range(len(groups))]
        tasks |= {key: (_add_parts, group) for key, group in zip(keys, groups, strict=True)}


def _add_parts(parts: list[AnyArray]) -> IntArray:
    total: IntArray = parts[0].sum(axis=0, dtype=np.int64, keepdims=True)
    for part in parts[1:]:
        total += part.sum(axis=0, dtype=np.int64)
    return total


def _add_up(parts: list[AnyArray]) -> IntArray:
    return _add_parts(parts)[0]
