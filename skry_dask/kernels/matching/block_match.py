"""Block matching: where in a frame is a block of the reference, to a fraction of a pixel.

Seeing moves neighbours alike, so a block is looked for where those of its neighbours that come
before it in the list were found. One step at half resolution and up to three at full resolution,
each a few sums over a window (`skry_dask.kernels.matching.reference_blocks`), lead to its place.
The correlation coefficient there tells whether it is the block. If there are no neighbours yet, or
the correlation is much lower than theirs, every shift is tried at half resolution
(`skry_dask.kernels.matching.block_search`).

A window is copied into one contiguous array, so that all sums over it are dot products of 16-bit
integers: 100 G products a second on one core. Blocks are the outer loop, frames the inner one: the
filters of 800 blocks (8 MB) do not fit into the caches, the same few rows of some frames do. While
one window is worked on, the next one is fetched.

Cost, on one core: 0.4 us a block. Sums of squared differences at every shift, coarse to fine, with
a quadratic surface through the lowest, took 3 times as long, and were 0.28, 0.22 and 0.85 px rms
off on simulated captures (Moon, Sun, small planet) in place of 0.24, 0.16 and 0.70. Without the
places of neighbours it takes 2 to 4 times as long. Without the step at half resolution, where there
are neighbours, it would take 8 % less, and the stack of a small planet had 1.231 px in place of
1.227.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import inlined, kernel
from skry_dask.kernels.compilation.signatures import SAMPLES
from skry_dask.kernels.field.median import median
from skry_dask.kernels.frame.binning import bin_by_2
from skry_dask.kernels.matching.block_search import Templates, search
from skry_dask.kernels.matching.filter_design import CONTRAST, SHIFT_X, SHIFT_Y, TEMPLATE
from skry_dask.kernels.matching.reference_blocks import N_FILTERS, SUM_BITS
from skry_dask.kernels.simd.int16 import (
    aligned_zeros,
    copy_as_int16,
    dot_products,
    masked_square_sum,
    padded_int16,
)
from skry_dask.kernels.simd.memory import prefetch

if TYPE_CHECKING:
    from skry_dask.kernels.matching.reference_blocks import ReferenceBlocks
    from skry_dask.types import AnyArray, FloatArray, Frames, IntArray

MAX_STEPS = 3
"""Number of steps at full resolution, at most."""

CONVERGED_PX = 0.6
"""No further step is made after one that is this short along both axes."""

MAX_STEP_PX = 3.0
"""Longer steps are shortened to this."""

MIN_CONTRAST = 0.2
"""Contrast of a frame, relative to the reference, below which steps are not made longer for it."""

N_PRECEDING = 4
"""Number of neighbours that predict where a block is found."""

MIN_CORRELATION_RATIO = 0.8
"""A block that is found where it is predicted is accepted if its correlation is at least this
fraction of its neighbours'."""

MAX_TERMS = 1 << SUM_BITS


def preceding_neighbours(places: IntArray | FloatArray, reach: float) -> IntArray:
    """Find the nearest of the blocks that come before each block.

    Parameters
    ----------
    places
        (point, axis), px.
    reach
        Blocks further away than this are no neighbours, px.

    Returns
    -------
    int64 (point, `N_PRECEDING`), -1 where there is none.
    """
    n = len(places)
    out = np.full((n, N_PRECEDING), -1, np.int64)
    if n < 2:
        return out
    # Half of the neighbours of a block in the middle come before it.
    count = min(n, 3 * N_PRECEDING)
    found = cKDTree(places).query(places, k=list(range(1, count + 1)))
    distance, nearest = (np.asarray(array) for array in found)
    usable = (nearest < np.arange(n)[:, None]) & (distance <= reach)
    usable_first = np.argsort(~usable, axis=1, kind="stable")[:, :N_PRECEDING]
    used = np.take_along_axis(usable, usable_first, axis=1)
    chosen = np.take_along_axis(nearest, usable_first, axis=1)
    out[:, : used.shape[1]] = np.where(used, chosen, -1)
    return out


def match_blocks(
    frames: Frames,
    corners: IntArray,
    blocks: ReferenceBlocks,
    search_radius: int,
    preceding: IntArray | None = None,
) -> FloatArray:
    """Find every block in every frame.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x).
    corners
        int64 (frame, point, axis): where in each frame the top left pixel of each block is
        expected.
    blocks
        From `make_reference_blocks`.
    search_radius
        How far from there the block may be, px.
    preceding
        From `preceding_neighbours`; by default every block is searched for on its own.

    Returns
    -------
    float64 (frame, point, 3)
        Displacement y, x from the expected corner, px, and the correlation coefficient of the block
        with what was found (about 0 for unrelated noise). NaN if nothing like the block lies inside
        the search radius and the frame.
    """
    n_points = len(blocks)
    out = np.full((len(frames), n_points, 3), np.nan)
    if preceding is None:
        preceding = np.full((n_points, N_PRECEDING), -1, np.int64)
    full, half = blocks.full, blocks.half
    frames = as_argument(frames)
    work = Templates.allocate(half.size, (search_radius + 1) // 2)
    _match_blocks(
        frames, bin_by_2(frames), as_argument(corners), as_argument(preceding),
        search_radius, blocks.shift, blocks.white, *full, *half, _interior(full.size),
        aligned_zeros((padded_int16((full.size + 2) ** 2),)), *work, np.empty(N_PRECEDING),
        np.empty(2), out,
    )  # fmt: skip
    return out


def _interior(size: int) -> AnyArray:
    """Weights that sum over the inside of a window: -1 (all bits set), and twice y and x.

    Returns
    -------
    int16 (3, weight), y and x from the centre; 0 on the border and in the padding.
    """
    side = size + 2
    out = aligned_zeros((3, padded_int16(side**2)))
    along = 2 * np.arange(size, dtype=np.int16) - np.int16(size - 1)
    inside = out[:, : side**2].reshape(3, side, side)[:, 1:-1, 1:-1]
    inside[0], inside[1], inside[2] = -1, along[:, None], along
    return out


@kernel(
    "S[:, :, ::1], S[:, :, ::1], i8[:, :, ::1], i8[:, ::1], i8, i8, i8, "
    "i8, i2[:, :, ::1], f8[:, ::1], f8[::1], f8[::1], "
    "i8, i2[:, :, ::1], f8[:, ::1], f8[::1], f8[::1], "
    "i2[:, ::1], i2[::1], i2[:, ::1], i2[::1], f8[::1], f8[::1], f8[:, :, ::1]",
    seconds=2.2,
    S=SAMPLES,
)
def _match_blocks(  # type: ignore[no-untyped-def]
    frames, halves, corners, preceding, search_radius, shift, white,
    size, weights, step, gain, norm, half_size, half_weights, half_step, half_gain, half_norm,
    interior, window, template, strip, values, place, out,
):  # fmt: skip
    for p in range(corners.shape[1]):
        for r in range(half_size):
            for c in range(half_size):
                k = (r + 1) * (half_size + 2) + c + 1
                template[0, r * half_size + c] = half_weights[p, TEMPLATE, k]
        for f in range(len(frames)):
            top, left = corners[f, p, 0], corners[f, p, 1]
            if f + 1 < len(frames):
                _prefetch_window(frames, f + 1, corners[f + 1, p, 0], corners[f + 1, p, 1], size)
            expected = _predict(out, f, preceding, p, values, place)
            first_y, first_x, first = np.nan, np.nan, np.nan
            for attempt in range(2):
                if attempt == 0 and expected == 0.0:
                    continue
                if attempt == 1:
                    first_y, first_x, first = out[f, p, 0], out[f, p, 1], out[f, p, 2]
                    if not search(
                        halves, f, top, left, half_size, (search_radius + 1) // 2, template,
                        half_norm[p], shift, white, strip, place,
                    ):  # fmt: skip
                        break
                _approach(
                    frames, halves, f, p, top, left, search_radius, shift, white, size, weights,
                    step, gain, norm, half_size, half_weights, half_step, half_gain, interior,
                    window, place, out,
                )  # fmt: skip
                if expected > 0.0 and out[f, p, 2] >= MIN_CORRELATION_RATIO * expected:
                    break
            if not out[f, p, 2] >= first and first > 0.0:
                out[f, p, 0], out[f, p, 1], out[f, p, 2] = first_y, first_x, first


@inlined
def _prefetch_window(frames, f, top, left, size):  # type: ignore[no-untyped-def]
    width = frames.shape[2]
    at = (f * frames.shape[1] + top - 1) * width + left - 1
    for _ in range(size + 2):
        prefetch(frames, at)
        prefetch(frames, at + size + 1)
        at += width


@inlined
def _predict(out, f, preceding, p, values, place):  # type: ignore[no-untyped-def]
    """Take the neighbours' median displacement; return their mean correlation, 0 without any."""
    n, total = 0, 0.0
    for axis in range(2):
        n, total = 0, 0.0
        for k in range(preceding.shape[1]):
            i = preceding[p, k]
            if i >= 0 and out[f, i, 2] > 0.0:
                values[n] = out[f, i, axis]
                total += out[f, i, 2]
                n += 1
        if n > 0:
            place[axis] = median(values, n)
    return total / n if n > 0 else 0.0


@inlined
def _approach(  # type: ignore[no-untyped-def]
    frames, halves, f, p, top, left, search_radius, shift, white, size, weights, step, gain, norm,
    half_size, half_weights, half_step, half_gain, interior, window, place, out,
):  # fmt: skip
    """Step to the block, first at half resolution; write its place and correlation, or NaN."""
    out[f, p, 0], out[f, p, 1], out[f, p, 2] = np.nan, np.nan, np.nan
    found = False
    for turn in range(MAX_STEPS + 1):
        found, at_half = False, turn == 0
        if at_half:
            pixels, filters, matrix, contrast = halves, half_weights, half_step, half_gain[p]
            side, reachable = half_size + 2, True
            y, x = _rounded(0.5 * (top + place[0])), _rounded(0.5 * (left + place[1]))
            row, column = y - 1, x - 1
        else:
            pixels, filters, matrix, contrast = frames, weights, step, gain[p]
            side, y, x = size + 2, _rounded(place[0]), _rounded(place[1])
            reachable = abs(y) <= search_radius and abs(x) <= search_radius
            row, column = top + y - 1, left + x - 1
        height, width = pixels.shape[1], pixels.shape[2]
        inside = row >= 0 and column >= 0 and row + side <= height and column + side <= width
        if not (matrix[p, 0] < 0.0 and reachable and inside):
            if at_half:
                continue
            break
        at = (f * height + row) * width + column
        for r in range(side):
            copy_as_int16(pixels, at + r * width, side, shift, white, window, r * side)
        _step(filters, p, matrix, contrast, window, place)
        if at_half:
            place[0] = 2.0 * (y + place[0]) - top
            place[1] = 2.0 * (x + place[1]) - left
            continue
        moved = max(abs(place[0]), abs(place[1]))
        place[0] += y
        place[1] += x
        found = moved <= 1.0
        if moved <= CONVERGED_PX:
            break
    if found:
        out[f, p, 0], out[f, p, 1] = place[0], place[1]
        out[f, p, 2] = _correlate(window, weights, p, norm[p], interior, size)


@inlined
def _rounded(value):  # type: ignore[no-untyped-def]
    return np.int64(np.rint(value))


@inlined
def _step(filters, p, matrix, contrast, window, place):  # type: ignore[no-untyped-def]
    """Make one step from the answers of the filters to a window: px of its resolution."""
    n = filters.shape[2]
    first = p * N_FILTERS * n
    to_y, to_x, seen = first + SHIFT_Y * n, first + SHIFT_X * n, first + CONTRAST * n
    answer_y, answer_x, answer = 0, 0, 0
    for k in range(0, n, MAX_TERMS):
        places = to_y + k, to_x + k, seen + k
        a, b, c = dot_products(window, k, filters, places, min(MAX_TERMS, n - k))
        answer_y += a
        answer_x += b
        answer += c
    scale = max(answer / contrast, MIN_CONTRAST)
    y = (matrix[p, 0] * answer_y + matrix[p, 1] * answer_x) / scale
    x = (matrix[p, 2] * answer_y + matrix[p, 3] * answer_x) / scale
    place[0] = min(max(y, -MAX_STEP_PX), MAX_STEP_PX)
    place[1] = min(max(x, -MAX_STEP_PX), MAX_STEP_PX)


@inlined
def _correlate(window, weights, p, norm, interior, size):  # type: ignore[no-untyped-def]
    """Correlation coefficient of a block and a window, both without slopes; 0 if it is flat."""
    n = weights.shape[2]
    own = (p * N_FILTERS + TEMPLATE) * n
    product, level, slope_y, slope_x, squares = 0, 0, 0, 0, 0
    for k in range(0, n, MAX_TERMS):
        m = min(MAX_TERMS, n - k)
        (a,) = dot_products(window, k, weights, (own + k,), m)
        b, c, d = dot_products(window, k, interior, (k, n + k, 2 * n + k), m)
        product += a
        level -= b
        slope_y += c
        slope_x += d
        squares += masked_square_sum(window, k, interior, k, m)
    count = float(size * size)
    slopes = count * (count - 1.0) / 3.0
    variance = squares - float(level) * level / count
    variance -= (float(slope_y) * slope_y + float(slope_x) * slope_x) / slopes
    # Rounding leaves a trace of a perfectly flat or sloping window.
    return product / np.sqrt(norm * variance) if variance > 1e-9 * squares else 0.0
