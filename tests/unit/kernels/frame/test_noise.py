"""The filter that suppresses structure and leaves noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.frame import noise
from skry_dask.kernels.frame.noise import noise_response
from tests import reference

_kernels = reference.both_ways(noise)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_it_is_the_second_difference_along_both_axes(dtype):
    for step in (1, 2):
        line = np.zeros(2 * step + 1)
        line[[0, step, -1]] = 1, -2, 1
        for shape in ((19, 23), (1, 9), (9, 1), (2, 2)):
            image = np.random.default_rng(1).integers(0, 250, shape).astype(dtype)
            expected = ndimage.correlate1d(image.astype(float), line, 0, mode="nearest")
            expected = ndimage.correlate1d(expected, line, 1, mode="nearest") / 6
            np.testing.assert_allclose(noise_response(image, step), expected, atol=1e-3)


def test_white_noise_keeps_its_variance_and_slopes_vanish():
    for step in (1, 2):
        noisy = np.random.default_rng(1).normal(100, 5, (100, 120)).astype(np.float32)
        inner = (slice(2, -2), slice(2, -2))
        assert noise_response(noisy, step)[inner].std() == pytest.approx(5, rel=0.05)
        y, x = np.mgrid[:30, :40].astype(np.float32)
        assert abs(noise_response(3 * y - 2 * x + 7, step)[inner]).max() == 0


def test_an_empty_image_has_no_noise():
    assert noise_response(np.empty((0, 4), np.uint8), 1).shape == (0, 4)
