"""What little there is to work out on thumbnails and among a frame's vectors, without delay.

NumPy takes 0.1 ms for a percentile or a median of so few values, and holds the interpreter's lock
meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, FloatArray, IntArray

SUMS = 5
"""So many sums make a correlation: of both images, their squares and their product."""


@kernel
def _likeness(one, other, down, right, sums):  # type: ignore[no-untyped-def]
    """Correlate what both show if the other lies so far down and to the right.

    By sums along columns first, of which many go on side by side.
    """
    height, width = one.shape[0] - abs(down), one.shape[1] - abs(right)
    top, left, low, far = max(-down, 0), max(-right, 0), max(down, 0), max(right, 0)
    # So that flat images have sums of zeros, which are exact.
    first, second = np.float64(one[top, left]), np.float64(other[low, far])
    sums[:] = 0.0
    for y in range(height):
        mine, others = one[top + y], other[low + y]
        for x in range(width):
            sums[0, x] += mine[left + x] - first
        for x in range(width):
            sums[1, x] += others[far + x] - second
        for x in range(width):
            sums[2, x] += (mine[left + x] - first) * (mine[left + x] - first)
        for x in range(width):
            sums[3, x] += (others[far + x] - second) * (others[far + x] - second)
        for x in range(width):
            sums[4, x] += (mine[left + x] - first) * (others[far + x] - second)
    a, b, aa, bb, ab = 0.0, 0.0, 0.0, 0.0, 0.0
    for x in range(width):
        a += sums[0, x]
        b += sums[1, x]
        aa += sums[2, x]
        bb += sums[3, x]
        ab += sums[4, x]
    n = height * width
    norm = np.sqrt(max(aa - a * a / n, 0.0) * max(bb - b * b / n, 0.0))
    return (ab - a * b / n) / norm if norm > 0.0 else -1.0


def correlate_at_shifts(
    one: Float32Array, others: Float32Array, shifts: IntArray, least: float
) -> FloatArray:
    """Correlate what an image and others both show, at some shifts.

    Parameters
    ----------
    one
        float32 (y, x).
    others
        float32 (other, y, x).
    shifts
        int64 (other, shift, axis): by how much each lies further down and to the right, px.
    least
        Pixels that they must have in common.

    Returns
    -------
    float64 (other, shift): -1 to 1, -1 where they have too little in common or one is flat.
    """
    out = np.full(shifts.shape[:2], -1.0)
    one, others = np.ascontiguousarray(one), np.ascontiguousarray(others)
    _likeness_of_shifts(one, others, shifts, least, np.empty((SUMS, one.shape[1])), out)
    return out


@kernel
def _likeness_of_shifts(one, others, shifts, least, sums, out):  # type: ignore[no-untyped-def]
    height, width = one.shape
    for i in range(len(others)):
        for s in range(shifts.shape[1]):
            y, x = shifts[i, s, 0], shifts[i, s, 1]
            rows, columns = max(height - abs(y), 0), max(width - abs(x), 0)
            if rows * columns >= max(least, 1.0):
                out[i, s] = _likeness(one, others[i], y, x, sums)
