"""Alignment of an object on a dark sky: by its centre of brightness, then by blocks on its face.

Such an object shows little of the frame's seeing: even with perfect knowledge of the seeing on the
disc, its mean is 1.1 px off the mean over the frame. The plain mean over the disc is the better
guide, since it leaves least on the disc itself. Against that mean, centres of brightness are 0.87
px off and blocks on the disc 0.3 px (0.4 px with as few blocks as a grid for the whole frame has
there).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.phases.alignment.anchor_blocks import cell_side
from skry_dask.phases.alignment.anchor_template import Anchors
from skry_dask.phases.alignment.bright_objects import measure_disc
from skry_dask.phases.alignment.frame_alignment import FrameAlignment, Reason

if TYPE_CHECKING:
    from skry_dask.options import AlignOptions
    from skry_dask.types import Float32Array, Frames

MAX_DIAMETER_RATIO = 1.4
"""Objects whose diameters differ by more than this factor are not the same object."""

MIN_COVERED_SHARE = 0.75
"""Least share of a disc that blocks must cover; below it the centre of brightness is the better
guide."""

MIN_AGREEMENT = 0.5
"""Agreement from which the blocks on a disc replace its centre of brightness."""

CENTRE_ERROR_PX = 0.6
"""Standard deviation of a centre of brightness in y or x, px: what seeing of 2 px makes of it."""

CENTROID_REACH_PX = 10
"""How far seeing and the error of the centre of brightness move a block of a disc, px."""


@dataclass(frozen=True, slots=True, eq=False)
class CentroidTemplate:
    """The centre of brightness of a frame; see `Template`.

    Parameters
    ----------
    full_scale
        Grey level of white.
    centre
        Centre of brightness (y, x), px.
    diameter
        Of the object, px; 0 where there is none.
    """

    full_scale: int
    centre: tuple[float, float]
    diameter: float

    @classmethod
    def of_frame(cls, frame: Frames, full_scale: int, options: AlignOptions) -> CentroidTemplate:
        """Measure a frame (y, x)."""
        del options
        disc = measure_disc(frame, full_scale)
        return cls(full_scale, disc.centre, disc.diameter)

    def align(self, frame: Frames, thumbnail: Float32Array | None = None) -> FrameAlignment:
        """Compare the centre of brightness, if the diameter is similar; see `Template.align`."""
        disc = measure_disc(frame, self.full_scale, thumbnail)
        y, x = (a - b for a, b in zip(disc.centre, self.centre, strict=True))
        reason = disc.reason
        if reason is Reason.ACTIVE:
            ratio = max(disc.diameter, 1.0) / max(self.diameter, 1.0)
            if not 1 / MAX_DIAMETER_RATIO <= ratio <= MAX_DIAMETER_RATIO:
                reason = Reason.NOT_RECOGNISED
        found = reason is Reason.ACTIVE
        error = CENTRE_ERROR_PX if found else math.inf
        return FrameAlignment((y, x), float(found), reason, error=error)

    def align_all(self, frames: Frames, thumbnails: Float32Array) -> list[FrameAlignment]:
        """Align frames (frame, y, x); see `Template.align_all`."""
        return [self.align(*pair) for pair in zip(frames, thumbnails, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class DiscTemplate:
    """An object on a dark sky, and blocks all over it; see `Template`.

    Parameters
    ----------
    centroid
        Gives the coarse shift, and the offset where blocks are not found.
    anchors
        The blocks to find; None where they cover too little of the object.
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
        return cls(centroid, anchors if covered >= MIN_COVERED_SHARE * area else None)

    def align(self, frame: Frames, thumbnail: Float32Array | None = None) -> FrameAlignment:
        """Compare the centre of brightness, then match blocks; see `Template.align`."""
        frame = np.ascontiguousarray(frame)
        by_centre = self.centroid.align(frame, thumbnail)
        if by_centre.reason is not Reason.ACTIVE or self.anchors is None:
            return by_centre
        shift = np.rint(by_centre.offset).astype(np.int64)
        (by_blocks,) = self.anchors.align_all(frame[None], shift[None], CENTROID_REACH_PX)
        # An object of the right size is there, whether its face shows detail or not.
        return by_blocks if by_blocks.agreement >= MIN_AGREEMENT else by_centre

    def align_all(self, frames: Frames, thumbnails: Float32Array) -> list[FrameAlignment]:
        """Align frames (frame, y, x); see `Template.align_all`."""
        return [self.align(*pair) for pair in zip(frames, thumbnails, strict=True)]
