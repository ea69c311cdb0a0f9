"""Which fragments differ between two selections, and what it costs to add and subtract them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, BoolArray

FRAME_NS, FRAGMENT_NS, CALL_NS = 0.4, 1.6, 2e5
"""What it takes to read a frame and to place its fragments, ns per pixel of the frame; to add a
fragment, ns per pixel of an image; and to call for consecutive frames, ns."""


def runs_of(changed: BoolArray) -> list[slice]:
    """Find the runs of consecutive frames that have changed.

    Parameters
    ----------
    changed
        bool (frame).

    Examples
    --------
    >>> runs_of(np.array([True, False, True, True]))
    [slice(0, 1, None), slice(2, 4, None)]
    """
    step = np.diff(np.concatenate([[False], changed, [False]]).astype(np.int8))
    first, end = np.flatnonzero(step == 1), np.flatnonzero(step == -1)
    return [slice(*ends) for ends in zip(first.tolist(), end.tolist(), strict=True)]


def cost_of(
    selection: AnyArray, frame_pixels: int, fragment_pixels: float, *, one_by_one: bool
) -> float:
    """Estimate what adding or subtracting fragments takes, ns.

    Parameters
    ----------
    selection
        uint8 (frame, selection, byte), see `pack_selection`.
    frame_pixels
        Number of pixels of a frame.
    fragment_pixels
        Mean number of pixels of a fragment, in all images that are made of it.
    one_by_one
        Whether each run of consecutive frames takes a call, or frames are read in chunks.
    """
    changed = np.asarray(selection.any(axis=(1, 2)))
    n_fragments = int(np.bitwise_count(selection).sum())
    return (
        int(changed.sum()) * frame_pixels * FRAME_NS
        + n_fragments * fragment_pixels * FRAGMENT_NS
        + one_by_one * len(runs_of(changed)) * CALL_NS
    )
