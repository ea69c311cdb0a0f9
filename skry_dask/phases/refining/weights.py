"""Weights of frames at each point, and the mean geometry of all frames.

With white noise the best weight of a frame is the share of the signal that it transfers (K. Horne,
"An optimal extraction algorithm for CCD spectroscopy", PASP 98, 1986, 609-617, for pixels of a
spectrum). But the vectors of blurred frames err, and what they transfer lies at coarse detail that
all frames have. So a higher power of quality is better, with a soft cut below which frames count
nothing:

    weight = q**3.5 * clip((q / q0 - 1) / WIDTH + 1/2, 0, 1),

where q0 is the quality that most frames do not reach at the tile: all but 40 %, and all but
`N_KEPT` where these are more. Of 50 frames hardly any can be spared: stacks of the odd and of the
even frames of a real Moon correlate by 0.72 in the mean up to Nyquist if all or 48 count, by 0.70
if 15 do; with 48 they have 2 % more of their power at fine detail than with all. Of 120 frames 50
make the stack of a simulated Moon as sharp as the best 36 do unweighted. Quality is
averaged with that of neighbouring tiles first, which a planet needs most: weights that change
across its disc deform the blur of its limb.

Reference points that stay, around a planet and along borders, take the corrections of the nearest
tiles by the value that the window of these has there, so that displacements change smoothly.

The geometry of the result is the plain mean over all frames, as in the track phase. Weighted means
are those of fewer frames: a simulated planet of 120 frames, 0.39 px off, was 0.55 px off with the
roots of weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import diags_array, eye_array, vstack
from scipy.spatial import cKDTree

from skry_dask.phases.refining.interpolation import (
    gaussian_matrix,
    interpolation_matrix,
    nearest_matrix,
)
from skry_dask.phases.refining.tile_motion import QUALITY_STEP, UNUSED, VECTOR_STEP
from skry_dask.phases.refining.tiles import SPACING, hann_at

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from skry_dask.phases.refining.tiles import ReferenceTiles
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, IntArray

MAX_CUT = 0.6
"""Fraction of frames, at most, below the quality around which weights fall to 0."""

N_KEPT = 49
"""Number of frames, at least, above it."""

WIDTH = 0.3
"""Range of quality over which they fall, as a fraction of that quality."""

BLENDING_PX = 12.0
"""Standard deviation of the Gaussian by which the quality of tiles is averaged, px."""

FULL = 255
"""Largest weight."""

MAX_LEAD = 2.5
"""Frames count as the best one that have this many times the quality of most."""

SUM_STEP = 2.0**-16
"""Displacements are added up in multiples of this, px, so that their order does not matter."""


@dataclass(frozen=True, slots=True, eq=False)
class RefinedPoints:
    """Points of the result, and how their values follow from what was measured.

    Parameters
    ----------
    position
        float64 (point, axis), on the canvas, px: centres of tiles, then reference points.
    from_track
        float64 (point, reference point): displacements before they were refined.
    correction
        float64 (point, tile): what the second look adds to them.
    from_tiles
        float64 (point, tile): weights.
    blending
        float64 (tile, tile): quality, averaged over neighbours.
    n_tiles
        Number of points that are tiles.
    n_frames
        Number of frames to weigh.
    """

    position: FloatArray
    from_track: csr_array
    correction: csr_array
    from_tiles: csr_array
    blending: csr_array
    n_tiles: int
    n_frames: int

    @classmethod
    def of(
        cls, tiles: ReferenceTiles, reference_points: FloatArray, n_frames: int
    ) -> RefinedPoints:
        """Take the centres of tiles, and reference points where there is no tile near.

        Parameters
        ----------
        tiles
            Of the first stack, at least one.
        reference_points
            float64 (point, axis), of the track phase, px.
        n_frames
            Number of frames to weigh.
        """
        centres = tiles.centres
        distance = np.asarray(cKDTree(centres).query(reference_points, k=[1])[0])[:, 0]
        is_other = distance > SPACING
        others = reference_points[is_other]
        nearest = nearest_matrix(centres, others)
        reached = diags_array(hann_at(distance[is_other], tiles.filters.side), format="csr")
        position = np.concatenate([centres, others])
        own = eye_array(len(centres), format="csr")
        return cls(
            position,
            interpolation_matrix(reference_points, position),
            vstack([own, reached @ nearest], format="csr"),
            vstack([own, nearest], format="csr"),
            gaussian_matrix(centres, BLENDING_PX),
            len(centres),
            n_frames,
        )

    def displacements(self, measured: AnyArray, displacement: AnyArray) -> FloatArray:
        """Add what was measured to the displacements of the track phase.

        Parameters
        ----------
        measured
            int16 (frame, tile, 3), from `measure_tiles`.
        displacement
            float32 (frame, reference point, axis), px, of the track phase.

        Returns
        -------
        float64 (frame, point, axis), px; NaN in inactive frames.
        """
        out = np.full((len(measured), len(self.position), 2), np.nan)
        for i in np.flatnonzero(~np.isnan(displacement[:, 0, 0])):
            lost = measured[i, :, :1] == UNUSED
            found = np.where(lost, 0, measured[i, :, :2]) * VECTOR_STEP
            tracked = np.asarray(displacement[i], np.float64)
            out[i] = self.from_track @ tracked + self.correction @ found
        return out

    def quality(self, measured: AnyArray) -> FloatArray:
        """Average the quality of neighbouring tiles.

        Parameters
        ----------
        measured
            int16 (frame, tile, 3), from `measure_tiles`.

        Returns
        -------
        float64 (frame, tile), 1 = quality of the stack; 0 in frames that were not measured, and
        where a frame shows no tile near by.
        """
        shown = _is_shown(measured)
        total = self.blending @ np.where(shown, measured[:, :, 2], 0).T
        share = self.blending @ shown.astype(np.float64).T
        blended: FloatArray = (total / np.where(share > 0, share, 1)).T * QUALITY_STEP
        return blended

    def is_near(self, measured: AnyArray) -> BoolArray:
        """Whether frames show tiles by which points can be judged: bool (frame, point).

        Parameters
        ----------
        measured
            int16 (frame, tile, 3), from `measure_tiles`.
        """
        near = self.blending @ _is_shown(measured).astype(np.float64).T > 0
        found: BoolArray = (self.from_tiles @ near).T > 0
        return found

    def weights(self, measured: AnyArray, levels: FloatArray) -> AnyArray:
        """Weigh frames.

        Parameters
        ----------
        measured
            int16 (frame, tile, 3), from `measure_tiles`.
        levels
            float64 (1, tile, 2), from `quality_levels`.

        Returns
        -------
        uint8 (frame, point); 0 in frames that were not measured.
        """
        relative = _weigh(self.quality(measured), levels[0])
        return np.rint((self.from_tiles @ relative.T).T * FULL).astype(np.uint8)


def _is_shown(measured: AnyArray) -> BoolArray:
    """Whether frames were measured and show each tile: bool (frame, tile)."""
    return np.asarray(measured[:, :, 2] != UNUSED)


def weigh_frames(measured: AnyArray, points: RefinedPoints, levels: FloatArray) -> AnyArray:
    """Weigh some frames; see `RefinedPoints.weights`."""
    return points.weights(measured, levels)


def in_usual_light(measured: AnyArray, light: FloatArray) -> AnyArray:
    """Divide the quality of frames by their light: bright frames show no more than others.

    Parameters
    ----------
    measured
        int16 (frame, tile, 3), from `measure_tiles`.
    light
        float64 (frame), 1 = usual.
    """
    even = measured.copy()
    quality = np.rint(measured[:, :, 2] / light[:, None]).clip(0, 2**15 - 1)
    even[:, :, 2] = np.where(measured[:, :, 2] == UNUSED, UNUSED, quality)
    return even


def is_found(measured: AnyArray, points: RefinedPoints) -> BoolArray:
    """Whether each point was found: bool (frame, point); reference points were not looked for."""
    found = np.zeros((len(measured), len(points.position)), bool)
    found[:, : points.n_tiles] = measured[:, :, 0] != UNUSED
    return found


def quality_levels(sample: AnyArray, points: RefinedPoints) -> FloatArray:
    """Find from a sample of frames the quality around which weights fall, and the best.

    Parameters
    ----------
    sample
        int16 (frame, tile, 3), from `measure_tiles`; frames that were measured.
    points
        The points.

    Returns
    -------
    float64 (1, tile, 2), 1 = quality of the stack. The best is at most `MAX_LEAD` times the best of
    nine tenths of the frames, which an overexposed frame would deprive of their weights.
    """
    quality = points.quality(sample)
    # Quality is 0 in frames that show nothing near: those that do come last, in ascending order.
    quality.sort(axis=0)
    n_shown = np.maximum((quality > 0).sum(axis=0), 1)
    share = n_shown / max(len(quality), 1)
    cut = np.clip(1 - N_KEPT / np.maximum(share * points.n_frames, 1), 0, MAX_CUT)
    at_cut = np.where(cut > 0, _quantile(quality, cut, n_shown), 0)
    usual = _quantile(quality, np.full(len(cut), 0.9), n_shown)
    best = np.minimum(quality[-1], MAX_LEAD * usual)
    return np.stack([at_cut, best], axis=1)[None]


def _quantile(ascending: FloatArray, share: FloatArray, n_shown: IntArray) -> FloatArray:
    """Take quantiles of the last values of each column, linear between them.

    Parameters
    ----------
    ascending
        float64 (frame, tile).
    share
        float64 (tile), which quantile, 0 to 1.
    n_shown
        int64 (tile), number of values that count, at least 1.

    Returns
    -------
    float64 (tile)
    """
    place = len(ascending) - n_shown + share * (n_shown - 1)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, len(ascending) - 1)
    tile = np.arange(ascending.shape[1])
    below, above = ascending[low, tile], ascending[high, tile]
    quantile: FloatArray = below + (place - low) * (above - below)
    return quantile


def _weigh(quality: FloatArray, levels: FloatArray) -> FloatArray:
    """Weigh frames relative to the best: float64 (frame, tile), 0 to 1."""
    cut, best = np.maximum(levels, QUALITY_STEP).T

    def weigh(q: FloatArray) -> FloatArray:
        soft = np.clip((q / cut - 1) / WIDTH + 0.5, 0, 1)
        # A power of 3.5: roots and products have the same bits everywhere, other powers do not.
        return q * q * q * np.sqrt(q) * soft

    return np.clip(weigh(quality) / weigh(best), 0, 1)


def sum_geometry(measured: AnyArray, displacement: AnyArray, points: RefinedPoints) -> IntArray:
    """Add up the displacements of some frames, where they show the scene.

    Parameters
    ----------
    measured, displacement
        As for `RefinedPoints.displacements`.
    points
        The points.

    Returns
    -------
    int64 (1, point, 4): y and x, in units of `SUM_STEP`, number of frames that show the point, and
    of those in which it was found.
    """
    near = points.is_near(measured)
    motion = np.where(near[:, :, None], points.displacements(measured, displacement), 0)
    steps = np.rint(motion / SUM_STEP).astype(np.int64)
    counts = np.stack([near, is_found(measured, points)], axis=2).astype(np.int64)
    return np.concatenate([steps, counts], axis=2).sum(axis=0, keepdims=True)


def mean_geometry(total: IntArray) -> FloatArray:
    """Divide sums by numbers of frames.

    Parameters
    ----------
    total
        int64 (point, 4), from `sum_geometry`, of all frames.

    Returns
    -------
    float64 (point, 3): mean y and x, px, and fraction of frames in which the point was found.
    """
    n_shown = np.maximum(total[:, 2:3], 1)
    mean: FloatArray = total[:, [0, 1, 3]] * np.array([SUM_STEP, SUM_STEP, 1]) / n_shown
    return mean


def subtract_mean(
    measured: AnyArray, displacement: AnyArray, points: RefinedPoints, mean: FloatArray
) -> Float32Array:
    """Displacements of some frames, relative to the mean: float32 (frame, point, axis), px.

    Parameters
    ----------
    measured, displacement, points
        As for `sum_geometry`.
    mean
        float64 (point, 3), from `mean_geometry`.
    """
    return (points.displacements(measured, displacement) - mean[:, :2]).astype(np.float32)
