"""Options of an animation of stacking."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from skry_dask.options.given import NamedOptions
from skry_dask.options.values import check_range, check_switch, choice


class FrameOrder(StrEnum):
    """In which order frames are added."""

    TIME = "time"
    QUALITY = "quality"


class Shown(StrEnum):
    """What pictures show."""

    BOTH = "both"
    FRAMES = "frames"
    STACK = "stack"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AnimationOptions(NamedOptions):
    """Options of an animation of stacking.

    Parameters
    ----------
    fps
        Number of pictures a second.
    pictures
        Largest number of pictures. Of more frames, the first ones come one by one, and later ones
        several at a time.
    order
        Order in which frames are added: "time", or "quality", the best ones first.
    show
        "both" is the frame beside the stack so far; "frames" or "stack" is one of them.
    plain
        Leave out triangles and reference points.
    width
        Width of the movie, px; by default as the images are wide, from 960 to 1920 px.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.AnimationOptions(fps=25, order="quality")
    AnimationOptions(fps=25, order='quality')
    """

    phase: ClassVar[str] = "animation"
    version: ClassVar[int] = 1

    fps: float = 10.0
    pictures: int = 100
    order: FrameOrder = FrameOrder.TIME
    show: Shown = Shown.BOTH
    plain: bool = False
    width: int | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        check_range("fps", self.fps, 0.1, 120.0)
        check_range("pictures", self.pictures, 2, 10_000)
        object.__setattr__(self, "order", choice("order", self.order, FrameOrder))
        object.__setattr__(self, "show", choice("show", self.show, Shown))
        check_switch("plain", self.plain)
        if self.width is not None:
            check_range("width", self.width, 64, 16_384)
