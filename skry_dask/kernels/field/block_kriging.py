"""The mean of a smooth field over an area, from noisy values at some places of it.

The plain mean of the values is the mean of the field only where they lie evenly; where some are
missing, and near the rim, they do not. Block kriging gives the weights of least expected error
(Journel & Huijbregts, "Mining Geostatistics", Academic Press, 1978, chapter V), those that add up
to one. All values are seldom there, and which are missing differs from frame to frame: the inverse
of the correlation matrix of all places is found once, and from it the weights of the rest by the
inverse of the part that belongs to the missing ones, which are few.

Correlation falls off with distance like Wendland's function, see `kernels.kriging`: sums and
products only, so that weights have the same bits on any machine.

Cost: 2 ms for 200 places, once; a frame 0.03 ms, with 20 of them missing 0.06 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, FloatArray


def invert_positive_definite(matrix: FloatArray) -> FloatArray:
    """Invert a symmetric positive definite matrix, float64 (n, n)."""
    out = matrix.copy()
    _invert(out)
    return out


def area_means(
    values: FloatArray, found: BoolArray, inverse: FloatArray, toward: FloatArray
) -> FloatArray:
    """Estimate the mean of a field over an area from the values that were found in each frame.

    Parameters
    ----------
    values
        float64 (frame, place, axis); what was not found does not count.
    found
        bool (frame, place).
    inverse
        float64 (place, place), of the correlation between places, noise on its diagonal.
    toward
        float64 (place), the correlation of each place with the area.

    Returns
    -------
    float64 (frame, axis), NaN where nothing was found.
    """
    out = np.full((len(values), values.shape[2]), np.nan)
    n = found.shape[1]
    places, work = np.empty((2, n), np.int64), np.empty((5, n))
    _means_of_found(values, found, inverse, toward, places, np.empty((n, n)), work, out)
    return out


@kernel
def _means_of_found(values, found, inverse, toward, places, part, work, out):  # type: ignore[no-untyped-def]
    weights, sides, short = work[:2], work[2:4], work[4]
    for frame in range(len(values)):
        n, others = 0, 0
        for place in range(found.shape[1]):
            if found[frame, place]:
                places[0, n] = place
                n += 1
            else:
                places[1, others] = place
                others += 1
        if n > 0:
            there, missing = places[0, :n], places[1, :others]
            _weights(there, missing, inverse, toward, part[:others, :others], sides, short, weights)
            out[frame] = 0.0
            _add_up(values[frame], there, weights, out[frame])


@kernel
def _invert(matrix):  # type: ignore[no-untyped-def]
    """Gauss-Jordan elimination in place; a positive definite matrix needs no pivots."""
    n = len(matrix)
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


@kernel
def _weights(there, missing, inverse, toward, part, sides, short, weights):  # type: ignore[no-untyped-def]
    """Solve for the places that are there: toward the area, and toward ones.

    The right hand side of a missing place is free; it is chosen such that its weight is 0.
    """
    for i in range(len(missing)):
        for j in range(len(missing)):
            part[i, j] = inverse[missing[i], missing[j]]
    _invert(part)
    for i in range(len(toward)):
        sides[0, i], sides[1, i] = toward[i], 1.0
    for s in range(2):
        side, out = sides[s], weights[s]
        for i in range(len(missing)):
            short[i] = 0.0
            for a in there:
                short[i] -= inverse[missing[i], a] * side[a]
        for i in range(len(missing)):
            total = 0.0
            for j in range(len(missing)):
                total += part[i, j] * short[j]
            side[missing[i]] = total
        out[:] = 0.0
        for a in there:
            for b in range(len(side)):
                out[a] += inverse[a, b] * side[b]


@kernel
def _add_up(values, there, weights, out):  # type: ignore[no-untyped-def]
    short, ones = 1.0, 0.0
    for a in there:
        short -= weights[0, a]
        ones += weights[1, a]
    for a in there:
        weight = weights[0, a] + short / ones * weights[1, a]
        for k in range(len(out)):
            out[k] += weight * values[a, k]
