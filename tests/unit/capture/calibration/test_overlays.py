"""Text and marks drawn into frames are found, wherever they are; no scene is taken for them."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

import skry_dask as skry
from skry_dask.capture.calibration.calibrate import calibrate
from skry_dask.capture.calibration.develop import Developer
from skry_dask.capture.calibration.standing import mask_standing
from skry_dask.options import CalibrationOptions
from tests.small_captures import capture_of, disc, texture

N_FRAMES, SHAPE = 8, (120, 200)
FILTERS = np.tile([[0.7, 1.0], [1.0, 0.4]], (SHAPE[0] // 2, SHAPE[1] // 2))


def light(scene):
    if scene == "moon":
        return texture(*SHAPE, scale=2.0)
    if scene == "planet":
        return ndimage.gaussian_filter(disc((60, 100), radius=9, shape=SHAPE, level=0.4), 1)
    if scene == "undersampled":
        return texture(*SHAPE, scale=0.7)
    stars = np.zeros(SHAPE)
    stars[tuple(np.random.default_rng(3).integers(0, SHAPE, (15, 2)).T)] = 8
    return np.clip(ndimage.gaussian_filter(stars, 0.8), 0, 1)


def frames_of(scene, *, jitter=3.0, noise=1.2, filters=1.0):
    rng = np.random.default_rng(4)
    image, frames = light(scene), []
    for _ in range(N_FRAMES):
        moved = ndimage.shift(image, rng.uniform(-jitter, jitter, 2), order=1, mode="nearest")
        level = (8 + 220 * moved) * filters + rng.normal(0, noise, SHAPE)
        frames.append(np.clip(np.rint(level), 0, 255).astype(np.uint8))
    return frames


def clock(draw, i, fill=255):
    draw.text((4, 104), f"2025-03-14 21:{i:02d}:{7 * i % 60:02d} UTC", fill=fill)


def black_clock(draw, i):
    clock(draw, i, fill=0)


def clock_in_a_box(draw, i):
    draw.rectangle((0, 100, 150, 119), fill=0)
    clock(draw, i)


def counter(draw, i):
    draw.text((140, 4), f"{37 * i:06d}", fill=255)


def scale(draw, _):
    draw.line((120, 100, 180, 100), fill=255, width=2)
    draw.line((120, 96, 120, 104), fill=255)
    draw.line((180, 96, 180, 104), fill=255)


def reticle(draw, _):
    draw.line((0, 60, 199, 60), fill=255)
    draw.ellipse((60, 20, 140, 100), outline=255)


def nothing(draw, _):
    del draw


def drawn(frames, draw):
    """Draw into frames; return them, and where any of them has changed."""
    out = []
    for i, frame in enumerate(frames):
        image = Image.fromarray(frame)
        draw(ImageDraw.Draw(image), i)
        out.append(np.asarray(image))
    return np.stack(out), np.any(np.stack(out) != np.stack(frames), axis=0)


def found_in(frames, **attrs):
    masked = mask_standing(capture_of(frames).assign_attrs(attrs))
    return masked["overlay"].to_numpy() if "overlay" in masked else np.zeros(SHAPE, bool)


OVERLAYS = [clock, clock_in_a_box, counter, scale, reticle]


@pytest.mark.parametrize("draw", [*OVERLAYS, black_clock])
@pytest.mark.parametrize("scene", ["moon", "planet"])
def test_overlays_are_found_and_little_else_is_masked(scene, draw):
    if (scene, draw) == ("planet", black_clock):
        pytest.skip("black on black")
    for jitter in (3.0, 0.2):
        frames, truth = drawn(frames_of(scene, jitter=jitter), draw)
        found = found_in(frames)
        # A black box on a black sky is no mark.
        if (scene, draw) != ("planet", clock_in_a_box):
            assert found[truth].mean() > 0.95, jitter
        (top, left), (bottom, right) = (end(np.argwhere(truth), axis=0) for end in (np.min, np.max))
        found[max(0, top - 6) : bottom + 7, max(0, left - 6) : right + 7] &= draw is reticle
        assert found.mean() < 0.2, jitter
        assert draw is reticle or not found.any(), jitter


@pytest.mark.parametrize("kind", ["mosaic", "colour", "12 of 16 bits", "a damaged frame"])
def test_overlays_are_found_in_frames_of_every_kind(kind):
    filters, attrs = 1.0, {"bits": 8}
    if kind == "mosaic":
        filters, attrs = FILTERS, {"bits": 8, "cfa": "RGGB"}
    frames, truth = drawn(frames_of("moon", filters=filters), clock)
    if kind == "colour":
        frames = np.stack([frames, frames // 2, frames // 2], axis=-1)
    if kind == "12 of 16 bits":
        frames, attrs = frames.astype(np.uint16) * 16, {"bits": 16}
    if kind == "a damaged frame":
        frames[3] = np.random.default_rng(1).integers(0, 255, SHAPE)
    assert found_in(frames, **attrs)[truth].mean() > 0.95


@pytest.mark.parametrize("cfa", [None, "RGGB"])
@pytest.mark.parametrize("scene", ["moon", "planet", "undersampled", "stars"])
def test_scenes_without_overlays_get_no_mask(scene, cfa):
    filters = 1.0 if cfa is None else FILTERS
    attrs = {"bits": 8} if cfa is None else {"bits": 8, "cfa": cfa}
    for jitter in (0.0, 0.1, 3.0):
        frames = np.stack(frames_of(scene, jitter=jitter, filters=filters))
        assert not found_in(frames, **attrs).any(), jitter


@pytest.mark.parametrize("scene", ["moon", "planet", "sun"])
def test_simulated_captures_get_no_mask(scene):
    sharp = {"bits": 12, "photons": 1e5, "read_noise": 0.3, "blur": (0.5, 0.8), "warp": 0.5}
    still = {"jitter": 0, "drift": (0, 0)}
    for options in ({}, still, {**sharp, **still}):
        size = {"frames": 8, "height": 160, "width": 200}
        capture = skry.simulate(scene, skry.SimulateOptions(**size, **options))
        assert mask_standing(capture) is capture


def test_images_and_very_short_captures_get_no_mask():
    frames, _ = drawn(frames_of("moon"), clock)
    assert not found_in(frames[:3]).any()
    assert not found_in(np.repeat(frames[:1], 5, axis=0)).any()
    assert not found_in(np.zeros((5, 8, 9), np.uint8)).any()
    assert not found_in(np.random.default_rng(1).integers(0, 255, frames.shape, np.uint8)).any()


def test_masked_frames_show_their_surroundings_in_place_of_text():
    clean = frames_of("moon")
    frames, truth = drawn(clean, clock)
    capture = capture_of(frames, bits=8).assign_attrs(digest="d", problems=["Old."])
    masked = calibrate(capture)
    assert set(masked.data_vars) == {"frames", "overlay"}
    shown = Developer.of(masked).grey(frames)
    error = np.abs(shown.astype(int) - np.stack(clean))
    assert error[:, truth].mean() < 25  # with text, 120
    assert not error[:, ~masked["overlay"].to_numpy()].any()
    old, told = masked.attrs["problems"]
    assert old == "Old."
    assert "--mask off" in told
    assert "rows 10" in told
    assert masked.attrs["digest"] != "d"
    off = CalibrationOptions(mask="off")
    assert calibrate(capture, off) is capture
    assert mask_standing(masked) is masked


def test_a_mask_follows_the_frames_through_a_crop():
    frames, _ = drawn(frames_of("moon"), clock)
    masked = calibrate(capture_of(frames, bits=8))
    region = {"y": slice(90, 120), "x": slice(0, 150)}
    part = Developer.of(masked.isel(region)).grey(frames[:, 90:, :150])
    whole = Developer.of(masked).grey(frames)[:, 90:, :150]
    overlay = masked["overlay"].to_numpy()[90:, :150]
    np.testing.assert_array_equal(part[:, ~overlay], whole[:, ~overlay])
    assert np.abs(part.astype(int) - whole).mean() < 3


def test_text_is_not_taken_for_hot_pixels():
    frames, _ = drawn(frames_of("planet"), clock)
    frames[:, 30, 40] = 200
    masked = calibrate(capture_of(frames, bits=8), CalibrationOptions(hot_pixels="capture"))
    assert np.argwhere(masked["bad"].to_numpy()).tolist() == [[30, 40]]


def test_frames_are_aligned_by_the_scene_and_not_by_text():
    shifts = np.linspace(-12, 12, N_FRAMES)[:, None] * [1, 0.8]
    image = light("planet")
    rng = np.random.default_rng(2)
    clean = [
        np.clip(8 + 220 * ndimage.shift(image, s, order=1) + rng.normal(0, 1, SHAPE), 0, 255)
        for s in shifts
    ]
    frames, _ = drawn([frame.astype(np.uint8) for frame in clean], clock)
    alignment = skry.align(calibrate(capture_of(frames, bits=8))).load()
    assert alignment["active"].all()
    moved = alignment["offset"].to_numpy() - alignment["offset"].to_numpy()[0]
    np.testing.assert_allclose(moved, shifts - shifts[0], atol=1)
