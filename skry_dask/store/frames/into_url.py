"""Importing frames into a store at a URL.

Files are written to their final places, where each appears as a whole, and the metadata of the
store last: until then there is no store. Nobody can rename or lock anything there. So that two
imports do not mix their frames, a file of frames is only written where there is none; whoever finds
one with other content gives up.
"""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from skry_dask.io.remote_errors import UnreachableError
from skry_dask.store.frames.into_folder import import_folder, sweep_import
from skry_dask.store.pieces.blobs import UrlBlobs
from skry_dask.store.places.checked import METADATA, SCHEMA_ATTRIBUTE
from skry_dask.store.places.folder import FRAMES, IMPORT, attributes_of, new_group

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from skry_dask.io.remote import ListedFile, Location, RemotePath
    from skry_dask.store.frames.importing import ImportPlace
    from skry_dask.store.pieces.blobs import Blobs

N_PARALLEL = 6
"""Number of files of frames, 8 MiB each, that are compressed and written at a time."""

IDLE_SECONDS = 120.0
"""Time after its last record at which an import of another capture counts as ended."""


class ImportUrl:
    """Where an import keeps its files until they are a store at a URL; see `ImportPlace`.

    Parameters
    ----------
    store
        The store.
    """

    n_parallel = N_PARALLEL

    def __init__(self, store: RemotePath) -> None:
        self.name = str(store)
        self.store = store
        self.journal: Blobs = UrlBlobs(store / IMPORT)
        self._found: dict[str, ListedFile] | None = None
        self._has_begun = False

    def put(self, key: str, content: bytes) -> None:
        """Write a file of the store; see `ImportPlace.put`."""
        self._has_begun = True
        place = self.store / key
        if not key.startswith(f"{FRAMES}/c/"):
            place.write_bytes(content)
        elif not place.write_new(content):
            raise UnreachableError(
                f"another import has written into {self.store}: wait until it is done, or give "
                "another place"
            )

    def has(self, key: str, size: int, checksum: int) -> bool:
        """Return whether a file is there, of this size: it was only ever written once."""
        if self._found is None:
            self._found = self.store.files()
        found = self._found.get(key)
        return found is not None and found.size == size

    def is_ready(self, digest: str) -> bool:
        """Return False: as soon as all files are there, it is a store."""
        return False

    def publish(self) -> None:
        """Remove the records: the files are a store."""
        records = self.store / IMPORT
        records.delete_files(list(records.files()))

    def drop(self) -> bool:
        """Remove all files and records; return whether there were any.

        Raises
        ------
        UnreachableError
            If another import has written something just now.
        """
        records = (self.store / IMPORT).files()
        frames = (self.store / FRAMES).files()
        written = [record.written for record in records.values()]
        if written and not self._has_begun:
            idle = (datetime.now(UTC) - max(written)).total_seconds()
            if idle < IDLE_SECONDS:
                raise UnreachableError(
                    f"another import has written into {self.store} {max(idle, 0):.0f} s ago: wait "
                    f"until it is done, or {IDLE_SECONDS:.0f} s if it was interrupted"
                )
        if SCHEMA_ATTRIBUTE in attributes_of(self.store):
            (self.store / METADATA).write_bytes(new_group({}))
        (self.store / FRAMES).delete_files(list(frames))
        (self.store / IMPORT).delete_files(list(records))
        return bool(frames or records)


def import_into(store: Location) -> AbstractContextManager[ImportPlace]:
    """Provide the place of an import into a store.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    return import_folder(store) if isinstance(store, Path) else nullcontext(ImportUrl(store))


def drop_leftovers(store: Location) -> None:
    """Remove what an interrupted import has left in a store whose frames are complete."""
    if isinstance(store, Path):
        sweep_import(store)
    else:
        ImportUrl(store).publish()
