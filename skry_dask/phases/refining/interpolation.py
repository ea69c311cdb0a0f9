"""Interpolation between scattered points on the canvas, as a matrix.

Linear within the triangles of their Delaunay triangulation. A ring of further points lies around
all, whose values are means of the nearest points, weighted by 1 / distance**2, as in a stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array, eye_array, vstack
from scipy.spatial import Delaunay, cKDTree

if TYPE_CHECKING:
    from skry_dask.types import FloatArray

N_NEAREST = 4
"""Number of points whose mean a point of the ring takes."""

RING_PX = 1.0
"""Distance of the ring from all points and places, px."""

N_PER_SIDE = 8
"""Number of points of the ring on each side."""

GAUSSIAN_REACH = 3.0
"""Distance beyond which a Gaussian is taken to be 0, in standard deviations."""


def interpolation_matrix(points: FloatArray, places: FloatArray) -> csr_array:
    """Find how values at some places follow from those at points.

    Parameters
    ----------
    points
        float64 (point, axis), px.
    places
        float64 (place, axis), px.

    Returns
    -------
    float64 (place, point); each row adds up to 1.
    """
    ring = _ring_around(np.concatenate([points, places]))
    mesh = Delaunay(np.concatenate([points, ring]))
    triangle = mesh.find_simplex(places)
    affine = mesh.transform[triangle]
    two = np.einsum("nij,nj->ni", affine[:, :2], places - affine[:, 2])
    weights = np.concatenate([two, 1 - two.sum(axis=1, keepdims=True)], axis=1)
    rows = np.arange(len(places)).repeat(3)
    columns = mesh.simplices[triangle].ravel()
    shape = len(places), len(points) + len(ring)
    linear = csr_array((weights.ravel(), (rows, columns)), shape=shape)
    return linear @ vstack([eye_array(len(points)), nearest_matrix(points, ring)], format="csr")


def _ring_around(places: FloatArray) -> FloatArray:
    """Place points around all others: float64 (point, axis), px."""
    low, high = places.min(axis=0) - RING_PX, places.max(axis=0) + RING_PX
    share = np.arange(N_PER_SIDE) / N_PER_SIDE
    y, x = (first + share * (last - first) for first, last in zip(low, high, strict=True))
    sides = [
        np.stack([y, np.full_like(y, low[1])], axis=1),
        np.stack([y[::-1] + (high[0] - y[-1]), np.full_like(y, high[1])], axis=1),
        np.stack([np.full_like(x, high[0]), x], axis=1),
        np.stack([np.full_like(x, low[0]), x[::-1] + (high[1] - x[-1])], axis=1),
    ]
    return np.concatenate(sides)


def gaussian_matrix(points: FloatArray, sigma: float) -> csr_array:
    """Find how values at points follow from those around them, by a Gaussian.

    Parameters
    ----------
    points
        float64 (point, axis), px.
    sigma
        Standard deviation, px.

    Returns
    -------
    float64 (point, point); each row adds up to 1.
    """
    tree = cKDTree(points)
    distance = tree.sparse_distance_matrix(tree, GAUSSIAN_REACH * sigma, output_type="coo_matrix")
    weights = np.exp(-0.5 * (distance.data / sigma) ** 2)
    matrix = csr_array((weights, distance.coords), shape=distance.shape)
    matrix.data /= np.repeat(matrix.sum(axis=1), np.diff(matrix.indptr))
    return matrix


def nearest_matrix(points: FloatArray, places: FloatArray) -> csr_array:
    """Find how values at some places follow from those at the points nearest to them.

    Parameters
    ----------
    points
        float64 (point, axis), px; at least one.
    places
        float64 (place, axis), px.

    Returns
    -------
    float64 (place, point); each row adds up to 1.
    """
    n_nearest = min(N_NEAREST, len(points))
    ranks = list(range(1, n_nearest + 1))
    distance, nearest = cKDTree(points).query(places, k=ranks)
    weights = 1 / np.maximum(distance, 1e-6) ** 2
    weights /= weights.sum(axis=1, keepdims=True)
    rows = np.arange(len(places)).repeat(n_nearest)
    shape = len(places), len(points)
    return csr_array((weights.ravel(), (rows, np.ravel(nearest))), shape=shape)
