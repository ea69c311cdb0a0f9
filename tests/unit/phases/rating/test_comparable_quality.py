"""Quality that is comparable between frames: whatever their light and their noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, stats

import skry_dask as skry
from skry_dask.phases.rating.comparable_quality import (
    MAX_SAMPLES,
    noise_share,
    relative_light,
    sampled_frames,
    where_real,
)
from tests.phase_results import ALIGN
from tests.small_captures import capture_of, disc, texture

N_FRAMES = 24
BLURS = np.random.default_rng(4).permutation(np.linspace(0.8, 2.2, N_FRAMES))
SCENES = {
    "moon": 0.4 + 0.3 * texture(100, 130),
    "planet": disc((50, 62), radius=28, shape=(100, 130)) * (0.6 + 0.4 * texture(100, 130)),
}
EVEN = np.ones(N_FRAMES)
CLOUDS = 0.7 + 0.3 * np.cos(np.arange(N_FRAMES) / 3)
GAINS = 10 ** np.random.default_rng(5).uniform(0, 0.6, N_FRAMES)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize(
    ("light", "noise", "scattered"),
    [(CLOUDS, EVEN, 0.0), (CLOUDS, EVEN, 30.0), (EVEN, GAINS, 0.0)],
    ids=["clouds", "bright clouds", "gain"],
)
def test_sharp_frames_rank_best_whatever_their_light_and_noise(
    white, scene, light, noise, scattered
):
    rng = np.random.default_rng(2)
    frames = [
        10 + 200 * bright * ndimage.gaussian_filter(SCENES[scene], blur)
        + scattered * (1 - bright) + rng.normal(0, noisy, SCENES[scene].shape)
        for blur, bright, noisy in zip(BLURS, light, noise, strict=True)
    ]  # fmt: skip
    levels = np.clip(np.rint(np.stack(frames) * (white / 255)), 0, white)
    capture = capture_of(levels.astype(np.uint8 if white == 255 else np.uint16), chunks=8)
    quality = skry.estimate_quality(capture, skry.align(capture, ALIGN)).compute()
    found, raw = quality["frame_quality"], quality["measured"][:, 0].mean("area")
    assert stats.spearmanr(found, -BLURS).statistic > 0.9
    assert stats.spearmanr(raw, -BLURS).statistic < 0.8


def test_light_is_compared_by_its_slope_where_areas_differ_else_by_its_mean():
    usual = np.linspace(0.1, 0.8, 9)
    frames = np.stack([usual, 0.5 * usual, 0.5 * usual + 0.2, np.zeros(9)])
    np.testing.assert_allclose(relative_light(frames, usual), [1, 0.5, 0.5, 1 / 8], atol=1e-3)
    alike = 0.5 + np.random.default_rng(1).normal(0, 0.002, 9)
    found = relative_light(0.7 * np.random.default_rng(2).permuted(alike)[None], alike)
    np.testing.assert_allclose(found, [0.7], atol=0.03)
    assert relative_light(np.ones((2, 4)), np.zeros(4)).tolist() == [1, 1]


def test_small_changes_count_only_in_a_capture_that_changes():
    assert where_real(np.array([1.01]), 1e-4, 0.07) == pytest.approx(1, abs=1e-4)
    assert where_real(np.array([1.01]), 0.04, 0.07) == pytest.approx(1.01, abs=2e-4)
    assert where_real(np.array([0.5]), 0.0, 0.07) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("is_mosaic", [False, True])
def test_the_share_of_noise_is_that_of_white_noise(is_mosaic):
    noise = np.random.default_rng(3).normal(size=(600, 600))
    step, box = (2 if is_mosaic else 1), 7
    if is_mosaic:
        for axis in (0, 1):
            noise = ndimage.correlate1d(noise, [0.25, 0.5, 0.25], axis)
    blurred = noise
    for _ in range(3):
        blurred = ndimage.uniform_filter(blurred, box)
    line = np.zeros(2 * step + 1)
    line[[0, step, -1]] = 1, -2, 1
    response = ndimage.correlate1d(ndimage.correlate1d(noise, line, 0), line, 1) / 6
    share = np.abs(noise - blurred).mean() / response.std()
    assert noise_share(3, step, is_mosaic=is_mosaic) == pytest.approx(share, rel=0.01)


def test_usual_values_come_from_frames_all_over_the_capture():
    measured = np.ones(5 * MAX_SAMPLES, bool)
    measured[:7] = False
    frames = sampled_frames(measured)
    assert len(np.unique(frames)) == MAX_SAMPLES
    assert frames[0] == 7
    assert frames[-1] > 5 * MAX_SAMPLES - 10
