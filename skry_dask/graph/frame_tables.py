"""Small tables with a row per frame, processed lazily in blocks of rows; no frame is read.

Passes make tables in the chunks of the frames, most often a few KiB each. What follows is computed
in larger *table blocks*, since a task takes 0.2 ms of Python whatever it does.
"""

from __future__ import annotations

import itertools
import uuid
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import dask
import dask.array as da
import numpy as np
from dask.delayed import Delayed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import DTypeLike

    from skry_dask.types import AnyArray, IntArray

BLOCK_BYTES = 2**18
"""Approximate size of a table block, bytes."""

SPLIT_EVERY = 16
"""Number of arrays that one task adds up."""

Shared: TypeAlias = Delayed | da.Array
"""A lazy value, or an array of one chunk, that every call gets whole."""


class Rows(Protocol):
    """Anything whose slices are rows: an array, or an object that reads when its slices are."""

    def __getitem__(self, rows: slice, /) -> Any: ...


def table_blocks(values: da.Array) -> tuple[int, ...]:
    """Choose table blocks: whole chunks of about `BLOCK_BYTES`.

    Parameters
    ----------
    values
        (frame, ...), chunked along frames only.

    Returns
    -------
    Numbers of rows. The number of blocks is even, or that of the chunks: most often there are two,
    four or eight cores, and none of them has to wait for another.
    """
    n_chunks = values.numblocks[0]
    n_blocks = max(1, -(-values.nbytes // BLOCK_BYTES))
    n_blocks = min(n_blocks + n_blocks % 2, n_chunks)
    borders = np.linspace(0, n_chunks, n_blocks + 1).astype(np.int64)
    first_rows = np.concatenate([[0], np.cumsum(values.chunks[0])])
    return tuple(np.diff(first_rows[borders]).tolist())


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
    blocks, n_dropped = row_tasks(
        _call,
        sizes,
        along,
        shared,
        name=f"{function.__name__}-{uuid.uuid4().hex}",
        shape=shape,
        dtype=dtype,
        rows=1 if reduces else None,
        function=function,
    )
    return blocks[(slice(None), *(0,) * n_dropped)]


def _call(
    rows: AnyArray, *arguments: Any, function: Callable[..., AnyArray], n_lazy: int, n_dropped: int
) -> AnyArray:
    return keep_dims(function(*in_order(rows, arguments, n_lazy)), n_dropped)


def row_tasks(
    call: Callable[..., Any],
    sizes: Sequence[int],
    along: Sequence[Rows | da.Array],
    shared: Sequence[Shared],
    *,
    name: str,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    rows: int | None,
    **fixed: Any,
) -> tuple[da.Array, int]:
    """Build one task for each block of rows.

    Parameters
    ----------
    call
        Called as ``call(rows, *arguments, n_lazy=..., n_dropped=..., **fixed)``; gets the arrays
        along and the shared values from `in_order`, and returns an array (row, 1, ..., 1, *shape),
        see `keep_dims`.
    sizes
        Number of rows of each block.
    along, shared, shape, dtype
        As for `map_table`.
    name
        Name of the tasks, unique.
    rows
        Number of rows of each returned array; None = as many as the block has.
    fixed
        Further arguments of all calls, which may be lazy.

    Returns
    -------
    blocks
        dask.array.Array (row, 1, ..., 1, *shape)
    n_dropped
        Number of dims of length 1. All dims of the arrays along are kept, because dask fuses a
        task with those that it depends on only if it drops none of their dims.
    """
    lazy = [in_blocks(values, tuple(sizes)) for values in along if isinstance(values, da.Array)]
    dims = itertools.count(1)
    arrays = [_rows_of_blocks(sizes, along), *lazy]
    indices = [(0, *itertools.islice(dims, array.ndim - 1)) for array in arrays]
    dropped = [dim for index in indices for dim in index[1:]]
    new = dict(zip(dims, shape, strict=False))
    literals = [_as_delayed(value) for value in shared]
    blocks = da.blockwise(
        call,
        (0, *dropped, *new),
        *_pairs(arrays, indices),
        *_pairs(literals, itertools.repeat(None)),
        name=name,
        adjust_chunks=dict.fromkeys(dropped, 1)
        | {0: tuple(sizes) if rows is None else (rows,) * len(sizes)},
        new_axes=new,
        align_arrays=False,
        dtype=dtype,
        meta=np.empty((0,) * (1 + len(dropped) + len(shape)), dtype),
        n_lazy=len(lazy),
        n_dropped=len(dropped),
        **fixed,
    )
    return blocks, len(dropped)


def _as_delayed(value: Shared) -> Delayed:
    return only_chunk(value) if isinstance(value, da.Array) else value


def only_chunk(array: da.Array) -> Delayed:
    """Turn an array of one chunk into a lazy value.

    Not by `dask.delayed`, which copies the graph that leads to the array, so that all of it would
    be computed again. And in a task of its own: dask would take the one that makes the chunk for a
    blockwise argument of those that use it, and fail when it fuses them.
    """
    return dask.delayed(_as_it_is)(array.to_delayed(optimize_graph=False).item())


def _as_it_is(value: Any) -> Any:
    return value


def _pairs(values: Iterable[Any], indices: Iterable[Any]) -> Iterable[Any]:
    """Alternate values and their indices, as `dask.array.blockwise` takes them."""
    return itertools.chain.from_iterable(zip(values, indices, strict=False))


def in_blocks(values: da.Array, sizes: tuple[int, ...]) -> da.Array:
    """Rechunk a table to blocks of whole rows."""
    return values.rechunk({0: sizes, **dict.fromkeys(range(1, values.ndim), -1)}, method="tasks")


def _rows_of_blocks(sizes: Sequence[int], along: Sequence[Rows | da.Array]) -> da.Array:
    """Slice what is not a dask array, and leave gaps for what is: one list for each block.

    One list in place of a dask array of each: a graph has as many entries as it has blocks, rather
    than several times as many.
    """
    lists = np.empty(len(sizes), object)
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    for i, (start, stop) in enumerate(pairwise(starts)):
        lists[i] = [None if isinstance(v, da.Array) else v[start:stop] for v in along]
    return da.from_array(lists, chunks=1, name=f"rows-{uuid.uuid4().hex}", meta=lists[:0])


def in_order(rows: AnyArray, arguments: tuple[Any, ...], n_lazy: int) -> list[Any]:
    """Put the arrays along into their order again, and the shared values after them.

    Parameters
    ----------
    rows
        object (1): a list with the rows of arrays, and None for those that are dask arrays.
    arguments
        The rows of dask arrays, then the shared values.
    n_lazy
        Number of dask arrays.
    """
    lazy = iter(arguments[:n_lazy])
    along = [next(lazy) if values is None else values for values in rows.item()]
    return [*along, *arguments[n_lazy:]]


def keep_dims(values: AnyArray, n_dropped: int) -> AnyArray:
    """Insert dims of length 1 after the first."""
    return values.reshape(len(values), *(1,) * n_dropped, *values.shape[1:])


def call_each(
    function: Callable[..., Any], shared: Sequence[Shared], items: Sequence[tuple[Any, ...]]
) -> Delayed:
    """Call a function once for each item, lazily, in the time that `dask.delayed` takes for four.

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
    calls = map_table(
        _OneItem(function), items, sizes=(1,) * len(items), shared=shared, dtype=object
    )
    return only_chunk(from_all_chunks(_collect, calls, shape=(1,), dtype=object))


class _OneItem:
    """Calls a function with the only item of a list; returns an array of what that returns.

    Parameters
    ----------
    function
        See `call_each`.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__name__ = function.__name__

    def __call__(self, items: Sequence[tuple[Any, ...]], *shared: Any) -> AnyArray:
        out = np.empty(1, object)
        out[0] = self.function(*shared, *items[0])
        return out


def _collect(found: list[AnyArray]) -> Any:
    return [one.item() for one in found]


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
        *_pairs(arguments, itertools.repeat(None)),
        name=f"{function.__name__}-{uuid.uuid4().hex}",
        new_axes=dict(zip(new_dims, shape, strict=True)),
        concatenate=False,
        dtype=dtype,
        meta=np.empty((0,) * len(shape), dtype),
        function=function,
    )


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
    """Add up int64 (block, ...) over its first dim, lazily, a few blocks at a time."""
    return parts.sum(axis=0, split_every=SPLIT_EVERY)
