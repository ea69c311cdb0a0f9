"""Design of the filters of single blocks; `reference_blocks` explains what they are for.

A block, its gradients, and what blur takes away from it are arrays of numbers. Making one of them
orthogonal to another is a step of Gram and Schmidt: an inner product and a difference. Most of the
work is inner products; in the order of `skry_dask.kernels.simd.float64` they take a tenth of the
time of sums one after the other.

Cost, on one core: 9 us for a block of 32 px at full and half resolution (43 us with loops over rows
and columns, whose sums have an order that cannot be vectorised), and 6 ns for a pixel of the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import inlined, kernel
from skry_dask.kernels.compilation.signatures import SAMPLES
from skry_dask.kernels.frame.box_means import binomial_smooth
from skry_dask.kernels.simd.float64 import inner_product, max_abs, padded_float64

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames, IntArray

BLUR_SIDE_PX = 5
"""Side of the boxes that blur a block three times, to tell what blur takes away from it."""

BLUR_REACH_PX = 3 * (BLUR_SIDE_PX // 2)
"""Distance over which the three blurs mix pixels."""

MARGIN_PX = 2
"""Images extend this far beyond the blocks on every side: filters reach one pixel beyond the block,
and gradients, which are smoothed or of the fourth order, one further."""

RIDGE = 0.01
"""Added to the diagonal of the matrix H, as a fraction of its trace. Along an edge, where nothing
tells how far a block has moved, it stays in place."""

ROUNDING = 1e-9
"""If less than this fraction of a block, or of its gradients, is left, it is rounding errors."""

TEMPLATE, CONTRAST, SHIFT_Y, SHIFT_X = range(4)
"""Filters of a block, in the order in which they are stored: the block itself, the contrast of a
frame relative to it, and its displacement along y and x."""

OWN, LOSS, SMOOTH_Y, SMOOTH_X, GRADIENT_Y, GRADIENT_X = range(6)
"""What filters are made of, in rows: the block, what blur takes away from it, its gradients once
smoothed, and its gradients."""

N_ROWS = GRADIENT_X + 1


class PlaneBasis(NamedTuple):
    """A level and two slopes over a block, orthogonal to each other.

    Parameters
    ----------
    size
        Side of a block, px.
    rows
        float64 (1 or 3, padded pixel): ones and, with slopes, y and x from the centre; zeros in the
        padding.
    squares
        float64 (1 or 3): sum of the squares of each row.
    """

    size: int
    rows: FloatArray
    squares: FloatArray

    @classmethod
    def for_size(cls, size: int, *, slopes: bool) -> PlaneBasis:
        """Make the basis for blocks whose side is ``size`` px, with or without slopes."""
        rows = np.zeros((3, padded_float64(size**2)))
        y, x = np.mgrid[:size, :size] - (size - 1) / 2
        for row, values in zip(rows, (np.ones((size, size)), y, x), strict=True):
            row[: size**2] = values.ravel()
        squares = (rows**2).sum(axis=1)
        n = 3 if slopes else 1
        return cls(size, rows[:n], squares[:n])


def design_filters(
    images: Float32Array,
    image_of_block: IntArray,
    corners: IntArray,
    peak: int,
    n_smoothings: int,
    plane: PlaneBasis,
    out: tuple[AnyArray, FloatArray, FloatArray, FloatArray],
) -> None:
    """Design the filters of blocks.

    Parameters
    ----------
    images
        float32 (image, y, x), grey levels, with `MARGIN_PX` more on every side than `corners`
        count.
    image_of_block
        int64 (point): the image in which each block lies.
    corners
        int64 (point, axis): top left pixel of each block in its image, margin aside.
    peak
        Largest weight of a filter.
    n_smoothings
        How often gradients are smoothed with [1 2 1] / 4.
    plane
        What is taken out of each block.
    out
        Written: weights, step, gain and norm; see `reference_blocks.BlockFilters`. Flat blocks are
        left out.
    """
    n_planes, length = plane.rows.shape
    rows = np.zeros((n_planes + N_ROWS, length))
    rows[:n_planes] = plane.rows
    squares = np.zeros(n_planes + 2)
    squares[:n_planes] = plane.squares
    wide = np.zeros((2, padded_float64((plane.size + 2) ** 2)))
    smooth, blurred = binomial_smooth(images, n_smoothings), blur_images(images)
    _design_filters(
        as_argument(images), smooth, blurred, image_of_block, corners, peak, plane.size,
        rows, squares, wide, *out,
    )  # fmt: skip


@kernel(
    "f4[:, :, ::1], f4[:, :, ::1], f4[:, :, ::1], i8[::1], i8[:, ::1], i8, i8, f8[:, ::1], "
    "f8[::1], f8[:, ::1], i2[:, :, ::1], f8[:, ::1], f8[::1], f8[::1]",
    seconds=1.4,
)
def _design_filters(  # type: ignore[no-untyped-def]
    images, smooth, blurred, image_of_block, corners, peak, size, rows, squares, wide, weights,
    step, gain, norm,
):  # fmt: skip
    first = len(rows) - N_ROWS
    for p in range(len(corners)):
        i, y, x = image_of_block[p], corners[p, 0], corners[p, 1]
        _gather_block(images[i], blurred[i], y, x, size, rows[first:], wide[1])
        _gather_smooth_gradients(smooth[i], y, x, size, rows[first:])
        largest, steepest = _orthogonalise(rows, squares, first)
        if steepest == 0.0:
            continue
        # The adjoint is that of gradients before they are rounded, which would make it noisy.
        _apply_adjoint(rows[first + SMOOTH_Y], rows[first + SMOOTH_X], size, wide[0])
        scale = peak / max_abs(wide[0])
        for k in range((size + 2) * (size + 2)):
            wide[0, k] = np.rint(wide[0, k] * scale)
            weights[p, CONTRAST, k] = np.int16(wide[0, k])
        for row in range(OWN, SMOOTH_X + 1):
            if row != LOSS:
                scale = peak / (largest if row == OWN else steepest)
                _round(rows[first + row], scale, size, weights[p, row])
        total = inner_product(wide[0], wide[1])
        if _write_step(rows[first:], total, step[p]):
            gain[p] = total
            norm[p] = inner_product(rows[first + OWN], rows[first + OWN])


@inlined
def _gather_block(image, blurred, top, left, n, rows, wide):  # type: ignore[no-untyped-def]
    """Gather a block, what blur takes away from it, its gradients, and the block with a border."""
    own, loss, down, right = rows[OWN], rows[LOSS], rows[GRADIENT_Y], rows[GRADIENT_X]
    for y in range(n + 2):
        row, target = image[top + y + 1, left:], wide[y * (n + 2) : (y + 1) * (n + 2)]
        for x in range(n + 2):
            target[x] = row[x + 1]
    # Gradients to the fourth order: differences of neighbours alone are too small in fine detail,
    # and steps 15 % too long (sigma 1 px).
    near, far = 2 / 3, 1 / 12
    for y in range(n):
        row, soft, at = image[top + y + 2, left:], blurred[top + y + 2, left:], y * n
        for x in range(n):
            own[at + x] = row[x + 2]
        for x in range(n):
            loss[at + x] = row[x + 2] - soft[x + 2]
        for x in range(n):
            right[at + x] = near * (row[x + 3] - row[x + 1]) - far * (row[x + 4] - row[x])
        above, below = image[top + y + 1, left:], image[top + y + 3, left:]
        before, after = image[top + y, left:], image[top + y + 4, left:]
        for x in range(n):
            down[at + x] = near * (below[x + 2] - above[x + 2])
        for x in range(n):
            down[at + x] -= far * (after[x + 2] - before[x + 2])


@inlined
def _gather_smooth_gradients(smooth, top, left, n, rows):  # type: ignore[no-untyped-def]
    down, right = rows[SMOOTH_Y], rows[SMOOTH_X]
    for y in range(n):
        row, at = smooth[top + y + 2, left:], y * n
        above, below = smooth[top + y + 1, left:], smooth[top + y + 3, left:]
        for x in range(n):
            down[at + x] = 0.5 * (below[x + 2] - above[x + 2])
        for x in range(n):
            right[at + x] = 0.5 * (row[x + 3] - row[x + 1])


@inlined
def _orthogonalise(rows, squares, first):  # type: ignore[no-untyped-def]
    """Make each of four rows orthogonal to the plane, to the block and to what blur takes away.

    Returns the largest values of the block and of the gradients; 0 where nothing is left of them.
    """
    n_basis, largest, steepest, steepest_before = first, 0.0, 0.0, 0.0
    for j in range(OWN, SMOOTH_X + 1):
        row = rows[first + j]
        before = max_abs(row)
        for k in range(n_basis):
            share = inner_product(row, rows[k]) / squares[k]
            for i in range(len(row)):
                row[i] -= share * rows[k, i]
        after = max_abs(row)
        if j == OWN:
            if after <= ROUNDING * before:
                break
            largest = after
        if j <= LOSS:
            square = inner_product(row, row)
            if j == OWN or square > 0.0:
                squares[n_basis] = square
                n_basis += 1
        else:
            steepest = max(steepest, after)
            steepest_before = max(steepest_before, before)
    if steepest <= ROUNDING * steepest_before:
        steepest = 0.0
    return largest, steepest


@inlined
def _apply_adjoint(shift_y, shift_x, n, out):  # type: ignore[no-untyped-def]
    """Apply the adjoint of the gradient to the filters of displacements."""
    side = n + 2
    out[:] = 0.0
    for y in range(n):
        at = y * n
        above, here = out[y * side : (y + 1) * side], out[(y + 1) * side : (y + 2) * side]
        below = out[(y + 2) * side : (y + 3) * side]
        for x in range(n):
            below[x + 1] += 0.5 * shift_y[at + x]
        for x in range(n):
            above[x + 1] -= 0.5 * shift_y[at + x]
        for x in range(n):
            here[x + 2] += 0.5 * shift_x[at + x]
        for x in range(n):
            here[x] -= 0.5 * shift_x[at + x]


@inlined
def _round(row, scale, n, weights):  # type: ignore[no-untyped-def]
    """Scale and round a row, and write it as a filter, which has a border of zeros."""
    for k in range(len(row)):
        row[k] = np.rint(row[k] * scale)
    for y in range(n):
        at, to = y * n, (y + 1) * (n + 2) + 1
        for x in range(n):
            weights[to + x] = np.int16(row[at + x])


@inlined
def _write_step(rows, total, step):  # type: ignore[no-untyped-def]
    """Write the matrix that turns answers into displacements; False where there is none."""
    # step serves as the matrix H first.
    for a in range(2):
        for b in range(2):
            step[2 * a + b] = inner_product(rows[SMOOTH_Y + a], rows[GRADIENT_Y + b])
    yy, yx, xy, xx = step[0], step[1], step[2], step[3]
    ridge = RIDGE * (yy + xx)
    yy, xx = yy + ridge, xx + ridge
    determinant = yy * xx - yx * xy
    exists = not (determinant <= 0.0 or total <= 0.0)
    step[0] = -xx / determinant if exists else np.nan
    step[1] = yx / determinant if exists else np.nan
    step[2] = xy / determinant if exists else np.nan
    step[3] = -yy / determinant if exists else np.nan
    return exists


def blur_images(images: Float32Array) -> Float32Array:
    """Blur images three times with boxes of `BLUR_SIDE_PX`; borders are continued.

    Parameters
    ----------
    images
        float32 (image, y, x).

    Returns
    -------
    float32 of the same shape. Sums are exact until the last division.
    """
    out = np.empty_like(images)
    column = np.empty(images.shape[1:], np.float32)
    line = np.empty(images.shape[2] + BLUR_SIDE_PX - 1, np.float32)
    _blur_images(as_argument(images), column, line, out)
    return out


@kernel("f4[:, :, ::1], f4[:, ::1], f4[::1], f4[:, :, ::1]", seconds=0.4)
def _blur_images(images, columns, line, out):  # type: ignore[no-untyped-def]
    half, share = BLUR_SIDE_PX // 2, np.float32(1 / BLUR_SIDE_PX**6)
    height, width = columns.shape
    for i in range(3 * len(images)):
        source = images[i // 3] if i % 3 == 0 else out[i // 3]
        for y in range(height):
            total, row = columns[y], source[max(y - half, 0)]
            for x in range(width):
                total[x] = row[x]
            for k in range(y - half + 1, y + half + 1):
                row = source[min(max(k, 0), height - 1)]
                for x in range(width):
                    total[x] += row[x]
        factor = share if i % 3 == 2 else np.float32(1)
        for y in range(height):
            total, target = columns[y], out[i // 3, y]
            line[:half] = total[0]
            line[half + width :] = total[width - 1]
            for x in range(width):
                line[half + x] = total[x]
            for x in range(width):
                target[x] = (
                    line[x] + line[x + 1] + line[x + 2] + line[x + 3] + line[x + 4]
                ) * factor


def block_variances(image: Frames, corners: IntArray, size: int) -> FloatArray:
    """Compute the variance of blocks of an image without their level and slopes.

    Parameters
    ----------
    image
        uint8 or uint16 (y, x).
    corners
        int64 (point, axis), top left pixel of each block.
    size
        Side of a block, px.

    Returns
    -------
    float64 (point), squares of grey levels.
    """
    out = np.empty(len(corners))
    plane = PlaneBasis.for_size(size, slopes=True)
    arrays = as_argument(image), as_argument(corners)
    _block_variances(*arrays, *plane, np.zeros(plane.rows.shape[1]), out)
    return out


@kernel("S[:, ::1], i8[:, ::1], i8, f8[:, ::1], f8[::1], f8[::1], f8[::1]", S=SAMPLES)
def _block_variances(image, corners, size, plane, squares, block, out):  # type: ignore[no-untyped-def]
    for i in range(len(corners)):
        for y in range(size):
            row = image[corners[i, 0] + y, corners[i, 1] : corners[i, 1] + size]
            for x in range(size):
                block[y * size + x] = row[x]
        for k in range(len(plane)):
            share = inner_product(block, plane[k]) / squares[k]
            for j in range(len(block)):
                block[j] -= share * plane[k, j]
        out[i] = inner_product(block, block) / (size * size)
