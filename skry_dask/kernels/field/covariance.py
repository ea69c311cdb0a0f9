"""Covariance of a smooth field: the model that kriging uses, and sums for an estimate of it.

The model is the function of Wendland ("Piecewise polynomial, positive definite and compactly
supported radial functions of minimal degree", Advances in Computational Mathematics 4, 1995,
389-396). It looks much like a Gaussian but consists of sums and products only, so that it has the
same bits on any machine; exp() does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import FloatArray, IntArray

SUPPORT_LENGTHS = 4.32
"""Distance at which the model falls to zero, in standard deviations of the Gaussian that has the
same curvature at distance 0."""


def distances(points: FloatArray, others: FloatArray) -> FloatArray:
    """Compute the distance of each point from each of the others.

    Parameters
    ----------
    points, others
        float64 (point, axis) and (other, axis), px.

    Returns
    -------
    float64 (point, other), px.
    """
    difference = points[:, None] - others
    return np.sqrt(difference[..., 0] ** 2 + difference[..., 1] ** 2)


def unit_covariance(distance: FloatArray, length: float) -> FloatArray:
    """Compute the covariance of a field of unit variance between places at some distance.

    Parameters
    ----------
    distance
        float64 of any shape, px.
    length
        Correlation length: standard deviation of the Gaussian that the covariance resembles, px.

    Returns
    -------
    float64 of the same shape, 0 to 1.
    """
    r = distance / (length * SUPPORT_LENGTHS)
    rest = np.maximum(1.0 - r, 0.0)
    rest *= rest
    return rest * rest * rest * ((35.0 * r + 18.0) * r + 3.0) / 3.0


def pair_products(values: FloatArray, pairs: IntArray) -> FloatArray:
    """Sum the products of the values of pairs of points over all frames.

    Parameters
    ----------
    values
        float64 (frame, point).
    pairs
        int64 (pair, 2): indices of points.

    Returns
    -------
    float64 (pair)
    """
    out = np.zeros(len(pairs))
    arrays = as_argument(values.T), as_argument(pairs)
    _add_pair_products(*arrays, out)
    return out


@kernel("f8[:, ::1], i8[:, ::1], f8[::1]")
def _add_pair_products(values, pairs, out):  # type: ignore[no-untyped-def]
    for i in range(len(pairs)):
        one, other = values[pairs[i, 0]], values[pairs[i, 1]]
        for frame in range(len(one)):
            out[i] += one[frame] * other[frame]
