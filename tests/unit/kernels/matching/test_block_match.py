"""The kernels that find blocks in a frame."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.compilation.simd import lanes_for
from skry_dask.kernels.frame import binning
from skry_dask.kernels.matching import block_match, filter_design
from skry_dask.kernels.matching.block_match import N_PRECEDING, match_blocks, preceding_neighbours
from skry_dask.kernels.matching.filter_design import (
    GAIN,
    SHIFT_X,
    SHIFT_Y,
    TEMPLATE,
    block_variances,
)
from skry_dask.kernels.matching.reference_blocks import make_reference_blocks
from tests import reference

DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
GRID = np.array([(y, x) for y in range(20, 118, 16) for x in range(20, 118, 16)])
"""Corners of blocks all over an image of 160 x 160 px."""

SHIFT = np.array([2, -1])


@pytest.fixture(params=["compiled", "interpreted"])
def kernels(request, monkeypatch):
    if request.param == "interpreted":
        for module in (block_match, filter_design, binning):
            reference.interpret(module, monkeypatch)


def smooth(shape, seed=1, sigma=3.0):
    """Draw a smooth random image over 90 % of 0 to 1, which goes on beyond its borders."""
    noise = np.random.default_rng(seed).normal(size=shape)
    image = ndimage.gaussian_filter(noise, sigma, mode="wrap")
    return 0.05 + 0.9 * (image - image.min()) / np.ptp(image)


def digitise(image, dtype=np.uint8, white=None):
    return np.rint(image * (white or np.iinfo(dtype).max)).astype(dtype)


def moved(image, shift):
    """Move an image that goes on beyond its borders, exactly."""
    phase = ndimage.fourier_shift(np.fft.fftn(image), shift)
    return np.fft.ifftn(phase).real.clip(0, 1)


def find(reference_frame, frame, corners, *, size=24, radius=8, shift=(0, 0), earlier=None):
    """Match blocks of one frame in another, expected ``shift`` from where they were cut."""
    corners = np.array(corners)
    blocks = make_reference_blocks(reference_frame, corners, size)
    frames = np.ascontiguousarray(frame)[None]
    (found,) = match_blocks(frames, (corners + shift)[None], blocks, radius, earlier)
    return found


# --- shifts ----------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("shift", [(0, 0), (1, -2), (-7, 5), (8, 8), (-8, 8)])
def test_whole_pixel_shifts_are_found_exactly(dtype, shift):
    big = digitise(smooth((90, 100)), dtype)
    ours = big[15:75, 15:85]
    theirs = big[15 - shift[0] : 75 - shift[0], 15 - shift[1] : 85 - shift[1]]
    found = find(ours, theirs, [(12, 14), (17, 23), (20, 31)])
    np.testing.assert_array_equal(np.rint(found[:, :2]), np.tile(shift, (3, 1)))
    assert np.abs(found[:, :2] - shift).max() < 0.01
    # Blocks are kept as weights of a few bits.
    np.testing.assert_allclose(found[:, 2], 1.0, atol=1e-3)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("shift", [(0.25, -0.4), (3.5, 2.7), (-5.1, 6.6)])
def test_shifts_by_fractions_are_found_within_a_tenth_of_a_pixel(shift):
    image = smooth((100, 110))
    corners = [(y, x) for y in (20, 33, 45) for x in (20, 31, 50)]
    found = find(digitise(image), digitise(moved(image, shift)), corners, size=32)
    assert np.abs(found[:, :2] - shift).max() < 0.1


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0, 4.0])
@pytest.mark.parametrize("shift", [(0.25, 0.25), (0.5, -0.5), (-2.6, 1.4)])
def test_fractions_are_found_in_fine_and_in_coarse_detail(sigma, shift):
    image = smooth((160, 160), sigma=sigma)
    found = find(digitise(image), digitise(moved(image, shift)), GRID)
    assert np.abs(found[:, :2] - shift).max() < 0.1


@pytest.mark.parametrize("white", [1023, 4095, 16383, 65535])
def test_deep_frames_are_matched_as_exactly_as_those_of_8_bits(white):
    image, shift = smooth((160, 160)), (2.3, -1.6)
    errors = [
        np.abs(find(ours, theirs, GRID)[:, :2] - shift).max()
        for ours, theirs in (
            (digitise(image), digitise(moved(image, shift))),
            (digitise(image, np.uint16, white), digitise(moved(image, shift), np.uint16, white)),
        )
    ]
    assert errors[0] < 0.1
    assert errors[1] < errors[0] + 0.01


@pytest.mark.parametrize("white", [200, 4095])
def test_a_few_hot_pixels_do_not_take_the_bits_of_a_dark_deep_frame(white):
    image, shift = smooth((160, 160)), (2.3, -1.6)
    ours = digitise(image, np.uint16, white)
    ours[[3, 80, 150], [150, 4, 80]] = 65535
    found = find(ours, digitise(moved(image, shift), np.uint16, white), [(30, 30), (100, 100)])
    assert np.abs(found[:, :2] - shift).max() < 0.1


# --- light and seeing ------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 4095)])
@pytest.mark.parametrize(
    ("gain", "level", "slope"),
    [
        (0.5, 0.1, (0.0, 0.0)),
        (1.4, 0.0, (0.0, 0.0)),
        (0.4, 0.3, (0.0, 0.0)),
        (1.0, 0.0, (-0.0008, 0.0005)),
        (0.6, 0.05, (0.001, -0.001)),
    ],
)
def test_brightness_contrast_and_slopes_of_light_move_no_block(dtype, white, gain, level, slope):
    image = 0.3 + 0.4 * smooth((160, 160))
    y, x = np.indices(image.shape) - 80
    lit = gain * image + level + slope[0] * y + slope[1] * x
    assert 0 < lit.min() < lit.max() < 1
    found = find(digitise(image, dtype, white), digitise(lit, dtype, white), GRID)
    # Half a grey level in a sixth of the range.
    assert np.abs(found[:, :2]).max() < 0.07
    assert np.abs(found[:, :2].mean(axis=0)).max() < 0.01
    assert found[:, 2].min() > 0.98


@pytest.mark.parametrize("detail", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("blur", [1.0, 1.5, 2.0])
def test_blur_of_a_frame_moves_no_block(detail, blur):
    image = smooth((160, 160), sigma=detail)
    blurred = ndimage.gaussian_filter(image, blur, mode="wrap")
    found = find(digitise(image), digitise(blurred), GRID, size=32)
    assert np.abs(found[:, :2].mean(axis=0)).max() < 0.005
    assert np.sqrt((found[:, :2] ** 2).mean()) < 0.03


def test_the_sharper_a_frame_the_more_it_is_like_the_reference():
    image = smooth((160, 160))
    alike = [
        find(digitise(image), digitise(ndimage.gaussian_filter(image, sigma)), GRID)[:, 2].mean()
        for sigma in (0.0, 1.0, 2.0, 3.0)
    ]
    assert (np.diff(alike) < 0).all()


# --- where there is no such block ------------------------------------------------------------


@DTYPES
def test_unrelated_noise_does_not_correlate(dtype):
    rng = np.random.default_rng(5)
    ours, theirs = (rng.integers(0, np.iinfo(dtype).max, (150, 150), dtype) for _ in range(2))
    found = find(ours, theirs, [(11, 9), (12, 10)], size=128, radius=4)
    assert not (np.abs(found[:, 2]) > 0.1).any()


@DTYPES
def test_smooth_images_of_something_else_hardly_correlate(dtype):
    ours, theirs = (digitise(smooth((160, 160), seed, 1.5), dtype) for seed in (1, 2))
    found = find(ours, theirs, GRID, size=32, radius=4)
    assert not (found[:, 2] > 0.6).any()


@DTYPES
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("cell", [2, 3, 4])
@pytest.mark.parametrize("radius", [3, 4, 8])
def test_a_pattern_that_fits_at_many_places_is_found_where_it_is_expected(dtype, cell, radius):
    y, x = np.indices((48, 48)) // cell
    checks = ((y + x) % 2 * np.iinfo(dtype).max).astype(dtype)
    (found,) = find(checks, checks, [(16, 16)], size=8, radius=radius)
    np.testing.assert_allclose(found, [0, 0, 1], atol=0.1)


@DTYPES
@pytest.mark.usefixtures("kernels")
def test_a_pattern_finer_than_gradients_is_not_found(dtype):
    checks = (np.indices((48, 48)).sum(axis=0) % 2 * np.iinfo(dtype).max).astype(dtype)
    assert np.isnan(find(checks, checks, [(16, 16)], size=8, radius=3)).all()


@DTYPES
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("level", [0, 100, "max"])
def test_a_flat_block_is_not_recognised(dtype, level):
    value = np.iinfo(dtype).max if level == "max" else level
    flat = np.full((60, 60), value, dtype)
    assert np.isnan(find(flat, flat, [(18, 18)])).all()
    # Nor is a block in a flat frame.
    assert find(digitise(smooth((60, 60)), dtype), flat, [(18, 18)])[0, 2] == 0


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


# --- radius and frame ------------------------------------------------------------------------


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("shift", [(5, 0), (-5, 0), (0, 5), (0, -5), (9, -9)])
def test_a_block_beyond_the_search_radius_is_not_found(shift):
    image = digitise(smooth((70, 70), sigma=6.0))
    assert np.isnan(find(image, image, [(27, 27)], radius=4, shift=np.negative(shift))).all()
    found = find(image, image, [(27, 27)], radius=9, shift=np.negative(shift))
    np.testing.assert_array_equal(np.rint(found[0, :2]), shift)


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
    blocks = make_reference_blocks(image, np.array([[17, 17]]), 16)
    assert np.isnan(match_blocks(image[None], np.array([[corner]]), blocks, 4)).all()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("corner", [(0, 20), (20, 0), (46, 20), (20, 46)])
def test_a_block_without_pixels_around_it_inside_the_frame_is_not_found(corner):
    image = digitise(smooth((70, 70)))
    assert np.isnan(find(image, image, [corner])).all()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("corner", [(2, 20), (20, 2), (44, 20), (20, 44), (3, 3), (43, 43)])
def test_a_block_near_the_border_of_the_frame_is_found(corner):
    image = digitise(smooth((70, 70)))
    np.testing.assert_allclose(find(image, image, [corner]), [[0, 0, 1]], atol=1e-2)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("from_outside", "corner"), [((-14, 0), (3, 20)), ((0, 14), (20, 43))])
def test_a_block_expected_outside_the_frame_is_found_inside_within_the_radius(from_outside, corner):
    image = digitise(smooth((70, 70)))
    found = find(image, image, [corner], radius=16, shift=from_outside)
    np.testing.assert_array_equal(np.rint(found[0, :2]), np.negative(from_outside))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (7, 30)])
def test_frames_smaller_than_the_block_match_nothing(shape):
    image = digitise(smooth((30, 30)))
    blocks = make_reference_blocks(image, np.array([[3, 4]]), 8)
    frames = np.zeros((1, *shape), np.uint8)
    assert np.isnan(match_blocks(frames, np.array([[[0, 0]]]), blocks, 5)).all()


def test_no_blocks_give_no_matches():
    image = digitise(smooth((30, 30)))
    blocks = make_reference_blocks(image, np.empty((0, 2), np.int64), 8)
    assert len(blocks) == 0
    assert blocks.full.weights.shape == (0, 4, lanes_for(100))
    assert blocks.half.weights.shape == (0, 4, lanes_for(36))
    assert match_blocks(image[None], np.empty((1, 0, 2), np.int64), blocks, 5).shape == (1, 0, 3)


def test_no_frames_give_no_matches():
    image = digitise(smooth((30, 30)))
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
@pytest.mark.parametrize("alone", [True, False])
def test_several_frames_at_once_give_the_same_bits(dtype, alone):
    image = smooth((160, 160))
    shown = [image, moved(image, (3.3, -1.2)), wavy(image)[0], smooth((160, 160), seed=9)]
    frames = np.stack([digitise(f, dtype) for f in shown])
    corners = np.stack([GRID, GRID + SHIFT, GRID + 1, GRID])
    blocks = make_reference_blocks(frames[0], GRID, 24)
    earlier = None if alone else preceding_neighbours(GRID, 30.0)
    together = match_blocks(frames, corners, blocks, 6, earlier)
    for i, found in enumerate(together):
        single = match_blocks(frames[i : i + 1], corners[i : i + 1], blocks, 6, earlier)
        np.testing.assert_array_equal(single[0], found)


def test_neighbours_lead_to_where_a_search_for_each_block_ends():
    image = smooth((160, 160))
    frame, shift = wavy(image)
    ours, theirs = digitise(image), digitise(frame)
    alone = find(ours, theirs, GRID)
    led = find(ours, theirs, GRID, earlier=preceding_neighbours(GRID, 30.0))
    assert np.abs(led - alone).max() < 0.1
    truth = shift[GRID[:, 0] + 12, GRID[:, 1] + 12]
    # A block tells the mean over its detail, not quite the displacement in its middle.
    assert np.sqrt(((led[:, :2] - truth) ** 2).mean()) < 0.15


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("jump", [(7, -8), (-3, 0), (0, 8)])
def test_a_block_is_found_though_its_neighbours_went_elsewhere(jump):
    image = digitise(smooth((120, 160)))
    frame = image.copy()
    frame[:, :80] = np.roll(image, jump, (0, 1))[:, :80]
    corners = np.array([(40, 20), (60, 22), (50, 100), (70, 104)])
    earlier = np.full((4, N_PRECEDING), -1)
    earlier[1:3, 0], earlier[2:4, 1] = 0, 1
    found = find(image, frame, corners, radius=9, earlier=earlier)
    np.testing.assert_allclose(found[:2, :2], np.tile(jump, (2, 1)), atol=0.05)
    np.testing.assert_allclose(found[2:, :2], 0, atol=0.05)


@pytest.mark.usefixtures("kernels")
def test_neighbours_that_were_not_found_tell_nothing():
    image = digitise(smooth((90, 90)))
    image[:30, :30] = 50
    frame = np.roll(image, (3, -5), (0, 1))
    earlier = np.array([[-1] * N_PRECEDING, [0] + [-1] * (N_PRECEDING - 1)])
    found = find(image, frame, [(3, 3), (40, 45)], size=16, earlier=earlier)
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1], find(image, frame, [(40, 45)], size=16)[0])


def test_neighbours_of_blocks_row_by_row_are_the_nearest_that_come_before():
    rng = np.random.default_rng(7)
    places = GRID + rng.uniform(-3, 3, GRID.shape)
    found = preceding_neighbours(places, 30.0)
    expected = reference.preceding_neighbours(places, 30.0, N_PRECEDING)
    assert [[int(j) for j in near if j >= 0] for near in found] == expected


@pytest.mark.parametrize("n", [0, 1, 2, 3, 50])
def test_neighbours_come_before_their_block_and_lie_within_reach(n):
    places = np.random.default_rng(n).integers(0, 30, (n, 2))
    found = preceding_neighbours(places, 8.0)
    assert found.shape == (n, N_PRECEDING)
    for i, near in enumerate(found):
        near = near[near >= 0]
        assert (near < i).all()
        assert len(set(near)) == len(near)
        assert (np.hypot(*(places[near] - places[i]).T) <= 8).all()


# --- the filters -----------------------------------------------------------------------------


@DTYPES
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("size", [8, 16, 24])
def test_matches_are_those_of_the_twin(dtype, size):
    image = smooth((70, 80))
    noise = np.random.default_rng(3).normal(size=image.shape)
    ours = digitise(image, dtype)
    theirs = digitise(np.clip(moved(image, (0.7, -1.4)) + 0.004 * noise, 0, 1), dtype)
    # So near that the search ends within its first window.
    corners = np.array([(20, 21), (27, 33), (31, 18)])
    blocks = make_reference_blocks(ours, corners, size)
    (found,) = match_blocks(theirs[None], corners[None], blocks, 4)
    for p, (one, corner) in enumerate(zip(found, corners, strict=True)):
        expected = reference.match_block(theirs, blocks, p, corner, 4)
        np.testing.assert_allclose(one, expected, rtol=1e-9, atol=1e-9)


@DTYPES
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("cell", [4, 16, 64])
def test_blocks_of_128_px_in_black_and_white_do_not_overflow(dtype, cell):
    cells = np.random.default_rng(2).integers(0, 2, (60, 60), dtype) * np.iinfo(dtype).max
    cells[1:3, 1:3] = [[0, np.iinfo(dtype).max], [np.iinfo(dtype).max, 0]]
    image = np.kron(cells, np.ones((cell, cell), dtype))[40:200, 40:204]
    ours, theirs = image[8:156, 8:160], np.ascontiguousarray(image[7:155, 10:162])
    corner = np.array([10, 12])
    blocks = make_reference_blocks(ours, corner[None], 128)
    found = match_blocks(theirs[None], corner[None, None], blocks, 4)[0, 0]
    np.testing.assert_allclose(found, [1, -2, 1], atol=0.1)
    expected = reference.match_block(theirs, blocks, 0, corner, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@DTYPES
@pytest.mark.usefixtures("kernels")
def test_blocks_in_a_white_frame_do_not_overflow(dtype):
    white = np.iinfo(dtype).max
    ours = np.random.default_rng(1).integers(0, 2, (130, 130), dtype) * dtype(white)
    frame = np.full((1, 140, 150), white, dtype)
    blocks = make_reference_blocks(ours, np.array([[1, 1]]), 128)
    found = match_blocks(frame, np.array([[[4, 6]]]), blocks, 2)
    assert found[0, 0, 2] == 0


@pytest.mark.usefixtures("kernels")
def test_filters_are_those_of_the_twin():
    image = digitise(smooth((60, 64), sigma=2.0))
    corners = np.array([(12, 14), (25, 30)])
    filters = make_reference_blocks(image, corners, 16).full
    for weights, corner in zip(filters.weights, corners, strict=True):
        peak = int(np.abs(weights[TEMPLATE]).max())
        squares = weights[:, : 18**2].reshape(4, 18, 18)
        assert not weights[:, 18**2 :].any()
        found = squares[[SHIFT_Y, SHIFT_X, TEMPLATE], 1:-1, 1:-1].astype(int)
        expected = reference.block_filters(image, corner, 16, peak)
        # Values half-way between two integers may go either way.
        assert np.abs(found - expected).max() <= 1
        assert (found != expected).mean() < 0.01


@DTYPES
def test_filters_do_not_answer_to_light_and_the_third_compares_gradients(dtype):
    image = digitise(smooth((60, 64), sigma=2.0), dtype)
    corner, size = (21, 24), 16
    blocks = make_reference_blocks(image, np.array([corner]), size)
    weights = blocks.full.weights[0, :, : (size + 2) ** 2].astype(np.int64)
    y, x = np.indices((size + 2, size + 2))
    window = image[corner[0] - 1 :, corner[1] - 1 :][: size + 2, : size + 2] / 2.0**blocks.down
    for light in (np.ones_like(y), y, x, window):
        total = np.abs(weights) @ np.abs(light).ravel()
        answers = weights @ light.ravel()
        assert (np.abs(answers[[SHIFT_Y, SHIFT_X]]) < 2e-3 * total[[SHIFT_Y, SHIFT_X]]).all()
    other = np.random.default_rng(1).uniform(size=(size + 2, size + 2))
    pulls = weights[[SHIFT_Y, SHIFT_X]].reshape(2, size + 2, size + 2)
    gradients = [(pulls * np.gradient(part)).sum() for part in (other, window)]
    answers = [weights[GAIN] @ part.ravel() for part in (other, window)]
    assert gradients[0] / gradients[1] == pytest.approx(answers[0] / answers[1], abs=1e-3)


@DTYPES
@pytest.mark.parametrize("size", [8, 12, 32])
@pytest.mark.parametrize("slopes", [(0, 0), (1, 0), (0, -1), (1, 1)])
def test_blocks_that_are_even_or_slope_evenly_have_no_filters(dtype, size, slopes):
    y, x = np.indices((70, 80))
    image = (100 + slopes[0] * (y - 40) + slopes[1] * (x - 40)).astype(dtype)
    filters_of = make_reference_blocks(image, np.array([(12, 14)]), size).full
    assert np.isnan(filters_of.step).all()
    assert not filters_of.weights.any()


@DTYPES
@pytest.mark.usefixtures("kernels")
def test_the_spread_of_a_block_is_its_variance_without_slopes_in_grey_levels(dtype):
    image = digitise(smooth((60, 64)), dtype)
    corners = np.array([(3, 4), (21, 24)])
    found = block_variances(image, corners, 16)
    for spread, (y, x) in zip(found, corners, strict=True):
        block = reference.without_plane(image[y : y + 16, x : x + 16].astype(float))
        assert spread == pytest.approx((block**2).mean(), rel=1e-9)


@DTYPES
def test_blocks_of_strided_images_are_the_same(dtype):
    image = digitise(smooth((40, 40)), dtype)
    wide = np.repeat(np.repeat(image, 2, axis=0), 3, axis=1)[::2, ::3]
    corners = np.array([(3, 5), (20, 11)])
    np.testing.assert_equal(
        make_reference_blocks(wide, corners, 8), make_reference_blocks(image, corners, 8)
    )
