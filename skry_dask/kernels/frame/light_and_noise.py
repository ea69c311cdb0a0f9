"""Light and noise of areas, summed over every fourth row of pixels.

Noise is what second differences along y and x leave (Immerkaer, "Fast noise variance estimation",
Computer Vision and Image Understanding 64(2), 1996, 300-302). A quarter of the rows is enough: they
tell the noise of an area of 40 x 40 px to 4 %, and that of a frame far better.

Cost, on one core: 0.03 ms for 809 x 578 px of 8 or 16 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import inlined, kernel
from skry_dask.kernels.compilation.signatures import SAMPLES

if TYPE_CHECKING:
    from skry_dask.types import Frames, IntArray

ROW_STEP = 4
"""One in so many rows of each area is measured."""


def light_and_noise(
    frames: Frames, origins: IntArray, step: int, y_edges: IntArray, x_edges: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Sum the light and the noise in areas of several frames.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x); beyond the border they repeat their last pixel.
    origins
        int64 (frame, axis): where the areas begin in each frame, px.
    step
        Distance of the pixels whose second difference is taken, px.
    y_edges, x_edges
        int64, edges of the areas, ascending from 0, px; an area is at most 1024 px wide.

    Returns
    -------
    light
        int64 (frame, area_y, area_x), grey levels.
    noise
        int64 (frame, area_y, area_x), absolute response to [1 -2 1] x [1 -2 1], grey levels.
    n_pixels
        int64 (area_y, area_x), number of pixels that were added up.
    """
    n_rows = -(-np.diff(y_edges) // ROW_STEP)
    n_pixels = np.outer(n_rows, np.diff(x_edges))
    light, noise = (np.zeros((len(frames), *n_pixels.shape), np.int64) for _ in range(2))
    if n_pixels.size:
        _light_and_noise(
            as_argument(frames), as_argument(origins), step, as_argument(y_edges),
            as_argument(x_edges), np.empty(x_edges[-1] + 2 * step, np.int32),
            np.empty(x_edges[-1], np.int32), light, noise,
        )  # fmt: skip
    return light, noise, n_pixels


@kernel(
    "S[:, :, ::1], i8[:, ::1], i8, i8[::1], i8[::1], i4[::1], i4[::1], i8[:, :, ::1], "
    "i8[:, :, ::1]",
    S=SAMPLES,
)
def _light_and_noise(  # type: ignore[no-untyped-def]
    frames, origins, step, y_edges, x_edges, line, response, light, noise
):
    _, height, width = frames.shape
    n = x_edges[-1]
    for f in range(len(frames)):
        top, left = origins[f, 0], origins[f, 1]
        # Columns of the frame from `first` to `last` have a place in the line.
        first, last = max(left - step, 0), min(left + n + step, width)
        start, stop = first - left + step, last - left + step
        for i in range(len(y_edges) - 1):
            begin = top + y_edges[i] + (y_edges[i + 1] - y_edges[i] - 1) % ROW_STEP // 2
            for y in range(begin, top + y_edges[i + 1], ROW_STEP):
                above = frames[f, max(y - step, 0), first:last]
                below = frames[f, min(y + step, height - 1), first:last]
                _second_differences(above, frames[f, y, first:last], below, line[start:stop])
                line[:start] = line[start]
                line[stop:] = line[stop - 1]
                _absolute_differences(line[:n], line[step : n + step], line[2 * step :], response)
                shown = frames[f, y, left : left + n]
                for j in range(len(x_edges) - 1):
                    light[f, i, j] += _total(shown[x_edges[j] : x_edges[j + 1]])
                    noise[f, i, j] += _total(response[x_edges[j] : x_edges[j + 1]])


@inlined
def _second_differences(above, row, below, out):  # type: ignore[no-untyped-def]
    for x in range(len(out)):
        out[x] = np.int32(above[x]) + np.int32(below[x]) - np.int32(2) * np.int32(row[x])


@inlined
def _absolute_differences(before, middle, after, out):  # type: ignore[no-untyped-def]
    for x in range(len(out)):
        difference = np.int32(before[x] + after[x]) - np.int32(2) * middle[x]
        out[x] = max(difference, -difference)


@inlined
def _total(values):  # type: ignore[no-untyped-def]
    total = np.int32(0)
    for x in range(len(values)):
        total = np.int32(total + np.int32(values[x]))
    return total
