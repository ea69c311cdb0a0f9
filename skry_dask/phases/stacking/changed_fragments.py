"""Which fragments differ between two selections, and what it costs to add and subtract them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, BoolArray

FRAME_NS, FRAGMENT_NS, CALL_NS = 0.4, 1.6, 3e5
"""What it takes to read a frame and to place its fragments, ns per pixel of the frame; to add a
fragment, ns per pixel of an image; and to call for consecutive frames, ns."""

CALL_BYTES = 2**20
"""Frames between others are read along if they have fewer bytes: that takes less than a call."""


def runs_of(changed: BoolArray, most_between: int) -> list[slice]:
    """Find runs of consecutive frames that contain all changed ones.

    Parameters
    ----------
    changed
        bool (frame).
    most_between
        Number of unchanged frames up to which two runs are one.

    Examples
    --------
    >>> changed = np.array([True, False, True, True, False, False, False, True])
    >>> runs_of(changed, 1)
    [slice(0, 4, None), slice(7, 8, None)]
    """
    at = np.flatnonzero(changed)
    if not len(at):
        return []
    ends = np.flatnonzero(np.diff(at) > most_between + 1)
    first, last = at[np.concatenate([[0], ends + 1])], at[np.concatenate([ends, [len(at) - 1]])]
    return [slice(a, b + 1) for a, b in zip(first.tolist(), last.tolist(), strict=True)]


def cost_of(selection: AnyArray, frame_pixels: int, fragment_pixels: float, n_chunk: int) -> float:
    """Estimate what adding or subtracting fragments takes, ns.

    Parameters
    ----------
    selection
        uint8 (frame, selection, byte), see `pack_selection`.
    frame_pixels
        Number of pixels of a frame.
    fragment_pixels
        Mean number of pixels of a fragment, in all images that are made of it.
    n_chunk
        Number of frames that are read at once in a pass over all of them; 0 = no matter.
    """
    changed = np.asarray(selection.any(axis=(1, 2)))
    n_calls = len(changed) / n_chunk if n_chunk else 0
    n_fragments = int(np.bitwise_count(selection).sum())
    return (
        int(changed.sum()) * frame_pixels * FRAME_NS
        + n_fragments * fragment_pixels * FRAGMENT_NS
        + n_calls * CALL_NS
    )
