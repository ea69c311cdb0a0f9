"""Whether a place takes what is about to be written: noticed before the work, not after it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from skry_dask.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

FILE_BYTES = 2**12
"""Room that each file takes at least: a block of most file systems."""


def can_write_in(folder: Path) -> bool:
    """Return whether a folder takes new files, as far as its permissions show.

    A folder without any permission to write is left alone, even where the user is root. On Windows,
    permissions of folders show nothing: there, writing fails with its own message.
    """
    try:
        return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)
    except OSError:
        return False


def check_room(store: Path, n_bytes: int, n_files: int, what: str) -> None:
    """Refuse to begin work whose result cannot be kept.

    Parameters
    ----------
    store
        Folder that is to be written into; need not exist.
    n_bytes
        Size of what is going to be written, without compression.
    n_files
        Number of files that it consists of.
    what
        What is going to be written, for messages.

    Raises
    ------
    StoreError
        If the folder is read-only, or its disk has less space than that.
    """
    folder = store.absolute()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    if not can_write_in(folder):
        raise StoreError(
            f"cannot write {what} into {store}: folder {folder} is read-only; give another place "
            "with --store"
        )
    needed = n_bytes + n_files * FILE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StoreError(
            f"cannot write {what} into {store}: {needed / 1e6:.1f} MB are needed and "
            f"{free / 1e6:.1f} MB are free; free some space, or give a place on another disk with "
            "--store"
        )
