"""Dispersion: how far red and blue are displaced from green."""

import dask
import dask.array as da
import numpy as np
import pytest
from scipy import ndimage

import skry_dask as skry
from skry_dask.capture.calibration.develop import Developer
from skry_dask.phases.tracking.dispersion import (
    channel_shift,
    colour_samples,
    measure_frame,
    median_shift,
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
    np.testing.assert_array_equal(lazy.compute(), found)


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
    np.testing.assert_array_equal(median_shift(measured), [[2, 3], [0, 0], [0, 0]])
    np.testing.assert_array_equal(median_shift([]), np.zeros((3, 2)))


def test_aligned_colours_coincide_in_the_stack():
    base = colour_scene()
    rng = np.random.default_rng(1)
    frames = [
        np.moveaxis(ndimage.shift(base, (0, *s), order=3, mode="grid-wrap"), 0, -1)
        for s in rng.uniform(-2, 2, (6, 2))
    ]
    frames = np.rint(np.array(frames)).clip(0, 255).astype(np.uint8)
    capture = capture_of(frames, chunks=2, bits=8)
    alignment = skry.align(capture)
    quality = skry.estimate_quality(capture, alignment)
    difference = {}
    for aligned in (False, True):
        options = skry.TrackOptions(align_channels=aligned)
        points = skry.track(capture, alignment, quality, options)
        assert ("channel_shift" in points) is aligned
        everything = skry.StackOptions(percent=100)
        image = skry.stack(capture, alignment, quality, points, everything)["stack"]
        inner = image.to_numpy()[8:-8, 8:-8]
        red, green, blue = (inner[..., i] / LEVEL[c] for i, c in enumerate("RGB"))
        difference[aligned] = max(np.abs(red - green).mean(), np.abs(blue - green).mean())
    assert difference[True] < difference[False] / 4
