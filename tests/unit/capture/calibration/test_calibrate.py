"""Calibrated frames show the light alone: no dark, no uneven response, no bad pixels."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from skry_dask.capture.calibration.calibrate import calibrate
from skry_dask.capture.calibration.develop import Developer
from skry_dask.capture.calibration.frame_means import master_dark, master_flat
from skry_dask.options import CalibrationOptions
from tests.still_captures import (
    KINDS,
    SHAPE,
    capture_of,
    colour_filters,
    still_capture,
    vignetting,
)

RNG = np.random.default_rng(5)


def test_without_options_a_capture_stays_as_it_is():
    capture = still_capture("mono", np.full(SHAPE, 100))
    assert calibrate(capture) is capture
    assert calibrate(capture, CalibrationOptions(hot_pixels="none")) is capture


@pytest.mark.parametrize("kind", KINDS)
def test_a_flat_makes_an_even_field_even_and_keeps_its_colours(kind, save):
    filters = colour_filters() if kind == "mosaic" else np.ones(SHAPE)
    light = 60000 * vignetting() * filters
    capture = still_capture(kind, light, bits=16)
    flat = (0.5 * vignetting() * filters).astype(np.float32)
    if kind == "colour":
        flat = flat[..., None] * np.array([1, 0.9, 0.5], np.float32)
    calibrated = calibrate(capture, CalibrationOptions(flat=save("flat.tif", flat)))
    assert set(calibrated.data_vars) == {"frames", "gain"}
    assert calibrated["gain"].dtype == np.float32
    assert calibrated["gain"].dims == capture["frames"].dims[1:]
    even = Developer.of(calibrated).calibrated(capture["frames"].to_numpy()[0]).astype(float)
    for value in np.unique(filters):
        # The gain is rounded to 1/4096, and levels to integers.
        of_colour = even[filters == value]
        expected = light[filters == value].mean()
        np.testing.assert_allclose(of_colour, expected, atol=expected / 4096 + 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_grey_flat_or_dark_serves_every_kind_of_frames(kind, save):
    capture = still_capture(kind, 100 + np.zeros(SHAPE))
    flat, dark = 0.5 * vignetting(), 0.02 * vignetting()
    options = CalibrationOptions(
        flat=save("flat.tif", flat), dark=save("dark.tif", dark), hot_pixels="none"
    )
    calibrated = calibrate(capture, options)
    for name in ("dark", "gain"):
        assert calibrated[name].shape == capture["frames"].shape[1:]
    levels = dark if kind != "colour" else np.repeat(dark[..., None], 3, axis=-1)
    np.testing.assert_allclose(calibrated["dark"], 255 * levels, rtol=1e-6)


def test_the_pattern_of_a_dark_vanishes(save):
    pattern = RNG.integers(0, 30, SHAPE)
    capture = still_capture("mono", 100 + pattern)
    options = CalibrationOptions(dark=save("dark.tif", pattern / 255), hot_pixels="none")
    calibrated = calibrate(capture, options)
    assert set(calibrated.data_vars) == {"frames", "dark"}
    developer = Developer.of(calibrated)
    even = developer.calibrated(capture["frames"].to_numpy()[0])
    np.testing.assert_array_equal(even, (100 << developer.shift) + developer.black)


def test_a_dark_of_any_depth_is_in_grey_levels_of_the_capture(save):
    dark = save("dark.png", np.full(SHAPE, 1000 / 65535))
    for bits in (8, 12, 16):
        white = 2**bits - 1
        capture = still_capture("mono", np.full(SHAPE, white // 2), bits=bits)
        calibrated = calibrate(capture, CalibrationOptions(dark=dark))
        np.testing.assert_allclose(calibrated["dark"], 1000 / 65535 * white, rtol=1e-6)
        assert calibrated["dark"].attrs["units"] == "grey level"


@pytest.mark.parametrize("kind", KINDS)
def test_a_capture_may_be_cropped_before_or_after_it_is_calibrated(kind, save):
    capture = still_capture(kind, 90 + RNG.integers(0, 90, SHAPE))
    dark = 0.05 + 0.01 * RNG.random(SHAPE)
    dark[9, 10] = dark[20, 31] = 0.3
    options = CalibrationOptions(
        dark=save("dark.tif", dark), flat=save("flat.tif", 0.5 * vignetting())
    )
    calibrated = calibrate(capture, options)
    for y, x in ((0, 0), (1, 0), (2, 3), (5, 6)):
        crop = {"y": slice(y, y + 40), "x": slice(x, x + 50)}
        cropped_first = calibrate(capture.isel(crop), options)
        assert {"dark", "gain", "bad"} < set(cropped_first.data_vars)
        for name in ("gain", "bad", "dark"):
            xr.testing.assert_identical(cropped_first[name], calibrated[name].isel(crop))
        assert cropped_first["bad"].sum() == (6 if kind == "colour" else 2)


def test_masters_of_the_region_of_interest_alone_have_its_colours(save):
    filters = colour_filters()
    flat = 0.5 * vignetting() * filters
    flat *= 1 + 0.01 * np.sin(np.arange(SHAPE[1]))
    capture = still_capture("mosaic", 200 * flat)
    for y, x in ((1, 0), (2, 3), (5, 6)):
        crop = (slice(y, y + 40), slice(x, x + 50))
        save("flat.tif", flat[crop])
        cropped = capture.isel(y=crop[0], x=crop[1])
        gain = calibrate(cropped, CalibrationOptions(flat="flat.tif"))["gain"].to_numpy()
        even = gain * flat[crop]
        for value in np.unique(filters):
            colour = filters[crop] == value
            np.testing.assert_allclose(even[colour], even[colour].mean(), rtol=1e-5)
            np.testing.assert_allclose(even[colour].mean(), flat[crop][colour].mean())


# --- bad pixels --------------------------------------------------------------------------------

HOT = [(10, 10), (10, 21), (31, 40), (31, 51)]
"""Hot pixels, (y, x): one of red and of blue, and one in each grid of green."""


@pytest.mark.parametrize("kind", KINDS)
def test_hot_pixels_of_the_dark_become_their_neighbours_of_the_same_colour(kind, save):
    light = 100 * (colour_filters() if kind == "mosaic" else np.ones(SHAPE))
    dark = np.full(SHAPE, 0.04)
    dark[tuple(np.transpose(HOT))] = 0.5
    capture = still_capture(kind, np.minimum(light + 255 * dark, 255))
    calibrated = calibrate(capture, CalibrationOptions(dark=save("dark.tif", dark)))
    n_hot = len(HOT) * (3 if kind == "colour" else 1)
    assert np.argwhere(calibrated["bad"].to_numpy())[:, :2].tolist() == [
        list(hot) for hot in HOT for _ in range(n_hot // len(HOT))
    ]
    assert calibrated.attrs["problems"] == [
        "Old.",
        f"{n_hot} hot pixels are replaced by their neighbours.",
    ]
    # A hot pixel gets the values of its neighbours, and so their dark.
    np.testing.assert_allclose(calibrated["dark"], 0.04 * 255, atol=1e-4)
    developer = Developer.of(calibrated)
    found = developer.calibrated(capture["frames"].to_numpy()[0]).astype(float)
    clean = found - developer.black
    expected = np.rint(light + 10.2) - 10.2
    if kind == "colour":
        expected = expected[..., None]
    np.testing.assert_allclose(
        clean / 2**developer.shift, np.broadcast_to(expected, clean.shape), atol=0.01
    )


@pytest.mark.parametrize("kind", KINDS)
def test_bad_pixels_of_the_capture_are_found_without_a_dark(kind):
    y, x = np.indices(SHAPE)
    image = 120 + 40 * np.sin(y / 9) * np.cos(x / 11)
    image[10, 10], image[31, 51] = 250, 0
    calibrated = calibrate(still_capture(kind, image), CalibrationOptions(hot_pixels="capture"))
    assert set(calibrated.data_vars) == {"frames", "bad"}
    assert calibrated["bad"].dtype == bool
    bad = np.argwhere(calibrated["bad"].to_numpy())[:, :2]
    assert np.unique(bad, axis=0).tolist() == [[10, 10], [31, 51]]
    n = 3 if kind == "colour" else 1
    assert calibrated.attrs["problems"][1:] == [
        f"{n} hot and {n} dead pixels are replaced by their neighbours."
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_bad_columns_of_the_capture_become_their_neighbours(kind):
    image = np.full(SHAPE, 120)
    image[:, 21], image[7, 5] = 180, 250
    capture = still_capture(kind, image)
    calibrated = calibrate(capture, CalibrationOptions(hot_pixels="capture"))
    frame = Developer.of(calibrated).calibrated(capture["frames"].to_numpy()[0])
    assert (frame == 120).all()
    n = "3 hot pixels" if kind == "colour" else "1 hot pixel"
    assert calibrated.attrs["problems"][1:] == [
        f"{n} and 1 bad column are replaced by their neighbours."
    ]


def test_hot_pixels_that_the_dark_removes_are_not_bad(save):
    dark = np.full(SHAPE, 0.04)
    dark[10, 10] = 0.2
    image = 100 + 255 * dark
    image[31, 51] = 250
    options = CalibrationOptions(dark=save("dark.tif", dark), hot_pixels="capture")
    calibrated = calibrate(still_capture("mono", image), options)
    assert np.argwhere(calibrated["bad"].to_numpy()).tolist() == [[31, 51]]
    assert calibrated.attrs["problems"][1:] == ["1 hot pixel is replaced by its neighbours."]


def test_a_camera_without_bad_pixels_gets_no_variable(moon, save):
    found = calibrate(moon.chunk({"frame": 16}), CalibrationOptions(hot_pixels="capture"))
    assert "bad" not in found
    assert found.attrs["problems"] == []
    assert "digest" not in found.attrs  # as simulated captures


def test_bad_pixels_planted_in_a_simulated_capture_are_found(moon):
    frames = moon["frames"].to_numpy().copy()
    hot = RNG.choice(frames[0].size, 40, replace=False)
    frames.reshape(len(frames), -1)[:, hot] = 255
    capture = moon.assign(frames=(("frame", "y", "x"), frames)).chunk({"frame": 16})
    found = calibrate(capture, CalibrationOptions(hot_pixels="capture"))
    assert np.flatnonzero(found["bad"].to_numpy()).tolist() == sorted(hot)


# --- digests -----------------------------------------------------------------------------------


def test_the_digest_depends_on_the_content_of_masters_and_not_on_their_place(save, tmp_path):
    capture = still_capture("mono", np.full(SHAPE, 100))
    dark, flat = np.full(SHAPE, 0.04), 0.5 * vignetting()
    (tmp_path / "elsewhere").mkdir()

    def digest(capture=capture, **options):
        return calibrate(capture, CalibrationOptions(**options)).attrs["digest"]

    first = digest(dark=save("dark.tif", dark), flat=save("flat.tif", flat))
    moved = digest(dark=save("elsewhere/d.tif", dark), flat=save("elsewhere/f.tif", flat))
    assert first == moved
    others = [
        digest(dark="dark.tif"),
        digest(dark=save("other.tif", dark + 0.001)),
        digest(dark="dark.tif", hot_pixels="none"),
        digest(dark="dark.tif", hot_pixels="capture"),
        digest(hot_pixels="capture"),
        digest(flat="flat.tif"),
        digest(capture.assign_attrs(digest="e"), flat="flat.tif"),
    ]
    assert len({first, capture.attrs["digest"], *others}) == 9


def test_calibrating_twice_gives_the_same_bits(save):
    capture = still_capture("mosaic", 90 + RNG.integers(0, 90, SHAPE))
    options = CalibrationOptions(
        dark=save("dark.tif", 0.05 * RNG.random(SHAPE)), flat=save("flat.tif", vignetting() / 2)
    )
    xr.testing.assert_identical(calibrate(capture, options), calibrate(capture, options))
    rechunked = capture.chunk({"frame": 5})
    for name in ("dark", "gain"):
        xr.testing.assert_identical(
            calibrate(capture, options)[name], calibrate(rechunked, options)[name]
        )


class WatchedFrames:
    """Frames that note which of them are read."""

    shape, dtype, ndim = (100, *SHAPE), np.dtype(np.uint8), 3
    reads: list = []  # noqa: RUF012

    def __getitem__(self, key):
        self.reads.append(range(100)[key[0]])
        return np.full(self.shape, 100, np.uint8)[key]


def test_frames_stay_lazy_and_only_a_few_are_read(save):
    meta = np.empty((0, 0, 0), np.uint8)
    watched = da.from_array(WatchedFrames(), chunks=(10, -1, -1), asarray=False, meta=meta)
    capture = xr.Dataset({"frames": (("frame", "y", "x"), watched)}, attrs={"bits": 8})
    WatchedFrames.reads.clear()
    dark = save("dark.tif", np.full(SHAPE, 0.1))
    calibrate(capture, CalibrationOptions(dark=dark, mask="off"))
    assert WatchedFrames.reads == [range(i, i + 1) for i in (0, 25, 50, 74, 99)]
    WatchedFrames.reads.clear()
    assert calibrate(capture) is capture
    assert [len(read) for read in WatchedFrames.reads] == [1] * 16
    WatchedFrames.reads.clear()
    calibrated = calibrate(capture, CalibrationOptions(hot_pixels="capture", mask="off"))
    assert [len(read) for read in WatchedFrames.reads] == [1] * 32
    assert calibrated["frames"].data is watched


def test_masters_made_from_videos_calibrate_them(save):
    """A sensor with an offset, uneven response and a hot pixel shows the scene as it is."""
    rng = np.random.default_rng(11)
    offset = 12 + 6 * rng.random(SHAPE)
    offset[20, 30] = 200
    response = vignetting() * (1 + 0.05 * rng.standard_normal(SHAPE))
    y, x = np.indices(SHAPE)
    scene = 120 + 50 * np.sin(y / 9) * np.cos(x / 11)

    def record(light):
        noise = rng.normal(0, 1, (64, *SHAPE))
        levels = offset + light * response + noise
        return capture_of(np.clip(np.rint(levels), 0, 255).astype(np.uint8))

    save("dark.tif", master_dark(record(0))["master"].to_numpy())
    save("flat.tif", master_flat(record(150), "dark.tif")["master"].to_numpy())
    capture = record(scene)
    calibrated = calibrate(capture, CalibrationOptions(dark="dark.tif", flat="flat.tif"))
    developer = Developer.of(calibrated)
    frames = capture["frames"].to_numpy()
    levels = np.mean([developer.calibrated(frame) for frame in frames], axis=0)
    found = (levels - developer.black) / 2**developer.shift
    scale = response[response > 0.05].mean()
    raw_error = frames.mean(axis=0) - scene * scale
    error = found - scene * scale
    assert np.argwhere(calibrated["bad"].to_numpy()).tolist() == [[20, 30]]
    assert abs(error[20, 30]) < 8
    assert error.std() < 0.6
    assert raw_error.std() > 10
