"""Captures in and images out: one file per format.

What a file is, its first bytes say; its suffix is not looked at. Readers follow the two protocols
in `skry_dask.io.reader`. A new video format is a module with a reader, and a line in `open_reader`;
a new image format a module with two functions, and a line in `skry_dask.io.images.read`.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from skry_dask.errors import ReaderError
from skry_dask.io.files import cannot_read, reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skry_dask.io.reader import RawReader, VideoReader

__all__ = ["open_reader"]

_KINDS = (
    "videos .ser and .avi, what FFmpeg decodes (.mp4, .mov, .mkv...), and BMP, JPEG, PNG, TIFF "
    "and FITS images"
)


def open_reader(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    byte_order: Literal["little", "big"] | None = None,
    grey: bool = False,
) -> RawReader | VideoReader:
    """Open a capture with the reader that its content asks for.

    Parameters
    ----------
    source
        A video file; an image file, a folder of images, a pattern of image files as
        ``shots/frame_*.png`` (if no file has exactly this name), or paths of image files.
    byte_order
        Of 16-bit samples in SER files, whose own flag is not to be relied upon; None to find out.
        Other formats say it themselves.
    grey
        Whether colour of compressed video and of images becomes grey. Raw video stays as it is.

    Returns
    -------
    RawReader for SER and uncompressed AVI, whose frames can be read in any order; VideoReader for
    everything that has to be decoded from its beginning.

    Raises
    ------
    ReaderError
        There is no such file, or it is not a capture that can be read.

    Examples
    --------
    >>> from skry_dask.io.registry import open_reader
    >>> reader = open_reader("moon.ser")  # doctest: +SKIP
    >>> reader.info.n_frames, reader.info.problems  # doctest: +SKIP
    (120, ())
    """
    from skry_dask.io.containers.riff import is_avi, read_avi_header
    from skry_dask.io.images.read import format_of, has_image_suffix
    from skry_dask.io.images.sequence import SequenceReader, is_pattern
    from skry_dask.io.raw.avi import AviReader, is_uncompressed
    from skry_dask.io.raw.ser import SerReader
    from skry_dask.io.raw.ser_header import HEADER_BYTES, is_ser
    from skry_dask.io.video.ffmpeg import PyAvReader

    if (
        not isinstance(source, str | os.PathLike) or is_pattern(source) or os.path.isdir(source)  # noqa: PTH112 a name too long is no folder, and no exception
    ):
        return SequenceReader(source, grey=grey)
    path = Path(source)
    size = _size(path)
    with reading(path) as file:
        head = file.read(HEADER_BYTES)
        if is_avi(head) and is_uncompressed(read_avi_header(file, size, path)):
            return AviReader(path)
    if is_ser(head, size):
        return SerReader(path, byte_order=byte_order)
    if format_of(head):
        return SequenceReader(path, grey=grey)
    try:
        return PyAvReader(path, grey=grey)
    except ReaderError:
        if path.suffix.lower() == ".ser":
            return SerReader(path)  # raises, and says what a SER file begins with
        if has_image_suffix(path):
            return SequenceReader(path)  # raises, and speaks of images
        raise


def _size(path: Path) -> int:
    """Return the size of a file, bytes; refuse what is no file or has nothing in it."""
    try:
        status = path.stat()
    except OSError as error:
        raise cannot_read(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise ReaderError(f"{path} is not a file but a device or a pipe; give a file: {_KINDS}")
    if not status.st_size:
        raise ReaderError(f"{path} is empty; record or copy it again")
    return status.st_size
