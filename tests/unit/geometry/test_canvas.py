"""Regions of the canvas that frames show."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.geometry.canvas import Region, overlap_region, union_region

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=100)


def test_a_region_knows_its_canvas_coordinates():
    region = Region(y=-2, x=5, height=3, width=2)
    assert region.shape == (3, 2)
    np.testing.assert_array_equal(region.y_coords, [-2, -1, 0])
    np.testing.assert_array_equal(region.x_coords, [5, 6])


def test_the_overlap_is_what_every_frame_shows():
    for offsets, expected in (
        ([(0, 0)], Region(0, 0, 30, 40)),
        ([(5, -3)], Region(-5, 3, 30, 40)),
        ([(0, 0), (4, -6)], Region(0, 6, 26, 34)),
        ([(0.5, 0), (0, -0.25)], Region(0, 1, 29, 39)),
        ([(-0.5, 2.5)], Region(1, -2, 29, 39)),
        ([(0, 0), (30, 0)], Region(0, 0, 0, 40)),
        ([(-20, 0), (20, 100)], Region(20, 0, 0, 0)),
    ):
        active = np.ones(len(offsets), bool)
        assert overlap_region(np.array(offsets, float), active, 30, 40) == expected


def test_inactive_frames_do_not_shrink_the_overlap():
    offsets = np.array([(0.0, 0.0), (25.0, 1e6), (np.nan, np.nan), (2.0, 1.0)])
    active = np.array([True, False, False, True])
    assert overlap_region(offsets, active, 30, 40) == overlap_region(
        offsets[active], active[active], 30, 40
    )


def test_without_active_frames_the_overlap_is_empty():
    assert overlap_region(np.zeros((3, 2)), np.zeros(3, bool), 30, 40).shape == (0, 0)
    assert overlap_region(np.zeros((0, 2)), np.zeros(0, bool), 30, 40).shape == (0, 0)


def test_rounding_errors_of_a_whole_offset_cost_no_pixel():
    offsets = np.array([(3.0 - 1e-9, -2.0 + 1e-9), (3.0 + 1e-9, -2.0)])
    assert overlap_region(offsets, np.ones(2, bool), 30, 40) == Region(-3, 2, 30, 40)


@REPEATABLE
@given(
    st.lists(st.tuples(*[st.floats(-12, 12, width=32)] * 2), min_size=1, max_size=6),
    st.integers(26, 40),
)
def test_every_frame_shows_the_whole_region_and_one_pixel_more_would_be_too_many(offsets, size):
    offsets = np.array(offsets, float)
    region = overlap_region(offsets, np.ones(len(offsets), bool), size, size)
    for axis, (start, length) in enumerate([(region.y, region.height), (region.x, region.width)]):
        seen = start + offsets[:, axis], start + length - 1 + offsets[:, axis]
        assert seen[0].min() >= -2e-6
        assert seen[1].max() <= size - 1 + 2e-6
        assert seen[0].min() < 1 + 1e-9
        assert seen[1].max() > size - 2 - 1e-9
        # Whole-pixel windows at the rounded offset lie inside the frame too.
        assert np.rint(offsets[:, axis]).min() + start >= 0
        assert np.rint(offsets[:, axis]).max() + start + length <= size


def test_the_union_contains_every_active_frame_and_no_more():
    offset = np.array([[0.0, 0.0], [5.5, -7.25], [-3.0, 4.0], [900.0, 900.0]])
    active = np.array([True, True, True, False])
    region = union_region(offset, active, 40, 60)
    assert region == Region(-5, -4, 48, 71)
    # Corners of the canvas lie in the frames that show them.
    assert region.y + 5.5 >= 0
    assert region.x + region.width - 1 - 7.25 <= 59


def test_the_window_of_a_frame_begins_at_the_regions_place_in_it():
    frame = np.arange(30 * 40).reshape(30, 40)
    region = Region(3, 5, 10, 12)
    window = region.window(frame, np.array([1.4, -2.6]))
    assert window.shape == (10, 12)
    assert window[0, 0] == frame[3 + 1, 5 - 3]
    np.testing.assert_array_equal(region.origin(np.array([[1.4, -2.6], [0, 0]])), [[4, 2], [3, 5]])
