"""Sums of products and copies in whole registers do what their twins in Python do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.kernels.compilation import simd
from skry_dask.kernels.compilation.decorators import kernel
from skry_dask.kernels.compilation.simd import (
    copy_run,
    dots,
    floats_for,
    greatest,
    inner,
    lanes_for,
    square,
    zeros,
)


@kernel
def dots_of_one(run, other):
    return dots(run, (other,))


@kernel
def dots_of_three(run, one, two, three):
    return dots(run, (one, two, three))


@kernel
def square_of(run, mask):
    return square(run, mask)


@kernel
def inner_of(run, other):
    return inner(run, other)


@kernel
def greatest_of(run):
    return greatest(run)


@kernel
def copy(image, at, n, down, most, out, to):
    copy_run(image, at, n, down, most, out, to)


@kernel
def fetch(image, at):
    simd.fetch_ahead(image, at)
    return image[0, 0]


def draw(seed: int, n: int, most: int = 1000) -> np.ndarray:
    out = zeros((n,))
    out[:] = np.random.default_rng(seed).integers(-most, most, n, endpoint=True)
    return out


LENGTHS = st.integers(1, 40).map(lambda n: n * lanes_for(1))


@settings(deadline=None)  # a first call compiles
@given(LENGTHS, st.integers(0, 1000))
def test_dot_products_are_exact(n, seed):
    run, *others = (draw(seed + i, n) for i in range(4))
    assert dots_of_three(run, *others) == dots(run, tuple(others))
    assert dots_of_one(run, others[0]) == (int(run.astype(int) @ others[0].astype(int)),)


@settings(deadline=None)  # a first call compiles
@given(LENGTHS, st.integers(0, 1000))
def test_squares_are_those_of_what_the_mask_lets_through(n, seed):
    run, mask = draw(seed, n), -(draw(seed + 1, n) > 300).astype(np.int16)
    assert square_of(run, mask) == square(run, mask) == int((run[mask < 0].astype(int) ** 2).sum())


@settings(deadline=None)  # a first call compiles
@given(st.integers(1, 40), st.integers(0, 1000))
def test_sums_of_floating_point_numbers_have_the_bits_of_their_order(n, seed):
    rng = np.random.default_rng(seed)
    run, other = rng.normal(size=(2, n * floats_for(1))) * 10.0 ** rng.integers(-9, 9)
    assert inner_of(run, other) == inner(run, other)
    assert inner_of(run, other) == pytest.approx(np.dot(run, other), rel=1e-9, abs=1e-12)


@settings(deadline=None)  # a first call compiles
@given(st.integers(1, 40), st.integers(0, 1000))
def test_the_greatest_is_that_of_the_moduli(n, seed):
    run = np.random.default_rng(seed).normal(size=n * floats_for(1))
    assert greatest_of(run) == greatest(run) == max(run.max(), -run.min())
    assert greatest_of(-run) == greatest(run)
    assert greatest_of(np.zeros(floats_for(1))) == 0
    assert greatest_of(run[:0]) == greatest(run[:0]) == 0


def test_sums_may_reach_the_end_of_32_bits():
    run, other = np.zeros(64, np.int16), np.zeros(64, np.int16)
    run[:2], other[:2] = -32768, 32767
    assert dots_of_one(run, other) == (-2 * 32768 * 32767,)


def test_vectors_need_not_begin_with_a_cache_line():
    run, other = draw(1, 256)[3:195], draw(2, 256)[7:199]
    assert dots_of_one(run, other) == dots(run, (other,))


@settings(deadline=None)  # a first call compiles
@given(
    st.sampled_from([np.uint8, np.uint16]),
    st.integers(1, 100),
    st.integers(0, 50),
    st.integers(0, 9),
    st.integers(0, 6),
)
def test_a_run_is_copied_and_nothing_around_it(dtype, n, at, to, down):
    image = np.random.default_rng(n).integers(0, np.iinfo(dtype).max, (10, 16), dtype)
    most = 255 if dtype == np.uint8 else 1023
    expected, out = (np.full(120, -7, np.int16) for _ in range(2))
    copy_run(image, at, n, down, most, expected, to)
    copy(image, at, n, down, most, out, to)
    np.testing.assert_array_equal(out, expected)
    assert (out[:to] == -7).all()
    assert (out[to + n :] == -7).all()
    assert out[to : to + n].max() <= most


@pytest.mark.parametrize("at", [-(10**9), -1, 0, 11, 10**9])
def test_fetching_ahead_changes_nothing_and_may_miss(at):
    assert fetch(np.full((3, 4), 9, np.uint8), at) == 9


@pytest.mark.parametrize("shape", [(64,), (3, 128), (5, 4, 1216)])
def test_rows_of_whole_vectors_begin_with_cache_lines(shape):
    made = zeros(shape)
    assert made.shape == shape
    assert made.dtype == np.int16
    assert not made.any()
    rows = made.reshape(-1, shape[-1])
    assert all(row.ctypes.data % simd.LINE == 0 for row in rows)


def test_lengths_are_rounded_up_to_whole_vectors():
    assert [lanes_for(n) for n in (0, 1, 64, 65, 34**2)] == [0, 64, 64, 128, 1216]
