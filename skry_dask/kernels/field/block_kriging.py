"""The mean of a smooth field over an area, from noisy values at some places of it.

The plain mean of the values is the mean of the field only if they are distributed evenly. Where
some are missing, and near the rim, they are not. Block kriging gives the weights of least expected
error that sum to one (Journel & Huijbregts, "Mining Geostatistics", Academic Press, 1978, chapter
V). Seldom are all values there, and which are missing differs from frame to frame: the covariance
matrix of all places is inverted once, and the weights of the remaining places follow from it by
inverting the rows and columns of the missing ones, which are few.

Cost, on one core: 2 ms for 200 places, once; a frame 0.03 ms, with 20 of them missing 0.06 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import inlined, kernel

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, FloatArray


def invert_positive_definite(matrix: FloatArray) -> FloatArray:
    """Invert a symmetric positive definite matrix: float64 (n, n)."""
    out = np.array(matrix, order="C")
    _invert_positive_definite(out, len(out))
    return out


@kernel("f8[:, ::1], i8")
def _invert_positive_definite(matrix, n):  # type: ignore[no-untyped-def]
    _invert(matrix, n)


@inlined
def _invert(matrix, n):  # type: ignore[no-untyped-def]
    """Invert n rows and columns in place (Gauss-Jordan); positive definite ones need no pivots."""
    for k in range(n):
        own = matrix[k]
        scale = 1.0 / own[k]
        own[k] = 1.0
        for j in range(n):
            own[j] *= scale
        for i in range(n):
            if i != k:
                row = matrix[i]
                factor = row[k]
                row[k] = 0.0
                for j in range(n):
                    row[j] -= factor * own[j]


def area_means(
    values: FloatArray, valid: BoolArray, inverse: FloatArray, area_covariance: FloatArray
) -> FloatArray:
    """Estimate the mean of a field over an area, from the valid values of each frame.

    Parameters
    ----------
    values
        float64 (frame, place, axis).
    valid
        bool (frame, place): which values count.
    inverse
        float64 (place, place): inverse of the covariance matrix, noise included.
    area_covariance
        float64 (place): covariance of each place with the mean of the area.

    Returns
    -------
    float64 (frame, axis), NaN in frames without valid values.
    """
    out = np.full((len(values), values.shape[2]), np.nan)
    n = valid.shape[1]
    arrays = (as_argument(a) for a in (values, valid, inverse, area_covariance))
    _area_means(*arrays, np.empty((2, n), np.int64), np.empty((n, n)), np.empty((5, n)), out)
    return out


@kernel(
    "f8[:, :, ::1], b1[:, ::1], f8[:, ::1], f8[::1], i8[:, ::1], f8[:, ::1], f8[:, ::1], "
    "f8[:, ::1]",
    seconds=0.4,
)
def _area_means(values, valid, inverse, area_covariance, places, matrix, work, out):  # type: ignore[no-untyped-def]
    there, missing = places[0], places[1]
    for frame in range(len(values)):
        n, n_missing = 0, 0
        for place in range(valid.shape[1]):
            if valid[frame, place]:
                there[n] = place
                n += 1
            else:
                missing[n_missing] = place
                n_missing += 1
        if n == 0:
            continue
        for i in range(n_missing):
            for j in range(n_missing):
                matrix[i, j] = inverse[missing[i], missing[j]]
        _invert(matrix, n_missing)
        for place in range(valid.shape[1]):
            work[0, place], work[1, place] = area_covariance[place], 1.0
        for s in range(2):
            _solve(there, n, missing, n_missing, inverse, matrix, work[s], work[4], work[2 + s])
        short, ones = 1.0, 0.0
        for i in range(n):
            short -= work[2, there[i]]
            ones += work[3, there[i]]
        out[frame] = 0.0
        for i in range(n):
            weight = work[2, there[i]] + short / ones * work[3, there[i]]
            for axis in range(out.shape[1]):
                out[frame, axis] += weight * values[frame, there[i], axis]


@inlined
def _solve(there, n, missing, n_missing, inverse, matrix, side, short, out):  # type: ignore[no-untyped-def]
    """Solve for the places that are there.

    The right-hand side of a missing place is free: it is chosen such that its weight is 0.
    """
    for i in range(n_missing):
        short[i] = 0.0
        for k in range(n):
            short[i] -= inverse[missing[i], there[k]] * side[there[k]]
    for i in range(n_missing):
        total = 0.0
        for j in range(n_missing):
            total += matrix[i, j] * short[j]
        side[missing[i]] = total
    for k in range(n):
        place = there[k]
        total = 0.0
        for b in range(len(side)):
            total += inverse[place, b] * side[b]
        out[place] = total
