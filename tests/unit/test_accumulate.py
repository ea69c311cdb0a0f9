"""Shift and add, and which fragments are added."""

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.accumulate import Image, add_chunk, best_fragments, mean_image, shift_and_add
from skry_dask.develop import GREY, Developer
from skry_dask.geometry import Region
from skry_dask.kernels.resample import VALUE_BITS
from skry_dask.mesh import AreaMesh, area_labels

NAN = np.nan
REPEATABLE = settings(derandomize=True, deadline=None, max_examples=100)


# --- which fragments -----------------------------------------------------------------------------


def test_the_best_frames_are_taken():
    quality = np.array([[1.0, 9.0], [3.0, 7.0], [2.0, 8.0]])
    expected = [[False, True], [True, False], [True, True]]
    np.testing.assert_array_equal(best_fragments(quality, 2), expected)


def test_of_equal_frames_the_earlier_are_taken():
    quality = np.array([[5.0], [7.0], [5.0], [5.0], [1.0]])
    for number, expected in ((1, [1]), (2, [0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2, 3])):
        np.testing.assert_array_equal(np.flatnonzero(best_fragments(quality, number)), expected)


def test_frames_that_must_not_be_used_never_are():
    quality = np.array([[NAN, NAN], [2.0, 1.0], [NAN, NAN], [1.0, 1.0]])
    for number in (1, 2, 3, 4, 100):
        chosen = best_fragments(quality, number)
        assert not chosen[[0, 2]].any()
        np.testing.assert_array_equal(chosen.sum(axis=0), min(number, 2))
    assert not best_fragments(np.full((3, 2), NAN), 2).any()


@REPEATABLE
@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 0.5, 1.0, -1.0, NAN]), min_size=3, max_size=3),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 10),
)
def test_ranking_equals_a_stable_sort(rows, number):
    quality = np.array(rows, np.float32)
    chosen = best_fragments(quality, number)
    for column, taken in zip(quality.T, chosen.T, strict=True):
        usable = np.flatnonzero(~np.isnan(column))
        best = usable[np.argsort(-column[usable], kind="stable")][:number]
        np.testing.assert_array_equal(np.flatnonzero(taken), np.sort(best))


def test_the_quality_given_stays_as_it_is():
    quality = np.array([[3.0, NAN], [1.0, NAN]])
    before = quality.copy()
    best_fragments(quality, 1)
    np.testing.assert_array_equal(quality, before)


# --- sums ----------------------------------------------------------------------------------------


MESH = AreaMesh.of_region(Region(2, 3, 20, 30), 8)
N_AREAS = len(MESH.spans.first) - 1


MONO = Developer("uint8", black=0, white=255)
TWO = (Image(GREY, 0), Image(GREY, 1))


def add(frames, chosen, motion, total, images=TWO, developer=MONO, shifts=None):
    add_chunk(frames, chosen, motion, MESH, developer, images, shifts, total)


def lazily_added(frames, chosen, motion, images=TWO, developer=MONO, shifts=None):
    lazy = dask.delayed(developer, traverse=False)
    shifts = None if shifts is None else dask.delayed(shifts)
    return shift_and_add(frames, chosen, motion, MESH, lazy, images, shifts)


def capture(n_frames, dtype=np.uint8):
    rng = np.random.default_rng(1)
    frames = rng.integers(0, np.iinfo(dtype).max, (n_frames, 25, 36), dtype, endpoint=True)
    chosen = rng.random((n_frames, 2, N_AREAS)) < 0.5
    motion = rng.uniform(-3, 3, (n_frames, 1, 2))
    return frames, chosen, motion


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("sizes", [(11,), (1,) * 11, (4, 4, 3), (1, 9, 1)])
def test_sums_do_not_depend_on_chunks(dtype, sizes):
    frames, chosen, motion = capture(11, dtype)
    expected = np.zeros((2, 2, 20, 30), np.int64)
    add(frames, chosen, motion, expected)
    lazy = da.from_array(frames, chunks=(sizes, -1, -1))
    total = lazily_added(lazy, chosen, motion)
    assert total.shape == expected.shape
    assert total.dtype == np.int64
    np.testing.assert_array_equal(total.compute(), expected)
    lazily = [da.from_array(a, chunks=(5, -1, -1)) for a in (chosen, motion)]
    np.testing.assert_array_equal(lazily_added(lazy, *lazily).compute(), expected)


def test_counts_say_how_many_frames_were_chosen_at_each_pixel():
    frames, chosen, motion = capture(6)
    total = np.zeros((2, 2, 20, 30), np.int64)
    add(frames, chosen, motion, total)
    expected = chosen.sum(axis=0)[:, area_labels(MESH.region, 8)]
    np.testing.assert_array_equal(total[:, 1], expected)


def test_frames_of_which_nothing_is_chosen_may_have_no_place():
    frames, chosen, motion = capture(5)
    expected = np.zeros((2, 2, 20, 30), np.int64)
    chosen[[1, 3]] = False
    add(frames[[0, 2, 4]], chosen[[0, 2, 4]], motion[[0, 2, 4]], expected)
    motion[[1, 3]] = NAN
    total = lazily_added(da.from_array(frames, chunks=(2, -1, -1)), chosen, motion)
    np.testing.assert_array_equal(total.compute(), expected)


def test_many_chunks_are_added_up():
    frames = np.ones((150, 25, 36), np.uint8)
    chosen = np.ones((150, 1, N_AREAS), bool)
    lazy = da.from_array(frames, chunks=(1, -1, -1))
    total = lazily_added(lazy, chosen, np.zeros((150, 1, 2)), TWO[:1]).compute()
    assert (total[0, 0] == 150 << VALUE_BITS).all()
    assert (total[0, 1] == 150).all()


# --- images --------------------------------------------------------------------------------------


def test_an_image_is_the_mean_as_a_fraction_of_full_scale():
    total = np.array([[[[255 << VALUE_BITS, 0]], [[1, 4]]]])
    image = mean_image(total, [1], 0, 255)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, [[[1.0, 0.0]]])
    np.testing.assert_allclose(mean_image(total, [1], 0, 1023), [[[255 / 1023, 0]]], rtol=1e-6)
    finer = total * np.array([16, 1])[None, :, None, None]
    both = mean_image(np.concatenate([total, finer]), [1, 16], 0, 255)
    np.testing.assert_array_equal(both[0], [[1.0, 0.0]])
    np.testing.assert_array_equal(both[1], mean_image(total, [1], 0, 255)[0])


def test_black_becomes_0_and_white_above_it_1():
    total = np.array([[[[10 << VALUE_BITS, 110 << VALUE_BITS, 0]], [[1, 1, 1]]]])
    np.testing.assert_allclose(mean_image(total, [1], 10, 100), [[[0.0, 1.0, -0.1]]], rtol=1e-6)


def test_pixels_to_which_nothing_was_added_are_nan():
    total = np.array([[[[0, 64 * 51, 0]], [[0, 1, 1]]]])
    found = np.isnan(mean_image(total, [1], 0, 255))
    np.testing.assert_array_equal(found, [[[True, False, False]]])


def test_means_of_long_captures_are_exact_to_single_precision():
    n = 10**7
    total = np.array([[[[n * (65535 << VALUE_BITS)]], [[n]]]])
    np.testing.assert_array_equal(mean_image(total, [1], 0, 65535), [[[1.0]]])


# --- colour --------------------------------------------------------------------------------------


def test_each_image_is_of_its_own_plane():
    frames = np.zeros((2, 25, 36, 3), np.uint8)
    frames[...] = [10, 20, 30]
    chosen = np.ones((2, 1, N_AREAS), bool)
    rgb = Developer("uint8", black=0, white=255, channels=3)
    images = [Image("blue"), Image(GREY), Image("red")]
    total = np.zeros((3, 2, 20, 30), np.int64)
    add(frames, chosen, np.zeros((2, 1, 2)), total, images, rgb)
    for sums, level in zip(
        total, (30, round(0.299 * 10 + 0.587 * 20 + 0.114 * 30), 10), strict=True
    ):
        np.testing.assert_array_equal(sums[0], 2 * level << VALUE_BITS)
        np.testing.assert_array_equal(sums[1], 2)


def test_planes_can_be_shifted_against_each_other():
    columns = np.arange(36, dtype=np.uint8) * 4
    frames = np.broadcast_to(columns[:, None], (1, 25, 36, 3)).copy()
    chosen = np.ones((1, 1, N_AREAS), bool)
    rgb = Developer("uint8", black=0, white=255, channels=3)
    images = [Image("red"), Image("green")]
    shifts = np.array([[0.0, 0.5], [0.0, 0.0]])
    lazy = da.from_array(frames, chunks=(1, -1, -1, -1))
    total = lazily_added(lazy, chosen, np.zeros((1, 1, 2)), images, rgb, shifts).compute()
    np.testing.assert_array_equal(total[0, 0] - total[1, 0], 2 << VALUE_BITS)
