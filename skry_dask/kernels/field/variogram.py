"""Sums that tell how a field varies: where a block has its texture, how alike points move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, FloatArray, IntArray


def centres_of_energy(
    gradient: Float32Array, corners: IntArray, size: int, out: FloatArray
) -> None:
    """Find the centre of the squares of a gradient in each block.

    Parameters
    ----------
    gradient
        float32 (y, x), along one axis.
    corners
        int64 (block, axis), top left pixel of each block.
    size
        Side of the blocks, px.
    out
        float64 (block, axis), written: the centre, less the block's middle, px.
    """
    _centres_of_energy(gradient, corners, size, np.empty((2, size)), np.empty(size), out)


@kernel
def _centres_of_energy(gradient, corners, size, columns, row, out):  # type: ignore[no-untyped-def]
    for i in range(len(corners)):
        # Columns first: a single sum would have to wait for each addition.
        columns[:] = 0.0
        total, down, right = 1e-30, 0.0, 0.0
        for y in range(size):
            slopes = gradient[corners[i, 0] + y, corners[i, 1] : corners[i, 1] + size]
            for x in range(size):
                row[x] = slopes[x] * slopes[x]
            for x in range(size):
                columns[0, x] += row[x]
            for x in range(size):
                columns[1, x] += row[x] * (y - size // 2)
        for x in range(size):
            total += columns[0, x]
            down += columns[1, x]
            right += columns[0, x] * (x - size // 2)
        out[i, 0], out[i, 1] = down / total, right / total


def products_of_pairs(values: FloatArray, pairs: IntArray) -> FloatArray:
    """Add up the products of the values of pairs of points over all frames.

    Parameters
    ----------
    values
        float64 (frame, point).
    pairs
        int64 (pair, 2), points.

    Returns
    -------
    float64 (pair)
    """
    out = np.zeros(len(pairs))
    _add_products(np.ascontiguousarray(values.T), pairs, out)
    return out


@kernel
def _add_products(values, pairs, out):  # type: ignore[no-untyped-def]
    for i in range(len(pairs)):
        one, other = values[pairs[i, 0]], values[pairs[i, 1]]
        for frame in range(len(one)):
            out[i] += one[frame] * other[frame]
