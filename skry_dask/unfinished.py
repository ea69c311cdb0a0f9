"""Files and folders that this process is writing, to be removed when it is ended by a signal.

Whoever writes under a temporary name removes what an error leaves. A process that is ended at once
runs none of that code, so the names are kept here, too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ATTEMPTS = 3
"""How often a folder is removed in which other threads may be writing meanwhile."""

_lock = threading.Lock()
_paths: set[str] = set()


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


def remove_unfinished() -> None:
    """Remove all that is marked, for a process that exits right after this.

    From here on no thread of the process gets beyond the beginning or the end of a block.
    """
    _lock.acquire()
    for name in _paths:
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(OSError):
                os.unlink(name)  # noqa: PTH108
            shutil.rmtree(name, ignore_errors=True)
            if not os.path.lexists(name):
                break
