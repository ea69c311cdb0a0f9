"""The kernel that drops pixels onto a finer grid."""

import numpy as np
import pytest

from skry_dask.kernels.stacking import drizzle
from skry_dask.kernels.stacking.drizzle import OVERLAP_BITS, add_drops, drop_overlap_table
from skry_dask.kernels.stacking.resample import PHASES, SUM_FRACTION_BITS, add_fragments
from tests import reference

SCALES = pytest.mark.parametrize("scale", [1.0, 1.5, 2.0, 3.0])
DROPS = pytest.mark.parametrize("drop", [0.1, 0.37, 0.7, 1.0])
ALL = np.ones((2, 2), np.int64)
ONE = 1 << OVERLAP_BITS


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(drizzle, monkeypatch)


def noise(shape, dtype=np.uint8, seed=1):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def grid(shift, scale):
    """One fragment: a finer grid over a frame that is shifted (y, x)."""
    first = 0.5 / scale - 0.5
    y, x = (first + s for s in shift)
    return np.array([[[y, 1 / scale, 0.0], [x, 0.0, 1 / scale]]])


def add(frame, shift, shape, scale, drop, sites=ALL, function=add_drops):
    """Drizzle a frame onto nothing."""
    spans = np.array([(row, 0, shape[1]) for row in range(shape[0])])
    total = np.zeros((2, *shape), np.int64)
    where = spans, np.array([0, shape[0]]), grid(shift, scale), np.array([True])
    function(frame, *where, drop_overlap_table(scale, drop), sites, total)
    return total


# --- overlaps ------------------------------------------------------------------------------------


@SCALES
@DROPS
def test_overlaps_are_those_of_squares(scale, drop):
    table = drop_overlap_table(scale, drop)
    assert table.shape == (PHASES, 2)
    for t in range(0, PHASES, 5):
        for tap in (0, 1):
            expected = reference.drop_overlap(tap - t / PHASES, scale, drop) * ONE
            assert abs(table[t, tap] - expected) <= 1


def test_full_drops_on_a_grid_as_fine_are_bilinear():
    phase = np.arange(PHASES)
    np.testing.assert_array_equal(
        drop_overlap_table(1.0, 1.0), np.stack([PHASES - phase, phase], axis=1) * (ONE // PHASES)
    )


def test_full_drops_on_a_grid_as_fine_give_what_bilinear_interpolation_gives():
    frame = noise((9, 12), np.uint16)
    spans, first = np.array([(row, 0, 10) for row in range(7)]), np.array([0, 7])
    where = spans, first, grid((0.3, 0.75), 1.0), np.array([True])
    total = np.zeros((2, 7, 10), np.int64)
    add_fragments(frame, *where, total, interpolation="bilinear")
    found = add(frame, (0.3, 0.75), (7, 10), 1.0, 1.0)
    assert (found[1] == ONE**2).all()
    half_unit = 2.0**-SUM_FRACTION_BITS / 2
    np.testing.assert_allclose(found[0] / ONE**2, total[0] / 2**SUM_FRACTION_BITS, atol=half_unit)


# --- flux ----------------------------------------------------------------------------------------


@SCALES
@DROPS
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.31, -0.77), (-1.5, 2.25)])
def test_the_light_of_a_drop_is_neither_lost_nor_made(scale, drop, shift):
    frame = np.zeros((9, 11), np.uint8)
    frame[4, 5] = 100
    total = add(frame, shift, (int(9 * scale), int(11 * scale)), scale, drop)
    light = 100 * (drop * ONE) ** 2
    # Places are rounded to 1/256 px: of a pixel of the image, and there are several in a drop.
    rounding = 1e-6 if scale in (1.0, 2.0) and drop == 1.0 else 2 * (1 / PHASES + 1 / ONE) / drop
    assert total[0].sum() == pytest.approx(light, rel=rounding)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3125, -0.765625), (-1.5, 2.25)])
@DROPS
def test_at_scale_2_the_light_of_a_drop_is_divided_without_a_rest(shift, drop):
    frame = np.zeros((9, 11), np.uint8)
    frame[4, 5] = 1
    total = add(frame, shift, (18, 22), 2.0, drop)
    # Edges are rounded, so a side may have a unit more or less, whatever the pixels it is cut into.
    assert np.sqrt(total[0].sum()) == pytest.approx(drop * ONE, abs=1)


@SCALES
@DROPS
def test_a_uniform_field_stays_uniform_and_there_is_nothing_outside(scale, drop):
    frame = np.full((8, 9), 123, np.uint16)
    total = add(frame, (-1.3, 2.4), (int(8 * scale), int(9 * scale)), scale, drop)
    np.testing.assert_array_equal(total[0], 123 * total[1])
    assert total[1].any()
    assert not total[1, 0].any()
    assert not total[1, :, -1].any()


# --- twin ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
@pytest.mark.parametrize("scale", [1.5, 2.0])
@pytest.mark.parametrize("sites", [ALL, np.array([[0, 1], [1, 0]]), np.array([[0, 0], [1, 0]])])
def test_any_motion_gives_the_bits_of_the_twin(dtype, scale, sites):
    rng = np.random.default_rng(2)
    frame = noise((7, 8), dtype)
    spans = np.array([[0, 0, 5], [1, 0, 9], [0, 5, 9], [2, 0, 9]])
    first = np.array([0, 2, 3, 4])
    affine = rng.normal(size=(3, 2, 3)) * [3.0, 0.1, 0.1] + np.array([[2, 0.6, 0], [2, 0, 0.6]])
    chosen = np.array([True, True, False])
    totals = []
    for function in (add_drops, reference.add_drops):
        total = np.zeros((2, 3, 9), np.int64)
        function(frame, spans, first, affine, chosen, drop_overlap_table(scale, 0.7), sites, total)
        totals.append(total)
    np.testing.assert_array_equal(*totals)
    assert totals[0][1, :2].any()
    assert not totals[0][:, 2].any()


def test_strided_frames_and_single_pixels_will_do():
    frame = noise((20, 24))
    strided = frame[::2, ::-2]
    found = add(strided, (0.2, 0.3), (12, 14), 1.5, 0.8)
    np.testing.assert_array_equal(found, add(strided.copy(), (0.2, 0.3), (12, 14), 1.5, 0.8))
    one = add(np.array([[9]], np.uint8), (0.0, 0.0), (2, 2), 2.0, 1.0)
    np.testing.assert_array_equal(one[0], 9 * (ONE // 2) ** 2)


def test_the_brightest_samples_of_long_captures_do_not_overflow():
    # Samples of 24 bits (16, with 4 fractional bits, made 8 times brighter), 2**17 frames.
    most = int((drop_overlap_table(1.5, 1.0).max()) ** 2) * ((1 << 24) - 1)
    assert most << 17 < 1 << 63
