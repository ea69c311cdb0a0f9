"""Smaller copies of frames."""

import numpy as np
import pytest

from skry_dask.kernels.frame import binning
from skry_dask.kernels.frame.binning import bin_by_2, bin_pixels
from tests import reference

_kernels = reference.both_ways(binning)
DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])


def noise(dtype, shape=(25, 38)):
    """Draw noise over all grey levels."""
    return np.random.default_rng(2).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@DTYPES
def test_pixels_are_means_rounded_half_up(dtype):
    image = noise(dtype)
    strided = np.repeat(image, 2, axis=1)[:, ::2]
    for factor in (1, 2, 4, 8):
        expected = reference.bin_pixels(image, factor)
        np.testing.assert_array_equal(bin_pixels(image, factor), expected)
        np.testing.assert_array_equal(bin_pixels(strided, factor), expected)
    np.testing.assert_array_equal(bin_by_2(image), reference.bin_pixels(image, 2))
    np.testing.assert_array_equal(bin_by_2(strided), reference.bin_pixels(image, 2))


@DTYPES
def test_a_white_image_stays_white(dtype):
    for factor in (2, 64, 128):
        image = np.full((factor, 2 * factor), np.iinfo(dtype).max, dtype)
        assert (bin_pixels(image, factor) == image[0, 0]).all()
        assert (bin_by_2(image[:8, :8]) == image[0, 0]).all()


def test_a_factor_of_512_does_not_overflow():
    image = np.full((512, 512), 255, np.uint8)
    image[0, :256] = 0
    assert bin_pixels(image[:, ::-1], 512).tolist() == [[255]]


def test_incomplete_groups_are_left_out():
    for shape in ((0, 0), (0, 4), (1, 1), (3, 5)):
        image, expected = np.ones(shape, np.uint8), (shape[0] // 2, shape[1] // 2)
        assert bin_by_2(image).shape == bin_pixels(image, 2).shape == expected


@DTYPES
def test_each_image_of_a_stack_is_binned_on_its_own(dtype):
    images = np.stack([noise(dtype), noise(dtype)[::-1], noise(dtype)[:, ::-1]])
    for function in (bin_by_2, lambda frames: bin_pixels(frames, 4)):
        expected = np.stack([function(image) for image in images])
        np.testing.assert_array_equal(function(images), expected)
