"""Filling in what text and marks hide: from the pixels around them in the same frame.

A masked pixel gets the mean of the nearest pixels along its row and its column that are not masked,
weighted by the inverse of their distance. So the filled area joins what surrounds it, and moves
with the scene: nothing in it stands still.

Cost: 20 ns a pixel of the frame, once; then 3 ns a masked pixel of each frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.kernels.frame.calibration import FILL_BITS, fill_pixels

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, BoolArray, FloatArray, IntArray

MAX_RATIO = 2
"""Pixels farther away than the nearest one by more than this factor have no weight."""


class Filling(NamedTuple):
    """How masked pixels are filled.

    Parameters
    ----------
    pixels
        int64 (pixel, axis), masked ones.
    sources
        int64 (pixel, source, axis), four pixels that are not masked.
    weights
        int64 (pixel, source), 0 to ``2**FILL_BITS``; their sum for each pixel is the latter.
    """

    pixels: IntArray
    sources: IntArray
    weights: IntArray

    @classmethod
    def of(cls, mask: BoolArray, step: int) -> Filling:
        """Find out how to fill the pixels of a mask.

        Parameters
        ----------
        mask
            bool (y, x), not all of them.
        step
            2 in a colour filter array, whose pixels of the same colour lie two apart; else 1.
        """
        parts = [_of_grid(mask[y::step, x::step]) for y in range(step) for x in range(step)]
        first = np.argwhere(np.ones((step, step), bool))
        return cls(
            np.concatenate([p.pixels * step + at for p, at in zip(parts, first, strict=True)]),
            np.concatenate([p.sources * step + at for p, at in zip(parts, first, strict=True)]),
            np.concatenate([p.weights for p in parts]),
        )

    @property
    def reach(self) -> int:
        """Distance of the farthest pixel that a filled one depends on, px along each axis."""
        if not len(self.pixels):
            return 0
        distance = np.abs(self.sources - self.pixels[:, None])
        return int((distance * (self.weights[..., None] > 0)).max())

    def cropped(self, rows: slice, columns: slice) -> Filling:
        """Select the masked pixels of a part of the frame; sources outside of it are moved into it.

        Parameters
        ----------
        rows, columns
            The part, with start and stop.
        """
        start = np.array([rows.start, columns.start])
        stop = np.array([rows.stop, columns.stop])
        inside = ((self.pixels >= start) & (self.pixels < stop)).all(axis=1)
        sources = np.clip(self.sources[inside] - start, 0, stop - start - 1)
        return Filling(self.pixels[inside] - start, sources, self.weights[inside])

    def fill(self, frame: AnyArray) -> None:
        """Fill the masked pixels of a frame, uint8 or uint16 (y, x[, channel]), in place."""
        fill_pixels(frame, *self)


def _of_grid(mask: BoolArray) -> Filling:
    """Find out how to fill the pixels of a mask of one colour."""
    pixels = np.argwhere(mask)
    sources = np.repeat(pixels[:, None], 4, axis=1)
    distance = np.empty((len(pixels), 4))
    for axis in (0, 1):
        before, after = _nearest(mask, pixels, axis)
        for i, at in ((2 * axis, before), (2 * axis + 1, after)):
            sources[:, i, axis] = at
            distance[:, i] = np.abs(at - pixels[:, axis])
            outside = (at < 0) | (at >= mask.shape[axis])
            distance[outside, i] = np.inf
            sources[outside, i] = pixels[outside]
    alone = np.isinf(distance).all(axis=1)
    if alone.any():  # where a masked row crosses a masked column
        sources[alone, 0] = _nearest_of_all(mask, pixels[alone])
        distance[alone, 0] = 1
    return Filling(pixels, sources, _weights(distance))


def _nearest(mask: BoolArray, pixels: IntArray, axis: int) -> tuple[IntArray, IntArray]:
    """Find the nearest pixels along an axis that are not masked, before and after masked ones.

    Returns
    -------
    Two of int64 (pixel)
        Their indices along the axis; -1, or the length of the axis, where there is none.
    """
    n = mask.shape[axis]
    index = np.arange(n).reshape((-1, 1) if axis == 0 else (1, -1))
    before = np.maximum.accumulate(np.where(mask, -1, index), axis=axis)
    after = np.flip(np.minimum.accumulate(np.flip(np.where(mask, n, index), axis), axis), axis)
    y, x = pixels.T
    return before[y, x], after[y, x]


def _nearest_of_all(mask: BoolArray, pixels: IntArray) -> IntArray:
    """Find the nearest pixel in any direction that is not masked: int64 (pixel, axis)."""
    from scipy import ndimage

    if mask.all():
        return pixels
    nearest = ndimage.distance_transform_edt(mask, return_distances=False, return_indices=True)
    found: IntArray = nearest[:, *pixels.T].T.astype(np.int64)
    return found


def _weights(distance: FloatArray) -> IntArray:
    """Convert distances (pixel, source), inf where there is none, to weights of `Filling`."""
    nearest = distance.min(axis=1, keepdims=True)
    inverse = np.where(distance <= MAX_RATIO * nearest, nearest / distance, 0)
    share = inverse / inverse.sum(axis=1, keepdims=True)
    weights = (share * 2**FILL_BITS).astype(np.int64)
    rows = np.arange(len(weights))
    weights[rows, distance.argmin(axis=1)] += 2**FILL_BITS - weights.sum(axis=1)
    return weights
