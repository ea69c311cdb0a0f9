"""Frames whose rows are shifted are found; air, noise, compression and bad rows tear nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

import skry_dask as skry
from skry_dask.phases.alignment.frame_alignment import Reason
from skry_dask.phases.alignment.tears import tears_of, torn_frames
from tests.small_captures import capture_of, disc, expose, texture

if TYPE_CHECKING:
    from collections.abc import Callable

    from skry_dask.types import AnyArray, FloatArray

N, TORN = 24, (0, 6, 13)
SCENES = {
    "surface": texture(120, 160, scale=3),
    "planet": disc((60, 80), radius=30, shape=(120, 160)),
    "small planet": disc((60, 80), radius=9, shape=(120, 160)),
}


def video(scene: FloatArray, *, noise: float = 1.5, white: int = 255) -> AnyArray:
    """Frames of a scene that moves, with blur that changes."""
    rng = np.random.default_rng(1)
    frames = []
    for seed in range(N):
        blurred = ndimage.gaussian_filter(scene, rng.uniform(0.8, 2.5))
        moved = ndimage.shift(blurred, rng.uniform(-4, 4, 2), order=1, mode="nearest")
        frames.append(expose(moved, seed, noise=noise, white=white))
    return np.array(frames)


def shifted_below(frame: AnyArray, shift: int) -> AnyArray:
    """Shift what is below the middle of the light."""
    light = np.clip(frame - np.percentile(frame, 60), 0, None).sum(axis=1)
    row = int(np.average(np.arange(len(frame)), weights=light))
    torn = frame.copy()
    torn[row:] = np.roll(frame[row:], shift, axis=1)
    return torn


def comb(frame: AnyArray) -> AnyArray:
    """Shift every other row."""
    torn = frame.copy()
    torn[::2] = np.roll(frame[::2], 4, axis=1)
    return torn


DAMAGES: dict[str, Callable[[AnyArray], AnyArray]] = {
    "3 px": lambda frame: shifted_below(frame, 3),
    "6 px": lambda frame: shifted_below(frame, -6),
    "40 px": lambda frame: shifted_below(frame, 40),
    "comb": comb,
}


def test_torn_frames_are_told_from_sound_ones() -> None:
    active = np.ones(N, bool)
    for name, scene in SCENES.items():
        for white in (255, 4095):
            sound = video(scene, white=white)
            assert not torn_frames(tears_of(sound), active).any(), name
            for damage, tear in DAMAGES.items():
                frames = sound.copy()
                for i in TORN:
                    frames[i] = tear(frames[i])
                torn = torn_frames(tears_of(frames), active)
                assert np.flatnonzero(torn).tolist() == list(TORN), (name, damage)


def test_what_all_frames_have_is_no_tear() -> None:
    active = np.ones(N, bool)
    blocks, bad_rows, noisy, all_torn = (video(SCENES["surface"], noise=n) for n in (1, 1, 20, 1))
    blocks = np.repeat(blocks[:, ::8], 8, axis=1)
    bad_rows[:, [30, 77]] = 255
    all_torn = np.array([comb(frame) for frame in all_torn])
    for frames in (blocks, bad_rows, noisy, all_torn, np.zeros_like(noisy)):
        assert not torn_frames(tears_of(frames), active).any()


def test_torn_frames_are_left_out_and_never_the_reference() -> None:
    for name, scene in SCENES.items():
        frames = video(scene)
        for i in TORN:
            frames[i] = shifted_below(frames[i], 4)
        alignment = skry.align(capture_of(frames)).load()
        unlike = np.flatnonzero(alignment["reason"] == Reason.UNLIKE)
        assert unlike.tolist() == list(TORN), name
        assert int(alignment["reference"]) not in TORN
        assert (alignment["tear"].to_numpy()[list(TORN)] > 2).all()
