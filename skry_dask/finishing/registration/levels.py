"""An image at several resolutions, and the part of it that is compared: fine structure.

Images of two filters differ in brightness, contrast and shading. A band of spatial frequencies
keeps edges and detail, and leaves out the light of the sky and the darkening towards a limb, which
are of no use here and differ most. Pixels without a value (not-a-number, as around a mosaic), and
those whose structure they touch, do not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, Float32Array

FINE_PX = 1.0
"""Standard deviation of the Gaussian that takes noise out of an image, px of the resolution."""

WIDE_PX = 5.0
"""Standard deviation of the Gaussian whose result is taken out of an image as its shading, px."""

REACH_PX = 8
"""How far from a pixel without value the structure is not used, px."""


class Level(NamedTuple):
    """An image at one resolution.

    Parameters
    ----------
    pixels
        float32 (y, x), a value everywhere.
    valid
        bool (y, x), whether the value is that of the image.
    """

    pixels: Float32Array
    valid: BoolArray


def at_resolution(image: Float32Array, factor: int) -> Level:
    """Bin an image; pixels that are left over at the right and at the bottom are cut off.

    Parameters
    ----------
    image
        float32 (y, x); NaN where it has no value.
    factor
        Number of px along each axis that become one.
    """
    height, width = (n // factor * factor for n in image.shape)
    shape = (height // factor, factor, width // factor, factor)
    valid = np.isfinite(image[:height, :width])
    filled = np.where(valid, image[:height, :width], 0.0).astype(np.float32)
    counts = valid.reshape(shape).sum(axis=(1, 3))
    sums = filled.reshape(shape).sum(axis=(1, 3), dtype=np.float64)
    means = sums / np.maximum(counts, 1)
    known = 2 * counts >= factor * factor
    typical = means[known].mean() if known.any() else 0.0
    return Level(np.where(known, means, typical).astype(np.float32), known)


def structure(pixels: Float32Array) -> Float32Array:
    """Take noise and shading out of an image.

    Parameters
    ----------
    pixels
        float32 (y, x).
    """
    fine = ndimage.gaussian_filter(pixels, FINE_PX, mode="nearest")
    return fine - ndimage.gaussian_filter(pixels, WIDE_PX, mode="nearest")


def shown(valid: BoolArray) -> BoolArray:
    """Return where the structure of an image is that of the image: not beside missing pixels.

    Parameters
    ----------
    valid
        bool (y, x), see `Level`.
    """
    if valid.all():
        return valid
    box = np.ones((2 * REACH_PX + 1, 1), bool)
    lost = ndimage.binary_dilation(~valid, box)
    return ~ndimage.binary_dilation(lost, box.T)
