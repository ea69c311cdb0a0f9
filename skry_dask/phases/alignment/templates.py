"""Where one frame lies against another: the methods of the align phase.

A template is made from one frame and then placed on others; every placement is independent of
every other. `AnchorTemplate` finds the coarse shift on `thumbnails`, then matches blocks at many
anchors. `DiscTemplate` finds it from the centre of brightness of an object on a dark sky, and tells
objects cut by the border. `CentroidTemplate` compares such centres and nothing else.

What an anchor measures is the frame's offset and the seeing there. What is wanted is the mean over
the frame, so the agreeing anchors are weighted by kriging (`kernels.weighted_mean`): a gap or the
frame's rim is stood for by the anchors nearest to it. Measured on simulated captures against the
frame's mean seeing, px rms, for blocks and weights (moon 480 x 360; moon, sun 840 x 612):

====================================================  =====  =====  =====
64 blocks of 64 px, plain mean                        0.43   0.31   0.34
200 blocks of 32 px, plain mean                       0.20   0.13   0.19
the same by Voronoi areas                             0.18   0.11   0.17
weights of all anchors, missing ones left out         0.19   0.11   0.14
weights of those found                                0.11   0.08   0.14
with anchors near the centres of their cells (this)   0.11   0.07   0.13
====================================================  =====  =====  =====

Tried and lost: values belonging to the centroid of a block's gradients, in place of its centre (the
values fit the seeing better, 0.11 px against 0.16, but their mean gains nothing); the mean over
where the frame looks, in place of over the canvas (gains nothing while frames overlap by more than
nine tenths); taking each anchor's mean over frames out first (nothing).

An object on a dark sky hides most of the frame's seeing: with perfect knowledge of the seeing on
the disc its mean is still 1.1 px off that over the frame. There the plain mean over the disc is the
better guide, since it leaves least on the disc itself. Against that mean: centroid 0.87 px, blocks
on the disc 0.3 px (0.4 px with as many as come of a grid made for the whole frame).

Cost: 0.8 ms for a frame of 840 x 612 on one core.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from skry_dask.kernels.field.weighted_mean import correlation, inverse_of, means_of_found
from skry_dask.kernels.frame.centroid import moments
from skry_dask.kernels.matching.block_match import earlier_neighbours, match_blocks
from skry_dask.kernels.matching.thumbnails import median_vectors
from skry_dask.phases.alignment.anchors import CHANCE, cell_side, choose_blocks, even_places
from skry_dask.phases.alignment.thumbnails import (
    HALO,
    brightest_object,
    coarse_shifts,
    show_nothing,
    shrink_factor,
    spectrum,
    thumbnail,
)

if TYPE_CHECKING:
    from skry_dask.kernels.matching.templates import Blocks
    from skry_dask.options import AlignOptions
    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames, IntArray


SEEING_LENGTH = 60.0
"""Distance over which seeing is alike, px (standard deviation of a Gaussian). Not known beforehand,
but for seeing of 57 px a guess of 30 costs 0.03 px and one of 100, 0.01 px."""

ANCHOR_NOISE = 0.1
"""Variance of an anchor's error, as a fraction of that of the seeing."""

SEEING_REACH = 8
"""How far local seeing moves an anchor's block from where the whole frame has gone, px."""

NEIGHBOURHOOD = 2.5
"""A block is looked for where others at most so many block sizes or cells away were found."""

AGREEMENT = 8.0
"""Anchors within this distance of the median agree with it, px."""

ALIKE = 0.6
"""A block has been found when it is as alike as `CHANCE` asks for, and as this fraction of what the
noise in it leaves possible."""


FEW = 8
"""Confidence is less than full where fewer anchors than this agree (or than there are)."""

MOST = 0.5
"""Blocks on a disc are believed when at least this part agrees, else its centroid is."""

ENOUGH = 0.75
"""Blocks of a disc must cover so much of it, else its centroid is the better guide."""

CENTROID_REACH = 10
"""How far seeing and the centroid's error move a block of a disc, px."""

SAME_SIZE = 1.4
"""Objects whose diameters differ by this factor are not the same."""


class Reason(IntEnum):
    """Why a frame is inactive.

    ``NO_ANCHORS``: the reference frame has no place that could be found in any frame.
    """

    ACTIVE = 0
    NOTHING_TO_SEE = 1
    NOT_RECOGNISED = 2
    CUT_BY_BORDER = 3
    TOO_LITTLE_OVERLAP = 4
    NO_ANCHORS = 5


class Placement(NamedTuple):
    """Where a frame lies: offset (y, x) in px, confidence from 0 to 1, and why not."""

    offset: tuple[float, float]
    confidence: float
    reason: Reason = Reason.ACTIVE


class Template(Protocol):
    """A frame prepared for placing others against it."""

    def place(self, frame: Frames, small: Float32Array | None = None) -> Placement:
        """Find where this template's scene lies in a frame (y, x), given its thumbnail or not."""
        ...

    def place_all(self, frames: Frames, small: Float32Array) -> list[Placement]:
        """Do so for frames (frame, y, x), given their thumbnails (frame, y, x)."""
        ...


# --- anchors ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Anchors:
    """Blocks of a frame, to be found in others.

    Parameters
    ----------
    corners
        int64 (anchor, axis), top left pixels of the anchors' blocks.
    blocks
        The blocks, as block matching wants them.
    earlier
        See `earlier_neighbours`.
    least_likeness
        float64 (anchor), correlation from which a block counts as found.
    inverse
        float64 (anchor, anchor), of the seeing's correlation between anchors, with noise.
    toward
        float64 (anchor), correlation of each anchor's seeing with the mean that is wanted.
    """

    corners: IntArray
    blocks: Blocks
    earlier: IntArray
    least_likeness: FloatArray
    inverse: FloatArray
    toward: FloatArray

    @classmethod
    def of_frame(
        cls, frame: Frames, options: AlignOptions, object_area: float | None = None
    ) -> Anchors:
        """Place anchors on a frame (y, x), or take the user's.

        The mean over the whole frame is wanted or, given the area of an object (px), over its
        anchors.
        """
        corners, blocks, possible = choose_blocks(frame, options, object_area)
        size = blocks.full.size
        centres: FloatArray = corners.astype(np.float64) + (size - 1) / 2
        targets = even_places(frame.shape) if object_area is None else centres
        alike = correlation(centres, centres, SEEING_LENGTH)
        return cls(
            corners,
            blocks,
            earlier_neighbours(
                corners, NEIGHBOURHOOD * max(size, cell_side(object_area or frame.size, size))
            ),
            np.maximum(ALIKE * possible, CHANCE / size),
            inverse_of(alike + ANCHOR_NOISE * np.eye(len(corners))),
            correlation(centres, targets, SEEING_LENGTH).mean(axis=1)
            if len(corners)
            else alike[0:0],
        )

    @property
    def size(self) -> int:
        """Side of a block, px."""
        return self.blocks.full.size

    def place(self, frames: Frames, shifts: IntArray, reach: int) -> list[Placement]:
        """Find the blocks around where coarse shifts put them; the mean of those that agree.

        Parameters
        ----------
        frames
            uint8 or uint16 (frame, y, x).
        shifts
            int64 (frame, axis), px.
        reach
            How far from there blocks are looked for, px.
        """
        if not len(self.corners):
            return [Placement((0.0, 0.0), 0.0, Reason.NO_ANCHORS)] * len(frames)
        expected = self.corners + shifts[:, None]
        frames = np.ascontiguousarray(frames)
        matches = match_blocks(frames, expected, self.blocks, reach, self.earlier)
        return self._agree(matches, expected, shifts, frames.shape[1:], reach)

    def _agree(
        self,
        matches: FloatArray,
        expected: IntArray,
        shifts: IntArray,
        shape: tuple[int, ...],
        reach: int,
    ) -> list[Placement]:
        """Take the mean of the blocks that were found in each frame and agree."""
        size, n_blocks = self.size, len(self.corners)
        seen = ((expected >= 0) & (expected + size <= shape)).all(axis=2)
        matched = np.ascontiguousarray(matches[:, :, :2])
        found = seen & (matches[:, :, 2] > self.least_likeness)
        away = matched - median_vectors(matched, found)[:, None]
        near = found & ((away * away).sum(axis=2) <= AGREEMENT**2)
        offsets = shifts + means_of_found(matched, near, self.inverse, self.toward)
        # A block is missed only where all of its search window lies in the frame.
        whole = ((expected >= reach) & (expected + size + reach <= shape)).all(axis=2)
        n_near, n_possible = near.sum(axis=1), (found | whole).sum(axis=1)
        # One or two agree by chance: the corner that is left of the scene may look like another.
        enough = np.minimum(1.0, n_near / min(FEW, n_blocks))
        return [
            Placement((y, x), n / possible * share)
            if n
            else Placement((0.0, 0.0), 0.0, Reason.NOT_RECOGNISED)
            for (y, x), n, possible, share in zip(
                offsets.tolist(), n_near.tolist(), n_possible.tolist(), enough.tolist(), strict=True
            )
        ]


@dataclass(frozen=True, slots=True, eq=False)
class AnchorTemplate:
    """A frame with blocks at its anchors.

    Parameters
    ----------
    full_scale
        Grey level of white.
    factor
        How much thumbnails are shrunken.
    small
        float32 (y, x), the frame's thumbnail.
    spectrum
        complex64, of the thumbnail's detail.
    anchors
        What is matched.
    """

    full_scale: int
    factor: int
    small: Float32Array
    spectrum: AnyArray
    anchors: Anchors

    @classmethod
    def of_frame(cls, frame: Frames, full_scale: int, options: AlignOptions) -> AnchorTemplate:
        """Prepare a frame (y, x)."""
        frame = np.ascontiguousarray(frame)
        small = thumbnail(frame)
        return cls(
            full_scale,
            shrink_factor(frame.shape),
            small,
            spectrum(small),
            Anchors.of_frame(frame, options),
        )

    @property
    def corners(self) -> IntArray:
        """Top left pixels of the anchors' blocks, int64 (anchor, axis)."""
        return self.anchors.corners

    def place(self, frame: Frames, small: Float32Array | None = None) -> Placement:
        """Find the scene in a frame: coarse shift, then the mean of the agreeing anchors."""
        small = thumbnail(frame) if small is None else small
        (place,) = self.place_all(frame[None], small[None])
        return place

    def place_all(self, frames: Frames, small: Float32Array) -> list[Placement]:
        """Do so for frames (frame, y, x), given their thumbnails."""
        places = [Placement((0.0, 0.0), 0.0, Reason.NOTHING_TO_SEE)] * len(frames)
        shown = np.flatnonzero(~show_nothing(small, self.full_scale))
        if len(shown):
            seen = small[shown]
            coarse, _ = coarse_shifts(self.small, self.spectrum, seen, spectrum(seen))
            shifts = self.factor * coarse
            some = frames if len(shown) == len(frames) else frames[shown]
            found = self.anchors.place(some, shifts, self.factor + SEEING_REACH)
            for i, place in zip(shown, found, strict=True):
                places[i] = place
        return places


# --- objects on a dark sky ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class CentroidTemplate:
    """The centre of brightness of a frame.

    Parameters
    ----------
    full_scale
        Grey level of white.
    centre
        Centroid (y, x), px.
    diameter
        Of a disc of as many pixels as the object, px; 0 where there is none.
    """

    full_scale: int
    centre: tuple[float, float]
    diameter: float

    @classmethod
    def of_frame(cls, frame: Frames, full_scale: int, options: AlignOptions) -> CentroidTemplate:
        """Find the centroid of a frame (y, x)."""
        del options
        disc = find_disc(frame, full_scale)
        return cls(full_scale, disc.centre, disc.diameter)

    def place(self, frame: Frames, small: Float32Array | None = None) -> Placement:
        """Compare centroids, if the objects are of about the same size."""
        disc = find_disc(frame, self.full_scale, small)
        y, x = (a - b for a, b in zip(disc.centre, self.centre, strict=True))
        reason = disc.reason
        if reason is Reason.ACTIVE:
            ratio = max(disc.diameter, 1.0) / max(self.diameter, 1.0)
            if not 1 / SAME_SIZE <= ratio <= SAME_SIZE:
                reason = Reason.NOT_RECOGNISED
        return Placement((y, x), float(reason is Reason.ACTIVE), reason)

    def place_all(self, frames: Frames, small: Float32Array) -> list[Placement]:
        """Do so for frames (frame, y, x), given their thumbnails."""
        return [self.place(*one) for one in zip(frames, small, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class DiscTemplate:
    """A frame with an object on a dark sky, and blocks all over the object.

    Parameters
    ----------
    centroid
        Gives the coarse shift, and the whole of it where no blocks are found.
    anchors
        What is matched; None where blocks find a hold on too little of the object.
    """

    centroid: CentroidTemplate
    anchors: Anchors | None

    @classmethod
    def of_frame(cls, frame: Frames, full_scale: int, options: AlignOptions) -> DiscTemplate:
        """Prepare a frame (y, x)."""
        frame = np.ascontiguousarray(frame)
        centroid = CentroidTemplate.of_frame(frame, full_scale, options)
        area = np.pi / 4 * centroid.diameter**2
        anchors = Anchors.of_frame(frame, options, area)
        covered = len(anchors.corners) * cell_side(area, anchors.size) ** 2
        return cls(centroid, anchors if covered >= ENOUGH * area else None)

    def place(self, frame: Frames, small: Float32Array | None = None) -> Placement:
        """Find the object by its centroid, then by the mean of the agreeing anchors."""
        frame = np.ascontiguousarray(frame)
        by_centre = self.centroid.place(frame, small)
        if by_centre.reason is not Reason.ACTIVE or self.anchors is None:
            return by_centre
        shift = np.rint(by_centre.offset).astype(np.int64)
        (by_blocks,) = self.anchors.place(frame[None], shift[None], CENTROID_REACH)
        # An object of the right size is there, whatever its face shows.
        return by_blocks if by_blocks.confidence >= MOST else by_centre

    def place_all(self, frames: Frames, small: Float32Array) -> list[Placement]:
        """Do so for frames (frame, y, x), given their thumbnails."""
        return [self.place(*one) for one in zip(frames, small, strict=True)]


class Disc(NamedTuple):
    """An object's centre of brightness and diameter, px, and what is wrong with it."""

    centre: tuple[float, float]
    diameter: float
    reason: Reason = Reason.ACTIVE


def find_disc(frame: Frames, full_scale: int, small: Float32Array | None = None) -> Disc:
    """Find the centre of brightness of the brightest object.

    It is found on the thumbnail; what lies above its threshold in a rectangle that holds it and its
    halo, but not the moons beside it, is summed in the frame.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x).
    full_scale
        Grey level of white.
    small
        The frame's thumbnail, where it is known.
    """
    factor = shrink_factor(frame.shape)
    seen = brightest_object(thumbnail(frame) if small is None else small, full_scale)
    if seen is None:
        return Disc((0.0, 0.0), 0.0, Reason.NOTHING_TO_SEE)
    threshold, rows, columns = int(seen.threshold), seen.rows, seen.columns
    top, left = (max(0, s.start - HALO) * factor for s in (rows, columns))
    window = frame[top : (rows.stop + HALO) * factor, left : (columns.stop + HALO) * factor]
    weight, moment_y, moment_x, n_pixels = moments(window, threshold).tolist()
    if weight == 0:
        return Disc((0.0, 0.0), 0.0, Reason.NOTHING_TO_SEE)
    centre = (top + moment_y / weight, left + moment_x / weight)
    diameter = 2 * float(np.sqrt(n_pixels / np.pi))
    bottom, right = top + window.shape[0], left + window.shape[1]
    at_border = (top == 0, bottom == frame.shape[0], left == 0, right == frame.shape[1])
    edges = (window[0], window[-1], window[:, 0], window[:, -1])
    cut = max(
        (int((edge > threshold).sum()) for edge, at in zip(edges, at_border, strict=True) if at),
        default=0,
    )
    reason = Reason.CUT_BY_BORDER if cut > max(4.0, 0.15 * diameter) else Reason.ACTIVE
    return Disc(centre, diameter, reason)
