"""Scaling the brightness of a plane, and the range of brightness in an image."""

import numpy as np
import pytest

from skry_dask.kernels.frame import brightness
from skry_dask.kernels.frame.brightness import (
    FRAME_GAIN_BITS,
    N_BINS,
    SCALED_FRACTION_BITS,
    brightness_ranges,
    scale_brightness,
)
from tests import reference

_kernels = reference.both_ways(brightness)


# --- scaling ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "peak"), [(np.uint8, 255), (np.uint16, 65535), (np.int32, 65535 * 16)]
)
def test_brightness_is_scaled_exactly_and_the_plane_stays_as_it_is(dtype, peak):
    plane = np.random.default_rng(1).integers(0, 200, (5, 6)).astype(dtype)
    plane[0, 0] = peak
    before = plane.copy()
    for gain in (512, 4000, 4096, 4097, 32768):
        for black in (0, 33):
            found = scale_brightness(plane, gain, black)
            assert found.dtype == np.int32
            np.testing.assert_array_equal(found, reference.scale_brightness(plane, gain, black))
            np.testing.assert_array_equal(plane, before)


def test_negative_samples_are_rounded_like_positive_ones():
    found = scale_brightness(np.array([[-5, 5]], np.int32), 1 << FRAME_GAIN_BITS, 0)
    assert found.tolist() == [[-5 << SCALED_FRACTION_BITS, 5 << SCALED_FRACTION_BITS]]


def test_planes_may_be_strided_or_empty():
    plane = np.arange(40, dtype=np.uint8).reshape(5, 8)[::2, ::-3]
    found = scale_brightness(plane, 1 << FRAME_GAIN_BITS, 7)
    np.testing.assert_array_equal(found, plane.astype(int) << SCALED_FRACTION_BITS)
    assert scale_brightness(np.empty((0, 4), np.uint8), 4096, 0).shape == (0, 4)


# --- range -----------------------------------------------------------------------------------


def brightness_range(image, tail):
    (found,) = brightness_ranges(image[None], tail)
    return tuple(found)


def noise(seed=1, kind="normal"):
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 20, (23, 31)) if kind == "normal" else rng.exponential(5, (23, 31))
    return image.astype(np.float32)


@pytest.mark.parametrize("kind", ["normal", "exponential"])
def test_the_range_lies_between_two_percentiles(kind):
    image = noise(kind=kind)
    one_bin = 1.01 * np.ptp(image) / (N_BINS - 1)
    for tail in (0.0, 0.001, 0.02, 0.25, 0.5):
        low, high, peak = brightness_range(image, tail)
        # A percentile between two values may be any number between them.
        for found, quantile in ((low, tail), (high, 1 - tail)):
            lowest, highest = (np.quantile(image, quantile, method=m) for m in ("lower", "higher"))
            assert lowest - one_bin <= found <= highest + one_bin
        assert peak == image.max()


def test_each_image_has_its_own_range():
    images = np.stack([noise(seed) for seed in range(3)])[:, ::2]
    found = brightness_ranges(images, 0.02)
    np.testing.assert_array_equal(found, [brightness_range(image, 0.02) for image in images])
    assert brightness_ranges(images[:0], 0.02).shape == (0, 3)


def test_without_tails_the_range_is_that_of_all_pixels():
    image = noise()
    expected = [image.min(), image.max(), image.max()]
    np.testing.assert_allclose(brightness_range(image, 0.0), expected)


def test_the_range_of_a_constant_image_is_its_value():
    for level in (0.0, 7.5, -3.0):
        for shape in ((4, 5), (1, 1)):
            assert brightness_range(np.full(shape, level, np.float32), 0.1) == (level,) * 3


def test_a_few_bright_pixels_are_the_peak_but_outside_the_range():
    image = noise()
    image[3, :3] = 1000
    _, high, peak = brightness_range(image, 0.02)
    assert peak == 1000
    assert high < 200


def test_strided_images_have_the_range_of_their_copies():
    image = noise()[::2, ::3]
    assert brightness_range(image, 0.1) == brightness_range(image.copy(), 0.1)
