"""What is to be removed or saved when this process is ended by a signal.

Whoever writes under a temporary name removes what an error leaves. A process that is ended at once
runs none of that code, so the names are kept here, too; and so is what saves finished parts of work
that is still in memory.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ATTEMPTS = 3
"""How often a folder is removed in which other threads may be writing meanwhile."""

_lock = threading.Lock()
_paths: set[str] = set()
_savers: list[Callable[[], object]] = []


@contextlib.contextmanager
def unfinished(path: str | os.PathLike[str]) -> Iterator[None]:
    """Mark a file or folder as worthless until the block is left.

    Parameters
    ----------
    path
        Temporary name; need not exist yet, nor afterwards.
    """
    name = os.path.abspath(path)  # noqa: PTH100 - pathlib takes 25 µs
    with _lock:
        _paths.add(name)
    try:
        yield
    finally:
        with _lock:
            _paths.discard(name)


@contextlib.contextmanager
def saving(save: Callable[[], object]) -> Iterator[None]:
    """Save work when this process is ended by a signal within the block.

    Parameters
    ----------
    save
        Called then, in a thread of its own, while all others go on.
    """
    with _lock:
        _savers.append(save)
    try:
        yield
    finally:
        with _lock:
            _savers.remove(save)


def save_work(seconds: float) -> None:
    """Save the work of all blocks of `saving`, as far as that is possible in this time."""
    thread = threading.Thread(target=_save_all, args=(list(_savers),), daemon=True)
    thread.start()
    thread.join(seconds)


def _save_all(savers: list[Callable[[], object]]) -> None:
    for save in savers:
        with contextlib.suppress(Exception):  # the process ends, and can do without
            save()


def remove_unfinished() -> None:
    """Remove all that is marked, for a process that exits right after this.

    From here on no thread of the process gets beyond the beginning or the end of a block.
    """
    _lock.acquire()
    # Locks last: whoever takes one next may use the names of the others.
    for name in sorted(_paths, key=lambda name: name.endswith(".lock")):
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(OSError):
                os.unlink(name)  # noqa: PTH108
            shutil.rmtree(name, ignore_errors=True)
            if not os.path.lexists(name):
                break
