"""Triangles to pixels, pixels to row spans."""

from itertools import pairwise

import numpy as np
from scipy.spatial import Delaunay

from skry_dask.kernels.stacking import rasterise
from skry_dask.kernels.stacking.rasterise import (
    count_labels,
    fill_fragments,
    label_spans,
    label_triangles,
    triangle_affine,
)
from tests import reference

_kernels = reference.both_ways(rasterise)


def triangulate(corners):
    return Delaunay(corners).simplices.astype(np.int64)


def outer_corners(height, width):
    """Corners of a rectangle just outside an image."""
    return np.array([(-1, -1), (-1, width), (height, -1), (height, width)], float)


# --- triangles -------------------------------------------------------------------------------


def test_pixels_on_common_edges_belong_to_the_triangle_with_the_lowest_index():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        height, width = 20, 27
        inside = np.stack([rng.integers(0, height, 9), rng.integers(0, width, 9)], axis=1)
        # Corners on whole pixels: edges run through many pixels.
        corners = np.unique(np.concatenate([inside, outer_corners(height, width)]), axis=0)
        arguments = corners, triangulate(corners), height, width
        expected = reference.label_triangles(*arguments)
        np.testing.assert_array_equal(label_triangles(*arguments), expected)


def test_every_pixel_lies_in_its_triangle():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        shape = (18, 25)
        corners = np.concatenate([rng.uniform(0, 18, (12, 2)) * [1, 1.3], outer_corners(*shape)])
        triangles = triangulate(corners)
        labels = label_triangles(corners, triangles, *shape)
        for y, x in np.ndindex(shape):
            a, b, c = corners[triangles[labels[y, x]]]
            shares = np.linalg.solve(np.stack([b - a, c - a], axis=1), np.array([y, x]) - a)
            assert shares.min() > -1e-4
            assert shares.sum() < 1 + 1e-4


def test_the_order_of_corners_does_not_matter():
    corners = np.array([(-1.0, -1.0), (-1.0, 20.0), (20.0, -1.0)])
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        assert (label_triangles(corners, np.array([order]), 6, 6) == 0).all()


def test_a_triangle_without_area_takes_no_pixel_from_its_neighbours():
    corners = np.concatenate([outer_corners(5, 5), [[-1.0, 2.0]]])
    # The flat triangle lies along the upper edge, outside the image.
    triangles = np.array([(0, 4, 1), (0, 2, 1), (1, 2, 3)])
    assert 0 not in label_triangles(corners, triangles, 5, 5)


def test_pixels_outside_every_triangle_join_a_neighbour():
    corners, triangles = np.array([(0.0, 0.0), (0.0, 2.0), (2.0, 0.0)]), np.array([(0, 1, 2)])
    assert (label_triangles(corners, triangles, 4, 4) == 0).all()
    assert (label_triangles(corners + 100, triangles, 2, 3) == 0).all()


def test_an_image_may_have_one_pixel_or_none():
    corners, triangles = outer_corners(1, 1), np.array([(0, 1, 2), (1, 2, 3)])
    assert label_triangles(corners, triangles, 1, 1).tolist() == [[0]]
    assert label_triangles(corners, triangles, 0, 0).shape == (0, 0)


def test_memory_order_of_corners_and_triangles_does_not_matter():
    rng = np.random.default_rng(1)
    corners = np.concatenate([rng.uniform(0, 15, (6, 2)), outer_corners(15, 15)])
    triangles = triangulate(corners)
    strided = np.repeat(corners, 2, axis=0)[::2], np.asfortranarray(triangles)
    expected = label_triangles(corners, triangles, 15, 15)
    np.testing.assert_array_equal(label_triangles(*strided, 15, 15), expected)


def test_an_affine_map_takes_corners_to_where_they_moved():
    rng = np.random.default_rng(2)
    corners = np.concatenate([rng.uniform(0, 15, (6, 2)), outer_corners(15, 15)])
    triangles, motion = triangulate(corners), rng.normal(size=(10, 2))
    for scale in (1.0, 2.0):
        affine = triangle_affine(corners, triangles, motion, (5.0, 9.0), scale)
        # Corners in pixels of the image, whose first is centred half a pixel inside.
        pixels = (corners[triangles] + 0.5) * scale - 0.5
        ones = np.concatenate([np.ones((*pixels.shape[:2], 1)), pixels], axis=2)
        found = np.einsum("tak,tck->tca", affine, ones)
        expected = corners[triangles] + motion[triangles] + [5, 9]
        np.testing.assert_allclose(found, expected, atol=1e-6)


# --- spans -----------------------------------------------------------------------------------


def test_spans_cover_all_pixels_of_their_label():
    for shape in ((7, 9), (1, 1), (1, 12), (12, 1)):
        labels = np.random.default_rng(2).integers(0, 4, shape)
        spans, first = label_spans(labels, 6)
        covered = np.full(shape, -1)
        for label, (a, b) in enumerate(pairwise(first)):
            for row, begin, end in spans[a:b]:
                assert (covered[row, begin:end] == -1).all()
                covered[row, begin:end] = label
        np.testing.assert_array_equal(covered, labels)
        assert first[-1] == len(spans)


def test_spans_are_as_long_as_possible_and_in_reading_order():
    spans, first = label_spans(np.array([[1, 1, 0, 1], [1, 1, 1, 1]]), 2)
    assert spans.tolist() == [[0, 2, 3], [0, 0, 2], [0, 3, 4], [1, 0, 4]]
    assert first.tolist() == [0, 1, 4]


def test_labels_without_pixels_have_no_spans():
    spans, first = label_spans(np.full((2, 3), 2), 5)
    assert first.tolist() == [0, 0, 0, 2, 2, 2]
    assert len(spans) == 2
    spans, first = label_spans(np.empty((0, 0), np.int64), 2)
    assert spans.shape == (0, 3)
    assert first.tolist() == [0, 0, 0]


def test_fragments_are_filled_with_their_values():
    labels = np.random.default_rng(3).integers(0, 4, (6, 8))
    values = np.array([5, 0, -7, 9])
    for dtype in (np.int32, np.int64):
        out = np.zeros(labels.shape, dtype)
        fill_fragments(*label_spans(labels, 4), values, out)
        np.testing.assert_array_equal(out, values[labels])


def test_pixels_of_each_fragment_are_counted_by_another_label():
    for seed in range(4):
        rng = np.random.default_rng(seed)
        fragments, others = rng.integers(0, 6, (9, 14)), rng.integers(0, 4, (9, 14))
        fragments[fragments == 3] = 2  # one has no pixels
        begins, found, counts = count_labels(*label_spans(fragments, 6), others)
        for i in range(6):
            own = slice(begins[i], begins[i + 1])
            assert len(set(found[own])) == len(found[own])
            table = np.zeros(4, int)
            table[found[own]] = counts[own]
            expected = np.bincount(others[fragments == i], minlength=4)
            np.testing.assert_array_equal(table, expected)
