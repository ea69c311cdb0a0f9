"""Centre of brightness of an object on a dark sky, in integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import Frames, IntArray


def brightness_moments(image: Frames, threshold: int) -> IntArray:
    """Sum brightness above a threshold, and its moments.

    Parameters
    ----------
    image
        uint8 or uint16 (y, x); strided views will do.
    threshold
        Grey level that counts as nothing.

    Returns
    -------
    int64 (4): sum of w, w y, w x for w = max(image - threshold, 0), and the number of pixels
    above the threshold.
    """
    out = np.zeros(4, np.int64)
    _moments(image, threshold, out)
    return out


@kernel
def _moments(image, threshold, out):  # type: ignore[no-untyped-def]
    for y in range(image.shape[0]):
        weight, moment, pixels = np.int64(0), np.int64(0), np.int64(0)
        for x in range(image.shape[1]):
            w = max(np.int64(image[y, x]) - threshold, 0)
            weight += w
            moment += w * x
            pixels += w > 0
        out[0] += weight
        out[1] += weight * y
        out[2] += moment
        out[3] += pixels
