"""Motion: where the corners of a mesh lie in each frame.

Corners that are reference points move by the frame's offset and their displacement. Fixed points
follow the reference points nearest to them.

Memory: displacements that are stored are read by the tasks that need them, as frames are. In tasks
of their own they would be read ahead whenever a thread has nothing else to do, and pile up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.geometry.mesh import TriangleMesh
    from skry_dask.types import FloatArray, IntArray

NEAREST = 4
"""A fixed point follows this many reference points, by inverse squares of their distances."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Where corners lie in each frame, less where they lie on the canvas, px.

    ``motion[a:b]`` is that of some frames, still to be read; ``np.asarray(motion)`` is float64
    (frame, corner, axis).

    Parameters
    ----------
    displacement
        float32 (frame, point, axis), px, in memory or in a store.
    offset
        float64 (frame, axis), px.
    weights, nearest
        (fixed point, neighbour): the reference points that each fixed point follows.
    """

    displacement: xr.Variable
    offset: FloatArray
    weights: FloatArray
    nearest: IntArray

    def __getitem__(self, frames: slice) -> Motion:
        """Take some frames."""
        return replace(self, displacement=self.displacement[frames], offset=self.offset[frames])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        """Read, and find where fixed points lie."""
        found = _move_corners(
            self.displacement.to_numpy(), self.offset[:, None], self.weights, self.nearest
        )
        return found if dtype is None else found.astype(dtype)


def motion_of_corners(
    displacement: xr.DataArray, offset: FloatArray, mesh: TriangleMesh
) -> Motion | da.Array:
    """Add up offset and displacement for all corners of the mesh, lazily.

    Parameters
    ----------
    displacement
        float32 (frame, point, axis), px; in a store, in memory, or still to be computed by dask.
    offset
        float64 (frame, axis), px.
    mesh
        Its first corners are the points, the rest fixed points.

    Returns
    -------
    float64 (frame, corner, axis), px: a dask array where displacements are one.
    """
    weights, nearest = _followed_points(mesh)
    if displacement.chunks is None:
        return Motion(displacement.variable, offset, weights, nearest)
    lazy = displacement.data.rechunk({1: -1, 2: -1})
    shift = da.from_array(offset[:, None], chunks=(lazy.chunks[0], 1, 2))
    return da.map_blocks(
        _move_corners,
        lazy,
        shift,
        weights=weights,
        nearest=nearest,
        dtype=np.float64,
        chunks=(lazy.chunks[0], len(mesh.corners), 2),
        meta=np.empty((0, 0, 0)),
    )


def _move_corners(
    displacement: FloatArray, offset: FloatArray, weights: FloatArray, nearest: IntArray
) -> FloatArray:
    moved = displacement.astype(np.float64)
    followed = np.zeros((len(moved), len(nearest), 2))
    for k in range(nearest.shape[1]):
        followed += weights[:, k, None] * moved[:, nearest[:, k]]
    return np.concatenate([moved, followed], axis=1) + offset


def _followed_points(mesh: TriangleMesh) -> tuple[FloatArray, IntArray]:
    """Weights and indices (fixed point, neighbour) of the reference points that each follows."""
    fixed = mesh.corners[mesh.n_points :]
    n_near = min(NEAREST, mesh.n_points)
    if n_near == 0:
        return np.zeros((len(fixed), 0)), np.zeros((len(fixed), 0), np.int64)
    ranks = list(range(1, n_near + 1))
    distance, found = cKDTree(mesh.corners[: mesh.n_points]).query(fixed, k=ranks)
    nearest = np.asarray(found, np.int64)
    weights = 1.0 / np.maximum(distance, 1e-6) ** 2
    return weights / weights.sum(axis=1, keepdims=True), nearest
