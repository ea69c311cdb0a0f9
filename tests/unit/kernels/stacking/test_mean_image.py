"""From sums to light, and contrast given back."""

import numpy as np
import pytest

from skry_dask.kernels.stacking import mean_image as module
from skry_dask.kernels.stacking.mean_image import amplify_differences, normalise_sums
from tests import reference


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(module, monkeypatch)


def test_light_is_the_mean_between_black_and_white():
    rng = np.random.default_rng(1)
    sums, counts = rng.integers(0, 2**40, (5, 7)), rng.integers(1, 900, (5, 7))
    out = np.empty((5, 7), np.float32)
    normalise_sums(sums, counts, 64.0, 16, 255, out)
    expected = ((sums / (counts * 64.0) - 16) / 255).astype(np.float32)
    np.testing.assert_array_equal(out, expected)


def test_there_is_no_light_where_nothing_was_added():
    out = np.zeros((1, 3), np.float32)
    normalise_sums(np.array([[0, 640, 0]]), np.array([[0, 1, 2]]), 64.0, 0, 10, out)
    np.testing.assert_array_equal(out, [[np.nan, 1.0, 0.0]])


def differences(image, axis, strength):
    """Do it along one axis with NumPy."""
    step = np.nan_to_num(np.diff(image, axis=axis))
    out = image.copy()
    first = [slice(None), slice(None)]
    last = list(first)
    first[axis], last[axis] = slice(None, -1), slice(1, None)
    out[tuple(first)] -= np.float32(strength) * step
    out[tuple(last)] += np.float32(strength) * step
    return out


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (9, 12)])
def test_differences_to_the_pixels_beside_are_added(shape):
    image = np.random.default_rng(2).random(shape, np.float32)
    if shape == (9, 12):
        image[3, 4], image[0, 0], image[8, 5:] = np.nan, np.nan, np.nan
    out = np.empty_like(image)
    amplify_differences(image, 0.2, 0.1, out)
    np.testing.assert_array_equal(out, differences(differences(image, 0, 0.2), 1, 0.1))


def test_even_images_and_no_strength_change_nothing():
    even = np.full((4, 5), 0.3, np.float32)
    out = np.empty_like(even)
    amplify_differences(even, 0.2, 0.2, out)
    np.testing.assert_array_equal(out, even)
    image = np.random.default_rng(3).random((4, 5), np.float32)
    amplify_differences(image, 0.0, 0.0, out)
    np.testing.assert_array_equal(out, image)
