"""Blurring and smoothness of images in float32, beside SciPy and NumPy."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.finishing import blurring, total_variation
from skry_dask.kernels.finishing.blurring import blur
from skry_dask.kernels.finishing.total_variation import smoothing_factor
from tests import reference

_kernels = reference.both_ways(blurring, total_variation)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (17, 4), (23, 31)])
def test_an_image_is_blurred_along_both_axes(shape):
    image = np.random.default_rng(1).random(shape, np.float32)
    weights = np.array([0.4, 0.2, 0.1], np.float32)
    for spacing in (1, 3):
        taps = np.zeros(4 * spacing + 1)
        taps[::spacing] = [0.1, 0.2, 0.4, 0.2, 0.1]
        expected = image.astype(float)
        for axis in (0, 1):
            expected = ndimage.correlate1d(expected, taps, axis, mode="nearest")
        found = blur(image, weights, spacing)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (19, 23)])
def test_smoothness_divides_by_one_less_the_divergence(shape):
    image = np.random.default_rng(2).random(shape, np.float32)
    padded = np.pad(image, ((0, 1), (0, 1)), mode="edge").astype(float)
    dy, dx = np.diff(padded, axis=0)[:, :-1], np.diff(padded, axis=1)[:-1]
    length = np.sqrt(dx**2 + dy**2 + 0.1**2)
    dy, dx = dy / length, dx / length
    divergence = np.diff(dy, axis=0, prepend=0) + np.diff(dx, axis=1, prepend=0)
    found = smoothing_factor(image, 0.05, 0.1)
    np.testing.assert_allclose(found, 1 / (1 - 0.05 * divergence), rtol=1e-5)
