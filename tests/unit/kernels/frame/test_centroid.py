"""The kernel that sums brightness and its moments."""

import numpy as np
import pytest

from skry_dask.kernels.frame import centroid
from skry_dask.kernels.frame.centroid import brightness_moments
from tests import reference

DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(centroid, monkeypatch)


@DTYPES
@pytest.mark.parametrize("threshold", [0, 1, 100, 254, 255])
def test_sums_are_those_of_the_twin(dtype, threshold):
    image = np.random.default_rng(1).integers(0, 255, (12, 17), np.uint8, endpoint=True)
    image = image.astype(dtype) * dtype(np.iinfo(dtype).max // 255)
    expected = reference.brightness_moments(image, threshold)
    np.testing.assert_array_equal(brightness_moments(image, threshold), expected)


@DTYPES
@pytest.mark.parametrize("pattern", ["black", "white", "checks"])
def test_extremes_do_not_overflow(dtype, pattern):
    white = np.iinfo(dtype).max
    checks = np.indices((20, 30)).sum(axis=0) % 2
    image = {"black": 0, "white": 1, "checks": checks}[pattern] * np.full((20, 30), white)
    image = image.astype(dtype)
    np.testing.assert_array_equal(
        brightness_moments(image, 0), reference.brightness_moments(image, 0)
    )


def test_one_pixel_has_its_moments():
    np.testing.assert_array_equal(brightness_moments(np.array([[9]], np.uint8), 4), [5, 0, 0, 1])
    np.testing.assert_array_equal(brightness_moments(np.array([[4]], np.uint8), 4), [0, 0, 0, 0])


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (4, 0)])
def test_an_empty_image_sums_to_nothing(shape):
    np.testing.assert_array_equal(brightness_moments(np.empty(shape, np.uint16), 0), [0, 0, 0, 0])


def test_strided_images_have_the_same_sums():
    image = np.random.default_rng(2).integers(0, 255, (16, 21), np.uint8)
    for view in (image[::2, ::3], image[::-1], image[3:9, 4:11], image.T):
        np.testing.assert_array_equal(
            brightness_moments(view, 50), brightness_moments(view.copy(), 50)
        )
