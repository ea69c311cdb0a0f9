"""Centroid of the brightness of an object on a dark sky, in integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import kernel
from skry_dask.kernels.compilation.signatures import SAMPLES

if TYPE_CHECKING:
    from skry_dask.types import Frames, IntArray


def brightness_moments(image: Frames, threshold: int) -> IntArray:
    """Sum the brightness above a threshold, and its products with y and x.

    Cost, on one core: 0.5 ns a pixel.

    Parameters
    ----------
    image
        uint8 or uint16 (y, x); strided views are copied.
    threshold
        Grey level of the dark sky.

    Returns
    -------
    int64 (4): sums of w, w y and w x for w = max(image - threshold, 0), and the number of pixels
    above the threshold.
    """
    out = np.zeros(4, np.int64)
    _brightness_moments(as_argument(image), threshold, out)
    return out


@kernel("S[:, ::1], i8, i8[::1]", S=SAMPLES)
def _brightness_moments(image, threshold, out):  # type: ignore[no-untyped-def]
    for y in range(image.shape[0]):
        weight, moment, n_pixels = np.int64(0), np.int64(0), np.int64(0)
        for x in range(image.shape[1]):
            w = max(np.int64(image[y, x]) - threshold, 0)
            weight += w
            moment += w * x
            n_pixels += w > 0
        out[0] += weight
        out[1] += weight * y
        out[2] += moment
        out[3] += n_pixels
