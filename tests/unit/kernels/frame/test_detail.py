"""Detail of frames: |image - blurred image| over areas."""

import numpy as np
import pytest

from skry_dask.kernels.frame import detail
from skry_dask.kernels.frame.detail import area_detail, frame_detail, plan_box_sums, sample_bits
from tests import reference

DEPTHS = ((np.uint8, 8), (np.uint16, 12), (np.uint16, 16))
RADII = (1, 2, 3, 7, 20)


def images(shape, dtype, bits):
    """Extremes and noise."""
    white = 2**bits - 1
    checks = np.indices(shape).sum(axis=0) % 2 * white
    halves = np.where(np.arange(shape[1]) < shape[1] // 2, 0, white) + np.zeros(shape)
    noise = np.random.default_rng(1).integers(0, white, shape, dtype, endpoint=True)
    return [image.astype(dtype) for image in (checks, halves, noise)]


def noise(dtype, bits, shape=(12, 20)):
    return images(shape, dtype, bits)[-1]


def every_pixel(image):
    """Edges of areas of one pixel."""
    return [np.arange(n + 1) for n in image.shape]


# --- exactness -------------------------------------------------------------------------------


def test_detail_of_each_pixel_is_exact_for_all_radii_and_depths():
    for dtype, bits in DEPTHS:
        for radius in RADII:
            for image in images((9, 14), dtype, bits):
                found = area_detail(image, radius, *every_pixel(image), bits)
                expected = reference.pixel_detail(image, radius, bits)
                np.testing.assert_array_equal(found, expected, f"{dtype} {bits} {radius}")


def test_detail_of_wide_images_is_exact():
    for dtype, bits in DEPTHS:
        image = noise(dtype, bits, (30, 203))
        found = area_detail(image, 3, *every_pixel(image), bits)
        np.testing.assert_array_equal(found, reference.pixel_detail(image, 3, bits))


def test_images_smaller_than_the_blur_repeat_their_outermost_pixels():
    for dtype, bits in DEPTHS:
        for radius in RADII:
            for shape in ((1, 9), (9, 1), (2, 2), (1, 1)):
                image, edges = noise(dtype, bits, shape), [np.array([0, n]) for n in shape]
                found = area_detail(image, radius, *edges, bits)
                expected = reference.area_detail(image, radius, *edges, bits)
                np.testing.assert_array_equal(found, expected, f"{bits} {radius} {shape}")


def test_interpreted_kernels_give_the_same_bits(monkeypatch):
    cases = [
        (image, radius, bits)
        for dtype, bits in DEPTHS
        for radius in (1, 3)
        for image in images((4, 5), dtype, bits)
    ]
    compiled = [area_detail(i, r, *every_pixel(i), bits) for i, r, bits in cases]
    reference.interpret(detail, monkeypatch)
    for (image, radius, bits), expected in zip(cases, compiled, strict=True):
        found = area_detail(image, radius, *every_pixel(image), bits)
        np.testing.assert_array_equal(found, expected)


def test_the_detail_of_an_area_is_the_sum_over_its_pixels():
    for dtype, bits in DEPTHS:
        image = noise(dtype, bits, (23, 31))
        rows, columns = ((0, 10), (10, 20), (20, 23)), ((0, 7), (7, 31))
        of_pixels = area_detail(image, 2, *every_pixel(image), bits)
        expected = [[of_pixels[a:b, c:d].sum() for c, d in columns] for a, b in rows]
        edges = np.array([0, 10, 20, 23]), np.array([0, 7, 31])
        np.testing.assert_array_equal(area_detail(image, 2, *edges, bits), expected)
        units = plan_box_sums(bits, 2).units_per_level
        assert frame_detail(image, 2, bits) == of_pixels.sum() / units


# --- meaning ---------------------------------------------------------------------------------


def test_detail_is_the_difference_from_a_gaussian_blur_in_grey_levels():
    # Of a thin bright line, which a Gaussian of variance r (r + 1) spreads.
    for dtype, bits in DEPTHS:
        for radius in RADII:
            white = 2**bits - 1
            image = np.zeros((9, 1 + 8 * radius), dtype)
            image[:, 4 * radius] = white
            x = np.arange(image.shape[1]) - 4 * radius
            gaussian = np.exp(-0.5 * x**2 / (radius * (radius + 1)))
            gaussian /= gaussian.sum()
            lost = 1 - gaussian[x == 0].item()
            expected = len(image) * white * (gaussian[x != 0].sum() + lost)
            # Rounding moves each pixel by little more than a grey level of 8 bits.
            assert frame_detail(image, radius, bits) == pytest.approx(expected, rel=0.1)


def test_rounding_costs_less_than_a_grey_level_of_8_bits():
    for dtype, bits in DEPTHS:
        image = noise(dtype, bits, (40, 50))
        for radius in RADII:
            blurred = image.astype(np.float64)
            for axis in (1, 1, 1, 0, 0, 0):
                blurred = reference.sum_box(blurred, radius, axis) / (2 * radius + 1)
            units = plan_box_sums(bits, radius).units_per_level
            found = area_detail(image, radius, *every_pixel(image), bits) / units
            assert np.abs(found - np.abs(image - blurred)).max() < 2.0 ** (bits - 8)


def test_a_constant_image_has_no_detail_at_any_level():
    for radius in range(1, 21):
        for level in range(256):
            assert frame_detail(np.full((5, 8), level, np.uint8), radius, 8) == 0
        for bits in (8, 12, 16):
            for level in (0, 1, 100, 1234, 2**bits - 1):
                assert frame_detail(np.full((5, 8), level, np.uint16), radius, bits) == 0


def test_samples_brighter_than_white_count_as_white():
    image = noise(np.uint16, 16)
    edges = every_pixel(image)
    for bits in (8, 10, 12, 14):
        clipped = np.minimum(image, np.uint16(2**bits - 1))
        found = area_detail(image, 3, *edges, bits)
        np.testing.assert_array_equal(found, area_detail(clipped, 3, *edges, bits))


def test_the_same_samples_in_8_and_16_bits_have_the_same_detail():
    image = noise(np.uint8, 8)
    found = area_detail(image.astype(np.uint16), 3, *every_pixel(image), 8)
    np.testing.assert_array_equal(found, area_detail(image, 3, *every_pixel(image), 8))


# --- odd images ------------------------------------------------------------------------------


def test_an_empty_image_has_no_detail():
    for shape in ((0, 0), (0, 5), (5, 0)):
        edges = [np.array([0, n]) for n in shape]
        assert area_detail(np.empty(shape, np.uint8), 3, *edges, 8).tolist() == [[0]]


def test_strided_images_have_the_detail_of_their_copies():
    for dtype, bits in DEPTHS:
        image = noise(dtype, bits)
        for view in (image[::2, ::3], image[::-1, 3:17], image.T):
            assert frame_detail(view, 3, bits) == frame_detail(view.copy(), 3, bits)


def test_frames_and_read_only_memory_stay_as_they_are():
    image = noise(np.uint8, 8)
    before = image.copy()
    image.flags.writeable = False
    assert frame_detail(image, 3, 8) == frame_detail(before, 3, 8)
    np.testing.assert_array_equal(image, before)


# --- the plan --------------------------------------------------------------------------------


def test_sums_of_white_stay_within_16_bits_and_keep_as_many_bits_as_possible():
    for bits in range(8, 17):
        for radius in range(1, 21):
            plan = plan_box_sums(bits, radius)
            side = 2 * radius + 1
            largest = (2 ** (bits - plan.shift) - 1) * side
            assert largest < 2**16
            for n in plan.halvings:
                before = largest
                largest = (before + 2**n // 2) // 2**n * side
                assert largest < 2**16
                assert n == 0 or (before + 2**n // 4) // 2 ** (n - 1) * side >= 2**16
            # White has become what the units say, except for rounding.
            assert largest / plan.units_per_level == pytest.approx(2**bits - 1, rel=0.01)


def test_samples_have_the_depth_of_white():
    for dtype, white, bits in (
        (np.uint8, 255, 8),
        (np.uint8, 15, 8),
        (np.uint16, 15, 8),
        (np.uint16, 255, 8),
        (np.uint16, 256, 9),
        (np.uint16, 4095, 12),
        (np.uint16, 65535, 16),
        (np.uint16, 10**6, 16),
    ):
        assert sample_bits(np.dtype(dtype), white) == bits
