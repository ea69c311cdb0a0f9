"""Writing results of phases, each a zarr group under its digest.

Most results are small: they are computed, and then saved while the next phase runs on them. Large
tables are written while they are computed; see `store.tables`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
import zarr
from zarr.api.asynchronous import create_array, create_group
from zarr.storage import MemoryStore

from skry_dask.errors import StoreError
from skry_dask.io.atomic import explain_write_errors
from skry_dask.io.remote_errors import UnreachableError
from skry_dask.store.pieces.rows import ROWS
from skry_dask.store.places.checked import (
    METADATA,
    SCHEMA_ATTRIBUTE,
    check_schema,
    sealed,
)
from skry_dask.store.places.folder import (
    COMPLETE,
    LOCK,
    attributes_of,
    remove_if_empty,
    sweep,
)
from skry_dask.store.places.locks import exclusive, sweep_unlocked
from skry_dask.store.places.places import (
    files_of_arrays,
    groups_in,
    make_group,
    read_files,
    remove,
    write_files,
)
from skry_dask.store.places.storage import storage_at
from skry_dask.store.results.new_places import new_place
from skry_dask.store.results.owner import mark_of
from skry_dask.store.results.reading import (
    COORDINATES,
    N_FILES,
    WRITTEN,
    Results,
    read_result,
)
from skry_dask.store.results.room import check_room
from skry_dask.store.results.tables import (
    WHOLE_BYTES,
    array_options,
    chunks_on_disk,
    large_tables,
    read_through,
    write_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarr.core.buffer import Buffer

    from skry_dask.io.remote import Location
    from skry_dask.store.results.owner import Owner

log = logging.getLogger(__name__)


class ResultStore(Results):
    """Stored results of phases, to which results are added.

    Parameters
    ----------
    path
        Folder of the store, or its place at a URL; made when the first result is saved.
    owner
        The capture whose results these are; a new store belongs to it.
    """

    def __init__(self, path: Location, owner: Owner | None = None) -> None:
        super().__init__(path)
        self.owner = owner
        self.damaged: list[str] = []
        """Notes on results that were damaged and have been removed."""
        self._exclusive: set[Location] = set()

    def find(self, phase: str, digest: str) -> xr.Dataset | None:
        """Open a complete result, or return None; a damaged one is removed and noted.

        Raises
        ------
        StoreError
            If a newer version of this program has written it.
        """
        place = self.path / phase / digest
        attributes = attributes_of(place)
        if not attributes and not (isinstance(place, Path) and place.is_dir()):
            return None
        check_schema(place, attributes.get(SCHEMA_ATTRIBUTE))
        try:
            if not attributes.get(COMPLETE):
                raise StoreError(f"{METADATA} is damaged")
            found = read_result(place)
            read_through(found)
        except UnreachableError:
            raise
        except Exception as error:  # whatever a damaged file makes zarr and its codecs raise
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            log.info("%s is damaged (%s): computing it again", place, reason)
            self.damaged.append(f"{phase} is computed again: its result was damaged ({reason})")
            remove(place)
            return None
        return found

    def sweep(self) -> None:
        """Remove what processes have left that were killed while they wrote results."""
        if isinstance(self.path, Path):
            for folder in {path.parent for path in self.path.glob(f"*/*{LOCK}")}:
                sweep_unlocked(folder)

    def check_room(self, phase: str, result: xr.Dataset) -> None:
        """Refuse to compute a result that cannot be stored.

        Raises
        ------
        StoreError
            If the store is read-only, or its disk has too little space.
        """
        if not isinstance(self.path, Path):
            return
        n_files = 2 * len(result.variables) + 2  # values and metadata of each
        check_room(self.path, result.nbytes, n_files, f"the result of {phase}")

    def with_rows(self, phase: str, key: str) -> Iterator[xr.Dataset]:
        """Open the complete results of a phase whose rows depend on the same, the newest first.

        Parameters
        ----------
        phase
            Name of the phase.
        key
            What the rows depend on: ``key`` of the attribute ``rows``.

        Yields
        ------
        xarray.Dataset
            A result; damaged ones are left out.
        """
        places = []
        for place in groups_in(self.path / phase):
            attrs = attributes_of(place)
            rows = attrs.get(ROWS)
            if attrs.get(COMPLETE) and isinstance(rows, dict) and rows.get("key") == key:
                places.append((str(attrs.get(WRITTEN)), str(place), place))
        for _, _, place in sorted(places, reverse=True):
            try:
                result = read_result(place)
                read_through(result)
            except Exception as error:  # whatever a damaged file makes zarr and its codecs raise
                log.info("%s is damaged (%s): no rows are taken from it", place, error)
            else:
                yield result

    def save(self, phase: str, digest: str, result: xr.Dataset) -> None:
        """Write a result; other processes see all of it or nothing.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        with self.new(phase, digest) as new:
            new.finish(result)

    @contextlib.contextmanager
    def exclusive(self, phase: str, digest: str) -> Iterator[None]:
        """Hold the right to compute a result; wait first while another process does so.

        Where there are no locks, processes compute beside each other, and the first result counts.
        """
        place = self.path / phase / digest
        if not (isinstance(self.path, Path) and isinstance(place, Path)):
            yield
            return
        with contextlib.ExitStack() as at_end:
            # What is wrong with the folder is said when the result is written.
            with contextlib.suppress(OSError):
                for folder in (self.path, self.path / phase):
                    folder.mkdir(exist_ok=True)
                    at_end.callback(remove_if_empty, folder)
                if at_end.enter_context(exclusive(place, f"it computes {phase} in {self.path}")):
                    self._exclusive.add(place)
                    at_end.callback(self._exclusive.discard, place)
            yield

    @contextlib.contextmanager
    def new(self, phase: str, digest: str) -> Iterator[NewResult]:
        """Provide a place for a result, which is found once the context is left without an error.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        place = self.path / phase / digest
        is_exclusive = place in self._exclusive
        with explain_write_errors(self.path):
            if isinstance(self.path, Path):
                sweep(self.path / phase)
                sweep_unlocked(self.path / phase)
            make_group(self.path, {} if self.owner is None else mark_of(self.owner))
            make_group(self.path / phase)
        with new_place(self.path, place, is_exclusive=is_exclusive) as folder:
            yield NewResult(self.path, folder)


class NewResult:
    """A result that is being written.

    Parameters
    ----------
    store
        Where the store is.
    folder
        Where the result is written; exists.
    """

    def __init__(self, store: Location, folder: Location) -> None:
        self.store = store
        self.folder = folder
        self._tables: list[str] = []

    def write_tables(self, lazy: xr.Dataset) -> xr.Dataset:
        """Let the tasks that compute large tables write them, too.

        Parameters
        ----------
        lazy
            A phase's result.

        Returns
        -------
        xarray.Dataset
            Lazy, with bool (block) in place of large tables: once it is computed, they are written.
            Computing it raises `StoreError` if they cannot be.
        """
        self._tables = large_tables(lazy)
        marks = {
            name: (
                (f"block of {name}",),
                write_table(name, lazy[name].variable, self.folder, self.store),
            )
            for name in self._tables
        }
        return lazy.drop_vars(self._tables).assign(marks)

    def finish(self, result: xr.Dataset) -> None:
        """Write what is not written yet, the mark ``complete`` last.

        zarr makes the files of small arrays in memory, and we write them: its own store on disk
        takes three threads for each file. Results of 634 frames take 0.06 s of CPU time in place of
        0.19 s; ``Dataset.to_zarr`` takes three times as long as that.

        Not to be called where an event loop runs, such as in the main thread of a notebook.

        Parameters
        ----------
        result
            Computed; as from `write_tables`, if that was called.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        stored = result.drop_vars(self._tables)
        arrays = {str(name): _storable(values) for name, values in stored.variables.items()}
        with explain_write_errors(self.store):
            small = asyncio.run(_files_of_small_arrays(arrays))
            write_files(self.folder, {name: file.to_bytes() for name, file in small.items()})
            for name, values in arrays.items():
                if values.nbytes > WHOLE_BYTES:
                    zarr.create_array(
                        storage_at(self.folder, read_only=False),
                        name=name,
                        data=values.to_numpy(),
                        chunks=chunks_on_disk(values),
                        **array_options(values),
                    )
            written = files_of_arrays(self.folder)
            about = {
                COORDINATES: " ".join(sorted(str(name) for name in stored.coords)),
                N_FILES: len(written),
                WRITTEN: datetime.now(UTC).isoformat(timespec="microseconds"),
                COMPLETE: True,
            }
            group = asyncio.run(_group_document(result.attrs | about))
            documents = [name for name in written if name.endswith(f"/{METADATA}")]
            content = sealed(group, read_files(self.folder, documents))
            write_files(self.folder, {METADATA: content})


def _storable(values: xr.Variable) -> xr.Variable:
    """Make labels strings of variable width: zarr v3 has no stable format for numpy's usual ones.

    A variable of its own, because an index cannot have them.
    """
    if values.dtype.kind not in "UO":
        return values
    labels = np.array(values.to_numpy().tolist(), np.dtypes.StringDType())
    return xr.Variable(values.dims, labels, values.attrs)


async def _files_of_small_arrays(arrays: dict[str, xr.Variable]) -> dict[str, Buffer]:
    files: dict[str, Buffer] = {}
    for name, values in arrays.items():
        if values.nbytes <= WHOLE_BYTES:
            await create_array(
                MemoryStore(files),
                name=name,
                data=values.to_numpy(),
                chunks=chunks_on_disk(values),
                **array_options(values),
            )
    return files


async def _group_document(attributes: dict[str, Any]) -> bytes:
    files: dict[str, Buffer] = {}
    await create_group(store=MemoryStore(files), attributes=attributes)
    return files[METADATA].to_bytes()
