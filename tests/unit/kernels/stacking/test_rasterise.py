"""The kernels that turn triangles into pixels and pixels into row spans."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial import Delaunay

from skry_dask.kernels.stacking import rasterise
from skry_dask.kernels.stacking.rasterise import count_labels, label_spans, label_triangles
from tests import reference


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(rasterise, monkeypatch)


def triangulate(corners):
    return Delaunay(corners).simplices.astype(np.int64)


def around(height, width):
    """Corners of a rectangle just outside an image."""
    return np.array([(-1, -1), (-1, width), (height, -1), (height, width)], float)


@pytest.mark.parametrize("seed", range(8))
def test_pixels_on_common_edges_belong_to_the_lowest_triangle(seed):
    rng = np.random.default_rng(seed)
    height, width = 20, 27
    inside = np.stack([rng.integers(0, height, 9), rng.integers(0, width, 9)], axis=1)
    # Whole pixels, and shapes whose edges run through many of them.
    corners = np.unique(np.concatenate([inside, around(height, width)]), axis=0)
    triangles = triangulate(corners)
    np.testing.assert_array_equal(
        label_triangles(corners, triangles, height, width),
        reference.label_triangles(corners, triangles, height, width),
    )


@pytest.mark.parametrize("seed", range(4))
def test_every_pixel_lies_in_its_triangle(seed):
    rng = np.random.default_rng(seed)
    shape = (18, 25)
    corners = np.concatenate([rng.uniform(0, 18, (12, 2)) * [1, 1.3], around(*shape)])
    triangles = triangulate(corners)
    labels = label_triangles(corners, triangles, *shape)
    for y, x in np.ndindex(shape):
        a, b, c = corners[triangles[labels[y, x]]]
        shares = np.linalg.solve(np.stack([b - a, c - a], axis=1), np.array([y, x]) - a)
        assert shares.min() > -1e-4
        assert shares.sum() < 1 + 1e-4


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_of_corners_does_not_matter(order):
    corners = np.array([(-1.0, -1.0), (-1.0, 20.0), (20.0, -1.0)])
    labels = label_triangles(corners, np.array([order]), 6, 6)
    assert (labels == 0).all()


def test_a_triangle_without_area_takes_no_pixel_from_those_beside_it():
    corners = np.concatenate([around(5, 5), [[-1.0, 2.0]]])
    # The flat triangle lies along the upper edge, outside the image.
    triangles = np.array([(0, 4, 1), (0, 2, 1), (1, 2, 3)])
    assert 0 not in label_triangles(corners, triangles, 5, 5)


def test_pixels_outside_every_triangle_join_a_neighbour():
    corners = np.array([(0.0, 0.0), (0.0, 2.0), (2.0, 0.0)])
    labels = label_triangles(corners, np.array([(0, 1, 2)]), 4, 4)
    assert (labels == 0).all()
    apart = label_triangles(corners + 100, np.array([(0, 1, 2)]), 2, 3)
    assert (apart == 0).all()


def test_one_pixel_and_no_pixel():
    corners, triangles = around(1, 1), np.array([(0, 1, 2), (1, 2, 3)])
    np.testing.assert_array_equal(label_triangles(corners, triangles, 1, 1), [[0]])
    assert label_triangles(corners, triangles, 0, 0).shape == (0, 0)


def test_memory_order_of_corners_and_triangles_does_not_matter():
    rng = np.random.default_rng(1)
    corners = np.concatenate([rng.uniform(0, 15, (6, 2)), around(15, 15)])
    triangles = triangulate(corners)
    expected = label_triangles(corners, triangles, 15, 15)
    strided = np.repeat(corners, 2, axis=0)[::2], np.asfortranarray(triangles)
    np.testing.assert_array_equal(label_triangles(*strided, 15, 15), expected)


# --- spans -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 9), (1, 1), (1, 12), (12, 1)])
def test_spans_repaint_the_labels(shape):
    labels = np.random.default_rng(2).integers(0, 4, shape)
    spans, first = label_spans(labels, 6)
    painted = np.full(shape, -1)
    for label, (a, b) in enumerate(pairwise(first)):
        for row, begin, end in spans[a:b]:
            assert (painted[row, begin:end] == -1).all()
            painted[row, begin:end] = label
    np.testing.assert_array_equal(painted, labels)
    assert first[-1] == len(spans)


def test_spans_are_as_long_as_they_can_be_and_in_reading_order():
    spans, first = label_spans(np.array([[1, 1, 0, 1], [1, 1, 1, 1]]), 2)
    np.testing.assert_array_equal(spans, [(0, 2, 3), (0, 0, 2), (0, 3, 4), (1, 0, 4)])
    np.testing.assert_array_equal(first, [0, 1, 4])


def test_labels_without_pixels_have_no_spans():
    spans, first = label_spans(np.full((2, 3), 2), 5)
    np.testing.assert_array_equal(first, [0, 0, 0, 2, 2, 2])
    assert len(spans) == 2


def test_an_empty_image_has_no_spans():
    spans, first = label_spans(np.empty((0, 0), np.int64), 2)
    assert spans.shape == (0, 3)
    np.testing.assert_array_equal(first, [0, 0, 0])


# --- other labels ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_pixels_of_each_fragment_are_counted_by_another_label(seed):
    rng = np.random.default_rng(seed)
    fragments, others = rng.integers(0, 6, (9, 14)), rng.integers(0, 4, (9, 14))
    fragments[fragments == 3] = 2  # one has no pixels
    begins, found, counts = count_labels(*label_spans(fragments, 6), others)
    assert begins.tolist() == [0, *np.cumsum(np.diff(begins))]
    for i in range(6):
        own = slice(begins[i], begins[i + 1])
        assert len(set(found[own])) == len(found[own])
        table = np.zeros(4, int)
        table[found[own]] = counts[own]
        np.testing.assert_array_equal(table, np.bincount(others[fragments == i], minlength=4))
