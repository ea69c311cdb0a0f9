"""Shift and add, and which fragments are added."""

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.capture.develop import COLOURS, GREY, Developer
from skry_dask.geometry.areas import AreaGrid
from skry_dask.geometry.canvas import Region
from skry_dask.geometry.mesh import AreaMesh, TriangleMesh
from skry_dask.kernels.frame.brightness import FRAME_GAIN_BITS
from skry_dask.kernels.stacking.resample import SUM_FRACTION_BITS
from skry_dask.phases.rating.ranking import select_best
from skry_dask.phases.stacking.fragment_selection import pack_selection
from skry_dask.phases.stacking.mean_images import (
    HOLE_REACH_PX,
    divide_sums,
    drizzled_frames,
    fill_holes,
    mean_images,
)
from skry_dask.phases.stacking.resampling import (
    Drizzled,
    ImageRequest,
    Interpolated,
    colour_sites,
)
from skry_dask.phases.stacking.shift_and_add import add_chunk, shift_and_add

NAN = np.nan
REPEATABLE = settings(derandomize=True, deadline=None, max_examples=100)


# --- which fragments -----------------------------------------------------------------------------


def test_the_best_frames_are_taken():
    quality = np.array([[1.0, 9.0], [3.0, 7.0], [2.0, 8.0]])
    expected = [[False, True], [True, False], [True, True]]
    np.testing.assert_array_equal(select_best(quality, 2), expected)


def test_of_equal_frames_the_earlier_are_taken():
    quality = np.array([[5.0], [7.0], [5.0], [5.0], [1.0]])
    for number, expected in ((1, [1]), (2, [0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2, 3])):
        np.testing.assert_array_equal(np.flatnonzero(select_best(quality, number)), expected)


def test_frames_that_must_not_be_used_never_are():
    quality = np.array([[NAN, NAN], [2.0, 1.0], [NAN, NAN], [1.0, 1.0]])
    for number in (1, 2, 3, 4, 100):
        chosen = select_best(quality, number)
        assert not chosen[[0, 2]].any()
        np.testing.assert_array_equal(chosen.sum(axis=0), min(number, 2))
    assert not select_best(np.full((3, 2), NAN), 2).any()


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
    chosen = select_best(quality, number)
    for column, taken in zip(quality.T, chosen.T, strict=True):
        usable = np.flatnonzero(~np.isnan(column))
        best = usable[np.argsort(-column[usable], kind="stable")][:number]
        np.testing.assert_array_equal(np.flatnonzero(taken), np.sort(best))


def test_the_quality_given_stays_as_it_is():
    quality = np.array([[3.0, NAN], [1.0, NAN]])
    before = quality.copy()
    select_best(quality, 1)
    np.testing.assert_array_equal(quality, before)


# --- sums ----------------------------------------------------------------------------------------


MESH = AreaMesh.of_region(Region(2, 3, 20, 30), 8)
N_AREAS = len(MESH.spans.first) - 1


MONO = Developer("uint8", black=0, white=255)
TWO = (ImageRequest(GREY, 0), ImageRequest(GREY, 1))


def add(frames, chosen, motion, total, images=TWO, developer=MONO, shifts=None):
    no_gain = np.zeros(len(frames), np.int64)
    how = Interpolated()
    packed = pack_selection(chosen)
    add_chunk(frames, packed, motion, no_gain, MESH, developer, images, shifts, how, total)


def lazily_added(frames, chosen, motion, images=TWO, developer=MONO, shifts=None):
    lazy = dask.delayed(developer, traverse=False)
    shifts = None if shifts is None else dask.delayed(shifts)
    added = shift_and_add(frames, chosen, motion, MESH, lazy, images, shifts)
    return da.stack([added.values, added.weights], axis=1)


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
    expected = chosen.sum(axis=0)[:, AreaGrid.of_region(MESH.region, 8).labels()]
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
    assert (total[0, 0] == 150 << SUM_FRACTION_BITS).all()
    assert (total[0, 1] == 150).all()


# --- images --------------------------------------------------------------------------------------


def test_an_image_is_the_mean_as_a_fraction_of_full_scale():
    total = np.array([[[[255 << SUM_FRACTION_BITS, 0]], [[1, 4]]]])
    image = divide_sums(total[:, 0], total[:, 1], [64], 0, 255)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, [[[1.0, 0.0]]])
    np.testing.assert_allclose(
        divide_sums(total[:, 0], total[:, 1], [64], 0, 1023), [[[255 / 1023, 0]]], rtol=1e-6
    )
    finer = total * np.array([16, 1])[None, :, None, None]
    together = np.concatenate([total, finer])
    both = divide_sums(together[:, 0], together[:, 1], [64, 16 * 64], 0, 255)
    np.testing.assert_array_equal(both[0], [[1.0, 0.0]])
    np.testing.assert_array_equal(both[1], divide_sums(total[:, 0], total[:, 1], [64], 0, 255)[0])


def test_black_becomes_0_and_white_above_it_1():
    total = np.array([[[[10 << SUM_FRACTION_BITS, 110 << SUM_FRACTION_BITS, 0]], [[1, 1, 1]]]])
    np.testing.assert_allclose(
        divide_sums(total[:, 0], total[:, 1], [64], 10, 100), [[[0.0, 1.0, -0.1]]], rtol=1e-6
    )


def test_pixels_to_which_nothing_was_added_are_nan():
    total = np.array([[[[0, 64 * 51, 0]], [[0, 1, 1]]]])
    found = np.isnan(divide_sums(total[:, 0], total[:, 1], [64], 0, 255))
    np.testing.assert_array_equal(found, [[[True, False, False]]])


def test_means_of_long_captures_are_exact_to_single_precision():
    n = 10**7
    total = np.array([[[[n * (65535 << SUM_FRACTION_BITS)]], [[n]]]])
    np.testing.assert_array_equal(divide_sums(total[:, 0], total[:, 1], [64], 0, 65535), [[[1.0]]])


# --- colour --------------------------------------------------------------------------------------


def test_each_image_is_of_its_own_plane():
    frames = np.zeros((2, 25, 36, 3), np.uint8)
    frames[...] = [10, 20, 30]
    chosen = np.ones((2, 1, N_AREAS), bool)
    rgb = Developer("uint8", black=0, white=255, channels=3)
    images = [ImageRequest("blue"), ImageRequest(GREY), ImageRequest("red")]
    total = np.zeros((3, 2, 20, 30), np.int64)
    add(frames, chosen, np.zeros((2, 1, 2)), total, images, rgb)
    for sums, level in zip(
        total, (30, round(0.299 * 10 + 0.587 * 20 + 0.114 * 30), 10), strict=True
    ):
        np.testing.assert_array_equal(sums[0], 2 * level << SUM_FRACTION_BITS)
        np.testing.assert_array_equal(sums[1], 2)


def test_planes_can_be_shifted_against_each_other():
    columns = np.arange(36, dtype=np.uint8) * 4
    frames = np.broadcast_to(columns[:, None], (1, 25, 36, 3)).copy()
    chosen = np.ones((1, 1, N_AREAS), bool)
    rgb = Developer("uint8", black=0, white=255, channels=3)
    images = [ImageRequest("red"), ImageRequest("green")]
    shifts = np.array([[0.0, 0.5], [0.0, 0.0]])
    lazy = da.from_array(frames, chunks=(1, -1, -1, -1))
    total = lazily_added(lazy, chosen, np.zeros((1, 1, 2)), images, rgb, shifts).compute()
    np.testing.assert_array_equal(total[0, 0] - total[1, 0], 2 << SUM_FRACTION_BITS)


# --- brightness ----------------------------------------------------------------------------------

TWICE = 2 << FRAME_GAIN_BITS


@pytest.mark.parametrize("black", [0, 20])
@pytest.mark.parametrize(
    "resampling", [Interpolated(), Interpolated("lanczos3"), Drizzled(2.0, 0.7)]
)
def test_scaled_frames_are_as_bright_as_the_others(black, resampling):
    levels = np.array([100, 50, 25])
    frames = np.broadcast_to((levels + black)[:, None, None], (3, 25, 36)).astype(np.uint8)
    gain = np.array([TWICE // 2, TWICE, 2 * TWICE])
    developer = Developer("uint8", black=black, white=200)
    images = [ImageRequest(GREY)]
    total = shift_and_add(
        da.from_array(frames, chunks=(2, -1, -1)),
        np.ones((3, 1, N_AREAS), bool),
        np.full((3, 1, 2), 0.3),
        MESH,
        dask.delayed(developer, traverse=False),
        images,
        resampling=resampling,
        gain=gain,
    )
    made = mean_images(total, developer, images, resampling, scaled=True).compute()
    np.testing.assert_allclose(made, 0.5, atol=1e-6)


# --- drizzle -------------------------------------------------------------------------------------


def drizzled(frames, motion, developer, *, scale=2.0, drop=0.7, sizes=3):
    """Drizzle all of the frames on a mesh of their own size."""
    points = np.array([[8.0, 9.0], [20.0, 25.0]])
    mesh = TriangleMesh.of_points(points, Region(0, 0, *frames.shape[1:3]), scale=scale)
    moved = np.broadcast_to(motion[:, None], (len(frames), len(mesh.corners), 2))
    images = [ImageRequest(plane) for plane in developer.planes]
    how = Drizzled(scale, drop)
    total = shift_and_add(
        da.from_array(frames, chunks=(sizes, *(-1,) * (frames.ndim - 1))),
        np.ones((len(frames), 1, len(mesh.triangles)), bool),
        moved,
        mesh,
        dask.delayed(developer, traverse=False),
        images,
        resampling=how,
    )
    weights = drizzled_frames(total, developer, images, how)
    return dask.compute(*total, mean_images(total, developer, images, how), weights)


@pytest.mark.parametrize("cfa", [None, "RGGB", "GBRG"])
def test_drizzled_sums_do_not_depend_on_chunks(cfa):
    rng = np.random.default_rng(4)
    frames = rng.integers(0, 255, (7, 24, 30), np.uint8)
    motion = rng.uniform(-1, 1, (7, 2))
    developer = Developer("uint8", black=0, white=255, cfa=cfa)
    one, other = (drizzled(frames, motion, developer, sizes=n) for n in (7, 2))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("scale", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("cfa", [None, "GRBG"])
def test_weights_are_in_frames(scale, cfa):
    rng = np.random.default_rng(5)
    developer = Developer("uint8", black=0, white=255, cfa=cfa)
    frames = np.full((60, 24, 30), 77, np.uint8)
    # Inside, where shifts do not bring in what no frame shows.
    *_, image, weights = drizzled(frames, rng.uniform(-2, 2, (60, 2)), developer, scale=scale)
    inner = weights[:, int(3 * scale) : int(-3 * scale), int(3 * scale) : int(-3 * scale)]
    assert weights.dtype == np.float32
    np.testing.assert_allclose(inner.mean(axis=(1, 2)), 60, rtol=0.03)
    np.testing.assert_allclose(image[~np.isnan(image)], 77 / 255, rtol=1e-6)


def test_raw_colours_are_drizzled_from_their_own_pixels_only():
    frames = np.zeros((20, 24, 30), np.uint8)
    frames[:, 0::2, 0::2], frames[:, 1::2, 1::2] = 200, 50
    frames[:, 0::2, 1::2] = frames[:, 1::2, 0::2] = 120
    developer = Developer("uint8", black=0, white=255, cfa="RGGB")
    motion = np.random.default_rng(6).uniform(-2, 2, (20, 2))
    *_, image, _ = drizzled(frames, motion, developer)
    for plane, level in zip(image, (200, 120, 50), strict=True):
        np.testing.assert_allclose(plane[6:-6, 6:-6], level / 255, rtol=1e-6)


def test_raw_colour_that_is_wanted_in_grey_is_drizzled_from_grey_frames():
    frames = np.full((10, 24, 30), 90, np.uint8)
    developer = Developer("uint8", black=0, white=255, cfa="RGGB", grey_only=True)
    motion = np.random.default_rng(7).uniform(-1, 1, (10, 2))
    *_, image, weights = drizzled(frames, motion, developer)
    assert image.shape == (1, 48, 60)
    np.testing.assert_allclose(image[:, 4:-4, 4:-4], 90 / 255, rtol=1e-6)
    np.testing.assert_allclose(weights[:, 4:-4, 4:-4].mean(), 10, rtol=0.02)


def test_colour_frames_are_drizzled_plane_by_plane():
    frames = np.zeros((4, 24, 30, 3), np.uint16)
    frames[...] = [100, 2000, 30000]
    developer = Developer("uint16", black=0, white=65535, channels=3)
    *_, image, _ = drizzled(frames, np.zeros((4, 2)), developer, scale=1.5, drop=1.0)
    for plane, level in zip(image, (100, 2000, 30000), strict=True):
        np.testing.assert_allclose(plane, level / 65535, rtol=1e-6)


def test_each_colour_has_its_sites():
    developer = Developer("uint8", black=0, white=255, cfa="GRBG")
    found = [colour_sites(developer, plane).tolist() for plane in (*COLOURS, GREY)]
    assert found == [[[0, 1], [0, 0]], [[1, 0], [0, 1]], [[0, 0], [1, 0]], [[1, 1], [1, 1]]]


def test_holes_are_filled_and_the_outside_is_not():
    image = np.full((1, 40, 40), np.nan, np.float32)
    image[:, 10:30, 10:30] = 3.0
    whole = image.copy()
    image[:, 15 : 15 + 2 * HOLE_REACH_PX, 15:18] = np.nan
    image[:, 20, 25] = np.nan
    before = image.copy()
    np.testing.assert_array_equal(fill_holes(image), whole)
    np.testing.assert_array_equal(image, before)
    image[0, 10:30, 20:] = 5.0
    image[0, 20, 19:21] = np.nan
    assert 3.0 < fill_holes(image)[0, 20, 19] < 5.0
    assert np.isnan(fill_holes(np.full((1, 5, 5), np.nan, np.float32))).all()


def test_large_holes_stay():
    image = np.ones((1, 60, 60), np.float32)
    image[:, 15 : 17 + 4 * HOLE_REACH_PX, 15 : 17 + 4 * HOLE_REACH_PX] = np.nan
    assert np.isnan(fill_holes(image)[0, 16 + 2 * HOLE_REACH_PX, 16 + 2 * HOLE_REACH_PX])
