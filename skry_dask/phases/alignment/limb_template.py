"""Alignment by all pixels of a frame at once, for limbs and other scenes that are hardly textured.

Blocks on a limb slide along it, and there may be few elsewhere. What faint texture there is tells
where a frame lies along the limb only if all of it is compared together:

1. Coarsely, by where gradients have the same direction (orientation correlation: Fitch, Kadyrov,
   Christmas & Kittler, British Machine Vision Conference 2002, 133-142), normalised over what both
   frames show.
2. Finely, from coarse to full resolution, by Gauss-Newton steps on the gradient of the reference
   (Baker & Matthews, "Lucas-Kanade 20 years on", Int. J. Computer Vision 56(3), 2004, 221-255),
   with gain, level and blur of the frame as unknowns. The two by two information matrix, less what
   noise adds to it, says how well either direction is known.

Where the smaller eigenvalue says next to nothing, as at a blank limb, the frame is aligned across
the limb only: along it, it lies where the curvature of the limb puts it, and the alignment says so.

Error on simulated limbs of 320 x 240 px with noise of 1 %, px rms, along and across the limb, and
the same with seeing of 0.7 px (whose mean over the disc is the truth):

=============================  ============  ============  ============  ============
scene                          blocks        this          blocks, air   this, air
=============================  ============  ============  ============  ============
texture of 10 %                0.21, 0.03    0.02, 0.01    0.18, 0.20    0.14, 0.11
texture of 5 %                 0.23, 0.13    0.05, 0.03    0.25, 0.25    0.15, 0.15
the same, drift of 108 px      0.35, 0.16    0.07, 0.02    0.29, 0.31    0.27, 0.20
texture of 2 %                 none found    0.22, 0.03    none found    0.35, 0.29
limb in a corner, 5 %          0.24, 0.14    0.09, 0.02    0.43, 0.28    0.26, 0.22
prominences, blank limb        1.11, 0.19    0.08, 0.09    0.90, 0.44    0.69, 0.28
blank limb, radius of 1000 px  none found    0.77, 0.02    4.60, 1.01    4.14, 0.36
=============================  ============  ============  ============  ============

Cost: 8 ms for a frame of 320 x 240 on one core.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import fft

from skry_dask.kernels.field.block_kriging import invert_positive_definite
from skry_dask.kernels.frame.box_means import binomial_smooth
from skry_dask.kernels.matching.whole_shift import N_TERMS, Overlap, answers, normal_matrix
from skry_dask.phases.alignment.frame_alignment import FrameAlignment, Reason
from skry_dask.phases.alignment.limb_level import SMOOTHINGS, Gradients, levels_of
from skry_dask.phases.alignment.thumbnails import are_blank, make_thumbnails

if TYPE_CHECKING:
    from skry_dask.options import AlignOptions
    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames

MAX_COARSE_SIDE = 256
"""Largest side of the coarsest resolution, px."""

MIN_SHARED_ENERGY = 0.2
"""Least share of the gradients that two frames must both show at a coarse shift."""

MIN_SHARED_WEIGHT = 0.1
"""Least share of the reference's weight that a frame must show."""

MIN_SIDE_PX = 16
"""Least side of the overlap of two frames, px of the resolution at hand."""

MAX_STEPS = 12
"""Largest number of steps at a resolution."""

MAX_STEP_PX = 2.0
"""Longest step in either direction, px of the resolution at hand."""

LAST_STEP_PX = 0.01
"""A step shorter than this is the last one."""

FREE_PX = 20.0
"""How far (standard deviation) a frame moves where nothing holds it, px."""

MAX_DOUBT_PX = 0.06
"""Standard deviation of an offset in one direction beyond which it is not known there, px. What the
air does is hardly counted in it: textured limbs have 0.01 to 0.04, blank ones 0.07 and more."""

ERROR_PER_DOUBT = 25.0
"""Error of an offset in units of the standard deviation that the information matrix gives. Most of
it is the air's, which moves the few places that tell least the most: 10 to 30 in seeing of 1 to 2
px."""

RIDGE = 1e-9
"""Added to the diagonal of the normal equations, as a fraction of it."""


class _Known(NamedTuple):
    """What is known of a frame's offset.

    Parameters
    ----------
    offset
        float64 (axis), px of the resolution at hand.
    information
        float64 (axis, axis), inverse of the covariance of its error, px^-2.
    correlation
        Between the frame and what the reference explains of it, 0 to 1.
    """

    offset: FloatArray
    information: FloatArray
    correlation: float = 0.0

    def doubled(self) -> _Known:
        """Express the same in pixels half as large."""
        return self._replace(offset=2 * self.offset, information=self.information / 4)


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """The reference at one resolution.

    Parameters
    ----------
    terms, weight
        See `normal_matrix`.
    noise
        float32 (y, x), what noise adds to either diagonal element of the information matrix.
    """

    terms: Float32Array
    weight: Float32Array
    noise: Float32Array

    @classmethod
    def of(cls, gradients: Gradients, factor: int) -> _Level:
        weight = gradients.weights(factor)
        return cls(gradients.terms(), weight, weight * gradients.noise)

    def refine(self, frame: Float32Array, before: _Known) -> _Known | None:
        """Step from an offset to the one that fits best, as far as more is known than before.

        Returns
        -------
        None where the overlap is too small.
        """
        offset, found, shown, matrix, noise = before.offset, None, None, np.zeros(0), 0.0
        for _ in range(MAX_STEPS):
            overlap = self._overlap(offset)
            if overlap is None:
                return None
            if overlap != shown:
                shown, matrix = overlap, normal_matrix(self.terms, self.weight, overlap)
                noise = self._noise(overlap)
            part = offset - np.floor(offset)
            answer = answers(self.terms, self.weight, frame, overlap, (part[0], part[1]))
            step, found = _solve(matrix, answer, noise, before, offset)
            offset = offset + step
            if np.abs(step).max() < LAST_STEP_PX:
                break
        return None if found is None else found._replace(offset=offset)

    def _overlap(self, offset: FloatArray) -> Overlap | None:
        """Find the pixels of the reference that a frame shows at an offset."""
        (height, width), (down, right) = self.weight.shape, np.floor(offset).astype(int).tolist()
        top, left = max(0, -down), max(0, -right)
        bottom, end = min(height, height - 1 - down), min(width, width - 1 - right)
        if min(bottom - top, end - left) < MIN_SIDE_PX:
            return None
        overlap = Overlap(top, left, bottom - top, end - left, down, right)
        share = self.weight[top:bottom, left:end].sum(dtype=np.float64)
        total = self.weight.sum(dtype=np.float64)
        return overlap if share > MIN_SHARED_WEIGHT * total else None

    def _noise(self, overlap: Overlap) -> float:
        rows = slice(overlap.top, overlap.top + overlap.height)
        columns = slice(overlap.left, overlap.left + overlap.width)
        return float(self.noise[rows, columns].sum(dtype=np.float64))


def _solve(
    matrix: FloatArray, answer: FloatArray, noise: float, before: _Known, offset: FloatArray
) -> tuple[FloatArray, _Known]:
    """Solve the normal equations for the displacement that is left, given what was known before.

    Returns
    -------
    The step, px, and what is known at this offset.
    """
    diagonal = np.diag(matrix)
    inverse = invert_positive_definite(matrix + np.diag(RIDGE * diagonal + 1e-30))
    right = answer[:N_TERMS]
    found = (inverse * right).sum(axis=1)
    gain = max(float(found[1]), 0.1)
    measured = invert_positive_definite(inverse[3:, 3:])
    push = (measured * found[3:]).sum(axis=1) / -gain
    push += (before.information * (before.offset - offset)).sum(axis=1)
    information = _Directions.of(measured - noise * np.eye(2)).matrix() + before.information
    step = _Directions.of(information).step(push)
    spread = answer[N_TERMS] - right[0] ** 2 / max(matrix[0, 0], 1e-30)
    explained = float((found * right).sum()) - right[0] ** 2 / max(matrix[0, 0], 1e-30)
    share = min(max(explained / max(spread, 1e-30), 0.0), 1.0)
    correlation = float(np.sqrt(share)) if found[1] > 0 else 0.0
    known = _Known(offset, information, correlation)
    return step, known


class _Directions(NamedTuple):
    """The direction in which an information matrix knows most, and the one at right angles.

    Parameters
    ----------
    best
        Unit vector (axis).
    most, least
        Information in that direction, and in the other, px^-2.
    """

    best: FloatArray
    most: float
    least: float

    @classmethod
    def of(cls, information: FloatArray) -> _Directions:
        """Find the eigenvectors of a symmetric matrix (2, 2)."""
        (yy, yx), (_, xx) = information.tolist()
        mean, half_gap = (yy + xx) / 2, float(np.sqrt(((yy - xx) / 2) ** 2 + yx**2))
        large = mean + half_gap
        vector = np.array((yx, large - yy) if yy < xx else (large - xx, yx))
        length = float(np.sqrt((vector * vector).sum()))
        best = vector / length if length > 0 else np.array([1.0, 0.0])
        return cls(best, large, mean - half_gap)

    @property
    def other(self) -> FloatArray:
        """The unit vector at right angles."""
        return np.array([-self.best[1], self.best[0]])

    def matrix(self) -> FloatArray:
        """Return the matrix again, without negative eigenvalues."""
        best, other = self.best[:, None], self.other[:, None]
        return max(self.most, 0.0) * best * best.T + max(self.least, 0.0) * other * other.T

    def step(self, push: FloatArray) -> FloatArray:
        """Solve for a step, which is limited in either direction."""
        sizes = (
            (self.best, (self.best * push).sum() / self.most),
            (self.other, (self.other * push).sum() / self.least),
        )
        y, x = (unit * min(max(size, -MAX_STEP_PX), MAX_STEP_PX) for unit, size in sizes)
        return y + x


@dataclass(frozen=True, slots=True, eq=False)
class LimbTemplate:
    """A frame with all its gradients; see `Template`.

    Parameters
    ----------
    full_scale
        Grey level of white.
    levels
        The frame at full resolution, then at half of it, and so on.
    energy
        float32 (y, x), squares of the directions of gradients at the coarsest resolution.
    spectrum
        complex64, of these directions, padded so that no shift wraps around.
    """

    full_scale: int
    levels: list[_Level]
    energy: Float32Array
    spectrum: AnyArray

    @classmethod
    def of_frame(cls, frame: Frames, full_scale: int, options: AlignOptions) -> LimbTemplate:
        """Prepare a frame (y, x)."""
        del options
        frame = np.ascontiguousarray(frame)
        gradients = [Gradients.of(*level) for level in levels_of(frame, _n_levels(frame.shape))]
        directions = gradients[-1].directions()
        shape = [fft.next_fast_len(2 * n - 1) for n in directions.shape]
        return cls(
            full_scale,
            [_Level.of(level, 2**i) for i, level in enumerate(gradients)],
            _energy(directions),
            fft.fft2(directions, shape),
        )

    def align(self, frame: Frames, thumbnail: Float32Array | None = None) -> FrameAlignment:
        """Align one frame (y, x); see `Template.align`."""
        thumbnail = make_thumbnails(frame) if thumbnail is None else thumbnail
        if are_blank(thumbnail[None], self.full_scale)[0]:
            return FrameAlignment((0.0, 0.0), 0.0, Reason.NOTHING_TO_SEE)
        shrunk = levels_of(np.ascontiguousarray(frame), len(self.levels))
        shift = self._coarse_shift(Gradients.of(*shrunk[-1]).directions())
        known = _Known(np.array(shift) / 2, 4 * np.eye(2) / FREE_PX**2)
        for level, (image, _) in reversed(list(zip(self.levels, shrunk, strict=True))):
            found = level.refine(binomial_smooth(image[None], SMOOTHINGS)[0], known.doubled())
            if found is None:
                return FrameAlignment((0.0, 0.0), 0.0, Reason.NOT_RECOGNISED)
            known = found
        y, x = known.offset.tolist()
        directions = _Directions.of(known.information)
        across_only = directions.least < MAX_DOUBT_PX**-2
        variance = (1 / directions.most + 1 / max(directions.least, FREE_PX**-2)) / 2
        error = ERROR_PER_DOUBT * math.sqrt(variance)
        return FrameAlignment((y, x), known.correlation, across_only=across_only, error=error)

    def align_all(self, frames: Frames, thumbnails: Float32Array) -> list[FrameAlignment]:
        """Align frames (frame, y, x); see `Template.align_all`."""
        return [self.align(*pair) for pair in zip(frames, thumbnails, strict=True)]

    def _coarse_shift(self, directions: AnyArray) -> tuple[float, float]:
        """Find the shift at which most gradients have the same direction, px of that resolution."""
        height, width = directions.shape
        product = fft.fft2(directions, self.spectrum.shape) * np.conj(self.spectrum)
        agreeing = fft.ifft2(product).real
        energy = _energy(directions)
        shared = np.sqrt(
            _energy_in_overlap(self.energy, agreeing.shape, 1)
            * _energy_in_overlap(energy, agreeing.shape, -1)
        )
        least = MIN_SHARED_ENERGY * float(np.sqrt(energy.sum() * self.energy.sum()))
        agreement = np.clip(agreeing / np.maximum(shared, 1e-9), 0, 0.9999)
        # Of equal agreements the one over most of both frames is least likely by chance.
        score = np.where(shared > least, -shared * np.log(1 - agreement**2), -1.0)
        y, x = (int(i) for i in np.unravel_index(np.argmax(score), score.shape))
        return (
            float(y if y < height else y - score.shape[0]),
            float(x if x < width else x - score.shape[1]),
        )


def _n_levels(shape: tuple[int, ...]) -> int:
    """Count the resolutions of a frame (y, x)."""
    n = 1
    while max(shape) > MAX_COARSE_SIDE * 2 ** (n - 1):
        n += 1
    return n


def _energy(directions: AnyArray) -> Float32Array:
    energy: Float32Array = directions.real**2 + directions.imag**2
    return energy


def _energy_in_overlap(energy: Float32Array, shape: tuple[int, ...], sign: int) -> FloatArray:
    """Sum the energy of an image over what it shares with another one, at every shift.

    Parameters
    ----------
    energy
        float32 (y, x).
    shape
        Of the shifts (y, x), which are periodic.
    sign
        1 where the other image shows the scene further down and right at a positive shift, -1
        where this one does.

    Returns
    -------
    float64 (y, x) of that shape, at least 0.
    """
    sums = np.zeros(tuple(n + 1 for n in energy.shape))
    sums[1:, 1:] = energy.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    first, last = [], []
    for n, n_shifts in zip(energy.shape, shape, strict=True):
        shifts = np.arange(n_shifts)
        shifts = sign * np.where(shifts < n, shifts, shifts - n_shifts)
        first.append(np.clip(-shifts, 0, n))
        last.append(np.clip(n - shifts, 0, n))
    (top, left), (bottom, right) = first, last
    inside = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left]
    return np.maximum(inside + sums[top][:, left], 0.0)
