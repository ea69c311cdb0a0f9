"""Choices of single frames, as the text that the option ``exclude`` has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, IntArray


def exclusion_text(numbers: IntArray, excluded: BoolArray) -> str | None:
    """Write which frames are excluded.

    Parameters
    ----------
    numbers
        int64 (frame), increasing: numbers of the frames.
    excluded
        bool (frame).

    Returns
    -------
    Numbers and ranges, such as "17,40:52", of which `named_frames` finds the same frames; None if
    there are none.

    Examples
    --------
    >>> exclusion_text(np.arange(8), np.isin(np.arange(8), [1, 4, 5, 6]))
    '1,4:7'
    """
    at = np.flatnonzero(excluded)
    if not len(at):
        return None
    runs = np.split(at, np.flatnonzero(np.diff(at) != 1) + 1)
    words = []
    for run in runs:
        first, last = int(numbers[run[0]]), int(numbers[run[-1]])
        words.append(f"{first}" if len(run) == 1 else f"{first}:{last + 1}")
    return ",".join(words)
