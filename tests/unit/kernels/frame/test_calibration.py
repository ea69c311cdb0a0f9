"""Calibration of single frames."""

import numpy as np
import pytest

from skry_dask.kernels.frame import calibration
from skry_dask.kernels.frame.calibration import FLAT_GAIN_BITS, calibrate_frame, replace_bad_pixels
from tests import reference

_kernels = reference.both_ways(calibration)
DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
ONE = 1 << FLAT_GAIN_BITS


def noise(shape, dtype, seed=1):
    white = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, white, shape, dtype, endpoint=True)


def integers(shape, low, high, seed=2):
    return np.random.default_rng(seed).integers(low, high, shape, np.int32, endpoint=True)


# --- dark and gain -----------------------------------------------------------------------------


@DTYPES
def test_frames_are_calibrated_exactly(dtype):
    for shape in ((9, 14), (5, 6, 3), (1, 1), (0, 4)):
        frame = noise(shape, dtype)
        dark, gain = integers(shape, -(2**26), 2**26), integers(shape, 0, 8 * ONE)
        for levels in (dark, dark >> 10, np.zeros_like(dark)):
            for shift in (0, 7, 10):
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
def test_no_dark_and_a_gain_of_one_only_shift_the_frame(dtype):
    frame = noise((6, 7), dtype)
    nothing, one = np.zeros(frame.shape, np.int32), np.full(frame.shape, ONE, np.int32)
    shift = 7 if dtype == np.uint8 else 0
    found = calibrate_frame(frame, nothing, one, shift, 0)
    np.testing.assert_array_equal(found, frame.astype(int) << shift)


def test_halves_are_rounded_up_and_results_clipped():
    frame = np.array([[1, 3, 5, 65535]], np.uint16)
    dark = np.array([[0, 0, 105, -9]], np.int32)
    half = np.full(frame.shape, ONE // 2, np.int32)
    assert calibrate_frame(frame, dark, half, 0, 0).tolist() == [[1, 2, 0, 32772]]
    assert calibrate_frame(frame, dark, half, 0, 40000).tolist() == [[40001, 40002, 39950, 65535]]


def test_strided_and_read_only_frames_are_calibrated_alike():
    frame = noise((12, 20), np.uint8)
    dark, gain = integers((12, 20), 0, 900), integers((12, 20), 0, ONE)
    for array in (frame, dark, gain):
        array.flags.writeable = False
    for window in (np.s_[:, :], np.s_[::2, ::-3], np.s_[3:9, 5:]):
        views = [array[window] for array in (frame, dark, gain)]
        expected = reference.calibrate_frame(*views, 7, 5)
        np.testing.assert_array_equal(calibrate_frame(*views, 7, 5), expected)


# --- bad pixels --------------------------------------------------------------------------------


def replaced(frame, bad, step):
    out = frame.copy()
    replace_bad_pixels(out, np.asarray(bad, np.int64).reshape(-1, frame.ndim), step)
    return out


@DTYPES
def test_bad_pixels_become_the_median_of_their_good_neighbours(dtype):
    rng = np.random.default_rng(4)
    for shape in ((9, 14), (6, 7, 3), (1, 5), (2, 2), (1, 1)):
        frame = noise(shape, dtype)
        for fraction in (0.05, 0.3, 0.8, 1.0):
            bad = np.argwhere(rng.random(shape) < fraction)
            for step in (1, 2):
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


def test_channels_do_not_mix():
    frame = np.arange(27, dtype=np.uint16).reshape(3, 3, 3)
    np.testing.assert_array_equal(replaced(frame, [(1, 1, 2)], 1), frame)  # a ramp's median
    frame[1, 1, 2] = 60000
    found = replaced(frame, [(1, 1, 2)], 1)
    assert np.argwhere(found != frame).tolist() == [[1, 1, 2]]
    assert found[1, 1, 2] == 14


def test_a_pixel_whose_neighbours_are_all_bad_stays():
    frame = noise((3, 3), np.uint8)
    np.testing.assert_array_equal(replaced(frame, np.argwhere(frame >= 0), 1), frame)


def test_without_bad_pixels_nothing_changes():
    frame = noise((4, 5), np.uint8)
    np.testing.assert_array_equal(replaced(frame, np.empty((0, 2)), 1), frame)


def test_strided_frames_are_changed_in_place():
    frame = noise((12, 20), np.uint8)
    view, bad = frame[::2, ::-1], np.array([[2, 3], [0, 0]])
    expected = reference.replace_bad_pixels(view, bad, 2)
    replace_bad_pixels(view, bad, 2)
    np.testing.assert_array_equal(frame[::2, ::-1], expected)
