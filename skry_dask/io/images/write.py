"""Writing an image, on the same scale for every image.

1.0 is full scale of the camera. Nothing is stretched, so that the stacks of one evening can be
compared. Metadata are stored as JSON in every format. No date is stored: the same image makes the
same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import OptionsError, StoreError
from skry_dask.io.atomic import write_if_new
from skry_dask.io.images.formats import FORMATS
from skry_dask.io.images.image_format import ImageKind

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from skry_dask.io.remote import RemotePath
    from skry_dask.types import AnyArray


def image_kind_for(path: str | os.PathLike[str] | RemotePath) -> ImageKind:
    """Choose the kind of an image by the suffix of its file.

    Parameters
    ----------
    path
        ``.tif`` and ``.tiff`` give ``tiff16``; ``.png`` gives ``png16``; ``.bmp`` and ``.dib`` give
        ``bmp``; ``.fits``, ``.fit`` and ``.fts`` give ``fits``.

    Raises
    ------
    OptionsError
        If the suffix is none of these.
    """
    suffix = Path(str(path)).suffix
    writable = [known for known in FORMATS if known.kinds]
    for known in writable:
        if suffix.lower() in known.suffixes:
            return next(iter(known.kinds))
    names = ", ".join(name for known in writable for name in known.suffixes)
    if isinstance(path, str | Path) and Path(path).is_dir():
        raise OptionsError(f"{path} is a folder: name an image in it, or use --out-dir {path}")
    raise OptionsError(
        f"{path} has the suffix {suffix!r}, which names no image format that can be written; use "
        f"one of {names}"
    )


def write_image(
    path: str | os.PathLike[str],
    image: AnyArray,
    *,
    kind: ImageKind | str,
    metadata: Mapping[str, Any],
) -> bool:
    """Write an image, completely or not at all, unless the file holds the same bytes already.

    Parameters
    ----------
    path
        The file to write; replaced if it exists.
    image
        float (y, x), or (y, x, 3): red, green, blue. 1.0 is full scale.
    kind
        ``tiff32`` and ``fits`` store the values as float32, unchanged. All others clip to [0, 1]
        and round: ``tiff16`` and ``png16`` to 0...65535, ``tiff8``, ``png8`` and ``bmp`` to
        0...255; not-a-number becomes 0.
    metadata
        JSON-compatible; stored as JSON in ImageDescription of TIFF, in the text "Description" of
        PNG, between header and pixels of BMP and in HISTORY of FITS. What JSON does not know is
        stored as its text. In FITS, some of it becomes keywords, see `skry_dask.io.images.fits`.

    Returns
    -------
    bool
        Whether the file was written.

    Raises
    ------
    OptionsError
        If the kind is unknown, or the image has another shape.
    StoreError
        If the file cannot be written, or astropy is missing for FITS.
    """
    try:
        kind = ImageKind(kind)
    except ValueError:
        known = ", ".join(ImageKind)
        raise OptionsError(f"the image kind is {kind!r}; it must be one of {known}") from None
    if image.ndim not in (2, 3) or not image.size or image.shape[2:] not in ((), (3,)):
        raise OptionsError(
            f"cannot write {path}: the image has the shape {image.shape}; give (y, x) or (y, x, 3)"
        )
    image_format = next(known for known in FORMATS if kind in known.kinds)
    # Images are small beside the frames that they are made from. Encoding them in memory leaves the
    # writing to us, so that a full disk gives the error of the operating system.
    try:
        samples = _to_samples(image, np.dtype(image_format.kinds[kind]))
        content = image_format.encode(samples, metadata)
    except MemoryError as error:
        raise StoreError(
            f"cannot write {path}: no memory for {image.shape} as {kind}; close other programs"
        ) from error
    return write_if_new(path, content)


def _to_samples(image: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """Convert an image to the stored type; 1.0 is the maximum of integers, float32 is unchanged."""
    if dtype.kind == "f":
        return image.astype(dtype)
    # float64: in float32, values near 1.0 would be off by up to half a step of 65535.
    unit = np.nan_to_num(image.astype(np.float64), nan=0.0).clip(0, 1)
    samples: AnyArray = np.rint(unit * np.iinfo(dtype).max).astype(dtype)
    return samples
