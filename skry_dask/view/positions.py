"""Anchors, reference points and the region, on the pixels of the file's frames.

Options have positions on the frames as they are selected: relative to the region of interest. On
the page they are positions on the whole reference frame, so that they stay where they are when
another region is drawn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skry_dask.options import Options, Positions

DIGITS = 2
"""Decimals of a position, px: of a mouse, more are noise."""


def origin_of(options: Options) -> tuple[int, int]:
    """Return the y and x of the first pixel of the region of interest, px."""
    roi = options.select.roi_px
    return (0, 0) if roi is None else roi[:2]


def on_whole_frame(positions: Positions, options: Options) -> Positions:
    """Take positions of options to the whole frame: y and x of each, px."""
    y0, x0 = origin_of(options)
    return tuple((y + y0, x + x0) for y, x in positions)


def to_options(positions: Iterable[tuple[float, float]], options: Options) -> Positions:
    """Take positions on the whole frame to those of options, without any outside the region."""
    y0, x0 = origin_of(options)
    moved = [(round(y - y0, DIGITS), round(x - x0, DIGITS)) for y, x in positions]
    roi = options.select.roi_px
    if roi is None:
        return tuple(moved)
    height, width = roi[2:]
    return tuple((y, x) for y, x in moved if 0 <= y <= height - 1 and 0 <= x <= width - 1)


def with_region(options: Options, roi: tuple[int, int, int, int] | None) -> Options:
    """Choose another region of interest; positions stay where they are on the whole frame.

    Parameters
    ----------
    options
        Of the job.
    roi
        y, x, height and width, px; None = the whole frame.
    """
    text = None if roi is None else ",".join(map(str, roi))
    changed = replace(options, select=replace(options.select, roi=text))
    anchors = to_options(on_whole_frame(options.align.anchors, options), changed)
    points = to_options(on_whole_frame(options.track.points, options), changed)
    return replace(
        changed,
        align=replace(options.align, anchors=anchors),
        track=replace(options.track, points=points),
    )
