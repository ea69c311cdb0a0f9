"""The alignment of one frame, and what every alignment method offers."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, Frames


class Reason(IntEnum):
    """Why a frame is inactive.

    ``NO_ANCHORS``: the reference frame has no block that could be found in another frame.
    ``DAMAGED``: the decoder says so. ``UNLIKE``: much of the frame differs from most others.
    """

    ACTIVE = 0
    NOTHING_TO_SEE = 1
    NOT_RECOGNISED = 2
    CUT_BY_BORDER = 3
    TOO_LITTLE_OVERLAP = 4
    NO_ANCHORS = 5
    DAMAGED = 6
    UNLIKE = 7

    @property
    def words(self) -> str:
        """The reason as text: "nothing to see"."""
        return self.name.lower().replace("_", " ")


class FrameAlignment(NamedTuple):
    """Where the scene lies in a frame.

    Parameters
    ----------
    offset
        Position (y, x) in the frame minus position in the template's frame, px.
    agreement
        Share of what the frame shows that agrees with the offset, 0 to 1. It decides whether the
        frame is used: a frame that is hard to measure is still better than none.
    reason
        Why the frame cannot be used, or ``Reason.ACTIVE``.
    across_only
        Whether the offset is known across a limb only, and a guess along it.
    error
        Standard deviation of the offset in y or x, px; infinite where nothing is known.
    """

    offset: tuple[float, float]
    agreement: float
    reason: Reason = Reason.ACTIVE
    across_only: bool = False
    error: float = math.inf

    @property
    def confidence(self) -> float:
        """Probability that the offset lies within 1 px of the truth, 0 to 1.

        Errors in y and x are Gaussian and alike, so distances have a Rayleigh distribution.
        """
        return 1.0 if self.error == 0 else -math.expm1(-0.5 / self.error**2)

    def plus(self, following: FrameAlignment) -> FrameAlignment:
        """Go on from the frame that is aligned here to one that is aligned with it."""
        return self._joined(following, 1.0)

    def minus(self, following: FrameAlignment) -> FrameAlignment:
        """Go back from the frame that is aligned here to the one that it is aligned with."""
        return self._joined(following, -1.0)

    def _joined(self, other: FrameAlignment, sign: float) -> FrameAlignment:
        y, x = (a + sign * b for a, b in zip(self.offset, other.offset, strict=True))
        return FrameAlignment(
            (y, x),
            min(self.agreement, other.agreement),
            other.reason,
            other.across_only,
            math.hypot(self.error, other.error),
        )


class Template(Protocol):
    """A frame against which other frames are aligned, each independently of the others."""

    def align(self, frame: Frames, thumbnail: Float32Array | None = None) -> FrameAlignment:
        """Align one frame.

        Parameters
        ----------
        frame
            uint8 or uint16 (y, x), grey.
        thumbnail
            float32 (y, x), the frame's thumbnail, if it is known.
        """
        ...

    def align_all(self, frames: Frames, thumbnails: Float32Array) -> list[FrameAlignment]:
        """Align frames.

        Parameters
        ----------
        frames
            uint8 or uint16 (frame, y, x), grey.
        thumbnails
            float32 (frame, y, x), from `make_thumbnails`.
        """
        ...
