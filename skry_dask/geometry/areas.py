"""Areas: the squares of a region in which quality is estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.geometry.canvas import Region
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
