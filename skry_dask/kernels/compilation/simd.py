"""What LLVM does not find by itself: sums of products and short copies in whole registers.

Loops over 16-bit integers become vectors by themselves, but half as wide as could be, for their
sums have 32 bits; and of rows of 34 pixels little is left but what is done before and after a
vector loop. Matching a block took 0.95 us with loops, and takes 0.7 us with what is here: 32
lanes at a time, whatever registers the processor has, written in LLVM's language. It makes of it
one instruction for 32 products and their sums where there is one (VNNI), and does with what there
is elsewhere; the results are integers, the same anywhere.

Sums of floating-point numbers are no vectors at all in loops, for their order makes their bits, and
that of a loop is one after the other. Here it is another, as fixed: 32 sums side by side.

Each function has a twin in Python, of the same result, which interpreted kernels call.
"""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, FloatArray

LANES = 32
"""So many 16-bit integers are worked on at a time."""

SUMS = 2
"""So many sums go on side by side, for an addition takes as long as several can be begun."""

LINE = 64
"""Vectors are read fastest where they do not cross the border of a cache line, bytes."""

WHOLE, HALF, SINGLE = (0,) * LANES, (0,) * (LANES // 2), (0,)
"""Numbers of lanes travel as lengths of tuples, which are part of types."""

FLOATS, CHAINS = 8, 4
"""So many sums of floating-point numbers go on side by side in a vector, and so many vectors: how
they are added up is laid down, so that sums have the same bits whatever registers there are."""

I16, I32, I64 = (ir.IntType(bits) for bits in (16, 32, 64))


def lanes_for(n: int) -> int:
    """Round a number of 16-bit integers up to what fills whole vectors, one for each sum."""
    return -(-n // (SUMS * LANES)) * SUMS * LANES


def zeros(shape: tuple[int, ...]) -> AnyArray:
    """Make an array of int16 that begins with a cache line; rows of whole vectors do so, too."""
    size = int(np.prod(shape)) * 2
    room = np.zeros(size + LINE, np.uint8)
    begin = -room.ctypes.data % LINE
    return room[begin : begin + size].view(np.int16).reshape(shape)


def wide_vectors() -> None:
    """Let a kernel that calls this use the widest registers that the processor has.

    LLVM keeps to 256 bits where there are 512, for the sake of programs around it; numba knows that
    setting for a whole process only. In long runs of 16-bit integers wide ones are worth having:
    measuring detail takes 15 % less time.
    """


@overload(wide_vectors, inline="always", strict=False)
def _wide_vectors() -> Any:
    return lambda: _prefer_wide()


def _width(_typing_context: Any) -> Any:
    def generate(context: Any, builder: Any, *_: Any) -> Any:
        # `add` of llvmlite's own set takes no attributes that have a value.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


_prefer_wide: Any = intrinsic(_width)


def dots(run: AnyArray, others: tuple[AnyArray, ...]) -> tuple[int, ...]:
    """Multiply a run of integers with others, and add up: their dot products.

    Parameters
    ----------
    run, others
        int16 (n), contiguous, n from `lanes_for`; sums must fit into 32 bits.

    Returns
    -------
    int64, one for each of the others.
    """
    return tuple(int(run.astype(np.int64) @ other.astype(np.int64)) for other in others)


@overload(dots, inline="always", strict=False)
def _dots(run: Any, others: Any) -> Any:
    return lambda run, others: _sums_of_products(run, others)


def square(run: AnyArray, mask: AnyArray) -> int:
    """Add up the squares of those integers of a run whose mask is -1, not 0; see `dots`."""
    masked = (run & mask).astype(np.int64)
    return int(masked @ masked)


@overload(square, inline="always", strict=False)
def _square(run: Any, mask: Any) -> Any:
    return lambda run, mask: _sum_of_squares(run, mask)


def _products(_typing_context: Any, run: Any, others: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        run, others = signature.args
        own = context.make_array(run)(context, builder, arguments[0])
        rows = [
            context.make_array(one)(context, builder, builder.extract_value(arguments[1], i)).data
            for i, one in enumerate(others)
        ]

        def products(at: Any) -> list[Any]:
            lanes = _load(builder, own.data, at, LANES)
            return [_pairs(builder, lanes, _load(builder, row, at, LANES)) for row in rows]

        sums = _sum_up(builder, own.nitems, len(rows), products)
        return context.make_tuple(builder, signature.return_type, sums)

    return types.UniTuple(types.int64, len(others))(run, others), generate


_sums_of_products: Any = intrinsic(_products)


def _squares(_typing_context: Any, run: Any, mask: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        own, other = _arrays(context, builder, signature, arguments)

        def squares(at: Any) -> list[Any]:
            lanes = _load(builder, own.data, at, LANES)
            lanes = builder.and_(lanes, _load(builder, other.data, at, LANES))
            return [_pairs(builder, lanes, lanes)]

        return _sum_up(builder, own.nitems, 1, squares)[0]

    return types.int64(run, mask), generate


_sum_of_squares: Any = intrinsic(_squares)


def _load(builder: Any, data: Any, at: Any, lanes: int) -> Any:
    """Read a vector from an array, at any place."""
    place = builder.gep(data, [at])
    kind = ir.VectorType(place.type.pointee, lanes)
    return builder.load(builder.bitcast(place, kind.as_pointer()), align=1)


def _pairs(builder: Any, one: Any, other: Any) -> Any:
    """Multiply two vectors; add up the products of neighbours, in 32 bits.

    Processors have that as one instruction, by which LLVM replaces this.
    """
    wide = ir.VectorType(I32, LANES)
    product = builder.mul(builder.sext(one, wide), builder.sext(other, wide))
    even, odd = (
        ir.Constant(ir.VectorType(I32, LANES // 2), list(range(first, LANES, 2)))
        for first in (0, 1)
    )
    nothing = ir.Constant(wide, ir.Undefined)
    return builder.add(
        builder.shuffle_vector(product, nothing, even),
        builder.shuffle_vector(product, nothing, odd),
    )


def _sum_up(builder: Any, n: Any, n_results: int, parts: Any) -> list[Any]:
    """Add up the vectors for each `LANES` of n, and then their lanes: 32 bits, as 64."""
    kind = ir.VectorType(I32, LANES // 2)
    totals = [[cgutils.alloca_once(builder, kind) for _ in range(n_results)] for _ in range(SUMS)]
    for some in totals:
        for total in some:
            builder.store(ir.Constant(kind, None), total)
    step = ir.Constant(n.type, SUMS * LANES)
    with cgutils.for_range_slice(builder, ir.Constant(n.type, 0), n, step, n.type) as (at, _):
        for i, some in enumerate(totals):
            for total, part in zip(
                some, parts(builder.add(at, ir.Constant(n.type, i * LANES))), strict=True
            ):
                builder.store(builder.add(builder.load(total), part), total)
    name = f"llvm.vector.reduce.add.v{LANES // 2}i32"
    reduce = cgutils.get_or_insert_function(builder.module, ir.FunctionType(I32, [kind]), name)
    results = []
    for each in zip(*totals, strict=True):
        lanes = functools.reduce(builder.add, [builder.load(total) for total in each])
        results.append(builder.sext(builder.call(reduce, [lanes]), I64))
    return results


def floats_for(n: int) -> int:
    """Round a number of floating-point numbers up to what fills whole vectors, one each chain."""
    return -(-n // (CHAINS * FLOATS)) * CHAINS * FLOATS


def inner(run: FloatArray, other: FloatArray) -> float:
    """Add up the products of two runs of numbers, in an order of its own.

    Parameters
    ----------
    run, other
        float64 (n), contiguous, n from `floats_for`.
    """
    sums = np.zeros((CHAINS, FLOATS))
    for products in (run * other).reshape(-1, CHAINS, FLOATS):
        sums += products
    return float(functools.reduce(operator.add, functools.reduce(operator.add, sums).tolist()))


@overload(inner, inline="always", strict=False)
def _inner(run: Any, other: Any) -> Any:
    return lambda run, other: _inner_product(run, other)


def greatest(run: FloatArray) -> float:
    """Find the greatest modulus in a run of numbers; see `inner`."""
    return float(np.abs(run).max(initial=0.0))


@overload(greatest, inline="always", strict=False)
def _greatest(run: Any) -> Any:
    return lambda run: _greatest_modulus(run)


def _inner_of(_typing_context: Any, run: Any, other: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        own, factor = _arrays(context, builder, signature, arguments)

        def more(total: Any, at: Any) -> Any:
            lanes = (_load(builder, one.data, at, FLOATS) for one in (own, factor))
            return builder.fadd(total, builder.fmul(*lanes))

        return _fold_floats(builder, own.nitems, more, builder.fadd)

    return types.float64(run, other), generate


_inner_product: Any = intrinsic(_inner_of)


def _greatest_of(_typing_context: Any, run: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (own,) = _arrays(context, builder, signature, arguments)

        def greater(one: Any, other: Any) -> Any:
            return builder.select(builder.fcmp_ordered(">", one, other), one, other)

        def more(most: Any, at: Any) -> Any:
            lanes = _load(builder, own.data, at, FLOATS)
            return greater(greater(lanes, builder.fneg(lanes)), most)

        return _fold_floats(builder, own.nitems, more, greater)

    return types.float64(run), generate


_greatest_modulus: Any = intrinsic(_greatest_of)


def _arrays(context: Any, builder: Any, signature: Any, arguments: Any) -> list[Any]:
    return [
        context.make_array(kind)(context, builder, value)
        for kind, value in zip(signature.args, arguments, strict=True)
    ]


def _fold_floats(builder: Any, n: Any, more: Any, join: Any) -> Any:
    """Fold vectors of n numbers into `CHAINS` vectors of results, and these into one number."""
    kind = ir.VectorType(ir.DoubleType(), FLOATS)
    chains = [cgutils.alloca_once(builder, kind) for _ in range(CHAINS)]
    for chain in chains:
        builder.store(ir.Constant(kind, None), chain)
    step = ir.Constant(n.type, CHAINS * FLOATS)
    with cgutils.for_range_slice(builder, ir.Constant(n.type, 0), n, step, n.type) as (at, _):
        for i, chain in enumerate(chains):
            place = builder.add(at, ir.Constant(n.type, i * FLOATS))
            builder.store(more(builder.load(chain), place), chain)
    lanes = functools.reduce(join, [builder.load(chain) for chain in chains])
    each = [builder.extract_element(lanes, ir.Constant(I32, i)) for i in range(FLOATS)]
    return functools.reduce(join, each)


def copy_run(
    image: AnyArray, at: int, n: int, down: int, most: int, out: AnyArray, to: int
) -> None:
    """Copy pixels into a run of 16-bit integers, cut down to a few bits.

    Parameters
    ----------
    image
        uint8 or uint16, contiguous.
    at, n
        The first pixel, counted over all rows, and how many.
    down, most
        By how many bits pixels are shifted, and the greatest value then; of uint16 only.
    out, to
        int16 (n), and where in it the run begins.
    """
    levels = image.reshape(-1)[at : at + n]
    if levels.itemsize > 1:
        levels = np.minimum(levels >> down, most)
    out[to : to + n] = levels


@overload(copy_run, inline="always", strict=False)
def _copy_run(image: Any, at: Any, n: Any, down: Any, most: Any, out: Any, to: Any) -> Any:
    def run(image, at, n, down, most, out, to):  # type: ignore[no-untyped-def]
        if n >= LANES:
            # The last vector ends with the run: what overlaps is copied twice.
            for i in range(0, n - LANES, LANES):
                _copy_lanes(image, at + i, down, most, out, to + i, WHOLE)
            end = n - LANES
            _copy_lanes(image, at + end, down, most, out, to + end, WHOLE)
        elif n >= LANES // 2:
            _copy_lanes(image, at, down, most, out, to, HALF)
            end = n - LANES // 2
            _copy_lanes(image, at + end, down, most, out, to + end, HALF)
        else:
            for i in range(n):
                _copy_lanes(image, at + i, down, most, out, to + i, SINGLE)

    return run


def _lanes(
    _typing_context: Any,
    image: Any,
    at: Any,
    down: Any,
    most: Any,
    out: Any,
    to: Any,
    lanes: Any,
) -> Any:
    """Copy as many pixels as a tuple is long."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        image, out, n = signature.args[0], signature.args[4], len(signature.args[6])
        source = context.make_array(image)(context, builder, arguments[0]).data
        target = context.make_array(out)(context, builder, arguments[4]).data
        levels = _load(builder, source, arguments[1], n)
        kind = ir.VectorType(I16, n)
        if image.dtype.bitwidth < I16.width:
            levels = builder.zext(levels, kind)
        else:
            down, most = (_splat(builder, builder.trunc(value, I16), n) for value in arguments[2:4])
            levels = builder.lshr(levels, down)
            levels = builder.select(builder.icmp_unsigned("<", levels, most), levels, most)
        place = builder.bitcast(builder.gep(target, [arguments[5]]), kind.as_pointer())
        builder.store(levels, place, align=2)
        return context.get_dummy_value()

    return types.void(image, at, down, most, out, to, lanes), generate


_copy_lanes: Any = intrinsic(_lanes)


def _splat(builder: Any, value: Any, lanes: int) -> Any:
    """Fill all lanes of a vector with a number."""
    nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(I32, 0))
    zeros = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
    return builder.shuffle_vector(first, nothing, zeros)


def fetch_ahead(image: AnyArray, at: int) -> None:
    """Tell the processor that a pixel will be read soon, counted over all rows; any number will do.

    What lies in a frame's window reaches its caches while the window before is worked on.
    """


@overload(fetch_ahead, inline="always", strict=False)
def _fetch_ahead(image: Any, at: Any) -> Any:
    return lambda image, at: _prefetch(image, at)


def _fetching(_typing_context: Any, image: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [place.type, I32, I32, I32])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        reading, near, data_cache = (ir.Constant(I32, number) for number in (0, 3, 1))
        builder.call(fetch, [place, reading, near, data_cache])
        return context.get_dummy_value()

    return types.void(image, at), generate


_prefetch: Any = intrinsic(_fetching)
