"""The script that scores stacks of captures by wave optics: it runs, and its figures are right."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

import skry_dask as skry
from tests.benchmarks import optics
from tests.ring_scoring import ring_score

if TYPE_CHECKING:
    from pathlib import Path

SCENE = skry.simulate("moon", skry.SimulateOptions(frames=1, height=200, width=240))["scene"]


def test_a_capture_has_a_row_for_each_program(tmp_path: Path) -> None:
    words = {"frames": 8, "size": (192, 192), "seed": 1, "variant": [], "peer": []}
    (row,) = optics.scores("sun-3", tmp_path, argparse.Namespace(**words))
    assert row[:2] == ["sun-3", "skry stack"]
    mean, contrast, detail = map(float, row[2:])
    assert 0.1 < mean < 1
    assert 0.02 < contrast < 1
    assert detail > 3
    words |= {"variant": ["half=--percent 50"], "peer": ["other=its {ser} --best"]}
    listed = optics.programs([tmp_path / "sun-3.ser"], argparse.Namespace(**words))
    assert [program.name for program in listed] == ["skry stack", "half", "other"]
    assert list(listed[1].command[-2:]) == ["--percent", "50"]
    assert listed[2].command == ["its", "sun-3.ser", "--best"]


def test_the_scene_itself_has_full_marks_wherever_it_is_cut() -> None:
    still = ndimage.gaussian_filter(SCENE.to_numpy().astype(np.float64), 0.7)
    score = ring_score(
        5 * ndimage.shift(still, (0.3, -0.4), order=5)[40:240, 50:260], still, (40, 50)
    )
    assert score.mean > 0.99
    assert score.contrast == pytest.approx(1.0, abs=0.02)
    assert score.detail > 25


def test_blur_takes_contrast_and_noise_correlation() -> None:
    still = ndimage.gaussian_filter(SCENE.to_numpy().astype(np.float64), 0.7)
    noise = np.random.default_rng(1).normal(scale=0.03, size=still.shape)
    sharp, soft, noisy = (
        ring_score(image[40:240, 50:260], still, (40, 50))
        for image in (still, ndimage.gaussian_filter(still, 1.5), still + noise)
    )
    # A Gaussian's transfer, exp(-2 (pi sigma f)**2), over 0.1 to 0.2 cycles/px.
    expected = np.exp(-2 * (np.pi * 1.5 * np.linspace(0.1, 0.2, 50)) ** 2).mean()
    assert soft.contrast == pytest.approx(expected, rel=0.1)
    assert noisy.contrast == pytest.approx(1.0, abs=0.05)
    assert noisy.mean < 0.95 * sharp.mean
    assert soft.detail < sharp.detail - 3
