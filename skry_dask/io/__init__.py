"""Captures in and images out: one file per format.

What a file is, its first bytes say; its suffix is not looked at. Readers follow the two protocols
in `skry_dask.io.reader`. A new format is a module with a reader, and a line in `open_reader`.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from skry_dask.errors import ReaderError
from skry_dask.io.files import cannot_read, reading

if TYPE_CHECKING:
    import os

    from skry_dask.io.reader import RawReader, VideoReader

__all__ = ["open_reader"]

_KINDS = "videos .ser and .avi, and what FFmpeg decodes (.mp4, .mov, .mkv...)"
_IMAGES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
    b"\xff\xd8\xff": "JPEG",
    b"SIMPLE  =": "FITS",
}


def open_reader(path: str | os.PathLike[str]) -> RawReader | VideoReader:
    """Open a capture with the reader that its content asks for.

    Parameters
    ----------
    path
        A video file.

    Returns
    -------
    RawReader for SER and uncompressed mono AVI, whose frames can be read in any order; VideoReader
    for everything that has to be decoded from its beginning.

    Raises
    ------
    ReaderError
        There is no such file, or it is not a capture that can be read.

    Examples
    --------
    >>> from skry_dask.io import open_reader
    >>> reader = open_reader("moon.ser")  # doctest: +SKIP
    >>> reader.info.n_frames, reader.info.problems  # doctest: +SKIP
    (120, ())
    """
    from skry_dask.io.avi import AviReader, is_uncompressed
    from skry_dask.io.riff import is_avi, read_avi_header
    from skry_dask.io.ser import SerReader
    from skry_dask.io.ser_header import HEADER_BYTES, is_ser
    from skry_dask.io.video import PyAvReader

    path = Path(path)
    size = _size(path)
    with reading(path) as file:
        head = file.read(HEADER_BYTES)
        if is_avi(head) and is_uncompressed(read_avi_header(file, size, path)):
            return AviReader(path)
    if is_ser(head, size):
        return SerReader(path)
    for magic, name in _IMAGES.items():
        if head.startswith(magic):
            raise ReaderError(
                f"{path} is a single image ({name}); image sequences come in a later version, "
                f"this one reads {_KINDS}"
            )
    try:
        return PyAvReader(path)
    except ReaderError:
        if path.suffix.lower() == ".ser":
            return SerReader(path)  # raises, and says what a SER file begins with
        raise


def _size(path: Path) -> int:
    """Return the size of a file, bytes; refuse what is no file or has nothing in it."""
    try:
        status = path.stat()
    except OSError as error:
        raise cannot_read(path, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise ReaderError(
            f"{path} is a folder; image sequences come in a later version, this one reads {_KINDS}"
        )
    if not stat.S_ISREG(status.st_mode):
        raise ReaderError(f"{path} is not a file but a device or a pipe; give a file: {_KINDS}")
    if not status.st_size:
        raise ReaderError(f"{path} is empty; record or copy it again")
    return status.st_size
