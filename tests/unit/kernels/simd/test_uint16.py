"""Sums of neighbours in 16-bit integers, compiled and in NumPy."""

from __future__ import annotations

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.kernels.simd.int16 import padded_int16
from skry_dask.kernels.simd.uint16 import add_differences, halve, slide_sums, window_sums

REPEATABLE = settings(derandomize=True, deadline=None)
VECTORS = st.integers(1, 5)
HALVINGS = st.integers(0, 15)
SEEDS = st.integers(0, 1000)


@numba.njit
def compiled_window_sums(rows, at, n_taps, halvings, out, n):
    window_sums(rows, at, n_taps, halvings, out, n)


@numba.njit
def compiled_slide_sums(rows, sums, leaving, entering, halvings, out, n):
    slide_sums(rows, sums, leaving, entering, halvings, out, n)


@numba.njit
def compiled_add_differences(rows, sharp, blurred, n_taps, halvings, detail, n):
    add_differences(rows, sharp, blurred, n_taps, halvings, detail, n)


def rows_of(seed, n, largest=65535):
    return np.random.default_rng(seed).integers(0, largest, n, np.uint16, endpoint=True)


def test_halves_are_rounded_up():
    values = np.array([0, 1, 2, 3, 4, 5, 65535], np.uint16)
    assert halve(values, 0).tolist() == values.tolist()
    assert halve(values, 1).tolist() == [0, 1, 1, 2, 2, 3, 32768]
    assert halve(values, 3).tolist() == [0, 0, 0, 0, 1, 1, 8192]


@REPEATABLE
@given(VECTORS, SEEDS, st.integers(1, 41), HALVINGS)
def test_windows_are_summed(n_vectors, seed, n_taps, halvings):
    n = n_vectors * padded_int16(1)
    rows = rows_of(seed, 3 * n + 60, 60000 // n_taps // 2)
    compiled, expected = rows.copy(), rows.copy()
    compiled_window_sums(compiled, 5, n_taps, halvings, n + 55, n)
    window_sums(expected, 5, n_taps, halvings, n + 55, n)
    np.testing.assert_array_equal(compiled, expected)
    first = int(rows[5 : 5 + n_taps].sum(dtype=int))
    assert compiled[n + 55] == (first + (1 << halvings >> 1)) >> halvings


@REPEATABLE
@given(VECTORS, SEEDS, HALVINGS)
def test_running_sums_lose_one_row_and_get_another(n_vectors, seed, halvings):
    n = n_vectors * padded_int16(1)
    rows = rows_of(seed, 4 * n, 16000)
    rows[:n] += rows[n : 2 * n]  # sums contain the row that leaves
    compiled, expected = rows.copy(), rows.copy()
    places = (0, n, 2 * n, halvings, 3 * n, n)
    compiled_slide_sums(compiled, *places)
    slide_sums(expected, *places)
    np.testing.assert_array_equal(compiled, expected)
    np.testing.assert_array_equal(compiled[:n], rows[:n] - rows[n : 2 * n] + rows[2 * n : 3 * n])


@REPEATABLE
@given(VECTORS, SEEDS, st.sampled_from([(0, 1, 3, 3, 2), (0, 0, 0, 0, 0), (5, 5, 6, 5, 5)]))
def test_differences_from_the_scaled_row_are_added(n_vectors, seed, halvings):
    n = n_vectors * padded_int16(1)
    rows, detail = rows_of(seed, 2 * n + 7, 255), rows_of(seed + 1, n).astype(np.uint32)
    compiled, expected = detail.copy(), detail.copy()
    compiled_add_differences(rows, 3, n + 5, 7, halvings, compiled, n)
    add_differences(rows, 3, n + 5, 7, halvings, expected, n)
    np.testing.assert_array_equal(compiled, expected)
