"""The alignment of one frame, and what every alignment method offers."""

from __future__ import annotations

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


class FrameAlignment(NamedTuple):
    """Where the scene lies in a frame.

    Parameters
    ----------
    offset
        Position (y, x) in the frame minus position in the template's frame, px.
    confidence
        From 0 to 1.
    reason
        Why the frame cannot be used, or ``Reason.ACTIVE``.
    across_only
        Whether the offset is known across a limb only, and a guess along it.
    """

    offset: tuple[float, float]
    confidence: float
    reason: Reason = Reason.ACTIVE
    across_only: bool = False


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
