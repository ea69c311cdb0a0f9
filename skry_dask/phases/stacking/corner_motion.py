"""Motion of the corners of a mesh: where each corner lies in each frame.

Reference points move by the frame's offset and their displacement. Fixed points move by the offset
and a mean of the displacements of the reference points nearest to them. All of them move with the
surface of a globe whose rotation is known, too.

Memory: displacements and weights in a store are read by the tasks that need them, as frames are.
Tasks of their own would be scheduled ahead whenever a thread is idle, and their results would pile
up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from scipy.spatial import cKDTree

from skry_dask.graph.row_tables import as_table

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.geometry.globe.rotation import Globe, Rotation
    from skry_dask.geometry.mesh import TriangleMesh
    from skry_dask.graph.row_tables import AnyRows
    from skry_dask.phases.stacking.point_weights import PointWeights
    from skry_dask.types import AnyArray, FloatArray, IntArray

N_FOLLOWED = 4
"""Number of reference points that a fixed point follows, weighted by 1 / distance**2."""


@dataclass(frozen=True, slots=True, eq=False)
class CornerRotation:
    """Displacement of corners by the rotation of a globe, computed when needed.

    ``rotation[a:b]`` selects frames; ``np.asarray(rotation)`` computes: float64 (frame, corner,
    axis), px.

    Parameters
    ----------
    globe
        The globe.
    corners
        float64 (corner, axis), on the canvas, px.
    turned
        float64 (frame, 2), see `Globe.displacement`.
    """

    globe: Globe
    corners: FloatArray
    turned: AnyRows

    @classmethod
    def of(cls, rotation: Rotation, mesh: TriangleMesh) -> CornerRotation:
        """Take the corners of a mesh."""
        origin = np.array([mesh.region.y, mesh.region.x])
        return cls(rotation.globe, mesh.corners + origin, as_table(rotation.turned))

    def __getitem__(self, frames: slice) -> CornerRotation:
        """Select frames."""
        return replace(self, turned=self.turned[frames])

    def select(self, frames: IntArray, corners: IntArray) -> CornerRotation:
        """Select frames and corners: indices."""
        turned = np.asarray(self.turned)[frames]
        return CornerRotation(self.globe, self.corners[corners], turned)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        """Turn the globe."""
        moved = self.globe.displacement(self.corners, np.asarray(self.turned))
        return moved if dtype is None else moved.astype(dtype)


@dataclass(frozen=True, slots=True, eq=False)
class CornerMotion:
    """Position of corners in each frame minus position on the canvas, px, read when needed.

    ``motion[a:b]`` selects frames without reading; ``np.asarray(motion)`` reads: float64 (frame,
    corner, axis), and in a third column of the last dimension the weights, where there are some.

    Parameters
    ----------
    displacement
        float32 (frame, point, axis), px, in memory or in a store.
    offset
        float64 (frame, axis), px.
    weights, followed
        float64 and int64 (fixed point, neighbour): the reference points that each fixed point
        follows, and their weights.
    n_corners
        Number of reference points that are corners, the first ones; None = all.
    weight
        Of frames at reference points; None = frames have no weights.
    rotation
        Of corners, those of reference points first; None = nothing turns.
    """

    displacement: AnyRows
    offset: AnyRows
    weights: FloatArray
    followed: IntArray
    n_corners: int | None = None
    weight: PointWeights | None = None
    rotation: CornerRotation | None = None

    def __getitem__(self, frames: slice) -> CornerMotion:
        """Select frames."""
        return replace(
            self,
            displacement=self.displacement[frames],
            offset=self.offset[frames],
            weight=None if self.weight is None else self.weight[frames],
            rotation=None if self.rotation is None else self.rotation[frames],
        )

    def select(self, frames: IntArray, corners: IntArray) -> CornerMotion:
        """Select frames and corners: indices, ascending."""
        n_points = self.displacement.shape[1]
        own, fixed = corners[corners < n_points], corners[corners >= n_points] - n_points
        followed = self.followed[fixed]
        others = np.setdiff1d(followed, own)
        points = np.concatenate([own, others])
        place = np.empty(n_points, np.int64)
        place[points] = np.arange(len(points))
        return CornerMotion(
            self.displacement[frames][:, points],
            np.asarray(self.offset)[frames],
            self.weights[fixed],
            place[followed],
            len(own),
            None if self.weight is None else self.weight.select(frames, points),
            None if self.rotation is None else self.rotation.select(frames, corners),
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        """Read the displacements and move the corners."""
        motion = _move_corners(
            np.asarray(self.displacement),
            np.asarray(self.offset)[:, None],
            None if self.weight is None else np.asarray(self.weight),
            self.weights,
            self.followed,
            self.n_corners,
        )
        if self.rotation is not None:
            motion[:, :, :2] += np.asarray(self.rotation)
        return motion if dtype is None else motion.astype(dtype)


def corner_motion(
    displacement: xr.DataArray,
    offset: FloatArray,
    mesh: TriangleMesh,
    weight: PointWeights | None = None,
    rotation: Rotation | None = None,
) -> CornerMotion | da.Array:
    """Add offset and displacement of all corners of a mesh, lazily.

    Parameters
    ----------
    displacement
        float32 (frame, point, axis), px; in a store, in memory, or a dask array.
    offset
        float64 (frame, axis), px.
    mesh
        Its first corners are the reference points, the others fixed points.
    weight
        Of frames at reference points; None = frames have no weights.
    rotation
        Of the globe that frames show; None = nothing turns.

    Returns
    -------
    float64 (frame, corner, axis), px, with weights in a third column of the last dimension: a dask
    array where displacements are one.
    """
    weights, followed = followed_points(mesh)
    turning = None if rotation is None else CornerRotation.of(rotation, mesh)
    if displacement.chunks is None:
        rows = as_table(displacement.variable)
        return CornerMotion(
            rows, as_table(offset), weights, followed, weight=weight, rotation=turning
        )
    lazy = displacement.data.rechunk({1: -1, 2: -1})
    motion: da.Array = da.map_blocks(
        _move_corners,
        lazy,
        da.from_array(offset[:, None], chunks=(lazy.chunks[0], 1, 2)),
        None
        if weight is None
        else da.from_array(np.asarray(weight)[:, :, None], chunks=(lazy.chunks[0], -1, 1)),
        weights=weights,
        followed=followed,
        dtype=np.float64,
        chunks=(lazy.chunks[0], len(mesh.corners), 2 if weight is None else 3),
        meta=np.empty((0, 0, 0)),
    )
    if rotation is None or turning is None:
        return motion
    turned = da.from_array(rotation.turned, chunks=(lazy.chunks[0], -1))
    return da.map_blocks(
        _turn_corners,
        motion,
        turned[:, :, None],
        turning.globe,
        turning.corners,
        dtype=np.float64,
        chunks=motion.chunks,
        meta=np.empty((0, 0, 0)),
    )


def motion_of(
    motion: CornerMotion | da.Array, frames: IntArray, corners: IntArray
) -> CornerMotion | da.Array:
    """Select frames and corners: indices, ascending; see `corner_motion`."""
    if isinstance(motion, CornerMotion):
        return motion.select(frames, corners)
    return motion[frames][:, corners]


def _turn_corners(
    motion: FloatArray, turned: FloatArray, globe: Globe, corners: FloatArray
) -> FloatArray:
    """Add the rotation of a globe to the motion of corners: float64 (frame, corner, axis), px."""
    moved = motion.copy()
    moved[:, :, :2] += globe.displacement(corners, turned[:, :, 0])
    return moved


def _move_corners(
    displacement: FloatArray,
    offset: FloatArray,
    weight: AnyArray | None,
    weights: FloatArray,
    followed: IntArray,
    n_corners: int | None = None,
) -> FloatArray:
    if weight is not None:
        of_points = weight.reshape(*displacement.shape[:2], 1)
        displacement = np.concatenate([displacement, of_points], axis=2)
    own = displacement[:, :n_corners]
    motion = np.empty((len(own), own.shape[1] + len(followed), displacement.shape[2]))
    motion[:, : own.shape[1]] = own
    fixed = motion[:, own.shape[1] :]
    fixed[...] = 0.0
    for k in range(followed.shape[1]):
        fixed += weights[:, k, None] * displacement[:, followed[:, k]]
    for axis in range(2):  # in place and with long inner loops: 2.4 ms in place of 3.5
        motion[:, :, axis] += offset[:, :, axis]
    return motion


def followed_points(mesh: TriangleMesh) -> tuple[FloatArray, IntArray]:
    """Find the reference points that each fixed point follows.

    Returns
    -------
    Weights float64 and indices int64 (fixed point, neighbour); weights add up to 1.
    """
    fixed = mesh.corners[mesh.n_points :]
    n_followed = min(N_FOLLOWED, mesh.n_points)
    if n_followed == 0:
        return np.zeros((len(fixed), 0)), np.zeros((len(fixed), 0), np.int64)
    ranks = list(range(1, n_followed + 1))
    distance, followed = cKDTree(mesh.corners[: mesh.n_points]).query(fixed, k=ranks)
    weights = 1.0 / np.maximum(distance, 1e-6) ** 2
    return weights / weights.sum(axis=1, keepdims=True), np.asarray(followed, np.int64)
