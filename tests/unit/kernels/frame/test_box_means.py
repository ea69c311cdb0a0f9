"""Means of the pixels around each pixel."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from skry_dask.kernels.frame import box_means as module
from skry_dask.kernels.frame.box_means import binomial_smooth, box_means
from tests import reference

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=40)


def noise(*shape, seed=1):
    return np.random.default_rng(seed).normal(100, 20, shape).astype(np.float32)


@REPEATABLE
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 40), st.integers(0, 9))
def test_box_means_are_those_of_scipy_for_any_size(height, width, size, seed):
    image = noise(height, width, seed=seed)
    expected = ndimage.uniform_filter(image.astype(float), size, mode="nearest")
    np.testing.assert_allclose(box_means(image, size), expected, rtol=1e-6)


def test_interpreted_kernels_give_the_same_bits(monkeypatch):
    images = noise(3, 9, 11)

    def compute():
        return [box_means(images, size) for size in (1, 4, 5)] + [binomial_smooth(images, 2)]

    compiled = compute()
    reference.interpret(module, monkeypatch)
    for one, other in zip(compute(), compiled, strict=True):
        np.testing.assert_array_equal(one, other)


def test_each_image_of_a_stack_has_its_own_means():
    images = noise(3, 9, 11)
    means = box_means(images, 4)
    assert means.dtype == np.float32
    np.testing.assert_array_equal(means, [box_means(image, 4) for image in images])


def test_strided_images_and_float64_have_the_same_means():
    image = noise(20, 24)
    np.testing.assert_array_equal(box_means(image.T, 6), box_means(image.T.copy(), 6))
    np.testing.assert_array_equal(box_means(image.astype(float), 6), box_means(image, 6))


def test_an_empty_image_has_no_means():
    assert box_means(np.empty((0, 5), np.float32), 3).shape == (0, 5)


def test_pixels_inside_are_smoothed_with_one_two_one():
    images = noise(2, 20, 23)
    before = images.copy()
    for times in (0, 1, 2, 5):
        smoothed = binomial_smooth(images, times)
        np.testing.assert_array_equal(images, before)
        expected = images.astype(float)
        for _ in range(times):
            for axis in (1, 2):
                expected = ndimage.correlate1d(expected, [0.25, 0.5, 0.25], axis, mode="nearest")
        inner = (slice(None), *(slice(times, -times or None),) * 2)
        np.testing.assert_allclose(smoothed[inner], expected[inner], rtol=1e-5)


def test_images_that_are_all_border_stay_as_they_are():
    for shape in ((1, 1, 1), (3, 2, 2), (0, 5, 5)):
        np.testing.assert_array_equal(binomial_smooth(noise(*shape), 3), noise(*shape))
