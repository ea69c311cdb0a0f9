"""Areas: the squares of a region in which quality is estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.geometry.canvas import Region

if TYPE_CHECKING:
    from skry_dask.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class AreaGrid:
    """A region divided into square areas, numbered row by row.

    The last row and the last column of areas are narrower where the area size does not divide the
    region.

    Parameters
    ----------
    region
        The rectangle that is divided.
    y_edges, x_edges
        int64 (edge), ascending, px from the region's first pixel: 0, area size, ..., length. Row i
        of areas has the rows of pixels from ``y_edges[i]`` to ``y_edges[i + 1] - 1``.
    """

    region: Region
    y_edges: IntArray
    x_edges: IntArray

    @classmethod
    def of_region(cls, region: Region, area_size: int) -> AreaGrid:
        """Divide a region into areas whose side is ``area_size`` px."""
        return cls(region, *(_edges(length, area_size) for length in region.shape))

    @property
    def n_areas(self) -> int:
        """Number of areas."""
        return (len(self.y_edges) - 1) * (len(self.x_edges) - 1)

    @property
    def n_pixels(self) -> IntArray:
        """Number of pixels of each area: int64 (area)."""
        return np.outer(np.diff(self.y_edges), np.diff(self.x_edges)).ravel()

    @property
    def centres(self) -> FloatArray:
        """Canvas position of the centre of each area: float64 (area, axis), px."""
        rows, columns = (
            origin + (edges[:-1] + edges[1:] - 1) / 2
            for origin, edges in (
                (self.region.y, self.y_edges),
                (self.region.x, self.x_edges),
            )
        )
        return np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)

    def shown_part(self, offset: FloatArray, height: int, width: int) -> tuple[slice, slice]:
        """Find the rows and columns of areas that lie wholly inside a frame.

        Parameters
        ----------
        offset
            float64 (axis), px.
        height, width
            Size of the frame, px.
        """
        shown = []
        for origin, edges, length in zip(
            self.region.origin(offset), (self.y_edges, self.x_edges), (height, width), strict=True
        ):
            first = min(int(np.searchsorted(edges, -origin)), len(edges) - 1)
            last = int(np.searchsorted(edges, length - origin, side="right")) - 1
            shown.append(slice(first, max(first, last)))
        return shown[0], shown[1]

    def part(self, rows: slice, columns: slice) -> AreaGrid:
        """Cut rows and columns of areas out of the grid, at least one of each."""
        y, x = (
            self.y_edges[rows.start : rows.stop + 1],
            self.x_edges[columns.start : columns.stop + 1],
        )
        region = Region(
            self.region.y + int(y[0]),
            self.region.x + int(x[0]),
            int(y[-1] - y[0]),
            int(x[-1] - x[0]),
        )
        return AreaGrid(region, y - y[0], x - x[0])

    def numbers(self, rows: slice, columns: slice) -> IntArray:
        """Return the numbers of the areas in rows and columns: int64 (area)."""
        n_columns = len(self.x_edges) - 1
        return (
            np.arange(rows.start, rows.stop)[:, None] * n_columns
            + np.arange(columns.start, columns.stop)
        ).ravel()

    def count_shown(self, offset: FloatArray, frame_shape: tuple[int, ...]) -> IntArray:
        """Count the frames that show the whole of each area.

        Parameters
        ----------
        offset
            float64 (frame, axis), px.
        frame_shape
            Height and width of a frame, px.

        Returns
        -------
        int64 (area)
        """
        counts = np.zeros((len(self.y_edges) - 1, len(self.x_edges) - 1), np.int64)
        for of_frame in offset:
            counts[self.shown_part(of_frame, *frame_shape[:2])] += 1
        return counts.ravel()

    def labels(self) -> IntArray:
        """Label each pixel of the region with the number of its area: int64 (y, x)."""
        height, width = self.region.shape
        return self.labels_at(np.arange(height), np.arange(width))

    def labels_at(self, rows: IntArray, columns: IntArray) -> IntArray:
        """Label the pixels in the given rows and columns of the region.

        Parameters
        ----------
        rows, columns
            int64 (row), int64 (column), px from the region's first pixel.

        Returns
        -------
        int64 (row, column), number of the area.
        """
        area_row = np.searchsorted(self.y_edges, rows, side="right") - 1
        area_column = np.searchsorted(self.x_edges, columns, side="right") - 1
        return area_row[:, None] * (len(self.x_edges) - 1) + area_column


def _edges(length: int, area_size: int) -> IntArray:
    return np.append(np.arange(0, length, area_size), length).astype(np.int64)
