"""Writing a file completely or not at all.

The bytes go to a temporary file beside the target, reach the disk (fsync), and only then take the
target's name: a crash or a full disk leaves the old file, never half of the new one.
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
_REMEDY = {
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
    """Open a file that appears under its name only when it is complete.

    Parameters
    ----------
    path
        The target; a file that is there already is replaced.

    Yields
    ------
    binary file, seekable. When the block ends it takes the target's name; when the block raises,
    it is removed and the target stays as it was.

    Raises
    ------
    StoreError
        The folder is missing or may not be written, the disk is full...
    """
    target = Path(path)
    # Short, because the target's own name may already have the greatest length allowed. Made by
    # open() and not by tempfile, so that the user's umask decides who may read the result.
    temporary = target.parent / f".skry-{secrets.token_hex(6)}.part"
    with writing(target):
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            # An interrupt (Ctrl-C) has to clean up as well.
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Say in one line why something cannot be written.

    Parameters
    ----------
    target
        What is being written: a file or a store.

    Raises
    ------
    StoreError
        In place of any OSError of the block.
    """
    try:
        yield
    except OSError as error:
        remedy = _REMEDY.get(error.errno or 0, "check the disk")
        raise StoreError(f"cannot write {target}: {error.strerror or error}; {remedy}") from error


def checked_frames(
    path: str | os.PathLike[str],
    frames: Iterable[AnyArray],
    *,
    n_frames: int,
    shape: tuple[int, ...],
    dtype: str,
) -> Iterator[AnyArray]:
    """Pass frames on, and refuse the first that does not fit what the header says.

    Parameters
    ----------
    path
        The file they go to, for the message.
    frames
        Arrays (y, x) or (y, x, channel).
    n_frames
        How many there must be.
    shape
        Of each: height and width, px, and channels if it has several.
    dtype
        ``"uint8"`` or ``"uint16"``.

    Yields
    ------
    C-contiguous array of this shape and `dtype`.

    Raises
    ------
    StoreError
        A frame has another shape or dtype, or there are fewer or more frames.
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
