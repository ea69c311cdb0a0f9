"""The displacement field of all frames, lazily: its mean, its gaps, what lies behind its noise.

The mean over all frames must be known before any frame's field can be told. Until then what was
measured is all that is kept, in 16 bits a value; what follows from it is found again in each task
that needs it, which takes less time than waiting for a second reading would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import dask
import numpy as np

from skry_dask.graph.frame_tables import gathered, map_parts, some_frames, total_of
from skry_dask.kernels.field.neighbours import fill_gaps
from skry_dask.phases.tracking.kriging import nearest_places, predict, smoothing_weights

if TYPE_CHECKING:
    import dask.array as da

    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, IntArray

LEARNT_FRAMES = 64
"""So many frames, evenly spread, tell how smooth the displacement field is."""

STEP = 2.0**-16
"""Mean displacements are sums of multiples of this, px, so that their order does not matter."""

MISSING, INACTIVE = -(2**15), 1 - 2**15
"""What stands for a vector that was not found, and for those of a frame that is not used."""

MOST = 2**15 - 2
"""Greatest value that stands for itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Scattered:
    """Points at which a field is measured.

    Parameters
    ----------
    step
        Unit in which measured vectors are kept, px.
    position
        int64 (point, axis), px.
    first, neighbours
        Which points are neighbours; see `neighbours_in_mesh`.
    places
        float64 (axis, point, axis), where the texture of each block lies; see `texture_places`.
    nearest
        int64 (axis, point, neighbour); see `nearest_places`.
    """

    step: float
    position: IntArray
    first: IntArray
    neighbours: IntArray
    places: FloatArray
    nearest: IntArray

    @classmethod
    def of(
        cls,
        position: IntArray,
        neighbours: tuple[IntArray, IntArray],
        places: FloatArray,
        most: int,
    ) -> Scattered:
        """Prepare for vectors whose components are below ``most`` px, to 2**-15 of that."""
        step = 2.0 ** (most.bit_length() - 15)
        return cls(step, position, *neighbours, places, nearest_places(position, places))

    def keep(self, vectors: FloatArray) -> AnyArray:
        """Turn vectors, px, NaN where there is none, into what is kept: int16, same shape."""
        steps = np.rint(np.nan_to_num(vectors) / self.step).clip(-MOST, MOST)
        return np.where(np.isnan(vectors), MISSING, steps).astype(np.int16)

    def deviations(self, measured: AnyArray, mean: FloatArray) -> FloatArray:
        """Take the mean out of what was measured, then fill its gaps.

        Before the mean is taken out, neighbours also differ by the warp of the reference image.

        Parameters
        ----------
        measured
            int16 (frame, point, axis), from `keep`.
        mean
            float64 (point, axis), px.

        Returns
        -------
        float64 (frame, point, axis), px; points that were not measured in a frame move as their
        neighbours do on average; NaN in inactive frames only.
        """
        valid = measured[:, :, 0] > INACTIVE
        moved = measured * self.step - mean
        out = fill_gaps(moved, valid, self.first, self.neighbours)
        out[(measured == INACTIVE).all(axis=(1, 2))] = np.nan
        return out


class Field(NamedTuple):
    """What is found, lazily.

    Parameters
    ----------
    displacement
        float32 (frame, point, axis), px, NaN in inactive frames; its mean over frames is 0.
    mean
        float64 (point, axis), px, mean over frames of what was measured; 0 where nothing was.
    n_valid
        int64 (point), in how many frames each point was measured.
    """

    displacement: da.Array
    mean: da.Array
    n_valid: da.Array


def displacement_field(measured: da.Array, active: BoolArray, points: Scattered) -> Field:
    """Find the field that most likely lies behind what was measured, lazily.

    Parameters
    ----------
    measured
        int16 (frame, point, axis), see `Scattered.keep`.
    active
        bool (frame).
    points
        Where it was measured.
    """
    sizes, shape = gathered(measured), measured.shape[1:]
    shared = [dask.delayed(points, traverse=False)]
    found = map_parts(sums_and_counts, sizes, measured, shape=(2, *shape), dtype=np.int64)
    total = total_of(found)
    mean = total.map_blocks(_mean_of_sums, points.step, dtype=np.float64, drop_axis=0)
    shared += [mean]
    deviations = map_parts(
        sums_of_deviations, sizes, measured, shared=shared, shape=shape, dtype=np.int64
    )
    left = total_of(deviations) * (STEP / max(int(active.sum()), 1))
    numbers = np.flatnonzero(active)
    few = numbers[np.unique(np.linspace(0, len(numbers) - 1, LEARNT_FRAMES).astype(int))]
    sample = some_frames(measured, few)
    weights = map_parts(
        learn_weights, [len(few)], sample, shared=shared, shape=points.nearest.shape, dtype=float
    )
    displacement = map_parts(
        predict_deviations,
        sizes,
        measured,
        shared=[*shared, left, weights],
        shape=shape,
        dtype=np.float32,
        per_frame=True,
    )
    return Field(displacement, mean, total[1, :, 0])


def sums_and_counts(measured: AnyArray) -> IntArray:
    """Add up what was measured in some frames: int64 (1, 2, point, axis), and how many."""
    valid = measured > INACTIVE
    sums = np.where(valid, measured, 0).sum(axis=0, dtype=np.int64)
    return np.stack([sums, valid.sum(axis=0)])[None]


def _mean_of_sums(total: IntArray, step: float) -> FloatArray:
    mean: FloatArray = total[0] * step / np.maximum(total[1], 1)
    return mean


def sums_of_deviations(measured: AnyArray, points: Scattered, mean: FloatArray) -> IntArray:
    """Add up deviations of some frames: int64 (1, point, axis), in units of `STEP`.

    Gaps are filled, so what is left of their mean is not 0 where there were any.
    """
    found = np.nan_to_num(points.deviations(measured, mean)) / STEP
    return np.rint(found).astype(np.int64).sum(axis=0, keepdims=True)


def learn_weights(sample: AnyArray, points: Scattered, mean: FloatArray) -> FloatArray:
    """Learn from some frames how to predict all: (1, axis, point, neighbour)."""
    known = points.deviations(sample, mean).astype(np.float32)
    return smoothing_weights(known, points.position, points.places, points.nearest)[None]


def predict_deviations(
    measured: AnyArray, points: Scattered, mean: FloatArray, left: FloatArray, weights: FloatArray
) -> Float32Array:
    """Predict the field of some frames: float32 (frame, point, axis), px.

    Parameters
    ----------
    measured
        int16 (frame, point, axis).
    points
        Where it was measured.
    mean, left
        float64 (point, axis), px: of what was measured, and of the deviations from that.
    weights
        (1, axis, point, neighbour), from `learn_weights`.
    """
    return predict(points.deviations(measured, mean) - left, weights[0], points.nearest)
