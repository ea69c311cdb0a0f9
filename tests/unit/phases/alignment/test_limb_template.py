"""Limbs are aligned along and across where anything shows, and across only where nothing does."""

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.options import AlignMethod, AlignOptions
from skry_dask.phases.alignment.aligner import LIMB_SHARE
from skry_dask.phases.alignment.chosen_reference import ChosenReference
from skry_dask.phases.alignment.frame_alignment import Reason
from skry_dask.phases.alignment.limb_level import Gradients, levels_of
from skry_dask.phases.alignment.limb_template import LimbTemplate
from tests import limbs
from tests.small_captures import capture_of, noise_frame

OFFSETS = np.array([(0, 0), (0.4, -0.7), (-3.3, 2.6), (6.25, 9.5), (21.0, -30.5)])


def aligned(kind, offsets=OFFSETS, **options):
    frames = limbs.frames(kind, offsets, **options)
    template = LimbTemplate.of_frame(frames[0], 255, AlignOptions())
    return [template.align(frame) for frame in frames]


def errors(found, offsets=OFFSETS):
    off = np.array([one.offset for one in found]) - offsets
    return np.abs(off @ limbs.OUTWARD), np.abs(off @ limbs.ALONG)


@pytest.mark.parametrize("kind", ["textured", "corner", "prominence"])
@pytest.mark.parametrize("radius", [300.0, 3000.0])
def test_where_anything_shows_a_limb_is_aligned_to_a_tenth_of_a_pixel(kind, radius):
    found = aligned(kind, radius=radius)
    across, along = errors(found)
    assert across.max() < 0.1
    assert along.max() < 0.2
    assert np.sqrt((along**2).mean()) < 0.12
    assert not any(one.across_only for one in found)
    assert all(one.agreement > 0.9 for one in found)


@pytest.mark.parametrize("radius", [1500.0, 20000.0])
def test_a_blank_limb_is_aligned_across_and_says_so(radius):
    found = aligned("blank", radius=radius)
    across, _ = errors(found)
    # A drift along the limb by 30 px is a drift across it of 0.3 px where it is bent, or less.
    assert across[:4].max() < 0.1
    assert across.max() < 0.4
    assert all(one.across_only for one in found)
    assert all(one.reason is Reason.ACTIVE for one in found)


def test_frames_without_the_limb_are_not_recognised():
    frames = limbs.frames("textured", OFFSETS[:1])
    template = LimbTemplate.of_frame(frames[0], 255, AlignOptions())
    assert template.align(noise_frame(limbs.SHAPE)).agreement < 0.5
    blank = template.align(np.full(limbs.SHAPE, 20, np.uint8))
    assert blank.reason is Reason.NOTHING_TO_SEE


def test_16_bits_are_aligned_like_8():
    frames = limbs.frames("textured", OFFSETS)
    fine = LimbTemplate.of_frame(frames[0].astype(np.uint16) * 257, 65535, AlignOptions())
    coarse = LimbTemplate.of_frame(frames[0], 255, AlignOptions())
    for frame in frames:
        np.testing.assert_allclose(
            fine.align(frame.astype(np.uint16) * 257).offset, coarse.align(frame).offset, atol=0.02
        )


def test_limbs_are_told_from_other_scenes(moon):
    options = skry.SimulateOptions(frames=1, height=180, width=240)
    sun = skry.simulate("sun", options).compute()

    def share(frame):
        (level,) = levels_of(frame, 1)
        return Gradients.of(*level).one_direction_share()

    for kind in ("textured", "blank", "corner", "prominence"):
        assert share(limbs.frames(kind, OFFSETS[:1])[0]) > LIMB_SHARE
    for capture in (moon, sun):
        assert share(capture["frames"].to_numpy()[0]) < 0.9 * LIMB_SHARE


@pytest.mark.parametrize("kind", ["textured", "blank"])
def test_a_drift_far_along_a_limb_is_followed_by_default(kind):
    # Key frames lead from the first to the last, which hardly overlap.
    steps = np.linspace(-0.5, 0.5, 8)[:, None] * 130 * limbs.ALONG
    capture = capture_of(limbs.frames(kind, steps))
    options = AlignOptions(min_overlap=0.1)
    found = skry.align(capture, options).compute()
    reference = skry.choose_reference(capture, options)
    assert ChosenReference.of(reference).method is AlignMethod.LIMB
    assert found["active"].all()
    np.testing.assert_array_equal(found["across_only"], kind == "blank")
    off = found["offset"].to_numpy() - steps
    off -= off.mean(axis=0)
    if kind == "textured":
        assert np.abs(off).max() < 0.3
