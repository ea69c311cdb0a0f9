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


@REPEATABLE
@given(
    st.tuples(st.integers(-70, 20), st.integers(-90, 20)),
    st.tuples(st.floats(-40, 90), st.floats(-40, 90)),
)
def test_the_part_that_a_frame_shows_has_all_whole_areas(corner, offset):
    region = Region(*corner, 83, 97)
    grid, offset = AreaGrid.of_region(region, 20), np.array(offset)
    rows, columns = grid.shown_part(offset, 50, 60)
    labels = grid.labels()
    y, x = np.indices(labels.shape) + region.origin(offset)[:, None, None]
    inside = (y >= 0) & (y < 50) & (x >= 0) & (x < 60)
    whole = [i for i in range(grid.n_areas) if inside[labels == i].all()]
    assert grid.numbers(rows, columns).tolist() == whole
    np.testing.assert_array_equal(
        grid.count_shown(offset[None], (50, 60)), np.isin(np.arange(grid.n_areas), whole)
    )
    if whole:
        part = grid.part(rows, columns)
        np.testing.assert_array_equal(part.centres, grid.centres[whole])
        np.testing.assert_array_equal(part.n_pixels, grid.n_pixels[whole])
