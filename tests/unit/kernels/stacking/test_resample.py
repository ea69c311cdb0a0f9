"""Shift and add: fragments, resampled and summed."""

from itertools import pairwise

import numpy as np
import pytest

from skry_dask.kernels.stacking import resample, row_spans
from skry_dask.kernels.stacking.resample import (
    PHASES,
    SUM_FRACTION_BITS,
    WEIGHT_BITS,
    add_fragments,
    interpolation_table,
)
from tests import reference

_kernels = reference.both_ways(resample, row_spans)
DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
TAPS = {"bilinear": 2, "cubic": 4, "sharp-cubic": 4, "lanczos3": 6}


def noise(shape, dtype, seed=1):
    white = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, white, shape, dtype, endpoint=True)


def shifted(y, x):
    """One fragment that moves as a whole."""
    return np.array([[[y, 1.0, 0.0], [x, 0.0, 1.0]]])


def whole_image(height, width):
    """Spans of one fragment that covers an image."""
    spans = [(row, 0, width) for row in range(height)]
    return np.array(spans, np.int64).reshape(-1, 3), np.array([0, height])


def add(
    frame, affine, shape=None, *, function=add_fragments, selected=(True,), mesh=None, **options
):
    """Add fragments of a frame to an empty image."""
    shape = shape or frame.shape
    spans, first = mesh or whole_image(*shape)
    total = np.zeros((2, *shape), np.int64)
    function(frame, spans, first, affine, np.array(selected, bool), total, **options)
    return total


def add_like_twin(*arguments, **options):
    return add(*arguments, **options, function=reference.add_fragments)


def random_mesh(rng, shape, n_fragments):
    """Cut an image into spans, which belong to random fragments."""
    spans = []
    for row in range(shape[0]):
        edges = [0, *sorted(rng.integers(0, shape[1], 2).tolist()), shape[1]]
        spans += [(row, a, b) for a, b in pairwise(edges)]
    owner = np.sort(rng.integers(0, n_fragments, len(spans)))
    first = np.searchsorted(owner, np.arange(n_fragments + 1))
    return rng.permutation(np.array(spans)), first


# --- weights ---------------------------------------------------------------------------------


def test_weights_of_every_phase_sum_to_one():
    for kind, n in TAPS.items():
        table = interpolation_table(kind)
        assert table.shape == (PHASES, n)
        np.testing.assert_array_equal(table.sum(axis=1), 2**WEIGHT_BITS)


def test_weights_are_those_of_the_textbooks_to_a_unit():
    for kind, n in TAPS.items():
        distance = np.arange(1 - n // 2, n // 2 + 1) - np.arange(PHASES)[:, None] / PHASES
        expected = reference.interpolation_kernel(kind, distance)
        expected *= 2**WEIGHT_BITS / expected.sum(axis=1, keepdims=True)
        assert np.abs(interpolation_table(kind) - expected).max() < 2.5


def test_weights_of_opposite_phases_mirror_each_other():
    for kind in TAPS:
        table = interpolation_table(kind)
        assert np.abs(table[1:] - table[:0:-1, ::-1]).max() <= 3


def test_a_place_on_a_pixel_has_the_weight_of_that_pixel():
    for kind, n in TAPS.items():
        assert np.flatnonzero(interpolation_table(kind)[0]).tolist() == [n // 2 - 1]


def test_sharper_kernels_keep_more_contrast():
    # Of a wave of 0.25 cycles per px, in the mean of frames that lie anywhere between pixels.
    expected = {"bilinear": 0.811, "cubic": 0.939, "sharp-cubic": 0.986, "lanczos3": 1.011}
    for kind, n in TAPS.items():
        distance = np.arange(1 - n // 2, n // 2 + 1) - np.arange(PHASES)[:, None] / PHASES
        wave = interpolation_table(kind) * np.cos(np.pi / 2 * distance)
        contrast = wave.sum(axis=1).mean() / 2**WEIGHT_BITS
        assert contrast == pytest.approx(expected[kind], abs=0.002)


# --- exactness -------------------------------------------------------------------------------


@DTYPES
def test_a_frame_in_place_is_added_exactly(dtype):
    frame = noise((9, 12), dtype)
    for kind in TAPS:
        total = add(frame, shifted(0, 0), interpolation=kind)
        np.testing.assert_array_equal(total[0], frame.astype(np.int64) << SUM_FRACTION_BITS)
        assert (total[1] == 1).all()


@DTYPES
def test_shifts_by_whole_pixels_move_pixels_and_repeat_edges(dtype):
    frame = noise((9, 12), dtype)
    for shift in ((2, 3), (-2, 1), (-30, 40)):
        y = np.clip(np.arange(9) + shift[0], 0, 8)
        x = np.clip(np.arange(12) + shift[1], 0, 11)
        expected = frame[np.ix_(y, x)].astype(np.int64) << SUM_FRACTION_BITS
        np.testing.assert_array_equal(add(frame, shifted(*shift))[0], expected)


@DTYPES
def test_a_uniform_frame_stays_uniform_at_any_shift(dtype):
    for kind in TAPS:
        for level in (0, 1, np.iinfo(dtype).max):
            for shift in ((0.5, 0.5), (-0.37, 6.91), (4.998, -3.1), (0.001, 0.999)):
                frame = np.full((8, 10), level, dtype)
                total = add(frame, shifted(*shift), interpolation=kind)
                np.testing.assert_array_equal(total[0], int(level) << SUM_FRACTION_BITS)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_any_motion_gives_the_bits_of_the_twin(dtype):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        frame = noise((14, 17), np.uint8 if dtype == np.uint8 else np.uint16, seed).astype(dtype)
        frame *= 64 if dtype == np.int32 else 1
        affine = rng.normal(size=(4, 2, 3)) * [4.0, 0.2, 0.2] + np.array([[1, 1, 0], [1, 0, 1]])
        shape, selected = (11, 13), (True, False, True, True)
        fragments = {"mesh": random_mesh(rng, shape, 4), "selected": selected}
        for kind in TAPS:
            options = {"interpolation": kind, "inside_only": seed % 2 == 1}
            found = add(frame, affine, shape, **fragments, **options)
            expected = add_like_twin(frame, affine, shape, **fragments, **options)
            np.testing.assert_array_equal(found, expected)


@DTYPES
def test_sums_may_have_32_bits_and_need_not_be_counted(dtype):
    frame, affine, selected = noise((9, 12), dtype), shifted(0.3, 0.6), np.array([True])
    expected = add(frame, affine)
    for word in (np.int32, np.int64):
        for n_planes in (1, 2):
            total = np.zeros((n_planes, 9, 12), word)
            add_fragments(frame, *whole_image(9, 12), affine, selected, total)
            np.testing.assert_array_equal(total, expected[:n_planes])


@DTYPES
def test_the_sharpest_patterns_do_not_overflow(dtype):
    white = np.iinfo(dtype).max
    for kind, n in TAPS.items():
        table = interpolation_table(kind)
        for shift in ((0.5, 0.5), (0.25, 0.75), (0.6, 0.4)):
            positive = np.outer(*(table[round(s * PHASES)] > 0 for s in shift))
            for is_inverted in (False, True):
                # White where weights are positive and black elsewhere, so that all products have
                # the same sign; and the opposite.
                frame = np.pad(((positive ^ is_inverted) * white).astype(dtype), 3)
                place = shifted(*(3 + n // 2 - 1 + s for s in shift))
                found = add(frame, place, (1, 1), interpolation=kind)
                expected = add_like_twin(frame, place, (1, 1), interpolation=kind)
                np.testing.assert_array_equal(found, expected)
                value = found[0, 0, 0] / 2**SUM_FRACTION_BITS
                assert value <= 0 if is_inverted else value >= white


def test_a_ramp_is_interpolated_to_the_phase():
    frame = np.tile(np.arange(10, 210, 10, dtype=np.uint8), (8, 1))
    for shift in np.linspace(0, 1, 17):
        total = add(frame, shifted(0, shift), (8, 15))
        expected = frame[:, 2:15] + 10 * shift
        error = np.abs(total[0, :, 2:] / 2**SUM_FRACTION_BITS - expected)
        assert error.max() <= 10 / PHASES / 2 + 2**-SUM_FRACTION_BITS


# --- selection -------------------------------------------------------------------------------


@DTYPES
def test_pixels_that_a_frame_does_not_show_can_be_left_out(dtype):
    frame = noise((6, 8), dtype)
    total = add(frame, shifted(-2, 3), inside_only=True)
    is_shown = np.zeros((6, 8), bool)
    is_shown[2:, :5] = True
    np.testing.assert_array_equal(total[1], is_shown)
    np.testing.assert_array_equal(total[0, 2:, :5] >> SUM_FRACTION_BITS, frame[:4, 3:])
    assert not total[0][~is_shown].any()
    # The last row and the first column lie half outside.
    total = add(frame, shifted(0.5, -0.5), inside_only=True)
    assert (total[1, :5, 1:] == 1).all()
    assert not total[:, 5].any()
    assert not total[:, :, 0].any()


@DTYPES
def test_fragments_that_are_not_selected_add_nothing(dtype):
    shape = (6, 9)
    spans, first = random_mesh(np.random.default_rng(3), shape, 3)
    frame = noise(shape, dtype)
    affine = np.repeat(shifted(0, 0), 3, axis=0)
    affine[1] = np.nan
    total = add(frame, affine, mesh=(spans, first), selected=(True, False, True))
    used = np.ones(shape, bool)
    for row, begin, end in spans[first[1] : first[2]]:
        used[row, begin:end] = False
    np.testing.assert_array_equal(total[1], used)
    np.testing.assert_array_equal(total[0], (frame.astype(np.int64) << SUM_FRACTION_BITS) * used)


def test_without_selected_fragments_sums_stay_as_they_are():
    total = np.full((2, 3, 4), 7)
    frame = np.ones((3, 4), np.uint8)
    add_fragments(frame, *whole_image(3, 4), shifted(0, 0), np.array([False]), total)
    assert (total == 7).all()
    assert not add(frame, np.empty((0, 2, 3)), mesh=whole_image(0, 4), selected=()).any()
    nothing = whole_image(0, 4)[0], np.array([0, 0])
    assert not add(frame, shifted(0, 0), mesh=nothing).any()


def test_the_order_of_frames_does_not_matter():
    frames = [noise((7, 8), np.uint8, seed) for seed in range(3)]
    totals = np.zeros((2, 2, 7, 8), np.int64)
    for total, order in zip(totals, ((0, 1, 2), (2, 0, 1)), strict=True):
        for i in order:
            affine = shifted(0.3 * i, -0.2 * i)
            add_fragments(frames[i], *whole_image(7, 8), affine, np.array([True]), total)
    np.testing.assert_array_equal(*totals)
    assert (totals[0, 1] == 3).all()


# --- odd frames ------------------------------------------------------------------------------


@DTYPES
def test_strided_and_read_only_frames_give_the_sums_of_their_copies(dtype):
    wide = noise((20, 30), dtype)
    wide.flags.writeable = False
    affine = shifted(0.4, 1.7)
    for view in (wide, wide[::2, ::3], wide[::-1, 2:19], wide.T):
        np.testing.assert_array_equal(add(view, affine), add(view.copy(), affine))


@DTYPES
def test_frames_smaller_than_the_taps_repeat_their_edges(dtype):
    affine = shifted(-0.6, 0.7)
    for shape in ((1, 1), (1, 5), (5, 1), (2, 2), (3, 3)):
        frame = noise(shape, dtype)
        expected = add_like_twin(frame, affine, (4, 6))
        np.testing.assert_array_equal(add(frame, affine, (4, 6)), expected)


# --- weighted frames -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_weighted_sums_are_those_of_each_pixel_times_its_weight(dtype):
    frame = noise((9, 12), dtype)
    rows, columns = np.mgrid[:9, :12]
    slopes = ((0.0, 0.0, 0.0), (255.0, 0.0, 0.0), (3.25, 12.5, 7.125), (90.0, -12.5, 3.0))
    places = (shifted(0, 0), shifted(1.3, -2.7), np.array([[[0.4, 1.01, 0.02], [0.1, 0.0, 0.98]]]))
    for place in places:
        for kind in TAPS:
            for inside_only in (False, True):
                options = {"interpolation": kind, "inside_only": inside_only}
                values, counts = add_like_twin(frame, place, **options)
                for slope in slopes:
                    weights = slope[0] + slope[1] * rows + slope[2] * columns
                    weights = np.ceil(weights).clip(0, 255).astype(np.int64)
                    affine = np.append(place, [[slope]], axis=1)
                    found = add(frame, affine, **options)
                    np.testing.assert_array_equal(found, [values * weights, counts * weights])
