"""The kernel that measures detail."""

import numpy as np
import pytest

from skry_dask.kernels.frame import detail
from skry_dask.kernels.frame.detail import area_detail, frame_detail, plan_box_sums, sample_bits
from tests import reference

BITS = pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 12), (np.uint16, 16)])
RADII = (1, 2, 3, 7, 20)


@pytest.fixture(params=["compiled", "interpreted"])
def kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(detail, monkeypatch)


def images(shape, dtype, bits):
    """Extremes and noise."""
    white = 2**bits - 1
    checks = (np.indices(shape).sum(axis=0) % 2 * white).astype(dtype)
    halves = np.where(np.arange(shape[1]) < shape[1] // 2, 0, white) + np.zeros(shape)
    noise = np.random.default_rng(1).integers(0, white, shape, dtype, endpoint=True)
    return {"checks": checks, "halves": halves.astype(dtype), "noise": noise}


def noise(dtype, bits, shape=(12, 20)):
    return images(shape, dtype, bits)["noise"]


def every_pixel(image):
    """Edges of areas of one pixel."""
    return [np.arange(n + 1) for n in image.shape]


# --- against the twin ------------------------------------------------------------------------


@BITS
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("name", ["checks", "halves", "noise"])
@pytest.mark.parametrize("radius", RADII)
def test_detail_of_each_pixel_is_that_of_the_twin(dtype, bits, radius, name):
    image = images((9, 14), dtype, bits)[name]
    found = area_detail(image, radius, *every_pixel(image), bits)
    np.testing.assert_array_equal(found, reference.pixel_detail(image, radius, bits))


@BITS
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (2, 2), (1, 1)])
def test_images_narrower_than_the_blur_have_the_detail_of_the_twin(dtype, bits, shape, radius):
    image = noise(dtype, bits, shape)
    edges = [np.array([0, n]) for n in shape]
    found = area_detail(image, radius, *edges, bits)
    np.testing.assert_array_equal(found, reference.area_detail(image, radius, *edges, bits))


@BITS
def test_areas_are_sums_over_their_pixels(dtype, bits):
    image = noise(dtype, bits, (23, 31))
    y_edges, x_edges = np.array([0, 10, 20, 23]), np.array([0, 7, 31])
    detail = area_detail(image, 2, *every_pixel(image), bits)
    expected = [
        [detail[a:b, c:d].sum() for c, d in ((0, 7), (7, 31))]
        for a, b in ((0, 10), (10, 20), (20, 23))
    ]
    np.testing.assert_array_equal(area_detail(image, 2, y_edges, x_edges, bits), expected)
    assert frame_detail(image, 2, bits) == detail.sum() / plan_box_sums(bits, 2).units


# --- what it measures ------------------------------------------------------------------------


@BITS
@pytest.mark.parametrize("radius", RADII)
def test_detail_is_the_distance_from_a_gaussian_blur_in_grey_levels(dtype, bits, radius):
    """Of a thin bright line: a blur by a Gaussian of variance r (r + 1) spreads it."""
    white = 2**bits - 1
    image = np.zeros((9, 1 + 8 * radius), dtype)
    image[:, 4 * radius] = white
    x = np.arange(image.shape[1]) - 4 * radius
    variance = radius * (radius + 1)
    gaussian = np.exp(-0.5 * x**2 / variance)
    gaussian /= gaussian.sum()
    expected = len(image) * white * (np.abs(gaussian[x != 0]).sum() + 1 - gaussian[x == 0].item())
    # Rounding moves each pixel by little more than a grey level of 8 bits.
    assert frame_detail(image, radius, bits) == pytest.approx(expected, rel=0.1)


@BITS
@pytest.mark.parametrize("radius", RADII)
def test_rounding_costs_less_than_a_grey_level_of_8_bits(dtype, bits, radius):
    image = noise(dtype, bits, (40, 50))
    exact = blurred = image.astype(np.float64)
    for axis in (1, 1, 1, 0, 0, 0):
        blurred = reference.sum_box(blurred, radius, axis) / (2 * radius + 1)
    units = plan_box_sums(bits, radius).units
    found = area_detail(image, radius, *every_pixel(image), bits) / units
    assert np.abs(found - np.abs(exact - blurred)).max() < 2.0 ** (bits - 8)


@pytest.mark.parametrize("radius", range(1, 21))
def test_a_constant_image_has_no_detail_at_any_level(radius):
    for level in range(256):
        assert frame_detail(np.full((5, 8), level, np.uint8), radius, 8) == 0


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("level", [0, 1, 100, 1234, "white"])
@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_constant_image_of_16_bits_has_no_detail(bits, radius, level):
    value = 2**bits - 1 if level == "white" else level
    assert frame_detail(np.full((5, 8), value, np.uint16), radius, bits) == 0


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_what_is_brighter_than_white_counts_as_white(bits):
    image = noise(np.uint16, 16)
    white = np.uint16(2**bits - 1)
    edges = every_pixel(image)
    found = area_detail(image, 3, *edges, bits)
    np.testing.assert_array_equal(found, area_detail(np.minimum(image, white), 3, *edges, bits))


def test_the_same_samples_in_8_and_in_16_bits_have_the_same_detail():
    image = noise(np.uint8, 8)
    edges = every_pixel(image)
    np.testing.assert_array_equal(
        area_detail(image, 3, *edges, 8), area_detail(image.astype(np.uint16), 3, *edges, 8)
    )


# --- odd images ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_an_empty_image_has_no_detail(shape):
    image = np.empty(shape, np.uint8)
    edges = [np.array([0, n]) for n in shape]
    np.testing.assert_array_equal(area_detail(image, 3, *edges, 8), [[0]])


@BITS
def test_strided_images_have_the_same_detail(dtype, bits):
    image = noise(dtype, bits)
    for view in (image[::2, ::3], image[::-1, 3:17], image.T):
        assert frame_detail(view, 3, bits) == frame_detail(view.copy(), 3, bits)


def test_frames_and_read_only_memory_stay_as_they_are():
    image = noise(np.uint8, 8)
    before = image.copy()
    image.flags.writeable = False
    frame_detail(image, 3, 8)
    np.testing.assert_array_equal(image, before)


# --- the plan --------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(8, 17))
@pytest.mark.parametrize("radius", range(1, 21))
def test_sums_of_white_stay_within_16_bits_and_keep_as_many_as_they_can(bits, radius):
    plan = plan_box_sums(bits, radius)
    side = 2 * radius + 1
    most = 2 ** (bits - plan.down) - 1
    for halvings in plan.halvings:
        before = most
        most = (before + 2**halvings // 2) // 2**halvings * side
        assert most < 2**16
        assert halvings == 0 or (before + 2**halvings // 4) // 2 ** (halvings - 1) * side >= 2**16
    # What white has become is what the units say, but for rounding.
    assert most / plan.units == pytest.approx(2**bits - 1, rel=0.01)


@pytest.mark.parametrize(
    ("dtype", "white", "bits"),
    [
        (np.uint8, 255, 8),
        (np.uint8, 15, 8),
        (np.uint16, 15, 8),
        (np.uint16, 255, 8),
        (np.uint16, 256, 9),
        (np.uint16, 4095, 12),
        (np.uint16, 65535, 16),
        (np.uint16, 10**6, 16),
    ],
)
def test_samples_have_the_bits_of_white(dtype, white, bits):
    assert sample_bits(np.dtype(dtype), white) == bits
