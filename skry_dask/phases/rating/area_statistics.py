"""Statistics of quality over the frames and over the areas of a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.phases.rating.ranking import column_slices, select_best

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.types import BoolArray, Float32Array, FloatArray, IntArray

STATISTICS = {"min": "lowest", "max": "highest", "mean": "mean"}
"""Statistics of each area over all active frames, in the order of `combine_statistics`."""

MAX_EXCLUDED = 0.25
"""Largest share of excluded frames among the best frames of an area of the reference image."""

QUALITY_STEP = 2.0**-36
"""Quality is added up in multiples of this, so that sums are exact for up to 2**17 frames and do
not depend on their order."""


def frame_quality(area_quality: Float32Array, n_pixels: IntArray) -> Float32Array:
    """Average the quality of areas over each frame, weighted by their pixels.

    Parameters
    ----------
    area_quality
        float32 (frame, area), fraction of full scale; NaN where it is not measured.
    n_pixels
        int64 (area).

    Returns
    -------
    float32 (frame), fraction of full scale, over the areas that a frame shows; NaN for inactive
    frames.
    """
    shown = ~np.isnan(area_quality)
    total = np.where(shown, area_quality * n_pixels, 0.0).sum(axis=1)
    pixels = np.where(shown, n_pixels, 0).sum(axis=1)
    return np.where(pixels > 0, total / np.maximum(pixels, 1), np.nan).astype(np.float32)


def partial_statistics(area_quality: Float32Array) -> FloatArray:
    """Reduce the quality of some frames, any number of which are active.

    Parameters
    ----------
    area_quality
        float32 (frame, area), fraction of full scale; NaN where it is not measured.

    Returns
    -------
    float64 (1, 4, area): lowest, highest, sum in units of `QUALITY_STEP`, and number of frames.
    """
    shown = ~np.isnan(area_quality)
    steps = np.rint(np.where(shown, area_quality, 0.0).astype(np.float64) / QUALITY_STEP)
    low = np.where(shown, area_quality, np.inf).min(axis=0, initial=np.inf)
    high = np.where(shown, area_quality, -np.inf).max(axis=0, initial=-np.inf)
    return np.stack([low, high, steps.sum(axis=0), shown.sum(axis=0)])[None]


def combine_statistics(partial: list[FloatArray]) -> Float32Array:
    """Combine the results of `partial_statistics`.

    Returns
    -------
    float32 (3, area), see `STATISTICS`; NaN for areas that no frame shows.
    """
    low, high, steps, number = np.concatenate(partial).swapaxes(0, 1)
    n_frames = number.sum(axis=0)
    mean = steps.sum(axis=0) * QUALITY_STEP / np.maximum(n_frames, 1)
    statistics = np.stack([low.min(axis=0), high.max(axis=0), mean])
    return np.where(n_frames > 0, statistics, np.nan).astype(np.float32)


def without_hidden(area_quality: Float32Array, hidden: BoolArray) -> Float32Array:
    """Take their quality from areas in which something hides the scene: NaN there.

    Parameters
    ----------
    area_quality
        float32 (frame, area).
    hidden
        bool (frame, area).
    """
    return np.where(hidden, np.float32(np.nan), area_quality)


def best_frame_numbers(
    chunks: list[Float32Array], frame_numbers: IntArray, excluded: BoolArray
) -> IntArray:
    """Find the frame in which each area is best.

    Parameters
    ----------
    chunks
        float32 (frame, area) each: quality of consecutive chunks of frames, NaN where it is not
        measured.
    frame_numbers
        int64 (frame).
    excluded
        bool (frame), which frames are left out.

    Returns
    -------
    int64 (area), a frame number; -1 for areas that no frame shows.
    """
    best = np.empty(chunks[0].shape[1], np.int64)
    for areas, quality in _column_blocks(chunks):
        usable = np.where(excluded[:, None], -1.0, np.nan_to_num(quality, nan=-1.0))
        best[areas] = np.where(usable.max(axis=0) < 0, -1, frame_numbers[usable.argmax(axis=0)])
    return best


def select_shown_frames(
    chunks: list[Float32Array], excluded: BoolArray, n_reference: int | IntArray
) -> BoolArray:
    """Select the frames that each area of the composite and of the reference image is made of.

    Excluded frames are left out of the composite. Of the reference image only where more than
    `MAX_EXCLUDED` of an area's best frames are excluded: elsewhere it stays as it is, and with it
    what was measured against it.

    Parameters
    ----------
    chunks
        float32 (frame, area) each: quality of consecutive chunks of frames, NaN where it is not
        measured.
    excluded
        bool (frame).
    n_reference
        Number of frames for each area of the reference image: int, or int64 (area).

    Returns
    -------
    bool (frame, 2, area): for the composite, and for the reference image.
    """
    selected = np.empty((len(excluded), 2, chunks[0].shape[1]), bool)
    for areas, quality in _column_blocks(chunks):
        usable = quality
        number = n_reference if isinstance(n_reference, int) else n_reference[areas]
        of_all = select_best(quality, number)
        if excluded.any():
            usable = np.where(excluded[:, None], np.float32(np.nan), quality)
            share = of_all[excluded].sum(axis=0) / np.maximum(of_all.sum(axis=0), 1)
            others = share > MAX_EXCLUDED
            number = number if isinstance(number, int) else number[others]
            of_all[:, others] = select_best(usable[:, others], number)
        selected[:, 0, areas] = select_best(usable, 1)
        selected[:, 1, areas] = of_all
    return selected


def _column_blocks(chunks: list[Float32Array]) -> Iterator[tuple[slice, Float32Array]]:
    """Iterate over a table that comes in chunks of frames, a few columns at a time."""
    shape = (sum(map(len, chunks)), chunks[0].shape[1])
    for columns in column_slices(*shape):
        yield columns, np.concatenate([chunk[:, columns] for chunk in chunks])
