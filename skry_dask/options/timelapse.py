"""Options of a time-lapse movie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skry_dask.options.given import NamedOptions
from skry_dask.options.phases import Canvas
from skry_dask.options.values import check_range, choice


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TimelapseOptions(NamedOptions):
    """Options of a time-lapse movie.

    Parameters
    ----------
    fps
        Number of pictures a second.
    movie_canvas
        "overlap" is what all images show; "union" is everything that any of them shows, on black.
    stamp
        Write the time, UTC, into each picture; the name of the image where it has no time.
    stretch
        Stretch brightness from black to white, the same for all pictures.
    rigid
        Place images by a shift alone; otherwise what the air displaces locally from one image to
        the next is undone, too, but for motion that goes on.
    keep_brightness
        Leave the brightness of each image as it is; otherwise thin cloud, exposure and gain are
        evened out.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.TimelapseOptions(fps=25, stamp=True)
    TimelapseOptions(fps=25, stamp=True)
    """

    phase: ClassVar[str] = "timelapse"
    version: ClassVar[int] = 1

    fps: float = 10.0
    movie_canvas: Canvas = Canvas.OVERLAP
    stamp: bool = False
    stretch: bool = False
    rigid: bool = False
    keep_brightness: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        check_range("fps", self.fps, 0.1, 120.0)
        canvas = choice("movie_canvas", self.movie_canvas, Canvas)
        object.__setattr__(self, "movie_canvas", canvas)
