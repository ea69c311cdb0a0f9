"""Mean images from sums: division by the weights, restored contrast and filled holes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask.array as da
import numpy as np

from skry_dask.kernels.frame.brightness import SCALED_FRACTION_BITS
from skry_dask.kernels.stacking.mean_image import normalise_sums
from skry_dask.phases.stacking.interpolation_loss import restore_contrast
from skry_dask.phases.stacking.resampling import CUBIC, Drizzled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.capture.calibration.develop import Developer
    from skry_dask.phases.stacking.resampling import ImageRequest, Resampling
    from skry_dask.phases.stacking.shift_and_add import ImageSums
    from skry_dask.types import AnyArray, Float32Array, IntArray

HOLE_REACH_PX = 4
"""Pixels on which no drop fell are filled from neighbours up to this distance, px of the image."""


def mean_images(
    sums: ImageSums,
    developer: Developer,
    requests: Sequence[ImageRequest],
    resampling: Resampling = CUBIC,
    *,
    scaled: bool = False,
    blur: da.Array | None = None,
) -> da.Array:
    """Turn the sums of `shift_and_add` into mean images, lazily.

    Parameters
    ----------
    sums
        From `shift_and_add`.
    developer, requests, resampling
        As given to `shift_and_add`. Holes of a drizzled image are filled; see `fill_holes`.
    scaled
        Whether frames were scaled by gains.
    blur
        Lazy int64 (selection, axis, 2), from `interpolation_blur`: the loss of contrast to
        restore.

    Returns
    -------
    float32 (image, y, x), lazy; 0 = no light, 1 = full scale, NaN where nothing was added.
    """
    per_value = resampling.units_per_value * 2.0 ** (SCALED_FRACTION_BITS if scaled else 0)
    units = [per_value * resampling.plane_units(developer, request.plane) for request in requests]
    images = da.map_blocks(
        divide_sums, *sums, units, developer.black, developer.white, dtype=np.float32
    )
    if isinstance(resampling, Drizzled):
        return images.map_blocks(fill_holes, dtype=np.float32)
    if blur is None:
        return images
    of_images = blur[[request.selection for request in requests]].rechunk(-1)
    return da.blockwise(
        restore_contrast, "iyx", images, "iyx", of_images, "jab", dtype=np.float32, concatenate=True
    )


def reach_of(resampling: Resampling) -> int:
    """Find how far away sums influence a pixel of the mean image, px of the image."""
    if isinstance(resampling, Drizzled):
        return 3 * HOLE_REACH_PX  # holes are closed by growing and shrinking, then filled
    return int(resampling.restores_contrast)  # by differences of neighbours


def divide_sums(
    values: IntArray, weights: AnyArray, units: Sequence[float], black: int, white: int
) -> Float32Array:
    """Divide sums by their weights.

    Parameters
    ----------
    values, weights
        int64, and int32 or int64 (image, y, x); see `ImageSums`.
    units
        For each image, units of its sums per grey level.
    black
        Grey level that becomes 0.
    white
        Grey levels from there to full scale, which becomes 1.

    Returns
    -------
    float32 (image, y, x); NaN where the weight is 0.
    """
    images = np.empty(values.shape, np.float32)
    for image, value, weight, unit in zip(images, values, weights, units, strict=True):
        normalise_sums(value, weight, unit, black, white, image)
    return images


def drizzled_frames(
    sums: ImageSums, developer: Developer, requests: Sequence[ImageRequest], resampling: Drizzled
) -> da.Array:
    """Turn the weights of drizzled images into numbers of frames, lazily.

    Parameters
    ----------
    sums
        From `shift_and_add`.
    developer, requests, resampling
        As given to `shift_and_add`.

    Returns
    -------
    float32 (image, y, x), lazy: n on average over a canvas on which n frames were drizzled.
    """
    per_weight = [resampling.frames_per_weight(developer, request.plane) for request in requests]
    return (sums.weights * np.array(per_weight)[:, None, None]).astype(np.float32)


def fill_holes(images: Float32Array) -> Float32Array:
    """Fill pixels without light that lie among pixels with light.

    Parameters
    ----------
    images
        float32 (image, y, x), NaN without light.

    Returns
    -------
    float32 (image, y, x). Holes up to ``2 * HOLE_REACH_PX`` wide get the mean of their neighbours,
    from the rim inwards. Pixels outside all light stay NaN.
    """
    from scipy import ndimage

    filled = images.copy()
    square = np.ones((3, 3), bool)
    for image in filled:
        known = ~np.isnan(image)
        if known.all():
            continue
        grown = ndimage.binary_dilation(known, square, HOLE_REACH_PX)
        closed = ndimage.binary_erosion(grown, square, HOLE_REACH_PX, border_value=1)
        for _ in range(HOLE_REACH_PX):
            known = ~np.isnan(image)
            sums = ndimage.convolve(np.where(known, image, 0.0).astype(float), square.astype(float))
            n_known = ndimage.convolve(known.astype(float), square.astype(float))
            rim = closed & ~known & (n_known > 0)
            image[rim] = sums[rim] / n_known[rim]
    return filled
