"""What flats, darks and means of frames reveal about a sensor."""

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.capture.calibration.bad_pixels import (
    bad_in_capture,
    gain_of_flat,
    hot_in_dark,
    unlit_fraction,
)

SHAPE = (60, 70)
SCENES = ("moon", "planet", "sun")
CFAS = (None, "RGGB", "GBRG")
PATTERNS = pytest.mark.parametrize("cfa", CFAS)
BRIGHTNESS = {"R": 0.7, "G": 1.0, "B": 0.4}


def white_field(cfa, shape=SHAPE):
    """Brightness of a white field behind each filter."""
    out = np.ones(shape)
    for i, name in enumerate(cfa or ""):
        out[i // 2 :: 2, i % 2 :: 2] = BRIGHTNESS[name]
    return out


def vignetting(shape=SHAPE):
    y, x = np.indices(shape)
    return 1 - 0.4 * ((y / shape[0] - 0.5) ** 2 + (x / shape[1] - 0.5) ** 2)


def planted(shape, number, seed=1):
    rng = np.random.default_rng(seed)
    out = np.zeros(shape, bool)
    out.flat[rng.choice(out.size, number, replace=False)] = True
    return out


# --- flats -------------------------------------------------------------------------------------


@PATTERNS
def test_a_flat_times_its_gain_is_even_and_keeps_the_balance_of_colours(cfa):
    flat = (0.6 * white_field(cfa) * vignetting()).astype(np.float32)
    even = flat * gain_of_flat(flat, cfa)
    expected = white_field(cfa)
    for value in np.unique(expected):
        site = expected == value
        np.testing.assert_allclose(even[site], flat[site].mean(), rtol=1e-5)


def test_each_channel_of_a_colour_flat_has_its_own_gain():
    flat = (np.array([0.7, 0.5, 0.2]) * vignetting()[..., None]).astype(np.float32)
    even = flat * gain_of_flat(flat, None)
    expected = np.broadcast_to(flat.mean(axis=(0, 1)), flat.shape)
    np.testing.assert_allclose(even, expected, rtol=1e-5)


def test_gains_are_limited():
    flat = np.full(SHAPE, 0.5, np.float32)
    flat[3, 4], flat[5, 6], flat[7, 8] = 0.0, -0.1, 100.0
    gain = gain_of_flat(flat, None)
    assert gain[3, 4] == gain[5, 6] == 8
    assert gain[7, 8] == 0.125
    assert gain.min() == 0.125
    assert gain.max() == 8


def test_gains_do_not_depend_on_the_units_of_the_flat():
    flat = (0.5 * vignetting()).astype(np.float32)
    gain = gain_of_flat(flat * np.float32(65535), None)
    np.testing.assert_allclose(gain, gain_of_flat(flat, None), rtol=1e-6)


def test_the_unlit_fraction_is_that_of_the_worst_colour():
    flat = white_field("RGGB").astype(np.float32)
    assert unlit_fraction(flat, "RGGB") == 0
    flat[0, ::2] = 0.01  # one of thirty rows of red
    assert unlit_fraction(flat, "RGGB") == pytest.approx(1 / 30)
    assert unlit_fraction(np.zeros((4, 4), np.float32), None) == 1


# --- darks -------------------------------------------------------------------------------------


@PATTERNS
def test_hot_pixels_of_a_dark_are_found_beside_each_other_and_at_borders(cfa):
    noise = np.random.default_rng(2).normal(0.03, 0.001, SHAPE)
    hot = planted(SHAPE, 60)
    hot[0, 0] = hot[0, -1] = hot[-1, 20] = hot[30, 30] = hot[30, 31] = hot[31, 31] = True
    dark = (noise + 0.02 * hot).astype(np.float32)
    np.testing.assert_array_equal(hot_in_dark(dark, cfa), hot)


def test_a_dark_brighter_on_one_side_has_no_hot_pixels():
    glow = np.linspace(0, 0.3, SHAPE[1]) ** 2 + np.zeros(SHAPE)
    assert not hot_in_dark(glow.astype(np.float32), None).any()
    assert not hot_in_dark(np.zeros((2, 2), np.float32), "RGGB").any()


def test_pixels_less_than_half_a_percent_above_a_perfect_dark_are_not_hot():
    dark = np.zeros(SHAPE, np.float32)
    dark[5, 5], dark[9, 9] = 0.0049, 0.0051
    assert np.argwhere(hot_in_dark(dark, None)).tolist() == [[9, 9]]


def test_each_channel_of_a_dark_has_its_own_hot_pixels():
    dark = np.zeros((*SHAPE, 3), np.float32)
    dark[5, 6, 2] = 0.1
    assert np.argwhere(hot_in_dark(dark, None)).tolist() == [[5, 6, 2]]


# --- captures ----------------------------------------------------------------------------------

REALISTIC = {"frames": 32, "height": 200, "width": 260}
SHARP = {"bits": 12, "photons": 1e5, "read_noise": 0.3, "blur": (0.5, 0.8), "warp": 0.5}
STILL = {"jitter": 0, "drift": (0, 0)}


def mean_of(scene, cfa=None, **options):
    capture = skry.simulate(scene, skry.SimulateOptions(**REALISTIC, **options))
    frames = capture["frames"].to_numpy() * white_field(cfa, capture["frames"].shape[1:])
    return np.rint(frames).mean(axis=0) / (2 ** capture.attrs["bits"] - 1)


@pytest.mark.parametrize("scene", SCENES)
@PATTERNS
def test_strong_hot_and_dead_pixels_are_all_found_and_nothing_else(scene, cfa):
    mean = mean_of(scene, cfa)
    bad = planted(mean.shape, 120)
    spikes = np.where(bad, mean + 0.4, mean)
    hot, dead = bad_in_capture(spikes, cfa)
    np.testing.assert_array_equal(hot, bad)
    assert not dead.any()
    hot, dead = bad_in_capture(np.where(bad, 0, mean), cfa)
    assert not hot.any()
    assert not dead[~bad].any()
    # On a black sky, dead pixels look like all others.
    assert dead[bad & (mean > 0.25)].all()


@pytest.mark.parametrize("scene", SCENES)
def test_sharp_scenes_without_noise_have_no_bad_pixels(scene):
    for motion in ({}, STILL):
        for cfa in CFAS:
            mean = mean_of(scene, cfa, **SHARP, **motion)
            assert not np.any(bad_in_capture(mean, cfa)), (motion, cfa)


@PATTERNS
def test_stars_are_not_bad_pixels(cfa):
    for sigma in (0.7, 1.0, 1.5, 2.5):
        rng = np.random.default_rng(7)
        y, x = np.indices((120, 150))
        light = np.zeros(y.shape)
        for star_y in range(8, 120, 13):
            for star_x in range(8, 150, 13):
                centre = np.array([star_y, star_x]) + rng.uniform(-0.5, 0.5, 2)
                light += rng.uniform(0.05, 0.9) * np.exp(
                    -((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * sigma**2)
                )
        mean = light * white_field(cfa, y.shape) + 0.03 + rng.normal(0, 0.0005, y.shape)
        assert not np.any(bad_in_capture(mean, cfa)), sigma


@PATTERNS
def test_two_hot_pixels_beside_each_other_are_both_found(cfa):
    mean = np.full(SHAPE, 0.2) * white_field(cfa)
    pairs = [(0, 0), (0, 1), (20, 20), (20, 21), (40, 30), (42, 30), (50, 50), (51, 51)]
    mean[tuple(np.transpose(pairs))] += 0.3
    hot, dead = bad_in_capture(mean, cfa)
    assert np.argwhere(hot).tolist() == sorted(map(list, pairs))
    assert not dead.any()


def test_each_channel_of_a_capture_has_its_own_bad_pixels():
    mean = np.full((*SHAPE, 3), 0.4)
    mean[5, 6, 1], mean[9, 9, 0] = 0.9, 0.0
    hot, dead = bad_in_capture(mean, None)
    assert np.argwhere(hot).tolist() == [[5, 6, 1]]
    assert np.argwhere(dead).tolist() == [[9, 9, 0]]


def test_tiny_frames_have_no_bad_pixels():
    for shape in ((2, 2), (3, 5), (1, 9)):
        for cfa in CFAS:
            assert not np.any(bad_in_capture(np.full(shape, 0.5), cfa)), (shape, cfa)
