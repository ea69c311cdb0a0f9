"""Turning images upright, as the orientation in their metadata states.

Cameras and phones that are held upright store the picture on its side, and a number that says so:
the tag Orientation of TIFF 6.0 (1992, section 8), which Exif 2.32 carries in JPEG and PNG.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.io.images.image_format import ImageHeader
    from skry_dask.types import AnyArray

UPRIGHT = 1
"""Orientation of an image whose first row is the top, and first column the left side."""

_TAG, _SHORT = 274, 3
_PREFIX = b"Exif\0\0"
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_MAX_ENTRIES = 1000
_ROWS_FLIPPED, _COLUMNS_FLIPPED, _TRANSPOSED = (3, 4, 7, 8), (2, 3, 6, 7), (5, 6, 7, 8)


def parse_orientation(exif: bytes) -> int:
    """Find the orientation in Exif metadata.

    Parameters
    ----------
    exif
        Content of the segment or chunk; may be damaged.

    Returns
    -------
    int
        1 to 8; `UPRIGHT` where none is stated.
    """
    exif = exif.removeprefix(_PREFIX)
    order = _ORDERS.get(exif[:4])
    if order is None:
        return UPRIGHT
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (n_entries,) = struct.unpack_from(f"{order}H", exif, start)
        for k in range(min(n_entries, _MAX_ENTRIES)):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, start + 2 + 12 * k)
            if (tag, kind) == (_TAG, _SHORT):
                return valid_orientation(value)
    except struct.error:
        pass
    return UPRIGHT


def valid_orientation(value: object) -> int:
    """Return an orientation as a file states it, or `UPRIGHT` for any other value."""
    return value if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT


def turned(header: ImageHeader, orientation: int) -> ImageHeader:
    """Exchange the height and width of a header if its image is stored on its side."""
    if orientation not in _TRANSPOSED:
        return header
    return replace(header, height=header.width, width=header.height)


def turn(image: AnyArray, orientation: int) -> AnyArray:
    """Turn and mirror a stored image so that its first row is the top.

    Parameters
    ----------
    image
        (y, x) or (y, x, channel), as stored.
    orientation
        1 to 8.

    Returns
    -------
    The same dtype, contiguous; the image itself if it is upright.
    """
    if orientation == UPRIGHT:
        return image
    if orientation in _TRANSPOSED:
        image = image.swapaxes(0, 1)
    rows = -1 if orientation in _ROWS_FLIPPED else 1
    columns = -1 if orientation in _COLUMNS_FLIPPED else 1
    return np.ascontiguousarray(image[::rows, ::columns])
