"""Columns and rows that a sensor has lost, or that are brighter than the light explains.

A telescope spreads even the sharpest line of a scene over several pixels. A column that differs
from the columns beside it over at least 32 px, while one of these hardly differs from those beyond
it, is the sensor's (the other one may be bad as well). Medians along the column tell it from noise
and from single bad pixels.

Cost: 0.2 us a pixel. Memory: about five times a frame in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, Float32Array, FloatArray

PIECE_PX = 32
"""Length of the pieces of a line that are judged, px; they begin at every 16th pixel."""

SIGMAS = 8.0
"""A bad line differs from those beside it by this multiple of the noise of a piece's median."""

EXCESS = 0.01
"""A bad line differs from those beside it by at least this fraction of full scale."""

LINE_SPREAD = 0.2
"""The fainter of the two lines beside one of a scene has more than this fraction of its
brightness, even if the blur's sigma is only 0.5 px."""

NOISE_OF_MEDIAN = 1.2533 * 1.2533 / np.sqrt(PIECE_PX / 4)
"""Standard deviation of a piece's median over the mean of the absolute values of its pixels, of
which four at a time are alike in the detail of a scene."""

ROUNDS = 2
"""Number of searches: bad lines hide others near them, and are replaced first."""


class BadLines(NamedTuple):
    """Bad columns and rows of a capture.

    Parameters
    ----------
    columns, rows
        bool (y, x[, channel]), pixels of the bad pieces of columns, and of rows.
    without
        float32 of the same shape: the image with these pixels replaced.
    """

    columns: BoolArray
    rows: BoolArray
    without: Float32Array

    @property
    def n_columns(self) -> int:
        """Number of columns with a bad piece."""
        return int(self.columns.reshape(*self.columns.shape[:2], -1).any(axis=(0, 2)).sum())

    @property
    def n_rows(self) -> int:
        """Number of rows with a bad piece."""
        return int(self.rows.reshape(*self.rows.shape[:2], -1).any(axis=(1, 2)).sum())


def bad_lines_in_capture(mean: FloatArray, step: int) -> BadLines:
    """Find the bad columns and rows of a capture.

    Parameters
    ----------
    mean
        float (y, x[, channel]), 1 = full scale: mean of frames, calibrated as far as there are
        masters.
    step
        2 in a colour filter array, whose pixels of the same colour lie two apart; else 1.
    """
    image = mean.astype(np.float32)
    columns, rows = np.zeros((2, *image.shape), bool)
    for channel in [(...,)] if image.ndim < 3 else [(..., i) for i in range(image.shape[2])]:
        columns[channel], image[channel] = _bad_columns(image[channel], step)
        found, fixed = _bad_columns(image[channel].T, step)
        rows[channel], image[channel] = found.T, fixed.T
    return BadLines(columns, rows, image)


def _bad_columns(image: Float32Array, step: int) -> tuple[BoolArray, Float32Array]:
    """Find the bad pieces of columns, bool (y, x), and replace their pixels in a copy."""
    height, width = image.shape
    bad = np.zeros(image.shape, bool)
    if height < PIECE_PX or width < 5 * step:
        return bad, image
    starts = sorted({*range(0, height - PIECE_PX, PIECE_PX // 2), height - PIECE_PX})
    for _ in range(ROUNDS):
        excess = np.empty_like(image)
        for first in range(step):
            excess[:, first::step] = _excess(image[:, first::step])
        new = np.zeros_like(bad)
        for start in starts:
            piece = slice(start, start + PIECE_PX)
            new[piece] |= _stand_out(excess[piece], _bend_beside(image[piece], step))
        if not new.any():
            break
        bad |= new
        image = np.where(new, image - excess, image)
    # Where a scene hides a line, it is bad all the same.
    between: BoolArray = np.maximum.accumulate(bad) & np.maximum.accumulate(bad[::-1])[::-1]
    return between, image


def _excess(image: Float32Array) -> Float32Array:
    """Subtract from each pixel (y, x) what the pixels of its row beside it let expect."""
    from scipy import ndimage

    excess: Float32Array = image - ndimage.median_filter(image, (1, 5), mode="mirror")
    for last, second, third in ((0, 1, 2), (-1, -2, -3)):
        step = image[:, last] - image[:, second]
        slope = image[:, second] - image[:, third]
        # A scene that gets brighter towards the border is no bad line there.
        bent = np.where(np.abs(step - slope) < np.abs(step), step - slope, step)
        excess[:, last] = np.where(bent * step > 0, bent, 0)
    return excess


def _stand_out(excess: Float32Array, bend: Float32Array) -> BoolArray:
    """Tell which columns of a piece stand out of those beside them.

    Parameters
    ----------
    excess
        float32 (y, x), see `_excess`.
    bend
        float32 (x), see `_bend_beside`.

    Returns
    -------
    bool (x)
    """
    from scipy import ndimage

    middle = np.median(excess, axis=0)
    size, spread = np.abs(middle), np.abs(excess - middle).mean(axis=0)
    noise = NOISE_OF_MEDIAN * ndimage.median_filter(spread, 9, mode="mirror")
    # Stripes of a scene: the mean of 15 columns, without the three in the middle.
    around = 15 * ndimage.uniform_filter1d(size, 15, mode="mirror")
    around = (around - 3 * ndimage.uniform_filter1d(size, 3, mode="mirror")) / 12
    beside = np.pad(size, 1, mode="reflect")
    beside = np.maximum(np.minimum(beside[:-2], beside[2:]), bend)
    threshold = np.maximum(SIGMAS * np.maximum(noise, around / 2), EXCESS)
    found: BoolArray = (size > threshold) & (beside < LINE_SPREAD * size)
    return found


def _bend_beside(piece: Float32Array, step: int) -> Float32Array:
    """Measure how much the columns beside each one differ from those beyond them.

    Around the brightest column of a smooth stripe they differ more than it does from them; around a
    bad column, hardly.

    Parameters
    ----------
    piece
        float32 (y, x).
    step
        Distance of columns of the same colour.

    Returns
    -------
    float32 (x)
        The least difference of those on the left, on the right, and on both sides on average.
    """
    around = np.pad(piece, ((0, 0), (2 * step, 2 * step)), mode="reflect")
    differences = np.median(around[:, step:] - around[:, :-step], axis=0)
    width = piece.shape[1]
    left, right = differences[:width], -differences[3 * step : 3 * step + width]
    found: Float32Array = np.abs([left, right, (left + right) / 2]).min(axis=0)
    return found
