"""Detail of areas: a fraction of full scale, whatever the depth and the offset of the frame."""

import numpy as np
import pytest

from skry_dask.geometry.areas import AreaGrid
from skry_dask.geometry.canvas import Region
from skry_dask.phases.rating.area_detail import measure_area_detail
from tests.small_captures import expose, texture

GRID = AreaGrid.of_region(Region(4, 6, 50, 60), 20)
ACTIVE = np.ones(1, bool)


def measure(frame, offset=(0.0, 0.0), white=255, radius=3):
    frames, offsets = np.asarray(frame)[None], np.array([offset])
    (detail,) = measure_area_detail(frames, offsets, ACTIVE, GRID, radius, white)
    return detail


def test_detail_moves_with_the_offset():
    scene = expose(texture(80, 100))
    still = measure(scene[10:70, 10:80])
    moved = measure(scene[7:67, 14:84], (3.0, -4.0))
    np.testing.assert_array_equal(still, moved)


def test_the_same_picture_has_the_same_detail_at_any_depth():
    frame = expose(texture(60, 70))
    expected = measure(frame)
    for bits in (10, 12, 16):
        deep = frame.astype(np.uint16) << (bits - 8)
        detail = measure(deep, white=255 << (bits - 8))
        np.testing.assert_allclose(detail, expected, rtol=0.01)


def test_frames_measured_together_are_measured_alike():
    frames = np.stack([expose(texture(60, 70), seed=i).astype(np.uint16) for i in range(4)])
    frames[1] <<= 3  # of another depth
    active = np.array([True, True, False, True])
    detail = measure_area_detail(frames, np.zeros((4, 2)), active, GRID, 3, 2047)
    for i in (0, 1, 3):
        np.testing.assert_array_equal(detail[i], measure(frames[i], white=2047))
    assert np.isnan(detail[2]).all()


def test_a_flat_frame_has_no_detail():
    assert measure(np.full((60, 70), 200, np.uint8)) == pytest.approx(0, abs=1e-6)
