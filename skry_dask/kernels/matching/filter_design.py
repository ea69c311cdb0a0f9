"""Making the filters of one block; what they are for: see `templates`.

A block, its gradients and what seeing takes from it are runs of numbers, and to take something out
of one of them is a step of Gram and Schmidt: a sum of products, and a difference. Most of the work
are those sums; in the order of `vectors.inner` they take a tenth of the time that sums one after
the other take.

Cost: 9 us for a block of 32 px at full and half resolution (43 us in loops over rows and columns,
whose sums have no other order than theirs), and 6 ns for a pixel of the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel, part
from skry_dask.kernels.compilation.simd import floats_for, greatest, inner
from skry_dask.kernels.frame.box_means import smooth_in_place

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames, IntArray

BLUR_SIDE_PX = 5
"""A block is smoothed three times by boxes of this side to tell what seeing takes from it, px."""

BLUR_REACH_PX = 3 * (BLUR_SIDE_PX // 2)
"""So far that smoothing reaches, px."""

MARGIN_PX = 2
"""Images have so many px more on every side: filters reach one beyond the block, and gradients
that are smoothed, or of the fourth order, one further."""

RIDGE = 0.01
"""What is added to the diagonal of H, as a fraction of its trace: along an edge, where nothing
tells how far a block has moved, it stays where it is."""

ROUNDING = 1e-9
"""What is left of a block, or of its gradients, is nothing but rounding if it is less than this
fraction of what there was."""

SHIFT_Y, SHIFT_X, GAIN, TEMPLATE = range(4)
"""The filters of a block, in the order in which they are kept."""

OWN, LOST, DOWN, RIGHT, MOVED_Y, MOVED_X = range(6)
"""What is known of a block: itself, what seeing takes from it, its gradients, and those of it
smoothed."""


class Plane(NamedTuple):
    """A level and slopes over a block, orthogonal to each other.

    Parameters
    ----------
    size
        Side of a block, px.
    runs
        float64 (1 or 3, run): ones and, with slopes, y and x from the middle; then zeros, so that
        vectors are full.
    squares
        float64 (1 or 3), the sum of the squares of each.
    """

    size: int
    runs: FloatArray
    squares: FloatArray

    @classmethod
    def of(cls, size: int, *, slopes: bool) -> Plane:
        """Make it for blocks of so many px a side."""
        runs = np.zeros((3, floats_for(size**2)))
        y, x = np.mgrid[:size, :size] - (size - 1) / 2
        for run, values in zip(runs, (np.ones((size, size)), y, x), strict=True):
            run[: size**2] = values.ravel()
        squares = (runs**2).sum(axis=1)
        number = 3 if slopes else 1
        return cls(size, runs[:number], squares[:number])


def make_filters(
    images: Float32Array,
    image: IntArray,
    corners: IntArray,
    peak: int,
    smoothing: int,
    plane: Plane,
    out: tuple[AnyArray, FloatArray, FloatArray, FloatArray],
) -> None:
    """Make the filters of blocks.

    Parameters
    ----------
    images
        float32 (image, y, x), grey levels, `MARGIN_PX` px more than what lies in `corners`.
    image
        int64 (point), in which of them each block is.
    corners
        int64 (point, axis), its top left px there, the margin aside.
    peak
        The greatest weight of a filter.
    smoothing
        How often gradients are smoothed by [1 2 1] / 4.
    plane
        What is taken out of each block.
    out
        Weights, steps, gains and norms, written; see `reference_blocks.BlockFilters`. Blocks that
        are flat are left out.
    """
    smooth, soft = images.copy(), np.empty_like(images)
    row = np.empty(images.shape[2] + BLUR_SIDE_PX - 1, np.float32)
    runs = np.zeros((6, plane.runs.shape[1]))
    wide = np.zeros((2, floats_for((plane.size + 2) ** 2)))
    _make_all(
        images, smooth, smoothing, soft, np.empty_like(images[0]), row, image, corners, peak,
        *plane, runs, wide, *out,
    )  # fmt: skip


def block_variances(image: Frames, corners: IntArray, size: int) -> FloatArray:
    """Find the variance of blocks of an image, level and slopes aside: float64 (point).

    Parameters
    ----------
    image
        uint8 or uint16 (y, x).
    corners
        int64 (point, axis), top left pixel of each block.
    size
        Side of a block, px.
    """
    out = np.empty(len(corners))
    plane = Plane.of(size, slopes=True)
    _spread(image, corners, *plane, np.zeros(plane.runs.shape[1]), out)
    return out


@kernel
def _spread(image, corners, size, plane, squares, run, out):  # type: ignore[no-untyped-def]
    for i in range(len(corners)):
        for y in range(size):
            row = image[corners[i, 0] + y, corners[i, 1] : corners[i, 1] + size]
            for x in range(size):
                run[y * size + x] = row[x]
        _take_out_plane(run, plane, squares)
        out[i] = inner(run, run) / (size * size)


@kernel
def _soften(images, out, columns, wide):  # type: ignore[no-untyped-def]
    """Smooth images three times by boxes, their border continued; sums are exact until the end."""
    half, share = BLUR_SIDE_PX // 2, np.float32(1 / BLUR_SIDE_PX**6)
    for i in range(len(images)):
        height, width = images[i].shape
        for turn in range(3):
            source = images[i] if turn == 0 else out[i]
            for y in range(height):
                total, row = columns[y], source[max(y - half, 0)]
                for x in range(width):
                    total[x] = row[x]
                for k in range(y - half + 1, y + half + 1):
                    row = source[min(max(k, 0), height - 1)]
                    for x in range(width):
                        total[x] += row[x]
            for y in range(height):
                total, target = columns[y], out[i, y]
                wide[:half] = total[0]
                wide[half + width :] = total[width - 1]
                for x in range(width):
                    wide[half + x] = total[x]
                for x in range(width):
                    target[x] = wide[x] + wide[x + 1] + wide[x + 2] + wide[x + 3] + wide[x + 4]
        for y in range(height):
            target = out[i, y]
            for x in range(width):
                target[x] *= share


@kernel
def _make_all(  # type: ignore[no-untyped-def]
    images, smooth, smoothing, soft, columns, row, image, corners, peak, size, plane, squares, runs,
    wide, weights, step, gain, norm,
):  # fmt: skip
    smooth_in_place(smooth, smoothing, columns[:2])
    _soften(images, soft, columns, row)
    side = size + 2 * MARGIN_PX
    for p in range(len(image)):
        i, y, x = image[p], corners[p, 0], corners[p, 1]
        block = images[i, y : y + side, x : x + side]
        _gather(block, soft[i, y : y + side, x : x + side], size, runs, wide[1])
        _gradients(smooth[i, y : y + side, x : x + side], size, runs)
        _make(size, peak, plane, squares, runs, wide, weights[p], step[p], gain, norm, p)


@part
def _gather(block, soft, n, runs, around):  # type: ignore[no-untyped-def]
    """Gather a block with one px around it, what seeing takes from it, and its gradients."""
    own, lost, down, right = runs[OWN], runs[LOST], runs[DOWN], runs[RIGHT]
    for y in range(n + 2):
        row, target = block[y + 1], around[y * (n + 2) : (y + 1) * (n + 2)]
        for x in range(n + 2):
            target[x] = row[x + 1]
    # What a displacement does to the block, to the fourth order: differences of neighbours alone
    # are too small in fine detail, and steps 15 % too long (sigma 1 px).
    near, far = 2 / 3, 1 / 12
    for y in range(n):
        row, blurred, at = block[y + 2], soft[y + 2], y * n
        for x in range(n):
            own[at + x] = row[x + 2]
        for x in range(n):
            lost[at + x] = row[x + 2] - blurred[x + 2]
        for x in range(n):
            right[at + x] = near * (row[x + 3] - row[x + 1]) - far * (row[x + 4] - row[x])
        above, below, before, after = block[y + 1], block[y + 3], block[y], block[y + 4]
        for x in range(n):
            down[at + x] = near * (below[x + 2] - above[x + 2])
        for x in range(n):
            down[at + x] -= far * (after[x + 2] - before[x + 2])


@part
def _gradients(smooth, n, runs):  # type: ignore[no-untyped-def]
    """Find the gradients of a block that has been smoothed."""
    down, right = runs[MOVED_Y], runs[MOVED_X]
    for y in range(n):
        above, row, below, at = smooth[y + 1], smooth[y + 2], smooth[y + 3], y * n
        for x in range(n):
            down[at + x] = 0.5 * (below[x + 2] - above[x + 2])
        for x in range(n):
            right[at + x] = 0.5 * (row[x + 3] - row[x + 1])


@part
def _make(n, peak, plane, squares, runs, wide, weights, step, gain, norm, p):  # type: ignore[no-untyped-def]
    """Make the filters of one block."""
    own, lost, pull_y, pull_x = runs[OWN], runs[LOST], runs[MOVED_Y], runs[MOVED_X]
    light, steepest = greatest(own), max(greatest(pull_y), greatest(pull_x))
    _take_out_plane(own, plane, squares)
    if greatest(own) <= ROUNDING * light:
        return
    energy = inner(own, own)
    _take_out_plane(lost, plane, squares)
    _take_out(lost, own, energy)
    rest = inner(lost, lost)
    for k in range(MOVED_Y, MOVED_X + 1):
        _take_out_plane(runs[k], plane, squares)
        _take_out(runs[k], own, energy)
        if rest > 0.0:
            _take_out(runs[k], lost, rest)
    most = max(greatest(pull_y), greatest(pull_x))
    if most <= ROUNDING * steepest:
        return
    # Of the gradients before they are whole numbers, for that alone would make it noisy.
    _adjoint(pull_y, pull_x, n, wide[0])
    _round(wide[0], peak / greatest(wide[0]))
    _round(pull_y, peak / most)
    _round(pull_x, peak / most)
    _round(own, peak / greatest(own))
    for k in range((n + 2) * (n + 2)):
        weights[GAIN, k] = np.int16(wide[0, k])
    _keep(pull_y, n, weights[SHIFT_Y])
    _keep(pull_x, n, weights[SHIFT_X])
    _keep(own, n, weights[TEMPLATE])
    yy, yx = inner(pull_y, runs[DOWN]), inner(pull_y, runs[RIGHT])
    xy, xx = inner(pull_x, runs[DOWN]), inner(pull_x, runs[RIGHT])
    ridge = RIDGE * (yy + xx)
    yy, xx = yy + ridge, xx + ridge
    determinant = yy * xx - yx * xy
    total = inner(wide[0], wide[1])
    if determinant <= 0.0 or total <= 0.0:
        return
    step[0], step[1] = -xx / determinant, yx / determinant
    step[2], step[3] = xy / determinant, -yy / determinant
    gain[p] = total
    norm[p] = inner(own, own)


@part
def _take_out_plane(run, plane, squares):  # type: ignore[no-untyped-def]
    """Make a run orthogonal to a level and to slopes."""
    for k in range(len(plane)):
        _take_out(run, plane[k], squares[k])


@part
def _take_out(run, other, square):  # type: ignore[no-untyped-def]
    """Make a run orthogonal to another, the sum of whose squares is known."""
    share = inner(run, other) / square
    for k in range(len(run)):
        run[k] -= share * other[k]


@part
def _adjoint(pull_y, pull_x, n, wide):  # type: ignore[no-untyped-def]
    """Apply the gradient's adjoint to the first two filters, for the third."""
    side = n + 2
    wide[:] = 0.0
    for y in range(n):
        at = y * n
        above, here = wide[y * side : (y + 1) * side], wide[(y + 1) * side : (y + 2) * side]
        below = wide[(y + 2) * side : (y + 3) * side]
        for x in range(n):
            below[x + 1] += 0.5 * pull_y[at + x]
        for x in range(n):
            above[x + 1] -= 0.5 * pull_y[at + x]
        for x in range(n):
            here[x + 2] += 0.5 * pull_x[at + x]
        for x in range(n):
            here[x] -= 0.5 * pull_x[at + x]


@part
def _round(run, scale):  # type: ignore[no-untyped-def]
    for k in range(len(run)):
        run[k] = np.rint(run[k] * scale)


@part
def _keep(run, n, weights):  # type: ignore[no-untyped-def]
    """Keep whole numbers as weights of a filter, which has a border of zeros."""
    for y in range(n):
        at, to = y * n, (y + 1) * (n + 2) + 1
        for x in range(n):
            weights[to + x] = np.int16(run[at + x])
