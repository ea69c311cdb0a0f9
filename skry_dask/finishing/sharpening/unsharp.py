"""Unsharp masks: the difference between an image and a blurred copy is added to it.

Where the image is dark, noise prevails over detail, and sharpening shows it most; so the amount
follows the brightness of the surroundings: from one value in the dark to another in bright places,
along a smooth curve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.finishing.sharpening.psf import gaussian
from skry_dask.kernels.finishing.blurring import blur

if TYPE_CHECKING:
    from skry_dask.options.sharpening import SharpenOptions
    from skry_dask.types import Float32Array

REACH = 4
"""Radius at which the Gaussian of a mask ends, in sigmas."""


def unsharp_reach(options: SharpenOptions) -> int:
    """Return how far a pixel influences others, px."""
    return sum(int(np.ceil(REACH * radius)) for radius in options.radii or ())


def apply_unsharp_masks(
    image: Float32Array, options: SharpenOptions, sky: float, white: float
) -> Float32Array:
    """Sharpen by unsharp masks, one after the other.

    Parameters
    ----------
    image
        float32 (y, x), without NaN.
    options
        With method unsharp.
    sky, white
        Brightness of the darkest and of the brightest places.

    Returns
    -------
    float32 (y, x).
    """
    level = np.float32(max(white - sky, 1e-6) * (options.brightness or 0.0))
    for radius, amount, dark_amount in zip(
        options.radii or (), options.amounts or (), options.dark_amounts or (), strict=True
    ):
        blurred = blur(image, gaussian(radius, REACH))
        gain = np.float32(amount)
        if amount != dark_amount and level > 0:
            share = np.clip((blurred - np.float32(sky)) / (2 * level), 0, 1)
            share = share * share * (3 - 2 * share)
            gain = np.float32(dark_amount) + np.float32(amount - dark_amount) * share
        image = image + gain * (image - blurred)
    return image
