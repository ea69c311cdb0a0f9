"""Detail of several sizes, amplified apart: the à trous transform with a B3 spline.

An image is the sum of layers, each the difference of two copies blurred by splines that double in
width (Starck & Murtagh 2006, "Astronomical Image and Data Analysis", 2nd ed., ch. 1; Holschneider
et al. 1989). Each layer has a gain and a threshold, in multiples of the noise that the layer has.
What lies below the threshold is taken away, what lies above loses less the larger it is (the
"garrote" of Gao 1998, Journal of Computational and Graphical Statistics 7, 469).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.finishing.blurring import blur

if TYPE_CHECKING:
    from skry_dask.options.sharpening import SharpenOptions
    from skry_dask.types import Float32Array

SPLINE = np.array([6 / 16, 4 / 16, 1 / 16], np.float32)
"""The B3 spline at whole pixels, from its middle."""


def wavelet_reach(n_layers: int) -> int:
    """Return how far a pixel influences others, px."""
    return 2 * (2**n_layers - 1)


def layers_of(image: Float32Array, n_layers: int) -> tuple[list[Float32Array], Float32Array]:
    """Take an image apart.

    Parameters
    ----------
    image
        float32 (y, x), without NaN.
    n_layers
        Number of layers of detail.

    Returns
    -------
    The layers, finest first, and the blurred rest; their sum is the image.
    """
    details = []
    rest = image
    for number in range(n_layers):
        blurred = blur(rest, SPLINE, 2**number)
        details.append(rest - blurred)
        rest = blurred
    return details, rest


def sharpen_layers(
    image: Float32Array, options: SharpenOptions, noise: Float32Array
) -> Float32Array:
    """Sharpen by wavelets.

    Parameters
    ----------
    image
        float32 (y, x), without NaN.
    options
        With method wavelets.
    noise
        float32 (layer): standard deviation of the noise.

    Returns
    -------
    float32 (y, x).
    """
    gains, thresholds = options.gains or (), options.thresholds or ()
    details, out = layers_of(image, len(gains))
    for detail, gain, threshold, sigma in zip(
        reversed(details), reversed(gains), reversed(thresholds), noise[::-1], strict=True
    ):
        kept = _above(detail, np.float32(threshold) * sigma) if threshold else detail
        out = out + np.float32(gain) * kept
    return out


def _above(detail: Float32Array, level: np.float32) -> Float32Array:
    """Take away what lies below a level, and less of what lies above, without a step."""
    power = detail * detail
    floor = level * level
    ratio = floor / np.maximum(power, np.float32(1e-30))
    return detail * np.maximum(np.float32(1) - ratio, np.float32(0))
