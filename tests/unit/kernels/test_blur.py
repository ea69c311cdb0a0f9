"""The kernel that measures detail."""

import numpy as np
import pytest

from skry_dask.kernels import blur
from skry_dask.kernels.blur import area_detail, frame_detail
from tests import reference


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(blur, monkeypatch)


def images(shape, dtype):
    """Extremes and noise."""
    top = np.iinfo(dtype).max
    checks = (np.indices(shape).sum(axis=0) % 2 * top).astype(dtype)
    halves = np.where(np.arange(shape[1]) < shape[1] // 2, 0, top) + np.zeros(shape)
    noise = np.random.default_rng(1).integers(0, top, shape, dtype, endpoint=True)
    return {"checks": checks, "halves": halves.astype(dtype), "noise": noise}


def every_pixel(image):
    """Edges of areas of one pixel."""
    return [np.arange(n + 1) for n in image.shape]


@pytest.mark.parametrize("name", ["checks", "halves", "noise"])
@pytest.mark.parametrize("radius", [1, 2, 3, 7, 8, 20])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_detail_of_each_pixel_is_within_a_unit_of_exact_divisions(dtype, radius, name):
    image = images((9, 14), dtype)[name]
    found = area_detail(image, radius, *every_pixel(image))
    expected = reference.pixel_detail(image, radius)
    # Wide sums leave the multiplier of 8-bit images too few bits to round every mean rightly.
    wide_enough = dtype == np.uint16 or radius == 1 or radius >= 8
    assert np.abs(found - expected).max() <= (0 if wide_enough else 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_areas_are_sums_over_their_pixels(dtype):
    image = images((23, 31), dtype)["noise"]
    y_edges, x_edges = np.array([0, 10, 20, 23]), np.array([0, 7, 31])
    detail = area_detail(image, 2, *every_pixel(image))
    expected = [
        [detail[a:b, c:d].sum() for c, d in ((0, 7), (7, 31))]
        for a, b in ((0, 10), (10, 20), (20, 23))
    ]
    np.testing.assert_array_equal(area_detail(image, 2, y_edges, x_edges), expected)
    assert frame_detail(image, 2) == detail.sum()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("radius", [1, 3, 6, 20])
def test_images_narrower_than_the_blur_have_the_detail_of_the_twin(dtype, radius):
    for shape in ((1, 9), (9, 1), (2, 2)):
        image = images(shape, dtype)["noise"]
        edges = [np.array([0, n]) for n in shape]
        found = area_detail(image, radius, *edges)
        expected = reference.area_detail(image, radius, *edges)
        assert abs(found - expected).item() <= (image.size if dtype == np.uint8 else 0)


@pytest.mark.parametrize("level", [0, 1, 100, "max"])
@pytest.mark.parametrize("radius", [1, 2, 3, 5, 7, 8, 13, 20])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_constant_image_has_no_detail(dtype, radius, level):
    value = np.iinfo(dtype).max if level == "max" else level
    assert frame_detail(np.full((5, 8), value, dtype), radius) == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_one_pixel_has_no_detail(dtype):
    assert frame_detail(np.full((1, 1), 77, dtype), 3) == 0


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_an_empty_image_has_no_detail(shape):
    image = np.empty(shape, np.uint8)
    np.testing.assert_array_equal(area_detail(image, 3, *(np.array([0, n]) for n in shape)), [[0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_strided_images_have_the_same_detail(dtype):
    image = images((12, 20), dtype)["noise"]
    for view in (image[::2, ::3], image[::-1, 3:17], image.T):
        assert frame_detail(view, 3) == frame_detail(view.copy(), 3)


def test_frames_and_read_only_memory_stay_as_they_are():
    image = images((12, 20), np.uint8)["noise"]
    before = image.copy()
    image.flags.writeable = False
    frame_detail(image, 3)
    np.testing.assert_array_equal(image, before)
