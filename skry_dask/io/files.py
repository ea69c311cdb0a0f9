"""Reading bytes of a capture, with errors that a person can act on.

Readers keep no open handle: each read opens the file, reads and closes. That costs about 10 µs and
buys readers that pickle, that any number of threads can share, and inputs that are never locked.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import ReaderError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path

    from skry_dask.types import AnyArray

_REMEDY = {
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EACCES: "ask for permission to read it, or copy it",
    errno.EPERM: "ask for permission to read it, or copy it",
    errno.ENAMETOOLONG: "check the path",
    errno.EIO: "check the disk, or copy the file to another one",
}


def cannot_read(path: Path, error: OSError) -> ReaderError:
    """Say in one line what the operating system refused and what to do about it.

    Parameters
    ----------
    path
        The file.
    error
        What the operating system said.
    """
    remedy = _REMEDY.get(error.errno or 0, "check the disk or the network it is on")
    return ReaderError(f"cannot read {path}: {error.strerror or error}; {remedy}")


@contextmanager
def reading(path: Path) -> Iterator[FileIO]:
    """Open a file for unbuffered reading.

    Parameters
    ----------
    path
        An existing file.

    Raises
    ------
    ReaderError
        The operating system refuses to open or to read the file.
    """
    try:
        with path.open("rb", buffering=0) as file:
            yield file
    except OSError as error:
        raise cannot_read(path, error) from error


def fill(file: FileIO, offset: int, target: AnyArray) -> None:
    """Read from `offset` on until an array is full.

    Parameters
    ----------
    file
        An unbuffered file.
    offset
        Where to begin, bytes.
    target
        C-contiguous array of any type, filled as the bytes are in the file.

    Raises
    ------
    ReaderError
        The file ends before the array is full.
    """
    rest = target.reshape(-1).view(np.uint8).data
    file.seek(offset)
    while rest:
        n_read = file.readinto(rest)  # Linux moves at most 2 GiB per call
        if not n_read:
            raise ReaderError(
                f"cannot read {file.name}: it ends {len(rest)} bytes too early; it has become "
                f"shorter since it was opened, wait until it is complete and open it again"
            )
        rest = rest[n_read:]


def check_range(path: Path, start: int, stop: int, n_frames: int) -> None:
    """Refuse frame numbers that a file does not have.

    Parameters
    ----------
    path
        The file, for the message.
    start, stop
        Frames `start` to ``stop - 1`` are wanted.
    n_frames
        Number of frames in the file.

    Raises
    ------
    ReaderError
        Not ``0 <= start <= stop <= n_frames``.
    """
    if not 0 <= start <= stop <= n_frames:
        raise ReaderError(
            f"cannot read frames {start} to {stop} of {path}: it has {n_frames} frames; ask for "
            f"0 <= start <= stop <= {n_frames}"
        )
