"""Motion of areas: with their frame, and with the surface of a globe whose rotation is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skry_dask.geometry.mesh import AreaMesh, DeformedAreaMesh
from skry_dask.graph.row_tables import as_table
from skry_dask.phases.stacking.corner_motion import CornerRotation

if TYPE_CHECKING:
    from skry_dask.geometry.canvas import Region
    from skry_dask.geometry.globe.rotation import Rotation
    from skry_dask.geometry.mesh import Mesh
    from skry_dask.graph.row_tables import AnyRows
    from skry_dask.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class TurningCorners:
    """Offset of frames and rotation of corners, computed when needed.

    ``motion[a:b]`` selects frames; ``np.asarray(motion)`` computes: float64 (frame, corner, axis),
    px.

    Parameters
    ----------
    offset
        float64 (frame, axis), px.
    rotation
        Of the corners.
    """

    offset: AnyRows
    rotation: CornerRotation

    def __getitem__(self, frames: slice) -> TurningCorners:
        """Select frames."""
        return replace(self, offset=self.offset[frames], rotation=self.rotation[frames])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        """Turn the globe and shift it."""
        motion = np.asarray(self.offset)[:, None] + np.asarray(self.rotation)
        return motion if dtype is None else motion.astype(dtype)


class AreaMotion(NamedTuple):
    """Areas as fragments, and how they move.

    Parameters
    ----------
    mesh
        The areas.
    of_corners
        float64 (frame, corner, axis), px.
    content
        What that depends on, but offsets.
    """

    mesh: Mesh
    of_corners: FloatArray | TurningCorners
    content: list[Any]

    @classmethod
    def of(
        cls, offset: FloatArray, region: Region, area_size: int, rotation: Rotation | None
    ) -> AreaMotion:
        """Divide a region into areas that move.

        Parameters
        ----------
        offset
            float64 (frame, axis), px.
        region
            The rectangle to cover.
        area_size
            Side of an area, px.
        rotation
            Of the globe that frames show; None = nothing turns.
        """
        if rotation is None:
            return cls(AreaMesh.of_region(region, area_size), offset[:, None], [])
        mesh = DeformedAreaMesh.of_region(region, area_size)
        turning = CornerRotation(rotation.globe, mesh.corners, as_table(rotation.turned))
        return cls(mesh, TurningCorners(as_table(offset), turning), list(rotation))
