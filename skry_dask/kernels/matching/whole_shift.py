"""Least squares over a whole frame: what a reference and its gradients explain of another frame.

A frame f seen displaced by a small d is, at the pixels that both show,

    f = c + g r + b (r - blurred r) + grad r . s,    s = -g d

in the reference r, with level c, gain g and blur b. Here are the sums that make the normal
equations, each pixel with its weight: those of the reference alone depend on which pixels both
show, those with the frame on every step.

Cost, on one core: 2 ns a pixel for the matrix, 1 ns for the answers. Sums run along columns, of
which several are worked on at a time, in an order that depends on nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, FloatArray

N_TERMS = 5
"""Level, gain, blur, and displacement along y and x."""

N_PRODUCTS = N_TERMS * (N_TERMS + 1) // 2


class Overlap(NamedTuple):
    """A rectangle of the reference, which a frame shows further down and to the right.

    Parameters
    ----------
    top, left, height, width
        Of the rectangle in the reference, px.
    down, right
        How much further, whole px.
    """

    top: int
    left: int
    height: int
    width: int
    down: int
    right: int


def normal_matrix(terms: Float32Array, weight: Float32Array, overlap: Overlap) -> FloatArray:
    """Sum the weighted products of all terms over the overlap.

    Parameters
    ----------
    terms
        float32 (4, y, x): the reference, its loss by blur, its gradient along y and along x.
    weight
        float32 (y, x).
    overlap
        The pixels that count.

    Returns
    -------
    float64 (5, 5), symmetric: level, then the terms.
    """
    out = np.empty((N_TERMS, N_TERMS))
    columns = np.empty((N_PRODUCTS, overlap.width))
    _normal_matrix(as_argument(terms), as_argument(weight), *overlap[:4], columns, out)
    return out


@kernel("f4[:, :, ::1], f4[:, ::1], i8, i8, i8, i8, f8[:, ::1], f8[:, ::1]", seconds=0.5)
def _normal_matrix(terms, weight, top, left, height, width, columns, out):  # type: ignore[no-untyped-def]
    columns[:] = 0.0
    for y in range(top, top + height):
        w = weight[y, left : left + width]
        for x in range(width):
            columns[0, x] += w[x]
        n = 1
        for i in range(len(terms)):
            one = terms[i, y, left : left + width]
            for x in range(width):
                columns[n, x] += np.float64(w[x]) * one[x]
            n += 1
            for j in range(i + 1):
                other = terms[j, y, left : left + width]
                for x in range(width):
                    columns[n, x] += np.float64(w[x]) * one[x] * other[x]
                n += 1
    n = 0
    for i in range(len(out)):
        for j in range(i + 1):
            total = 0.0
            for x in range(width):
                total += columns[n, x]
            out[i, j], out[j, i] = total, total
            n += 1


def answers(
    terms: Float32Array,
    weight: Float32Array,
    frame: Float32Array,
    overlap: Overlap,
    fraction: tuple[float, float],
) -> FloatArray:
    """Sum the weighted products of a frame with all terms, and with itself, over the overlap.

    Parameters
    ----------
    terms, weight
        As for `normal_matrix`.
    frame
        float32 (y, x).
    overlap
        The pixels that count; the frame shows one more row and column.
    fraction
        Part (y, x) of the shift that is left, 0 to 1 px; the frame is interpolated bilinearly.

    Returns
    -------
    float64 (6): with level and terms, then with the frame itself.
    """
    out = np.empty(N_TERMS + 1)
    columns, line = np.empty((N_TERMS + 1, overlap.width)), np.empty(overlap.width)
    arrays = as_argument(terms), as_argument(weight), as_argument(frame)
    _answers(*arrays, *overlap, *fraction, columns, line, out)
    return out


@kernel(
    "f4[:, :, ::1], f4[:, ::1], f4[:, ::1], i8, i8, i8, i8, i8, i8, f8, f8, f8[:, ::1], f8[::1], "
    "f8[::1]",
    seconds=0.5,
)
def _answers(  # type: ignore[no-untyped-def]
    terms, weight, frame, top, left, height, width, down, right, part_y, part_x, columns, line, out
):
    columns[:] = 0.0
    rest_y, rest_x = 1.0 - part_y, 1.0 - part_x
    for y in range(top, top + height):
        w = weight[y, left : left + width]
        above, below = frame[y + down, left + right :], frame[y + down + 1, left + right :]
        for x in range(width):
            level = rest_y * (rest_x * above[x] + part_x * above[x + 1])
            level += part_y * (rest_x * below[x] + part_x * below[x + 1])
            line[x] = w[x] * level
            columns[5, x] += line[x] * level
        for x in range(width):
            columns[0, x] += line[x]
        for i in range(len(terms)):
            term = terms[i, y, left : left + width]
            for x in range(width):
                columns[i + 1, x] += line[x] * term[x]
    for i in range(len(out)):
        total = 0.0
        for x in range(width):
            total += columns[i, x]
        out[i] = total
