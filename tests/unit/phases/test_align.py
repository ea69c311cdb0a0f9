"""Align: where frames lie, which frames cannot be used, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

import skry_dask as skry
from skry_dask.errors import OptionsError, ReaderError
from skry_dask.phases.alignment import key_frames
from skry_dask.phases.alignment.frame_alignment import Reason
from tests.phase_results import ALIGN, run_phases
from tests.small_captures import capture_of, disc, drifting_frames, expose, noise_frame, texture

pytestmark = pytest.mark.usefixtures("one_thread")


def inactive(alignment):
    return np.flatnonzero(~alignment["active"]).tolist()


# --- offsets against the truth -------------------------------------------------------------------


def test_offsets_follow_the_simulated_drift(simulated, results):
    # Relative to the reference, which the air displaces too.
    error = results.alignment["offset"].to_numpy() - simulated["offset"].to_numpy()
    error -= error.mean(axis=0)
    assert np.sqrt((error**2).mean()) < 1.5


def test_a_planet_is_followed_by_its_centre_of_brightness():
    options = skry.SimulateOptions(
        frames=6, height=128, width=160, drift=(20, -30), warp=0.4, seed=4
    )
    planet = skry.simulate("planet", options).compute()
    capture = capture_of(planet["frames"].to_numpy(), bits=8)
    found = run_phases(capture, align=skry.AlignOptions(method="centroid"))
    error = found.alignment["offset"].to_numpy() - planet["offset"].to_numpy()
    assert np.abs(error - error.mean(axis=0)).max() < 0.5
    assert found.alignment["active"].all()
    assert found.stack["stack"].notnull().all()


def test_the_given_reference_is_used(moon12):
    alignment = skry.align(moon12, skry.AlignOptions(anchor_size=32, reference=7)).compute()
    assert int(alignment["reference"]) == 7
    np.testing.assert_allclose(alignment["offset"][7], 0, atol=0.01)


# --- frames that cannot be used ------------------------------------------------------------------


def test_frames_that_cannot_be_aligned_are_inactive_with_a_reason(spoiled_results, bad, good):
    alignment = spoiled_results.alignment
    assert inactive(alignment) == bad
    expected = [Reason.NOTHING_TO_SEE, Reason.NOT_RECOGNISED, Reason.NOTHING_TO_SEE]
    np.testing.assert_array_equal(alignment["reason"][bad], expected)
    assert (alignment["reason"][good] == Reason.ACTIVE).all()
    assert (alignment["agreement"][bad] < ALIGN.min_agreement).all()
    np.testing.assert_allclose(alignment["brightness"][[3, 11]], [0, 120 / 255], rtol=1e-6)


def test_attributes_name_the_reasons(spoiled_results):
    attrs = spoiled_results.alignment["reason"].attrs
    names = dict(zip(attrs["flag_values"], attrs["flag_meanings"].split(), strict=True))
    assert names[Reason.NOTHING_TO_SEE] == "nothing_to_see"
    assert len(names) == len(Reason)
    assert json.dumps(attrs)


def test_a_bad_first_frame_does_not_become_the_reference(simulated):
    frames = simulated["frames"].to_numpy().copy()
    frames[0] = 0
    alignment = skry.align(capture_of(frames), ALIGN).compute()
    assert inactive(alignment) == [0]
    assert int(alignment["reference"]) != 0


def test_a_key_frame_of_noise_does_not_become_the_reference(simulated, monkeypatch):
    monkeypatch.setattr(key_frames, "MAX_SPACING", 2)
    frames = simulated["frames"].to_numpy().copy()
    frames[4] = noise_frame(frames[4].shape)
    alignment = skry.align(capture_of(frames), ALIGN).compute()
    assert inactive(alignment) == [4]


def test_frames_that_the_decoder_calls_damaged_are_left_out_unless_most_are(moon12, results):
    best = int(results.alignment["reference"])
    for numbers, expected in (([best, 7], sorted([best, 7])), (list(range(7)), [])):
        damaged = np.isin(np.arange(12), numbers)
        capture = moon12.assign_coords(damaged=("frame", damaged))
        alignment = skry.align(capture, ALIGN).compute()
        assert inactive(alignment) == expected
        assert (alignment["reason"][expected] == Reason.DAMAGED).all()
        assert (int(alignment["reference"]) == best) == (not expected)


def torn(frame):
    """Shift slices of a frame to the side, each by another distance."""
    shifts = (30, -30, 60, -60)
    slices = np.array_split(frame, len(shifts))
    return np.concatenate([np.roll(s, x, 1) for x, s in zip(shifts, slices, strict=True)])


def half(frame):
    """Leave the lower half of a frame black."""
    return np.where(np.arange(len(frame))[:, None] < len(frame) / 2, frame, 0).astype(np.uint8)


def rolled(frame):
    """Put the upper third of a frame below the rest."""
    return np.roll(frame, -(len(frame) // 3), 0)


@pytest.mark.parametrize("spoil", [torn, half, rolled])
@pytest.mark.parametrize("scene", ["moon", "planet"])
def test_frames_that_are_unlike_most_others_are_inactive_and_never_the_reference(scene, spoil):
    light = texture(176, 224, 5, 3)
    if scene == "planet":
        light = disc((88, 112), radius=50, shape=(176, 224)) * (0.6 + 0.4 * light)
    shifts = np.random.default_rng(3).integers(-4, 5, (12, 2))
    frames = [
        expose(np.roll(ndimage.gaussian_filter(light, 1 + i % 4 / 2), shift, (0, 1)), i)
        for i, shift in enumerate(shifts)
    ]
    bad = [0, 4, 8]  # among the sharpest
    for i in bad:
        frames[i] = spoil(frames[i])
    alignment = skry.align(capture_of(frames), ALIGN).compute()
    assert inactive(alignment) == bad
    offset, reference = alignment["offset"].to_numpy(), int(alignment["reference"])
    good = alignment["active"].to_numpy()
    np.testing.assert_allclose(offset[good], (shifts - shifts[reference])[good], atol=0.5)


def test_a_frame_to_which_others_cannot_be_aligned_does_not_become_the_reference():
    frames = drifting_frames(np.random.default_rng(1).integers(-3, 4, (8, 2)))
    frames[2][::2] = 128  # the scene shows, but no block of it
    alignment = skry.align(capture_of(frames), ALIGN).compute()
    assert int(alignment["reference"]) != 2
    assert alignment["active"].sum() >= 7


def test_a_planet_cut_by_the_border_is_inactive_and_does_not_shrink_the_region():
    centres = [(48, 64), (50, 60), (5, 64), (47, 66)]
    frames = [expose(disc(centre, radius=20, shape=(96, 128))) for centre in centres]
    alignment = skry.align(capture_of(frames), skry.AlignOptions(method="centroid")).compute()
    reasons = [Reason.ACTIVE, Reason.ACTIVE, Reason.CUT_BY_BORDER, Reason.ACTIVE]
    np.testing.assert_array_equal(alignment["reason"], reasons)
    quality = skry.estimate_quality(capture_of(frames), alignment)
    assert quality.sizes["y"] >= 92
    assert quality.sizes["x"] >= 121


# --- captures and options that are refused -------------------------------------------------------


def test_frames_smaller_than_an_anchor_block_are_refused_with_a_remedy():
    capture = capture_of(np.zeros((2, 40, 60), np.uint8)).assign_attrs(source="tiny.ser")
    with pytest.raises(ReaderError, match=r"tiny\.ser: frames of 60 x 40 px.*--anchor-size"):
        skry.align(capture)
    skry.align(capture, skry.AlignOptions(method="centroid"))


@pytest.mark.parametrize("size", [64, 66])
def test_frames_hardly_larger_than_an_anchor_block_are_aligned_or_refused(size):
    light = texture(size, size + 40)
    capture = capture_of([expose(light, seed=i) for i in range(3)])
    try:
        alignment = skry.align(capture, skry.AlignOptions(anchor_size=64))
    except ReaderError as refusal:
        assert "--anchor-size" in str(refusal)  # noqa: PT017
    else:
        assert alignment["active"].all()


def test_a_capture_without_frames_is_refused():
    capture = capture_of(np.zeros((1, 80, 100), np.uint8)).isel(frame=slice(0))
    with pytest.raises(ReaderError, match="has no frames"):
        skry.align(capture)


def test_datasets_that_are_no_captures_are_refused_with_what_they_have():
    for dataset, message in (
        (xr.Dataset(), r"this one has none: use open_capture"),
        (xr.Dataset({"frames": (("y", "x"), np.zeros((2, 2), "u1"))}), r"\('y', 'x'\)"),
        (xr.Dataset({"frames": (("frame", "y", "x"), np.zeros((1, 2, 2)))}), "float64"),
    ):
        with pytest.raises(ReaderError, match=message):
            skry.align(dataset)


def test_a_reference_that_is_not_in_the_capture_is_refused_with_the_numbers_there_are(moon12):
    with pytest.raises(OptionsError, match=r"reference is 12: .*numbered 0 to 11"):
        skry.align(moon12, skry.AlignOptions(reference=12))


def test_anchors_outside_the_frame_are_refused_with_the_range(moon12):
    with pytest.raises(OptionsError, match=r"anchor \(10, 208\).*y must be below 160, x below 208"):
        skry.align(moon12, skry.AlignOptions(anchors=((5, 5), (10, 208))))


# --- large drifts --------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", [(0, 1), (1, 0), (1, -1), (-1, 0.5)])
def test_key_frames_follow_a_drift_of_one_and_a_half_frames(monkeypatch, direction):
    monkeypatch.setattr(key_frames, "MAX_SPACING", 5)
    size = np.array([96, 128])
    shifts = np.rint(np.linspace(0, 1.5, 41)[:, None] * size * direction).astype(int)
    capture = capture_of(drifting_frames(shifts), chunks=8)
    options = skry.AlignOptions(anchor_size=24, min_overlap=0.2)
    alignment = skry.align(capture, options).compute()
    offset = alignment["offset"].to_numpy()
    reference = int(alignment["reference"])
    np.testing.assert_allclose(offset, shifts - shifts[reference], atol=0.3)
    assert (alignment["agreement"] >= options.min_agreement).all()
    assert set(np.unique(alignment["reason"])) == {Reason.ACTIVE, Reason.TOO_LITTLE_OVERLAP}


@pytest.mark.parametrize(
    ("height", "width", "drift"), [(140, 277, (30, 50)), (172, 120, (6, -6)), (100, 190, (3, 8))]
)
def test_small_frames_are_followed_with_anchors_of_the_default_size(height, width, drift):
    # Two or three blocks fit in, and some of them leave the frame.
    options = skry.SimulateOptions(frames=9, height=height, width=width, drift=drift, seed=21)
    moon = skry.simulate("moon", options).compute()
    alignment = skry.align(moon.chunk(frame=4)).compute()
    assert (alignment["reason"] == Reason.ACTIVE).all()
    error = alignment["offset"].to_numpy() - moon["offset"].to_numpy()
    assert np.abs(error - error.mean(axis=0)).max() < 5


def test_a_larger_min_overlap_drops_the_farthest_frames():
    shifts = [(0, 0), (3, 2), (6, -54), (-2, 1), (1, 30), (0, -3)]
    capture = capture_of(drifting_frames(shifts))
    for min_overlap, active in (
        (0.2, [0, 1, 2, 3, 4, 5]),
        (0.6, [0, 1, 3, 4, 5]),
        (0.85, [0, 1, 3, 5]),
    ):
        options = skry.AlignOptions(anchor_size=24, min_overlap=min_overlap, reference=0)
        alignment = skry.align(capture, options).compute()
        np.testing.assert_allclose(alignment["offset"], shifts, atol=0.3)
        assert np.flatnonzero(alignment["active"]).tolist() == active
        dropped = alignment["reason"].to_numpy()[~alignment["active"].to_numpy()]
        assert (dropped == Reason.TOO_LITTLE_OVERLAP).all()
        quality = skry.estimate_quality(capture, alignment)
        assert quality.sizes["y"] * quality.sizes["x"] >= (min_overlap - 0.03) * 96 * 128
