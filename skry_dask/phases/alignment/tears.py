"""Tears: rows that a frame's transfer has shifted against those above.

A packet that is lost or late shifts what follows along the rows, by a few pixels or by many; or
rows of an older frame follow. Between two rows of a scene through air and a telescope there is
never a step: light changes within several rows. So where one row differs from the next far more
than those above and below from theirs, the frame is torn there. The step, compared with the
differences within rows, tells how far rows are shifted, in pixels. Where every other row is
shifted, rows differ more from the next than from the one after.

Blocks of a compressed video have steps too, and so have bad rows of a sensor, but in all frames
alike. So frames are torn that have far more of it than most.

Of frames whose lower part is shifted by 3 px, through a planet or over a surface, all are found; by
6 and 12 px, too. Greatest shift that is measured in sound simulated frames: 1.5 px.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.frame.row_differences import row_differences

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, Frames

MIN_SHIFT = 2.0
"""Least shift of rows in a torn frame, px."""

RATIO = 3.0
"""A torn frame has more than this times the shift that most frames have."""

STEEPEST = 3.0
"""Next to the row of a sharp scene that differs most from the next, rows differ by a third of that,
at least: the image of a telescope is never sharper."""

BESIDE = (2, 3, 4)
"""Rows so far above and below tell how much rows differ where there is no tear."""

SIGNIFICANT = 10.0
"""A step exceeds the scatter of the differences between rows by this factor, at least."""

SIGNIFICANT_IN_BAND = 3.0
"""The same in one band of columns."""

FAINT = 0.02
"""Rows with less contrast than this share of the greatest, in squares, tell little."""

N_TRIED = 8
"""Number of rows of a frame of which the greatest shift is taken."""

SURROUNDINGS = 16
"""Contrast of a scene is that of most of the rows so far above and below, px."""

MIN_SHARE = 0.55
"""Least share of the contrast of a scene that lies in bands of columns with a step of
1 px or more."""

MIN_ROWS = 16
"""Least number of rows of a frame that is judged."""

MIN_FRAMES = 4
"""Least number of frames of which most are sound."""


def tears_of(frames: Frames) -> Float32Array:
    """Measure the greatest shift of rows against those above.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x), grey.

    Returns
    -------
    float32 (frame), px; 0 where there is none.
    """
    n_frames, height, width = frames.shape
    if height < MIN_ROWS or width < MIN_ROWS:
        return np.zeros(n_frames, np.float32)
    in_bands = [values.astype(np.float64) for values in row_differences(frames)]
    next_row, next_but_one, within = (values.sum(axis=2) for values in in_bands)
    noise = np.percentile(within, 10, axis=1, keepdims=True)
    contrast = within - noise
    contrast = contrast.clip(0) + FAINT * contrast.max(axis=1, keepdims=True) + 1.0
    step = _step(next_row[:, :-1])
    shift = np.sqrt(step / ((contrast[:, :-1] + contrast[:, 1:]) / 2))
    greatest = [
        _greatest(of_frame, own, own_within)
        for of_frame, own, own_within in zip(shift, in_bands[0], in_bands[2], strict=True)
    ]
    # Sums over the frame, without what noise adds to both.
    comb = next_row[:, :-2].sum(axis=1) - next_but_one[:, :-2].sum(axis=1)
    scale = (within - noise).clip(0).sum(axis=1) + 1.0
    return np.maximum(greatest, np.sqrt(comb.clip(0) / scale)).astype(np.float32)


def _greatest(shift: FloatArray, next_row: FloatArray, within: FloatArray) -> float:
    """Return the greatest shift of a frame's rows that is one of whole rows.

    What stands in front of the scene has sharp edges too, but only where it is; the rest of the
    scene has none.

    Parameters
    ----------
    shift
        float64 (y), of each row against the one above, px.
    next_row, within
        float64 (y, band), squares of the differences of each row to the next, and within it.
    """
    strongest = np.argsort(-shift)[:N_TRIED]
    strongest = strongest[shift[strongest] > MIN_SHIFT / 2]
    if not len(strongest):
        return float(shift.max())
    steps = _step(next_row[:-1].T, SIGNIFICANT_IN_BAND, steepest=1.0).T
    noise = np.percentile(within, 10, axis=0)
    for y in strongest.tolist():
        near = within[max(0, y - SURROUNDINGS) : y + SURROUNDINGS + 1]
        contrast = (np.median(near, axis=0) - noise).clip(1.0)
        torn = contrast[steps[y] >= contrast].sum()
        if torn >= MIN_SHARE * contrast.sum():
            return float(shift[y])
    return 0.0


def _step(
    next_row: FloatArray, significant: float = SIGNIFICANT, steepest: float = STEEPEST
) -> FloatArray:
    """Find how much more rows differ from the next than rows nearby: float64 (frame, y).

    Parameters
    ----------
    next_row
        float64 (frame, y), squares of the differences of each row to the next.
    significant
        By which factor a step exceeds the scatter of these differences.
    steepest
        By which factor, at least, it exceeds the differences one row above and below.
    """
    n_rows, reach = next_row.shape[1], max(BESIDE)
    padded = np.pad(next_row, ((0, 0), (reach, reach)), mode="edge")

    def greatest(distances: tuple[int, ...]) -> AnyArray:
        starts = [reach + sign * distance for distance in distances for sign in (-1, 1)]
        return np.max([padded[:, start : start + n_rows] for start in starts], axis=0)

    usual = np.maximum(greatest(BESIDE), steepest * greatest((1,)))
    middle = (
        padded[:, reach - 2 : reach - 2 + n_rows] + padded[:, reach + 2 : reach + 2 + n_rows]
    ) / 2
    scatter = np.median(np.abs(next_row - middle), axis=1, keepdims=True)
    excess = next_row - usual
    return np.where(excess > significant * scatter, excess, 0.0)


def torn_frames(tears: Float32Array, active: BoolArray) -> BoolArray:
    """Find the frames that are torn.

    Parameters
    ----------
    tears
        float32 (frame), from `tears_of`, px.
    active
        bool (frame), which frames count.

    Returns
    -------
    bool (frame)
    """
    if active.sum() < MIN_FRAMES:
        return np.zeros(len(tears), bool)
    usual = float(np.median(tears[active]))
    return active & (tears > max(MIN_SHIFT, RATIO * usual))
