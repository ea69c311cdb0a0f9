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

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COMPLETE = "complete"
"""Attribute of a group that is whole, written last."""

PARTIAL = ".partial-"
"""Part of the name of what is being written."""


def attributes_of(group: Path) -> dict[str, Any]:
    """Attributes of a zarr group, without opening it; none where there is no such group."""
    try:
        metadata = json.loads((group / "zarr.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return metadata.get("attributes", {}) if isinstance(metadata, dict) else {}


def is_complete(result: Path) -> bool:
    """Tell whether a group bears its mark."""
    return bool(attributes_of(result).get(COMPLETE))


def replace(temporary: Path, place: Path) -> None:
    """Put a folder in place of another, of which there is always one or the other."""
    aside = place.with_name(f"{place.name}{PARTIAL}{uuid.uuid4().hex}")
    if place.exists():
        place.rename(aside)
    temporary.rename(place)
    shutil.rmtree(aside, ignore_errors=True)


def rename_new(temporary: Path, place: Path) -> None:
    """Rename a folder to its final name, in place of an incomplete one if there is one."""
    if place.exists() and not is_complete(place):
        shutil.rmtree(place)
    try:
        temporary.rename(place)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(place) from error  # another process was as fast
        raise


def sweep(folder: Path) -> None:
    """Remove what an interrupted run of more than a day ago left behind."""
    for leftover in folder.glob(f"*{PARTIAL}*"):
        with contextlib.suppress(OSError):
            if leftover.stat().st_mtime < time.time() - 86400:
                shutil.rmtree(leftover, ignore_errors=True)


def flush(path: Path) -> None:
    """Make sure that a file, or all files of a folder, are on the disk."""
    files: Sequence[Path] = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
