"""Interpolation between scattered points on the canvas, as a matrix.

Linear within the triangles of their Delaunay triangulation, outside them a mean of the nearest
points, weighted by 1 / distance**2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array, vstack
from scipy.spatial import Delaunay, QhullError, cKDTree

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, FloatArray, IntArray

N_NEAREST = 4
"""Number of points whose mean is taken where there is no triangle."""

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
    inside, corners, weights = _in_triangles(points, places)
    order = np.argsort(np.concatenate([np.flatnonzero(inside), np.flatnonzero(~inside)]))
    rows = np.arange(len(corners)).repeat(3)
    shape = len(corners), len(points)
    linear = csr_array((weights.ravel(), (rows, corners.ravel())), shape=shape)
    return vstack([linear, nearest_matrix(points, places[~inside])], format="csr")[order]


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


def _in_triangles(points: FloatArray, places: FloatArray) -> tuple[BoolArray, IntArray, FloatArray]:
    """Find which places lie in triangles, and for those the corners and their weights."""
    try:
        mesh = Delaunay(points)
    except (QhullError, ValueError):  # fewer than three points, or all on a line
        return np.zeros(len(places), bool), np.zeros((0, 3), np.int64), np.zeros((0, 3))
    triangle = mesh.find_simplex(places)
    inside = triangle >= 0
    triangle = triangle[inside]
    affine = mesh.transform[triangle]
    two = np.einsum("nij,nj->ni", affine[:, :2], places[inside] - affine[:, 2])
    weights = np.concatenate([two, 1 - two.sum(axis=1, keepdims=True)], axis=1)
    return inside, mesh.simplices[triangle].astype(np.int64), weights


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
