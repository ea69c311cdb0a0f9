"""Bars and strong hot pixels, which stand still while the scene moves, are left out and told."""

import numpy as np
import pytest
from scipy import ndimage

import skry_dask as skry
from skry_dask.capture.calibration.calibrate import calibrate
from skry_dask.capture.calibration.develop import Developer
from skry_dask.capture.calibration.standing import mask_standing
from skry_dask.options import CalibrationOptions
from tests.small_captures import capture_of, disc, texture

SHAPE = (120, 160)
SHIFTS = np.linspace(-5, 5, 8)[:, None] * [1, -0.6]
FILTERS = np.tile([[0.7, 1.0], [1.0, 0.4]], (60, 80))


def frames_of(light, *, shifts=SHIFTS, sky=8, filters=1.0):
    rng = np.random.default_rng(4)
    moved = [ndimage.shift(light, shift, order=1, mode="nearest") for shift in shifts]
    levels = [(sky + 200 * m) * filters + rng.normal(0, 1, SHAPE) for m in moved]
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def moon():
    return texture(*SHAPE, scale=2.0)


def planet(radius=12):
    return ndimage.gaussian_filter(disc((60, 80), radius=radius, shape=SHAPE, level=0.5), 1)


def with_bars(frames, top, bottom, left, right, level=0):
    out = np.full_like(frames, level)
    rows, columns = slice(top, SHAPE[0] - bottom), slice(left, SHAPE[1] - right)
    out[:, rows, columns] = frames[:, rows, columns]
    return out


BARS = [(20, 20, 0, 0), (0, 0, 17, 30), (9, 12, 20, 21), (0, 8, 0, 0)]


@pytest.mark.parametrize("level", [0, 16])
@pytest.mark.parametrize("bars", BARS)
def test_bars_are_cut_off_and_told(bars, level):
    top, bottom, left, right = bars
    frames = with_bars(frames_of(moon(), sky=40), *bars, level=level)
    capture = capture_of(frames, bits=8).assign_coords(y=np.arange(120), x=np.arange(160))
    found = mask_standing(capture.assign_attrs(digest="d", cfa="none"))
    assert found["y"].values[[0, -1]].tolist() == [top, 119 - bottom]
    assert found["x"].values[[0, -1]].tolist() == [left, 159 - right]
    assert found["frames"].shape == (8, 120 - top - bottom, 160 - left - right)
    (told,) = found.attrs["problems"]
    assert f"rows {top} to {119 - bottom}, columns {left} to {159 - right}" in told
    assert found.attrs["digest"] != "d"
    assert mask_standing(capture, CalibrationOptions(mask="off")) is capture


def test_frames_are_aligned_by_the_scene_and_not_by_bars():
    frames = with_bars(frames_of(moon(), sky=40), 20, 20, 0, 0)
    alignment = skry.align(calibrate(capture_of(frames, bits=8))).load()
    moved = alignment["offset"].to_numpy() - alignment["offset"].to_numpy()[0]
    np.testing.assert_allclose(moved, SHIFTS - SHIFTS[0], atol=0.2)


def half_sky():
    return np.where(np.arange(120)[:, None] > 45, 0.7, 0.0) + np.zeros(SHAPE)


@pytest.mark.parametrize("sky", [0, 8])
@pytest.mark.parametrize("light", [planet(), planet(50), half_sky(), moon()])
def test_a_black_sky_is_no_bar(light, sky):
    for shifts in (SHIFTS, 0 * SHIFTS):
        frames = frames_of(ndimage.gaussian_filter(light, 0.8), sky=sky - 8, shifts=shifts)
        capture = capture_of(frames, bits=8)
        assert mask_standing(capture) is capture


@pytest.mark.parametrize("kind", ["mono", "mosaic", "16 bits"])
@pytest.mark.parametrize("light", [planet(), moon()])
def test_strong_hot_pixels_are_masked(light, kind):
    frames = frames_of(light, filters=FILTERS if kind == "mosaic" else 1.0)
    hot = np.random.default_rng(8).choice(frames[0].size, 30, replace=False)
    frames.reshape(len(frames), -1)[:, hot] = 255
    clean = frames_of(light, filters=FILTERS if kind == "mosaic" else 1.0)
    if kind == "16 bits":
        frames, clean = frames.astype(np.uint16) * 257, clean.astype(np.uint16) * 257
    capture = capture_of(frames, bits=16 if kind == "16 bits" else 8)
    capture = capture.assign_attrs({"cfa": "RGGB"} if kind == "mosaic" else {})
    masked = calibrate(capture)
    found = masked["overlay"].to_numpy()
    assert not np.delete(found, hot).any()
    assert found.sum() >= 25  # on a steep slope they stand out less
    assert f"{found.sum()} pixels stand out in all frames" in masked.attrs["problems"][0]
    shown = Developer.of(masked).calibrated(frames[0]).astype(float)
    assert np.abs(shown - clean[0])[found].max() < 0.25 * frames.max()


def test_hot_pixels_are_left_to_the_option_that_finds_them_all():
    frames = frames_of(moon())
    frames[:, 30, 40] = 255
    masked = calibrate(capture_of(frames, bits=8), CalibrationOptions(hot_pixels="capture"))
    assert "overlay" not in masked
    assert masked["bad"].to_numpy()[30, 40]
