"""Reading the stored results of phases, by the name of a phase or by digest.

Each result is a zarr group ``<phase>/<digest>``. It counts only with its mark ``complete`` and with
all of its files: zarr takes a missing file for zeros.
"""

from __future__ import annotations

import contextlib
import html
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr
import zarr

from skry_dask.errors import StoreError
from skry_dask.io.remote import located
from skry_dask.options.given import article
from skry_dask.store.digest import SCHEMA
from skry_dask.store.frames.open import STORE_SUFFIX, array_of, is_group
from skry_dask.store.places.checked import (
    CHECKSUM,
    CHECKSUMS,
    METADATA,
    SCHEMA_ATTRIBUTE,
    CheckedArray,
    CheckedStore,
    check_metadata_of_arrays,
)
from skry_dask.store.places.folder import COMPLETE, attributes_of
from skry_dask.store.places.lazy_array import lazy_array
from skry_dask.store.places.places import N_REQUESTS, files_of_arrays, groups_in
from skry_dask.store.places.storage import storage_at
from skry_dask.store.results.tables import is_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.io.remote import Location, RemotePath

COORDINATES = "coordinates"
"""Attribute with the names of a result's coordinates, space-separated as the CF conventions have
it, so that `xarray.open_zarr` finds them."""

N_FILES = "n_files"
"""Attribute with the number of files of a result's arrays."""

WRITTEN = "written"
"""Attribute with the time at which a result was written, ISO 8601 in UTC."""

OWN_ATTRIBUTES = (COORDINATES, N_FILES, WRITTEN, COMPLETE, SCHEMA_ATTRIBUTE, CHECKSUMS, CHECKSUM)
"""Attributes of a stored result that the store adds to those of the phase."""

SHOWN_DIGITS = 12
"""Number of digits of a digest that the list of results shows."""


class MissingResultError(StoreError, KeyError):
    """A store has no such result."""

    __str__ = Exception.__str__  # KeyError quotes its message


class StoredResult(NamedTuple):
    """An entry of the list of stored results.

    Parameters
    ----------
    phase
        Name of the phase.
    digest
        32 hexadecimal digits, which depend on the capture and on all options up to the phase.
    written
        When it was written, UTC.
    options
        Options of the phase.
    """

    phase: str
    digest: str
    written: datetime
    options: dict[str, Any]

    @property
    def key(self) -> str:
        """The name by which `Results` finds it: ``phase/digest``."""
        return f"{self.phase}/{self.digest}"


class Results(Mapping[str, xr.Dataset]):
    """Stored results of the phases of a capture.

    ``results["track"]`` is the newest result of the track phase; ``results["track/DIGEST"]`` is the
    one with that digest, of which the first digits will do. Iterating gives the names of the phases
    that have results, in the order in which their newest results were written. Large tables, such
    as displacements, are read when they are used.

    Parameters
    ----------
    path
        Folder of the store, or its place at a URL.

    Examples
    --------
    >>> import skry_dask as skry
    >>> results = skry.open_results("moon.skry")
    >>> list(results)[:5]
    ['survey', 'reference', 'align', 'quality', 'track']
    >>> results["track"]["displacement"].sel(axis="y").dims
    ('frame', 'point')
    >>> newest = results.entries_of("track")[-1]
    >>> results[newest.key]["displacement"].equals(results["track"]["displacement"])
    True
    """

    def __init__(self, path: Path | RemotePath) -> None:
        self.path = path

    @property
    def entries(self) -> list[StoredResult]:
        """All complete results, from the oldest to the newest."""
        found = [entry for phase in groups_in(self.path) for entry in self.entries_of(phase.name)]
        return sorted(found, key=lambda entry: (entry.written, entry.key))

    def entries_of(self, phase: str) -> list[StoredResult]:
        """Return the complete results of one phase, from the oldest to the newest."""
        found = []
        for folder in groups_in(self.path / phase):
            attrs = attributes_of(folder)
            if not attrs.get(COMPLETE):
                continue
            with contextlib.suppress(KeyError, TypeError, ValueError):  # damaged, or an old layout
                written = datetime.fromisoformat(attrs[WRITTEN])
                options = dict(attrs.get("options", {}))
                found.append(StoredResult(phase, folder.name, written, options))
        return sorted(found, key=lambda entry: (entry.written, entry.key))

    def __getitem__(self, key: str) -> xr.Dataset:
        """Open a result.

        Parameters
        ----------
        key
            Name of a phase, for its newest result; or ``phase/digest``, or the beginning of that.

        Raises
        ------
        StoreError
            If there is no such result, or more than one with this beginning, or it is damaged.
        """
        entry = self._entry(str(key))
        try:
            return read_result(self.path / entry.phase / entry.digest)
        except Exception as error:  # whatever a damaged file makes zarr and its codecs raise
            raise StoreError(
                f"{entry.key} of {self.path} is damaged ({error}): delete that folder, and run the "
                "job again"
            ) from error

    def _entry(self, key: str) -> StoredResult:
        phase, _, digits = key.partition("/")
        of_phase = self.entries_of(phase) if phase else []
        if not of_phase:
            known = _phases(self.entries)
            near = get_close_matches(phase, known, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            remedy = (
                f"it has {', '.join(known)}" if known else "it has no results yet, run a job first"
            )
            raise MissingResultError(f"{self.path} has no result of {phase!r}: {hint}{remedy}")
        if not digits:
            return of_phase[-1]
        fitting = [entry for entry in of_phase if entry.digest.startswith(digits)]
        if len(fitting) != 1:
            problem = f"has {len(fitting)} results {key}" if fitting else f"has no result {key}"
            listed = ", ".join(entry.key for entry in fitting or of_phase)
            raise MissingResultError(f"{self.path} {problem}: choose one of {listed}")
        return fitting[0]

    def __iter__(self) -> Iterator[str]:
        return iter(_phases(self.entries))

    def __len__(self) -> int:
        return len(_phases(self.entries))

    def __contains__(self, key: object) -> bool:
        try:
            self._entry(str(key))
        except MissingResultError:
            return False
        return True

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def _repr_html_(self) -> str:
        entries = self.entries
        cells = "".join(
            f"<tr><td>{html.escape(entry.phase)}</td><td>{entry.digest[:SHOWN_DIGITS]}</td>"
            f"<td>{entry.written:%Y-%m-%d %H:%M:%S} UTC</td>"
            f"<td>{html.escape(_distinction(entry, entries))}</td></tr>"
            for entry in reversed(entries)
        )
        return (
            '<table class="skry-results" style="text-align:left"><caption style="text-align:left">'
            f"Results in {html.escape(str(self.path))}</caption><thead>"
            "<tr><th>phase</th><th>digest</th><th>written</th><th>differs in</th>"
            f"</tr></thead><tbody>{cells}</tbody></table>"
        )

    def __repr__(self) -> str:
        entries = self.entries
        lines = [
            f"  {entry.phase}/{entry.digest[:SHOWN_DIGITS]}  {entry.written:%Y-%m-%d %H:%M:%S} UTC"
            f"  {_distinction(entry, entries)}".rstrip()
            for entry in entries
        ]
        about = "from the oldest to the newest:" if lines else "none"
        return "\n".join([f"Results in {self.path}, {about}", *lines])


def open_results(path: str | os.PathLike[str]) -> Results:
    """Open the stored results of a capture's phases.

    Parameters
    ----------
    path
        Folder of the store, which `run` makes beside the capture: ``moon.ser`` → ``moon.skry``; its
        URL, such as ``s3://bucket/moon.skry``; or the capture, whose store is beside it.

    Returns
    -------
    Results
        A mapping from the names of phases to their newest results; by digest, too.

    Raises
    ------
    StoreError
        If it is not a store, or cannot be reached.

    Examples
    --------
    >>> import skry_dask as skry
    >>> points = skry.open_results("moon.ser")["track"]
    >>> points["position"].dims
    ('point', 'axis')
    """
    if not isinstance(path, str | os.PathLike):
        raise StoreError(f"{article(path)} is no store: give the path of a store, or of a capture")
    place = located(path)
    if not isinstance(place, Path):
        if (place / METADATA).state() is None:
            raise StoreError(f"{place} is not a store with results: run a job with --store {place}")
    elif not is_group(place):
        beside = place.with_suffix(STORE_SUFFIX)
        if is_group(beside):
            return Results(beside)
        if not place.exists() and place == beside:
            raise StoreError(f"{place}: there is no such store: give that of a capture")
        nor = "" if place == beside else f", and there is no {beside.name} beside it"
        raise StoreError(
            f"{place} is not a store with results{nor}: run a job on the capture first, or give "
            "the store that it used"
        )
    return Results(place)


def _distinction(entry: StoredResult, entries: list[StoredResult]) -> str:
    """Write the options in which a result differs from others of its phase: ``percent=20.0``."""
    others = [_flat(other.options) for other in entries if other.phase == entry.phase]
    return ", ".join(
        f"{name}={value}"
        for name, value in _flat(entry.options).items()
        if any(other.get(name) != value for other in others)
    )


def _flat(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options of phases out of those of a job."""
    flat: dict[str, Any] = {}
    for name, value in options.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def _phases(entries: list[StoredResult]) -> list[str]:
    """List phases in the order of their newest results."""
    newest = {entry.phase: i for i, entry in enumerate(entries)}
    return sorted(newest, key=newest.__getitem__)


def read_result(place: Location) -> xr.Dataset:
    """Read a result, large tables when they are used.

    Parameters
    ----------
    place
        Folder of the result, or its place at a URL.

    Returns
    -------
    xarray.Dataset
        As it was stored, with its labels.

    Raises
    ------
    StoreError
        If files are missing. Damaged files raise whatever zarr and its codecs raise.
    """
    storage = CheckedStore(storage_at(place))
    group = zarr.open_group(storage, mode="r", zarr_format=3, use_consolidated=False)
    attrs = group.attrs.asdict()
    if attrs.get(SCHEMA_ATTRIBUTE) != SCHEMA:
        raise StoreError(f"it has schema {attrs.get(SCHEMA_ATTRIBUTE)}, not {SCHEMA}")
    n_files, coordinates = attrs[N_FILES], str(attrs[COORDINATES]).split()
    checksums: Any = attrs[CHECKSUMS]
    if isinstance(place, Path):
        n_found = len(files_of_arrays(place))
        if n_files != n_found:
            raise StoreError(f"it has {n_found} files, but was written with {n_files}")
        check_metadata_of_arrays(place, checksums)
        variables = {name: _read_variable(array, place) for name, array in group.arrays()}
    else:
        variables = _read_variables(group, [name.split("/")[0] for name in checksums], place)
    if {f"{name}/{METADATA}" for name in variables} != set(checksums):
        raise StoreError("it has lost arrays")
    attrs = {k: v for k, v in attrs.items() if k not in OWN_ATTRIBUTES}
    result = xr.Dataset(variables, attrs=attrs).set_coords(coordinates)
    result.encoding["source"] = str(place)
    return result


def _read_variables(group: zarr.Group, names: list[str], place: Location) -> dict[str, xr.Variable]:
    """Read the arrays of a result at a URL, several at a time and without listing its files."""

    def read(name: str) -> xr.Variable:
        return _read_variable(array_of(group, name, place), place)

    with ThreadPoolExecutor(N_REQUESTS, "skry-get") as pool:
        return dict(zip(names, pool.map(read, names), strict=True))


def _read_variable(array: zarr.Array[Any], place: Location) -> xr.Variable:
    """Read an array of a result, or a large table when it is used."""
    dims = getattr(array.metadata, "dimension_names", None) or ()
    on_disk = CheckedArray(array, str(place), "delete that folder, and run the job again")
    values = xr.Variable(dims, lazy_array(on_disk), dict(array.attrs))
    if is_large(values):
        return values
    values = values.load()
    if values.dtype.kind == "T":  # labels: numpy's usual strings, which are of fixed width
        values = values.copy(data=np.array(values.to_numpy().tolist()))
    return values
