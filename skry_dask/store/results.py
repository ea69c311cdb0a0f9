"""Results of phases, each a zarr group under its digest.

Most results are small: they are computed, and then saved while the next phase runs on them. What
has values for each frame and point grows with the capture: such a *table*, where it is large, is
written part by part as it is computed, and read part by part where it is needed, so that it is
never in memory as a whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import uuid
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
import zarr
from zarr.api.asynchronous import create_array, create_group
from zarr.codecs import BloscCodec
from zarr.errors import ContainsGroupError
from zarr.storage import LocalStore, MemoryStore

from skry_dask.errors import StoreError
from skry_dask.io.atomic import writing
from skry_dask.store.folder import COMPLETE, PARTIAL, flush, is_complete, rename_new, sweep
from skry_dask.store.lazy_array import lazy_array
from skry_dask.types import AXIS, CHANNEL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zarr.core.buffer import Buffer

    from skry_dask.types import AnyArray

log = logging.getLogger(__name__)

COORDS, FILES = "coordinate_names", "files_of_arrays"
LABELS = {"axis": AXIS, "channel": CHANNEL}

LARGE = 4 * 2**20
"""Tables are large from this size on, bytes. Writing in parts takes 3 ms a part."""

FAST = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")
"""Takes 2 ms less for each MB than zarr's own choice, zstd, and as much space."""

TINY = 2**14
"""What is smaller is not compressed, which takes a thread of its own, bytes."""

FLAT = {"name": "default", "separator": "."}
"""How the files of an array are named: in one folder, for to make folders takes time."""

WHOLE = 2**24
"""Values of up to this size are written in one part, bytes."""

PART = 2**18
"""Large tables are written in parts of about this size, bytes."""


class ResultStore:
    """Results of phases in a store, by digest.

    Parameters
    ----------
    path
        The store; made when the first result is saved.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, phase: str, digest: str) -> xr.Dataset | None:
        """Open a complete result, or None where there is none."""
        place = self.path / phase / digest
        if not is_complete(place):
            return None
        try:
            found = _read_result(place)
            _look_through(found)
        except Exception as error:  # whatever a damaged file makes zarr and its codecs raise
            log.warning("%s is damaged (%s): computing it again", place, error)
            shutil.rmtree(place, ignore_errors=True)
            return None
        return found

    def open(self, phase: str, digest: str) -> xr.Dataset:
        """Open a result that has just been written; large tables are read when they are needed."""
        return _read_result(self.path / phase / digest)

    def save(self, phase: str, digest: str, result: xr.Dataset) -> None:
        """Write a result; whoever looks meanwhile finds none or the whole.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        with self.new(phase, digest) as new:
            new.finish(result)

    @contextlib.contextmanager
    def new(self, phase: str, digest: str) -> Iterator[NewResult]:
        """Make a place for a result, which whoever looks finds when the context is left.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        place = self.path / phase / digest
        temporary = place.with_name(f"{digest}{PARTIAL}{uuid.uuid4().hex}")
        with writing(self.path):
            self.path.mkdir(exist_ok=True)
            sweep(self.path / phase)
            if not (self.path / phase / "zarr.json").exists():
                with contextlib.suppress(ContainsGroupError):  # another process was as fast
                    zarr.open_group(LocalStore(self.path), path=phase, mode="a")
            new = NewResult(self.path, temporary)
        try:
            yield new
            with writing(self.path):
                flush(temporary)
                with contextlib.suppress(FileExistsError):
                    rename_new(temporary, place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


class NewResult:
    """A result that is being written.

    Parameters
    ----------
    store
        Where it will be.
    place
        Its folder until then; made here.
    """

    def __init__(self, store: Path, place: Path) -> None:
        self.store = store
        self.place = place
        self.place.mkdir()
        self.tables: list[str] = []

    def write_tables(self, lazy: xr.Dataset) -> xr.Dataset:
        """Let tasks that make parts of large tables write them, too.

        Parameters
        ----------
        lazy
            A phase's result.

        Returns
        -------
        xarray.Dataset
            With marks in place of tables, lazy; when it has been computed, tables are written.
            Computing it raises `StoreError` if they cannot be.
        """
        self.tables = large_tables(lazy)
        marks = {}
        for name in self.tables:
            table = lazy[name].variable
            length = _part_length(table, table.data.chunksize[0])
            array = zarr.create_array(
                LocalStore(self.place),
                name=name,
                shape=table.shape,
                dtype=table.dtype,
                chunks=(length, *table.shape[1:]),
                **_make_of(table),
            )
            parts = table.data.rechunk({0: length, **dict.fromkeys(range(1, table.ndim), -1)})
            written = parts.map_blocks(
                _write_part,
                array,
                self.store,
                dtype=bool,
                drop_axis=list(range(1, table.ndim)),
                chunks=((1,) * parts.numblocks[0],),
            )
            marks[name] = ((f"part of {name}",), written)
        return lazy.drop_vars(self.tables).assign(marks)

    def finish(self, result: xr.Dataset) -> None:
        """Write what is computed and not written yet, the mark last.

        Of small values zarr makes the files in memory, which we then write: asking its own store on
        disk for each of them goes through three threads. Results of 634 frames take 0.06 s of the
        processor's time, not 0.19 s, and ``Dataset.to_zarr`` takes three times as long as that.

        Not to be called where an event loop runs, such as in the main thread of a notebook.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        # zarr v3 has no stable format for text: labels are put back when the result is read.
        stored = result.drop_vars([*LABELS, *self.tables], errors="ignore")
        with writing(self.store):
            arrays = {str(name): values for name, values in stored.variables.items()}
            self._write(asyncio.run(_files_of_arrays(arrays)))
            for name, values in arrays.items():
                if values.nbytes > WHOLE:
                    data, chunks = values.to_numpy(), _parts(values)
                    store = LocalStore(self.place)
                    zarr.create_array(
                        store, name=name, data=data, chunks=chunks, **_make_of(values)
                    )
            about = {
                COORDS: sorted(str(name) for name in stored.coords),
                FILES: _count_files(self.place),
                COMPLETE: True,
            }
            self._write(asyncio.run(_files_of_group(result.attrs | about)))

    def _write(self, files: dict[str, Buffer]) -> None:
        """Write files that zarr has made in memory."""
        for name, content in files.items():
            path = self.place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.to_bytes())


async def _files_of_arrays(arrays: dict[str, xr.Variable]) -> dict[str, Buffer]:
    """Make the files of small arrays, without a thread for each of them."""
    files: dict[str, Buffer] = {}
    for name, values in arrays.items():
        if values.nbytes <= WHOLE:
            data, chunks = values.to_numpy(), _parts(values)
            store = MemoryStore(files)
            await create_array(store, name=name, data=data, chunks=chunks, **_make_of(values))
    return files


async def _files_of_group(attributes: dict[str, Any]) -> dict[str, Buffer]:
    files: dict[str, Buffer] = {}
    await create_group(store=MemoryStore(files), attributes=attributes)
    return files


def _count_files(place: Path) -> int:
    """Count the files of arrays: zarr takes one that is missing for zeros."""
    return sum(path.is_file() for path in place.glob("*/**/*"))


def _make_of(values: xr.Variable) -> dict[str, Any]:
    """Tell zarr how an array is kept."""
    return {
        "compressors": FAST if values.nbytes > TINY else None,
        "chunk_key_encoding": FLAT,
        "dimension_names": [str(dim) for dim in values.dims],
        "attributes": values.attrs,
    }


def large_tables(lazy: xr.Dataset) -> list[str]:
    """Name the lazy variables of a result that have values for each frame and are large."""
    return [
        str(name)
        for name, values in lazy.data_vars.items()
        if values.chunks and _is_large(values.variable)
    ]


def _is_large(values: xr.Variable) -> bool:
    return values.nbytes > LARGE and values.dims[:1] == ("frame",)


def _parts(values: xr.Variable) -> tuple[int, ...] | Literal["auto"]:
    """Shape of the parts in which values are written: each is a file, so as few as do."""
    if _is_large(values):
        return (_part_length(values), *values.shape[1:])
    return tuple(max(n, 1) for n in values.shape) if values.nbytes <= WHOLE else "auto"


def _part_length(table: xr.Variable, n_chunk: int = 1) -> int:
    """How many frames a part has, in whole chunks of frames."""
    return n_chunk * max(1, PART * table.shape[0] // (table.nbytes * n_chunk))


def _write_part(
    values: AnyArray, array: zarr.Array[Any], store: Path, block_id: tuple[int, ...]
) -> AnyArray:
    start = block_id[0] * array.chunks[0]
    with writing(store):
        array[start : start + len(values)] = values
    return np.ones(1, bool)


def _look_through(result: xr.Dataset) -> None:
    """Read all parts of large tables, so that damage shows before work is built on them."""
    for name in result.data_vars:
        values = result[name].variable
        if _is_large(values):
            length = _part_length(values)
            for start in range(0, len(values), length):
                values[start : start + length].to_numpy()


def _read_result(place: Path) -> xr.Dataset:
    group = zarr.open_group(LocalStore(place, read_only=True), mode="r")
    variables = {name: _read_variable(array) for name, array in group.arrays()}
    attrs = group.attrs.asdict()
    del attrs[COMPLETE]
    n_files, coords = attrs.pop(FILES), attrs.pop(COORDS)
    if n_files != _count_files(place):
        raise StoreError(f"it has {_count_files(place)} files, but was written with {n_files}")
    result = xr.Dataset(variables, attrs=attrs).set_coords(coords)
    return result.assign_coords({dim: text for dim, text in LABELS.items() if dim in result.dims})


def _read_variable(array: zarr.Array[Any]) -> xr.Variable:
    """Read an array, or a large table when it is needed."""
    dims = getattr(array.metadata, "dimension_names", None) or ()
    lazy = xr.Variable(dims, lazy_array(array), dict(array.attrs))
    return lazy if _is_large(lazy) else lazy.load()
