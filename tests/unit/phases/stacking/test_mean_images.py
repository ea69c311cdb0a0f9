"""Images from sums: means, missing light, and filled holes."""

import numpy as np

from skry_dask.kernels.stacking.resample import SUM_FRACTION_BITS
from skry_dask.phases.stacking.mean_images import HOLE_REACH_PX, divide_sums, fill_holes

UNITS = 2**SUM_FRACTION_BITS
"""Units of a sum per grey level."""


def divide(levels, weights, *, units=UNITS, black=0, white=255):
    """Divide sums of grey levels, given as one row of pixels, by their weights."""
    values = np.array([[levels]]) * units
    (image,) = divide_sums(values, np.array([[weights]]), [units], black, white)
    return image[0]


# --- means ---------------------------------------------------------------------------------------


def test_an_image_is_the_mean_as_a_fraction_of_full_scale():
    image = divide([255, 0], [1, 4])
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, [1.0, 0.0])
    np.testing.assert_allclose(divide([255, 0], [1, 4], white=1023), [255 / 1023, 0], rtol=1e-6)
    np.testing.assert_allclose(divide([255], [5]), [0.2], rtol=1e-6)


def test_every_image_has_its_own_units():
    values = np.array([[[255 * 64, 0]], [[255 * 1024, 0]]])
    weights = np.array([[[1, 4]], [[1, 4]]])
    one, other = divide_sums(values, weights, [64, 1024], 0, 255)
    np.testing.assert_array_equal(one, other)


def test_black_becomes_0_and_white_above_it_1():
    image = divide([10, 110, 0], [1, 1, 1], black=10, white=100)
    np.testing.assert_allclose(image, [0.0, 1.0, -0.1], rtol=1e-6)


def test_pixels_to_which_nothing_was_added_are_nan():
    np.testing.assert_array_equal(np.isnan(divide([0, 51, 0], [0, 1, 1])), [True, False, False])


def test_means_of_long_captures_are_exact_to_single_precision():
    n = 10**7
    np.testing.assert_array_equal(divide([n * 65535], [n], white=65535), [1.0])


# --- holes ---------------------------------------------------------------------------------------


def test_holes_are_filled_and_the_outside_is_not():
    image = np.full((1, 40, 40), np.nan, np.float32)
    image[:, 10:30, 10:30] = 3.0
    whole = image.copy()
    image[:, 15 : 15 + 2 * HOLE_REACH_PX, 15:18] = np.nan
    image[:, 20, 25] = np.nan
    before = image.copy()
    np.testing.assert_array_equal(fill_holes(image), whole)
    np.testing.assert_array_equal(image, before)
    assert np.isnan(fill_holes(np.full((1, 5, 5), np.nan, np.float32))).all()


def test_a_hole_between_two_levels_gets_one_between_them():
    image = np.full((1, 40, 40), 3.0, np.float32)
    image[0, :, 20:] = 5.0
    image[0, 20, 19:21] = np.nan
    assert 3.0 < fill_holes(image)[0, 20, 19] < 5.0


def test_large_holes_stay():
    image = np.ones((1, 60, 60), np.float32)
    end = 17 + 4 * HOLE_REACH_PX
    image[:, 15:end, 15:end] = np.nan
    middle = 16 + 2 * HOLE_REACH_PX
    assert np.isnan(fill_holes(image)[0, middle, middle])
