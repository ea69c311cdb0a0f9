"""Shift and add: fragments of a frame, resampled onto the canvas and added up.

A canvas pixel's place in the frame is linear along a row of its fragment, so a fragment is a list
of row spans, and the place is followed in 16.16 fixed point. Values are interpolated with Keys'
cubic convolution (Keys, "Cubic convolution interpolation for digital image processing", IEEE ASSP
29(6), 1981, 1153-1160), a = -1/2 (the Catmull-Rom spline), from a table of 256 phases with integer
weights. Everything added is an integer: sums do not depend on their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compile import kernel

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, BoolArray, FloatArray, Frames, IntArray

PHASES = 256
"""Positions between two pixels that the interpolation tells apart."""

WEIGHT_BITS = 11
"""Interpolation weights are multiples of 2**-11: two of them and 8 bits of data fit an int32."""

VALUE_BITS = 6
"""Sums have this many fractional bits."""


def cubic_table() -> IntArray:
    """Weights of four neighbours at each phase.

    Returns
    -------
    int64 (phase, tap); each row adds up to ``2**WEIGHT_BITS``.
    """
    t = np.arange(PHASES) / PHASES
    weights = np.stack(
        [
            ((-0.5 * t + 1.0) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1.0,
            ((-1.5 * t + 2.0) * t + 0.5) * t,
            (0.5 * t - 0.5) * t * t,
        ],
        axis=1,
    )
    table = np.rint(weights * 2**WEIGHT_BITS).astype(np.int64)
    nearest = np.where(t < 0.5, 1, 2)
    table[np.arange(PHASES), nearest] += 2**WEIGHT_BITS - table.sum(axis=1)
    return table


def add_fragments(
    frame: Frames,
    spans: IntArray,
    first_span: IntArray,
    affine: FloatArray,
    selected: BoolArray,
    total: IntArray,
) -> None:
    """Add a frame's selected fragments to running sums.

    Parameters
    ----------
    frame
        uint8, uint16 or int32 (y, x). Places outside are taken from the nearest edge.
    spans
        int64 (span, 3): row, first column and end column of each span in the sums.
    first_span
        int64 (fragment + 1): spans ``first_span[i]`` to ``first_span[i + 1] - 1`` are fragment i's.
    affine
        float64 (fragment, 2, 3): place in the frame = affine @ (1, row, column), px.
    selected
        bool (fragment).
    total
        int64 (2, y, x), changed in place: sums of values in units of ``2**-VALUE_BITS`` grey
        levels, and how many were added.
    """
    wide = np.int32(0) if frame.dtype == np.uint8 else np.int64(0)
    table = _TABLES[frame.dtype.str[1:]]
    frame = np.ascontiguousarray(frame)
    _add_fragments(frame, spans, first_span, affine, selected, table, wide, total)


_TABLES: dict[str, AnyArray] = {
    "u1": cubic_table().astype(np.int32).ravel(),
    "u2": cubic_table().ravel(),
    "i4": cubic_table().ravel(),
}

# Unsigned indices: numba lets signed ones count from the end, which costs 3 ns a pixel here.
_ONE, _TWO, _THREE = np.uintp(1), np.uintp(2), np.uintp(3)


@kernel
def _add_fragments(frame, spans, first_span, affine, selected, table, wide, total):  # type: ignore[no-untyped-def]
    height, width = frame.shape
    flat = frame.ravel()
    word = type(wide)
    values, counts = total[0], total[1]
    down = word(2 * WEIGHT_BITS - VALUE_BITS)
    half = word(1 << (2 * WEIGHT_BITS - VALUE_BITS - 1))
    for fragment in range(len(selected)):
        if not selected[fragment]:
            continue
        a = affine[fragment]
        step_y, step_x = _fixed(a[0, 2]), _fixed(a[1, 2])
        for s in range(first_span[fragment], first_span[fragment + 1]):
            row, begin, end = spans[s, 0], spans[s, 1], spans[s, 2]
            # Half a phase is added once, so that taking the upper bits rounds to the nearest.
            fy = _fixed(a[0, 0] + a[0, 1] * row + a[0, 2] * begin) + 128
            fx = _fixed(a[1, 0] + a[1, 1] * row + a[1, 2] * begin) + 128
            ly, lx = fy + step_y * (end - 1 - begin), fx + step_x * (end - 1 - begin)
            inside = (
                min(fy, ly) >> 16 >= 1
                and max(fy, ly) >> 16 < height - 2
                and min(fx, lx) >> 16 >= 1
                and max(fx, lx) >> 16 < width - 2
            )
            value_row, count_row = values[row], counts[row]
            for column in range(begin, end):
                y, x = fy >> 16, fx >> 16
                wy, wx = np.uintp((fy >> 6) & 1020), np.uintp((fx >> 6) & 1020)
                mixed = half
                if inside:
                    at = np.uintp((y - 1) * width + x - 1)
                    for j in range(4):
                        mixed += table[wy + np.uintp(j)] * word(
                            table[wx] * word(flat[at])
                            + table[wx + _ONE] * word(flat[at + _ONE])
                            + table[wx + _TWO] * word(flat[at + _TWO])
                            + table[wx + _THREE] * word(flat[at + _THREE])
                        )
                        at += np.uintp(width)
                else:
                    for j in range(4):
                        r = frame[min(max(y - 1 + j, 0), height - 1)]
                        inner = word(0)
                        for i in range(4):
                            tap = word(r[min(max(x - 1 + i, 0), width - 1)])
                            inner += table[wx + np.uintp(i)] * tap
                        mixed += table[wy + np.uintp(j)] * inner
                value_row[np.uintp(column)] += mixed >> down
                count_row[np.uintp(column)] += 1
                fy += step_y
                fx += step_x


@kernel
def _fixed(value):  # type: ignore[no-untyped-def]
    """Convert to fixed point with 16 fractional bits, rounded."""
    return np.int64(np.floor(value * 65536.0 + 0.5))
