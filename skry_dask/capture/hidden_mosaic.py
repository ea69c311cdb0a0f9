"""Raw colour in frames that claim to be mono, recognised by its mesh.

Behind a colour filter array, one pixel of each 2 x 2 is red, one blue, and two on a diagonal are
green. Wherever there is light, the two of one diagonal agree, and those of the other differ from
them, with the same sign everywhere and in all frames. The detail of a scene makes neighbours
differ, too, but brighter in one place and darker in the next. Interlaced videos, and sensors that
are read by two amplifiers, have rows or columns of two kinds, and so no diagonal that agrees.

Which of the others is red cannot be seen. So the frames are developed to grey, which does not
depend on it, and as sharply as raw colour whose pattern is known.

Five frames are read, one at a time; 6 ns a pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.capture.samples import found_in_samples

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray as xr

    from skry_dask.types import FloatArray, Frames

CELL_PX = 8
"""Side of the squares in which the four kinds of pixels are averaged, px."""

MIN_CELLS = 12
"""Least number of bright squares in all frames together."""

BRIGHT = 0.3
"""A square is bright above this share of the way from the sky to the brightest square."""

MIN_DIFFERENCE = 0.03
"""Least difference of a colour from green, as a share of green. Noise and detail leave 0.005."""

MAX_DISAGREEMENT = 0.25
"""Greatest difference of both greens, as a share of the difference of a colour from them."""

MIN_AGREEING = 0.9
"""Least share of squares in which that difference has the sign that it has in most."""


def use_hidden_mosaic(capture: xr.Dataset) -> xr.Dataset:
    """Develop the frames of a capture to grey, and tell it, if they are raw colour in spite of it.

    Parameters
    ----------
    capture
        All rows and columns of a file, with ``frames`` that can be read; see `open_capture`.

    Returns
    -------
    xarray.Dataset
        With the attributes ``cfa`` and ``grey``, and one more of the ``problems``; or unchanged,
        where the capture has a ``cfa`` or is mono.
    """
    frames = capture["frames"]
    if "cfa" in capture.attrs or frames.ndim != 3 or not len(frames):
        return capture
    patterns = found_in_samples(frames, find_mosaic)
    if patterns is None:
        return capture
    problems = [*capture.attrs["problems"], describe_mosaic(patterns)]
    return capture.assign_attrs(cfa=patterns[0], grey=1, problems=problems)


def describe_mosaic(patterns: tuple[str, str]) -> str:
    """Tell in one line what is done with a mosaic of either of two patterns."""
    first, second = patterns
    return (
        f"The frames are raw colour, although the file says mono: they are developed to grey; "
        f"--cfa {first} gives colour (--cfa {second} if red and blue are exchanged), --cfa none "
        f"leaves them as they are."
    )


def find_mosaic(frames: Iterable[Frames]) -> tuple[str, str] | None:
    """Find the colour filter array of frames by their mesh.

    Parameters
    ----------
    frames
        uint8 or uint16 (y, x), some frames of a capture.

    Returns
    -------
    tuple of str, or None
        The two patterns that differ in red and blue only, which frames without colours do not tell
        apart; None for mono.
    """
    cells = np.concatenate([_bright_cells(frame) for frame in frames])
    if len(cells) < MIN_CELLS:
        return None
    levels = cells / cells.mean(axis=1, keepdims=True)
    kinds = np.median(levels, axis=0)
    diagonals = ((1, 2), (0, 3))  # of the kinds (0, 0), (0, 1), (1, 0), (1, 1)
    found = [
        (kinds[list(green)].mean(), patterns)
        for green, other, patterns in zip(
            diagonals, reversed(diagonals), (("RGGB", "BGGR"), ("GRBG", "GBRG")), strict=True
        )
        if _is_green(levels, kinds, green, other)
    ]
    # Red and blue that agree look like greens. Green, of which silicon sees most, is brighter.
    return max(found)[1] if found else None


def _is_green(
    levels: FloatArray, kinds: FloatArray, green: tuple[int, int], other: tuple[int, int]
) -> bool:
    """Return whether two kinds of pixels agree, and another one differs from them everywhere."""
    middle = kinds[list(green)].mean()
    for kind in other:
        difference = kinds[kind] - middle
        if abs(difference) < MIN_DIFFERENCE * middle:
            continue
        if abs(kinds[green[0]] - kinds[green[1]]) > MAX_DISAGREEMENT * abs(difference):
            continue
        each = levels[:, kind] - levels[:, list(green)].mean(axis=1)
        if (np.sign(each) == np.sign(difference)).mean() >= MIN_AGREEING:
            return True
    return False


def _bright_cells(frame: Frames) -> FloatArray:
    """Return the means of the four kinds of pixels in the bright squares: float64 (cell, kind)."""
    n_y, n_x = (n // CELL_PX for n in frame.shape)
    if not n_y or not n_x:
        return np.zeros((0, 4))
    half, width = CELL_PX // 2, n_x * CELL_PX
    # Whole rows first, which takes a tenth of the time.
    rows = frame[: n_y * CELL_PX, :width].reshape(n_y, half, 2, width).sum(axis=1, dtype=np.int32)
    sums = rows.reshape(n_y, 2, n_x, half, 2).sum(axis=3)
    cells = sums.transpose(0, 2, 1, 3).reshape(-1, 4) / half**2
    light = cells.mean(axis=1)
    sky, brightest = np.percentile(light, (5, 99.5))
    # White pixels are equally white behind every filter.
    white = frame.max()
    is_bright = (light > sky + BRIGHT * (brightest - sky)) & (cells.max(axis=1) < 0.98 * white)
    return np.asarray(cells[is_bright & (light > 0)])
