"""Key frames: where they lie, which becomes the reference, and how they are chained."""

import numpy as np
import pytest

from skry_dask.phases.alignment.frame_alignment import FrameAlignment, Reason
from skry_dask.phases.alignment.key_frames import (
    MAX_CANDIDATES,
    MAX_SPACING,
    KeyAlignment,
    Survey,
    chain_key_frames,
    key_frame_indices,
    nearest_key_frames,
    rank_references,
    reference_candidates,
)
from tests.small_captures import noise_frame, texture

N_FRAMES = (1, 2, 15, 16, 63, 64, 200, 5000)


def test_key_frames_lie_evenly_from_the_first_on_and_near_every_frame():
    for n_frames in N_FRAMES:
        indices = key_frame_indices(n_frames)
        assert indices[0] == 0
        assert len(indices) >= min(n_frames, 16)
        assert len(set(np.diff(indices))) <= 1
        assert np.diff([*indices, n_frames]).max() <= MAX_SPACING


def test_every_frame_knows_its_nearest_key_frame():
    for indices in (np.array([0, 10, 20]), np.array([0, 3, 64, 128]), np.array([0])):
        nearest = nearest_key_frames(indices, 140)
        distance = np.abs(np.arange(140)[:, None] - indices)
        chosen = distance[np.arange(140), nearest]
        np.testing.assert_array_equal(chosen, distance.min(axis=1))


def test_candidates_for_the_reference_are_few_and_cover_the_capture():
    for n_key_frames in (1, 7, 16, 90):
        candidates = reference_candidates(n_key_frames)
        assert len(candidates) == min(n_key_frames, MAX_CANDIDATES)
        assert candidates[0] == 0
        assert candidates[-1] == n_key_frames - 1


def test_the_reference_has_most_detail_of_those_that_show_what_others_show():
    scene, other = (texture(80, 100, seed).astype(np.float32) for seed in (1, 2))
    noise = noise_frame((80, 100)).astype(np.float32)
    surveys = [
        Survey(scene, 5.0),
        Survey(noise, 90.0),
        Survey(np.roll(scene, (7, 9), axis=(0, 1)), 6.0),
        Survey(other, 50.0),
        Survey(scene, 0.0),
        Survey(scene, 4.0),
    ]
    assert rank_references(surveys, 4, np.arange(0, 60, 10)) == [20, 0, 50]
    assert rank_references(surveys[4:5], 4, np.array([3])) == [3]
    assert rank_references(surveys[3:4], 4, np.array([3])) == [3]


def sure(y, x):
    return FrameAlignment((y, x), 0.9, error=0.3)


LOST = FrameAlignment((0.0, 0.0), 0.0, Reason.NOT_RECOGNISED)


def test_key_frames_that_do_not_see_the_reference_are_chained_through_their_neighbours():
    keys = [
        KeyAlignment(sure(0, 0)),
        KeyAlignment(sure(1, 40)),
        KeyAlignment(LOST, previous=sure(-1, -50), following=sure(2, 60)),
        KeyAlignment(LOST, previous=sure(-2, -60), following=None),
    ]
    aligned = chain_key_frames(0, keys, 0.5)
    assert [a.offset for a in aligned] == [(0, 0), (1, 40), (2, 90), (4, 150)]
    assert all(a.agreement >= 0.5 for a in aligned)
    # Errors of links add up.
    np.testing.assert_allclose([a.error for a in aligned], 0.3 * np.sqrt([0, 1, 2, 3]))
    backward = [KeyAlignment(a.direct, a.following, a.previous) for a in keys[::-1]]
    mirrored = chain_key_frames(3, backward, 0.5)
    assert [a.offset for a in mirrored] == [(4, 150), (2, 90), (1, 40), (0, 0)]


@pytest.mark.parametrize("link", [None, LOST])
def test_without_a_sure_link_a_key_frame_stays_lost(link):
    keys = [KeyAlignment(sure(0, 0)), KeyAlignment(LOST, previous=link)]
    assert chain_key_frames(0, keys, 0.5)[1] == LOST
