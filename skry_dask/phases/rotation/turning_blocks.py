"""How blocks of an image seem to move while a globe turns.

A block is found by what it shows: along each axis the motion that is measured is the mean over the
block, weighted by squared gradients along that axis. At the limb, which stays while the surface
moves, the middle of a block says little.

The means are computed for some angles, evenly spaced, and interpolated between them.

Cost: 0.1 ms a block of 64 px.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.geometry.globe.rotation import Rotation
    from skry_dask.types import AnyArray, FloatArray, IntArray

N_ANGLES = 17
"""Number of angles: in between motion is linear within 0.01 px for 20 degrees of a small disc."""

CELL_PX = 4
"""Side of the cells of a block over which gradients are added up, px; 2 where that does not fit."""

SMOOTHING_PX = 1.0
"""Standard deviation of the blur before gradients are computed, px."""

N_BATCH = 128
"""Number of blocks whose pixels are in memory at a time."""

TINY = 1e-12
"""Weight of all cells, so that blocks without gradients have a mean."""


@dataclass(frozen=True, slots=True, eq=False)
class TurningBlocks:
    """The motion of blocks at some angles of a globe.

    Parameters
    ----------
    angles
        float64 (angle), degrees, evenly spaced.
    motion
        float64 (angle, block, axis), px.
    """

    angles: FloatArray
    motion: FloatArray

    @classmethod
    def of_image(
        cls,
        rotation: Rotation,
        image: AnyArray,
        origin: IntArray,
        corners: IntArray,
        window: FloatArray,
    ) -> TurningBlocks:
        """Find out how blocks move.

        Parameters
        ----------
        rotation
            Of the globe.
        image
            float (y, x), by which blocks are found; NaN counts as 0.
        origin
            int64 (axis), canvas position of its first pixel, px.
        corners
            int64 (block, axis), top left pixel of each block in the image, px.
        window
            float64 (y, x), weight of the pixels of a block; its sides are even and equal.
        """
        from scipy import ndimage  # takes 25 ms, which jobs without a globe do without

        order = np.argsort(rotation.turned[:, 0], kind="stable")
        first, last = rotation.turned[order[[0, -1]]]
        nodes = first + np.linspace(0.0, 1.0, N_ANGLES)[:, None] * (last - first)
        smooth = ndimage.gaussian_filter(np.nan_to_num(np.asarray(image, np.float64)), SMOOTHING_PX)
        energy = np.square(np.gradient(smooth))
        side = len(window)
        cell = CELL_PX if side % CELL_PX == 0 else 2
        cells = side // cell
        middle = np.arange(cells) * cell + (cell - 1) / 2
        around = np.stack(np.meshgrid(middle, middle, indexing="ij"), axis=-1).reshape(-1, 2)
        across = np.arange(side)
        motion = np.empty((N_ANGLES, len(corners), 2))
        for begin in range(0, len(corners), N_BATCH):
            some = corners[begin : begin + N_BATCH]
            rows, columns = (some[:, axis, None] + across for axis in (0, 1))
            seen = energy[:, rows[:, :, None], columns[:, None, :]] * window
            shape = (2, len(some), cells, cell, cells, cell)
            weights = seen.reshape(shape).sum(axis=(3, 5)).reshape(2, len(some), -1) + TINY
            weights /= weights.sum(axis=2, keepdims=True)
            places = (some[:, None] + around + origin).reshape(-1, 2)
            moved = rotation.globe.displacement(places, nodes)
            moved = moved.reshape(N_ANGLES, len(some), -1, 2)
            for axis in (0, 1):
                motion[:, begin : begin + N_BATCH, axis] = np.einsum(
                    "abc,bc->ab", moved[..., axis], weights[axis]
                )
        return cls(nodes[:, 0], motion)

    def at(self, turned: FloatArray) -> FloatArray:
        """Find the motion of blocks in some frames: float64 (frame, block, axis), px.

        Parameters
        ----------
        turned
            float64 (frame, 2), see `Globe.displacement`.
        """
        low, high = self.angles[[0, -1]]
        place = (turned[:, 0] - low) / max(high - low, TINY) * (len(self.angles) - 1)
        before = np.clip(place.astype(np.int64), 0, len(self.angles) - 2)
        share = (place - before)[:, None, None]
        motion: FloatArray = self.motion[before] * (1 - share) + self.motion[before + 1] * share
        return motion
