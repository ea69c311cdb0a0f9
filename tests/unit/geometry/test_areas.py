"""Areas: a region divided into squares, row by row."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.geometry.areas import AreaGrid
from skry_dask.geometry.canvas import Region

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=60)


def test_the_last_row_of_areas_holds_the_remainder():
    for length, area_size, edges in (
        (80, 40, [0, 40, 80]),
        (81, 40, [0, 40, 80, 81]),
        (30, 40, [0, 30]),
        (1, 8, [0, 1]),
    ):
        grid = AreaGrid.of_region(Region(0, 0, length, 9), area_size)
        np.testing.assert_array_equal(grid.y_edges, edges)


def test_pixels_are_labelled_row_by_row():
    labels = AreaGrid.of_region(Region(5, 6, 12, 21), 10).labels()
    assert labels.shape == (12, 21)
    np.testing.assert_array_equal(labels[0, [0, 9, 10, 19, 20]], [0, 0, 1, 1, 2])
    np.testing.assert_array_equal(labels[[0, 9, 10, 11], 0], [0, 0, 3, 3])


@REPEATABLE
@given(st.integers(1, 60), st.integers(1, 60), st.integers(8, 70))
def test_counts_centres_and_labels_agree(height, width, area_size):
    grid = AreaGrid.of_region(Region(-3, 4, height, width), area_size)
    labels = grid.labels()
    assert labels.max() == grid.n_areas - 1
    np.testing.assert_array_equal(np.bincount(labels.ravel()), grid.n_pixels)
    y, x = np.indices(labels.shape)
    for values, first, centre in ((y, -3, grid.centres[:, 0]), (x, 4, grid.centres[:, 1])):
        mean = np.bincount(labels.ravel(), values.ravel()) / grid.n_pixels
        np.testing.assert_allclose(mean + first, centre, atol=1e-9)


def test_some_pixels_are_labelled_as_all_are():
    grid = AreaGrid.of_region(Region(5, 6, 12, 21), 10)
    rows, columns = np.array([0, 0, 11]), np.array([20, 3])
    np.testing.assert_array_equal(grid.labels_at(rows, columns), grid.labels()[rows][:, columns])
