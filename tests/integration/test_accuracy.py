"""Stacks against known truth: sharper and straighter than any single frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.simulation.simulate import write_capture
from tests.benchmarks.score_stack import place_in
from tests.ring_scoring import ring_score
from tests.scoring import Score, score

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr


def stacked(truth: xr.Dataset, method: str) -> tuple[Score, Score, dict[str, xr.Dataset]]:
    """Score of the stack, score of the best frame, and the results of the phases."""
    capture = truth.chunk({"frame": 16})
    alignment = skry.align(capture, skry.AlignOptions(method=method, anchor_size=48)).compute()
    quality = skry.estimate_quality(capture, alignment).compute()
    points = skry.track(capture, alignment, quality).compute()
    result = skry.stack(capture, alignment, quality, points).compute()
    image = result["stack"]
    corner = np.array([image["y"][0], image["x"][0]], float)
    drift = (alignment["offset"] - truth["offset"]).mean("frame").to_numpy()
    best = int(quality["frame_quality"].to_numpy().argmax())
    at = np.rint(corner + alignment["offset"].to_numpy()[best]).astype(int)
    height, width = image.shape
    frame = truth["frames"].to_numpy()[best, at[0] : at[0] + height, at[1] : at[1] + width] / 255
    of_frame = score(frame, truth, at - truth["offset"].to_numpy()[best])
    found = {"align": alignment, "quality": quality, "track": points, "stack": result}
    return score(image.to_numpy(), truth, corner + drift), of_frame, found


@pytest.fixture(scope="module")
def lunar() -> tuple[Score, Score, dict[str, xr.Dataset], xr.Dataset]:
    options = skry.SimulateOptions(frames=100, height=300, width=360, seed=11)
    truth = skry.simulate("moon", options).compute()
    return *stacked(truth, "anchors"), truth


def test_a_lunar_stack_is_straight_to_the_floor_that_the_capture_sets(
    lunar: tuple[Score, Score, dict[str, xr.Dataset], xr.Dataset],
) -> None:
    stack, frame = lunar[:2]
    assert stack.warp < stack.floor + 0.1
    assert stack.warp < 0.4 * frame.warp


def test_a_lunar_stack_has_less_noise_and_is_about_as_sharp_as_the_sharpest_fragments(
    lunar: tuple[Score, Score, dict[str, xr.Dataset], xr.Dataset],
) -> None:
    stack, frame = lunar[:2]
    assert stack.psnr > frame.psnr + 4
    assert stack.sigma < 1.35


def test_offsets_are_those_of_the_scene(
    lunar: tuple[Score, Score, dict[str, xr.Dataset], xr.Dataset],
) -> None:
    found, truth = lunar[2:]
    difference = found["align"]["offset"].to_numpy() - truth["offset"].to_numpy()
    difference -= difference.mean(axis=0)
    assert np.sqrt((difference**2).sum(axis=1).mean()) < 0.8


def test_quality_ranks_frames_as_the_true_blur_does(
    lunar: tuple[Score, Score, dict[str, xr.Dataset], xr.Dataset],
) -> None:
    found, truth = lunar[2:]
    quality = found["quality"]["frame_quality"].to_numpy()
    blur = truth["blur"].mean(("grid_y", "grid_x")).to_numpy()
    ranks = [np.argsort(np.argsort(values)) for values in (quality, -blur)]
    assert np.corrcoef(*ranks)[0, 1] > 0.95


def test_displacements_are_those_of_the_seeing(
    lunar: tuple[Score, Score, dict[str, xr.Dataset], xr.Dataset],
) -> None:
    found, truth = lunar[2:]
    points = found["track"]
    position = points["position"]
    drift = found["align"]["offset"].to_numpy() - truth["offset"].to_numpy()
    there = position.to_numpy() + drift.mean(axis=0)
    shift = truth["shift"] - truth["shift"].mean("frame")
    expected = shift.interp(grid_y=("point", there[:, 0]), grid_x=("point", there[:, 1])).transpose(
        "frame", "point", "axis"
    )
    measured = points["displacement"].to_numpy() + (drift - drift.mean(axis=0))[:, None]
    error = measured - expected.to_numpy()
    rms = np.sqrt((error**2).sum(axis=2).mean(axis=1))
    assert np.median(rms) < 0.5  # px, on frames of median blur


def test_a_planet_aligned_by_its_centroid_is_straighter_than_its_best_frame() -> None:
    options = skry.SimulateOptions(frames=100, height=240, width=260, seed=12)
    truth = skry.simulate("planet", options).compute()
    stack, frame, _ = stacked(truth, "centroid")
    assert stack.warp < 0.5 * frame.warp
    assert stack.psnr > frame.psnr + 4


def test_through_speckles_the_second_pass_shows_more_than_the_first_and_that_than_the_mean(
    tmp_path: Path,
) -> None:
    options = skry.SimulateOptions(
        seeing="optics", frames=32, height=200, width=220, seed=4, drift=(4, -6), jitter=0.3,
        diameter=0.5, wavelength=1100.0,
    )  # fmt: skip
    path = tmp_path / "moon.ser"
    truth = write_capture(path, skry.simulate("moon", options))
    still = truth["scene_dl"].to_numpy().astype(np.float64)
    second, first = (skry.run(path, quick=quick)["stack"] for quick in (False, True))
    alignment = skry.open_results(tmp_path / "moon.skry")["align"]
    corner = np.array([first["y"][0], first["x"][0]], float)
    height, width = first.shape
    frames = [
        frame[y : y + height, x : x + width]
        for frame, (y, x) in zip(
            skry.open_capture(path)["frames"].to_numpy(),
            np.rint(corner + alignment["offset"].to_numpy()).astype(int),
            strict=True,
        )
    ]
    two, one, mean = (
        ring_score(image, still, place_in(still, image))
        for image in (second.to_numpy(), first.to_numpy(), np.mean(frames, axis=0))
    )
    assert two.mean > one.mean + 0.03 > mean.mean + 0.13
    assert two.contrast > 1.05 * one.contrast > 1.5 * mean.contrast
    assert two.detail > one.detail + 0.5 > mean.detail + 1
