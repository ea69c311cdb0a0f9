"""The canvas and the regions of it that frames show.

The canvas is the pixel grid of the reference frame. Positions are (y, x) in px, with pixel centres
on integers. The scene at canvas point p shows in a frame at p + offset + displacement(p).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, FloatArray, Frames, IntArray

ROUNDING_PX = 1e-6
"""Offsets this close to a whole number of px count as whole: rounding errors cost no pixel."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of whole pixels on the canvas.

    Parameters
    ----------
    y, x
        Canvas position of the top left pixel, px.
    height, width
        Size, px.

    Examples
    --------
    >>> Region(y=-2, x=5, height=3, width=2).y_coords
    array([-2, -1,  0])
    """

    y: int
    x: int
    height: int
    width: int

    @classmethod
    def of_coords(cls, y: IntArray, x: IntArray) -> Region:
        """Make the region with these coordinates, int64 (y) and (x), px, of rows and columns."""
        return cls(int(y[0]), int(x[0]), len(y), len(x))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.height, self.width

    @property
    def y_coords(self) -> IntArray:
        """Canvas y of each row: int64 (y), px."""
        return np.arange(self.y, self.y + self.height)

    @property
    def x_coords(self) -> IntArray:
        """Canvas x of each column: int64 (x), px."""
        return np.arange(self.x, self.x + self.width)

    def origin(self, offset: FloatArray) -> IntArray:
        """Find the frame pixel at which the region begins, to the nearest pixel.

        Parameters
        ----------
        offset
            float64 ([frame,] axis), px.

        Returns
        -------
        int64 ([frame,] axis), px in the frame.
        """
        return np.rint(offset).astype(int) + np.array([self.y, self.x])

    def window(self, frame: Frames, offset: FloatArray) -> Frames:
        """View the part of a frame that shows the region, to the nearest pixel.

        Parameters
        ----------
        frame
            uint8 or uint16 (y, x).
        offset
            float64 (axis), px.

        Returns
        -------
        View of the frame, (y, x) of the region's shape.
        """
        y, x = self.origin(offset)
        return frame[y : y + self.height, x : x + self.width]

    def shown_by(self, offset: FloatArray, height: int, width: int) -> BoolArray:
        """Find the frames that show the whole region.

        Parameters
        ----------
        offset
            float64 (frame, axis), px.
        height, width
            Size of a frame, px.

        Returns
        -------
        bool (frame)
        """
        first = offset + np.array([self.y, self.x])
        last = first + np.array(self.shape) - 1
        end = np.array([height, width]) - 1
        inside = (first >= -ROUNDING_PX) & (last <= end + ROUNDING_PX)
        shown: BoolArray = inside.all(axis=-1)
        return shown

    def touched_by(self, offset: FloatArray, height: int, width: int) -> BoolArray:
        """Find the frames that show part of the region; see `shown_by`."""
        first = offset + np.array([self.y, self.x])
        last = first + np.array(self.shape) - 1
        touched: BoolArray = ((last >= 0) & (first <= np.array([height, width]) - 1)).all(axis=-1)
        return touched


def overlap_region(offset: FloatArray, active: BoolArray, height: int, width: int) -> Region:
    """Find the canvas rectangle that every active frame shows.

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
        With height or width 0 where the active frames have nothing in common.
    """
    if not active.any():
        return Region(0, 0, 0, 0)
    low = np.ceil(-offset[active].min(axis=0) - ROUNDING_PX).astype(np.int64)
    high = np.floor(np.array([height, width]) - 1 - offset[active].max(axis=0) + ROUNDING_PX)
    size = np.maximum(high.astype(np.int64) - low + 1, 0)
    return Region(int(low[0]), int(low[1]), int(size[0]), int(size[1]))


def union_region(offset: FloatArray, active: BoolArray, height: int, width: int) -> Region:
    """Find the smallest canvas rectangle that contains every pixel of every active frame.

    Parameters
    ----------
    offset
        float64 (frame, axis), px.
    active
        bool (frame), at least one of them true.
    height, width
        Size of a frame, px.

    Returns
    -------
    Region
        With negative ``y`` or ``x`` where it extends beyond the reference frame.
    """
    low = np.ceil(-offset[active].max(axis=0) - ROUNDING_PX).astype(np.int64)
    high = np.floor(np.array([height, width]) - 1 - offset[active].min(axis=0) + ROUNDING_PX)
    size = high.astype(np.int64) - low + 1
    return Region(int(low[0]), int(low[1]), int(size[0]), int(size[1]))
