"""Reductions of floating-point numbers in a fixed order.

LLVM does not vectorise sums of floating-point numbers: their order decides their bits, and that of
a loop is one after the other. Here the order is another, and fixed: 32 partial sums, of elements
that lie 32 apart, which are then added up.
"""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import types

from skry_dask.kernels.simd.ir import F64, I32, load, loop, lowered, vector

if TYPE_CHECKING:
    from skry_dask.types import FloatArray

LANES = 8
"""Partial sums in a vector."""

CHAINS = 4
"""Vectors of partial sums: several additions can begin before the first one ends."""

VECTOR = vector(F64, LANES)


def padded_float64(n: int) -> int:
    """Round a number of float64 up to whole vectors, one for each chain of sums."""
    return -(-n // (CHAINS * LANES)) * CHAINS * LANES


def inner_product(run: FloatArray, other: FloatArray) -> float:
    """Sum the products of two arrays.

    Parameters
    ----------
    run, other
        float64 (n), contiguous, with n from `padded_float64`.
    """
    sums = np.zeros((CHAINS, LANES))
    for products in (run * other).reshape(-1, CHAINS, LANES):
        sums += products
    return float(functools.reduce(operator.add, functools.reduce(operator.add, sums).tolist()))


@lowered(inner_product, lambda run, other: types.float64(run, other))
def _inner_product(builder: Any, run: Any, other: Any) -> Any:
    def add(total: Any, at: Any) -> Any:
        factors = (load(builder, one.data, at, VECTOR) for one in (run, other))
        return builder.fadd(total, builder.fmul(*factors))

    return _fold(builder, run.nitems, add, builder.fadd)


def max_abs(run: FloatArray) -> float:
    """Find the largest absolute value of an array; see `inner_product`."""
    return float(np.abs(run).max(initial=0.0))


@lowered(max_abs, lambda run: types.float64(run))
def _max_abs(builder: Any, run: Any) -> Any:
    def larger(one: Any, other: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", one, other), one, other)

    def update(largest: Any, at: Any) -> Any:
        lanes = load(builder, run.data, at, VECTOR)
        return larger(larger(lanes, builder.fneg(lanes)), largest)

    return _fold(builder, run.nitems, update, larger)


def _fold(builder: Any, n: Any, update: Any, join: Any) -> Any:
    """Fold n numbers into `CHAINS` vectors of results, and these into one number."""

    def body(at: Any, chains: list[Any]) -> list[Any]:
        places = [builder.add(at, ir.Constant(at.type, k * LANES)) for k in range(CHAINS)]
        return [update(chain, place) for chain, place in zip(chains, places, strict=True)]

    begin, zeros = ir.Constant(n.type, 0), [ir.Constant(VECTOR, None)] * CHAINS
    lanes = functools.reduce(join, loop(builder, begin, n, CHAINS * LANES, zeros, body))
    elements = [builder.extract_element(lanes, ir.Constant(I32, k)) for k in range(LANES)]
    return functools.reduce(join, elements)
