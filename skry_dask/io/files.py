"""Reading the bytes of a capture, with errors that name the file and a remedy.

Readers keep no open file: each read opens, reads and closes it. That costs about 10 µs. In return
readers can be pickled and shared by threads, and inputs are never locked.
"""

from __future__ import annotations

import codecs
import errno
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.remote import STORES, shown
from skry_dask.io.remote_file import PinnedFile, RemoteFile

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from skry_dask.io.remote_file import FilePath
    from skry_dask.types import AnyArray, IntArray

_REMEDIES = {
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EACCES: "ask for permission to read it, or copy it",
    errno.EPERM: "ask for permission to read it, or copy it",
    errno.ENAMETOOLONG: "check the path",
    errno.EINVAL: "check the path",  # a name that is too long or not allowed, on Windows
    errno.EIO: "check the disk, or copy the file to another one",
}


class BinaryFile(Protocol):
    """A file that is open for unbuffered reading."""

    @property
    def name(self) -> Any:
        """Its path, for messages."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a byte: from the beginning, the present place (1) or the end (2)."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Read at most so many bytes."""
        ...

    def readinto(self, target: Any, /) -> int | None:
        """Fill a buffer; return the number of bytes."""
        ...


def as_file(path: str | os.PathLike[str] | PinnedFile) -> FilePath:
    """Return the same file for every process: workers of a cluster have other working folders."""
    return path if isinstance(path, PinnedFile) else Path(path).absolute()


def prefetch(file: BinaryFile, ranges: Iterable[tuple[int, int]]) -> None:
    """Say which ranges of bytes are going to be read; of files at URLs they are fetched at once.

    Parameters
    ----------
    file
        An open file.
    ranges
        First byte and end of each, increasing.
    """
    if isinstance(file, RemoteFile):
        file.prefetch(ranges)


def cannot_read(path: Path, error: OSError) -> ReaderError:
    """Turn an error of the operating system into one that names the file and a remedy.

    Parameters
    ----------
    path
        The file or folder.
    error
        Error of the operating system.
    """
    scheme, _, rest = path.as_posix().partition(":/")
    if scheme.lower() in STORES:  # of a URL, a path has lost a slash
        url = shown(f"{scheme}://{rest}")
        return ReaderError(f"cannot read {url}: at URLs only captures are read; copy it here")
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


def file_size(path: FilePath) -> int:
    """Return the size of a file, bytes.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ReaderError
        If there is no such file, or it is a device or a pipe, which may have no end.
    """
    if isinstance(path, PinnedFile):
        return path.size
    try:
        status = path.stat()
    except OSError as error:
        raise cannot_read(path, error) from error
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise ReaderError(f"{path} is not a file but a device or a pipe; copy it into a file")
    return status.st_size


def read_text(path: Path, max_bytes: int) -> str:
    """Read a text file that the user has named, such as one of positions.

    Parameters
    ----------
    path
        The file, in UTF-8 or, with a byte order mark, UTF-16; other bytes are replaced.
    max_bytes
        A longer file is refused: it is something else, such as the video.

    Raises
    ------
    ReaderError
        If it cannot be read, is longer, or is a device or a pipe.
    """
    size = file_size(path)
    with open_for_reading(path) as file:
        # Some files have no size until they are read.
        content = b"" if size > max_bytes else file.read(max_bytes + 1)
    if max(size, len(content)) > max_bytes:
        raise ReaderError(
            f"{path} is over {max_bytes} bytes, too long for a text file of this kind; check that "
            "it is the right file"
        )
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf16 else "utf-8-sig", errors="replace")


@contextmanager
def open_for_reading(path: FilePath) -> Iterator[BinaryFile]:
    """Open a file for unbuffered reading; devices and pipes are refused.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    BinaryFile
        Closed at the end of the block.

    Raises
    ------
    ReaderError
        If the operating system refuses to open the file, or to read it within the block; if it is a
        device or a pipe.
    """
    if isinstance(path, PinnedFile):
        with path.open() as remote:
            yield remote
        return
    file_size(path)  # opening a pipe waits for whoever writes into it
    try:
        with path.open("rb", buffering=0) as file:
            yield file
    except OSError as error:
        raise cannot_read(path, error) from error


def read_into(file: BinaryFile, offset: int, target: AnyArray) -> None:
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


def check_frame_range(path: FilePath, start: int, stop: int, n_frames: int) -> None:
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


def check_frame_numbers(path: FilePath, frames: IntArray, n_frames: int) -> None:
    """Refuse frame numbers that a file does not have.

    Parameters
    ----------
    path
        The file, for the message.
    frames
        int64 (frame), numbers of the frames to be read.
    n_frames
        Number of frames in the file.

    Raises
    ------
    ReaderError
        Unless all of them are from 0 to ``n_frames - 1``.
    """
    if len(frames):
        check_frame_range(path, int(frames.min()), int(frames.max()) + 1, n_frames)
