"""The displacement field of all frames: mean removed, gaps filled, denoised by kriging.

The mean over all frames has to be known before the field of any frame. Until then only the measured
vectors are kept, in 16 bits a component. What follows from them is computed again in each task that
needs it, which takes less time than storing and reading it would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import dask.array as da
import numpy as np

from skry_dask.graph.frame_tables import map_table, rows_at, total_of
from skry_dask.graph.parcels import share
from skry_dask.kernels.field.neighbours import fill_gaps
from skry_dask.phases.tracking.kriging import denoise, denoising_weights, nearest_textures

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, IntArray

N_LEARNING_FRAMES = 64
"""Number of frames, evenly spaced, from which the covariance of the field is learnt."""

DEVIATION_STEP = 2.0**-16
"""Deviations are added up in multiples of this, px, so that their order does not matter."""

MISSING = -(2**15)
"""Code of a vector that was not found."""

INACTIVE = 1 - 2**15
"""Code of the vectors of a frame that is not used, and of points that a frame does not show."""

MAX_CODE = 2**15 - 2
"""Largest code, of either sign, that stands for a component of a vector."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredPoints:
    """Reference points, how their measured vectors are encoded, and where these belong.

    Parameters
    ----------
    step
        Unit of encoded vectors, px.
    position
        int64 (point, axis), on the canvas, px.
    first, neighbours
        Neighbours of each point; see `neighbours_in_mesh`.
    textures
        float64 (axis, point, axis), px; see `texture_centres`.
    nearest
        int64 (axis, point, neighbour); see `nearest_textures`.
    """

    step: float
    position: IntArray
    first: IntArray
    neighbours: IntArray
    textures: FloatArray
    nearest: IntArray

    @classmethod
    def of(
        cls,
        position: IntArray,
        neighbours: tuple[IntArray, IntArray],
        textures: FloatArray,
        max_px: int,
    ) -> MeasuredPoints:
        """Prepare for vectors whose components are below ``max_px``, encoded to 2**-15 of that.

        Parameters
        ----------
        position
            int64 (point, axis), on the canvas, px.
        neighbours
            From `neighbours_in_mesh`.
        textures
            float64 (axis, point, axis), px, from `texture_centres`.
        max_px
            Bound of the components of vectors, px.
        """
        step = 2.0 ** (max_px.bit_length() - 15)
        return cls(step, position, *neighbours, textures, nearest_textures(position, textures))

    def encode(self, vectors: FloatArray) -> AnyArray:
        """Encode vectors.

        Parameters
        ----------
        vectors
            float64 (..., axis), px; NaN where none was found.

        Returns
        -------
        int16, same shape: components in units of ``step``, or `MISSING`.
        """
        codes = np.rint(np.nan_to_num(vectors) / self.step).clip(-MAX_CODE, MAX_CODE)
        return np.where(np.isnan(vectors), MISSING, codes).astype(np.int16)

    def deviations(self, measured: AnyArray, mean: FloatArray) -> FloatArray:
        """Subtract the mean from measured vectors, then fill gaps with the mean of neighbours.

        In this order, because the vectors of neighbours also differ by the warp of the reference
        image, which the mean contains.

        Parameters
        ----------
        measured
            int16 (frame, point, axis), from `encode`.
        mean
            float64 (point, axis), px.

        Returns
        -------
        float64 (frame, point, axis), px; NaN in inactive frames only.
        """
        valid = measured[:, :, 0] > INACTIVE
        filled = fill_gaps(measured * self.step - mean, valid, self.first, self.neighbours)
        filled[(measured == INACTIVE).all(axis=(1, 2))] = np.nan
        return filled


class DisplacementField(NamedTuple):
    """The displacements of all frames, lazy.

    Parameters
    ----------
    displacement
        float32 (frame, point, axis), px, NaN in inactive frames; its mean over frames is 0.
    mean
        float64 (point, axis), px, mean over frames of the measured vectors; 0 where there are none.
    n_valid, n_shown
        int64 (point), number of frames in which the point was measured, and of those that show it.
    """

    displacement: da.Array
    mean: da.Array
    n_valid: da.Array
    n_shown: da.Array


def displacement_field(
    measured: da.Array, active: BoolArray, points: MeasuredPoints
) -> DisplacementField:
    """Denoise the measured vectors of all frames and remove their mean, lazily.

    Parameters
    ----------
    measured
        int16 (frame, point, axis), see `MeasuredPoints.encode`.
    active
        bool (frame).
    points
        At which the vectors were measured.
    """
    shape = measured.shape[1:]
    shared = [share(points)]
    partial = map_table(sum_and_count, measured, shape=(3, *shape), dtype=np.int64, reduces=True)
    total = total_of(partial)
    mean = total.map_blocks(_mean_of_sums, points.step, dtype=np.float64, drop_axis=0)
    shared += [mean]
    deviations = map_table(
        sum_deviations,
        measured,
        shared=shared,
        shape=shape,
        dtype=np.int64,
        reduces=True,
    )
    residual_mean = total_of(deviations) * DEVIATION_STEP / da.maximum(total[2], 1)
    numbers = np.flatnonzero(active)
    evenly = np.unique(np.linspace(0, len(numbers) - 1, N_LEARNING_FRAMES).astype(int))
    sample = rows_at(measured, numbers[evenly])
    weights = map_table(
        learn_weights,
        sample,
        shared=shared,
        shape=points.nearest.shape,
        dtype=float,
        reduces=True,
    )
    displacement = map_table(
        denoise_frames,
        measured,
        shared=[*shared, residual_mean, weights],
        shape=shape,
        dtype=np.float32,
    )
    return DisplacementField(displacement, mean, total[1, :, 0], total[2, :, 0])


def sum_and_count(measured: AnyArray) -> IntArray:
    """Add up the measured vectors of some frames, and count them.

    Parameters
    ----------
    measured
        int16 (frame, point, axis), from `MeasuredPoints.encode`.

    Returns
    -------
    int64 (1, 3, point, axis): sum of codes, number of frames, and of those that show the point.
    """
    valid = measured > INACTIVE
    sums = np.where(valid, measured, 0).sum(axis=0, dtype=np.int64)
    return np.stack([sums, valid.sum(axis=0), (measured != INACTIVE).sum(axis=0)])[None]


def _mean_of_sums(total: IntArray, step: float) -> FloatArray:
    mean: FloatArray = total[0] * step / np.maximum(total[1], 1)
    return mean


def sum_deviations(measured: AnyArray, points: MeasuredPoints, mean: FloatArray) -> IntArray:
    """Add up the deviations of some frames, whose gaps are filled, so that their mean is not 0.

    Parameters
    ----------
    measured
        int16 (frame, point, axis).
    points
        At which the vectors were measured.
    mean
        float64 (point, axis), px.

    Returns
    -------
    int64 (1, point, axis), in units of `DEVIATION_STEP`.
    """
    deviations = np.where(measured == INACTIVE, 0.0, points.deviations(measured, mean))
    steps = deviations / DEVIATION_STEP
    return np.rint(steps).astype(np.int64).sum(axis=0, keepdims=True)


def learn_weights(sample: AnyArray, points: MeasuredPoints, mean: FloatArray) -> FloatArray:
    """Learn from a sample of frames the weights that denoise all frames.

    Parameters
    ----------
    sample
        int16 (frame, point, axis), active frames.
    points
        At which the vectors were measured.
    mean
        float64 (point, axis), px.

    Returns
    -------
    float64 (1, axis, point, neighbour), see `denoising_weights`.
    """
    deviations = np.where(sample == INACTIVE, 0.0, points.deviations(sample, mean))
    deviations = deviations.astype(np.float32)
    return denoising_weights(deviations, points.position, points.textures, points.nearest)[None]


def denoise_frames(
    measured: AnyArray,
    points: MeasuredPoints,
    mean: FloatArray,
    residual_mean: FloatArray,
    weights: FloatArray,
) -> Float32Array:
    """Denoise the deviations of some frames.

    Parameters
    ----------
    measured
        int16 (frame, point, axis).
    points
        At which the vectors were measured.
    mean, residual_mean
        float64 (point, axis), px: mean of the measured vectors, and mean of the deviations from it
        after gaps were filled.
    weights
        float64 (1, axis, point, neighbour), from `learn_weights`.

    Returns
    -------
    float32 (frame, point, axis), px; NaN in inactive frames.
    """
    deviations = points.deviations(measured, mean) - residual_mean
    return denoise(deviations, weights[0], points.nearest)
