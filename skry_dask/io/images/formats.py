"""All image formats, and finding that of a file.

The content decides; the suffix only says that a file whose beginning is damaged was meant to be an
image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skry_dask.errors import ReaderError
from skry_dask.io.files import open_for_reading
from skry_dask.io.images.bmp import BmpFormat
from skry_dask.io.images.camera_raw import refuse_camera_raw
from skry_dask.io.images.fits import FitsFormat
from skry_dask.io.images.jpeg import JpegFormat
from skry_dask.io.images.png import PngFormat
from skry_dask.io.images.tiff import TiffFormat

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.io.images.image_format import ImageFormat
    from skry_dask.io.remote import Location

FORMATS: tuple[ImageFormat, ...] = (
    TiffFormat(),
    PngFormat(),
    BmpFormat(),
    FitsFormat(),
    JpegFormat(),
)
"""All formats; `skry_dask.io.images.image_format` explains how to add one."""

HEAD_BYTES = 512
"""Number of bytes at the beginning of a file by which its format is recognised."""


def format_names() -> str:
    """Return the names of all formats for a message: ``"TIFF, PNG... or JPEG"``."""
    *others, last = (known.name for known in FORMATS)
    return f"{', '.join(others)} or {last}"


def find_image_format(head: bytes) -> ImageFormat | None:
    """Return the format of an image file, or None for any other file.

    Parameters
    ----------
    head
        At least the first `HEAD_BYTES` of the file, or all if there are fewer.
    """
    return next((known for known in FORMATS if known.recognises(head)), None)


def has_image_suffix(path: Location) -> bool:
    """Return whether the suffix of a file is one of an image format.

    Parameters
    ----------
    path
        A file; need not exist.
    """
    return any(path.suffix.lower() in known.suffixes for known in FORMATS)


def image_format_of(path: Path) -> ImageFormat:
    """Return the format of an image file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ReaderError
        If the file cannot be read, is a camera's raw file, or no image of a known format.
    """
    with open_for_reading(path) as file:
        head = file.read(HEAD_BYTES)
    refuse_camera_raw(path, head)
    if found := find_image_format(head):
        return found
    if not head:
        raise ReaderError(f"{path} is empty; copy it again, or leave it out")
    raise ReaderError(
        f"{path} is no {format_names()} image: it begins with {head[:16]!r}; check that it is the "
        f"right file and complete"
    )
