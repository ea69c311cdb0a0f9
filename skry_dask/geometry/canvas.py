"""Places on the canvas: the region, its areas, and triangles turned into row spans.

Positions are (y, x) in px with pixel centres on integers. The canvas is the reference frame's grid;
the scene at canvas point p shows in a frame at p + offset + displacement(p).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, FloatArray, Frames, IntArray


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of whole pixels on the canvas.

    Parameters
    ----------
    y, x
        Canvas position of the top left pixel, px.
    height, width
        Size, px.
    """

    y: int
    x: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.height, self.width

    @property
    def y_coords(self) -> IntArray:
        """Canvas y of each row."""
        return np.arange(self.y, self.y + self.height)

    @property
    def x_coords(self) -> IntArray:
        """Canvas x of each column."""
        return np.arange(self.x, self.x + self.width)

    def origin(self, offset: FloatArray) -> IntArray:
        """Find where the region begins in a frame, to the nearest pixel of its offset, px."""
        return np.rint(offset).astype(int) + np.array([self.y, self.x])

    def window(self, frame: Frames, offset: FloatArray) -> Frames:
        """View the region's part of a frame (y, x), to the nearest pixel of its offset (px)."""
        y, x = self.origin(offset)
        return frame[y : y + self.height, x : x + self.width]


def overlap(offset: FloatArray, active: BoolArray, height: int, width: int) -> Region:
    """Find the region: the canvas rectangle seen in every active frame.

    Parameters
    ----------
    offset
        float64 (frame, axis), px.
    active
        bool (frame).
    height, width
        Size of a frame, px.

    Returns
    -------
    Region
        Its height or width is 0 where nothing is seen in every frame.
    """
    if not active.any():
        return Region(0, 0, 0, 0)
    low = np.ceil(-offset[active].min(axis=0) - 1e-6).astype(np.int64)
    high = np.floor(np.array([height, width]) - 1 - offset[active].max(axis=0) + 1e-6)
    size = np.maximum(high.astype(np.int64) - low + 1, 0)
    return Region(int(low[0]), int(low[1]), int(size[0]), int(size[1]))


def area_edges(length: int, area_size: int) -> IntArray:
    """Cut a side of the region into areas, the last one being what is left over.

    Returns
    -------
    int64 (n_areas + 1), px from the region's first pixel: 0, area_size, ..., length.
    """
    return np.append(np.arange(0, length, area_size), length).astype(np.int64)
