"""Folders that appear whole: what writing a zarr group adds to writing a file (`io.atomic`)."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
import uuid
from typing import TYPE_CHECKING, Any

from skry_dask.io.atomic import LEFTOVER_SECONDS, UNFINISHED, atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from skry_dask.io.remote import Location

COMPLETE = "complete"
"""Attribute of a group that is whole, written last."""

PARTIAL = ".partial-"
"""Marks the name of a folder that is being written."""

FRAMES = "frames"
"""Array of the frames of a store."""

IMPORT = f"{FRAMES}{PARTIAL}import"
"""Folder of an unfinished import in its store, with a lock of its own; see `import_folder`."""

PIECES = "pieces"
"""Folder of a store with what interrupted jobs have left; see `blobs`."""

LOCK = ".lock"
"""Suffix of a lock; see `locks`."""

METADATA = "zarr.json"
"""File with the metadata of a group or of an array."""


def temporary_name(place: Path) -> Path:
    """Name a folder, beside its final place, in which it is written."""
    return place.with_name(f"{place.name}{PARTIAL}{uuid.uuid4().hex}")


def ensure_group(folder: Path, attributes: dict[str, Any] | None = None) -> None:
    """Make a folder a zarr group with attributes, if it is none yet; that above it must exist."""
    folder.mkdir(exist_ok=True)
    if not (folder / METADATA).exists():
        write_group(folder, attributes or {})


def write_group(folder: Path, attributes: dict[str, Any]) -> None:
    """Write the metadata of a zarr group, in place of those it may have.

    zarr's own way leaves a partial file when it is killed.
    """
    with atomic_write(folder / METADATA) as file:
        file.write(new_group(attributes))


def new_group(attributes: dict[str, Any]) -> bytes:
    """Make the metadata of a zarr group."""
    document = {"attributes": attributes, "zarr_format": 3, "node_type": "group"}
    return json.dumps(document, indent=2).encode()


def attributes_of(group: Location) -> dict[str, Any]:
    """Read the attributes of a zarr group without opening it; none if there is no such group."""
    try:
        metadata = json.loads((group / METADATA).read_bytes() or b"")
    except (OSError, ValueError):
        return {}
    attributes = metadata.get("attributes") if isinstance(metadata, dict) else None
    return attributes if isinstance(attributes, dict) else {}


def is_complete(group: Location) -> bool:
    """Return whether a group bears its mark."""
    return bool(attributes_of(group).get(COMPLETE))


def rename_new(temporary: Path, place: Path) -> None:
    """Rename a folder to its final name, in place of an incomplete one if there is one.

    Raises
    ------
    FileExistsError
        If another process has put a complete folder there.
    """
    if place.exists() and not is_complete(place):
        shutil.rmtree(place)
    try:
        temporary.rename(place)
    except OSError as error:
        # Windows refuses to rename onto any folder, POSIX onto one that is not empty.
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES) and place.exists():
            raise FileExistsError(place) from error
        raise


def is_leftover(folder: Path) -> bool:
    """Return whether a folder without a group's metadata is unfinished: an import, or a first job.

    It holds nothing but partial folders, partial files, locks and pieces, if anything; or an import
    was interrupted while it moved its arrays to their places, and its own folder is still there.
    """
    try:
        return folder.is_dir() and ((folder / IMPORT).is_dir() or _is_unfinished(folder))
    except FileNotFoundError:  # another process has just removed some of it
        return True


def _is_unfinished(folder: Path) -> bool:
    return all(
        PARTIAL in path.name
        or path.name.startswith(".skry-")
        or path.suffix == LOCK
        or (path.name.startswith("zarr.") and path.suffix == ".partial")
        or (path.is_dir() and (path.name == PIECES or _is_unfinished(path)))
        for path in folder.iterdir()
    )


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that holds nothing."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def sweep(folder: Path) -> None:
    """Remove what interrupted runs left behind more than a day ago, all but imports and locks."""
    for leftover in (
        *folder.glob(f"*{PARTIAL}*"),
        *folder.glob("zarr.*.partial"),
        *folder.glob(f".skry-*{UNFINISHED}"),
    ):
        with contextlib.suppress(OSError):
            old = leftover.stat().st_mtime < time.time() - LEFTOVER_SECONDS
            if old and leftover.name != IMPORT:
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink()


def flush(path: Path) -> None:
    """Make sure that a file, or every file of a folder, is on the disk.

    Files are opened for writing, without which Windows does not flush them. Folders are left out:
    Windows has no way to flush them, and a rename that is lost only costs the result.
    """
    files: Iterable[Path] = (p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        with file.open("r+b") as handle:
            os.fsync(handle.fileno())
