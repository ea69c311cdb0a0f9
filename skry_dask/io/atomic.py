"""Files that are written completely or not at all.

The bytes go to a temporary file in the same folder, are flushed to the disk (fsync), and only then
take the name of the target. After a crash or on a full disk, the old file is still there, never
half of the new one.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from skry_dask.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from skry_dask.types import AnyArray

_FULL = "free some space, or write to another disk"
_DENIED = "choose a folder that you can write to"
if os.name == "nt":
    # Windows gives the same error for a file that is open in another program.
    _DENIED += ", or close the program in which the file is open"
_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.ENOENT: "make the folder first",
    errno.ENOTDIR: "choose another folder",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _DENIED,
    errno.EISDIR: "a folder has this name, choose another",
    errno.ENAMETOOLONG: "choose a shorter name",
}


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that gets its name only when it is complete.

    Parameters
    ----------
    path
        The file to write; replaced if it exists.

    Yields
    ------
    binary file
        Seekable. At the end of the block it is closed and renamed to `path`; if the block raises,
        it is closed and deleted, and `path` stays as it was.

    Raises
    ------
    StoreError
        If the folder is missing or not writable, the disk is full...
    """
    target = Path(path)
    # A short name, because that of the target may be as long as the file system allows. Not made by
    # tempfile, whose files only their owner may read: here the user's umask decides.
    temporary = target.parent / f".skry-{secrets.token_hex(6)}.part"
    with explain_write_errors(target):
        if target.is_dir():  # Windows reports it as a lack of permission
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:  # KeyboardInterrupt as well
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def explain_write_errors(target: Path) -> Iterator[None]:
    """Turn errors of the operating system into one line that names the target and a remedy.

    Parameters
    ----------
    target
        The file or store that is written within the block.

    Raises
    ------
    StoreError
        In place of any OSError of the block.
    """
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "check the disk")
        raise StoreError(f"cannot write {target}: {error.strerror or error}; {remedy}") from error


def checked_frames(
    path: str | os.PathLike[str],
    frames: Iterable[AnyArray],
    *,
    n_frames: int,
    shape: tuple[int, ...],
    dtype: str,
) -> Iterator[AnyArray]:
    """Yield frames, and refuse the first that does not fit the header of the file.

    Parameters
    ----------
    path
        The file that the frames are written to, for messages.
    frames
        Arrays (y, x) or (y, x, channel).
    n_frames
        Number of frames in the header.
    shape
        Shape of a frame in the header.
    dtype
        ``"uint8"`` or ``"uint16"``.

    Yields
    ------
    C-contiguous array of this shape and dtype.

    Raises
    ------
    StoreError
        If a frame has another shape or dtype, or there are fewer or more frames.
    """
    count = 0
    for count, frame in enumerate(frames, start=1):
        if count > n_frames:
            break
        if frame.shape != shape or frame.dtype != np.dtype(dtype):
            raise StoreError(
                f"cannot write frame {count - 1} of {path}: it is {frame.dtype} {frame.shape}; "
                f"give {dtype} {shape}"
            )
        yield np.ascontiguousarray(frame)
    if count != n_frames:
        raise StoreError(
            f"cannot write {path}: {'more' if count > n_frames else count} frames were given, "
            f"n_frames is {n_frames}; make them equal"
        )
