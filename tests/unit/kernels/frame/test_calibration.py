"""Kernels that calibrate single frames."""

import numpy as np
import pytest

from skry_dask.kernels.frame import calibration
from skry_dask.kernels.frame.calibration import FLAT_GAIN_BITS, calibrate_frame, replace_bad_pixels
from tests import reference

DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
SHAPES = pytest.mark.parametrize("shape", [(9, 14), (5, 6, 3), (1, 1), (0, 4)])
ONE = 1 << FLAT_GAIN_BITS


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(calibration, monkeypatch)


def noise(shape, dtype, seed=1):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype, endpoint=True)


def whole(shape, low, high, seed=2):
    return np.random.default_rng(seed).integers(low, high, shape, np.int32, endpoint=True)


# --- dark and gain -----------------------------------------------------------------------------


@SHAPES
@DTYPES
@pytest.mark.parametrize("shift", [0, 7, 10])
def test_calibrated_frames_are_those_of_the_twin(dtype, shape, shift):
    frame = noise(shape, dtype)
    dark, gain = whole(shape, -(2**26), 2**26), whole(shape, 0, 8 * ONE)
    for levels in (dark, dark >> 10, np.zeros_like(dark)):
        found = calibrate_frame(frame, levels, gain, shift, 300)
        assert found.dtype == np.uint16
        expected = reference.calibrate_frame(frame, levels, gain, shift, 300)
        np.testing.assert_array_equal(found, expected)


@DTYPES
def test_extremes_of_dark_gain_and_black_do_not_overflow(dtype):
    frame = np.array([[0, np.iinfo(dtype).max]], dtype)
    for level in (-(2**26), 2**26):
        for factor in (0, 1, 8 * ONE):
            for black in (0, 65535):
                dark = np.full(frame.shape, level, np.int32)
                gain = np.full(frame.shape, factor, np.int32)
                np.testing.assert_array_equal(
                    calibrate_frame(frame, dark, gain, 10, black),
                    reference.calibrate_frame(frame, dark, gain, 10, black),
                )


@DTYPES
def test_no_dark_and_a_gain_of_one_only_spread_the_frame(dtype):
    frame = noise((6, 7), dtype)
    nothing, one = np.zeros(frame.shape, np.int32), np.full(frame.shape, ONE, np.int32)
    shift = 7 if dtype == np.uint8 else 0
    found = calibrate_frame(frame, nothing, one, shift, 0)
    np.testing.assert_array_equal(found, frame.astype(int) << shift)


def test_halves_are_rounded_up_and_results_clipped():
    frame = np.array([[1, 3, 5, 65535]], np.uint16)
    dark = np.array([[0, 0, 105, -9]], np.int32)
    half = np.full(frame.shape, ONE // 2, np.int32)
    np.testing.assert_array_equal(calibrate_frame(frame, dark, half, 0, 0), [[1, 2, 0, 32772]])
    np.testing.assert_array_equal(
        calibrate_frame(frame, dark, half, 0, 40000), [[40001, 40002, 39950, 65535]]
    )


def test_strided_and_read_only_frames_are_calibrated_alike_and_left_as_they_are():
    frame, dark, gain = noise((12, 20), np.uint8), whole((12, 20), 0, 900), whole((12, 20), 0, ONE)
    for array in (frame, dark, gain):
        array.flags.writeable = False
    for part in (np.s_[:, :], np.s_[::2, ::-3], np.s_[3:9, 5:]):
        views = [array[part] for array in (frame, dark, gain)]
        np.testing.assert_array_equal(
            calibrate_frame(*views, 7, 5), reference.calibrate_frame(*views, 7, 5)
        )


# --- bad pixels --------------------------------------------------------------------------------


def replaced(frame, bad, step):
    out = frame.copy()
    replace_bad_pixels(out, np.asarray(bad, np.int64).reshape(-1, frame.ndim), step)
    return out


@DTYPES
@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("shape", [(9, 14), (6, 7, 3), (1, 5), (2, 2), (1, 1)])
def test_replaced_pixels_are_those_of_the_twin(shape, step, dtype):
    frame = noise(shape, dtype)
    rng = np.random.default_rng(4)
    for part in (0.05, 0.3, 0.8, 1.0):
        bad = np.argwhere(rng.random(shape) < part)
        expected = reference.replace_bad_pixels(frame, bad, step)
        np.testing.assert_array_equal(replaced(frame, bad, step), expected)
        np.testing.assert_array_equal(replaced(frame, bad[::-1], step), expected)


def test_the_median_of_eight_is_the_mean_of_the_middle_two_rounded_down():
    frame = np.array([[1, 2, 3], [4, 255, 9], [10, 11, 12]], np.uint8)
    assert replaced(frame, [(1, 1)], 1)[1, 1] == 6  # of 4 and 9


def test_neighbours_of_another_colour_do_not_count():
    frame = np.full((9, 9), 200, np.uint8)
    frame[::2, ::2] = 10  # red
    for y, x, expected in ((4, 4, 10), (4, 5, 200), (5, 4, 200), (5, 5, 200), (0, 0, 10)):
        hot = frame.copy()
        hot[y, x] = 255
        assert replaced(hot, [(y, x)], 2)[y, x] == expected


def test_channels_are_replaced_apart():
    frame = np.arange(27, dtype=np.uint16).reshape(3, 3, 3)
    found = replaced(frame, [(1, 1, 2)], 1)
    changed = np.argwhere(found != frame)
    assert len(changed) == 0  # the median of a ramp is its middle
    frame[1, 1, 2] = 60000
    np.testing.assert_array_equal(
        np.argwhere(replaced(frame, [(1, 1, 2)], 1) != frame), [[1, 1, 2]]
    )
    assert replaced(frame, [(1, 1, 2)], 1)[1, 1, 2] == 14


def test_a_pixel_whose_neighbours_are_all_bad_stays():
    frame = noise((3, 3), np.uint8)
    np.testing.assert_array_equal(replaced(frame, np.argwhere(frame >= 0), 1), frame)


def test_no_bad_pixels_change_nothing():
    frame = noise((4, 5), np.uint8)
    np.testing.assert_array_equal(replaced(frame, np.empty((0, 2)), 1), frame)


def test_strided_frames_are_changed_in_place():
    frame = noise((12, 20), np.uint8)
    view = frame[::2, ::-1]
    expected = reference.replace_bad_pixels(view, np.array([[2, 3], [0, 0]]), 2)
    replace_bad_pixels(view, np.array([[2, 3], [0, 0]]), 2)
    np.testing.assert_array_equal(frame[::2, ::-1], expected)
