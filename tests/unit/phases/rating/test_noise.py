"""Noise of an image, estimated in spite of its structure."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.phases.rating.noise import local_noise_variance, noise_sigma, noise_variance
from tests.small_captures import texture


def noisy_image(sigma, shape=(200, 200)):
    """Draw smooth structure and white noise."""
    light = 20 + 60 * ndimage.gaussian_filter(texture(*shape), 6)
    noise = np.random.default_rng(3).normal(size=shape) * sigma
    return (light + noise).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.0, 1.0, 5.0])
def test_noise_is_measured_in_spite_of_structure(sigma):
    image = noisy_image(sigma)
    assert noise_variance(image) ** 0.5 == pytest.approx(sigma, rel=0.05, abs=0.05)
    assert noise_sigma(image) == pytest.approx(sigma, rel=0.02, abs=0.05)


def test_an_image_too_small_for_the_mask_has_no_noise():
    for shape in ((1, 1), (2, 9)):
        assert noise_sigma(np.ones(shape, np.float32)) == 0
        assert noise_variance(np.ones(shape, np.float32)) == 0


def test_the_mosaic_of_raw_colour_is_no_noise():
    frame = noisy_image(2.0)
    frame[0::2, 0::2] *= 2
    frame[1::2, 1::2] *= 0.5
    assert noise_variance(frame) ** 0.5 < 5
    grey = noisy_image(2.0)
    assert noise_variance(grey) ** 0.5 == pytest.approx(2, rel=0.05)


def test_local_noise_follows_the_light_and_is_at_least_that_of_the_frame():
    rng = np.random.default_rng(4)
    sigma = np.where(np.arange(200) < 100, 1.0, 4.0)
    frame = (50 + rng.normal(size=(200, 200)) * sigma).astype(np.float32)
    local = local_noise_variance(frame, 32)
    assert local[:, 150].mean() ** 0.5 == pytest.approx(4, rel=0.1)
    assert local.min() >= noise_variance(frame) * 0.999
