"""Which frames are best, column by column of a table of quality.

A table has a row for each frame and a column for each area, fragment or whole frame. It is
processed a few columns at a time, so that temporary arrays do not grow with the number of frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.types import BoolArray, Float32Array, FloatArray, IntArray

BLOCK_ENTRIES = 2**16
"""Largest number of table entries that are processed at a time, unless one column has more."""


def column_slices(n_frames: int, n_columns: int) -> Iterator[slice]:
    """Divide the columns of a table into consecutive slices of at most `BLOCK_ENTRIES` entries.

    Parameters
    ----------
    n_frames, n_columns
        Shape of the table.
    """
    width = max(1, BLOCK_ENTRIES // max(n_frames, 1))
    return (slice(i, min(i + width, n_columns)) for i in range(0, n_columns, width))


def select_best(quality: FloatArray | Float32Array, number: int | IntArray) -> BoolArray:
    """Select the best frames of each column.

    Parameters
    ----------
    quality
        Float (frame, column); NaN where a frame must not be used.
    number
        Number of frames to select in each column, int or int64 (column); all usable ones where
        there are fewer.

    Returns
    -------
    bool (frame, column). Of frames with equal quality the earlier ones are selected.

    Examples
    --------
    >>> select_best(np.array([[1.0], [3.0], [np.nan], [3.0]]), 1).ravel()
    array([False,  True, False, False])
    """
    selected = np.empty(quality.shape, bool)
    for columns in column_slices(*quality.shape):
        of_columns = number if isinstance(number, int) else number[columns]
        selected[:, columns] = _select_best(quality[:, columns], of_columns)
    return selected


def _select_best(quality: FloatArray | Float32Array, number: int | IntArray) -> BoolArray:
    usable = ~np.isnan(quality)
    ranked = np.where(usable, quality, -np.inf)
    if isinstance(number, int):
        if number >= len(ranked):
            return usable
        place = len(ranked) - number
        limit = np.partition(ranked, place, axis=0)[place]
    else:
        places = np.clip(len(ranked) - number, 0, len(ranked) - 1)
        limit = np.take_along_axis(np.sort(ranked, axis=0), places[None], axis=0)[0]
    above = ranked > limit
    equal = (ranked == limit) & usable
    missing = number - above.sum(axis=0)
    return above | (equal & (np.cumsum(equal, axis=0) <= missing))
