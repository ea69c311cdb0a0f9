"""Meshes: an image divided into fragments."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.geometry.areas import AreaGrid
from skry_dask.geometry.canvas import Region
from skry_dask.geometry.mesh import (
    AreaMesh,
    Spans,
    TriangleMesh,
    neighbours_in_mesh,
)
from tests import reference

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=60)
REGION = Region(y=-7, x=12, height=50, width=70)


@st.composite
def scattered(draw, max_points=25):
    """Draw a region and reference points (y, x) in it; some may coincide."""
    y, x = (draw(st.integers(-30, 30)) for _ in range(2))
    height, width = (draw(st.integers(16, 70)) for _ in range(2))
    places = st.tuples(st.integers(0, height - 1), st.integers(0, width - 1))
    points = draw(st.lists(places, max_size=max_points))
    return Region(y, x, height, width), np.array(points, float).reshape(-1, 2) + np.array([y, x])


def times_covered(spans):
    """Count the fragments that contain each pixel."""
    covered = np.zeros(spans.shape, int)
    for row, begin, end in spans.spans:
        covered[row, begin:end] += 1
    return covered


def triangles_of(points, region=REGION):
    """Triangulate points (y, x)."""
    return TriangleMesh.of_points(np.array(points, float).reshape(-1, 2), region)


# --- coverage --------------------------------------------------------------------------------


@REPEATABLE
@given(scattered())
def test_triangles_cover_each_pixel_exactly_once(region_and_points):
    region, points = region_and_points
    mesh = TriangleMesh.of_points(points, region)
    assert (times_covered(mesh.spans) == 1).all()
    assert mesh.spans.shape == region.shape
    assert len(mesh.spans.first) == len(mesh.triangles) + 1


@REPEATABLE
@given(st.integers(1, 60), st.integers(1, 60), st.integers(8, 70))
def test_areas_cover_each_pixel_exactly_once(height, width, area_size):
    region = Region(3, -4, height, width)
    mesh = AreaMesh.of_region(region, area_size)
    assert (times_covered(mesh.spans) == 1).all()
    n_areas = -(-height // area_size) * -(-width // area_size)
    assert len(mesh.spans.first) == n_areas + 1


def test_no_point_one_point_and_twice_the_same_point_work():
    for points in ([], [(10, 30)], [(-7, 12)], [(0, 20), (0, 20)]):
        mesh = triangles_of(points)
        assert mesh.n_points == len(points)
        assert (times_covered(mesh.spans) == 1).all()
        first, neighbours = neighbours_in_mesh(np.array(points).reshape(-1, 2), mesh.region)
        assert len(first) == len(points) + 1
        assert len(neighbours) == first[-1]


@REPEATABLE
@given(scattered())
def test_spans_of_a_triangle_hold_the_pixels_labelled_with_it(region_and_points):
    region, points = region_and_points
    mesh = TriangleMesh.of_points(points, region)
    labels = reference.fragment_of_each_pixel(mesh)
    for triangle, (a, b) in enumerate(pairwise(mesh.spans.first)):
        for row, begin, end in mesh.spans.spans[a:b]:
            assert (labels[row, begin:end] == triangle).all()


def test_spans_of_labels_know_the_shape_of_the_image():
    spans = Spans.of_labels(np.array([[0, 0, 1]]), 2)
    assert spans.shape == (1, 3)
    np.testing.assert_array_equal(spans.spans, [(0, 0, 2), (0, 2, 3)])


# --- motion ----------------------------------------------------------------------------------


@REPEATABLE
@given(scattered())
def test_without_motion_every_fragment_lies_where_it_is_on_the_canvas(region_and_points):
    region, points = region_and_points
    identity = np.array([[region.y, 1.0, 0.0], [region.x, 0.0, 1.0]])
    mesh = TriangleMesh.of_points(points, region)
    affine = mesh.affine(np.zeros((len(mesh.corners), 2)))
    np.testing.assert_array_equal(affine, np.broadcast_to(identity, affine.shape))
    affine = AreaMesh.of_region(region, 16).affine(np.zeros((1, 2)))
    np.testing.assert_array_equal(affine, np.broadcast_to(identity, affine.shape))


@REPEATABLE
@given(scattered(), st.integers(0, 2**32 - 1))
def test_triangles_follow_their_corners(region_and_points, seed):
    region, points = region_and_points
    mesh = TriangleMesh.of_points(points, region)
    motion = np.random.default_rng(seed).normal(size=(len(mesh.corners), 2)) * 5
    affine = mesh.affine(motion)
    assert affine.shape == (len(mesh.triangles), 2, 3)
    for a, triangle in zip(affine, mesh.triangles, strict=True):
        for corner in triangle:
            y, x = mesh.corners[corner]
            expected = mesh.corners[corner] + [region.y, region.x] + motion[corner]
            np.testing.assert_allclose(a @ [1, y, x], expected, atol=1e-6)


def test_a_common_shift_moves_all_triangles_and_areas_alike():
    mesh = triangles_of([(3, 30), (20, 50), (35, 25)])
    shifted = mesh.affine(np.tile([2.5, -1.25], (len(mesh.corners), 1)))
    expected = np.array([[-7 + 2.5, 1, 0], [12 - 1.25, 0, 1]])
    np.testing.assert_allclose(shifted, np.broadcast_to(expected, shifted.shape), atol=1e-12)
    areas = AreaMesh.of_region(REGION, 20).affine(np.array([[2.5, -1.25]]))
    np.testing.assert_array_equal(areas, np.broadcast_to(expected, (3 * 4, 2, 3)))


# --- finer images, larger canvases -------------------------------------------------------------

SCALES = st.sampled_from([1.0, 1.5, 2.0, 3.0])


@REPEATABLE
@given(scattered(max_points=8), SCALES)
def test_finer_pixels_are_covered_once_and_move_with_their_triangle(region_and_points, scale):
    region, points = region_and_points
    coarse = TriangleMesh.of_points(points, region)
    mesh = TriangleMesh.of_points(points, region, scale=scale)
    assert mesh.spans.shape == tuple(int(n * scale) for n in region.shape)
    assert (times_covered(mesh.spans) == 1).all()
    np.testing.assert_array_equal(mesh.triangles, coarse.triangles)
    motion = np.random.default_rng(1).normal(size=(len(mesh.corners), 2))
    rows, columns = mesh.y_coords - region.y, mesh.x_coords - region.x
    assert (len(rows), len(columns)) == mesh.spans.shape
    pixel = np.array([1, 7, 11])
    place = np.array([1, rows[7], columns[11]])
    np.testing.assert_allclose(mesh.affine(motion) @ pixel, coarse.affine(motion) @ place)


def test_finer_pixels_begin_and_end_where_those_of_the_region_do():
    for scale in (1.0, 1.5, 2.0, 3.0):
        mesh = TriangleMesh.of_points(np.empty((0, 2)), REGION, scale=scale)
        for coords, first, n in ((mesh.y_coords, -7, 50), (mesh.x_coords, 12, 70)):
            assert coords[0] - 0.5 / scale == pytest.approx(first - 0.5)
            assert coords[-1] + 0.5 / scale == pytest.approx(first + n - 0.5)


@REPEATABLE
@given(scattered(max_points=8), SCALES, st.integers(0, 90), st.integers(0, 90))
def test_gaps_between_points_are_divided_into_small_triangles(
    region_and_points, scale, above, beside
):
    inner, points = region_and_points
    canvas = Region(inner.y - above, inner.x - 5, inner.height + above, inner.width + 5 + beside)
    mesh = TriangleMesh.of_points(points, canvas, gaps=True, scale=scale)
    assert (times_covered(mesh.spans) == 1).all()
    np.testing.assert_array_equal(mesh.corners[: mesh.n_points], points - [canvas.y, canvas.x])
    y, x = (np.arange(n) for n in canvas.shape)
    places = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
    for place in places[::97]:
        assert np.hypot(*(mesh.corners - place).T).min() < 64


# --- areas under triangles ---------------------------------------------------------------------


@REPEATABLE
@given(scattered(), st.integers(8, 40))
def test_shares_of_areas_are_those_of_a_triangles_pixels(region_and_points, area_size):
    region, points = region_and_points
    mesh = TriangleMesh.of_points(points, region)
    areas = AreaGrid.of_region(region, area_size).labels()
    shares = mesh.area_shares(areas)
    assert shares.shape == (len(mesh.triangles), areas.max() + 1)
    pixels = np.bincount(
        reference.fragment_of_each_pixel(mesh).ravel(), minlength=len(mesh.triangles)
    )
    sums = shares.sum(axis=1)
    np.testing.assert_allclose(sums[pixels > 0], 1.0, rtol=1e-12)
    assert (sums[pixels == 0] == 0).all()
    dense = shares.toarray()
    triangle = int(pixels.argmax())
    expected = np.bincount(
        areas[reference.fragment_of_each_pixel(mesh) == triangle], minlength=areas.max() + 1
    )
    np.testing.assert_allclose(dense[triangle] * pixels[triangle], expected, atol=1e-9)


# --- neighbours --------------------------------------------------------------------------------


@REPEATABLE
@given(scattered())
def test_neighbours_are_mutual_ascending_and_reference_points_only(region_and_points):
    region, points = region_and_points
    first, entries = neighbours_in_mesh(points, region)
    groups = [entries[a:b].tolist() for a, b in pairwise(first)]
    assert len(groups) == len(points)
    for i, group in enumerate(groups):
        assert group == sorted(set(group))
        assert i not in group
        assert all(i in groups[j] for j in group)


def test_points_that_share_an_edge_are_neighbours():
    points = np.array([(0, 30), (0, 50), (30, 40)])
    first, entries = neighbours_in_mesh(points, triangles_of(points).region)
    groups = [entries[a:b].tolist() for a, b in pairwise(first)]
    assert groups == [[1, 2], [0, 2], [0, 1]]
