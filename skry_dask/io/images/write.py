"""Writing results: TIFF and FITS of floating point, TIFF, PNG and BMP of integers.

The scale is the same for every image: 1.0 is the camera's full scale. Nothing is stretched, so that
the stacks of one evening can be compared. How an image was made is stored in it as JSON, in every
format but BMP, which has no place for it. No date is stored: the same image makes the same bytes.
Reading is in `skry_dask.io.images.read`.
"""

from __future__ import annotations

import json
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import OptionsError, StoreError
from skry_dask.io.atomic import atomic_write

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from skry_dask.types import AnyArray


class ImageKind(StrEnum):
    """How an image is stored."""

    TIFF16 = "tiff16"
    TIFF32 = "tiff32"
    PNG8 = "png8"
    PNG16 = "png16"
    BMP = "bmp"
    FITS = "fits"


_FLOATS = (ImageKind.TIFF32, ImageKind.FITS)
_8_BITS = (ImageKind.PNG8, ImageKind.BMP)
_KIND_OF_SUFFIX = {
    ".tif": ImageKind.TIFF16,
    ".tiff": ImageKind.TIFF16,
    ".png": ImageKind.PNG16,
    ".bmp": ImageKind.BMP,
    ".fits": ImageKind.FITS,
    ".fit": ImageKind.FITS,
}


def kind_of(path: str | os.PathLike[str]) -> ImageKind:
    """Choose how an image is stored from its name.

    Parameters
    ----------
    path
        ``.tif`` and ``.tiff`` give ``tiff16``, ``.png`` gives ``png16``, ``.bmp`` gives ``bmp``,
        ``.fits`` and ``.fit`` give ``fits``.

    Raises
    ------
    OptionsError
        Another suffix, or none.
    """
    suffix = Path(path).suffix
    try:
        return _KIND_OF_SUFFIX[suffix.lower()]
    except KeyError:
        known = ", ".join(_KIND_OF_SUFFIX)
        raise OptionsError(
            f"{path} has the suffix {suffix!r}, which names no image format; use one of {known}"
        ) from None


def write_image(
    path: str | os.PathLike[str],
    image: AnyArray,
    *,
    kind: ImageKind | str,
    metadata: Mapping[str, Any],
) -> None:
    """Write an image, completely or not at all.

    Parameters
    ----------
    path
        The file to write; replaced if it is there.
    image
        float (y, x), or (y, x, 3): red, green, blue. 1.0 is full scale.
    kind
        ``tiff32`` and ``fits`` store the values as float32, as they are. All others clip to [0, 1]
        and round: ``tiff16`` and ``png16`` to 0...65535, ``png8`` and ``bmp`` to 0...255;
        not-a-number becomes 0.
    metadata
        JSON-compatible; stored as JSON in TIFF's ImageDescription, PNG's text "Description" and
        FITS's HISTORY. What JSON does not know is stored as its text. For FITS, ``active_frames``
        and ``source_attributes`` give keywords as well, see `skry_dask.io.images.fits.encode`.

    Raises
    ------
    OptionsError
        An unknown kind, or a shape that it does not hold.
    StoreError
        The file cannot be written, or astropy is missing for FITS.
    """
    try:
        kind = ImageKind(kind)
    except ValueError:
        known = ", ".join(ImageKind)
        raise OptionsError(f"the image kind is {kind!r}; it must be one of {known}") from None
    channels = image.shape[2:]
    if image.ndim not in (2, 3) or not image.size or channels not in ((), (3,)):
        raise OptionsError(
            f"cannot write {path}: the image has the shape {image.shape}; give (y, x) or (y, x, 3)"
        )
    description = json.dumps(dict(metadata), default=str)
    # An image is small beside the frames it was made from: encoded in memory, so that a full disk
    # shows as the operating system's own error.
    try:
        samples = _samples(image, kind)
        content = _encode(kind, samples, description, metadata)
    except MemoryError as error:
        raise StoreError(
            f"cannot write {path}: no memory for {image.shape} as {kind}; close other programs"
        ) from error
    with atomic_write(path) as file:
        file.write(content)


def _samples(image: AnyArray, kind: ImageKind) -> AnyArray:
    """Convert an image to what a kind stores."""
    if kind in _FLOATS:
        return image.astype(np.float32)
    white, dtype = (255, np.uint8) if kind in _8_BITS else (65535, np.uint16)
    # float64: in float32 the product of a value near 1.0 is off by up to half a step of 65535.
    scaled = np.nan_to_num(image.astype(np.float64), nan=0.0).clip(0, 1) * white
    rounded: AnyArray = np.rint(scaled).astype(dtype)
    return rounded


def _software() -> str:
    try:
        return f"skry_dask {version('skry_dask')}"
    except PackageNotFoundError:  # a source tree that is not installed
        return "skry_dask"


def _encode(
    kind: ImageKind, samples: AnyArray, description: str, metadata: Mapping[str, Any]
) -> bytes:
    """Make the bytes of a file; libraries are imported where they are used."""
    from skry_dask.io.images import fits, pillow, png, tiff

    if kind is ImageKind.FITS:
        return fits.encode(samples, _software(), description, metadata)
    if kind is ImageKind.BMP:
        return pillow.encode_bitmap(samples)
    if kind in (ImageKind.PNG8, ImageKind.PNG16):
        return png.encode(samples, {"Software": _software(), "Description": description})
    return tiff.encode(samples, _software(), description)
