"""The displacement field of all frames, lazily: its mean, its gaps, what lies behind its noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from skry_dask.kernels.field import fill_gaps
from skry_dask.smoothing import nearest_places, predict, smoothing_weights

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, Float32Array, FloatArray, IntArray

LEARNT_FRAMES = 64
"""So many frames, evenly spread, tell how smooth the displacement field is."""

STEP = 2.0**-16
"""Mean displacements are sums of multiples of this, px, so that their order does not matter."""


def smooth(
    deviation: da.Array, active: BoolArray, position: IntArray, places: FloatArray
) -> da.Array:
    """Predict the field at reference points from what was measured around them, lazily.

    Parameters
    ----------
    deviation
        float32 (frame, point, axis), px; NaN in inactive frames only.
    active
        bool (frame).
    position
        int64 (point, axis), px.
    places
        See `texture_places`.

    Returns
    -------
    float32 (frame, point, axis), px; its mean over frames is 0.
    """
    numbers = np.flatnonzero(active)
    few = numbers[np.unique(np.linspace(0, len(numbers) - 1, LEARNT_FRAMES).astype(int))]
    nearest = nearest_places(position, places)
    # One array, and not a delayed object: its graph would be optimised apart, and read frames anew.
    weights = da.map_blocks(
        smoothing_weights,
        deviation[few].rechunk(-1),
        position,
        places,
        nearest,
        chunks=tuple((n,) for n in nearest.shape),
        meta=np.empty((0, 0, 0)),
    )
    meta = np.empty((0, 0, 0), np.float32)
    predicted = da.blockwise(
        predict,
        "fpa",
        deviation,
        "fpa",
        weights,
        "zqn",
        nearest=nearest,
        concatenate=True,
        meta=meta,
    )
    centred: da.Array = predicted - mean_displacement(predicted).astype(np.float32)
    return centred


def mean_displacement(measured: da.Array) -> da.Array:
    """Average each point's valid displacements over frames, the same for any chunks.

    Parameters
    ----------
    measured
        float32 (frame, point, axis), px; NaN where invalid.

    Returns
    -------
    float64 (point, axis), px; 0 for a point that was never valid.
    """
    mean: da.Array = da.reduction(
        measured,
        _sums_and_counts,
        _mean_of_sums,
        combine=_add_up,
        axis=0,
        dtype=np.float64,
        meta=np.empty((0, 0)),
    )
    return mean


def _sums_and_counts(measured: Float32Array, **_: Any) -> IntArray:
    """Add up a chunk of frames: int64 (2, point, axis), in units of `STEP`, and how many."""
    steps = np.rint(np.nan_to_num(measured) / STEP).astype(np.int64)
    return np.stack([steps.sum(axis=0), (~np.isnan(measured)).sum(axis=0)])


def _add_up(parts: IntArray, **_: Any) -> IntArray:
    """Add up sums and counts of several chunks, which come one after the other."""
    return parts.reshape(len(parts) // 2, 2, *parts.shape[1:]).sum(axis=0)


def _mean_of_sums(parts: IntArray, **_: Any) -> FloatArray:
    sums, counts = _add_up(parts)
    mean: FloatArray = sums * STEP / np.maximum(counts, 1)
    return mean


def replace_missing(
    deviation: FloatArray, active: BoolArray, first: IntArray, neighbours: IntArray
) -> Float32Array:
    """Give points that were not measured in a frame the mean motion of their neighbours.

    Parameters
    ----------
    deviation
        float64 (frame, point, axis), displacements less each point's mean, px; NaN where invalid.
        (Before the mean is subtracted, neighbours also differ by the warp of the reference image.)
    active
        bool (frame, 1, 1).
    first, neighbours
        See `TriangleMesh.neighbours`.

    Returns
    -------
    float32 (frame, point, axis), px; NaN in inactive frames only.
    """
    out = np.full(deviation.shape, np.nan, np.float32)
    for i in np.flatnonzero(active):
        valid = ~np.isnan(deviation[i, :, 0])
        out[i] = fill_gaps(deviation[i], valid, first, neighbours)
    return out
