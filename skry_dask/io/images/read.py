"""Reading a single image: a master dark, a flat, a stack."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.images.formats import image_format_of
from skry_dask.io.images.guards import row_bands
from skry_dask.io.images.image_format import parse_description

if TYPE_CHECKING:
    import os

    from skry_dask.types import AnyArray

MAX_OF_UNIT_SCALE = 2.0
"""Highest value of a floating-point image in which white is 1.0. Sharpening and resampling exceed
1.0 a little; taken for grey levels, such an image would be black."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageFile:
    """An image as it is stored in a file.

    Parameters
    ----------
    data
        (y, x) or (y, x, 3): the stored values, native byte order, top row first; red, green, blue.
    full_scale
        Value of white, see `white_level`.
    cfa
        Colour filter array of raw colour (``"RGGB"``...), at the first pixel of `data`, or None.
    metadata
        What `write_image` stored with the image, or empty.
    time
        When it was taken, as its header says, ns since 1970-01-01 UTC, or None.
    """

    data: AnyArray
    full_scale: float
    cfa: str | None
    metadata: dict[str, Any]
    time: int | None = None


def read_image(path: str | os.PathLike[str]) -> ImageFile:
    """Read a file that holds a single image.

    Parameters
    ----------
    path
        A BMP, JPEG, PNG, TIFF or FITS file.

    Raises
    ------
    ReaderError
        If there is no such file, it cannot be read, or it holds several images.

    Examples
    --------
    >>> image = read_image("r.tif")
    >>> image.data.dtype, image.full_scale
    (dtype('uint16'), 65535.0)
    """
    path = Path(path)
    image_format = image_format_of(path)
    header = image_format.read_header(path)
    if header.n_images != 1:
        raise ReaderError(
            f"{path} holds {header.n_images} images; give a file with a single one, or stack it"
        )
    with closing(image_format.decode(path)) as images:
        data = next(images)
    if isinstance(data, ReaderError):
        raise data
    full_scale = white_level(data, header.bits)
    metadata = parse_description(header.description)
    return ImageFile(data, full_scale, header.cfa, metadata, header.time)


def white_level(data: AnyArray, bits: int) -> float:
    """Return the value of white in an image.

    Parameters
    ----------
    data
        (y, x) or (y, x, 3) of any number type.
    bits
        Depth of unsigned integers.

    Returns
    -------
    float
        ``2**bits - 1`` for uint8 and uint16. 1.0 for floating point, unless a value is higher than
        `MAX_OF_UNIT_SCALE`. For all others 65535: the values are taken for grey levels.
    """
    if data.dtype in (np.uint8, np.uint16):
        return float(2**bits - 1)
    if data.dtype.kind != "f":
        return 65535.0
    for rows in row_bands(len(data), data[0].nbytes):
        band = data[rows]
        if (band[np.isfinite(band)] > MAX_OF_UNIT_SCALE).any():
            return 65535.0
    return 1.0
