"""Images in: which format a file has, and reading one image as it is stored.

A format is a line of `FORMATS` and a module with the two functions that `image_format` describes.
As with videos, the content decides and not the suffix; the suffix only says that a file whose
beginning is damaged was meant to be an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.files import reading
from skry_dask.io.images.image_format import metadata_of, rows_per_block
from skry_dask.io.images.pillow import is_bitmap

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from skry_dask.io.images.image_format import Still
    from skry_dask.types import AnyArray

HEAD_BYTES = 32
"""So much of a file's beginning tells its format."""

FLOAT_WHITE_LIMIT = 2.0
"""Up to here the greatest value of a floating-point image means that 1.0 is white. Sharpening and
resampling go beyond 1.0 a little; as grey levels such an image would be black."""


class _Format(NamedTuple):
    name: str
    module: str
    suffixes: tuple[str, ...]
    beginnings: tuple[bytes, ...]


FORMATS = (
    _Format("PNG", "png", (".png",), (b"\x89PNG\r\n\x1a\n",)),
    _Format("TIFF", "tiff", (".tif", ".tiff"), (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    _Format("BMP", "pillow", (".bmp", ".dib"), (b"BM",)),
    _Format("JPEG", "pillow", (".jpg", ".jpeg"), (b"\xff\xd8\xff",)),
    _Format("FITS", "fits", (".fits", ".fit", ".fts"), (b"SIMPLE  =",)),
)


@dataclass(frozen=True, slots=True, eq=False)
class ImageFile:
    """One image as it is stored in a file.

    Parameters
    ----------
    data
        (y, x) or (y, x, 3), top row first; red, green, blue. Of the type that is stored, native
        byte order.
    full_scale
        The value of white: 255 or 65535 (less for 9 to 15 bits); of floating point 1.0, or 65535
        where a value is greater than 2; 65535 for all other integers.
    cfa
        Colour filter array of raw colour (``"RGGB"``...), at the first pixel of `data`, or None.
    metadata
        What `write_image` stored with it, or empty.
    """

    data: AnyArray
    full_scale: float
    cfa: str | None
    metadata: dict[str, Any]


def format_of(head: bytes) -> str | None:
    """Name the image format that a file begins like.

    Parameters
    ----------
    head
        The first `HEAD_BYTES` of a file.

    Returns
    -------
    ``"PNG"``, ``"TIFF"``, ``"BMP"``, ``"JPEG"``, ``"FITS"``, or None.
    """
    for kind in FORMATS:
        if head.startswith(kind.beginnings) and (kind.name != "BMP" or is_bitmap(head)):
            return kind.name
    return None


def has_image_suffix(path: Path) -> bool:
    """Tell whether a file is named like an image.

    Parameters
    ----------
    path
        The file.
    """
    return any(path.suffix.lower() in kind.suffixes for kind in FORMATS)


def inspect_image(path: Path) -> Still:
    """Read the header of an image file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ReaderError
        Not an image, or one that cannot be read.
    """
    still: Still = _module_of(path).inspect(path)
    return still


def decode_images(path: Path) -> Iterator[AnyArray | ReaderError]:
    """Decode the images of a file.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    (y, x) or (y, x, 3) of the type that is stored; for one that cannot be decoded the error.

    Raises
    ------
    ReaderError
        Not an image, or one that cannot be read.
    """
    yield from _module_of(path).images(path)


def read_image(path: str | os.PathLike[str]) -> ImageFile:
    """Read a single image: a master dark, a flat, a stack.

    Parameters
    ----------
    path
        A BMP, JPEG, PNG, TIFF or FITS file.

    Raises
    ------
    ReaderError
        There is no such file, it cannot be read, or it holds several images.

    Examples
    --------
    >>> from skry_dask.io.images.read import read_image
    >>> dark = read_image("dark.tif")  # doctest: +SKIP
    >>> dark.data.shape, dark.full_scale  # doctest: +SKIP
    ((612, 840), 65535.0)
    """
    path = Path(path)
    still = inspect_image(path)
    if still.n_images != 1:
        raise ReaderError(
            f"{path} holds {still.n_images} images; give a file with a single one, or stack it"
        )
    data = next(decode_images(path))
    if isinstance(data, ReaderError):
        raise data
    return ImageFile(data, white_of(data, still.bits), still.cfa, metadata_of(still.text))


def white_of(data: AnyArray, bits: int) -> float:
    """Tell which value of an image is white.

    Parameters
    ----------
    data
        (y, x) or (y, x, 3) of any number type.
    bits
        Depth of unsigned integers.

    Returns
    -------
    ``2**bits - 1`` for uint8 and uint16; 65535 for other integers, which are taken as grey levels;
    1.0 for floating point, unless a value is greater than `FLOAT_WHITE_LIMIT`: then these are grey
    levels too.
    """
    if data.dtype in (np.uint8, np.uint16):
        return float(2**bits - 1)
    if data.dtype.kind != "f":
        return 65535.0
    for rows in rows_per_block(len(data), data[0].nbytes):
        block = data[rows]
        if (block[np.isfinite(block)] > FLOAT_WHITE_LIMIT).any():
            return 65535.0
    return 1.0


def _module_of(path: Path) -> Any:
    """Find the module that reads a file; it imports its library when it is used."""
    with reading(path) as file:
        head = file.read(HEAD_BYTES)
    name = format_of(head)
    for kind in FORMATS:
        if kind.name == name:
            return import_module(f"skry_dask.io.images.{kind.module}")
    if not head:
        raise ReaderError(f"{path} is empty; copy it again, or leave it out")
    known = ", ".join(kind.name for kind in FORMATS)
    raise ReaderError(
        f"{path} is no image of a known format ({known}): it begins with {head[:16]!r}; check that "
        f"it is the right file and complete"
    )
