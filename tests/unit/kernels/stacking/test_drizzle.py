"""Drizzle: pixels dropped onto a finer grid."""

import numpy as np
import pytest

from skry_dask.kernels.stacking import drizzle, row_spans
from skry_dask.kernels.stacking.drizzle import OVERLAP_BITS, add_drops, drop_overlap_table
from skry_dask.kernels.stacking.resample import PHASES, SUM_FRACTION_BITS, add_fragments
from tests import reference

_kernels = reference.both_ways(drizzle, row_spans)
GRIDS = [(scale, drop) for scale in (1.0, 1.5, 2.0, 3.0) for drop in (0.1, 0.37, 0.7, 1.0)]
ALL_SITES = np.ones((2, 2), np.int64)
ONE = 1 << OVERLAP_BITS


def noise(shape, dtype=np.uint8, seed=1):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def finer_grid(shift, scale):
    """One fragment: a finer grid over a frame that is shifted (y, x)."""
    first = 0.5 / scale - 0.5
    y, x = (first + s for s in shift)
    return np.array([[[y, 1 / scale, 0.0], [x, 0.0, 1 / scale]]])


def add(frame, shift, shape, scale, drop):
    """Drizzle a frame onto an empty image."""
    spans = np.array([(row, 0, shape[1]) for row in range(shape[0])])
    total = np.zeros((2, *shape), np.int64)
    fragments = spans, np.array([0, shape[0]]), finer_grid(shift, scale), np.array([True])
    add_drops(frame, *fragments, drop_overlap_table(scale, drop), ALL_SITES, total)
    return total


# --- overlaps ------------------------------------------------------------------------------------


def test_overlaps_are_those_of_squares():
    for scale, drop in GRIDS:
        table = drop_overlap_table(scale, drop)
        assert table.shape == (PHASES, 2)
        for t in range(0, PHASES, 5):
            for tap in (0, 1):
                expected = reference.drop_overlap(tap - t / PHASES, scale, drop) * ONE
                assert abs(table[t, tap] - expected) <= 1


def test_full_drops_on_a_grid_of_the_same_pitch_have_bilinear_weights():
    phase = np.arange(PHASES)
    expected = np.stack([PHASES - phase, phase], axis=1) * (ONE // PHASES)
    np.testing.assert_array_equal(drop_overlap_table(1.0, 1.0), expected)


def test_full_drops_on_a_grid_of_the_same_pitch_interpolate_bilinearly():
    frame, shift = noise((9, 12), np.uint16), (0.3, 0.75)
    spans, first = np.array([(row, 0, 10) for row in range(7)]), np.array([0, 7])
    total = np.zeros((2, 7, 10), np.int64)
    fragments = spans, first, finer_grid(shift, 1.0), np.array([True])
    add_fragments(frame, *fragments, total, interpolation="bilinear")
    found = add(frame, shift, (7, 10), 1.0, 1.0)
    assert (found[1] == ONE**2).all()
    half_unit = 2.0**-SUM_FRACTION_BITS / 2
    np.testing.assert_allclose(found[0] / ONE**2, total[0] / 2**SUM_FRACTION_BITS, atol=half_unit)


# --- flux ----------------------------------------------------------------------------------------


def test_the_light_of_a_drop_is_preserved():
    frame = np.zeros((9, 11), np.uint8)
    frame[4, 5] = 100
    for scale, drop in GRIDS:
        # Places are rounded to 1/256 px of the frame, for each of the pixels that share a drop.
        is_exact = scale in (1.0, 2.0) and drop == 1.0
        rounding = 1e-6 if is_exact else 2 * (1 / PHASES + 1 / ONE) / drop
        for shift in ((0.0, 0.0), (0.31, -0.77), (-1.5, 2.25)):
            total = add(frame, shift, (int(9 * scale), int(11 * scale)), scale, drop)
            assert total[0].sum() == pytest.approx(100 * (drop * ONE) ** 2, rel=rounding)


def test_at_scale_2_a_drop_is_divided_without_a_rest():
    frame = np.zeros((9, 11), np.uint8)
    frame[4, 5] = 1
    for drop in (0.1, 0.37, 0.7, 1.0):
        for shift in ((0.0, 0.0), (0.3125, -0.765625), (-1.5, 2.25)):
            total = add(frame, shift, (18, 22), 2.0, drop)
            # Edges are rounded: a side may have a unit more or less, however it is divided.
            assert np.sqrt(total[0].sum()) == pytest.approx(drop * ONE, abs=1)


def test_a_uniform_field_stays_uniform_and_is_empty_outside_the_frame():
    frame = np.full((8, 9), 123, np.uint16)
    for scale, drop in GRIDS:
        total = add(frame, (-1.3, 2.4), (int(8 * scale), int(9 * scale)), scale, drop)
        np.testing.assert_array_equal(total[0], 123 * total[1])
        assert total[1].any()
        assert not total[1, 0].any()
        assert not total[1, :, -1].any()


# --- exactness -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_any_motion_and_any_sites_give_the_bits_of_the_twin(dtype):
    rng = np.random.default_rng(2)
    frame = noise((7, 8), dtype)
    spans = np.array([[0, 0, 5], [1, 0, 9], [0, 5, 9], [2, 0, 9]])
    first, selected = np.array([0, 2, 3, 4]), np.array([True, True, False])
    affine = rng.normal(size=(3, 2, 3)) * [3.0, 0.1, 0.1] + np.array([[2, 0.6, 0], [2, 0, 0.6]])
    for scale in (1.5, 2.0):
        table = drop_overlap_table(scale, 0.7)
        for sites in (ALL_SITES, np.array([[0, 1], [1, 0]]), np.array([[0, 0], [1, 0]])):
            totals = np.zeros((2, 2, 3, 9), np.int64)
            for function, total in zip((add_drops, reference.add_drops), totals, strict=True):
                function(frame, spans, first, affine, selected, table, sites, total)
            np.testing.assert_array_equal(*totals)
            assert totals[0, 1, :2].any()
            assert not totals[0, :, 2].any()


def test_frames_may_be_strided_or_a_single_pixel():
    strided = noise((20, 24))[::2, ::-2]
    found = add(strided, (0.2, 0.3), (12, 14), 1.5, 0.8)
    np.testing.assert_array_equal(found, add(strided.copy(), (0.2, 0.3), (12, 14), 1.5, 0.8))
    one = add(np.array([[9]], np.uint8), (0.0, 0.0), (2, 2), 2.0, 1.0)
    np.testing.assert_array_equal(one[0], 9 * (ONE // 2) ** 2)


def test_the_brightest_samples_of_long_captures_do_not_overflow():
    # Samples of 24 bits (16, with 4 fractional bits, made 8 times brighter), 2**17 frames.
    largest = int((drop_overlap_table(1.5, 1.0).max()) ** 2) * ((1 << 24) - 1)
    assert largest << 17 < 1 << 63
