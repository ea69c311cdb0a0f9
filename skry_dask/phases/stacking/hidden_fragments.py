"""Fragments in which something hides the scene: they are left out where other frames show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.phases.rating.hidden_cells import HiddenCells

if TYPE_CHECKING:
    import xarray as xr
    from scipy.sparse import csr_array

    from skry_dask.geometry.mesh import TriangleMesh
    from skry_dask.types import AnyArray, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class HiddenFragments:
    """Which fragments of which frames show something else than the scene.

    Parameters
    ----------
    cells
        Hidden cells of frames.
    overlap
        Sparse (triangle, label), above 0 where a triangle has pixels of a cell.
    """

    cells: HiddenCells
    overlap: csr_array

    @classmethod
    def of(
        cls, alignment: xr.Dataset, mesh: TriangleMesh, frame_shape: tuple[int, ...]
    ) -> HiddenFragments | None:
        """Find the triangles that overlap with hidden cells; None if nothing is hidden.

        Parameters
        ----------
        alignment
            From `align`.
        mesh
            Divides the image into triangles.
        frame_shape
            Height and width of a frame, px.
        """
        cells = HiddenCells.of(alignment, frame_shape)
        if cells is None:
            return None
        rows, columns = (
            np.rint(coords).astype(np.int64) for coords in (mesh.y_coords, mesh.x_coords)
        )
        return cls(cells, mesh.area_shares(cells.labels_at(rows, columns)))

    @property
    def n_triangles(self) -> int:
        """Number of triangles."""
        return int(self.overlap.shape[0])

    def leave_out(self, packed: AnyArray) -> None:
        """Deselect hidden fragments, in place, where other frames are selected.

        Parameters
        ----------
        packed
            uint8 (frame, byte), a bit for each triangle; see `pack_selection`.
        """
        frames = self.cells.frames
        before = np.unpackbits(packed[frames], axis=1, count=self.n_triangles).view(bool)
        shown = before & ~self.cells.hides(self.overlap)
        others = np.bitwise_or.reduce(np.delete(packed, frames, axis=0), axis=0)
        taken = np.unpackbits(others, count=self.n_triangles).view(bool) | shown.any(axis=0)
        packed[frames] = np.packbits(np.where(taken, shown, before), axis=1)

    def without_quality(self, quality: FloatArray, triangles: slice) -> FloatArray:
        """Take their quality from hidden fragments, where other frames have any.

        Parameters
        ----------
        quality
            float64 (frame, triangle), of some triangles, NaN in frames that must not be used.
        triangles
            Which.
        """
        left = quality.copy()
        left[self.cells.frames] = np.where(
            self.cells.hides(self.overlap[triangles]), np.nan, quality[self.cells.frames]
        )
        return np.where(np.isnan(left).all(axis=0), quality, left)
