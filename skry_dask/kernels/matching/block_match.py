"""Block matching: where in a frame is a block of the reference, to a fraction of a pixel.

Seeing moves neighbours alike, so a block is looked for where those of its neighbours that come
before it were found. One step at half resolution and then steps at full resolution, each a few sums
over a window (`kernels.templates`), lead to its place; the correlation coefficient there tells
whether it is the block. Where there are no neighbours yet, or what was found is less alike than
theirs, every shift is tried at half resolution, near the expected place first and, while the best
lies on the border of that window, in one of twice the size, up to the search radius.

A window is copied into one contiguous run, so that all sums over it are dot products of 16-bit
integers (`kernels.vectors`): 100 G products a second on one core. Blocks come in the outer loop,
frames in the inner one: the filters of 800 blocks (8 MB) do not fit into the caches, a band of some
frames does; while one window is looked at, the next is fetched.

Cost: 0.8 us a block; with loops in place of vectors and nothing fetched, 1.1 us. Sums of squared
differences at every shift, coarse to fine, with a quadratic surface through the lowest, took 2.6
us, and were 0.28, 0.22 and 0.85 px rms off on simulated captures (Moon, Sun, small planet) in place
of 0.24, 0.16 and 0.70. Without the place of neighbours to start from, 3.4 us. Without the step at
half resolution where there are neighbours it would be 8 % less, and the stack of a small planet
1.231 px in place of 1.227.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from skry_dask.kernels.compilation.decorators import inlined, kernel, part
from skry_dask.kernels.compilation.simd import copy_run, dots, fetch_ahead, lanes_for, square, zeros
from skry_dask.kernels.frame.binning import bin_by_2
from skry_dask.kernels.matching.filter_design import GAIN, SHIFT_X, SHIFT_Y, TEMPLATE
from skry_dask.kernels.matching.reference_blocks import RUN_BITS

if TYPE_CHECKING:
    from skry_dask.kernels.matching.reference_blocks import ReferenceBlocks
    from skry_dask.types import AnyArray, FloatArray, Frames, IntArray

FIRST_RADIUS_PX = 2
"""First search window at half resolution, +- px."""

MAX_STEPS = 3
"""At most so many steps are made at full resolution,"""

CONVERGED_PX = 0.6
"""and no more once a step is this short along both axes, px."""

MAX_STEP_PX = 3.0
"""Longest step that is believed, px."""

MIN_CONTRAST = 0.2
"""Contrast of a frame, against the reference's, below which steps are not made longer for it."""

N_PRECEDING = 4
"""So many neighbours tell where a block is looked for first."""

MIN_CORRELATION_RATIO = 0.8
"""What is found there is believed when it is at least this fraction as alike as they were."""

_RUN = 1 << RUN_BITS


def preceding_neighbours(places: IntArray | FloatArray, reach: float) -> IntArray:
    """Find the nearest of the blocks that come before each.

    Parameters
    ----------
    places
        (point, axis), px.
    reach
        Blocks farther away than this are no neighbours, px.

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
    distance, near = (np.asarray(part) for part in found)
    usable = (near < np.arange(n)[:, None]) & (distance <= reach)
    nearest_first = np.argsort(~usable, axis=1, kind="stable")[:, :N_PRECEDING]
    taken = np.take_along_axis(usable, nearest_first, axis=1)
    out[:, : taken.shape[1]] = np.where(taken, np.take_along_axis(near, nearest_first, axis=1), -1)
    return out


def match_blocks(
    frames: Frames,
    corners: IntArray,
    blocks: ReferenceBlocks,
    search_radius: int,
    earlier: IntArray | None = None,
) -> FloatArray:
    """Find every block in every frame.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x), C-contiguous.
    corners
        int64 (frame, point, axis), where in each frame the top left pixel of each block is
        expected.
    blocks
        From `make_reference_blocks`.
    search_radius
        How far from there the block may be, px.
    earlier
        From `preceding_neighbours`; by default every block is searched for by itself.

    Returns
    -------
    float64 (frame, point, 3)
        Displacement y, x from the expected corner, px, and the correlation coefficient of the block
        with what was found (about 0 for unrelated noise). NaN where nothing like it lies inside the
        search radius and the frame.
    """
    n_points = len(blocks)
    out = np.full((len(frames), n_points, 3), np.nan)
    if earlier is None:
        earlier = np.full((n_points, N_PRECEDING), -1, np.int64)
    radius = (search_radius + 1) // 2
    full, half_blocks = blocks.full, blocks.half
    size, half_size = full.size, half_blocks.size
    _match_blocks(
        frames, bin_by_2(frames), corners, earlier, search_radius, radius, blocks.down, blocks.top,
        size, *full[1:], half_size, *half_blocks[1:],
        zeros((lanes_for((size + 2) ** 2),)),
        np.empty((half_size + 2 * radius) * half_size, np.int16),
        np.empty((2 * radius + 1, 2 * radius + 1)), np.empty(half_size * half_size, np.int16),
        np.empty(2), np.empty(3), np.empty((2, N_PRECEDING)), _interior(size), out,
    )  # fmt: skip
    return out


def _interior(size: int) -> AnyArray:
    """Weights that sum a block up: -1 (all bits set) inside, twice its y and x from the middle.

    Returns
    -------
    int16 (3, weight), 0 on the border and beyond; see `BlockFilters`.
    """
    side = size + 2
    out = zeros((3, lanes_for(side**2)))
    along = 2 * np.arange(size, dtype=np.int16) - np.int16(size - 1)
    inner = out[:, : side**2].reshape(3, side, side)[:, 1:-1, 1:-1]
    inner[0], inner[1], inner[2] = -1, along[:, None], along
    return out


@kernel
def _match_blocks(  # type: ignore[no-untyped-def]
    frames, halves, corners, earlier, search_radius, radius, down, top,
    size, weights, step, gain, norm, half_size, half_weights, half_step, half_gain, half_norm,
    window, strip, scores, compact, place, near, sorted_places, interior, out,
):  # fmt: skip
    ys, xs = sorted_places[0], sorted_places[1]
    for p in range(corners.shape[1]):
        for r in range(half_size):
            for c in range(half_size):
                at = (r + 1) * (half_size + 2) + c + 1
                compact[r * half_size + c] = half_weights[p, TEMPLATE, at]
        # Views are made once for all frames: each takes as long as to sum 100 products.
        own, own_step, before = weights[p], step[p], earlier[p]
        half_own, half_own_step = half_weights[p], half_step[p]
        for f in range(len(frames)):
            y, x = corners[f, p, 0], corners[f, p, 1]
            found = out[f, p]
            if f + 1 < len(frames):
                _fetch(frames[f + 1], corners[f + 1, p, 0], corners[f + 1, p, 1], size)
            near[:] = np.nan
            alike = _predict(out, f, before, ys, xs, place)
            for again in range(2):
                if again:
                    _take_over(near, found)
                    if not _search(
                        halves[f], y, x, half_size, radius, compact, half_norm[p], down, top,
                        strip, scores, place,
                    ):  # fmt: skip
                        break
                elif alike == 0.0:
                    continue
                _approach(
                    halves[f], y, x, half_size, half_own, half_own_step, half_gain[p], down, top,
                    window, place,
                )  # fmt: skip
                _settle(
                    frames[f], y, x, size, own, own_step, gain[p], norm[p], down, top,
                    search_radius, window, interior, place, found,
                )  # fmt: skip
                if alike > 0.0 and found[2] >= MIN_CORRELATION_RATIO * alike:
                    break
            if not found[2] >= near[2] and near[2] > 0.0:
                _take_over(found, near)


@inlined
def _take_over(out, values):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        out[i] = values[i]


@part
def _fetch(image, top, left, size):  # type: ignore[no-untyped-def]
    at = (top - 1) * image.shape[1] + left - 1
    for _ in range(size + 2):
        fetch_ahead(image, at)
        fetch_ahead(image, at + size + 1)
        at += image.shape[1]


@part
def _predict(out, frame, earlier, ys, xs, place):  # type: ignore[no-untyped-def]
    """Take the median displacement of earlier neighbours; returns how alike they were, 0 = none."""
    n, alike = 0, 0.0
    for i in earlier:
        if i >= 0 and out[frame, i, 2] > 0.0:
            j = n
            while j > 0 and ys[j - 1] > out[frame, i, 0]:
                ys[j] = ys[j - 1]
                j -= 1
            ys[j] = out[frame, i, 0]
            j = n
            while j > 0 and xs[j - 1] > out[frame, i, 1]:
                xs[j] = xs[j - 1]
                j -= 1
            xs[j] = out[frame, i, 1]
            alike += out[frame, i, 2]
            n += 1
    if n == 0:
        return 0.0
    place[0] = 0.5 * (ys[(n - 1) // 2] + ys[n // 2])
    place[1] = 0.5 * (xs[(n - 1) // 2] + xs[n // 2])
    return alike / n


@part
def _copy(image, top, left, rows, columns, down, most, out):  # type: ignore[no-untyped-def]
    """Copy a window into a contiguous run of 16-bit integers."""
    at = top * image.shape[1] + left
    for r in range(rows):
        copy_run(image, at + r * image.shape[1], columns, down, most, out, r * columns)


@inlined
def _dot(one, other):  # type: ignore[no-untyped-def]
    """Dot product of two short runs of 16-bit integers."""
    total = np.int32(0)
    for q in range(len(one)):
        total = np.int32(total + np.int32(one[q]) * np.int32(other[q]))
    return total


@inlined
def _sum(run):  # type: ignore[no-untyped-def]
    total = np.int32(0)
    for q in range(len(run)):
        total = np.int32(total + np.int32(run[q]))
    return total


@part
def _pull(weights, window, step, gain, place):  # type: ignore[no-untyped-def]
    """Make one step from the filters' answers to a window: px of its resolution, into ``place``."""
    pull_y, pull_x, gains = weights[SHIFT_Y], weights[SHIFT_X], weights[GAIN]
    n = len(pull_y)
    down, right, contrast = np.int64(0), np.int64(0), np.int64(0)
    for begin in range(0, n, _RUN):
        some = slice(begin, min(begin + _RUN, n))
        y, x, g = dots(window[some], (pull_y[some], pull_x[some], gains[some]))
        down += y
        right += x
        contrast += g
    scale = max(contrast / gain, MIN_CONTRAST)
    y = (step[0] * down + step[1] * right) / scale
    x = (step[2] * down + step[3] * right) / scale
    place[0] = min(max(y, -MAX_STEP_PX), MAX_STEP_PX)
    place[1] = min(max(x, -MAX_STEP_PX), MAX_STEP_PX)


@part
def _approach(  # type: ignore[no-untyped-def]
    image, top, left, size, weights, step, gain, down, most, window, place
):
    """Improve a place by one step at half resolution, where that is possible."""
    y = np.int64(np.rint(0.5 * (top + place[0])))
    x = np.int64(np.rint(0.5 * (left + place[1])))
    side = size + 2
    inside = y >= 1 and x >= 1 and y - 1 + side <= image.shape[0] and x - 1 + side <= image.shape[1]
    if not (inside and step[0] < 0.0):
        return
    window = window[: weights.shape[1]]
    _copy(image, y - 1, x - 1, side, side, down, most, window)
    _pull(weights, window, step, gain, place)
    place[0] = 2.0 * (y + place[0]) - top
    place[1] = 2.0 * (x + place[1]) - left


@part
def _settle(  # type: ignore[no-untyped-def]
    image, top, left, size, weights, step, gain, norm, down, most, search_radius, window, interior,
    place, found,
):  # fmt: skip
    """Step at full resolution until the place is found; writes it and how alike it is, or NaN."""
    found[:] = np.nan
    if not step[0] < 0.0:
        return
    side = size + 2
    for _ in range(MAX_STEPS):
        y, x = np.int64(np.rint(place[0])), np.int64(np.rint(place[1]))
        if abs(y) > search_radius or abs(x) > search_radius:
            return
        row, column = top + y - 1, left + x - 1
        if row < 0 or column < 0 or row + side > image.shape[0] or column + side > image.shape[1]:
            return
        _copy(image, row, column, side, side, down, most, window)
        _pull(weights, window, step, gain, place)
        moved = max(abs(place[0]), abs(place[1]))
        place[0] += y
        place[1] += x
        if moved <= CONVERGED_PX:
            break
    if moved <= 1.0:
        found[0], found[1] = place[0], place[1]
        found[2] = _likeness(window, weights[TEMPLATE], norm, interior, size)


@part
def _likeness(window, own, norm, interior, size):  # type: ignore[no-untyped-def]
    """Correlation coefficient of a block and a window, both without slopes; 0 where it is flat."""
    inside, along_y, along_x = interior[0], interior[1], interior[2]
    n = len(own)
    product, level, squares = np.int64(0), np.int64(0), np.int64(0)
    slope_y, slope_x = np.int64(0), np.int64(0)
    for begin in range(0, n, _RUN):
        some = slice(begin, min(begin + _RUN, n))
        run = window[some]
        sums = dots(run, (own[some], inside[some], along_y[some], along_x[some]))
        product += sums[0]
        level -= sums[1]
        slope_y += sums[2]
        slope_x += sums[3]
        squares += square(run, inside[some])
    count = float(size * size)
    slopes = count * (count - 1.0) / 3.0
    spread = squares - float(level) * level / count
    spread -= (float(slope_y) * slope_y + float(slope_x) * slope_x) / slopes
    # Rounding leaves a trace of a perfectly flat or sloping window.
    if spread <= 1e-9 * squares:
        return 0.0
    return product / np.sqrt(norm * spread)


@part
def _search(  # type: ignore[no-untyped-def]
    image, top, left, size, radius, own, norm, down, most, strip, scores, place
):
    """Try every shift at half resolution; returns whether any lies inside the frame."""
    half_top, half_left = top >> 1, left >> 1
    within = min(FIRST_RADIUS_PX, radius)
    while True:
        _score(image, half_top, half_left, size, within, own, norm, down, most, strip, scores)
        j, i = _highest(scores, 2 * within + 1)
        inside = 0 < j < 2 * within and 0 < i < 2 * within
        if inside or within == radius:
            break
        within = min(2 * within, radius)
    if j < 0:
        return False
    place[0] = 2.0 * (half_top + j - within) - top
    place[1] = 2.0 * (half_left + i - within) - left
    return True


@part
def _score(image, top, left, size, radius, own, norm, down, most, strip, scores):  # type: ignore[no-untyped-def]
    """Correlate a block at every shift within +- radius; -inf where it would leave the frame.

    Shift by shift along x the window is copied into a strip of the block's width, in which each
    shift along y is one run.
    """
    height, width = image.shape
    first = max(top - radius, 0)
    rows = min(top + radius + size, height) - first
    n = size * size
    for i in range(2 * radius + 1):
        x = left + i - radius
        if x < 0 or x + size > width or rows < size:
            scores[: 2 * radius + 1, i] = -np.inf
            continue
        _copy(image, first, x, rows, size, down, most, strip)
        for j in range(2 * radius + 1):
            y = top + j - radius
            if y < 0 or y + size > height:
                scores[j, i] = -np.inf
                continue
            begin = (y - first) * size
            scores[j, i] = _alike(strip[begin : begin + n], own, norm)


@part
def _alike(run, own, norm):  # type: ignore[no-untyped-def]
    """Correlation coefficient of a block without its level and a run of pixels; 0 where flat."""
    n = len(run)
    product, level, squares = np.int64(0), np.int64(0), np.int64(0)
    for begin in range(0, n, _RUN):
        some = run[begin : begin + _RUN]
        product += _dot(some, own[begin : begin + _RUN])
        level += _sum(some)
        squares += _dot(some, some)
    spread = squares - float(level) * level / n
    if not spread > 1e-9 * squares or not norm > 0.0:
        return 0.0
    return product / np.sqrt(norm * spread)


@inlined
def _highest(scores, side):  # type: ignore[no-untyped-def]
    """Find the highest score, of equals the one nearest the middle; (-1, -1) where all are -inf."""
    best, at_j, at_i, away = -np.inf, -1, -1, 0
    for j in range(side):
        for i in range(side):
            distance = max(abs(2 * j - side + 1), abs(2 * i - side + 1))
            score = scores[j, i]
            if score > best or (score == best and distance < away):
                best, at_j, at_i, away = score, j, i, distance
    return at_j, at_i
