"""Likeness of the rows of a picture, which tells how long they are.

Each row of a picture is like the next one. Rows that are too long or too short are like none.

Cost: 10 ms for a frame of 4096 x 3000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, FloatArray

MAX_ROWS = 256
"""Number of rows of a frame that are looked at, at most."""

ALIKE, GAIN = 0.5, 0.3
"""Least correlation of what is alike, and how much better it is than what is not."""

CLEAR = 2.0
"""Rows that are alike differ less, by this factor at least, than those that are not."""

MIN_BLOCKS = 6
"""Fewer blocks in a row can be alike by chance."""


class RowLikeness(NamedTuple):
    """How much rows of some length are like the next.

    Parameters
    ----------
    like
        Correlation of neighbouring rows, at most 1.
    gain
        How much less it is for rows that are shifted by a quarter of their length.
    difference
        Mean square of their differences, grey levels squared.
    """

    like: float
    gain: float
    difference: float

    @property
    def sure(self) -> float:
        """The correlation, if it is more than that of shifted rows; else 0."""
        return self.like if self.gain > GAIN else 0.0


def likeness_of_rows(samples: AnyArray, pitch: int) -> RowLikeness:
    """Tell how much each row is like the next.

    Rows are averaged over 12 or 6 samples, which is right for every order of colours. For the
    correlation, each is compared by its own mean and spread, as rows of raw colour are of two
    kinds.

    Parameters
    ----------
    samples
        uint8 or uint16 (sample), of consecutive rows.
    pitch
        Samples from one row to the next.
    """
    block = 12 if pitch >= 16 * 12 else 6
    n_y, n_x = len(samples) // pitch, pitch // block
    if n_y < 4 or n_x < MIN_BLOCKS:
        return RowLikeness(0.0, 0.0, 0.0)
    rows = samples[: n_y * pitch].reshape(n_y, pitch)[:, : n_x * block]
    first = np.arange(0, n_y - 1, max(1, n_y // MAX_ROWS))
    own, following = (
        rows[numbers].reshape(len(first), n_x, block).mean(axis=2, dtype=np.float64)
        for numbers in (first, first + 1)
    )
    like = _correlation_of_rows(own, following)
    quarter = n_x // 4
    unlike = max(
        _correlation_of_rows(own[:, quarter:], following[:, :-quarter]),
        _correlation_of_rows(own[:, :-quarter], following[:, quarter:]),
    )
    return RowLikeness(like, like - unlike, float(((own - following) ** 2).mean()))


def _correlation_of_rows(own: FloatArray, other: FloatArray) -> float:
    """Correlate rows (y, x) with others, weighted by their spreads, without their means."""
    own = own - own.mean(axis=1, keepdims=True)
    other = other - other.mean(axis=1, keepdims=True)
    norms = np.sqrt((own**2).sum(axis=1) * (other**2).sum(axis=1))
    if 2 * np.count_nonzero(norms) < len(norms):  # most are even
        return 0.0
    return float((own * other).sum() / norms.sum())
