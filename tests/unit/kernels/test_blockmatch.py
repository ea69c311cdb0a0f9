"""The kernels that find blocks in a frame."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels import blockmatch
from skry_dask.kernels.blockmatch import cut_blocks, halve, match_blocks, shrink
from tests import reference

DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])


@pytest.fixture(params=["compiled", "interpreted"])
def kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(blockmatch, monkeypatch)


def smooth(shape, seed=1, sigma=3.0):
    """Draw a smooth random image over 90 % of 0 to 1."""
    image = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return 0.05 + 0.9 * (image - image.min()) / np.ptp(image)


def digitise(image, dtype=np.uint8):
    return np.rint(image * np.iinfo(dtype).max).astype(dtype)


def find(reference_frame, frame, corners, *, size=24, radius=8, shift=(0, 0)):
    """Match blocks of one frame in another, expected ``shift`` from where they were cut."""
    corners = np.array(corners)
    blocks = cut_blocks(reference_frame, corners, size)
    return match_blocks(frame, corners + shift, blocks, radius)


# --- shrinking -------------------------------------------------------------------------------


@DTYPES
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_shrunken_images_are_means_rounded_half_up(dtype, factor):
    shape = (25, 38)
    image = np.random.default_rng(2).integers(0, 2**16 - 1, shape, np.uint16).astype(dtype)
    np.testing.assert_array_equal(shrink(image, factor), reference.shrink(image, factor))
    strided = np.repeat(image, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(shrink(strided, factor), reference.shrink(image, factor))


@DTYPES
@pytest.mark.parametrize("factor", [2, 64, 128])
def test_a_white_image_stays_white_when_shrunken(dtype, factor):
    white = np.iinfo(dtype).max
    assert (shrink(np.full((factor, 2 * factor), white, dtype), factor) == white).all()


@pytest.mark.parametrize(("shape", "small"), [((0, 0), (0, 0)), ((1, 1), (0, 0)), ((3, 5), (1, 2))])
def test_incomplete_blocks_are_left_out_when_shrinking(shape, small):
    assert halve(np.ones(shape, np.uint8)).shape == small


# --- matching --------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("shift", [(0, 0), (1, -2), (-7, 5), (8, 8), (-8, 8)])
def test_whole_pixel_shifts_are_found_exactly(dtype, shift):
    big = digitise(smooth((90, 100)), dtype)
    ours = big[15:75, 15:85]
    theirs = big[15 - shift[0] : 75 - shift[0], 15 - shift[1] : 85 - shift[1]]
    found = find(ours, theirs, [(12, 14), (17, 23), (20, 31)])
    np.testing.assert_array_equal(np.rint(found[:, :2]), np.tile(shift, (3, 1)))
    np.testing.assert_allclose(found[:, 2], 1.0, rtol=1e-12)
    assert np.abs(found[:, :2] - shift).max() < 0.1


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("shift", [(0.25, -0.4), (3.5, 2.7), (-5.1, 6.6)])
def test_shifts_by_fractions_are_found_within_a_tenth_of_a_pixel(shift):
    image = smooth((100, 110))
    moved = np.clip(ndimage.shift(image, shift, order=5, mode="nearest"), 0, 1)
    corners = [(y, x) for y in (20, 33, 45) for x in (20, 31, 50)]
    found = find(digitise(image), digitise(moved), corners, size=32)
    assert np.abs(found[:, :2] - shift).max() < 0.1


@DTYPES
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("size", [8, 16, 24])
def test_matches_equal_those_of_trying_every_shift(dtype, size):
    rng = np.random.default_rng(3)
    image = smooth((60, 70))
    noisy = np.clip(image + rng.normal(size=image.shape) * 0.004, 0, 1)
    ours, theirs = digitise(image, dtype), digitise(noisy, dtype)
    # So near that the coarse search cannot end in another valley.
    corners = np.array([(20, 21), (27, 33), (31, 18)])
    blocks = cut_blocks(ours, corners, size)
    found = match_blocks(theirs, corners, blocks, 2)
    for one, corner in zip(found, corners, strict=True):
        block = ours[corner[0] : corner[0] + size, corner[1] : corner[1] + size].astype(np.int64)
        expected = reference.match_block(theirs, block, corner, 2)
        assert one[2] == pytest.approx(expected[2], rel=1e-12)
        assert np.abs(one[:2] - expected[:2]).max() < 1


@DTYPES
def test_black_blocks_of_128_px_in_a_white_frame_do_not_overflow(dtype):
    white = np.iinfo(dtype).max
    blocks = cut_blocks(np.zeros((128, 128), dtype), np.array([[0, 0]]), 128)
    frame = np.full((150, 160), white, dtype)
    frame[11:139, 16:144] = white - 1
    (found,) = match_blocks(frame, np.array([[12, 15]]), blocks, 4)
    np.testing.assert_array_equal(found, [-1.0, 1.0, 0.0])


@DTYPES
def test_unrelated_noise_does_not_correlate(dtype):
    rng = np.random.default_rng(5)
    ours, theirs = (rng.integers(0, np.iinfo(dtype).max, (150, 150), dtype) for _ in range(2))
    found = find(ours, theirs, [(11, 9), (12, 10)], size=128, radius=4)
    assert not (np.abs(found[:, 2]) > 0.1).any()


@pytest.mark.usefixtures("kernels")
@DTYPES
@pytest.mark.parametrize("cell", [1, 2])
def test_a_pattern_that_fits_at_many_places_is_not_found(dtype, cell):
    y, x = np.indices((48, 48)) // cell
    checks = ((y + x) % 2 * np.iinfo(dtype).max).astype(dtype)
    assert np.isnan(find(checks, checks, [(16, 16)], size=8, radius=3)).all()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("shift", [(11, 0), (-11, 0), (0, 11), (0, -11)])
def test_a_block_that_left_the_frame_is_not_found_where_it_was(shift):
    big = digitise(smooth((90, 90)))
    theirs = big[30 - shift[0] : 64 - shift[0], 30 - shift[1] : 64 - shift[1]]
    (found,) = find(big[30:64, 30:64], theirs, [(5, 5)], radius=20)
    assert np.isnan(found).all() or found[2] < 0.95


@pytest.mark.parametrize("corner", [(-30, 10), (10, -30), (60, 10), (10, 60), (-3000, 3000)])
def test_a_block_expected_far_outside_the_frame_is_not_found(corner):
    image = digitise(smooth((50, 50)))
    blocks = cut_blocks(image, np.array([[17, 17]]), 16)
    assert np.isnan(match_blocks(image, np.array([corner]), blocks, 4)).all()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("shift", [(5, 0), (-5, 0), (0, 5), (0, -5), (9, -9)])
def test_a_block_beyond_the_search_radius_is_not_found(shift):
    image = digitise(smooth((70, 70), sigma=6.0))
    assert np.isnan(find(image, image, [(27, 27)], radius=4, shift=np.negative(shift))).all()
    found = find(image, image, [(27, 27)], radius=9, shift=np.negative(shift))
    np.testing.assert_array_equal(np.rint(found[0, :2]), shift)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("corner", [(0, 20), (20, 0), (46, 20), (20, 46)])
def test_a_minimum_without_neighbours_inside_the_frame_is_not_taken(corner):
    image = digitise(smooth((70, 70)))
    assert np.isnan(find(image, image, [corner])).all()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("from_outside", "corner"), [((-14, 0), (3, 20)), ((0, 14), (20, 43))])
def test_a_block_expected_outside_the_frame_is_found_inside_within_the_radius(from_outside, corner):
    image = digitise(smooth((70, 70)))
    found = find(image, image, [corner], radius=16, shift=from_outside)
    np.testing.assert_array_equal(np.rint(found[0, :2]), np.negative(from_outside))


@pytest.mark.usefixtures("kernels")
@DTYPES
@pytest.mark.parametrize("level", [0, 100, "max"])
def test_a_flat_block_is_not_recognised(dtype, level):
    value = np.iinfo(dtype).max if level == "max" else level
    flat = np.full((60, 60), value, dtype)
    assert not (find(flat, flat, [(18, 18)])[:, 2] > 0).any()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("degrees", [0, 30, 90])
def test_blocks_on_a_straight_edge_are_found_across_it_and_stay_within_the_radius(degrees):
    y, x = np.indices((60, 60))
    angle = np.deg2rad(degrees)
    across = np.array([np.sin(angle), np.cos(angle)])

    def frame(shift):
        distance = (y - 30) * across[0] + (x - 30) * across[1] - shift
        light = ndimage.gaussian_filter(np.clip(distance + 0.5, 0, 1), 1.5)
        noise = np.random.default_rng(int(10 * shift)).normal(size=light.shape)
        return digitise(np.clip(0.2 + 0.6 * light + 0.01 * noise, 0, 1))

    (found,) = find(frame(0.0), frame(1.4), [(18, 18)])
    assert found[:2] @ across == pytest.approx(1.4, abs=0.2)
    assert np.abs(found[:2]).max() <= 9


def test_no_blocks_give_no_matches():
    image = digitise(smooth((30, 30)))
    blocks = cut_blocks(image, np.empty((0, 2), np.int64), 8)
    assert blocks[0].shape == (0, 64)
    assert blocks[1].shape == (0, 16)
    assert match_blocks(image, np.empty((0, 2), np.int64), blocks, 5).shape == (0, 3)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (7, 30)])
def test_frames_smaller_than_the_block_match_nothing(shape):
    image = digitise(smooth((30, 30)))
    blocks = cut_blocks(image, np.array([[3, 4]]), 8)
    frame = np.zeros(shape, np.uint8)
    assert np.isnan(match_blocks(frame, np.array([[0, 0]]), blocks, 5)).all()


@DTYPES
def test_blocks_of_strided_images_are_the_same(dtype):
    image = digitise(smooth((40, 40)), dtype)
    wide = np.repeat(np.repeat(image, 2, axis=0), 3, axis=1)[::2, ::3]
    corners = np.array([(3, 5), (20, 11)])
    np.testing.assert_equal(cut_blocks(wide, corners, 8), cut_blocks(image, corners, 8))
