"""The kernel that adds fragments up."""

from itertools import pairwise

import numpy as np
import pytest

from skry_dask.kernels.stacking import resample
from skry_dask.kernels.stacking.resample import (
    PHASES,
    SUM_FRACTION_BITS,
    WEIGHT_BITS,
    add_fragments,
    interpolation_table,
)
from tests import reference

DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
TAPS = {"bilinear": 2, "cubic": 4, "sharp-cubic": 4, "lanczos3": 6}
KINDS = pytest.mark.parametrize("kind", TAPS)


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(resample, monkeypatch)


def noise(shape, dtype, seed=1):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype, endpoint=True)


def shifted(y, x):
    """One fragment that moves as a whole."""
    return np.array([[[y, 1.0, 0.0], [x, 0.0, 1.0]]])


def rows(height, width):
    """Spans of one fragment that covers an image."""
    spans = [(row, 0, width) for row in range(height)]
    return np.array(spans, np.int64).reshape(-1, 3), np.array([0, height])


def add(
    frame, affine, shape=None, *, function=add_fragments, selected=(True,), mesh=None, **choices
):
    """Add fragments of a frame to nothing."""
    shape = shape or frame.shape
    spans, first = mesh or rows(*shape)
    total = np.zeros((2, *shape), np.int64)
    function(frame, spans, first, affine, np.array(selected), total, **choices)
    return total


def random_mesh(rng, shape, n_fragments):
    """Cut an image into runs of pixels, dealt to fragments at random."""
    spans = []
    for row in range(shape[0]):
        edges = [0, *sorted(rng.integers(0, shape[1], 2).tolist()), shape[1]]
        spans += [(row, a, b) for a, b in pairwise(edges)]
    owner = np.sort(rng.integers(0, n_fragments, len(spans)))
    first = np.searchsorted(owner, np.arange(n_fragments + 1))
    return rng.permutation(np.array(spans)), first


# --- weights ---------------------------------------------------------------------------------


@KINDS
def test_weights_of_every_phase_add_up_to_one(kind):
    table = interpolation_table(kind)
    assert table.shape == (PHASES, TAPS[kind])
    np.testing.assert_array_equal(table.sum(axis=1), 2**WEIGHT_BITS)


@KINDS
def test_weights_are_those_of_the_textbooks_to_a_unit(kind):
    taps = np.arange(1 - TAPS[kind] // 2, TAPS[kind] // 2 + 1)
    distance = taps - np.arange(PHASES)[:, None] / PHASES
    expected = reference.interpolation_kernel(kind, distance)
    expected *= 2**WEIGHT_BITS / expected.sum(axis=1, keepdims=True)
    assert np.abs(interpolation_table(kind) - expected).max() < 2.5


@KINDS
def test_weights_of_opposite_phases_mirror_each_other(kind):
    table = interpolation_table(kind)
    assert np.abs(table[1:] - table[:0:-1, ::-1]).max() <= 3


@KINDS
def test_a_place_on_a_pixel_is_that_pixel(kind):
    taps = interpolation_table(kind)[0]
    assert np.flatnonzero(taps).tolist() == [TAPS[kind] // 2 - 1]


def test_sharper_kernels_keep_more_contrast():
    # Of a wave of 0.25 cycles per px, in the mean of frames that lie anywhere between pixels.
    kept = {}
    for kind, n in TAPS.items():
        distance = np.arange(1 - n // 2, n // 2 + 1) - np.arange(PHASES)[:, None] / PHASES
        wave = interpolation_table(kind) * np.cos(np.pi / 2 * distance)
        kept[kind] = wave.sum(axis=1).mean() / 2**WEIGHT_BITS
    assert kept["bilinear"] == pytest.approx(0.811, abs=0.002)
    assert kept["cubic"] == pytest.approx(0.939, abs=0.002)
    assert kept["sharp-cubic"] == pytest.approx(0.986, abs=0.002)
    assert kept["lanczos3"] == pytest.approx(1.011, abs=0.002)


# --- sums ------------------------------------------------------------------------------------


@KINDS
@DTYPES
def test_a_frame_in_place_is_added_exactly(dtype, kind):
    frame = noise((9, 12), dtype)
    total = add(frame, shifted(0, 0), interpolation=kind)
    np.testing.assert_array_equal(total[0], frame.astype(np.int64) << SUM_FRACTION_BITS)
    assert (total[1] == 1).all()


@DTYPES
@pytest.mark.parametrize("shift", [(2, 3), (-2, 1), (-30, 40)])
def test_whole_pixel_shifts_move_pixels_and_repeat_the_nearest_edge_outside(dtype, shift):
    frame = noise((9, 12), dtype)
    y = np.clip(np.arange(9) + shift[0], 0, 8)
    x = np.clip(np.arange(12) + shift[1], 0, 11)
    expected = frame[np.ix_(y, x)].astype(np.int64) << SUM_FRACTION_BITS
    np.testing.assert_array_equal(add(frame, shifted(*shift))[0], expected)


@KINDS
@DTYPES
@pytest.mark.parametrize("level", [0, 1, "max"])
@pytest.mark.parametrize("shift", [(0.5, 0.5), (-0.37, 6.91), (4.998, -3.1), (0.001, 0.999)])
def test_a_constant_frame_stays_constant_at_any_shift_and_at_the_borders(dtype, shift, level, kind):
    value = np.iinfo(dtype).max if level == "max" else level
    total = add(np.full((8, 10), value, dtype), shifted(*shift), interpolation=kind)
    np.testing.assert_array_equal(total[0], np.int64(value) << SUM_FRACTION_BITS)


@KINDS
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
@pytest.mark.parametrize("seed", range(4))
def test_any_motion_gives_the_bits_of_the_twin(dtype, seed, kind):
    rng = np.random.default_rng(seed)
    frame = noise((14, 17), dtype, seed) if dtype != np.int32 else noise((14, 17), np.uint16) * 64
    frame = frame.astype(dtype)
    shape = (11, 13)
    mesh = random_mesh(rng, shape, 4)
    affine = rng.normal(size=(4, 2, 3)) * [4.0, 0.2, 0.2] + np.array([[1, 1, 0], [1, 0, 1]])
    arguments = {"shape": shape, "mesh": mesh, "selected": (True, False, True, True)}
    arguments |= {"interpolation": kind, "inside_only": seed % 2 == 1}
    found = add(frame, affine, **arguments)
    expected = add(frame, affine, **arguments, function=reference.add_fragments)
    np.testing.assert_array_equal(found, expected)


@KINDS
@DTYPES
@pytest.mark.parametrize("shift", [(0.5, 0.5), (0.25, 0.75), (0.6, 0.4)])
def test_the_sharpest_patterns_do_not_overflow(dtype, shift, kind):
    top = np.iinfo(dtype).max
    table = interpolation_table(kind)
    positive = np.outer(*(table[round(s * PHASES)] > 0 for s in shift))
    n = TAPS[kind]
    for sign in (0, 1):
        # White where weights are positive and black elsewhere, so that all products add up; and
        # the opposite.
        frame = np.pad(((positive ^ sign) * top).astype(dtype), 3)
        centre = 3 + n // 2 - 1
        place = shifted(centre + shift[0], centre + shift[1])
        found = add(frame, place, (1, 1), interpolation=kind)
        expected = add(frame, place, (1, 1), interpolation=kind, function=reference.add_fragments)
        np.testing.assert_array_equal(found, expected)
        total = found[0, 0, 0] / 2**SUM_FRACTION_BITS
        assert total >= top if not sign else total <= 0


@DTYPES
def test_what_a_frame_does_not_show_can_be_left_out(dtype):
    frame = noise((6, 8), dtype)
    whole = add(frame, shifted(-2, 3), inside_only=True)
    np.testing.assert_array_equal(whole[1, :2], 0)
    np.testing.assert_array_equal(whole[1, 2:, :5], 1)
    np.testing.assert_array_equal(whole[1, :, 5:], 0)
    np.testing.assert_array_equal(
        whole[0, 2:, :5], frame[:4, 3:].astype(np.int64) << SUM_FRACTION_BITS
    )
    assert not whole[0][whole[1] == 0].any()
    between = add(frame, shifted(0.5, -0.5), inside_only=True)
    # The last row and the first column lie half outside.
    assert (between[1, :5, 1:] == 1).all()
    assert not between[:, 5].any()
    assert not between[:, :, 0].any()


def test_a_ramp_is_interpolated_to_the_phase():
    frame = np.tile(np.arange(10, 210, 10, dtype=np.uint8), (8, 1))
    for shift in np.linspace(0, 1, 17):
        total = add(frame, shifted(0, shift), (8, 15), mesh=None)
        inside = total[0, :, 2:] / 2**SUM_FRACTION_BITS
        expected = frame[:, 2:15] + 10 * shift
        assert np.abs(inside - expected).max() <= 10 / PHASES / 2 + 2**-SUM_FRACTION_BITS


@DTYPES
def test_unselected_fragments_add_nothing(dtype):
    rng = np.random.default_rng(3)
    shape = (6, 9)
    spans, first = random_mesh(rng, shape, 3)
    frame = noise(shape, dtype)
    affine = np.repeat(shifted(0, 0), 3, axis=0)
    affine[1] = np.nan
    total = add(frame, affine, mesh=(spans, first), selected=(True, False, True))
    taken = np.ones(shape, bool)
    for row, begin, end in spans[first[1] : first[2]]:
        taken[row, begin:end] = False
    np.testing.assert_array_equal(total[1], taken)
    np.testing.assert_array_equal(total[0], (frame.astype(np.int64) << SUM_FRACTION_BITS) * taken)


def test_nothing_selected_leaves_the_sums_as_they_are():
    total = np.full((2, 3, 4), 7)
    frame = np.ones((3, 4), np.uint8)
    add_fragments(frame, *rows(3, 4), shifted(0, 0), np.array([False]), total)
    assert (total == 7).all()


def test_sums_of_several_frames_do_not_depend_on_their_order():
    frames = [noise((7, 8), np.uint8, seed) for seed in range(3)]
    totals = []
    for order in ((0, 1, 2), (2, 0, 1)):
        total = np.zeros((2, 7, 8), np.int64)
        for i in order:
            affine = shifted(0.3 * i, -0.2 * i)
            add_fragments(frames[i], *rows(7, 8), affine, np.array([True]), total)
        totals.append(total)
    np.testing.assert_array_equal(*totals)
    assert (totals[0][1] == 3).all()


@DTYPES
def test_strided_and_read_only_frames_give_the_same_sums(dtype):
    wide = noise((20, 30), dtype)
    wide.flags.writeable = False
    for view in (wide[::2, ::3], wide[::-1, 2:19], wide.T):
        affine = shifted(0.4, 1.7)
        np.testing.assert_array_equal(add(view, affine), add(view.copy(), affine))


@DTYPES
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2), (3, 3)])
def test_tiny_frames_repeat_their_edges(dtype, shape):
    frame = noise(shape, dtype)
    affine = shifted(-0.6, 0.7)
    expected = add(frame, affine, (4, 6), function=reference.add_fragments)
    np.testing.assert_array_equal(add(frame, affine, (4, 6)), expected)


def test_no_fragments_and_no_spans_add_nothing():
    frame = np.ones((3, 4), np.uint8)
    assert not add(frame, np.empty((0, 2, 3)), mesh=rows(0, 4), selected=()).any()
    assert not add(frame, shifted(0, 0), mesh=(rows(0, 4)[0], np.array([0, 0]))).any()
