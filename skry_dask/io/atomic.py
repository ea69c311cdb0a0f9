"""Files that are written completely or not at all.

The bytes go to a temporary file in the same folder, are flushed to the disk (fsync), and only then
take the name of the target. After a crash or on a full disk, the old file is still there, never
half of the new one. What a killed process has left is replaced when the same target is written.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from skry_dask.errors import StoreError
from skry_dask.io.locks import open_locked
from skry_dask.unfinished import unfinished

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from skry_dask.types import AnyArray

UNFINISHED = ".part"
"""Suffix of files that are being written; their names begin with ``.skry-``."""

LEFTOVER_SECONDS = 24 * 3600
"""Age of an unfinished file, without a lock, at which it is taken for that of a killed process."""

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
    with explain_write_errors(target):
        if target.is_dir():  # Windows reports it as a lack of permission
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        temporary, handle, is_locked = _open_temporary(target)
        with unfinished(temporary), ExitStack() as finally_:
            # What is locked is removed or renamed before it is closed, all else after that.
            file = os.fdopen(handle, "wb")
            if is_locked:
                finally_.enter_context(file)
            finally_.callback(temporary.unlink, missing_ok=True)
            if not is_locked:
                finally_.enter_context(file)
            yield file
            file.flush()
            os.fsync(handle)
            if not is_locked:
                file.close()
            temporary.replace(target)


def _open_temporary(target: Path) -> tuple[Path, int, bool]:
    """Open the file that is going to be renamed.

    Its name is short, because that of the target may be as long as the file system allows; and
    always the same, so that what a killed process has left is written over. If another process
    writes the same target, which its lock shows, or there are no locks, it is a name of its own.

    Returns
    -------
    Name, file descriptor, and whether it is locked: then it is to be renamed before it is closed.
    """
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]
    usual = target.with_name(f".skry-{digest}{UNFINISHED}")
    handle = None
    if os.name != "nt":  # Windows renames no open file
        with suppress(BlockingIOError):
            handle = open_locked(usual)
    if handle is not None:
        os.ftruncate(handle, 0)
        return usual, handle, True
    for other in target.parent.glob(f".skry-{digest}-*{UNFINISHED}"):
        with suppress(OSError):
            if other.stat().st_mtime < time.time() - LEFTOVER_SECONDS:
                other.unlink()
    own = target.with_name(f".skry-{digest}-{secrets.token_hex(6)}{UNFINISHED}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return own, os.open(own, flags, 0o666), False  # the umask decides who may read it


def write_if_new(path: str | os.PathLike[str], content: bytes) -> bool:
    """Write a file, completely or not at all, unless it has this content already.

    Parameters
    ----------
    path
        The file; replaced if its content differs.
    content
        What it shall hold.

    Returns
    -------
    bool
        Whether it was written.

    Raises
    ------
    StoreError
        See `atomic_write`.
    """
    if _holds(Path(path), content):
        return False
    with atomic_write(path) as file:
        file.write(content)
    return True


def _holds(path: Path, content: bytes) -> bool:
    """Return whether a regular file has this content."""
    try:
        status = path.stat()
        same_size = stat.S_ISREG(status.st_mode) and status.st_size == len(content)
        return same_size and path.read_bytes() == content
    except OSError:  # there is none, or what is wrong is said when it is written
        return False


@contextmanager
def explain_write_errors(target: object) -> Iterator[None]:
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
