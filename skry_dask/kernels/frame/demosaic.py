"""Colour from a colour filter array, and grey from both.

`demosaic` is the linear interpolation of Malvar, He and Cutler ("High-quality linear interpolation
for demosaicing of Bayer-patterned color images", IEEE ICASSP 2004, III, 485-488): a missing colour
is the mean of its neighbours, corrected by the curvature of the pixel's own colour, with gains 1/2,
5/8 and 3/4. Without that correction it is bilinear: softer, with less noise. All coefficients are
multiples of 1/16, so values in 1/16 of a grey level are exact integers: nothing is rounded or
clipped before frames are averaged.

Beyond the borders the frame is mirrored without repeating its edge pixels, which keeps the
positions of the colours.

Cost, on one core, 840 x 612 px: `demosaic` 1.1 ns a pixel (three planes), `mosaic_to_grey` 0.13 ns
(uint8) and 0.22 ns (uint16), `rgb_to_grey` 0.4 ns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import inlined, kernel
from skry_dask.kernels.compilation.signatures import SAMPLES

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Frames

DEMOSAIC_FRACTION_BITS = 4
"""`demosaic` returns values in units of ``2**-DEMOSAIC_FRACTION_BITS`` grey levels."""


def demosaic(frame: Frames, cfa: str, *, bilinear: bool = False) -> AnyArray:
    """Interpolate the two colours that each pixel of a colour filter array lacks.

    Each row is computed with the formulas of both kinds of pixels, of which every second result is
    used: that vectorises. Going through the pixels in pairs takes 8 times as long.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x), at least 2 x 2 px.
    cfa
        Colours of the first two pixels of the first row, then of the second: ``"RGGB"``,
        ``"GRBG"``, ``"GBRG"`` or ``"BGGR"``.
    bilinear
        Take the mean of the two or four nearest pixels of a colour as it is.

    Returns
    -------
    int32 (3, y, x): red, green, blue, in 1/16 of a grey level. Near edges values may be negative,
    or brighter than the frame's brightest pixel.
    """
    height, width = frame.shape
    red = cfa.index("R")
    out = np.empty((3, height, width), np.int32)
    lines = np.empty((5, width + 4), np.int32)
    _demosaic(as_argument(frame), red // 2, red % 2, bilinear, lines, out)
    return out


@kernel(
    "S[:, ::1], i8, i8, b1, i4[:, ::1], i4[:, :, ::1]", S=SAMPLES, seconds=0.5, is_optional=True
)
def _demosaic(frame, red_y, red_x, bilinear, lines, out):  # type: ignore[no-untyped-def]
    height = frame.shape[0]
    # The five mirrored rows within reach of a pixel. Each keeps its place until the row that comes
    # into reach takes it.
    for y in range(-2, height + 2):
        row = frame[_mirror(y, height)]
        _copy_mirrored(row, lines[y % 5])
        centre = y - 2
        if centre < 0:
            continue
        has_red = centre % 2 == red_y
        own, other = (0, 2) if has_red else (2, 0)
        place = red_x if has_red else 1 - red_x
        if bilinear:
            _demosaic_row_bilinear(lines, centre, place, out[own], out[1], out[other])
        else:
            _demosaic_row(lines, centre, place, out[own], out[1], out[other])


@inlined
def _demosaic_row(lines, y, place, own, green, other):  # type: ignore[no-untyped-def]
    """Interpolate a row; every second pixel, from ``place`` on, has the row's own colour."""
    above2, above, row = lines[(y - 2) % 5], lines[(y - 1) % 5], lines[y % 5]
    below, below2 = lines[(y + 1) % 5], lines[(y + 2) % 5]
    word = np.int32
    for x in range(own.shape[1]):
        centre = row[x + 2]
        beside = word(row[x + 1] + row[x + 3])
        upright = word(above[x + 2] + below[x + 2])
        diagonal = word(word(above[x + 1] + above[x + 3]) + word(below[x + 1] + below[x + 3]))
        beside2 = word(row[x] + row[x + 4])
        upright2 = word(above2[x + 2] + below2[x + 2])
        itself = word(16 * centre)
        curved = word(beside2 + upright2)
        # Where the pixel has the row's own colour,
        green_here = word(8 * centre + 4 * word(beside + upright) - 2 * curved)
        other_here = word(12 * centre + 4 * diagonal - 3 * curved)
        # and where it is green.
        common = word(10 * centre - 2 * diagonal)
        own_there = word(common + 8 * beside - 2 * beside2 + upright2)
        other_there = word(common + 8 * upright - 2 * upright2 + beside2)
        here = (x & 1) == place
        own[y, x] = itself if here else own_there
        green[y, x] = green_here if here else itself
        other[y, x] = other_here if here else other_there


@inlined
def _demosaic_row_bilinear(lines, y, place, own, green, other):  # type: ignore[no-untyped-def]
    """Interpolate a row as `_demosaic_row` does, from the nearest pixels alone."""
    above, row, below = lines[(y - 1) % 5], lines[y % 5], lines[(y + 1) % 5]
    word = np.int32
    for x in range(own.shape[1]):
        itself = word(16 * row[x + 2])
        beside = word(row[x + 1] + row[x + 3])
        upright = word(above[x + 2] + below[x + 2])
        diagonal = word(word(above[x + 1] + above[x + 3]) + word(below[x + 1] + below[x + 3]))
        here = (x & 1) == place
        own[y, x] = itself if here else word(8 * beside)
        green[y, x] = word(4 * word(beside + upright)) if here else itself
        other[y, x] = word(4 * diagonal) if here else word(8 * upright)


@inlined
def _mirror(index, n):  # type: ignore[no-untyped-def]
    """Find the pixel that takes the place of one outside, at any distance."""
    period = max(2 * (n - 1), 1)
    inside = abs(index) % period
    return min(inside, period - inside)


@inlined
def _copy_mirrored(row, line):  # type: ignore[no-untyped-def]
    """Copy a row into a line that continues it by two mirrored pixels at either end."""
    width = row.shape[0]
    for x in range(width):
        line[x + 2] = np.int32(row[x])
    for k in range(1, 3):
        line[2 - k] = line[2 + _mirror(-k, width)]
        line[width + 1 + k] = line[2 + _mirror(width - 1 + k, width)]


def mosaic_to_grey(frame: Frames) -> Frames:
    """Blur a colour filter array into grey: [1 2 1] x [1 2 1] / 16, rounded half up.

    Every pixel becomes 25 % red, 50 % green and 25 % blue, whatever its own colour, and nothing
    moves.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x).

    Returns
    -------
    (y, x) of the same dtype, grey levels; newly allocated.
    """
    word = np.uint16 if frame.dtype == np.uint8 else np.uint32
    out = np.empty(frame.shape, frame.dtype)
    if frame.size:
        _mosaic_to_grey(as_argument(frame), np.empty(frame.shape[1] + 2, word), out)
    return out


@kernel("S[:, ::1], W[::1], S[:, ::1]", SW=("u1 u2", "u2 u4"), is_optional=True)
def _mosaic_to_grey(frame, line, out):  # type: ignore[no-untyped-def]
    height, width = frame.shape
    word, sample = line.dtype.type, out.dtype.type
    for y in range(height):
        above, row = frame[_mirror(y - 1, height)], frame[y]
        below, target = frame[_mirror(y + 1, height)], out[y]
        for x in range(width):
            line[x + 1] = word(word(above[x]) + word(below[x]) + word(2 * word(row[x])))
        line[0] = line[1 + _mirror(-1, width)]
        line[width + 1] = line[1 + _mirror(width, width)]
        for x in range(width):
            total = word(line[x] + line[x + 2] + word(2 * line[x + 1]))
            target[x] = sample(word(total + word(8)) >> word(4))


def rgb_to_grey(frame: Frames) -> Frames:
    """Weigh red, green and blue into grey as ITU-R BT.601 does, rounded half up.

    The weights are multiples of 2**-16 that sum to exactly 1: grey stays as it was.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x, 3).

    Returns
    -------
    (y, x) of the same dtype, grey levels; newly allocated.
    """
    out = np.empty(frame.shape[:2], frame.dtype)
    _rgb_to_grey(as_argument(frame).reshape(-1), out.reshape(-1))
    return out


@kernel("S[::1], S[::1]", S=SAMPLES, is_optional=True)
def _rgb_to_grey(samples, out):  # type: ignore[no-untyped-def]
    # Samples in one long row are loaded eight at a time; as (pixel, 3) they are not, and it took
    # 1.4 ns a pixel.
    word, sample = np.uint32, out.dtype.type
    for i in range(out.shape[0]):
        red = word(word(samples[3 * i]) * word(19595))
        green = word(word(samples[3 * i + 1]) * word(38470))
        blue = word(word(samples[3 * i + 2]) * word(7471))
        out[i] = sample(word(word(red + green) + word(blue + word(32768))) >> word(16))
