"""Captures that are hard to align end in a good stack or in a clear message."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

import skry_dask as skry
from skry_dask.errors import OptionsError
from skry_dask.io.raw.ser import write_ser
from skry_dask.phases.alignment.frame_alignment import Reason
from tests import hard_captures as hard
from tests.scoring import score

if TYPE_CHECKING:
    from pathlib import Path


class Outcome(NamedTuple):
    """Results of a job."""

    stack: xr.Dataset
    alignment: xr.Dataset
    notes: list[str]
    points: int

    @property
    def active(self) -> np.ndarray:
        return self.alignment["active"].to_numpy()

    @property
    def reasons(self) -> list[Reason]:
        return [Reason(int(r)) for r in self.alignment["reason"].to_numpy()]


def run(capture: hard.HardCapture, folder: Path, **options: object) -> Outcome:
    """Run the whole job on a capture, as a user would."""
    path, store = folder / "hard.ser", folder / "hard.skry"
    n_frames, height, width = capture.frames.shape
    write_ser(path, capture.frames, n_frames=n_frames, height=height, width=width, bits=8)
    result = skry.run(path, store=store, **options)
    summary = result.attrs["summary"]
    alignment = skry.open_results(store)["align"]
    assert np.isfinite(result["stack"].to_numpy()[result["count"].to_numpy() > 0]).all()
    assert options.get("canvas") == "union" or (result["count"] > 0).all()
    return Outcome(result, alignment.load(), summary["notes"], summary["points"])


def error(capture: hard.HardCapture, outcome: Outcome) -> float:
    return capture.error(outcome.alignment["offset"].to_numpy(), outcome.active)


def detail(image: np.ndarray) -> float:
    return float(np.abs(image - ndimage.gaussian_filter(image, 2))[8:-8, 8:-8].mean())


def sharper_than_a_mean(capture: hard.HardCapture, outcome: Outcome) -> bool:
    """Whether the stack has more detail than the mean of the active frames, truly aligned."""
    y, x = outcome.stack["y"].to_numpy(), outcome.stack["x"].to_numpy()
    offset = outcome.alignment["offset"].to_numpy()
    cuts = []
    for i in np.flatnonzero(outcome.active):
        top, left = np.rint(offset[i] + [y[0], x[0]]).astype(int).clip(0)
        cuts.append(capture.frames[i, top : top + len(y), left : left + len(x)])
    shape = np.min([cut.shape for cut in cuts], axis=0)
    mean = np.mean([cut[: shape[0], : shape[1]] for cut in cuts], axis=0) / 255
    return detail(outcome.stack["stack"].to_numpy()) > detail(mean)


# --- where the scene goes ------------------------------------------------------------------------


def test_a_drift_of_several_frames_is_followed_and_what_overlaps_is_stacked(tmp_path: Path) -> None:
    capture = hard.drifting()
    outcome = run(capture, tmp_path)
    # Key frames, each aligned with the one before it, lead to every frame.
    everywhere = np.ones(48, bool)
    assert set(outcome.reasons) == {Reason.ACTIVE, Reason.TOO_LITTLE_OVERLAP}
    assert capture.error(outcome.alignment["offset"].to_numpy(), everywhere) < 4
    assert outcome.active.sum() >= 10
    assert outcome.stack["stack"].shape[1] >= 0.4 * hard.SHAPE[1]
    assert sharper_than_a_mean(capture, outcome)
    assert any("too little overlap" in note for note in outcome.notes)


def test_a_drift_of_several_frames_becomes_a_mosaic(tmp_path: Path) -> None:
    capture = hard.drifting()
    outcome = run(capture, tmp_path, canvas="union")
    assert outcome.active.all()
    assert outcome.notes == []
    assert (outcome.stack["fragments"] > 0).all()
    shape = outcome.stack["stack"].shape
    assert shape[1] > 3.4 * hard.SHAPE[1]
    # Points are all over it, and it is as good in each field.
    assert outcome.points > 0.6 * shape[0] * shape[1] / 24**2
    y, x = (outcome.stack[axis].to_numpy() for axis in ("y", "x"))
    place = capture.offset[int(outcome.alignment["reference"])]
    image = outcome.stack["stack"].to_numpy()
    truth = hard.simulated("moon", 48, 210, 860)
    for left in range(120, 560, 200):
        tile = image[10:-10, left : left + 240]
        assert np.isfinite(tile).all()
        found = score(tile, truth, [y[10], x[left]] - place)
        # The same 19 frames without drift have 1.4 to 1.8 px, and 0.4 to 1.0 px.
        assert found.sigma < 2.2
        assert found.warp < 1.1


def test_a_jump_is_followed(tmp_path: Path) -> None:
    capture = hard.jumping(60)
    outcome = run(capture, tmp_path)
    assert outcome.active.all()
    assert error(capture, outcome) < 0.6
    assert sharper_than_a_mean(capture, outcome)


def test_what_lies_beyond_a_jump_out_of_view_is_left_out_and_counted(tmp_path: Path) -> None:
    capture = hard.jumping(400)
    outcome = run(capture, tmp_path)
    np.testing.assert_array_equal(outcome.active, np.arange(48) < 32)
    assert set(outcome.reasons[32:]) == {Reason.NOT_RECOGNISED}
    assert outcome.notes == ["16 frames are left out: 16 not recognised"]
    assert error(capture, outcome) < 0.2


def test_repeated_frames_lie_on_each_other(tmp_path: Path) -> None:
    capture = hard.pause()
    outcome = run(capture, tmp_path)
    assert outcome.active.all()
    offset = outcome.alignment["offset"].to_numpy()
    assert (offset[13:27] == offset[13]).all()
    assert error(capture, outcome) < 0.2


def test_rest_and_a_break_in_the_recording_are_followed(tmp_path: Path) -> None:
    capture = hard.interrupted()
    outcome = run(capture, tmp_path)
    assert set(outcome.reasons) == {Reason.ACTIVE, Reason.TOO_LITTLE_OVERLAP}
    assert outcome.active.sum() >= 40
    assert capture.error(outcome.alignment["offset"].to_numpy(), np.ones(48, bool)) < 0.8
    assert sharper_than_a_mean(capture, outcome)


def test_gusts_are_followed(tmp_path: Path) -> None:
    capture = hard.gusts()
    outcome = run(capture, tmp_path)
    # Frames in which a band of the view was shifted are left out.
    torn = np.arange(4, 40, 9)
    assert (np.array(outcome.reasons)[torn] == Reason.UNLIKE).mean() > 0.7
    assert outcome.active[np.delete(np.arange(40), torn)].all()
    assert error(capture, outcome) < 0.7
    assert sharper_than_a_mean(capture, outcome)
    # The rest of them agrees, and is said to be how much.
    agreement = outcome.alignment["agreement"].to_numpy()
    assert agreement[torn].max() < np.delete(agreement, torn).min()


# --- what hides the scene ------------------------------------------------------------------------


def test_frames_lost_in_cloud_are_left_out_and_dim_ones_aligned(tmp_path: Path) -> None:
    capture = hard.clouds()
    outcome = run(capture, tmp_path)
    np.testing.assert_array_equal(outcome.active, capture.usable)
    assert {outcome.reasons[i] for i in hard.CLOUDED} == {Reason.NOTHING_TO_SEE}
    assert outcome.notes == [
        "8 frames are left out: 8 nothing to see",
        # Scattered light on a scene of less contrast: its dark places are too bright.
        "something hides part of the scene, and is left out there: frame 28",
    ]
    assert error(capture, outcome) < 0.2
    assert (outcome.stack["fragments"].to_numpy()[~capture.usable] == 0).all()


def test_overexposed_frames_are_named_with_the_remedy(tmp_path: Path) -> None:
    capture = hard.overexposed()
    outcome = run(capture, tmp_path)
    assert error(capture, outcome) < 1.0
    # Those that are white all over show nothing of what others show.
    assert outcome.notes == [
        "2 frames are left out: 2 unlike",
        "unlike the others in much of what they show, so torn, rolled or hidden: frame 16,30",
        "1 frame is over 2 times as bright as most: evened out, --exclude 5 leaves it out",
    ]
    exclude = ",".join(map(str, hard.OVEREXPOSED))
    without = run(capture, tmp_path, exclude=exclude)
    assert without.notes == []
    # The third is not white, and neither outweighs the others nor makes the stack brighter.
    bright = float(outcome.stack["stack"].mean())
    assert abs(float(without.stack["stack"].mean()) / bright - 1) < 0.02


def test_every_decision_is_in_the_stored_datasets(tmp_path: Path) -> None:
    capture = hard.clouds()
    run(capture, tmp_path)
    stored = {
        phase: xr.open_zarr(next(tmp_path.glob(f"hard.skry/{phase}/*/")), consolidated=False)
        for phase in ("align", "quality", "track", "stack")
    }
    align, track, stack = (stored[phase].load() for phase in ("align", "track", "stack"))
    # Per frame: how sure its place is, and why it was dropped.
    reasons = align["reason"].attrs["flag_meanings"].split()
    why = [reasons[i] for i in align["reason"].to_numpy()]
    assert [i for i, word in enumerate(why) if word == "nothing_to_see"] == list(hard.CLOUDED)
    sure = align["confidence"].to_numpy()[capture.usable]
    assert sure.min() > 0.4
    assert np.median(sure) > 0.75
    # Per point: how often it was measured; and where the air had moved it in each frame.
    used = track["valid"].to_numpy()[capture.usable]
    np.testing.assert_allclose(track["valid_fraction"], used.mean(axis=0))
    truth = hard.simulated("moon")
    y, x = track["position"].T
    shift = truth["shift"].interp(grid_y=y, grid_x=x).transpose("frame", "point", "axis")
    true = (truth["offset"] + shift).transpose("frame", "point", "axis").to_numpy()
    moved = (align["offset"] + track["displacement"]).transpose("frame", "point", "axis").to_numpy()
    off = (moved - true)[capture.usable]
    off -= off.mean(axis=0)
    # A fraction of the seeing's 2.2 px, in frames of a quarter of the light too.
    assert np.sqrt((off**2).sum(axis=-1).mean(axis=1)).max() < 0.6
    # Per pixel: how many frames; per frame: how many fragments.
    assert stack["count"].min() >= 1
    assert (stack["fragments"].to_numpy()[capture.usable] > 0).any()
    assert stored["quality"]["best_frame"].isin(np.flatnonzero(capture.usable)).all()


def test_vignetting_and_gradients_do_not_hold_the_scene(tmp_path: Path) -> None:
    capture = hard.uneven_light()
    outcome = run(capture, tmp_path)
    assert outcome.active.all()
    # The seeing of the region that stays visible; without levelling the light it was 1.6 px.
    assert error(capture, outcome) < 0.6


@pytest.mark.parametrize(("read_noise", "limit"), [(20, 0.3), (40, 0.5), (64, 3.0)])
def test_strong_noise_is_averaged_away(tmp_path: Path, read_noise: float, limit: float) -> None:
    capture = hard.noisy("moon", read_noise)
    outcome = run(capture, tmp_path, percent=100)
    assert outcome.active.all()
    assert error(capture, outcome) < limit
    y, x = (outcome.stack[axis].to_numpy() for axis in ("y", "x"))
    truth = hard.simulated("moon", 60, photons=100, read_noise=read_noise)
    at = tuple(int(v) + truth.attrs["margin"] for v in (y[0], x[0]))
    scene = truth["scene"].to_numpy()[at[0] : at[0] + len(y), at[1] : at[1] + len(x)]
    image = outcome.stack["stack"].to_numpy()
    reference = int(outcome.alignment["reference"])
    frame = capture.frames[reference, y[0] : y[-1] + 1, x[0] : x[-1] + 1]
    correlation = [np.corrcoef(scene.ravel(), i.ravel())[0, 1] for i in (image, frame)]
    assert correlation[0] > 1.2 * correlation[1]


# --- objects on a dark sky -----------------------------------------------------------------------


@pytest.mark.parametrize("n_cut", [16, 32])
def test_a_planet_cut_by_the_border_is_neither_reference_nor_active(
    tmp_path: Path, n_cut: int
) -> None:
    capture = hard.leaving(n_cut)
    outcome = run(capture, tmp_path, quick=True)
    np.testing.assert_array_equal(outcome.active, capture.usable)
    assert int(outcome.alignment["reference"]) < 40 - n_cut
    assert set(outcome.reasons[40 - n_cut :]) == {Reason.CUT_BY_BORDER}
    assert outcome.notes == [f"{n_cut} frames are left out: {n_cut} cut by border"]
    assert error(capture, outcome) < 1.0


def test_a_moon_beside_the_planet_does_not_pull(tmp_path: Path) -> None:
    capture = hard.moon_beside_planet()
    outcome = run(capture, tmp_path)
    assert outcome.active.all()
    assert error(capture, outcome) < 1.0


def test_a_faint_disc_is_aligned_as_a_whole_and_that_is_said(tmp_path: Path) -> None:
    capture = hard.faint_disc()
    outcome = run(capture, tmp_path)
    assert outcome.active.all()
    assert error(capture, outcome) < 0.7
    assert outcome.points == 0
    assert any("aligned as a whole" in note for note in outcome.notes)
    # The drift of 45 x 65 px is taken out: the disc is as narrow as in a frame.
    image = outcome.stack["stack"].to_numpy() * 255 - 12
    width = np.sqrt((image > image.max() / 2).sum() / np.pi)
    assert 12 < width < 26


def test_a_noisy_planet_is_followed_by_its_centre(tmp_path: Path) -> None:
    capture = hard.noisy("planet", 40)
    outcome = run(capture, tmp_path)
    assert outcome.active.all()
    assert error(capture, outcome) < 1.0


def test_a_bright_limb_and_nothing_else_is_aligned_across_and_that_is_said(tmp_path: Path) -> None:
    capture = hard.bright_limb(2000)
    outcome = run(capture, tmp_path, table=True, output=tmp_path / "hard.png")
    assert outcome.active.all()
    # The limb runs down the frames: across is along x.
    across = (outcome.alignment["offset"].to_numpy() - capture.offset)[:, 1]
    assert across.std() < 0.1
    assert outcome.notes[0].startswith("30 frames are aligned across the limb only: ")
    with (tmp_path / "hard_frames.csv").open() as table:
        assert {row["across_only"] for row in csv.DictReader(table)} == {"1"}


def test_a_strongly_bent_limb_is_aligned(tmp_path: Path) -> None:
    capture = hard.bright_limb(90)
    outcome = run(capture, tmp_path)
    assert outcome.active.all()
    assert error(capture, outcome) < 1.0


# --- options that are refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"anchors": ((5, 5), (10, 240))},
            r"anchor \(10, 240\).*y must be below 200, x below 240",
        ),
        ({"anchors": ((-1, 5),)}, r"anchor \(-1, 5\) lies outside"),
        ({"anchor_size": 15}, r"anchor_size is 15: it must be from 16 to 128"),
        ({"anchor_size": 33}, r"anchor_size is 33: it must be even"),
        ({"reference": 40}, r"reference is 40: .*numbered 0 to 39"),
        ({"min_agreement": 1.5}, r"min_agreement is 1\.5: it must be from 0 to 1"),
        ({"min_overlap": 0.0}, r"min_overlap is 0\.0: it must be from 0\.01 to 1"),
        ({"method": "comet"}, r"method is 'comet': choose one of auto, anchors, centroid, disc"),
    ],
)
def test_options_out_of_range_are_refused_with_value_and_range(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionsError, match=message):
        run(hard.pause(), tmp_path, **options)
