"""Sums of brightness, and of brightness times place."""

import numpy as np
import pytest

from skry_dask.kernels.frame import centroid
from skry_dask.kernels.frame.centroid import brightness_moments
from tests import reference

_kernels = reference.both_ways(centroid)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sums_are_exact_for_noise_and_extremes(dtype):
    white = np.iinfo(dtype).max
    noise = np.random.default_rng(1).integers(0, white, (12, 17), dtype, endpoint=True)
    checks = (np.indices((20, 30)).sum(axis=0) % 2 * white).astype(dtype)
    for image in (noise, checks, np.zeros_like(checks), np.full_like(checks, white)):
        for threshold in (0, 1, 100, white - 1, white):
            expected = reference.brightness_moments(image, threshold)
            np.testing.assert_array_equal(brightness_moments(image, threshold), expected)


def test_one_pixel_counts_if_it_is_above_the_threshold():
    assert brightness_moments(np.array([[9]], np.uint8), 4).tolist() == [5, 0, 0, 1]
    assert brightness_moments(np.array([[4]], np.uint8), 4).tolist() == [0, 0, 0, 0]


def test_sums_over_an_empty_image_are_zero():
    for shape in ((0, 0), (0, 4), (4, 0)):
        assert brightness_moments(np.empty(shape, np.uint16), 0).tolist() == [0, 0, 0, 0]


def test_strided_and_read_only_images_have_the_sums_of_their_copies():
    image = np.random.default_rng(2).integers(0, 255, (16, 21), np.uint8)
    image.flags.writeable = False
    for view in (image, image[::2, ::3], image[::-1], image[3:9, 4:11], image.T):
        expected = brightness_moments(view.copy(), 50)
        np.testing.assert_array_equal(brightness_moments(view, 50), expected)
