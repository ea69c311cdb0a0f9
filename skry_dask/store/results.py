"""Results of phases, each a zarr group under its digest."""

from __future__ import annotations

import contextlib
import logging
import shutil
import uuid
from typing import TYPE_CHECKING, Any

import xarray as xr
import zarr
from zarr.storage import LocalStore

from skry_dask.io.atomic import writing
from skry_dask.store.folder import COMPLETE, PARTIAL, flush, is_complete, rename_new, sweep
from skry_dask.types import AXIS, CHANNEL

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

COORDS = "coordinate_names"
LABELS = {"axis": AXIS, "channel": CHANNEL}


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
            return _read_result(place)
        except Exception as error:  # whatever a damaged file makes zarr and its codecs raise
            log.warning("%s is damaged (%s): computing it again", place, error)
            shutil.rmtree(place, ignore_errors=True)
            return None

    def save(self, phase: str, digest: str, result: xr.Dataset) -> None:
        """Write a result; whoever looks meanwhile finds none or the whole.

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
                _write_result(temporary, result)
                flush(temporary)
                with contextlib.suppress(FileExistsError):
                    rename_new(temporary, place)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)


def _read_result(place: Path) -> xr.Dataset:
    group = zarr.open_group(LocalStore(place, read_only=True), mode="r")
    variables = {
        name: xr.Variable(_dims(array), array[...], dict(array.attrs))
        for name, array in group.arrays()
    }
    attrs = group.attrs.asdict()
    del attrs[COMPLETE]
    coords = attrs.pop(COORDS)
    result = xr.Dataset(variables, attrs=attrs).set_coords(coords)
    return result.assign_coords({dim: text for dim, text in LABELS.items() if dim in result.dims})


def _dims(array: zarr.Array[Any]) -> tuple[Any, ...]:
    return getattr(array.metadata, "dimension_names", None) or ()


def _write_result(place: Path, result: xr.Dataset) -> None:
    """Write a computed Dataset as a zarr group, its mark last.

    With plain zarr: ``Dataset.to_zarr`` takes three times as long.
    """
    group = zarr.create_group(LocalStore(place))
    # zarr v3 has no stable format for text: labels are put back by `find`.
    stored = result.drop_vars(list(LABELS), errors="ignore")
    for name, values in stored.variables.items():
        array = group.create_array(
            str(name), data=values.to_numpy(), dimension_names=[str(dim) for dim in values.dims]
        )
        array.attrs.put(values.attrs)
    coords = sorted(str(name) for name in stored.coords)
    group.attrs.put({**result.attrs, COORDS: coords, COMPLETE: True})
