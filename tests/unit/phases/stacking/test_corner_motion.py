"""Motion of corners: reference points move by offset and displacement, fixed points follow them."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from skry_dask.geometry.canvas import Region
from skry_dask.geometry.mesh import TriangleMesh
from skry_dask.phases.stacking.corner_motion import CornerMotion, corner_motion

N_FRAMES = 7


@pytest.fixture
def mesh() -> TriangleMesh:
    """Triangulate four points in a region."""
    points = np.array([(15.0, 20.0), (30.0, 50.0), (22.0, 35.0), (12.0, 50.0)])
    return TriangleMesh.of_points(points, Region(3, 5, 40, 60))


@pytest.fixture
def offset() -> np.ndarray:
    """Draw the offsets of seven frames."""
    return np.random.default_rng(0).normal(size=(N_FRAMES, 2))


def displacements(n_points: int) -> xr.DataArray:
    values = np.random.default_rng(1).normal(size=(N_FRAMES, n_points, 2)).astype(np.float32)
    return xr.DataArray(values, dims=("frame", "point", "axis"))


def test_points_move_by_offset_and_displacement_and_fixed_points_as_their_neighbours(
    mesh: TriangleMesh, offset: np.ndarray
) -> None:
    moved = displacements(4)
    motion = np.asarray(corner_motion(moved, offset, mesh))
    assert motion.shape == (N_FRAMES, len(mesh.corners), 2)
    local = motion - offset[:, None]
    np.testing.assert_allclose(local[:, :4], moved.to_numpy(), atol=1e-12)
    low, high = moved.min("point").to_numpy(), moved.max("point").to_numpy()
    assert (local[:, 4:] >= low[:, None] - 1e-12).all()
    assert (local[:, 4:] <= high[:, None] + 1e-12).all()


@pytest.mark.parametrize("n_points", [4, 0])
def test_stored_and_lazy_displacements_move_corners_alike(
    mesh: TriangleMesh, offset: np.ndarray, n_points: int
) -> None:
    if n_points == 0:
        mesh = TriangleMesh.of_points(np.zeros((0, 2)), mesh.region)
    moved = displacements(n_points)
    motion = corner_motion(moved, offset, mesh)
    lazy = corner_motion(moved.chunk({"frame": 3}), offset, mesh)
    assert isinstance(lazy, da.Array)
    np.testing.assert_array_equal(np.asarray(motion), lazy.compute())
    np.testing.assert_array_equal(np.asarray(motion[2:5]), lazy[2:5].compute())


@pytest.mark.parametrize("n_points", [4, 0])
def test_selected_corners_move_as_they_do_among_all(
    mesh: TriangleMesh, offset: np.ndarray, n_points: int
) -> None:
    if n_points == 0:
        mesh = TriangleMesh.of_points(np.zeros((0, 2)), mesh.region)
    motion = corner_motion(displacements(n_points), offset, mesh)
    assert isinstance(motion, CornerMotion)
    last = len(mesh.corners) - 1
    for corners in ([0, 2, 5, last], [last - 1, last], [0, 1]):
        some = motion.select(np.array([0, 3, 4]), np.array(corners))
        expected = np.asarray(motion)[[0, 3, 4]][:, corners]
        np.testing.assert_array_equal(np.asarray(some), expected)
        np.testing.assert_array_equal(np.asarray(some[1:]), expected[1:])
