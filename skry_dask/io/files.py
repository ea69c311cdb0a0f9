"""Reading the bytes of a capture, with errors that name the file and a remedy.

Readers keep no open file: each read opens, reads and closes it. That costs about 10 µs. In return
readers can be pickled and shared by threads, and inputs are never locked.
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

_REMEDIES = {
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EACCES: "ask for permission to read it, or copy it",
    errno.EPERM: "ask for permission to read it, or copy it",
    errno.ENAMETOOLONG: "check the path",
    errno.EINVAL: "check the path",  # a name that is too long or not allowed, on Windows
    errno.EIO: "check the disk, or copy the file to another one",
}


def cannot_read(path: Path, error: OSError) -> ReaderError:
    """Turn an error of the operating system into one that names the file and a remedy.

    Parameters
    ----------
    path
        The file or folder.
    error
        Error of the operating system.
    """
    remedy = _REMEDIES.get(error.errno or 0, "check the disk or the network it is on")
    return ReaderError(f"cannot read {path}: {error.strerror or error}; {remedy}")


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder.

    Parameters
    ----------
    path
        Any path; one whose name is too long, for which `Path.is_dir` raises an error, is no folder.
    """
    try:
        return path.is_dir()
    except OSError:
        return False


@contextmanager
def open_for_reading(path: Path) -> Iterator[FileIO]:
    """Open a file for unbuffered reading.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    io.FileIO
        Closed at the end of the block.

    Raises
    ------
    ReaderError
        If the operating system refuses to open the file, or to read it within the block.
    """
    try:
        with path.open("rb", buffering=0) as file:
            yield file
    except OSError as error:
        raise cannot_read(path, error) from error


def read_into(file: FileIO, offset: int, target: AnyArray) -> None:
    """Fill an array with the bytes of a file from an offset on.

    Parameters
    ----------
    file
        An unbuffered file.
    offset
        First byte to read.
    target
        C-contiguous array of any type; its bytes become those of the file.

    Raises
    ------
    ReaderError
        If the file ends before the array is full.
    """
    remaining = target.reshape(-1).view(np.uint8).data
    file.seek(offset)
    while remaining:
        n_read = file.readinto(remaining)  # at most 2 GiB in one call
        if not n_read:
            raise ReaderError(
                f"cannot read {file.name}: it ends {len(remaining)} bytes too early; it has become "
                f"shorter since it was opened, wait until it is complete and open it again"
            )
        remaining = remaining[n_read:]


def check_frame_range(path: Path, start: int, stop: int, n_frames: int) -> None:
    """Refuse frame numbers that a file does not have.

    Parameters
    ----------
    path
        The file, for the message.
    start, stop
        Frames `start` to ``stop - 1`` are to be read.
    n_frames
        Number of frames in the file.

    Raises
    ------
    ReaderError
        Unless ``0 <= start <= stop <= n_frames``.
    """
    if not 0 <= start <= stop <= n_frames:
        raise ReaderError(
            f"cannot read frames {start} to {stop} of {path}: it has {n_frames} frames; ask for "
            f"0 <= start <= stop <= {n_frames}"
        )
