"""Sums of neighbours in 16-bit integers, for box blurs.

Rows have a padded length, so that all of them is worked on in whole vectors; what lies in the
padding is meaningless. Terms are halved before they are summed, so that sums stay within 16 bits:
see `skry_dask.kernels.frame.detail`. LLVM would use lanes of 64 bits for shifts by a number that it
does not know, which takes five times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import types

from skry_dask.kernels.simd.int16 import CHAINS, LANES, WHOLE
from skry_dask.kernels.simd.ir import I16, I32, load, loop, lowered, splat, store, vector

if TYPE_CHECKING:
    from skry_dask.types import AnyArray


def halve(values: AnyArray, halvings: int) -> AnyArray:
    """Divide integers by a power of two, rounded half up: uint16 of the same shape."""
    return ((values.astype(np.uint32) + (1 << halvings >> 1)) >> halvings).astype(np.uint16)


def _halve(builder: Any, values: Any, halvings: Any) -> Any:
    """Halve lanes, of which the rounding must not leave 16 bits."""
    one = ir.Constant(I16, 1)
    half = builder.lshr(builder.shl(one, halvings), one)
    lanes = values.type.count
    values = builder.add(values, splat(builder, half, lanes))
    return builder.lshr(values, splat(builder, halvings, lanes))


def window_sums(rows: AnyArray, at: int, n_taps: int, halvings: int, out: int, n: int) -> None:
    """Sum each element of a row and the elements after it, and halve the sums.

    Parameters
    ----------
    rows
        uint16 (any), contiguous: holds the row and the result.
    at, out
        Indices at which the row and the result begin; they do not overlap.
    n_taps
        Number of elements that make a sum.
    halvings
        How often sums are halved, 0 to 15.
    n
        Number of sums, from `skry_dask.kernels.simd.int16.padded_int16`.
    """
    windows = np.lib.stride_tricks.sliding_window_view(rows[at : at + n + n_taps - 1], n_taps)
    rows[out : out + n] = halve(windows.sum(axis=1, dtype=np.uint16), halvings)


@lowered(
    window_sums,
    lambda rows, at, n_taps, halvings, out, n: types.void(
        rows, types.intp, types.intp, types.uint16, types.intp, types.intp
    ),
)
def _window_sums(
    builder: Any, rows: Any, at: Any, n_taps: Any, halvings: Any, out: Any, n: Any
) -> None:
    zero, one = (ir.Constant(n.type, k) for k in (0, 1))

    def body(i: Any, _: Any) -> list[Any]:
        begin = builder.add(at, i)

        def add_tap(k: Any, totals: list[Any]) -> list[Any]:
            tap = builder.add(begin, k)
            more = _vectors(builder, rows, tap)
            return [builder.add(*pair) for pair in zip(totals, more, strict=True)]

        totals = loop(builder, one, n_taps, 1, _vectors(builder, rows, begin), add_tap)
        _store_vectors(builder, [_halve(builder, v, halvings) for v in totals], rows, out, i)
        return []

    loop(builder, zero, n, CHAINS * LANES, [], body)


def _vectors(builder: Any, rows: Any, at: Any) -> list[Any]:
    places = [builder.add(at, ir.Constant(at.type, k * LANES)) for k in range(CHAINS)]
    return [load(builder, rows.data, place, WHOLE) for place in places]


def _store_vectors(builder: Any, values: list[Any], rows: Any, to: Any, i: Any) -> None:
    place = builder.add(to, i)
    for k, value in enumerate(values):
        offset = ir.Constant(place.type, k * LANES)
        store(builder, value, rows.data, builder.add(place, offset))


def slide_sums(
    rows: AnyArray, sums: int, leaving: int, entering: int, halvings: int, out: int, n: int
) -> None:
    """Advance running sums over the rows of an image by one row, and halve a copy of them.

    Parameters
    ----------
    rows
        uint16 (any), contiguous: holds all of the following.
    sums
        Index at which the running sums begin; changed in place.
    leaving, entering
        Indices of the rows whose values are subtracted and added.
    halvings
        How often the copy is halved, 0 to 15.
    out
        Index at which the halved sums begin.
    n
        Length of a row, from `skry_dask.kernels.simd.int16.padded_int16`.
    """
    total = rows[sums : sums + n] - rows[leaving : leaving + n] + rows[entering : entering + n]
    rows[sums : sums + n] = total
    rows[out : out + n] = halve(total, halvings)


@lowered(
    slide_sums,
    lambda rows, sums, leaving, entering, halvings, out, n: types.void(
        rows, types.intp, types.intp, types.intp, types.uint16, types.intp, types.intp
    ),
)
def _slide_sums(
    builder: Any, rows: Any, sums: Any, leaving: Any, entering: Any, halvings: Any, out: Any, n: Any
) -> None:
    def body(i: Any, _: Any) -> list[Any]:
        given = [_vectors(builder, rows, builder.add(at, i)) for at in (sums, leaving, entering)]
        totals = [builder.add(builder.sub(t, a), b) for t, a, b in zip(*given, strict=True)]
        _store_vectors(builder, totals, rows, sums, i)
        _store_vectors(builder, [_halve(builder, t, halvings) for t in totals], rows, out, i)
        return []

    loop(builder, ir.Constant(n.type, 0), n, CHAINS * LANES, [], body)


def add_differences(
    rows: AnyArray,
    sharp: int,
    blurred: int,
    n_taps: int,
    halvings: tuple[int, ...],
    detail: AnyArray,
    n: int,
) -> None:
    """Add the differences of a row and its blurred copy, once it is scaled like the copy.

    Parameters
    ----------
    rows
        uint16 (any), contiguous: holds both rows.
    sharp, blurred
        Indices at which the row and its blurred copy begin.
    n_taps, halvings
        Number of terms of each sum that the copy went through, and how often terms were halved
        before each sum after the first: a constant row becomes the same.
    detail
        uint32 (n), changed in place: absolute differences are added.
    n
        Length of a row, from `skry_dask.kernels.simd.int16.padded_int16`.
    """
    scaled = rows[sharp : sharp + n] * np.uint16(n_taps)
    for number in halvings:
        scaled = halve(scaled, number) * np.uint16(n_taps)
    other = rows[blurred : blurred + n]
    detail += np.maximum(scaled, other) - np.minimum(scaled, other)


@lowered(
    add_differences,
    lambda rows, sharp, blurred, n_taps, halvings, detail, n: types.void(
        rows, types.intp, types.intp, types.uint16,
        types.UniTuple(types.uint16, len(halvings)), detail, types.intp,
    ),
)  # fmt: skip
def _add_differences(
    builder: Any,
    rows: Any,
    sharp: Any,
    blurred: Any,
    n_taps: Any,
    halvings: Any,
    detail: Any,
    n: Any,
) -> None:
    wide = vector(I32, LANES)
    side = splat(builder, n_taps, LANES)

    def body(i: Any, _: Any) -> list[Any]:
        own, other = (
            load(builder, rows.data, builder.add(at, i), WHOLE) for at in (sharp, blurred)
        )
        own = builder.mul(own, side)
        for number in halvings:
            own = builder.mul(_halve(builder, own, number), side)
        difference = builder.select(
            builder.icmp_unsigned(">", own, other), builder.sub(own, other), builder.sub(other, own)
        )
        total = load(builder, detail.data, i, wide)
        store(builder, builder.add(total, builder.zext(difference, wide)), detail.data, i)
        return []

    loop(builder, ir.Constant(n.type, 0), n, LANES, [], body)
