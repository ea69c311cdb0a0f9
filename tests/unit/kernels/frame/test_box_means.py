"""Means around pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from skry_dask.kernels.frame import box_means as module
from skry_dask.kernels.frame.box_means import binomial_smooth, box_means
from tests import reference

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=40)


@pytest.fixture(params=["compiled", "interpreted"])
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(module, monkeypatch)


def noise(*shape, seed=1, dtype=np.float32):
    return np.random.default_rng(seed).normal(100, 20, shape).astype(dtype)


@REPEATABLE
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 40), st.integers(0, 9))
def test_boxes_are_those_of_scipy_whatever_their_size(height, width, size, seed):
    image = noise(height, width, seed=seed)
    expected = ndimage.uniform_filter(image.astype(float), size, mode="nearest")
    np.testing.assert_allclose(box_means(image, size), expected, rtol=1e-6)


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize("size", [1, 4, 5])
def test_each_image_of_a_stack_has_its_own_means(size):
    images = noise(3, 9, 11)
    made = box_means(images, size)
    assert made.dtype == np.float32
    for image, means in zip(images, made, strict=True):
        np.testing.assert_array_equal(means, box_means(image, size))


def test_strided_images_and_those_of_64_bits_have_the_same_means():
    image = noise(20, 24)
    np.testing.assert_array_equal(box_means(image.T, 6), box_means(image.T.copy(), 6))
    np.testing.assert_array_equal(box_means(image.astype(float), 6), box_means(image, 6))


def test_nothing_has_no_means():
    assert box_means(np.empty((0, 5), np.float32), 3).shape == (0, 5)


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize("times", [0, 1, 2, 5])
def test_pixels_inside_are_smoothed_by_one_two_one(times):
    images = noise(2, 20, 23)
    before = images.copy()
    made = binomial_smooth(images, times)
    np.testing.assert_array_equal(images, before)
    line = np.array([0.25, 0.5, 0.25])
    for image, found in zip(images.astype(float), made, strict=True):
        expected = image
        for _ in range(times):
            for axis in (0, 1):
                expected = ndimage.correlate1d(expected, line, axis, mode="nearest")
        inner = (slice(times, -times or None),) * 2
        np.testing.assert_allclose(found[inner], expected[inner], rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 2), (0, 5, 5)])
def test_images_that_are_all_border_stay_as_they_are(shape):
    np.testing.assert_array_equal(binomial_smooth(noise(*shape), 3), noise(*shape))
