"""Dispersion: how far red and blue are displaced from green."""

import dask
import dask.array as da
import numpy as np
import pytest
from scipy import ndimage

import skry_dask as skry
from skry_dask.capture.calibration.develop import Developer
from skry_dask.phases.tracking.dispersion import (
    best_of_parts,
    channel_shift,
    colour_samples,
    measure_frame,
    shift_of_frames,
)
from tests.small_captures import capture_of

TRUE = np.array([[0.8, -0.3], [0.0, 0.0], [-0.7, 0.4]])
LEVEL = {"R": 0.8, "G": 1.0, "B": 0.6}
CENTRES = np.array([[y, x] for y in range(40, 130, 20) for x in range(40, 150, 20)])


def colour_scene():
    """Draw a scene in three colours, red and blue displaced and darker: float (3, y, x)."""
    rng = np.random.default_rng(4)
    scene = ndimage.gaussian_filter(rng.standard_normal((170, 190)), 2.0, mode="wrap")
    scene = 120 + 60 * scene / np.abs(scene).max()
    return np.stack(
        [
            level * ndimage.shift(scene, shift, order=5, mode="grid-wrap")
            for shift, level in zip(TRUE, LEVEL.values(), strict=True)
        ]
    )


def mosaic_of(planes, pattern):
    """Take one colour of each pixel: uint16 (y, x)."""
    frame = np.empty(planes.shape[1:])
    for i, colour in enumerate(pattern):
        y, x = divmod(i, 2)
        frame[y::2, x::2] = planes["RGB".index(colour), y::2, x::2]
    return np.rint(frame * 200).astype(np.uint16)


@pytest.mark.parametrize("pattern", ["RGGB", "GRBG", "GBRG", "BGGR", None])
def test_the_shift_of_colours_is_found_to_a_tenth_of_a_pixel(pattern):
    planes = colour_scene()
    if pattern:
        frame = mosaic_of(planes, pattern)
    else:
        frame = np.moveaxis(np.rint(planes * 200).astype(np.uint16), 0, -1)
    channels = 1 if pattern else 3
    developer = Developer("uint16", black=0, white=65535, cfa=pattern, channels=channels)
    frames = da.from_array(frame[None], chunks=-1)
    found = measure_frame(frame, CENTRES, 32, developer)
    np.testing.assert_allclose(found, TRUE, atol=0.1)
    lazy = channel_shift(
        frames,
        np.array([1.0], np.float32),
        np.zeros((1, 2)),
        CENTRES,
        32,
        dask.delayed(developer, traverse=False),
    )
    np.testing.assert_allclose(lazy.compute(), found[None], atol=1e-3)


def test_samples_of_each_colour_are_separated_and_placed():
    frame = np.arange(30, dtype=np.uint8).reshape(5, 6)
    samples, places, step = colour_samples(frame, "GRBG")
    assert step == 2
    np.testing.assert_array_equal(samples[0], frame[0:4:2, 1::2])
    np.testing.assert_array_equal(samples[2], frame[1:4:2, 0::2])
    np.testing.assert_array_equal(samples[1][0, 0], (0 + 7) // 2)
    np.testing.assert_array_equal(places, [[0, 1], [0.5, 0.5], [1, 0]])


def test_frames_in_which_a_colour_was_not_found_do_not_count():
    nan = np.nan
    measured = [
        np.array([[1.0, 2.0], [0, 0], [nan, nan]]),
        np.array([[nan, nan], [0, 0], [nan, nan]]),
        np.array([[3.0, 4.0], [0, 0], [nan, nan]]),
    ]
    of_all = shift_of_frames(measured, np.arange(3), 5)
    np.testing.assert_array_equal(of_all, [[[2, 3], [0, 0], [0, 0]]] * 5)
    np.testing.assert_array_equal(shift_of_frames([], np.arange(0), 2), np.zeros((2, 3, 2)))


def test_a_shift_that_changes_through_the_capture_is_followed_in_each_frame():
    rng, n = np.random.default_rng(8), 3000
    time = np.linspace(0, 1, n)
    true = np.zeros((n, 3, 2))
    true[:, 0] = np.stack([0.5 + time, 0.2 * time**2], axis=-1)  # 1 px over the capture
    true[:, 2] = -0.8 * true[:, 0]
    chosen = np.sort(rng.choice(n, 48, replace=False))
    measured = true[chosen] + rng.normal(0, 0.05, (48, 3, 2))
    measured[rng.random(48) < 0.1, 0] += 3.0  # not found, but something else
    measured[rng.random(48) < 0.2, 2] = np.nan
    found = shift_of_frames(list(measured), chosen, n)
    error = (found - true)[:, [0, 2]]
    assert np.sqrt((error**2).mean()) < 0.03
    assert np.abs(error).max() < 0.12


def test_frames_are_measured_in_all_parts_of_a_capture():
    quality = np.linspace(1, 2, 1000).astype(np.float32)  # the best ones at the end
    quality[500:600] = np.nan
    chosen = best_of_parts(quality)
    assert len(chosen) == 48
    assert not np.isnan(quality[chosen]).any()
    assert np.diff(chosen).max() < 200
    assert len(best_of_parts(np.full(7, np.nan, np.float32))) == 0


def test_aligned_colours_coincide_in_the_stack_while_they_drift_apart():
    base, rng = colour_scene(), np.random.default_rng(1)
    frames = []
    for i, shift in enumerate(rng.uniform(-2, 2, (24, 2))):
        apart = np.array([[0.0, *shift]] * 3) + np.array([[0, 1, 0], [0, 0, 0], [0, -1, 0]]) * (
            i / 23 - 0.5
        )
        moved = [
            ndimage.shift(p, s[1:], order=3, mode="grid-wrap")
            for p, s in zip(base, apart, strict=True)
        ]
        frames.append(np.stack(moved, axis=-1))
    frames = np.rint(np.array(frames)).clip(0, 255).astype(np.uint8)
    capture = capture_of(frames, chunks=5, bits=8)
    alignment = skry.align(capture)
    quality = skry.estimate_quality(capture, alignment)
    points = skry.track(capture, alignment, quality, skry.TrackOptions(align_channels=True))
    shift = points["channel_shift"].compute()
    drift = shift.isel(frame=-1) - shift.isel(frame=0)
    np.testing.assert_allclose(drift, [[1, 0], [0, 0], [-1, 0]], atol=0.12)
    constant = points.assign(channel_shift=shift.mean("frame").broadcast_like(shift))
    without = points.drop_vars("channel_shift")
    difference = []
    for known in (without, constant, points):
        everything = skry.StackOptions(percent=100)
        image = skry.stack(capture, alignment, quality, known, everything)["stack"]
        inner = image.to_numpy()[8:-8, 8:-8]
        red, green, blue = (inner[..., i] / LEVEL[c] for i, c in enumerate("RGB"))
        difference.append(max(np.abs(red - green).mean(), np.abs(blue - green).mean()))
    assert difference[2] < difference[0] / 4
    assert difference[2] < difference[1] / 1.5
