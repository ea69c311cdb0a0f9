"""Key frames: evenly spaced frames, one of which becomes the reference.

Their places do not depend on chunks, so neither does the result. Key frames are read again for each
purpose, rather than kept in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.phases.alignment.frame_alignment import FrameAlignment
from skry_dask.phases.alignment.likeness import shared_view
from skry_dask.phases.alignment.tears import torn_frames
from skry_dask.phases.alignment.thumbnails import MIN_CORRELATION, coarse_shifts, spectrum

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, IntArray

MAX_SPACING = 64
"""Largest number of frames from one key frame to the next."""

MIN_KEY_FRAMES = 16
"""Least number of key frames; a capture with fewer frames has a key frame at every frame."""

MIN_SHARED = 0.9
"""Share of its view that the reference has in common with the others, at least, relative to the
candidate that has most in common."""

MAX_CANDIDATES = 16
"""Largest number of key frames, evenly spaced, among which the reference is chosen."""


class Survey(NamedTuple):
    """What a key frame shows.

    Parameters
    ----------
    thumbnail
        float32 (y, x).
    detail
        How much detail the frame has; 0 where it cannot be the reference.
    on_dark_sky
        Whether it shows an object on a dark sky.
    cut_by_border
        Whether that object is cut by the frame's border.
    one_direction_share
        Share of the frame's gradients that have one direction at each place, 0 to 1; NaN where
        there are none.
    tear
        Greatest shift of its rows against those above, px; see `tears`.
    """

    thumbnail: Float32Array
    detail: float
    on_dark_sky: bool = False
    cut_by_border: bool = False
    one_direction_share: float = 0.0
    tear: float = 0.0


class KeyAlignment(NamedTuple):
    """The alignment of a key frame.

    Parameters
    ----------
    direct
        Against the reference.
    previous, following
        Alignment of the neighbouring key frames against this one, where too little of
        it agrees with the reference.
    """

    direct: FrameAlignment
    previous: FrameAlignment | None = None
    following: FrameAlignment | None = None


def key_frame_indices(n_frames: int) -> IntArray:
    """Choose the key frames of a capture: int64 (key frame), ascending, evenly spaced from 0."""
    spacing = min(MAX_SPACING, max(1, n_frames // MIN_KEY_FRAMES))
    return np.arange(0, n_frames, spacing)


def nearest_key_frames(indices: IntArray, n_frames: int) -> IntArray:
    """Find the key frame nearest to each frame.

    Parameters
    ----------
    indices
        int64 (key frame), ascending.
    n_frames
        Number of frames.

    Returns
    -------
    int64 (frame), a position among the key frames.
    """
    halfway = (indices[:-1] + indices[1:]) / 2
    return np.searchsorted(halfway, np.arange(n_frames))


def reference_candidates(n_key_frames: int) -> IntArray:
    """Choose the key frames among which the reference is chosen: int64 (candidate), positions."""
    evenly = np.linspace(0, n_key_frames - 1, MAX_CANDIDATES)
    return np.unique(evenly.round().astype(int))


def rank_references(surveys: list[Survey], factor: int, candidates: IntArray) -> list[int]:
    """Rank the key frames that show the scene others show too by their detail.

    Noise and clouds have detail of their own, but nothing in common with other frames; torn frames
    have some of it in common.

    Parameters
    ----------
    surveys
        Of the candidates.
    factor
        By which thumbnails are shrunk.
    candidates
        int64 (candidate), their positions among the key frames.

    Returns
    -------
    Positions among the key frames, at least one, that with most detail first.
    """
    shown = np.array([survey.detail > 0 for survey in surveys])
    torn = torn_frames(np.array([survey.tear for survey in surveys], np.float32), shown)
    usable = np.flatnonzero(shown & ~torn).tolist() or [0]
    thumbnails = np.stack([surveys[i].thumbnail for i in usable])
    spectra = spectrum(thumbnails)
    shifts = np.zeros((len(usable), len(usable), 2), np.int64)
    n_same = np.zeros(len(usable))
    for n in range(1, len(usable)):
        of_others, correlation = coarse_shifts(
            thumbnails[n], spectra[n], thumbnails[:n], spectra[:n]
        )
        shifts[n, :n], shifts[:n, n] = of_others, -of_others
        same = correlation >= MIN_CORRELATION
        n_same[:n] += same
        n_same[n] += same.sum()
    alike = np.flatnonzero(2 * n_same >= n_same.max())
    shared = shared_view(thumbnails[alike], factor, shifts[np.ix_(alike, alike)])
    sound = alike[shared >= MIN_SHARED * shared.max()]
    ranked = sorted((usable[i] for i in sound), key=lambda i: -surveys[i].detail)
    return [int(candidates[i]) for i in ranked]


def chain_key_frames(
    reference: int, keys: list[KeyAlignment], min_agreement: float
) -> list[FrameAlignment]:
    """Align key frames against the reference: directly, or through their neighbours.

    Parameters
    ----------
    reference
        Position of the reference among the key frames.
    keys
        Alignment of each key frame.
    min_agreement
        Alignments below it are replaced by those through a neighbour, and never used as a link.

    Returns
    -------
    The alignment of each key frame.
    """
    aligned = [key.direct for key in keys]
    aligned[reference] = FrameAlignment((0.0, 0.0), 1.0, error=0.0)
    forward = [(i, i - 1, keys[i].previous) for i in range(1, len(keys))]
    backward = [(i, i + 1, keys[i].following) for i in range(len(keys) - 2, -1, -1)]
    for i, neighbour, link in forward + backward:
        known = aligned[neighbour]
        if link is None or min(link.agreement, known.agreement) < min_agreement:
            continue
        if aligned[i].agreement < min_agreement:
            aligned[i] = known.minus(link)
    return aligned
