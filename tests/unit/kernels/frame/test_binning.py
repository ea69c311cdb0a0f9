"""The kernels that make smaller copies of a frame."""

import numpy as np
import pytest

from skry_dask.kernels.frame import binning as module
from skry_dask.kernels.frame.binning import bin_by_2, bin_pixels
from tests import reference

DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])


@pytest.fixture(params=["compiled", "interpreted"])
def kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(module, monkeypatch)


def noise(dtype, shape=(25, 38)):
    """Draw noise over all grey levels."""
    return np.random.default_rng(2).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@DTYPES
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_shrunken_images_are_means_rounded_half_up(dtype, factor):
    image = noise(dtype)
    np.testing.assert_array_equal(bin_pixels(image, factor), reference.bin_pixels(image, factor))
    strided = np.repeat(image, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(bin_pixels(strided, factor), reference.bin_pixels(image, factor))


@DTYPES
@pytest.mark.usefixtures("kernels")
def test_halved_images_are_means_rounded_half_up(dtype):
    image = noise(dtype)
    np.testing.assert_array_equal(bin_by_2(image), reference.bin_pixels(image, 2))
    strided = np.repeat(image, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(bin_by_2(strided), reference.bin_pixels(image, 2))


@DTYPES
@pytest.mark.parametrize("factor", [2, 64, 128])
def test_a_white_image_stays_white_when_shrunken(dtype, factor):
    image = np.full((factor, 2 * factor), np.iinfo(dtype).max, dtype)
    assert (bin_pixels(image, factor) == image[0, 0]).all()
    assert (bin_by_2(image) == image[0, 0]).all()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("smaller", [bin_by_2, lambda image: bin_pixels(image, 2)])
@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (1, 1), (3, 5)])
def test_incomplete_blocks_are_left_out_when_shrinking(smaller, shape):
    assert smaller(np.ones(shape, np.uint8)).shape == (shape[0] // 2, shape[1] // 2)


@DTYPES
@pytest.mark.usefixtures("kernels")
def test_several_images_are_made_smaller_each_by_itself(dtype):
    images = np.stack([noise(dtype), noise(dtype)[::-1], noise(dtype)[:, ::-1]])
    for make in (bin_by_2, lambda frames: bin_pixels(frames, 4)):
        np.testing.assert_array_equal(make(images), np.stack([make(image) for image in images]))
