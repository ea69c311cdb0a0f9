"""Sums of products of 16-bit integers, and copies, compiled and in NumPy."""

from __future__ import annotations

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.kernels.simd import int16
from skry_dask.kernels.simd.int16 import (
    aligned_zeros,
    copy_as_int16,
    dot_products,
    masked_square_sum,
    padded_int16,
)

REPEATABLE = settings(derandomize=True, deadline=None)
LENGTHS = st.integers(1, 40).map(lambda n: n * padded_int16(1))
SEEDS = st.integers(0, 1000)


@numba.njit
def one_product(run, at, others, place, n):
    return dot_products(run, at, others, (place,), n)


@numba.njit
def three_products(run, at, others, places, n):
    return dot_products(run, at, others, (places[0], places[1], places[2]), n)


@numba.njit
def square_sum(run, at, masks, place, n):
    return masked_square_sum(run, at, masks, place, n)


@numba.njit
def copy(image, at, n, shift, white, out, to):
    copy_as_int16(image, at, n, shift, white, out, to)


def integers(seed, shape, largest=1000):
    rng = np.random.default_rng(seed)
    return rng.integers(-largest, largest, shape, endpoint=True).astype(np.int16)


@REPEATABLE
@given(LENGTHS, SEEDS, st.integers(0, 70))
def test_dot_products_are_exact(n, seed, at):
    run, others = integers(seed, n + at), integers(seed + 1, (3, n + 5))
    places = (2, n + 5, 2 * n + 9)
    found = three_products(run, at, others, places, n)
    assert found == dot_products(run, at, others, places, n)
    expected = int(run[at:].astype(int) @ others[1, :n])
    assert one_product(run, at, others, n + 5, n) == (expected,)


@REPEATABLE
@given(LENGTHS, SEEDS, st.integers(0, 70))
def test_only_squares_that_the_mask_lets_through_are_summed(n, seed, at):
    run, masks = integers(seed, n + at), -(integers(seed + 1, n + 3) > 300).astype(np.int16)
    expected = int((run[at:][masks[3:] < 0].astype(int) ** 2).sum())
    assert masked_square_sum(run, at, masks, 3, n) == expected
    assert square_sum(run, at, masks, 3, n) == expected


def test_sums_may_reach_the_end_of_32_bits():
    run, other = np.zeros(64, np.int16), np.zeros(64, np.int16)
    run[:2], other[:2] = -32768, 32767
    assert one_product(run, 0, other, 0, 64) == (-2 * 32768 * 32767,)


@REPEATABLE
@given(
    st.sampled_from([np.uint8, np.uint16]),
    st.integers(0, 100),
    st.integers(0, 50),
    st.integers(0, 9),
    st.integers(0, 6),
)
def test_pixels_are_copied_and_nothing_around_them(dtype, n, at, to, shift):
    image = np.random.default_rng(n).integers(0, np.iinfo(dtype).max, (10, 16), dtype)
    white = 255 if dtype == np.uint8 else 1023
    expected, out = (np.full(120, -7, np.int16) for _ in range(2))
    copy_as_int16(image, at, n, shift, white, expected, to)
    copy(image, at, n, shift, white, out, to)
    np.testing.assert_array_equal(out, expected)
    assert (out[:to] == -7).all()
    assert (out[to + n :] == -7).all()
    assert out[to : to + n].max(initial=0) <= white


def test_rows_of_whole_vectors_begin_on_cache_lines():
    for shape in ((64,), (3, 128), (5, 4, 1216)):
        array = aligned_zeros(shape)
        assert array.shape == shape
        assert array.dtype == np.int16
        assert not array.any()
        rows = array.reshape(-1, shape[-1])
        assert all(row.ctypes.data % int16.CACHE_LINE == 0 for row in rows)


def test_lengths_are_padded_to_whole_vectors():
    assert [padded_int16(n) for n in (0, 1, 64, 65, 34**2)] == [0, 64, 64, 128, 1216]
