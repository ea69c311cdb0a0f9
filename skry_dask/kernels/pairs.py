"""Sums that tell how a field varies: where a block has its texture, how alike points move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compile import kernel

if TYPE_CHECKING:
    from skry_dask.types import FloatArray, IntArray


def centres_of_energy(gradient: FloatArray, corners: IntArray, size: int, out: FloatArray) -> None:
    """Find the centre of the squares of a gradient in each block.

    Parameters
    ----------
    gradient
        float64 (y, x), along one axis.
    corners
        int64 (block, axis), top left pixel of each block.
    size
        Side of the blocks, px.
    out
        float64 (block, axis), written: the centre, less the block's middle, px.
    """
    _centres_of_energy(gradient, corners, size, out)


@kernel
def _centres_of_energy(gradient, corners, size, out):  # type: ignore[no-untyped-def]
    for i in range(len(corners)):
        total, down, right = 1e-30, 0.0, 0.0
        for y in range(size):
            for x in range(size):
                slope = gradient[corners[i, 0] + y, corners[i, 1] + x]
                energy = slope * slope
                total += energy
                down += energy * (y - size // 2)
                right += energy * (x - size // 2)
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
