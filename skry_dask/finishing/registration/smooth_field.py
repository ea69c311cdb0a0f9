"""A smooth displacement field from what tiles say: similarity, and a bending that is penalised.

The displacement at a place p is that of a similarity (shift, scale, rotation) and a smooth field v.
Of all fields the one is taken that has the least sum of

    (d - u)' W (d - u)  over tiles,  bending of v / B**2,  v**2 / A**2,

with the information W of each tile's displacement d, so that a limb holds the field across and not
along. Tiles that disagree with their surroundings count less (Cauchy weights, by iterated least
squares: P. W. Holland & R. E. Welsch, Communications in Statistics A6, 1977, 813-827).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

if TYPE_CHECKING:
    from skry_dask.types import FloatArray

AMPLITUDE_PX = 1.0
"""Standard deviation of local displacements before anything is known of them, px."""

LENGTH_PX = 40.0
"""Distance over which local displacements change, px."""

SCALE_SPREAD = 0.02
"""Standard deviation of scale and rotation (radians) before anything is known of them."""

OUTLIER = 2.0
"""A tile that lies this many standard deviations off has half of its weight."""

N_ROUNDS = 3
"""How often weights are made of what disagrees."""


def similarity_basis(places: FloatArray, centre: FloatArray) -> FloatArray:
    """Return what shift, scale and rotation do at places.

    Parameters
    ----------
    places
        float64 (..., axis), px.
    centre
        float64 (axis), the place that scale and rotation leave where it is, px.

    Returns
    -------
    float64 (..., axis, 4): displacement by a shift of 1 px down, 1 px to the right, a scale of
    1 + 1, a rotation by 1 radian.
    """
    y, x = np.moveaxis(places - centre, -1, 0)
    one, zero = np.ones_like(y), np.zeros_like(y)
    return np.stack(
        [np.stack([one, zero, y, x], axis=-1), np.stack([zero, one, x, -y], axis=-1)], axis=-2
    )


def fit_similarity(
    displacement: FloatArray, information: FloatArray, basis: FloatArray
) -> FloatArray:
    """Fit shift, scale and rotation to the displacements of tiles.

    Parameters
    ----------
    displacement
        float64 (tile, axis), px.
    information
        float64 (tile, axis, axis), px^-2.
    basis
        float64 (tile, axis, 4), from `similarity_basis`.

    Returns
    -------
    float64 (4): shift y, x (px), scale - 1, rotation (radians).
    """
    spread = np.array([1e6, 1e6, SCALE_SPREAD, SCALE_SPREAD])
    weight, found = np.ones(len(displacement)), np.zeros(4)
    for _ in range(2 * N_ROUNDS):
        weighted = information * weight[:, None, None]
        transposed = np.swapaxes(basis, -1, -2) @ weighted
        matrix = (transposed @ basis).sum(axis=0) + np.diag(spread**-2.0)
        found = np.linalg.solve(matrix, (transposed @ displacement[..., None]).sum(axis=0)[:, 0])
        weight = _agreement(displacement - basis @ found, information)
    return found


def mean_shift(similarity: FloatArray, information: FloatArray, basis: FloatArray) -> FloatArray:
    """Replace a similarity by the shift that it is on average, where something tells it.

    The limb of a disc may look smaller through another filter or other air; the shift of its centre
    does not depend on that.

    Parameters
    ----------
    similarity
        float64 (4), from `fit_similarity`.
    information, basis
        As given to `fit_similarity`.

    Returns
    -------
    float64 (4): shift y, x (px), 0, 0.
    """
    weight = np.trace(information, axis1=-2, axis2=-1)
    mean = (weight[:, None] * (basis @ similarity)).sum(axis=0) / max(weight.sum(), 1e-30)
    return np.array([*(mean if weight.any() else similarity[:2]), 0.0, 0.0])


def fit_field(displacement: FloatArray, information: FloatArray, spacing: float) -> FloatArray:
    """Fit a smooth field to what a similarity leaves.

    Parameters
    ----------
    displacement
        float64 (row, column, axis), px.
    information
        float64 (row, column, axis, axis), px^-2.
    spacing
        Distance of neighbouring tiles, px.

    Returns
    -------
    float64 (row, column, axis), px.
    """
    shape = displacement.shape[:2]
    n = shape[0] * shape[1]
    bend = (AMPLITUDE_PX * (spacing / LENGTH_PX) ** 2) ** -2.0
    rest = AMPLITUDE_PX**-2.0 * (spacing / LENGTH_PX) ** 2
    prior = bend * _bending(shape) + rest * sparse.identity(n)
    both = sparse.block_diag([prior, prior])
    d, w = displacement.reshape(n, 2), information.reshape(n, 2, 2)
    weight, field = np.ones(n), np.zeros((n, 2))
    for _ in range(N_ROUNDS):
        weighted = w * weight[:, None, None]
        blocks = [[sparse.diags(weighted[:, i, j]) for j in range(2)] for i in range(2)]
        right = np.einsum("nij,nj->in", weighted, d).ravel()
        field = splu((both + sparse.bmat(blocks)).tocsc()).solve(right).reshape(2, n).T
        weight = _agreement(d - field, w)
    return field.reshape(*shape, 2)


def _agreement(error: FloatArray, information: FloatArray) -> FloatArray:
    """Return Cauchy weights of tiles: float64 (tile), 0 to 1."""
    squares = np.einsum("ni,nij,nj->n", error, information, error)
    return 1 / (1 + squares / (2 * OUTLIER**2))


def _bending(shape: tuple[int, int]) -> sparse.csr_array:
    """Sum of squares of second differences along y, x and both, as a matrix."""
    height, width = shape
    (y2, y1), (x2, x1) = ((_differences(n, 2), _differences(n, 1)) for n in shape)
    rows, columns = sparse.identity(height), sparse.identity(width)
    parts = [sparse.kron(y2, columns), sparse.kron(rows, x2), np.sqrt(2) * sparse.kron(y1, x1)]
    return sum((part.T @ part for part in parts[1:]), parts[0].T @ parts[0])


def _differences(n: int, order: int) -> sparse.csr_array:
    steps = np.diff(np.eye(n), order, axis=0) if n > order else np.zeros((0, n))
    return sparse.csr_array(steps)
