"""Importing frames into a store in a folder.

The files are written to ``frames.partial-import`` in the store, and moved to their places when all
of them are there. One process at a time imports into a store. Where there are no locks, several
may: each has a place of its own, which nothing continues, and the last to finish makes the store.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import time
import zlib
from typing import TYPE_CHECKING, Any

from dask.system import CPU_COUNT

from skry_dask.io.atomic import explain_write_errors
from skry_dask.store.pieces.blobs import FolderBlobs
from skry_dask.store.places.checked import (
    CHECKSUMS,
    METADATA,
    SCHEMA_ATTRIBUTE,
    DamageError,
    checksums_in,
)
from skry_dask.store.places.folder import (
    FRAMES,
    IMPORT,
    PARTIAL,
    attributes_of,
    flush,
    remove_if_empty,
    sweep,
    temporary_name,
    write_group,
)
from skry_dask.store.places.locks import WAIT_SECONDS, exclusive, exclusive_if_free, remove_lock
from skry_dask.unfinished import unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from skry_dask.store.pieces.blobs import Blobs

log = logging.getLogger(__name__)

ARRAYS = (FRAMES, "frame", "time", "damaged")
"""Arrays of a store with frames."""

JOURNAL = "journal"
"""Folder of the records of an import; removed when all other files are there."""

MOVE_SECONDS = 60
"""Time after which a process is taken for dead that moves files to their places."""

MAX_PARALLEL = 4
"""Largest number of shards that are compressed at a time."""


class ImportFolder:
    """Where an import keeps its files until they are a store in a folder; see `ImportPlace`.

    Parameters
    ----------
    store
        Folder of the store.
    partial
        Folder within it for the files.
    is_locked
        Whether no other process imports into it.
    """

    def __init__(self, store: Path, partial: Path, *, is_locked: bool) -> None:
        self.is_locked = is_locked
        self.name = str(store)
        self.store = store
        self.partial = partial
        self.journal: Blobs = FolderBlobs(partial / JOURNAL)
        self.n_parallel = min(CPU_COUNT, MAX_PARALLEL)

    def put(self, key: str, content: bytes) -> None:
        """Write a file of the store; see `ImportPlace.put`."""
        path = self.partial / key
        with explain_write_errors(self.store):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def has(self, key: str, size: int, checksum: int) -> bool:
        """Return whether a file is there as it was written; see `ImportPlace.has`."""
        try:
            content = (self.partial / key).read_bytes()
        except OSError:
            return False
        return len(content) == size and zlib.crc32(content) == checksum

    def is_ready(self, digest: str) -> bool:
        """Return whether all files are there, with the capture's digest."""
        try:
            document = (self.partial / METADATA).read_bytes()
            return bool(checksums_in(document)) and bool(_attributes(document)["digest"] == digest)
        except (OSError, DamageError, KeyError):
            return False

    def publish(self) -> None:
        """Make the files a store; see `ImportPlace.publish`. It may have been interrupted before.

        From the beginning to the end there is no store, so that new frames never go with old
        numbers or the old digest. Results that the folder holds stay.
        """
        with explain_write_errors(self.store), self._alone():
            flush(self.partial)
            shutil.rmtree(self.partial / "journal", ignore_errors=True)
            attributes = _attributes((self.partial / METADATA).read_bytes())
            written, before = attributes[CHECKSUMS], attributes_of(self.store)
            if not self.is_locked and before == attributes:
                self.drop()  # another process was as fast, and others may be reading its frames
                return
            if SCHEMA_ATTRIBUTE in before:
                write_group(self.store, {})
            for name in ARRAYS:
                new, place = self.partial / name, self.store / name
                if place.exists() and (new.exists() or f"{name}/{METADATA}" not in written):
                    shutil.rmtree(self.partial / f"old-{name}", ignore_errors=True)
                    place.rename(self.partial / f"old-{name}")
                if new.exists():
                    new.rename(place)
            (self.partial / METADATA).replace(self.store / METADATA)
        self.drop()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep out others for the moment that renaming takes, where there are no locks."""
        mark = self.store / f"{FRAMES}{PARTIAL}moved"
        while not self.is_locked:
            with contextlib.suppress(FileExistsError):
                mark.mkdir()
                break
            with contextlib.suppress(FileNotFoundError):
                if mark.stat().st_mtime < time.time() - MOVE_SECONDS:
                    mark.rmdir()
            time.sleep(WAIT_SECONDS)
        try:
            yield
        finally:
            if not self.is_locked:
                mark.rmdir()

    def drop(self) -> bool:
        """Remove all files and records; return whether there were any."""
        if not self.partial.exists():
            return False
        shutil.rmtree(self.partial, ignore_errors=True)
        return True


def _attributes(document: bytes) -> dict[str, Any]:
    attributes: dict[str, Any] = json.loads(document)["attributes"]
    return attributes


@contextlib.contextmanager
def import_folder(store: Path) -> Iterator[ImportFolder]:
    """Provide the place of an import into a store, once no other process imports into it.

    Parameters
    ----------
    store
        Folder of the store, which is made, and removed if nothing is in it at the end.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    with contextlib.ExitStack() as at_end:
        with explain_write_errors(store):
            with contextlib.suppress(FileExistsError):
                store.mkdir()
                at_end.callback(remove_if_empty, store)
            part = store / FRAMES
            is_locked = at_end.enter_context(exclusive(part, f"it imports into {store}"))
            sweep(store)
        partial = store / IMPORT if is_locked else temporary_name(store / FRAMES)
        if not is_locked:
            at_end.enter_context(unfinished(partial))
        yield ImportFolder(store, partial, is_locked=is_locked)


def sweep_import(store: Path) -> None:
    """Remove what an interrupted import has left in a store, unless an import goes on there."""
    if not (store / IMPORT).exists():
        remove_lock(store / FRAMES)
        return
    with exclusive_if_free(store / FRAMES) as is_locked:
        if is_locked:
            if (store / IMPORT / JOURNAL).exists():
                log.info("%s: an unfinished import is dropped", store)
            shutil.rmtree(store / IMPORT, ignore_errors=True)
