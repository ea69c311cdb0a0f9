"""Even bars along the borders of frames, such as letterbox bars: the picture inside is used alone.

A bar has one level in all frames. Beside it, most pixels of the row or column are brighter in all
frames: so it is told from a black sky, in which a disc begins with a few pixels, and from a limb
that moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.capture.calibration.drawn_edges import Envelope
    from skry_dask.types import IntArray

EVEN = 0.02
"""Pixels of a bar differ by less than this fraction of full scale: what compression does."""

LIT = 0.04
"""Pixels beside a bar are brighter than it by at least this fraction of full scale."""

MIN_LIT = 0.5
"""Least fraction of the pixels beside a bar that are brighter."""

BLURRED_PX = 2
"""Number of rows or columns beside a bar that compression or scaling may have blurred, px."""

SHARPNESS = 0.8
"""The second row of the picture has at least this fraction of the light of the next two: a limb,
even if it does not move, gets brighter more slowly."""

MIN_PICTURE_PX = 32
"""Least height and width of the picture inside bars, px."""


def picture_in(envelope: Envelope) -> tuple[slice, slice] | None:
    """Find the picture inside even bars.

    Parameters
    ----------
    envelope
        Of the frames.

    Returns
    -------
    Rows and columns of the picture, or None where there are no bars.
    """
    full_scale = float(envelope.high.max())
    low, high = envelope
    top, bottom = _bars(low, high, full_scale)
    rows = slice(top, len(low) - bottom)
    left, right = _bars(low[rows].T, high[rows].T, full_scale)
    columns = slice(left, low.shape[1] - right)
    size = min(rows.stop - rows.start, columns.stop - columns.start)
    return (rows, columns) if top + bottom + left + right and size >= MIN_PICTURE_PX else None


def _bars(low: IntArray, high: IntArray, full_scale: float) -> tuple[int, int]:
    """Find the number of rows of the bars at the top and at the bottom; 0 where there is none."""
    return _bar(low, high, full_scale), _bar(low[::-1], high[::-1], full_scale)


def _bar(low: IntArray, high: IntArray, full_scale: float) -> int:
    """Find the number of rows of the bar at the top, with the blurred ones; 0 if there is none."""
    level = float(np.median(low[0]))
    even = np.maximum(level - low.min(axis=1), high.max(axis=1) - level) <= EVEN * full_scale
    n = int(even.argmin())
    if even.all() or len(low) < n + MIN_PICTURE_PX:
        return 0
    lit = (low[n : n + BLURRED_PX + 1] - level >= LIT * full_scale).mean(axis=1)
    if n < BLURRED_PX or not (lit >= MIN_LIT).any():
        return 0
    light = low[n : n + 2 * BLURRED_PX].mean(axis=1) - level
    if light[1] < SHARPNESS * light[BLURRED_PX:].mean():
        return 0
    return n + int((lit >= MIN_LIT).argmax())
