"""How far between the pixels of a frame fragments lie, which decides how interpolation blurs them.

Cost, on one core: 17 ns for a selected fragment. NumPy, which gathers all corners and rounds whole
tables, took 48 ns for every fragment, selected or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, FloatArray, IntArray


def add_subpixel_variance(
    motion: FloatArray,
    triangles: IntArray,
    n_pixels: IntArray,
    selected: BoolArray,
    units: float,
    out: IntArray,
) -> None:
    """Sum t (1 - t) at the centre of each selected fragment, where t is its fraction of a pixel.

    This is the variance of the weights of linear interpolation at such a place.

    Parameters
    ----------
    motion
        float64 (frame, corner, axis), px; fragments with a corner at NaN add only their pixels. In
        a third column, the weights of corners, 0 to 255: fragments count with the mean of theirs,
        in sixteenths of the full one, rounded up, so that sums of 10**6 frames fit.
    triangles
        int64 (fragment, 3), indices of corners.
    n_pixels
        int64 (fragment).
    selected
        bool (frame, fragment).
    units
        Number of units of the sums in 1 px**2.
    out
        int64 (axis, 2), changed in place: sums of t (1 - t) times pixels, in units, and of pixels.
    """
    arrays = (as_argument(array) for array in (motion, triangles, n_pixels, selected))
    _add_subpixel_variance(*arrays, float(units), out)


@kernel("f8[:, :, ::1], i8[:, ::1], i8[::1], b1[:, ::1], f8, i8[:, ::1]")
def _add_subpixel_variance(motion, triangles, n_pixels, selected, units, out):  # type: ignore[no-untyped-def]
    for f in range(len(motion)):
        for i in range(len(triangles)):
            if not selected[f, i]:
                continue
            a, b, c = triangles[i, 0], triangles[i, 1], triangles[i, 2]
            pixels = n_pixels[i]
            if motion.shape[2] > 2:
                weight = motion[f, a, 2] + motion[f, b, 2] + motion[f, c, 2]
                pixels *= np.int64(np.ceil(weight / 48))
            for axis in range(2):
                centre = (motion[f, a, axis] + motion[f, b, axis] + motion[f, c, axis]) / 3
                centre -= np.floor(centre)
                variance = centre * (1 - centre)
                if variance >= 0:
                    out[axis, 0] += np.int64(np.rint(variance * units)) * pixels
                out[axis, 1] += pixels
