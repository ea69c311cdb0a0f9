"""Writing results: TIFF with 16 bits or float32, PNG with 16 bits.

The scale is the same for every image: 1.0 is the camera's full scale. Nothing is stretched, so that
the stacks of one evening can be compared. How an image was made is stored in it as JSON.
"""

from __future__ import annotations

import json
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
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
    PNG16 = "png16"


_KIND_OF_SUFFIX = {
    ".tif": ImageKind.TIFF16,
    ".tiff": ImageKind.TIFF16,
    ".png": ImageKind.PNG16,
}


def kind_of(path: str | os.PathLike[str]) -> ImageKind:
    """Choose how an image is stored from its name.

    Parameters
    ----------
    path
        ``.tif`` and ``.tiff`` give ``tiff16``, ``.png`` gives ``png16``.

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
        float (y, x), or (y, x, 3) for TIFF: red, green, blue. 1.0 is full scale.
    kind
        ``tiff32`` stores the values as float32, as they are; ``tiff16`` and ``png16`` clip to
        [0, 1] and round to 0...65535, not-a-number becomes 0.
    metadata
        JSON-compatible; stored as JSON in TIFF's ImageDescription, or PNG's text "Description".
        What JSON does not know is stored as its text.

    Raises
    ------
    OptionsError
        An unknown kind, or a shape that it does not hold.
    StoreError
        The file cannot be written.
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
    if channels and kind is ImageKind.PNG16:
        raise OptionsError(f"cannot write {path}: png16 holds grey images only; use .tif")
    samples = image.astype(np.float32) if kind is ImageKind.TIFF32 else _to_16_bits(image)
    description = json.dumps(dict(metadata), default=str)
    # An image is small beside the frames it was made from: encoded in memory, so that a full disk
    # shows as the operating system's own error.
    encode = _png if kind is ImageKind.PNG16 else _tiff
    try:
        content = encode(samples, description)
    except MemoryError as error:
        raise StoreError(
            f"cannot write {path}: no memory for {samples.shape} {samples.dtype}; close other "
            f"programs"
        ) from error
    with atomic_write(path) as file:
        file.write(content)


def _to_16_bits(image: AnyArray) -> AnyArray:
    # float64: in float32 the product of a value near 1.0 is off by up to half a step of 65535.
    scaled = np.nan_to_num(image.astype(np.float64), nan=0.0).clip(0, 1) * 65535
    return np.rint(scaled).astype(np.uint16)


def _software() -> str:
    try:
        return f"skry_dask {version('skry_dask')}"
    except PackageNotFoundError:  # a source tree that is not installed
        return "skry_dask"


def _tiff(samples: AnyArray, description: str) -> bytes:
    import tifffile

    target = BytesIO()
    tifffile.imwrite(
        target,
        samples,
        byteorder="<",
        photometric="rgb" if samples.ndim == 3 else "minisblack",
        software=_software(),
        description=description,
        metadata=None,
    )
    return target.getvalue()


def _png(samples: AnyArray, description: str) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("Software", _software())
    texts.add_text("Description", description)
    target = BytesIO()
    Image.fromarray(samples).save(target, "PNG", pnginfo=texts)
    return target.getvalue()
