"""Tasks of dask arrays that process rows: the frames of a chunk, and rows of tables along them.

`dask.array.blockwise` with three additions: tables in memory are sliced when the graph is built,
all tasks can share lazy values, and dims are kept in such a way that dask fuses tasks.
"""

from __future__ import annotations

import itertools
import uuid
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import dask
import dask.array as da
import numpy as np
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

from skry_dask.graph.row_tables import as_table, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import DTypeLike

    from skry_dask.types import AnyArray

Shared: TypeAlias = Delayed | da.Array
"""A lazy value, or an array of one chunk, that every call gets whole."""


class Rows(Protocol):
    """Anything whose slices are rows: an array, or an object whose slices are read when used."""

    def __getitem__(self, rows: slice, /) -> Any: ...


def row_tasks(
    function: Callable[..., Any],
    sizes: Sequence[int],
    along: Sequence[Rows | da.Array],
    shared: Sequence[Shared],
    *,
    name: str,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    n_rows: int | None = None,
) -> tuple[da.Array, int]:
    """Build one task for each block of rows.

    Parameters
    ----------
    function
        Called as ``function(*along, *shared)``; returns an array (row, *shape), or another object,
        which only tasks get that use the result.
    sizes
        Number of rows of each block.
    along
        Of which each call gets the rows of its block: dask arrays (row, ...) in any chunks, or
        other `Rows`.
    shared
        Lazy values that every call gets whole; each is in the graph once.
    name
        Name of the tasks, unique.
    shape, dtype
        Dims of the returned arrays after the first, and their data type.
    n_rows
        Number of rows that each call returns; None = as many as its block has.

    Returns
    -------
    blocks
        dask.array.Array (row, 1, ..., 1, *shape), one chunk for each task.
    n_extra
        Number of dims of length 1, one for each further dim of the dask arrays along: dask fuses a
        task with those that it depends on only if it keeps all of their dims.
    """
    lazy = [values for values in along if isinstance(values, da.Array)]
    # Tasks slice what is one chunk themselves: slicing it in tasks of its own takes 0.1 ms each.
    whole = [only_chunk(values) for values in lazy if is_whole(values, sizes)]
    blocked = [rechunk_rows(values, sizes) for values in lazy if not is_whole(values, sizes)]
    arrays = [_rows_of_blocks(sizes, along), *blocked]
    dims = itertools.count(1)
    indices = [(0, *itertools.islice(dims, array.ndim - 1)) for array in arrays]
    extra = [dim for index in indices for dim in index[1:]]
    new = dict(zip(dims, shape, strict=False))
    blocks = da.blockwise(
        _call,
        (0, *extra, *new),
        *alternate(arrays, indices),
        *alternate([*whole, *map(as_delayed, shared)], itertools.repeat(None)),
        name=name,
        adjust_chunks={0: tuple(sizes) if n_rows is None else (n_rows,) * len(sizes)}
        | dict.fromkeys(extra, 1),
        new_axes=new,
        align_arrays=False,
        dtype=dtype,
        meta=np.empty((0,) * (1 + len(extra) + len(shape)), dtype),
        function=function,
        n_blocked=len(blocked),
        n_whole=len(whole),
        n_extra=len(extra),
    )
    return blocks, len(extra)


def _call(
    rows: AnyArray,
    *arguments: Any,
    function: Callable[..., Any],
    n_blocked: int,
    n_whole: int,
    n_extra: int,
) -> Any:
    """Call a function with the rows of all arrays along, and the shared values after them."""
    blocked, n_lazy = iter(arguments[:n_blocked]), n_blocked + n_whole
    whole = iter(arguments[n_blocked:n_lazy])
    along: list[Any] = []
    for own in rows.item():
        if own is None:
            along.append(next(blocked))
        else:
            along.append(next(whole)[own] if isinstance(own, slice) else opened(own))
    found = function(*along, *arguments[n_lazy:])
    if not isinstance(found, np.ndarray):
        return found
    return found.reshape(len(found), *(1,) * n_extra, *found.shape[1:])


class _RowsOfBlocks:
    """What each block has of the arrays along, cut by the tasks that need it.

    As it is in a graph once, it is as small as the tables themselves, however many blocks there
    are. Of a NumPy array, dask would make one entry of the graph for each block, on which nothing
    but one task depends. To put tasks in order, it collects for each of them all such entries that
    lead to it: where all frames depend on all key frames, 50,000 frames took 240 MiB, and 1,000,000
    more than 20 GiB.

    Parameters
    ----------
    along
        In memory, or read when used; None for dask arrays in blocks, a `_Whole` for those of one
        chunk.
    sizes
        Number of rows of each block.
    """

    def __init__(self, along: Sequence[Rows | None], sizes: Sequence[int]) -> None:
        self.along = along
        self.borders = np.cumsum([0, *sizes])
        self.shape = (len(sizes),)
        self.dtype = np.dtype(object)
        self.ndim = 1

    def __getitem__(self, key: tuple[slice, ...]) -> AnyArray:
        (blocks,) = key
        lists = np.empty(blocks.stop - blocks.start, object)
        for i in range(len(lists)):
            start, stop = self.borders[blocks.start + i : blocks.start + i + 2].tolist()
            rows = slice(start, stop)
            lists[i] = [None if values is None else values[rows] for values in self.along]
        return lists


class _Whole:
    """Stands for an array of one chunk, of which tasks take a slice."""

    def __getitem__(self, rows: slice) -> slice:
        return rows


def _rows_of_blocks(sizes: Sequence[int], along: Sequence[Rows | da.Array]) -> da.Array:
    """List what each block has of the arrays along.

    A dask array of each of them would do as well for arrays in memory. But it adds an entry for
    each block to the graph: two arrays along 100 chunks take dask 2 ms more to optimise.

    Returns
    -------
    dask.array.Array
        object (block): a list with the rows of what is in memory, a slice for an array of one
        chunk, None for other dask arrays.
    """
    tables: list[Rows | None] = []
    for values in along:
        if not isinstance(values, da.Array):
            tables.append(as_table(values))
        else:
            tables.append(_Whole() if is_whole(values, sizes) else None)
    name = f"rows-{uuid.uuid4().hex}"
    blocks = _RowsOfBlocks(tables, sizes)
    return da.from_array(blocks, chunks=1, name=name, asarray=False, meta=np.empty(0, object))


def is_whole(values: Rows | da.Array, sizes: Sequence[int]) -> bool:
    """Whether all of several blocks have their rows in the only chunk of an array."""
    return isinstance(values, da.Array) and values.npartitions == 1 and len(sizes) > 1


def rechunk_rows(values: da.Array, sizes: Sequence[int]) -> da.Array:
    """Rechunk an array (row, ...) to blocks of these numbers of whole rows."""
    whole = dict.fromkeys(range(1, values.ndim), -1)
    return values.rechunk({0: tuple(sizes), **whole}, method="tasks")


def join_rows(blocks: da.Array, borders: Sequence[int], n_extra: int, name: str) -> da.Array:
    """Join blocks of rows to larger ones, without the dims that `row_tasks` has added.

    In one task for each of the larger blocks, where dask takes several, all called ``getitem``.

    Parameters
    ----------
    blocks, n_extra
        From `row_tasks`.
    borders
        Index of the first block of each larger one, and number of blocks at the end.
    name
        Name of the tasks, unique.
    """
    keys, shape = keys_of_rows(blocks), blocks.shape[1 + n_extra :]
    tasks, sizes = {}, []
    for i, (first, last) in enumerate(itertools.pairwise(borders)):
        tasks[name, i, *(0,) * len(shape)] = (_joined, keys[first:last], n_extra)
        sizes.append(sum(blocks.chunks[0][first:last]))
    return graph_array(name, tasks, [blocks], (tuple(sizes), *((n,) for n in shape)), blocks.dtype)


def _joined(blocks: list[AnyArray], n_extra: int) -> AnyArray:
    rows = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return rows.reshape(len(rows), *rows.shape[1 + n_extra :])


def keys_of_rows(table: da.Array) -> list[Any]:
    """List the keys of the chunks of a table (row, ...), which is cut along rows only."""
    keys: Any = table.__dask_keys__()
    return [_unwrapped(key) for key in keys]


def _unwrapped(keys: Any) -> Any:
    """Take a key out of the lists in which it lies, one for each dim that is not cut."""
    while isinstance(keys, list):
        (keys,) = keys
    return keys


def graph_array(
    name: str,
    tasks: dict[Any, Any],
    dependencies: Sequence[Shared],
    chunks: tuple[tuple[int, ...], ...],
    dtype: DTypeLike,
) -> da.Array:
    """Make a dask array of its tasks, one for each chunk."""
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=dependencies)
    return da.Array(graph, name, chunks, meta=np.empty((0,) * len(chunks), dtype))


def alternate(values: Iterable[Any], indices: Iterable[Any]) -> Iterable[Any]:
    """Alternate values and their indices, as `dask.array.blockwise` takes them."""
    return itertools.chain.from_iterable(zip(values, indices, strict=False))


def as_delayed(value: Shared) -> Delayed:
    """Turn what is shared into a lazy value."""
    return only_chunk(value) if isinstance(value, da.Array) else value


def only_chunk(array: da.Array) -> Delayed:
    """Turn an array of one chunk into a lazy value, which is computed once for all its users.

    Given to `dask.delayed`, an array is computed again, with all that leads to it. And a chunk made
    by a blockwise task must pass through another one: dask would try to fuse that task with those
    that share the value, and fail.
    """
    return dask.delayed(_as_it_is)(array.to_delayed(optimize_graph=False).item())


def _as_it_is(value: Any) -> Any:
    return value
