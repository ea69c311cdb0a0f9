"""Kernels that turn colour filter arrays and colours into planes and grey."""

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

PATTERNS = pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GBRG", "BGGR"])
DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
# The reference pads by 2 px with numpy's reflection, which repeats itself as ours does.
SHAPES = [(2, 2), (2, 3), (3, 2), (2, 9), (4, 4), (5, 7), (8, 6), (9, 12), (3, 40)]


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(module, monkeypatch)


def noise(shape, dtype, seed=1):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype, endpoint=True)


def mosaic(planes, cfa):
    """Keep of three planes what a colour filter array lets through."""
    out = np.empty(planes.shape[1:], planes.dtype)
    for i, name in enumerate(cfa):
        site = (slice(i // 2, None, 2), slice(i % 2, None, 2))
        out[site] = planes["RGB".index(name)][site]
    return out


@PATTERNS
@DTYPES
def test_demosaicing_is_that_of_the_twin(dtype, cfa):
    for shape in SHAPES:
        frame = noise(shape, dtype)
        found = demosaic(frame, cfa)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, reference.demosaic(frame, cfa))


@PATTERNS
@DTYPES
def test_demosaicing_extremes_neither_overflows_nor_clips(dtype, cfa):
    top = int(np.iinfo(dtype).max)
    extremes = np.where(noise((20, 21), np.uint8) < 128, 0, top).astype(dtype)
    for frame in (extremes, top - extremes, np.full((6, 6), top, dtype), np.zeros((6, 6), dtype)):
        np.testing.assert_array_equal(demosaic(frame, cfa), reference.demosaic(frame, cfa))
    assert demosaic(extremes, cfa).min() < 0
    assert demosaic(extremes, cfa).max() > 16 * top


@PATTERNS
@DTYPES
def test_one_grey_level_everywhere_is_that_grey_level_in_every_colour(dtype, cfa):
    level = np.iinfo(dtype).max - 5
    found = demosaic(np.full((7, 8), level, dtype), cfa)
    np.testing.assert_array_equal(found, np.full((3, 7, 8), int(level) << DEMOSAIC_FRACTION_BITS))


@PATTERNS
def test_a_grey_ramp_is_recovered_exactly_inside(cfa):
    y, x = np.indices((12, 14))
    ramp = (7 * y + 5 * x).astype(np.uint8)
    for plane in demosaic(ramp, cfa):
        np.testing.assert_array_equal(plane[2:-2, 2:-2], 16 * ramp.astype(int)[2:-2, 2:-2])


@PATTERNS
def test_uniform_colours_stay_apart(cfa):
    planes = np.array([200, 100, 30], np.uint8)[:, None, None] + np.zeros((3, 9, 9), np.uint8)
    np.testing.assert_array_equal(demosaic(mosaic(planes, cfa), cfa), 16 * planes.astype(int))


@PATTERNS
def test_the_mirrored_border_keeps_the_places_of_colours(cfa):
    frame = noise((9, 10), np.uint8)
    # Three more mirrored pixels all around: an odd number, which turns the pattern about.
    turned = cfa[::-1]
    around = np.pad(frame, 3, mode="reflect")
    np.testing.assert_array_equal(demosaic(around, turned)[:, 3:-3, 3:-3], demosaic(frame, cfa))


@DTYPES
def test_grey_of_a_mosaic_is_that_of_the_twin(dtype):
    for shape in [*SHAPES, (1, 1), (1, 6), (6, 1)]:
        frame = noise(shape, dtype)
        found = mosaic_to_grey(frame)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, reference.mosaic_to_grey(frame))
    white = np.full((5, 4), np.iinfo(dtype).max, dtype)
    np.testing.assert_array_equal(mosaic_to_grey(white), white)


@PATTERNS
def test_grey_of_a_mosaic_has_the_same_share_of_each_colour_everywhere(cfa):
    planes = np.array([200, 100, 32], np.uint8)[:, None, None] + np.zeros((3, 7, 6), np.uint8)
    expected = round(0.25 * 200 + 0.5 * 100 + 0.25 * 32)
    np.testing.assert_array_equal(mosaic_to_grey(mosaic(planes, cfa)), np.full((7, 6), expected))


def test_grey_of_a_mosaic_does_not_move_a_spot():
    frame = np.zeros((7, 7), np.uint16)
    frame[3, 3] = 1600
    np.testing.assert_array_equal(mosaic_to_grey(frame)[2:5, 2:5], 100 * np.outer(*[[1, 2, 1]] * 2))


@DTYPES
def test_grey_of_colour_is_that_of_the_twin(dtype):
    top = np.iinfo(dtype).max
    for frame in (noise((5, 9, 3), dtype), np.full((2, 3, 3), top, dtype)):
        found = rgb_to_grey(frame)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, reference.rgb_to_grey(frame))
    levels = np.arange(256).astype(dtype)[:, None]
    np.testing.assert_array_equal(rgb_to_grey(np.repeat(levels[..., None], 3, axis=2)), levels)


@DTYPES
def test_strided_and_read_only_frames_give_the_same(dtype):
    frame = noise((12, 20), dtype)
    frame.flags.writeable = False
    for view in (frame, frame[::2, ::3], frame[::-1, 3:17], frame.T):
        np.testing.assert_array_equal(demosaic(view, "GRBG"), demosaic(view.copy(), "GRBG"))
        np.testing.assert_array_equal(mosaic_to_grey(view), mosaic_to_grey(view.copy()))
    colours = noise((12, 20, 3), dtype)
    for view in (colours[::2, ::-3], colours.transpose(1, 0, 2), colours[..., ::-1]):
        np.testing.assert_array_equal(rgb_to_grey(view), rgb_to_grey(view.copy()))


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (4, 0)])
def test_empty_frames_have_empty_grey(shape):
    assert mosaic_to_grey(np.empty(shape, np.uint8)).shape == shape
    assert rgb_to_grey(np.empty((*shape, 3), np.uint8)).shape == shape
