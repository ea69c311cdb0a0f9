"""What is left of an image without its structure."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.frame import noise
from skry_dask.kernels.frame.noise import noise_response
from tests import reference


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(noise, monkeypatch)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("shape", [(19, 23), (1, 9), (9, 1), (2, 2)])
def test_it_is_the_second_difference_along_both_axes(dtype, step, shape):
    image = np.random.default_rng(1).integers(0, 250, shape).astype(dtype)
    line = np.zeros(2 * step + 1)
    line[[0, step, -1]] = 1, -2, 1
    expected = ndimage.correlate1d(image.astype(float), line, 0, mode="nearest")
    expected = ndimage.correlate1d(expected, line, 1, mode="nearest") / 6
    np.testing.assert_allclose(noise_response(image, step), expected, atol=1e-3)


@pytest.mark.parametrize("step", [1, 2])
def test_noise_keeps_its_variance_and_slopes_vanish(step):
    noisy = np.random.default_rng(1).normal(100, 5, (300, 300)).astype(np.float32)
    inner = (slice(2, -2), slice(2, -2))
    assert noise_response(noisy, step)[inner].std() == pytest.approx(5, rel=0.02)
    y, x = np.mgrid[:30, :40].astype(np.float32)
    assert abs(noise_response(3 * y - 2 * x + 7, step)[inner]).max() == 0


def test_nothing_has_no_noise():
    assert noise_response(np.empty((0, 4), np.uint8), 1).shape == (0, 4)
