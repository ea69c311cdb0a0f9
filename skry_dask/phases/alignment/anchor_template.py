"""Alignment by anchors: blocks all over a frame, found in others, and their mean offset.

The coarse shift is found on thumbnails, then blocks are matched around it. An anchor measures the
frame's offset and the local seeing. Wanted is the offset with the seeing averaged over the whole
frame, so the anchors that agree are averaged with the weights of block kriging (Journel &
Huijbregts, "Mining Geostatistics", Academic Press, 1978, chapter V): anchors near a gap or the
frame's rim count for it. Error against the frame's mean seeing on simulated captures, px rms (moon
480 x 360; moon, sun 840 x 612):

====================================================  =====  =====  =====
64 blocks of 64 px, plain mean                        0.43   0.31   0.34
200 blocks of 32 px, plain mean                       0.20   0.13   0.19
the same, weighted by Voronoi areas                   0.18   0.11   0.17
weights of all anchors, missing ones left out         0.19   0.11   0.14
weights of the anchors found                          0.11   0.08   0.14
with anchors near the centres of their cells (this)   0.11   0.07   0.13
====================================================  =====  =====  =====

Rejected, because the mean does not gain: assigning values to the centroid of a block's gradients
instead of its centre (single values fit the seeing better, 0.11 px against 0.16 px); the mean over
the part of the canvas that the frame shows instead of the whole (while frames overlap by more than
nine tenths); removing each anchor's mean over frames first.

Cost: 0.8 ms for a frame of 840 x 612 on one core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.field.block_kriging import area_means, invert_positive_definite
from skry_dask.kernels.field.covariance import distances, unit_covariance
from skry_dask.kernels.field.median import median_displacements
from skry_dask.kernels.matching.block_match import match_blocks, preceding_neighbours
from skry_dask.phases.alignment.anchor_blocks import (
    SIGNIFICANCE,
    cell_side,
    choose_blocks,
    mean_points,
)
from skry_dask.phases.alignment.frame_alignment import FrameAlignment, Reason
from skry_dask.phases.alignment.thumbnails import (
    are_blank,
    coarse_shifts,
    make_thumbnails,
    shrink_factor,
    spectrum,
)

if TYPE_CHECKING:
    from skry_dask.kernels.matching.reference_blocks import ReferenceBlocks
    from skry_dask.options import AlignOptions
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, Frames, IntArray

SEEING_LENGTH_PX = 60.0
"""Length over which seeing is correlated, px (standard deviation of a Gaussian). It is not known in
advance; for seeing of 57 px, 30 costs 0.03 px and 100 costs 0.01 px."""

ANCHOR_NOISE = 0.1
"""Variance of an anchor's error, as a fraction of that of the seeing."""

SEEING_REACH_PX = 8
"""How far local seeing moves a block from where the whole frame has gone, px."""

PREDICTION_REACH = 2.5
"""The search for a block starts where blocks within this many block sides or cells were found."""

AGREEMENT_PX = 8.0
"""Anchors within this distance of the median agree with it, px."""

MIN_CORRELATION_SHARE = 0.6
"""A block is found where its correlation is significant, and at least this share of the correlation
that its noise allows."""

EXPECTED_SCATTER_PX = 2.0
"""What anchors scatter in y or x before any is measured, px; it counts like one more anchor."""

ERROR_PER_SCATTER = 1.9
"""Error of a mean offset, in units of what independent anchors with the scatter measured leave. Air
moves neighbouring anchors alike, over longer distances the stronger it is. Of 2092 frames of seven
captures through Kolmogorov air (Moon, Sun and planet, D / r0 from 4 to 8), those that are said to
be right to 1 px with a probability of 0.25 to 0.5, 0.5 to 0.75, 0.75 to 0.9 and 0.9 to 1 were in
43, 63, 81 and 96 % of the cases. (With 1.2 it was 82 % of the last.) Through seeing that is
correlated over 40 px only, frames are right more often than that."""

N_FULL_AGREEMENT = 8
"""Number of agreeing anchors, or all where there are fewer, that full agreement needs."""


@dataclass(frozen=True, slots=True, eq=False)
class Anchors:
    """Anchor blocks of a frame, and the weights of what is measured at them.

    Parameters
    ----------
    corners
        int64 (anchor, axis), top left pixels of the blocks, px.
    blocks
        The blocks, cut from the frame.
    preceding
        Anchors that predict where each block is found; see `preceding_neighbours`.
    min_correlation
        float64 (anchor), correlation from which a block counts as found.
    inverse_covariance
        float64 (anchor, anchor), inverse of the covariance of the seeing between anchors, with
        noise.
    target_covariance
        float64 (anchor), covariance of each anchor's seeing with the mean that is wanted.
    n_overlapping
        Number of blocks that show the same place on average, at least 1: they share its noise.
    """

    corners: IntArray
    blocks: ReferenceBlocks
    preceding: IntArray
    min_correlation: FloatArray
    inverse_covariance: FloatArray
    target_covariance: FloatArray
    n_overlapping: float

    @classmethod
    def of_frame(
        cls, frame: Frames, options: AlignOptions, object_area: float | None = None
    ) -> Anchors:
        """Choose anchors on a frame, or take the user's.

        Parameters
        ----------
        frame
            uint8 or uint16 (y, x), contiguous.
        options
            Of the align phase.
        object_area
            Area of the object that is followed, px; the mean over its anchors is then wanted
            instead of the mean over the whole frame.
        """
        corners, blocks, max_correlation = choose_blocks(frame, options, object_area)
        size = blocks.full.size
        centres: FloatArray = corners.astype(np.float64) + (size - 1) / 2
        targets = mean_points(frame.shape) if object_area is None else centres
        covariance = unit_covariance(distances(centres, centres), SEEING_LENGTH_PX)
        of_targets = unit_covariance(distances(centres, targets), SEEING_LENGTH_PX)
        cell = cell_side(object_area or frame.size, size)
        return cls(
            corners,
            blocks,
            preceding_neighbours(corners, PREDICTION_REACH * max(size, cell)),
            np.maximum(MIN_CORRELATION_SHARE * max_correlation, SIGNIFICANCE / size),
            invert_positive_definite(covariance + ANCHOR_NOISE * np.eye(len(corners))),
            of_targets.mean(axis=1) if len(corners) else np.zeros(0),
            max(1.0, len(corners) * size**2 / (object_area or frame.size)),
        )

    @property
    def size(self) -> int:
        """Side of a block, px."""
        return self.blocks.full.size

    def align_all(self, frames: Frames, shifts: IntArray, reach: int) -> list[FrameAlignment]:
        """Find the blocks around their coarsely shifted places, and average those that agree.

        Parameters
        ----------
        frames
            uint8 or uint16 (frame, y, x).
        shifts
            int64 (frame, axis), coarse shifts, px.
        reach
            Largest distance from there, px.
        """
        if not len(self.corners):
            return [FrameAlignment((0.0, 0.0), 0.0, Reason.NO_ANCHORS)] * len(frames)
        expected = self.corners + shifts[:, None]
        frames = np.ascontiguousarray(frames)
        matches = match_blocks(frames, expected, self.blocks, reach, self.preceding)
        shape = frames.shape[1:]
        inside = ((expected >= 0) & (expected + self.size <= shape)).all(axis=2)
        vectors = np.ascontiguousarray(matches[:, :, :2])
        found = inside & (matches[:, :, 2] > self.min_correlation)
        from_median = vectors - median_displacements(vectors, found)[:, None]
        agreeing = found & ((from_median * from_median).sum(axis=2) <= AGREEMENT_PX**2)
        means = area_means(vectors, agreeing, self.inverse_covariance, self.target_covariance)
        errors = self._errors(vectors - means[:, None], agreeing)
        # A block that was not found counts only where its whole search window lies in the frame.
        searched = ((expected >= reach) & (expected + self.size + reach <= shape)).all(axis=2)
        return self._alignments(shifts + means, errors, agreeing, found | searched)

    def _errors(self, residuals: FloatArray, agreeing: BoolArray) -> FloatArray:
        """Find the standard deviation of each frame's offset in y or x, px: float64 (frame).

        The scatter of anchors around their mean is noise and seeing; blocks that overlap share it.
        """
        squares = np.where(agreeing, (residuals * residuals).sum(axis=2), 0.0).sum(axis=1) / 2
        n = np.maximum(agreeing.sum(axis=1), 1)
        spread = np.sqrt((squares + EXPECTED_SCATTER_PX**2) / n)
        errors: FloatArray = ERROR_PER_SCATTER * spread / np.sqrt(n / self.n_overlapping)
        return errors

    def _alignments(
        self, offsets: FloatArray, errors: FloatArray, agreeing: BoolArray, possible: BoolArray
    ) -> list[FrameAlignment]:
        """Judge offsets (frame, axis) by the anchors (frame, anchor) that agree with them."""
        n_agreeing, n_possible = agreeing.sum(axis=1), possible.sum(axis=1)
        # One or two may agree by chance, where a corner of the scene that is left resembles another
        # part of it.
        n_needed = min(N_FULL_AGREEMENT, len(self.corners))
        trust = np.minimum(1.0, n_agreeing / n_needed)
        rows = (offsets, n_agreeing, n_possible, trust, errors)
        return [
            FrameAlignment((y, x), n / of * share, error=error)
            if n
            else FrameAlignment((0.0, 0.0), 0.0, Reason.NOT_RECOGNISED)
            for (y, x), n, of, share, error in zip(*(row.tolist() for row in rows), strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class AnchorTemplate:
    """A frame with anchors; see `Template`.

    Parameters
    ----------
    full_scale
        Grey level of white.
    factor
        By which thumbnails are shrunk.
    thumbnail
        float32 (y, x), of the frame.
    spectrum
        complex64, of the thumbnail.
    anchors
        The blocks to find.
    """

    full_scale: int
    factor: int
    thumbnail: Float32Array
    spectrum: AnyArray
    anchors: Anchors

    @classmethod
    def of_frame(cls, frame: Frames, full_scale: int, options: AlignOptions) -> AnchorTemplate:
        """Prepare a frame (y, x)."""
        frame = np.ascontiguousarray(frame)
        thumbnail = make_thumbnails(frame)
        return cls(
            full_scale,
            shrink_factor(frame.shape),
            thumbnail,
            spectrum(thumbnail),
            Anchors.of_frame(frame, options),
        )

    @property
    def corners(self) -> IntArray:
        """Top left pixels of the anchors' blocks: int64 (anchor, axis), px."""
        return self.anchors.corners

    def align(self, frame: Frames, thumbnail: Float32Array | None = None) -> FrameAlignment:
        """Align one frame (y, x); see `Template.align`."""
        thumbnail = make_thumbnails(frame) if thumbnail is None else thumbnail
        (alignment,) = self.align_all(frame[None], thumbnail[None])
        return alignment

    def align_all(self, frames: Frames, thumbnails: Float32Array) -> list[FrameAlignment]:
        """Align frames (frame, y, x): coarse shift, then anchors; see `Template.align_all`."""
        alignments = [FrameAlignment((0.0, 0.0), 0.0, Reason.NOTHING_TO_SEE)] * len(frames)
        shown = np.flatnonzero(~are_blank(thumbnails, self.full_scale))
        if len(shown):
            of_shown = thumbnails[shown]
            coarse, _ = coarse_shifts(self.thumbnail, self.spectrum, of_shown, spectrum(of_shown))
            some = frames if len(shown) == len(frames) else frames[shown]
            found = self.anchors.align_all(
                some, self.factor * coarse, self.factor + SEEING_REACH_PX
            )
            for i, alignment in zip(shown, found, strict=True):
                alignments[i] = alignment
        return alignments
