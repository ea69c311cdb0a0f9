"""Results of phases, each a zarr group under its digest.

Most results are small: they are computed, and then saved while the next phase runs on them. What
has values for each frame and point grows with the capture: such a *table*, where it is large, is
written part by part as it is computed, and read part by part where it is needed, so that it is
never in memory as a whole.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import uuid
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from zarr.storage import LocalStore

from skry_dask.heap import give_back
from skry_dask.io.atomic import writing
from skry_dask.store.folder import COMPLETE, PARTIAL, flush, is_complete, rename_new, sweep
from skry_dask.types import AXIS, CHANNEL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from skry_dask.types import AnyArray

log = logging.getLogger(__name__)

COORDS = "coordinate_names"
LABELS = {"axis": AXIS, "channel": CHANNEL}

LARGE = 4 * 2**20
"""Tables are large from this size on, bytes. Writing in parts takes 3 ms a part."""

PART = 2**20
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
            _look_through(place)
            return _read_result(place)
        except Exception as error:  # whatever a damaged file makes zarr and its codecs raise
            log.warning("%s is damaged (%s): computing it again", place, error)
            shutil.rmtree(place, ignore_errors=True)
            return None

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
            zarr.open_group(LocalStore(self.path), path=phase, mode="a")
            try:
                yield NewResult(temporary)
                flush(temporary)
                with contextlib.suppress(FileExistsError):
                    rename_new(temporary, place)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)


class NewResult:
    """A result that is being written.

    Parameters
    ----------
    place
        Its folder; made here.
    """

    def __init__(self, place: Path) -> None:
        self.group = zarr.create_group(LocalStore(place))
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
        """
        self.tables = large_tables(lazy)
        marks = {}
        for name in self.tables:
            table = lazy[name].variable
            lengths = _part_lengths(table.data)
            array = _create_array(self.group, name, table, (lengths[0], *table.shape[1:]))
            parts = table.data.rechunk({0: lengths, **dict.fromkeys(range(1, table.ndim), -1)})
            written = parts.map_blocks(
                _write_part,
                array,
                dtype=bool,
                drop_axis=list(range(1, table.ndim)),
                chunks=((1,) * len(lengths),),
            )
            marks[name] = ((f"part of {name}",), written)
        return lazy.drop_vars(self.tables).assign(marks)

    def finish(self, result: xr.Dataset) -> None:
        """Write what is computed and not written yet, the mark last.

        With plain zarr: ``Dataset.to_zarr`` takes three times as long.
        """
        # zarr v3 has no stable format for text: labels are put back when the result is read.
        stored = result.drop_vars([*LABELS, *self.tables], errors="ignore")
        for name, values in stored.variables.items():
            _create_array(self.group, str(name), values)[...] = values.to_numpy()
        coords = sorted(str(name) for name in stored.coords)
        self.group.attrs.put({**result.attrs, COORDS: coords, COMPLETE: True})


def large_tables(lazy: xr.Dataset) -> list[str]:
    """Name the lazy variables of a result that have values for each frame and are large."""
    return [
        str(name)
        for name, values in lazy.data_vars.items()
        if values.chunks and values.dims[0] == "frame" and values.nbytes > LARGE
    ]


def _part_lengths(table: da.Array) -> tuple[int, ...]:
    """Cut a table into parts for writing, each of several of the chunks that it is made in."""
    n_frames, n_chunk = len(table), table.chunksize[0]
    length = n_chunk * max(1, PART * n_frames // (table.nbytes * n_chunk))
    whole, rest = divmod(n_frames, length)
    return (length,) * whole + ((rest,) if rest else ())


def _write_part(values: AnyArray, array: zarr.Array[Any], block_id: tuple[int, ...]) -> AnyArray:
    start = block_id[0] * array.chunks[0]
    array[start : start + len(values)] = values
    give_back()
    return np.ones(1, bool)


def _create_array(
    group: zarr.Group, name: str, values: xr.Variable, chunks: Any = "auto"
) -> zarr.Array[Any]:
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunks,
        dimension_names=[str(dim) for dim in values.dims],
    )
    array.attrs.put(values.attrs)
    return array


def _look_through(place: Path) -> None:
    """Read all parts of large tables, so that damage shows before work is built on them."""
    for _, array in zarr.open_group(LocalStore(place, read_only=True), mode="r").arrays():
        if _is_large(array):
            for start in range(0, array.shape[0], array.chunks[0]):
                array[start : start + array.chunks[0]]


def _is_large(array: zarr.Array[Any]) -> bool:
    return array.nbytes > LARGE and _dims(array)[:1] == ("frame",)


def _read_result(place: Path) -> xr.Dataset:
    group = zarr.open_group(LocalStore(place, read_only=True), mode="r")
    variables = {
        name: xr.Variable(_dims(array), _values(array), dict(array.attrs))
        for name, array in group.arrays()
    }
    attrs = group.attrs.asdict()
    del attrs[COMPLETE]
    coords = attrs.pop(COORDS)
    result = xr.Dataset(variables, attrs=attrs).set_coords(coords)
    return result.assign_coords({dim: text for dim, text in LABELS.items() if dim in result.dims})


def _values(array: zarr.Array[Any]) -> Any:
    """Read an array, or a large table lazily."""
    if not _is_large(array):
        return array[...]
    return da.from_array(array, chunks=(array.chunks[0], *array.shape[1:]), name=False)


def _dims(array: zarr.Array[Any]) -> tuple[Any, ...]:
    return getattr(array.metadata, "dimension_names", None) or ()
