"""Large tables of phase results: values for each frame and point, which grow with the capture.

They are never in memory as a whole: the tasks that compute blocks of their rows write them to the
store, and whoever needs rows reads the blocks that hold them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from skry_dask.io.atomic import explain_write_errors
from skry_dask.store.places.storage import storage_at

if TYPE_CHECKING:
    import dask.array as da
    import xarray as xr

    from skry_dask.io.remote import Location
    from skry_dask.types import AnyArray

LARGE_BYTES = 4 * 2**20
"""Size from which a table is large. Each block takes 3 ms to write."""

BLOCK_BYTES = 2**18
"""Size that blocks of large tables should have."""

WHOLE_BYTES = 2**24
"""Largest size of other arrays that are written as one chunk."""

TINY_BYTES = 2**14
"""Largest size that is not compressed, because compressing takes a thread of its own."""

FAST = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")
"""Takes 2 ms less per MB than zarr's own choice, zstd, and as much space."""

ONE_FOLDER = {"name": "default", "separator": "."}
"""Names the files of an array so that they lie in one folder, because making folders takes time."""


def is_large(values: xr.Variable) -> bool:
    """Return whether a variable is a large table: long along its first dim, ``frame``."""
    return values.nbytes > LARGE_BYTES and values.dims[:1] == ("frame",)


def large_tables(result: xr.Dataset) -> list[str]:
    """Name the lazy variables of a result that are large tables."""
    return [
        str(name)
        for name, values in result.data_vars.items()
        if values.chunks and is_large(values.variable)
    ]


def rows_per_block(table: xr.Variable, n_chunk: int = 1) -> int:
    """Choose the number of rows, frames, in a block of a large table.

    Parameters
    ----------
    table
        The table (frame, ...).
    n_chunk
        Number of frames per chunk; blocks consist of whole chunks.
    """
    return n_chunk * max(1, BLOCK_BYTES * table.shape[0] // (table.nbytes * n_chunk))


def chunks_on_disk(values: xr.Variable) -> tuple[int, ...] | Literal["auto"]:
    """Choose the zarr chunks of an array; each is a file, so there are as few as possible."""
    if is_large(values):
        return (rows_per_block(values), *values.shape[1:])
    if values.nbytes <= WHOLE_BYTES:
        return tuple(max(n, 1) for n in values.shape)
    return "auto"


def array_options(values: xr.Variable) -> dict[str, Any]:
    """Return the options with which zarr creates the array of a variable."""
    is_compressed = values.nbytes > TINY_BYTES and values.dtype.kind != "T"
    return {
        "compressors": (FAST, Crc32cCodec()) if is_compressed else (Crc32cCodec(),),
        # Chunks of zeros too, so that a missing chunk is always damage.
        "config": {"write_empty_chunks": True},
        "chunk_key_encoding": ONE_FOLDER,
        "dimension_names": [str(dim) for dim in values.dims],
        "attributes": values.attrs,
    }


def write_table(name: str, table: xr.Variable, folder: Location, store: Location) -> da.Array:
    """Create the array of a large table, and let the tasks that compute its blocks write them.

    Parameters
    ----------
    name
        Name of the array.
    table
        Lazy, chunked along its first dim.
    folder
        Where the zarr group is.
    store
        The store, for messages.

    Returns
    -------
    dask.array.Array
        bool (block): once it is computed, the table is written. Computing it raises `StoreError`
        if the table cannot be written.
    """
    n_rows = rows_per_block(table, table.data.chunksize[0])
    array = zarr.create_array(
        storage_at(folder, read_only=False),
        name=name,
        shape=table.shape,
        dtype=table.dtype,
        chunks=(n_rows, *table.shape[1:]),
        **array_options(table),
    )
    blocks = table.data.rechunk({0: n_rows, **dict.fromkeys(range(1, table.ndim), -1)})
    written: da.Array = blocks.map_blocks(
        _write_block,
        array,
        store,
        dtype=bool,
        drop_axis=list(range(1, table.ndim)),
        chunks=((1,) * blocks.numblocks[0],),
    )
    return written


def _write_block(
    rows: AnyArray, array: zarr.Array[Any], store: Location, block_id: tuple[int, ...]
) -> AnyArray:
    start = block_id[0] * array.chunks[0]
    with explain_write_errors(store):
        array[start : start + len(rows)] = rows
    return np.ones(1, bool)


def read_through(result: xr.Dataset) -> None:
    """Read all blocks of large tables, so that damage shows before work is built on them."""
    for name in result.data_vars:
        table = result[name].variable
        if is_large(table):
            n_rows = rows_per_block(table)
            for start in range(0, len(table), n_rows):
                table[start : start + n_rows].to_numpy()
