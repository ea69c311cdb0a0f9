"""From sums to a mean image, and differences of neighbours amplified."""

import numpy as np

from skry_dask.kernels.stacking import mean_image
from skry_dask.kernels.stacking.mean_image import amplify_differences, normalise_sums
from tests import reference

_kernels = reference.both_ways(mean_image)


def test_sums_become_fractions_between_black_and_white():
    rng = np.random.default_rng(1)
    sums, counts = rng.integers(0, 2**40, (5, 7)), rng.integers(1, 900, (5, 7))
    expected = ((sums / (counts * 64.0) - 16) / 255).astype(np.float32)
    for dtype in (np.int32, np.int64):
        out = np.empty((5, 7), np.float32)
        normalise_sums(sums, counts.astype(dtype), 64.0, 16, 255, out)
        np.testing.assert_array_equal(out, expected)


def test_pixels_to_which_nothing_was_added_are_nan():
    out = np.zeros((1, 3), np.float32)
    normalise_sums(np.array([[0, 640, 0]]), np.array([[0, 1, 2]]), 64.0, 0, 10, out)
    np.testing.assert_array_equal(out, [[np.nan, 1.0, 0.0]])


def with_differences(image, axis, strength):
    """Add differences along one axis with NumPy."""
    step = np.float32(strength) * np.nan_to_num(np.diff(image, axis=axis))
    out = np.moveaxis(image.copy(), axis, 0)
    step = np.moveaxis(step, axis, 0)
    out[:-1] -= step
    out[1:] += step
    return np.moveaxis(out, 0, axis)


def test_differences_to_adjacent_pixels_are_added():
    for shape in ((1, 1), (1, 6), (6, 1), (9, 12)):
        image = np.random.default_rng(2).random(shape, np.float32)
        if shape == (9, 12):
            image[3, 4], image[0, 0], image[8, 5:] = np.nan, np.nan, np.nan
        out = np.empty_like(image)
        amplify_differences(image, 0.2, 0.1, out)
        expected = with_differences(with_differences(image, 0, 0.2), 1, 0.1)
        np.testing.assert_array_equal(out, expected)


def test_uniform_images_and_fractions_of_zero_change_nothing():
    noise = np.random.default_rng(3).random((4, 5), np.float32)
    for image, fraction in ((np.full((4, 5), 0.3, np.float32), 0.2), (noise, 0.0)):
        out = np.empty_like(image)
        amplify_differences(image, fraction, fraction, out)
        np.testing.assert_array_equal(out, image)
