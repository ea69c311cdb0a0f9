"""Which fragments a frame shows: of a union, not every frame shows every triangle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.geometry.mesh import TriangleMesh
    from skry_dask.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class FrameCoverage:
    """Which fragments each frame shows, neglecting displacements.

    Parameters
    ----------
    mesh
        Divides the image into triangles.
    offset
        float64 (frame, axis), px.
    frame_shape
        Height and width of a frame, px.
    """

    mesh: TriangleMesh
    offset: FloatArray
    frame_shape: tuple[int, ...]

    def of_frames(self, frames: slice) -> FrameCoverage:
        """Take some of the frames."""
        return replace(self, offset=self.offset[frames])

    def of_triangles(self, triangles: slice) -> tuple[BoolArray, BoolArray]:
        """Find which frames show each of some triangles.

        Returns
        -------
        complete
            bool (frame, triangle), whether the frame shows all of it.
        partial
            bool (frame, triangle), whether the frame may show part of it.
        """
        region = self.mesh.region
        corners = self.mesh.corners[self.mesh.triangles[triangles]]
        # Fixed points lie just outside the region.
        inside = np.clip(corners, 0, np.array(region.shape) - 1) + np.array([region.y, region.x])
        low, high = inside.min(axis=1), inside.max(axis=1)
        complete = np.ones((len(self.offset), len(low)), bool)
        partial = complete.copy()
        for axis in (0, 1):
            first = low[:, axis] + self.offset[:, None, axis]
            last = high[:, axis] + self.offset[:, None, axis]
            end = self.frame_shape[axis] - 1
            complete &= (first >= 0) & (last <= end)
            partial &= (last >= 0) & (first <= end)
        return complete, partial
