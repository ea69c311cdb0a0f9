"""Locks on parts of a store: a second process waits for the first, or for its end.

The lock is a file beside the part, ``NAME.lock``. The operating system releases it when its process
ends, also by a crash; the file that stays then is removed with the next lock. Where there are no
locks, as on some network file systems, processes work beside each other: see the users of
`exclusive`.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from typing import TYPE_CHECKING

from skry_dask.io.locks import open_locked, release
from skry_dask.store.places.folder import LOCK, PARTIAL
from skry_dask.unfinished import unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

JOB = f"{PARTIAL}job"
"""Suffix of a folder in which the holder of a lock writes a part."""

WAIT_SECONDS = 0.1
"""Time between two attempts to get a lock."""


@contextlib.contextmanager
def exclusive(part: Path, what: str) -> Iterator[bool]:
    """Hold the lock of a part of a store, after waiting for others who hold it.

    Parameters
    ----------
    part
        File or folder, which need not exist; the folder above it does.
    what
        What is done to it, for the message while waiting.

    Yields
    ------
    bool
        Whether this process holds the lock; False where there are no locks.
    """
    path = lock_of(part)
    with _released(path, _wait(path, what)) as is_locked:
        yield is_locked


@contextlib.contextmanager
def exclusive_if_free(part: Path) -> Iterator[bool]:
    """Hold the lock of a part of a store, unless another process does.

    Yields
    ------
    bool
        Whether this process holds the lock.
    """
    path = lock_of(part)
    try:
        handle = open_locked(path)
    except OSError:  # another process has it, or nothing can be written here
        handle = None
    with _released(path, handle) as is_locked:
        yield is_locked


@contextlib.contextmanager
def _released(path: Path, handle: int | None) -> Iterator[bool]:
    """Release a lock at the end, if this process has it; a signal removes its file, too."""
    if handle is None:
        yield False
        return
    with unfinished(path):
        try:
            yield True
        finally:
            release(path, handle)


def job_folder(part: Path) -> Path:
    """Name the folder in which the holder of a lock writes the part."""
    return part.with_name(f"{part.name}{JOB}")


def sweep_unlocked(folder: Path) -> None:
    """Remove what killed processes have left: locks that nobody holds, and folders of theirs."""
    left = {
        path.name.removesuffix(suffix)
        for suffix in (LOCK, JOB)
        for path in folder.glob(f"*{suffix}")
    }
    for name in left:
        with exclusive_if_free(folder / name) as is_locked:
            if is_locked:
                shutil.rmtree(job_folder(folder / name), ignore_errors=True)


def remove_lock(part: Path) -> None:
    """Remove the lock of a part that is complete, if a process was killed while it released it."""
    if lock_of(part).exists():
        with exclusive_if_free(part):
            pass


def lock_of(part: Path) -> Path:
    """Name the lock of a part of a store."""
    return part.with_name(f"{part.name}{LOCK}")


def _wait(path: Path, what: str) -> int | None:
    is_told = False
    while True:
        try:
            return open_locked(path)
        except BlockingIOError:
            if not is_told:
                log.info("waiting for another process: %s", what)
                is_told = True
            time.sleep(WAIT_SECONDS)
