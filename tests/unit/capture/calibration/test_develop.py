"""Raw frames become grey for measuring and planes for stacking, calibrated on the way."""

import numpy as np
import pytest
import xarray as xr

from skry_dask.capture.calibration.develop import (
    COLOURS,
    DEMOSAICED,
    GREY,
    Developer,
    cfa_at_first_pixel,
)
from skry_dask.errors import ReaderError
from skry_dask.kernels.frame.demosaic import demosaic, mosaic_to_grey, rgb_to_grey

RNG = np.random.default_rng(2)
PATTERNS = ("RGGB", "GRBG", "GBRG", "BGGR")


def capture(frames, **attrs):
    dims = ("frame", "y", "x", "channel")[: frames.ndim]
    coords = {"y": np.arange(frames.shape[1]), "x": np.arange(frames.shape[2])}
    return xr.Dataset({"frames": (dims, frames)}, coords, attrs)


def raw(dtype=np.uint8, shape=(3, 12, 14), top=None):
    return RNG.integers(0, top or np.iinfo(dtype).max, shape, dtype, endpoint=True)


def test_mono_frames_are_passed_on_without_a_copy():
    frames = raw()
    developer = Developer.of(capture(frames, bits=8))
    assert developer.grey(frames) is frames
    assert developer.planes == (GREY,)
    (plane,) = developer.develop(frames[1], [GREY])
    np.testing.assert_array_equal(plane, frames[1])


def test_the_depth_that_a_capture_states_is_white():
    assert Developer.of(capture(raw(np.uint16), bits=12)).white == 4095
    assert Developer.of(capture(raw(np.uint16))).white == 65535
    assert Developer.of(capture(raw())).black == 0


@pytest.mark.parametrize("pattern", PATTERNS)
def test_raw_colour_is_grey_for_measuring_and_three_planes_for_stacking(pattern):
    frames = raw(np.uint16)
    developer = Developer.of(capture(frames, bits=16, cfa=pattern))
    grey = developer.grey(frames)
    assert (grey.dtype, grey.shape) == (np.uint16, frames.shape)
    np.testing.assert_array_equal(grey[2], mosaic_to_grey(frames[2]))
    assert developer.planes == COLOURS
    planes = developer.develop(frames[0], ["blue", GREY, "red"])
    expected = demosaic(frames[0], pattern)
    np.testing.assert_array_equal(planes[0], expected[2])
    np.testing.assert_array_equal(planes[1], mosaic_to_grey(frames[0]))
    np.testing.assert_array_equal(planes[2], expected[0])
    assert developer.units("red") == DEMOSAICED
    assert developer.units(GREY) == 1


def test_colour_channels_are_planes_as_they_are():
    frames = raw(shape=(2, 9, 8, 3))
    developer = Developer.of(capture(frames, bits=8))
    np.testing.assert_array_equal(developer.grey(frames)[1], rgb_to_grey(frames[1]))
    for name, channel in zip(COLOURS, range(3), strict=True):
        (plane,) = developer.develop(frames[0], [name])
        np.testing.assert_array_equal(plane, frames[0, ..., channel])
        assert developer.units(name) == 1


@pytest.mark.parametrize("kind", ["mosaic", "rgb"])
def test_colour_can_be_stacked_as_grey(kind):
    frames = raw() if kind == "mosaic" else raw(shape=(3, 12, 14, 3))
    attrs = {"cfa": "RGGB"} if kind == "mosaic" else {}
    assert Developer.of(capture(frames, grey=1, **attrs)).planes == (GREY,)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_crop_at_odd_offsets_keeps_the_right_pattern(pattern):
    whole = capture(raw(), bits=8, cfa=pattern)
    frame = whole["frames"].to_numpy()[0]
    filters = np.tile(np.array(list(pattern)).reshape(2, 2), (8, 8))
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1), (3, 4), (4, 3)):
        found = cfa_at_first_pixel(whole.isel(y=slice(y, None), x=slice(x, 12)))
        assert found == "".join(filters[y : y + 2, x : x + 2].ravel())
        # Two pixels inside the crop, cropping and demosaicing may be exchanged.
        expected = demosaic(frame, pattern)[:, y + 2 : -2, x + 2 : 10]
        cropped = demosaic(np.ascontiguousarray(frame[y:, x:12]), found)[:, 2:-2, 2:-2]
        np.testing.assert_array_equal(cropped, expected)


def test_frames_without_pattern_have_none():
    assert cfa_at_first_pixel(capture(raw())) is None
    assert cfa_at_first_pixel(capture(raw(), cfa="none")) is None


def test_raw_colour_with_every_second_pixel_is_refused():
    with pytest.raises(ReaderError, match="takes every 2th pixel along x of raw colour"):
        Developer.of(capture(raw(), cfa="RGGB").isel(x=slice(None, None, 2)))


def test_a_dark_is_subtracted_and_its_mean_added_as_black():
    frames = raw(top=200)
    dark = np.full((12, 14), 10.0, np.float32)
    dark[3, 5] = 60.5
    developer = Developer.of(capture(frames, bits=8).assign(dark=(("y", "x"), dark)))
    assert developer.shift == 7
    assert developer.white == 255 << 7
    assert developer.black == round(float(dark.mean()) * 128)
    got = developer.calibrated(frames[0]).astype(np.int64)
    expected = np.clip(frames[0] * 128.0 - dark * 128.0 + developer.black, 0, 65535)
    np.testing.assert_array_equal(got, np.rint(expected))
    assert developer.grey(frames).dtype == np.uint16


def test_a_gain_multiplies_what_the_dark_has_left():
    frames = np.full((1, 4, 4), 100, np.uint8)
    gain = np.ones((4, 4), np.float32)
    gain[1, 2] = 1.5
    developer = Developer.of(capture(frames, bits=8).assign(gain=(("y", "x"), gain)))
    got = developer.calibrated(frames[0])
    assert developer.black == 0
    assert got[1, 2] == 150 << 7
    assert (np.delete(got.ravel(), 6) == 100 << 7).all()


def test_bad_pixels_get_the_values_of_neighbours_of_their_colour_in_a_copy():
    frame = np.tile(np.array([[10, 20], [30, 40]], np.uint8), (5, 5))
    frame[4, 4] = 255
    before = frame.copy()
    bad = np.zeros((10, 10), bool)
    bad[4, 4] = True
    mosaic = capture(frame[None], bits=8, cfa="RGGB").assign(bad=(("y", "x"), bad))
    assert Developer.of(mosaic).calibrated(frame)[4, 4] == 10
    assert Developer.of(mosaic).grey(frame[None]).max() <= 40
    np.testing.assert_array_equal(frame, before)
