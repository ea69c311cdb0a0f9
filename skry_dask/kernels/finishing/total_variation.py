"""How smoothness changes an estimate: the curvature of its level lines.

The derivative of the total variation (Rudin, Osher & Fatemi 1992, Physica D 60, 259) is minus the
divergence of the gradient's direction. Deconvolution that minimises it too divides each estimate by
1 - weight x divergence (Dey et al. 2006, Microscopy Research and Technique 69, 260, eq. 7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import Float32Array


def smoothing_factor(image: Float32Array, weight: float, smallest: float) -> Float32Array:
    """Compute the factor by which smoothness changes each pixel of an estimate.

    Parameters
    ----------
    image
        float32 (y, x), C-contiguous.
    weight
        How much smoothness counts, 0 to 0.1.
    smallest
        Gradient below which nothing is an edge, in units of the image; above 0.

    Returns
    -------
    float32 (y, x), near 1: below where the image is brighter than its surroundings.
    """
    out = np.empty_like(image)
    lines = np.empty((3, image.shape[1]), np.float32)
    _smoothing_factor(image, np.float32(weight), np.float32(smallest**2), lines, out)
    return out


@kernel("f4[:, ::1], f4, f4, f4[:, ::1], f4[:, ::1]", seconds=0.4, is_optional=True)
def _smoothing_factor(image, weight, smallest, lines, out):  # type: ignore[no-untyped-def]
    height, width = image.shape
    one = np.float32(1.0)
    above, here, across = lines[0], lines[1], lines[2]
    for x in range(width):
        above[x] = np.float32(0.0)
    for y in range(height):
        row = image[y]
        below = image[min(y + 1, height - 1)]
        for x in range(width):
            right = row[x + 1] if x + 1 < width else row[x]
            dx = right - row[x]
            dy = below[x] - row[x]
            length = np.sqrt(dx * dx + dy * dy + smallest)
            across[x] = dx / length
            here[x] = dy / length
        target = out[y]
        target[0] = one / (one - weight * (across[0] + here[0] - above[0]))
        for x in range(1, width):
            divergence = (across[x] - across[x - 1]) + (here[x] - above[x])
            target[x] = one / (one - weight * divergence)
        for x in range(width):
            above[x] = here[x]
