"""The correlation coefficient of two images, one of which may be shifted."""

import numpy as np
import pytest

from skry_dask.kernels.matching import image_correlation
from skry_dask.kernels.matching.image_correlation import correlate_at_shifts
from tests import reference

_kernels = reference.both_ways(image_correlation)
NO_SHIFT = np.zeros((1, 1, 2), np.int64)


def correlate(one, other):
    return correlate_at_shifts(one, other[None], NO_SHIFT, 1)[0, 0]


def noise(seed=1):
    return np.random.default_rng(seed).normal(100, 20, (23, 31)).astype(np.float32)


def test_without_a_shift_it_is_pearsons_coefficient():
    one = noise(1)
    for fraction in (0.0, 0.3, 0.8, 1.0):
        for sign in (-1, 1):
            other = (fraction * one + (1 - fraction) * noise(2)) * np.float32(sign)
            expected = np.corrcoef(one.ravel(), other.ravel())[0, 1]
            assert correlate(one, other) == pytest.approx(expected, abs=1e-6)


def test_only_pixels_that_both_images_show_at_a_shift_count():
    one, other = noise(1), noise(2)
    shifts = np.array([[[0, 0], [3, -4], [-22, 30], [23, 0], [0, 31], [-40, 0]]])
    found = correlate_at_shifts(one, other[None], shifts, 50)[0]
    # The other image lies 3 px further down and 4 px to the left.
    expected = np.corrcoef(one[:-3, 4:].ravel(), other[3:, :-4].ravel())[0, 1]
    assert found[1] == pytest.approx(expected, abs=1e-6)
    assert found[2:].tolist() == [-1, -1, -1, -1]  # fewer than 50 common pixels, or none


def test_brightness_and_contrast_do_not_matter():
    one = noise(1)
    assert correlate(one, 3 * one + 50) == pytest.approx(1, abs=1e-6)
    flipped = one[::-1]
    assert correlate(one, 3 * flipped + 50) == pytest.approx(correlate(one, flipped), abs=1e-6)


def test_the_order_of_the_images_does_not_matter():
    expected = correlate(noise(2), noise(1))
    assert correlate(noise(1), noise(2)) == pytest.approx(expected, abs=1e-12)


def test_a_flat_image_correlates_with_nothing():
    flat = np.full((23, 31), 5, np.float32)
    for one, other in ((flat, noise()), (noise(), flat), (flat, flat)):
        assert correlate(one, other) == -1


def test_strided_images_correlate_like_their_copies():
    one, other = noise(1)[::2, 3:], noise(2)[::2, 3:]
    assert correlate(one, other) == correlate(one.copy(), other.copy())
