"""Parts of frames in which something hides the scene, as the align phase found them.

They are cells of the reference frame, and so of the canvas. What follows for areas and fragments is
found for the frames alone in which anything is hidden, which are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from skry_dask.kernels.matching.cell_light import N_SIDE

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.types import BoolArray, IntArray

N_CELLS = N_SIDE**2
"""Number of cells; also the label of what lies outside of them."""


@dataclass(frozen=True, slots=True, eq=False)
class HiddenCells:
    """Hidden cells of the frames that have any.

    Parameters
    ----------
    frames
        int64 (hidden), indices of these frames, at least one.
    cells
        bool (hidden, cell), which cells are hidden.
    y_edges, x_edges
        int64 (edge), first row and column of each row and column of cells, and the end, px.
    """

    frames: IntArray
    cells: BoolArray
    y_edges: IntArray
    x_edges: IntArray

    @classmethod
    def of(cls, alignment: xr.Dataset, frame_shape: tuple[int, ...]) -> HiddenCells | None:
        """Read what the align phase found; None if that is nothing.

        Parameters
        ----------
        alignment
            From `align`; its ``foreground`` is loaded, if there is any.
        frame_shape
            Height and width of a frame, px.
        """
        if "foreground" not in alignment:
            return None
        packed = alignment["foreground"].load().to_numpy()
        frames = np.flatnonzero(packed.any(axis=1))
        if not len(frames):
            return None
        cells = np.unpackbits(packed[frames], axis=1, count=N_CELLS).view(bool)
        factor = alignment["foreground"].attrs["pixel_px"]
        edges = [
            np.arange(N_SIDE + 1) * (length // factor) // N_SIDE * factor
            for length in frame_shape[:2]
        ]
        return cls(frames, cells, *edges)

    def labels_at(self, rows: IntArray, columns: IntArray) -> IntArray:
        """Label pixels of the canvas with the cell in which they lie.

        Parameters
        ----------
        rows, columns
            int64 (row), int64 (column), on the canvas, px.

        Returns
        -------
        int64 (row, column), number of the cell; `N_CELLS` outside of the reference frame.
        """
        row, column = (
            np.searchsorted(edges, places, side="right") - 1
            for edges, places in ((self.y_edges, rows), (self.x_edges, columns))
        )
        outside = [(i < 0) | (i >= N_SIDE) for i in (row, column)]
        labels = row[:, None] * N_SIDE + column
        return np.where(outside[0][:, None] | outside[1], N_CELLS, labels)

    def hides(self, overlap: csr_array) -> BoolArray:
        """Find which parts of the image are hidden at least in part.

        Parameters
        ----------
        overlap
            Sparse (part, label), above 0 where a part has pixels of a cell; see `labels_at`.

        Returns
        -------
        bool (hidden, part)
        """
        cells = csr_array(
            (np.ones(overlap.nnz, np.int32), overlap.indices, overlap.indptr), overlap.shape
        )[:, :N_CELLS]
        known = self.cells[:, : cells.shape[1]]
        hidden: BoolArray = np.asarray(cells @ known.T.astype(np.int32)).T > 0
        return hidden


def hidden_areas(
    hidden: HiddenCells, labels: IntArray, rows: IntArray, columns: IntArray
) -> BoolArray:
    """Find which areas are hidden, at least in part.

    Parameters
    ----------
    hidden
        Hidden cells.
    labels
        int64 (y, x), area of each pixel; see `AreaGrid.labels`.
    rows, columns
        int64 (y), int64 (x), where these pixels lie on the canvas, px.

    Returns
    -------
    bool (hidden, area)
    """
    n_areas = int(labels.max()) + 1
    pairs = np.unique(labels * (N_CELLS + 1) + hidden.labels_at(rows, columns))
    areas, cells = np.divmod(pairs, N_CELLS + 1)
    shape = (n_areas, N_CELLS + 1)
    return hidden.hides(csr_array((np.ones(len(areas)), (areas, cells)), shape))
