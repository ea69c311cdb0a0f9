"""Colour from a colour filter array, and grey from both."""

import numpy as np
import pytest

from skry_dask.kernels.frame import demosaic as module
from skry_dask.kernels.frame.demosaic import (
    DEMOSAIC_FRACTION_BITS,
    demosaic,
    mosaic_to_grey,
    rgb_to_grey,
)
from tests import reference

_kernels = reference.both_ways(module)
PATTERNS = ("RGGB", "GRBG", "GBRG", "BGGR")
DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
# The twin pads by 2 px with numpy's reflection, which repeats itself in small frames like ours.
SHAPES = [(2, 2), (2, 3), (3, 2), (2, 9), (4, 4), (5, 7), (8, 6), (9, 12), (3, 40)]


def noise(shape, dtype, seed=1):
    white = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, white, shape, dtype, endpoint=True)


def mosaic(planes, cfa):
    """Keep of three planes the colours that a filter array transmits."""
    out = np.empty(planes.shape[1:], planes.dtype)
    for i, name in enumerate(cfa):
        site = (slice(i // 2, None, 2), slice(i % 2, None, 2))
        out[site] = planes["RGB".index(name)][site]
    return out


def uniform_planes(shape, *levels):
    return np.array(levels, np.uint8)[:, None, None] + np.zeros((3, *shape), np.uint8)


# --- demosaicing -------------------------------------------------------------------------------


@DTYPES
def test_missing_colours_are_those_of_the_published_filters(dtype):
    for cfa in PATTERNS:
        for shape in SHAPES:
            frame = noise(shape, dtype)
            for bilinear in (False, True):
                found = demosaic(frame, cfa, bilinear=bilinear)
                assert found.dtype == np.int32
                expected = reference.demosaic(frame, cfa, bilinear=bilinear)
                np.testing.assert_array_equal(found, expected)


@DTYPES
def test_extremes_neither_overflow_nor_clip(dtype):
    white = int(np.iinfo(dtype).max)
    extremes = np.where(noise((20, 21), np.uint8) < 128, 0, white).astype(dtype)
    uniform = [np.full((6, 6), level, dtype) for level in (0, white)]
    for cfa in PATTERNS:
        for frame in (extremes, white - extremes, *uniform):
            np.testing.assert_array_equal(demosaic(frame, cfa), reference.demosaic(frame, cfa))
        assert demosaic(extremes, cfa).min() < 0
        assert demosaic(extremes, cfa).max() > 16 * white


@DTYPES
def test_a_uniform_grey_level_is_that_level_in_every_colour(dtype):
    level = int(np.iinfo(dtype).max) - 5
    for cfa in PATTERNS:
        found = demosaic(np.full((7, 8), level, dtype), cfa)
        np.testing.assert_array_equal(found, np.full((3, 7, 8), level << DEMOSAIC_FRACTION_BITS))


def test_a_grey_ramp_is_exact_inside():
    y, x = np.indices((12, 14))
    ramp = (7 * y + 5 * x).astype(np.uint8)
    for cfa in PATTERNS:
        for plane in demosaic(ramp, cfa):
            np.testing.assert_array_equal(plane[2:-2, 2:-2], 16 * ramp.astype(int)[2:-2, 2:-2])


def test_uniform_colours_do_not_mix():
    planes = uniform_planes((9, 9), 200, 100, 30)
    for cfa in PATTERNS:
        np.testing.assert_array_equal(demosaic(mosaic(planes, cfa), cfa), 16 * planes.astype(int))


def test_the_mirrored_border_keeps_the_positions_of_colours():
    frame = noise((9, 10), np.uint8)
    for cfa in PATTERNS:
        # Three more mirrored pixels on every side: an odd number, which rotates the pattern.
        padded = np.pad(frame, 3, mode="reflect")
        inside = demosaic(padded, cfa[::-1])[:, 3:-3, 3:-3]
        np.testing.assert_array_equal(inside, demosaic(frame, cfa))


# --- grey --------------------------------------------------------------------------------------


@DTYPES
def test_grey_of_a_mosaic_is_the_rounded_blur(dtype):
    for shape in [*SHAPES, (1, 1), (1, 6), (6, 1)]:
        frame = noise(shape, dtype)
        found = mosaic_to_grey(frame)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, reference.mosaic_to_grey(frame))
    white = np.full((5, 4), np.iinfo(dtype).max, dtype)
    np.testing.assert_array_equal(mosaic_to_grey(white), white)


def test_grey_of_a_mosaic_has_the_same_share_of_each_colour_everywhere():
    planes = uniform_planes((7, 6), 200, 100, 32)
    expected = round(0.25 * 200 + 0.5 * 100 + 0.25 * 32)
    for cfa in PATTERNS:
        np.testing.assert_array_equal(
            mosaic_to_grey(mosaic(planes, cfa)), np.full((7, 6), expected)
        )


def test_grey_of_a_mosaic_does_not_move_a_spot():
    frame = np.zeros((7, 7), np.uint16)
    frame[3, 3] = 1600
    np.testing.assert_array_equal(mosaic_to_grey(frame)[2:5, 2:5], 100 * np.outer(*[[1, 2, 1]] * 2))


@DTYPES
def test_grey_of_colour_is_weighted_exactly_and_grey_stays(dtype):
    white = np.iinfo(dtype).max
    for frame in (noise((5, 9, 3), dtype), np.full((2, 3, 3), white, dtype)):
        found = rgb_to_grey(frame)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, reference.rgb_to_grey(frame))
    levels = np.arange(256).astype(dtype)[:, None]
    np.testing.assert_array_equal(rgb_to_grey(np.repeat(levels[..., None], 3, axis=2)), levels)


# --- odd frames --------------------------------------------------------------------------------


@DTYPES
def test_strided_and_read_only_frames_give_the_results_of_their_copies(dtype):
    frame = noise((12, 20), dtype)
    frame.flags.writeable = False
    for view in (frame, frame[::2, ::3], frame[::-1, 3:17], frame.T):
        np.testing.assert_array_equal(demosaic(view, "GRBG"), demosaic(view.copy(), "GRBG"))
        np.testing.assert_array_equal(mosaic_to_grey(view), mosaic_to_grey(view.copy()))
    colours = noise((12, 20, 3), dtype)
    for view in (colours[::2, ::-3], colours.transpose(1, 0, 2), colours[..., ::-1]):
        np.testing.assert_array_equal(rgb_to_grey(view), rgb_to_grey(view.copy()))


def test_empty_frames_have_empty_grey():
    for shape in ((0, 0), (0, 4), (4, 0)):
        assert mosaic_to_grey(np.empty(shape, np.uint8)).shape == shape
        assert rgb_to_grey(np.empty((*shape, 3), np.uint8)).shape == shape
