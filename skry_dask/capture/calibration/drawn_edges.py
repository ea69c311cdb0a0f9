"""Edges and strokes that a program has drawn into frames, told from those of a scene.

Of two neighbouring pixels, one is brighter than the other in most frames, by more than half of
everything that these frames show two pixels around them. A scene cannot do that: a telescope, even
without air, spreads an edge over more than a pixel, and air and mount move it. Strokes have such
edges on two opposite sides.

The second least and the second greatest value of a pixel count, so that one damaged frame of a
sample does no harm.

Cost: 0.5 ns a pixel of each frame, and 5 ns a pixel. Memory: six frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skry_dask.types import AnyArray, BoolArray, Frames, IntArray

SHARPNESS = {1: 0.6, 2: 0.85}
"""An edge rises by at least this fraction of what is spanned within two pixels of the same colour
on either side, whose distance is 1 or 2 px. (A step blurred by a sigma of 0.6 px rises by 0.6 from
one pixel to the next, and by 0.9 to the one after.)"""

MAX_STROKE_PX = 7
"""Greatest width of strokes, px."""

STEADY = 0.03
"""Strokes change by less than this fraction of full scale, or a sixth of their height: what
compression does, and a scene that shines through the borders of smooth characters."""

STEADY_RAW = 0.01
"""The same in raw colour, as a fraction of full scale: it is never compressed, and neighbours of
the same colour are too far apart for sharpness to tell much."""

STAR_SPREAD = 0.5
"""The pixels around the brightest one of a star, but for the brightest of them, have together more
than this fraction of its brightness, even if the star's sigma is only 0.5 px."""

SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0))
"""Directions (y, x) to the pixels beside a pixel."""

AXES = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Directions (y, x) across a stroke."""


class Envelope(NamedTuple):
    """The range of values that a pixel has in most frames.

    Parameters
    ----------
    low, high
        int16 or int32 (y, x), second least and second greatest value, grey levels.
    """

    low: IntArray
    high: IntArray

    @classmethod
    def of(cls, frames: Iterable[Frames]) -> Envelope:
        """Compute the envelope of frames.

        Parameters
        ----------
        frames
            uint8 or uint16 (y, x) each, at least two.
        """
        iterator = iter(frames)
        first, second = next(iterator), next(iterator)
        least, greatest = np.minimum(first, second), np.maximum(first, second)
        low, high = greatest.copy(), least.copy()
        for frame in iterator:
            np.minimum(low, np.maximum(least, frame), out=low)
            np.minimum(least, frame, out=least)
            np.maximum(high, np.minimum(greatest, frame), out=high)
            np.maximum(greatest, frame, out=greatest)
        signed = np.int16 if low.dtype == np.uint8 else np.int32
        return cls(low.astype(signed), high.astype(signed))

    @property
    def negative(self) -> Envelope:
        """The envelope of the frames' negatives, in which dark strokes are bright."""
        return Envelope(-self.high, -self.low)

    def part(self, rows: slice, columns: slice = slice(None)) -> Envelope:
        """Take some rows and columns."""
        return Envelope(self.low[rows, columns], self.high[rows, columns])


class Edges(NamedTuple):
    """Pairs of neighbouring pixels of which one is always brighter.

    Parameters
    ----------
    bright, dark
        int64 (edge, axis), the two pixels, px.
    rise
        int64 (edge), least difference of the two in most frames, grey levels.
    """

    bright: IntArray
    dark: IntArray
    rise: IntArray

    @property
    def negative(self) -> Edges:
        """The same edges in the frames' negatives."""
        return Edges(self.dark, self.bright, self.rise)


def drawn_edges(envelope: Envelope, height: float, step: int) -> Edges:
    """Find the edges that are drawn.

    Parameters
    ----------
    envelope
        Of the frames.
    height
        Least height of an edge, grey levels.
    step
        Distance of neighbours: 2 in a colour filter array, whose pixels of the same colour lie two
        apart; else 1.
    """
    found = [_edges_towards(envelope, side, height, step) for side in SIDES]
    return Edges(*(np.concatenate(pixels) for pixels in zip(*found, strict=True)))


def _edges_towards(envelope: Envelope, side: tuple[int, int], height: float, step: int) -> Edges:
    """Find the drawn edges whose darker pixel lies on one side of the brighter one."""
    low, high = envelope
    towards = np.array(side) * step
    inside, beside = zip(
        *(_overlap(n, d) for n, d in zip(low.shape, towards, strict=True)), strict=True
    )
    bright = np.argwhere(low[inside] - high[beside] >= height) + [s.start for s in inside]
    dark = bright + towards
    rise = values_at(low, bright).astype(np.int64) - values_at(high, dark)
    line = [bright + i * towards for i in range(-2, 4)]
    span = np.max([values_at(low, p) for p in line], axis=0).astype(np.int64)
    span -= np.min([values_at(high, p) for p in line], axis=0)
    sharp = rise >= SHARPNESS[step] * span
    return Edges(bright[sharp], dark[sharp], rise[sharp])


def _overlap(n_pixels: int, shift: int) -> tuple[slice, slice]:
    """Slice pixels that have another one at a distance along an axis, and these others."""
    first, last = max(0, -shift), n_pixels - max(0, shift)
    return slice(first, last), slice(first + shift, max(last, first) + shift)


def values_at(image: AnyArray, pixels: IntArray) -> AnyArray:
    """Take the values of an image (y, x) at pixels (pixel, axis); at its border where outside."""
    y, x = np.clip(pixels, 0, np.array(image.shape) - 1).T
    return image[y, x]


def strokes(
    edges: Edges, envelope: Envelope, height: float, full_scale: float, step: int
) -> BoolArray:
    """Find the pixels along both sides of bright strokes.

    Parameters
    ----------
    edges, envelope, height, step
        See `drawn_edges`.
    full_scale
        Brightest value of all frames, grey levels.

    Returns
    -------
    bool (y, x)
        The brighter pixels of edges that hardly change, and have something darker on opposite
        sides.
    """
    low, high = envelope
    change = values_at(high, edges.bright) - values_at(low, edges.bright)
    limit = STEADY_RAW * full_scale
    steady = change <= (limit if step > 1 else np.maximum(STEADY * full_scale, edges.rise / 6))
    pixels = np.unique(edges.bright[steady], axis=0)
    level = values_at(low, pixels) - height
    thin, widths = np.zeros(len(pixels), bool), range(1, MAX_STROKE_PX // step + 1)
    for axis in AXES:
        across = np.array(axis) * step
        sides = [
            np.any([values_at(high, pixels + i * way) <= level for i in widths], axis=0)
            for way in (across, -across)
        ]
        thin |= sides[0] & sides[1]
    drawn = np.zeros(low.shape, bool)
    drawn[tuple(pixels[thin].T)] = True
    return drawn


def lone_pixels(edges: Edges, envelope: Envelope, step: int) -> BoolArray:
    """Find single bright pixels and pairs of them: hot ones, and no stars.

    Parameters
    ----------
    edges, envelope, step
        See `drawn_edges`.

    Returns
    -------
    bool (y, x)
        Pixels brighter than those on at least three sides, around which nothing is brighter than
        what lies three pixels away: a star has its light there.
    """
    low, high = envelope
    pixels, n_edges = np.unique(edges.bright, axis=0, return_counts=True)
    pixels = pixels[n_edges >= len(SIDES) - 1]
    around = [np.array(way) for axis in AXES for way in (axis, (-axis[0], -axis[1]))]
    level = low + high
    beside = np.array(
        [values_at(level, pixels + d) - values_at(level, pixels + 3 * d) for d in around]
    )
    # One of the pixels beside may be hot as well.
    light = beside.sum(axis=0) - beside.max(axis=0, initial=0)
    rise = values_at(level, pixels) - values_at(level, pixels + np.array([0, 2]))
    hot = np.zeros(low.shape, bool)
    hot[tuple(pixels[light < STAR_SPREAD * rise].T)] = True
    return hot
