"""Block matching: where in a frame is a block of the reference."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.field import median
from skry_dask.kernels.frame import binning, box_means
from skry_dask.kernels.matching import block_match, block_search, filter_design
from skry_dask.kernels.matching.block_match import N_PRECEDING, match_blocks, preceding_neighbours
from skry_dask.kernels.matching.reference_blocks import make_reference_blocks
from skry_dask.kernels.simd.int16 import padded_int16
from tests import reference
from tests.smooth_images import digitise, moved, smooth

DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
GRID = np.array([(y, x) for y in range(20, 118, 16) for x in range(20, 118, 16)])
"""Corners of blocks all over an image of 160 x 160 px."""


@pytest.fixture(params=["compiled", "interpreted"])
def kernels(request, monkeypatch):
    if request.param == "interpreted":
        for module in (block_match, block_search, filter_design, box_means, binning, median):
            reference.interpret(module, monkeypatch)


def find(reference_frame, frame, corners, *, size=24, radius=8, shift=(0, 0), preceding=None):
    """Match blocks of one frame in another, expected ``shift`` from where they were cut."""
    corners = np.array(corners)
    blocks = make_reference_blocks(reference_frame, corners, size)
    (found,) = match_blocks(frame[None], (corners + shift)[None], blocks, radius, preceding)
    return found


# --- shifts ----------------------------------------------------------------------------------


@DTYPES
def test_shifts_by_whole_pixels_are_found_exactly(dtype):
    big = digitise(smooth((90, 100)), dtype)
    ours = big[15:75, 15:85]
    for y, x in ((0, 0), (1, -2), (-7, 5), (8, 8), (-8, 8)):
        theirs = big[15 - y : 75 - y, 15 - x : 85 - x]
        found = find(ours, theirs, [(12, 14), (17, 23), (20, 31)])
        assert np.abs(found[:, :2] - (y, x)).max() < 0.01
        # Blocks are kept as weights of a few bits.
        np.testing.assert_allclose(found[:, 2], 1.0, atol=1e-3)


@pytest.mark.usefixtures("kernels")
def test_shifts_by_fractions_are_found_within_a_tenth_of_a_pixel():
    image = smooth((100, 110))
    corners = [(y, x) for y in (20, 33, 45) for x in (20, 31, 50)]
    for shift in ((0.25, -0.4), (3.5, 2.7), (-5.1, 6.6)):
        found = find(digitise(image), digitise(moved(image, shift)), corners, size=32)
        assert np.abs(found[:, :2] - shift).max() < 0.1


def test_fractions_are_found_in_fine_and_in_coarse_detail():
    for sigma in (1.0, 1.5, 2.0, 4.0):
        image = smooth((160, 160), sigma=sigma)
        for shift in ((0.25, 0.25), (0.5, -0.5), (-2.6, 1.4)):
            found = find(digitise(image), digitise(moved(image, shift)), GRID)
            assert np.abs(found[:, :2] - shift).max() < 0.1


def test_deep_frames_are_matched_as_exactly_as_those_of_8_bits():
    image, shift = smooth((160, 160)), (2.3, -1.6)
    other = moved(image, shift)

    def error(*depth):
        found = find(digitise(image, *depth), digitise(other, *depth), GRID)
        return np.abs(found[:, :2] - shift).max()

    assert error() < 0.1
    for white in (1023, 4095, 16383, 65535):
        assert error(np.uint16, white) < error() + 0.01


def test_a_few_hot_pixels_do_not_take_the_bits_of_a_dark_deep_frame():
    image, shift = smooth((160, 160)), (2.3, -1.6)
    for white in (200, 4095):
        ours = digitise(image, np.uint16, white)
        ours[[3, 80, 150], [150, 4, 80]] = 65535
        theirs = digitise(moved(image, shift), np.uint16, white)
        found = find(ours, theirs, [(30, 30), (100, 100)])
        assert np.abs(found[:, :2] - shift).max() < 0.1


# --- brightness and seeing -------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 4095)])
def test_brightness_contrast_and_slopes_of_light_move_no_block(dtype, white):
    image = 0.3 + 0.4 * smooth((160, 160))
    y, x = np.indices(image.shape) - 80
    for gain, level, slope_y, slope_x in (
        (0.5, 0.1, 0.0, 0.0),
        (1.4, 0.0, 0.0, 0.0),
        (0.4, 0.3, 0.0, 0.0),
        (1.0, 0.0, -0.0008, 0.0005),
        (0.6, 0.05, 0.001, -0.001),
    ):
        lit = gain * image + level + slope_y * y + slope_x * x
        assert 0 < lit.min() < lit.max() < 1
        found = find(digitise(image, dtype, white), digitise(lit, dtype, white), GRID)
        # Half a grey level in a sixth of the range.
        assert np.abs(found[:, :2]).max() < 0.07
        assert np.abs(found[:, :2].mean(axis=0)).max() < 0.01
        assert found[:, 2].min() > 0.98


def test_blur_of_a_frame_moves_no_block():
    for detail in (1.5, 2.0, 3.0):
        image = smooth((160, 160), sigma=detail)
        for blur in (1.0, 1.5, 2.0):
            blurred = ndimage.gaussian_filter(image, blur, mode="wrap")
            found = find(digitise(image), digitise(blurred), GRID, size=32)
            assert np.abs(found[:, :2].mean(axis=0)).max() < 0.005
            assert np.sqrt((found[:, :2] ** 2).mean()) < 0.03


def test_sharper_frames_correlate_better_with_the_reference():
    image = smooth((160, 160))
    correlation = [
        find(digitise(image), digitise(ndimage.gaussian_filter(image, sigma)), GRID)[:, 2].mean()
        for sigma in (0.0, 1.0, 2.0, 3.0)
    ]
    assert (np.diff(correlation) < 0).all()


# --- frames without the block ----------------------------------------------------------------


@DTYPES
def test_other_images_hardly_correlate(dtype):
    rng = np.random.default_rng(5)
    ours, theirs = (rng.integers(0, np.iinfo(dtype).max, (150, 150), dtype) for _ in range(2))
    found = find(ours, theirs, [(11, 9), (12, 10)], size=128, radius=4)
    assert not (np.abs(found[:, 2]) > 0.1).any()
    ours, theirs = (digitise(smooth((160, 160), seed, 1.5), dtype) for seed in (1, 2))
    assert not (find(ours, theirs, GRID, size=32, radius=4)[:, 2] > 0.6).any()


@DTYPES
@pytest.mark.usefixtures("kernels")
def test_a_pattern_that_fits_at_many_places_is_found_where_it_is_expected(dtype):
    for cell in (2, 3, 4):
        y, x = np.indices((48, 48)) // cell
        checks = ((y + x) % 2 * np.iinfo(dtype).max).astype(dtype)
        for radius in (3, 4, 8):
            (found,) = find(checks, checks, [(16, 16)], size=8, radius=radius)
            np.testing.assert_allclose(found, [0, 0, 1], atol=0.1)


@DTYPES
@pytest.mark.usefixtures("kernels")
def test_flat_blocks_and_patterns_finer_than_gradients_are_not_found(dtype):
    white = np.iinfo(dtype).max
    checks = (np.indices((48, 48)).sum(axis=0) % 2 * white).astype(dtype)
    assert np.isnan(find(checks, checks, [(16, 16)], size=8, radius=3)).all()
    for level in (0, 100, white):
        flat = np.full((60, 60), level, dtype)
        assert np.isnan(find(flat, flat, [(18, 18)])).all()
        # Nor is a block in a flat frame.
        assert find(digitise(smooth((60, 60)), dtype), flat, [(18, 18)])[0, 2] == 0


@pytest.mark.usefixtures("kernels")
def test_blocks_on_a_straight_edge_are_found_across_it_and_stay_within_the_radius():
    y, x = np.indices((60, 60))

    def frame(across, shift):
        distance = (y - 30) * across[0] + (x - 30) * across[1] - shift
        light = ndimage.gaussian_filter(np.clip(distance + 0.5, 0, 1), 1.5)
        noise = np.random.default_rng(int(10 * shift)).normal(size=light.shape)
        return digitise(np.clip(0.2 + 0.6 * light + 0.01 * noise, 0, 1))

    for degrees in (0, 30, 90):
        across = np.array([np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))])
        (found,) = find(frame(across, 0.0), frame(across, 1.4), [(18, 18)])
        assert found[:2] @ across == pytest.approx(1.4, abs=0.2)
        assert np.abs(found[:2]).max() <= 9


# --- radius and frame ------------------------------------------------------------------------


@pytest.mark.usefixtures("kernels")
def test_a_block_beyond_the_search_radius_is_not_found():
    image = digitise(smooth((70, 70), sigma=6.0))
    for shift in ((5, 0), (-5, 0), (0, 5), (0, -5), (9, -9)):
        expected = np.negative(shift)
        assert np.isnan(find(image, image, [(27, 27)], radius=4, shift=expected)).all()
        found = find(image, image, [(27, 27)], radius=9, shift=expected)
        assert np.rint(found[0, :2]).tolist() == list(shift)


@pytest.mark.usefixtures("kernels")
def test_a_block_that_left_the_frame_is_not_found_where_it_was():
    big = digitise(smooth((90, 90)))
    for y, x in ((11, 0), (-11, 0), (0, 11), (0, -11)):
        theirs = big[30 - y : 64 - y, 30 - x : 64 - x]
        (found,) = find(big[30:64, 30:64], theirs, [(5, 5)], radius=20)
        assert np.isnan(found).all() or found[2] < 0.95


def test_a_block_expected_far_outside_the_frame_is_not_found():
    image = digitise(smooth((50, 50)))
    blocks = make_reference_blocks(image, np.array([[17, 17]]), 16)
    for corner in ((-30, 10), (10, -30), (60, 10), (10, 60), (-3000, 3000)):
        assert np.isnan(match_blocks(image[None], np.array([[corner]]), blocks, 4)).all()


@pytest.mark.usefixtures("kernels")
def test_a_block_is_found_if_the_frame_has_the_pixels_around_it():
    image = digitise(smooth((70, 70)))
    for corner in ((0, 20), (20, 0), (46, 20), (20, 46)):
        assert np.isnan(find(image, image, [corner])).all()
    for corner in ((2, 20), (20, 2), (44, 20), (20, 44), (3, 3), (43, 43)):
        np.testing.assert_allclose(find(image, image, [corner]), [[0, 0, 1]], atol=1e-2)
    # Where it is expected may lie outside.
    for shift, corner in (((-14, 0), (3, 20)), ((0, 14), (20, 43))):
        found = find(image, image, [corner], radius=16, shift=shift)
        np.testing.assert_array_equal(np.rint(found[0, :2]), np.negative(shift))


@pytest.mark.usefixtures("kernels")
def test_frames_smaller_than_the_block_match_nothing():
    blocks = make_reference_blocks(digitise(smooth((30, 30))), np.array([[3, 4]]), 8)
    for shape in ((0, 0), (1, 1), (7, 30)):
        frames = np.zeros((1, *shape), np.uint8)
        assert np.isnan(match_blocks(frames, np.array([[[0, 0]]]), blocks, 5)).all()


def test_there_may_be_no_blocks_or_no_frames():
    image = digitise(smooth((30, 30)))
    blocks = make_reference_blocks(image, np.empty((0, 2), np.int64), 8)
    assert len(blocks) == 0
    assert blocks.full.weights.shape == (0, 4, padded_int16(100))
    assert blocks.half.weights.shape == (0, 4, padded_int16(36))
    assert match_blocks(image[None], np.empty((1, 0, 2), np.int64), blocks, 5).shape == (1, 0, 3)
    blocks = make_reference_blocks(image, np.array([[3, 4]]), 8)
    assert match_blocks(image[None][:0], np.empty((0, 1, 2), np.int64), blocks, 5).size == 0


# --- several frames, and neighbours ----------------------------------------------------------


def wavy(image, amplitude=2.5):
    """Displace an image smoothly; returns the frame and the displacement (y, x, axis)."""
    y, x = np.indices(image.shape)
    shift = amplitude * np.stack([np.sin(x / 50 + y / 80), np.cos(y / 45 - x / 70)], axis=-1)
    places = [y - shift[..., 0], x - shift[..., 1]]
    return ndimage.map_coordinates(image, places, order=5, mode="grid-wrap").clip(0, 1), shift


@DTYPES
def test_several_frames_at_once_give_the_same_bits(dtype):
    image = smooth((160, 160))
    shown = [image, moved(image, (3.3, -1.2)), wavy(image)[0], smooth((160, 160), seed=9)]
    frames = np.stack([digitise(f, dtype) for f in shown])
    corners = np.stack([GRID, GRID + np.array([2, -1]), GRID + 1, GRID])
    blocks = make_reference_blocks(frames[0], GRID, 24)
    for preceding in (None, preceding_neighbours(GRID, 30.0)):
        together = match_blocks(frames, corners, blocks, 6, preceding)
        for i, found in enumerate(together):
            one = slice(i, i + 1)
            alone = match_blocks(frames[one], corners[one], blocks, 6, preceding)
            np.testing.assert_array_equal(alone[0], found)


def test_neighbours_predict_what_a_search_for_each_block_finds():
    image = smooth((160, 160))
    frame, shift = wavy(image)
    ours, theirs = digitise(image), digitise(frame)
    alone = find(ours, theirs, GRID)
    predicted = find(ours, theirs, GRID, preceding=preceding_neighbours(GRID, 30.0))
    assert np.abs(predicted - alone).max() < 0.1
    truth = shift[GRID[:, 0] + 12, GRID[:, 1] + 12]
    # A block measures the mean over its detail, not quite the displacement of its centre.
    assert np.sqrt(((predicted[:, :2] - truth) ** 2).mean()) < 0.15


@pytest.mark.usefixtures("kernels")
def test_a_block_is_found_although_its_neighbours_moved_elsewhere():
    image = digitise(smooth((120, 160)))
    corners = np.array([(40, 20), (60, 22), (50, 100), (70, 104)])
    preceding = np.full((4, N_PRECEDING), -1)
    preceding[1:3, 0], preceding[2:4, 1] = 0, 1
    for jump in ((7, -8), (-3, 0), (0, 8)):
        frame = image.copy()
        frame[:, :80] = np.roll(image, jump, (0, 1))[:, :80]
        found = find(image, frame, corners, radius=9, preceding=preceding)
        np.testing.assert_allclose(found[:2, :2], np.tile(jump, (2, 1)), atol=0.05)
        np.testing.assert_allclose(found[2:, :2], 0, atol=0.05)


@pytest.mark.usefixtures("kernels")
def test_neighbours_that_were_not_found_predict_nothing():
    image = digitise(smooth((90, 90)))
    image[:30, :30] = 50
    frame = np.roll(image, (3, -5), (0, 1))
    preceding = np.full((2, N_PRECEDING), -1)
    preceding[1, 0] = 0
    found = find(image, frame, [(3, 3), (40, 45)], size=16, preceding=preceding)
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1], find(image, frame, [(40, 45)], size=16)[0])


def test_preceding_neighbours_are_the_nearest_that_come_before():
    places = GRID + np.random.default_rng(7).uniform(-3, 3, GRID.shape)
    found = preceding_neighbours(places, 30.0)
    expected = reference.preceding_neighbours(places, 30.0, N_PRECEDING)
    assert [[int(j) for j in near if j >= 0] for near in found] == expected


def test_preceding_neighbours_come_before_their_block_and_lie_within_reach():
    for n in (0, 1, 2, 3, 50):
        places = np.random.default_rng(n).integers(0, 30, (n, 2))
        found = preceding_neighbours(places, 8.0)
        assert found.shape == (n, N_PRECEDING)
        for i, near in enumerate(found):
            near = near[near >= 0]
            assert (near < i).all()
            assert len(set(near)) == len(near)
            assert (np.hypot(*(places[near] - places[i]).T) <= 8).all()


# --- exactness -------------------------------------------------------------------------------


@DTYPES
@pytest.mark.usefixtures("kernels")
def test_matches_are_those_of_the_twin(dtype):
    image = smooth((70, 80))
    noise = np.random.default_rng(3).normal(size=image.shape)
    ours = digitise(image, dtype)
    theirs = digitise(np.clip(moved(image, (0.7, -1.4)) + 0.004 * noise, 0, 1), dtype)
    # So near that the search ends within its first window.
    corners = np.array([(20, 21), (27, 33), (31, 18)])
    for size in (8, 16, 24):
        blocks = make_reference_blocks(ours, corners, size)
        (found,) = match_blocks(theirs[None], corners[None], blocks, 4)
        for p, (one, corner) in enumerate(zip(found, corners, strict=True)):
            expected = reference.match_block(theirs, blocks, p, corner, 4)
            np.testing.assert_allclose(one, expected, rtol=1e-9, atol=1e-9)


@DTYPES
@pytest.mark.usefixtures("kernels")
def test_blocks_of_128_px_in_black_and_white_do_not_overflow(dtype):
    white = np.iinfo(dtype).max
    for cell in (4, 16, 64):
        cells = np.random.default_rng(2).integers(0, 2, (60, 60), dtype) * white
        cells[1:3, 1:3] = [[0, white], [white, 0]]
        image = np.kron(cells, np.ones((cell, cell), dtype))[40:200, 40:204]
        ours, theirs = image[8:156, 8:160], image[7:155, 10:162]
        corner = np.array([10, 12])
        blocks = make_reference_blocks(ours, corner[None], 128)
        found = match_blocks(theirs[None], corner[None, None], blocks, 4)[0, 0]
        np.testing.assert_allclose(found, [1, -2, 1], atol=0.1)
        expected = reference.match_block(theirs, blocks, 0, corner, 4)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    # Nor in a white frame.
    noise = np.random.default_rng(1).integers(0, 2, (130, 130), dtype) * dtype(white)
    blocks = make_reference_blocks(noise, np.array([[1, 1]]), 128)
    frame = np.full((1, 140, 150), white, dtype)
    assert match_blocks(frame, np.array([[[4, 6]]]), blocks, 2)[0, 0, 2] == 0
