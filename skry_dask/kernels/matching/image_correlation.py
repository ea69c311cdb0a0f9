"""Correlation of two thumbnails, one of which is shifted.

Cost, on one core: 10 us for 160 x 117 px and one shift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import inlined, kernel

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, FloatArray, IntArray

N_SUMS = 5
"""Sums that make a correlation: of both images, of their squares and of their product."""


def correlate_at_shifts(
    image: Float32Array, others: Float32Array, shifts: IntArray, min_pixels: float
) -> FloatArray:
    """Correlate an image with others that are shifted, over the pixels that both show.

    Parameters
    ----------
    image
        float32 (y, x).
    others
        float32 (other, y, x).
    shifts
        int64 (other, shift, axis): how much further down and to the right each of the others shows
        the scene, px.
    min_pixels
        Number of pixels that both must show.

    Returns
    -------
    float64 (other, shift): Pearson's correlation coefficient, -1 to 1; -1 where both show too few
    pixels or one of the images is flat.
    """
    out = np.full(shifts.shape[:2], -1.0)
    arrays = (as_argument(array) for array in (image, others, shifts))
    _correlate_at_shifts(*arrays, float(min_pixels), np.empty((N_SUMS, image.shape[1])), out)
    return out


@kernel("f4[:, ::1], f4[:, :, ::1], i8[:, :, ::1], f8, f8[:, ::1], f8[:, ::1]", seconds=0.35)
def _correlate_at_shifts(image, others, shifts, min_pixels, sums, out):  # type: ignore[no-untyped-def]
    height, width = image.shape
    for i in range(len(others)):
        for s in range(shifts.shape[1]):
            down, right = shifts[i, s, 0], shifts[i, s, 1]
            rows, columns = max(height - abs(down), 0), max(width - abs(right), 0)
            if rows * columns >= max(min_pixels, 1.0):
                _add_rows(image, others[i], down, right, rows, columns, sums)
                out[i, s] = _coefficient(sums, rows * columns, columns)


@inlined
def _add_rows(image, other, down, right, rows, columns, sums):  # type: ignore[no-untyped-def]
    """Sum along columns, of which several are worked on at a time."""
    top, left, low, far = max(-down, 0), max(-right, 0), max(down, 0), max(right, 0)
    # Relative to one pixel, so that flat images have sums of zeros, which are exact.
    first, second = np.float64(image[top, left]), np.float64(other[low, far])
    sums[:] = 0.0
    for y in range(rows):
        own, others = image[top + y], other[low + y]
        for x in range(columns):
            sums[0, x] += own[left + x] - first
        for x in range(columns):
            sums[1, x] += others[far + x] - second
        for x in range(columns):
            sums[2, x] += (own[left + x] - first) * (own[left + x] - first)
        for x in range(columns):
            sums[3, x] += (others[far + x] - second) * (others[far + x] - second)
        for x in range(columns):
            sums[4, x] += (own[left + x] - first) * (others[far + x] - second)


@inlined
def _coefficient(sums, n, columns):  # type: ignore[no-untyped-def]
    a, b, aa, bb, ab = 0.0, 0.0, 0.0, 0.0, 0.0
    for x in range(columns):
        a += sums[0, x]
        b += sums[1, x]
        aa += sums[2, x]
        bb += sums[3, x]
        ab += sums[4, x]
    norm = np.sqrt(max(aa - a * a / n, 0.0) * max(bb - b * b / n, 0.0))
    return (ab - a * b / n) / norm if norm > 0.0 else -1.0
