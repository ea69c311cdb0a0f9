"""What little there is to work out on thumbnails and among a frame's vectors, without delay.

NumPy takes 0.1 ms for a percentile or a median of so few values, and holds the interpreter's lock
meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compile import kernel
from skry_dask.kernels.field import median

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, Float32Array, FloatArray, IntArray

BINS = 1024


def spread(image: Float32Array, share: float) -> tuple[float, float, float]:
    """Find between which levels all of an image lies but for a share at either end, and its peak.

    Parameters
    ----------
    image
        float32 (y, x).
    share
        From 0 to 0.5.

    Returns
    -------
    low, high, peak
        To a thousandth of the image's own range.
    """
    low, high, peak = _spread(image.ravel(), share, np.zeros(BINS, np.int64))
    return low, high, peak


@kernel
def _spread(values, share, counts):  # type: ignore[no-untyped-def]
    n = len(values)
    lowest, peak = np.float64(values[0]), np.float64(values[0])
    for value in values:
        lowest = min(lowest, value)
        peak = max(peak, value)
    if peak <= lowest:
        return lowest, peak, peak
    scale = (len(counts) - 1) / (peak - lowest)
    for value in values:
        counts[np.int64((value - lowest) * scale + 0.5)] += 1
    rest = share * (n - 1)
    first, below = 0, counts[0]
    while below <= rest:
        first += 1
        below += counts[first]
    last, above = len(counts) - 1, counts[-1]
    while above <= rest:
        last -= 1
        above += counts[last]
    return lowest + first / scale, lowest + last / scale, peak


def likeness(one: Float32Array, other: Float32Array) -> float:
    """Correlate two images (y, x) of one shape: -1 to 1, -1 where one is flat."""
    return float(_likeness(one, other))


@kernel
def _likeness(one, other):  # type: ignore[no-untyped-def]
    n = one.size
    a, b = 0.0, 0.0
    for y in range(one.shape[0]):
        for x in range(one.shape[1]):
            a += one[y, x]
            b += other[y, x]
    a /= n
    b /= n
    aa, bb, ab = 0.0, 0.0, 0.0
    for y in range(one.shape[0]):
        for x in range(one.shape[1]):
            p, q = one[y, x] - a, other[y, x] - b
            aa += p * p
            bb += q * q
            ab += p * q
    norm = np.sqrt(aa * bb)
    return ab / norm if norm > 0.0 else -1.0


def likeness_of_shifts(
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
    _likeness_of_shifts(one, others, shifts, least, out)
    return out


@kernel
def _likeness_of_shifts(one, others, shifts, least, out):  # type: ignore[no-untyped-def]
    height, width = one.shape
    for i in range(len(others)):
        for s in range(shifts.shape[1]):
            y, x = shifts[i, s, 0], shifts[i, s, 1]
            rows, columns = max(height - abs(y), 0), max(width - abs(x), 0)
            if rows * columns >= max(least, 1.0):
                top, left = max(-y, 0), max(-x, 0)
                mine = one[top : top + rows, left : left + columns]
                down, right = max(y, 0), max(x, 0)
                out[i, s] = _likeness(mine, others[i, down : down + rows, right : right + columns])


def median_vectors(vectors: FloatArray, found: BoolArray) -> FloatArray:
    """Find the median, along y and along x, of the vectors that were found in each frame.

    Parameters
    ----------
    vectors
        float64 (frame, vector, axis).
    found
        bool (frame, vector).

    Returns
    -------
    float64 (frame, axis), NaN where none was found.
    """
    out = np.full((len(vectors), 2), np.nan)
    _median_vectors(vectors, found, np.empty(vectors.shape[1]), out)
    return out


@kernel
def _median_vectors(vectors, found, work, out):  # type: ignore[no-untyped-def]
    for frame in range(len(vectors)):
        for axis in range(2):
            n = 0
            for i in range(vectors.shape[1]):
                if found[frame, i]:
                    work[n] = vectors[frame, i, axis]
                    n += 1
            if n > 0:
                out[frame, axis] = median(work, n)
