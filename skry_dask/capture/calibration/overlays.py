"""Text and marks that a program has drawn into frames: clocks, frame numbers, scales, reticles.

They stand still while the scene moves: who aligns frames by them smears the scene. Their strokes
are told from those of a scene by `drawn_edges`. Several strokes close together are text, a long one
is a mark. Digits that change have no strokes that stay; they are looked for in the brightest values
of all frames, beside characters that stay. Text is masked as a rectangle, with the box that it is
written in; marks are masked along their lines.

Where strokes are everywhere, the scene itself is that sharp and does not move: nothing is masked.

Cost: 10 ns a pixel of a frame. Memory: four frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.capture.calibration.drawn_edges import Envelope, drawn_edges, strokes, values_at

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, IntArray

MIN_HEIGHT = 0.15
"""Least height of an edge, as a fraction of the brightest value of all sampled frames."""

MIN_PIXELS = 24
"""Least number of pixels along the strokes of a text."""

MIN_GLYPHS = 3
"""Least number of strokes or characters of a text, which are of at least `GLYPH_PIXELS`."""

GLYPH_PIXELS = 3
"""Least number of pixels of a character. Smaller ones, such as hot pixels, do not count."""

MARK_PX = 24
"""Least length of a mark, px."""

MARK_PIXELS = 32
"""Least number of pixels along both sides of a mark."""

MAX_TEXT_PX = 80
"""Greatest height of a line of text, px."""

MIN_FILL = 0.4
"""The strokes of text, with what lies between them, fill more than this of its rectangle."""

SMALL_TEXT_PX = 24
"""What is less high is masked as a rectangle anyway, px."""

NEAR_PX = (3, 8)
"""Strokes of one text or mark are at most twice as far apart along y and x, px. (Some characters
are not found, where the scene behind them is as bright.)"""

MAX_BOX_PX = 40
"""Greatest distance from text to the border of the box that it is written in, px."""

MIN_ALIKE = 0.85
"""Least fraction of a row or column of a box that is alike; the rest may be text."""

MARGIN_PX = 2
"""Width of the border around text and marks that is masked as well, px."""

MIN_COVERED = 0.6
"""Least fraction of all strokes that text and marks cover; the others are a sharp scene's."""

MIN_EVEN = 0.6
"""Least fraction of the rectangle of text in a box that is even."""

MAX_FRACTION = 0.25
"""What covers more of the frame than this is no overlay."""


class Box(NamedTuple):
    """A rectangle of pixels, without the last row and column."""

    top: int
    bottom: int
    left: int
    right: int


class Searched(NamedTuple):
    """What is searched for overlays, in the frames or in their negatives.

    Parameters
    ----------
    envelope
        Of the frames.
    height
        Least height of an edge, grey levels.
    step
        Distance of pixels of the same colour: 2 in a colour filter array, else 1.
    """

    envelope: Envelope
    height: float
    step: int


def overlays_in(envelope: Envelope, step: int) -> BoolArray | None:
    """Find text and marks in an envelope.

    Parameters
    ----------
    envelope
        Of the frames.
    step
        Distance of pixels of the same colour.

    Returns
    -------
    bool (y, x), or None if there are none
    """
    full_scale = float(envelope.high.max())
    height = max(MIN_HEIGHT * full_scale, 2.0)
    edges = drawn_edges(envelope, height, step)
    if len(edges.bright) < MIN_PIXELS or np.array_equal(*envelope):
        return None
    found, all_drawn = np.zeros(envelope.low.shape, bool), []
    for own, of in ((edges, envelope), (edges.negative, envelope.negative)):
        searched = Searched(of, height, step)
        groups = _groups(strokes(own, of, height, full_scale, step), step)
        for group, is_overlay in groups:
            all_drawn.append(group)
            if is_overlay:
                _mask(found, group, searched)
    if not found.any() or found.mean() > MAX_FRACTION:
        return None
    is_of_scene = values_at(found, np.concatenate(all_drawn)).mean() < MIN_COVERED
    return None if is_of_scene else found


def _groups(drawn: BoolArray, step: int) -> list[tuple[IntArray, bool]]:
    """Group the pixels of strokes that are close together.

    Parameters
    ----------
    drawn
        bool (y, x), from `strokes`.
    step
        Distance of pixels of the same colour.

    Returns
    -------
    list
        For each group int64 (pixel, axis), its pixels, and whether it is text or a mark.
    """
    from scipy import ndimage

    if drawn.sum() < MIN_PIXELS:
        return []
    connected = np.ones((3, 3), bool)
    parts, _ = ndimage.label(drawn, connected)
    sizes = np.bincount(parts.ravel())
    drawn = drawn & (sizes[parts] >= GLYPH_PIXELS)
    reach = 2 * step * np.array(NEAR_PX) + 1
    groups, _ = ndimage.label(ndimage.binary_dilation(drawn, np.ones(reach, bool)), connected)
    pixels = np.argwhere(drawn)
    pixels = pixels[np.argsort(groups[drawn], kind="stable")]
    first = np.flatnonzero(np.diff(groups[tuple(pixels.T)], prepend=0))
    return [
        (group, _is_overlay(group, parts[tuple(group.T)], sizes))
        for group in np.split(pixels, first[1:])
        if len(group)
    ]


def _is_overlay(group: IntArray, parts: IntArray, sizes: IntArray) -> bool:
    """Tell whether pixels (pixel, axis) of several connected parts are text or a mark."""
    own = np.unique(parts)
    if len(group) >= MIN_PIXELS and len(own) >= MIN_GLYPHS:
        return True
    return any(
        np.ptp(group[parts == part], axis=0).max() >= MARK_PX - 1
        for part in own[sizes[own] >= MARK_PIXELS]
    )


def _mask(mask: BoolArray, group: IntArray, searched: Searched) -> None:
    """Mask text or a mark, whose strokes have these pixels (pixel, axis), with a margin."""
    from scipy import ndimage

    (top, left), (bottom, right) = group.min(axis=0), group.max(axis=0) + 1
    box = Box(top, bottom, left, right)
    margin = MARGIN_PX + 2 * searched.step * max(NEAR_PX)
    drawn = np.zeros((bottom - top + 2 * margin, right - left + 2 * margin), bool)
    drawn[tuple((group - (top, left) + margin).T)] = True
    between = 2 * searched.step * np.array(NEAR_PX) + 1
    closed = ndimage.binary_closing(drawn, np.ones(between, bool))
    fill = closed.sum() / ((bottom - top) * (right - left))
    if bottom - top > (MAX_TEXT_PX if fill >= MIN_FILL else SMALL_TEXT_PX):
        wide = ndimage.binary_dilation(drawn, np.ones((3, 3), bool), MARGIN_PX)
        pixels = np.argwhere(wide) + np.array([top, left]) - margin
        inside = ((pixels >= 0) & (pixels < mask.shape)).all(axis=1)
        mask[tuple(pixels[inside].T)] = True
        return
    level = float(np.median(values_at(searched.envelope.low, group)))
    top, bottom, left, right = _with_background(_with_changing(box, level, searched), searched)
    mask[
        max(0, top - MARGIN_PX) : bottom + MARGIN_PX, max(0, left - MARGIN_PX) : right + MARGIN_PX
    ] = True


def _with_changing(box: Box, level: float, searched: Searched) -> Box:
    """Extend the rectangle of text to the left and right over characters that change.

    Parameters
    ----------
    box
        Rectangle of the text.
    level
        What its strokes have, grey levels.
    searched
        Of which the brightest values show all characters that have been there.
    """
    top, bottom, left, right = box
    band = searched.envelope.part(slice(max(0, top - 1), bottom + 1))
    brightest = Envelope(band.high, band.high)
    edges = drawn_edges(brightest, searched.height, searched.step)
    alike = np.abs(values_at(band.high, edges.bright) - level) <= searched.height
    n_edges = np.bincount(edges.bright[alike, 1], minlength=band.high.shape[1])
    reach = 3 * (bottom - top) // 2 + GLYPH_PIXELS
    while True:
        before, after = n_edges[max(0, left - reach) : left], n_edges[right : right + reach]
        if after.sum() > GLYPH_PIXELS:
            right += int(np.flatnonzero(after)[-1]) + 1
        elif before.sum() > GLYPH_PIXELS:
            left += int(np.flatnonzero(before)[0]) - len(before)
        else:
            return Box(top, bottom, left, right)


def _with_background(box: Box, searched: Searched) -> Box:
    """Extend the rectangle of text to that of the even box that it is written in, if there is one.

    Where the same background reaches farther than `MAX_BOX_PX` on any side, it is the sky.
    """
    low, high = searched.envelope
    top, bottom, left, right = box
    tolerance = searched.height / 4
    even = (high - low)[top:bottom, left:right] <= tolerance
    if even.mean() < MIN_EVEN:
        return box
    level = np.median(low[top:bottom, left:right][even])
    ends: list[bool] = []

    def n_alike(rows: slice, columns: slice, axis: int, way: int) -> int:
        """Count the rows or columns beside the rectangle that have its background."""
        own, other = low[rows, columns], high[rows, columns]
        alike = (np.abs(own - level) <= tolerance) & (other - own <= tolerance)
        fractions = alike.mean(axis=axis)[::way] if alike.size else np.zeros(0)
        others = np.flatnonzero(fractions < MIN_ALIKE)
        if not len(others):
            ends.append(False)
            return len(fractions)
        n = int(others[0])
        ends.append(bool(fractions[n : n + 2].min() < 1 - MIN_ALIKE))
        return n

    columns = slice(left, right)
    top -= n_alike(slice(max(0, top - MAX_BOX_PX), top), columns, 1, -1)
    bottom += n_alike(slice(bottom, bottom + MAX_BOX_PX), columns, 1, 1)
    rows = slice(top, bottom)
    left -= n_alike(rows, slice(max(0, left - MAX_BOX_PX), left), 0, -1)
    right += n_alike(rows, slice(right, right + MAX_BOX_PX), 0, 1)
    found = Box(top, bottom, left, right)
    reaches = (top == 0, bottom == len(low), left == 0, right == low.shape[1])
    is_box = any(ends) and all(end or at for end, at in zip(ends, reaches, strict=True))
    return found if is_box else box
