"""Locks on files, which the operating system releases when their process ends, however it does.

They are advisory: they keep out only those who ask for them, too.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def try_lock(handle: int) -> bool | None:
    """Lock an open file if nobody else has locked it; closing it releases the lock.

    Parameters
    ----------
    handle
        File descriptor, open for writing.

    Returns
    -------
    bool or None
        Whether this process has the lock now. None where there are no locks: on some network file
        systems.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # Windows says the latter
        return False
    except (OSError, ImportError):
        return None
    return True


def open_locked(path: Path) -> int | None:
    """Open a file, made if necessary, and lock it.

    Parameters
    ----------
    path
        A file that is only ever opened by this function, and removed or renamed only by the process
        that has locked it.

    Returns
    -------
    int or None
        File descriptor, open for writing; the content stays. None where there are no locks.

    Raises
    ------
    BlockingIOError
        If another process, or this one, has locked the file.
    OSError
        If the file cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    while True:
        handle = os.open(path, flags, 0o666)
        locked = try_lock(handle)
        if locked and _is_still(path, handle):
            return handle
        os.close(handle)
        if locked is None:
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        if not locked:
            raise BlockingIOError(f"{path} is locked")
        # It was removed or renamed before the lock was ours.


def release(path: Path, handle: int) -> None:
    """Remove a file that `open_locked` opened, and close it."""
    if sys.platform == "win32":  # which removes no open file
        os.close(handle)
    with contextlib.suppress(OSError):  # another process may have locked it by now
        path.unlink()
    if sys.platform != "win32":
        os.close(handle)


def _is_still(path: Path, handle: int) -> bool:
    """Return whether a path is the name of an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))  # noqa: PTH116
    except OSError:
        return False
