"""Gains that make frames equally bright."""

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from skry_dask.capture.calibration.develop import Developer
from skry_dask.geometry.canvas import Region
from skry_dask.kernels.frame.brightness import FRAME_GAIN_BITS
from skry_dask.phases.stacking.frame_gain import (
    MAX_GAIN,
    frame_gains,
    gains_of_brightness,
    uneven_light,
)

UNITY = 1 << FRAME_GAIN_BITS
SCENE = np.random.default_rng(1).uniform(60, 120, (60, 80))


def view(clearness, shift=(0, 0), black=0):
    """Cut out a frame that shows the scene shifted, behind clouds."""
    y, x = shift
    return np.rint(SCENE[10 - y : 50 - y, 10 - x : 70 - x] * clearness + black).astype(np.uint8)


def gains_of(frames, offset, region, *, active=None, black=0, chunks=2):
    """Compute the gains of frames, 1 for a frame that keeps its brightness."""
    active = np.ones(len(frames), bool) if active is None else active
    lazy = da.from_array(np.array(frames), chunks=(chunks, -1, -1))
    developer = Developer("uint8", black=black, white=255)
    found = frame_gains(lazy, np.array(offset, float), active, region, 16, developer)
    with dask.config.set(scheduler="sync"):
        return found.compute() / UNITY


def test_gains_undo_clouds_whatever_the_drift():
    shifts = [(0, 0), (2, -3), (-1, 4), (3, 3), (0, 1)]
    clear = [1.0, 0.5, 1.0, 0.8, 1.0]
    for black in (0, 30):
        frames = [view(c, s, black) for c, s in zip(clear, shifts, strict=True)]
        found = gains_of(frames, shifts, Region(1, 3, 36, 52), black=black)
        np.testing.assert_allclose(found, 1 / np.array(clear), rtol=0.01)


def test_gains_do_not_depend_on_chunks():
    frames = [view(c) for c in (1.0, 0.7, 0.9, 0.6, 0.65)]
    region = Region(0, 0, 40, 60)
    one, other = (gains_of(frames, np.zeros((5, 2)), region, chunks=n) for n in (1, 5))
    np.testing.assert_array_equal(one, other)


def test_inactive_and_black_frames_keep_their_brightness_and_do_not_count():
    frames = [view(1.0), view(0.1), view(0.0), view(1.0)]
    active = np.array([True, False, True, True])
    found = gains_of(frames, np.zeros((4, 2)), Region(0, 0, 40, 60), active=active)
    np.testing.assert_array_equal(found, 1.0)


def test_gains_have_bounds():
    brightness = np.array([[1], [100], [100], [100], [100_000]])
    found = gains_of_brightness(brightness, np.ones(5, bool))
    np.testing.assert_array_equal(found, [MAX_GAIN * UNITY, UNITY, UNITY, UNITY, UNITY // MAX_GAIN])


def test_dark_areas_do_not_count():
    brightness = np.array([[100, 1], [100, 9], [50, 90]])
    np.testing.assert_array_equal(
        gains_of_brightness(brightness, np.ones(3, bool)), [UNITY, UNITY, 2 * UNITY]
    )


def test_frames_without_light_keep_their_brightness():
    nothing = gains_of_brightness(np.zeros((3, 2), np.int64), np.ones(3, bool))
    np.testing.assert_array_equal(nothing, UNITY)


@pytest.mark.parametrize(
    ("light", "expected"),
    [
        ([1.0, 1.1, 0.95, np.nan, 9.0], None),
        ([0.5, 0.5, 1.0, np.nan, 9.0], [1.0, 1.0, 2.0, 1.0, MAX_GAIN]),
        ([np.nan, np.nan, 0.0, np.nan, 1.0], None),
    ],
)
def test_light_is_compared_where_that_of_stacked_frames_differs(light, expected):
    alignment = xr.Dataset({"light": ("frame", np.array(light, np.float32))})
    found = uneven_light(alignment, np.array([True, True, True, True, False]))
    if expected is None:
        assert found is None
    else:
        np.testing.assert_allclose(found, expected)
    assert uneven_light(alignment.drop_vars("light"), np.ones(5, bool)) is None
