"""Reductions of floating-point numbers in a fixed order, compiled and in NumPy."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.kernels.simd.float64 import inner_product, max_abs, padded_float64

REPEATABLE = settings(derandomize=True, deadline=None)
SEEDS = st.integers(0, 1000)


@numba.njit
def compiled_inner_product(run, other):
    return inner_product(run, other)


@numba.njit
def compiled_max_abs(run):
    return max_abs(run)


@REPEATABLE
@given(st.integers(1, 40), SEEDS)
def test_inner_products_have_the_bits_of_their_order(n, seed):
    rng = np.random.default_rng(seed)
    run, other = rng.normal(size=(2, n * padded_float64(1))) * 10.0 ** rng.integers(-9, 9)
    found = compiled_inner_product(run, other)
    assert found == inner_product(run, other)
    assert found == pytest.approx(np.dot(run, other), rel=1e-9, abs=1e-12)


@REPEATABLE
@given(st.integers(1, 40), SEEDS)
def test_the_largest_absolute_value_is_found(n, seed):
    run = np.random.default_rng(seed).normal(size=n * padded_float64(1))
    assert compiled_max_abs(run) == max_abs(run) == max(run.max(), -run.min())
    assert compiled_max_abs(-run) == max_abs(run)
    assert compiled_max_abs(np.zeros(padded_float64(1))) == 0
    assert compiled_max_abs(run[:0]) == max_abs(run[:0]) == 0
