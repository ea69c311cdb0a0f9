"""How far the tiles of an image have moved: least squares, with a gain and a blur for each tile.

The structure f of the image, where it is expected, is at a small displacement d, in the structure r
of the reference,

    f = g r + b (r - blurred r) + grad r . s,    s = -g d

with gain g, of either sign, and blur b of each tile: filters differ in both. Besides the step, the
normal equations tell how well it is known: the rest that nothing explains, against the gradients.
Sums over cells of pixels are made once; tiles are overlapping windows of cells.

Cost: 0.3 us a pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from skry_dask.finishing.registration.levels import shown, structure

if TYPE_CHECKING:
    from skry_dask.finishing.registration.levels import Level
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray

CELL_PX = 16
"""Side of a cell, and distance of the centres of neighbouring tiles, px of the resolution."""

LARGE_PX = 1536
"""Images with a longer side have cells of twice that side."""

WINDOW = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9
"""Weights of the cells of a tile, along each axis. Over all tiles, each pixel counts once."""

CORRELATED_PX2 = 8.0
"""Number of pixels that have the same error, since the structure is smoothed."""

BLUR_PX = 1.5
"""Standard deviation of the Gaussian that stands for a blur, px of the resolution."""

MAX_STEP_PX = 1.5
"""Longer steps are shortened to this along each axis, px of the resolution."""

ERROR_FLOOR_PX = 0.03
"""Error that a step has in any case, px of the resolution."""

RIDGE = 1e-6
"""Added to the diagonal of the normal equations, as a fraction of its mean over all tiles."""


class TileSteps(NamedTuple):
    """What the tiles say.

    Parameters
    ----------
    step
        float64 (row, column, axis): how much further down and to the right the image shows the
        tile than expected, px of the resolution.
    information
        float64 (row, column, axis, axis), inverse of the covariance of the step, px^-2.
    explained, total
        float64 (row, column): sum of squares of the image's structure, as far as the reference
        explains it, and all of it.
    shape
        Of the image, px of the resolution.
    """

    step: FloatArray
    information: FloatArray
    explained: FloatArray
    total: FloatArray
    shape: tuple[int, int]

    @property
    def agreement(self) -> float:
        """Root of the share of the image's structure that is explained, 0 to 1."""
        return float(np.sqrt(self.explained.sum() / max(self.total.sum(), 1e-30)))


class TileReference(NamedTuple):
    """The reference at one resolution.

    Parameters
    ----------
    terms
        float32 (4, y, x): structure, what blur takes from it, gradient along y and along x.
    shown
        bool (y, x), see `levels.shown`.
    """

    terms: Float32Array
    shown: BoolArray

    @classmethod
    def of_level(cls, level: Level) -> TileReference:
        """Prepare a reference."""
        own = structure(level.pixels)
        blurred = ndimage.gaussian_filter(own, BLUR_PX, mode="nearest")
        return cls(np.stack([own, own - blurred, *np.gradient(own)]), shown(level.valid))

    def steps(self, image: Level) -> TileSteps:
        """Compare an image, moved to where it is expected, with the reference.

        Parameters
        ----------
        image
            Of the size of the reference.
        """
        other = structure(image.pixels)
        weight = (self.shown & shown(image.valid)).astype(np.float32)
        n = len(self.terms)
        matrix = np.empty((*_n_cells(other.shape), n, n))
        answer = np.empty(matrix.shape[:-1])
        for i, term in enumerate(self.terms):
            weighted = weight * term
            answer[..., i] = _tile_sums(weighted * other)
            for j in range(i + 1):
                matrix[..., i, j] = _tile_sums(weighted * self.terms[j])
                matrix[..., j, i] = matrix[..., i, j]
        sums = _tile_sums(weight * other**2), _tile_sums(weight)
        height, width = other.shape
        return TileSteps(*_solve(matrix, answer, *sums), (height, width))


def tile_centres(shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Return the centres of tiles along y and along x.

    Parameters
    ----------
    shape
        Of the image at the resolution, px.

    Returns
    -------
    float64 (row), float64 (column), px of the resolution.
    """
    side = cell_side(shape)
    rows, columns = (side * np.arange(n, dtype=np.float64) for n in _n_cells(shape))
    return rows + (side - 1) / 2, columns + (side - 1) / 2


def cell_side(shape: tuple[int, ...]) -> int:
    """Return the side of the cells of an image of a shape, px."""
    return CELL_PX if max(shape) <= LARGE_PX else 2 * CELL_PX


def _n_cells(shape: tuple[int, ...]) -> tuple[int, int]:
    height, width = (-(-n // cell_side(shape)) for n in shape)
    return height, width


def _tile_sums(values: AnyArray) -> FloatArray:
    """Sum the pixels of each tile, weighted by its window."""
    (rows, columns), side = _n_cells(values.shape), cell_side(values.shape)
    padded = np.zeros((rows * side, columns * side), np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    sums = padded.reshape(rows, side, columns, side).sum(axis=(1, 3), dtype=np.float64)
    for axis in range(2):
        sums = ndimage.correlate1d(sums, WINDOW, axis, mode="constant")
    return sums


def _solve(
    matrix: FloatArray, answer: FloatArray, total: FloatArray, n_pixels: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Solve the normal equations of each tile."""
    n = matrix.shape[-1]
    diagonal = matrix.mean(axis=(0, 1)).diagonal()
    regular = matrix + np.diag(RIDGE * diagonal + 1e-30)
    found = np.linalg.solve(regular, answer[..., None])[..., 0]
    explained = np.clip((found * answer).sum(axis=-1), 0.0, total)
    gain = found[..., 0]
    safe = np.where(np.abs(gain) > 1e-9, gain, 1e-9)
    step = np.clip(-found[..., n - 2 :] / safe[..., None], -MAX_STEP_PX, MAX_STEP_PX)
    # Of the displacement alone, whatever gain and blur are.
    of_tile, with_rest = regular[..., :2, :2], regular[..., :2, 2:]
    schur = regular[..., 2:, 2:] - np.swapaxes(with_rest, -1, -2) @ np.linalg.solve(
        of_tile, with_rest
    )
    rest = (total - explained) / np.maximum(n_pixels, 1.0) + 1e-9 * total.mean() + 1e-30
    known = gain**2 / (CORRELATED_PX2 * rest)
    values, vectors = np.linalg.eigh(schur * known[..., None, None])
    limited = values.clip(0.0) / (1 + values.clip(0.0) * ERROR_FLOOR_PX**2)
    information = (vectors * limited[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return step, information, explained, total
