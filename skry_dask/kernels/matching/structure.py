"""How much structure there is in the block around each pixel of an image.

Cost: 13 ns a pixel; numpy and scipy took 50.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel
from skry_dask.kernels.frame.box_means import box_means_into

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, FloatArray, IntArray


class Structure(NamedTuple):
    """Means over the block around each pixel; all float32 (y, x).

    Parameters
    ----------
    near, far
        Square of the change under a shift by a distance, and by twice that, summed over four
        directions; their opposites give the same.
    smaller, larger
        Eigenvalues of the products of gradients.
    """

    near: Float32Array
    far: Float32Array
    smaller: Float32Array
    larger: Float32Array


def measure_structure(image: Float32Array, distance: int, size: int) -> Structure:
    """Find how much structure there is around each pixel.

    Parameters
    ----------
    image
        float32 (y, x); beyond the border it goes on with its last pixel.
    distance
        By how much it is shifted, px. A diagonal step is of the same length, to the nearest pixel.
    size
        Side of a block, px.
    """
    height, width = image.shape
    straight = distance, 2 * distance
    diagonal = [max(round(n / 2**0.5), 1) for n in straight]
    around = 2 * distance
    padded = np.pad(image, around, mode="edge")
    planes, made = np.empty((2, 5, height, width), np.float32)
    lengths = np.array([straight, diagonal])
    _structure(padded, around, lengths, size, np.empty(width), np.empty(width + size), planes, made)
    return Structure(*made[:2], *planes[:2])


@kernel
def _structure(padded, around, lengths, size, columns, sums, planes, made):  # type: ignore[no-untyped-def]
    for i in range(2):
        _changes(padded, around, lengths[0, i], lengths[1, i], planes[i])
    _gradients(padded, around, planes[2], planes[3], planes[4])
    for i in range(5):
        box_means_into(planes[i], size, columns, sums, made[i])
    _eigenvalues(made[2], made[3], made[4], planes[0], planes[1])


@kernel
def _changes(padded, around, straight, diagonal, out):  # type: ignore[no-untyped-def]
    height, width = out.shape
    for y in range(height):
        row, target = padded[y + around], out[y]
        down, across = padded[y + around + straight], padded[y + around + diagonal]
        for x in range(width):
            change = row[x + around] - row[x + around + straight]
            target[x] = change * change
        for x in range(width):
            change = row[x + around] - down[x + around]
            target[x] += change * change
        for x in range(width):
            change = row[x + around] - across[x + around + diagonal]
            target[x] += change * change
        for x in range(width):
            change = row[x + around] - across[x + around - diagonal]
            target[x] += change * change


@kernel
def _gradients(padded, around, yy, xx, yx):  # type: ignore[no-untyped-def]
    """Multiply central differences; at the border they are differences of neighbours."""
    height, width = yy.shape
    half, whole = np.float32(0.5), np.float32(1)
    for y in range(height):
        above, row, below = padded[y + around - 1], padded[y + around], padded[y + around + 1]
        along, down, both = xx[y], yy[y], yx[y]
        share = half if 0 < y < height - 1 else whole
        for x in range(width):
            both[x] = half * (row[x + around + 1] - row[x + around - 1])
        both[0] *= np.float32(2)
        both[width - 1] *= np.float32(2)
        for x in range(width):
            along[x] = both[x] * both[x]
        for x in range(width):
            down[x] = share * (below[x + around] - above[x + around])
        for x in range(width):
            both[x] *= down[x]
        for x in range(width):
            down[x] *= down[x]


@kernel
def _eigenvalues(yy, xx, yx, smaller, larger):  # type: ignore[no-untyped-def]
    for y in range(yy.shape[0]):
        for x in range(yy.shape[1]):
            mean, gap = 0.5 * (yy[y, x] + xx[y, x]), 0.5 * (yy[y, x] - xx[y, x])
            gap = np.sqrt(gap * gap + yx[y, x] * yx[y, x])
            smaller[y, x], larger[y, x] = mean - gap, mean + gap


def gradient_energy_centres(
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
    _gradient_energy_centres(gradient, corners, size, np.empty((2, size)), np.empty(size), out)


@kernel
def _gradient_energy_centres(gradient, corners, size, columns, row, out):  # type: ignore[no-untyped-def]
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
