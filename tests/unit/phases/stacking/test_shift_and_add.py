"""Shift and add: sums of fragments are exact, for any chunks."""

import dask
import dask.array as da
import numpy as np
import pytest

from skry_dask.capture.calibration.develop import GREY, Developer
from skry_dask.geometry.areas import AreaGrid
from skry_dask.geometry.canvas import Region
from skry_dask.geometry.mesh import AreaMesh, TriangleMesh
from skry_dask.kernels.frame.brightness import FRAME_GAIN_BITS
from skry_dask.kernels.stacking.resample import SUM_FRACTION_BITS
from skry_dask.phases.stacking.fragment_selection import pack_selection
from skry_dask.phases.stacking.mean_images import drizzled_frames, mean_images
from skry_dask.phases.stacking.resampling import Drizzled, ImageRequest, Interpolated
from skry_dask.phases.stacking.shift_and_add import add_chunk, shift_and_add

MESH = AreaMesh.of_region(Region(2, 3, 20, 30), 8)
N_AREAS = MESH.spans.n_fragments
MONO = Developer("uint8", black=0, white=255)
RGB = Developer("uint8", black=0, white=255, channels=3)
CUBIC = Interpolated("cubic")
TWO_SELECTIONS = (ImageRequest(GREY, 0), ImageRequest(GREY, 1))


def chunk_sums(frames, selected, motion, requests=TWO_SELECTIONS, developer=MONO):
    """Add all frames as one chunk: values and counts, int64 (image, 2, y, x)."""
    sums = np.zeros((len(requests), 2, 20, 30), np.int64)
    along = motion, np.zeros(len(frames), np.int64), np.zeros((len(frames), 0, 2))
    packed = pack_selection(selected)
    add_chunk(frames, packed, *along, MESH, developer, requests, CUBIC, sums)
    return sums


def lazy_sums(frames, selected, motion, requests=TWO_SELECTIONS, developer=MONO, colour_shift=None):
    """Add all frames lazily: the same."""
    sums = shift_and_add(
        frames,
        selected,
        motion,
        MESH,
        dask.delayed(developer, traverse=False),
        requests,
        colour_shift=colour_shift,
    )
    return da.stack([sums.values, sums.weights], axis=1)


def random_case(n_frames, dtype=np.uint8):
    """Draw frames, a selection of their fragments, and their motion."""
    rng = np.random.default_rng(1)
    frames = rng.integers(0, np.iinfo(dtype).max, (n_frames, 25, 36), dtype, endpoint=True)
    selected = rng.random((n_frames, 2, N_AREAS)) < 0.5
    motion = rng.uniform(-3, 3, (n_frames, 1, 2))
    return frames, selected, motion


# --- interpolated sums ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("sizes", [(11,), (1,) * 11, (4, 4, 3), (1, 9, 1)])
def test_sums_do_not_depend_on_chunks(dtype, sizes):
    frames, selected, motion = random_case(11, dtype)
    expected = chunk_sums(frames, selected, motion)
    lazy = da.from_array(frames, chunks=(sizes, -1, -1))
    total = lazy_sums(lazy, selected, motion)
    assert total.shape == expected.shape
    assert total.dtype == np.int64
    np.testing.assert_array_equal(total.compute(), expected)
    lazily = [da.from_array(a, chunks=(5, -1, -1)) for a in (selected, motion)]
    np.testing.assert_array_equal(lazy_sums(lazy, *lazily).compute(), expected)


def test_counts_are_the_frames_selected_at_each_pixel():
    frames, selected, motion = random_case(6)
    expected = selected.sum(axis=0)[:, AreaGrid.of_region(MESH.region, 8).labels()]
    np.testing.assert_array_equal(chunk_sums(frames, selected, motion)[:, 1], expected)


def test_frames_without_selected_fragments_may_have_no_motion():
    frames, selected, motion = random_case(5)
    selected[[1, 3]] = False
    used = [0, 2, 4]
    expected = chunk_sums(frames[used], selected[used], motion[used])
    motion[[1, 3]] = np.nan
    total = lazy_sums(da.from_array(frames, chunks=(2, -1, -1)), selected, motion)
    np.testing.assert_array_equal(total.compute(), expected)


def test_many_chunks_are_added_up():
    frames = np.ones((150, 25, 36), np.uint8)
    selected = np.ones((150, 1, N_AREAS), bool)
    lazy = da.from_array(frames, chunks=(1, -1, -1))
    total = lazy_sums(lazy, selected, np.zeros((150, 1, 2)), TWO_SELECTIONS[:1]).compute()
    assert (total[0, 0] == 150 << SUM_FRACTION_BITS).all()
    assert (total[0, 1] == 150).all()


# --- colour --------------------------------------------------------------------------------------


def test_each_image_is_of_its_own_plane():
    frames = np.zeros((2, 25, 36, 3), np.uint8)
    frames[...] = [10, 20, 30]
    selected = np.ones((2, 1, N_AREAS), bool)
    requests = [ImageRequest("blue"), ImageRequest(GREY), ImageRequest("red")]
    sums = chunk_sums(frames, selected, np.zeros((2, 1, 2)), requests, RGB)
    grey = round(0.299 * 10 + 0.587 * 20 + 0.114 * 30)
    for of_image, level in zip(sums, (30, grey, 10), strict=True):
        np.testing.assert_array_equal(of_image[0], 2 * level << SUM_FRACTION_BITS)
        np.testing.assert_array_equal(of_image[1], 2)


def test_planes_can_be_shifted_against_each_other():
    columns = np.arange(36, dtype=np.uint8) * 4
    frames = np.broadcast_to(columns[:, None], (1, 25, 36, 3)).copy()
    selected = np.ones((1, 1, N_AREAS), bool)
    requests = [ImageRequest("red"), ImageRequest("green")]
    shift = np.array([[[0.0, 0.5], [0.0, 0.0]]])
    lazy = da.from_array(frames, chunks=(1, -1, -1, -1))
    red, green = lazy_sums(lazy, selected, np.zeros((1, 1, 2)), requests, RGB, shift).compute()
    np.testing.assert_array_equal(red[0] - green[0], 2 << SUM_FRACTION_BITS)


# --- brightness ----------------------------------------------------------------------------------


@pytest.mark.parametrize("black", [0, 20])
@pytest.mark.parametrize(
    "resampling", [Interpolated("cubic"), Interpolated("lanczos3"), Drizzled(2.0, 0.7)]
)
def test_scaled_frames_are_as_bright_as_the_others(black, resampling):
    levels = np.array([100, 50, 25])
    frames = np.broadcast_to((levels + black)[:, None, None], (3, 25, 36)).astype(np.uint8)
    gain = np.array([1, 2, 4]) << FRAME_GAIN_BITS
    developer = Developer("uint8", black=black, white=200)
    requests = [ImageRequest(GREY)]
    sums = shift_and_add(
        da.from_array(frames, chunks=(2, -1, -1)),
        np.ones((3, 1, N_AREAS), bool),
        np.full((3, 1, 2), 0.3),
        MESH,
        dask.delayed(developer, traverse=False),
        requests,
        resampling=resampling,
        gain=gain,
    )
    image = mean_images(sums, developer, requests, resampling, scaled=True).compute()
    np.testing.assert_allclose(image, 0.5, atol=1e-6)


# --- drizzle -------------------------------------------------------------------------------------


def drizzle(frames, motion, developer, *, scale=2.0, drop=0.7, chunks=3):
    """Drizzle all frames on a mesh of their own size: values, weights, images and counts."""
    points = np.array([[8.0, 9.0], [20.0, 25.0]])
    mesh = TriangleMesh.of_points(points, Region(0, 0, *frames.shape[1:3]), scale=scale)
    requests = [ImageRequest(plane) for plane in developer.planes]
    resampling = Drizzled(scale, drop)
    sums = shift_and_add(
        da.from_array(frames, chunks=(chunks, *(-1,) * (frames.ndim - 1))),
        np.ones((len(frames), 1, len(mesh.triangles)), bool),
        np.broadcast_to(motion[:, None], (len(frames), len(mesh.corners), 2)),
        mesh,
        dask.delayed(developer, traverse=False),
        requests,
        resampling=resampling,
    )
    counts = drizzled_frames(sums, developer, requests, resampling)
    return dask.compute(*sums, mean_images(sums, developer, requests, resampling), counts)


@pytest.mark.parametrize("cfa", [None, "RGGB", "GBRG"])
def test_drizzled_sums_do_not_depend_on_chunks(cfa):
    rng = np.random.default_rng(4)
    frames = rng.integers(0, 255, (7, 24, 30), np.uint8)
    motion = rng.uniform(-1, 1, (7, 2))
    developer = Developer("uint8", black=0, white=255, cfa=cfa)
    whole, cut = (drizzle(frames, motion, developer, chunks=n) for n in (7, 2))
    for one, other in zip(whole, cut, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("scale", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("cfa", [None, "GRBG"])
def test_counts_of_drizzled_images_are_in_frames(scale, cfa):
    rng = np.random.default_rng(5)
    developer = Developer("uint8", black=0, white=255, cfa=cfa)
    frames = np.full((60, 24, 30), 77, np.uint8)
    *_, image, counts = drizzle(frames, rng.uniform(-2, 2, (60, 2)), developer, scale=scale)
    # Away from the border, where shifts bring in what no frame shows.
    inner = counts[:, int(3 * scale) : int(-3 * scale), int(3 * scale) : int(-3 * scale)]
    assert counts.dtype == np.float32
    np.testing.assert_allclose(inner.mean(axis=(1, 2)), 60, rtol=0.03)
    np.testing.assert_allclose(image[~np.isnan(image)], 77 / 255, rtol=1e-6)


def test_raw_colours_are_drizzled_from_their_own_pixels_only():
    frames = np.zeros((20, 24, 30), np.uint8)
    frames[:, 0::2, 0::2], frames[:, 1::2, 1::2] = 200, 50
    frames[:, 0::2, 1::2] = frames[:, 1::2, 0::2] = 120
    developer = Developer("uint8", black=0, white=255, cfa="RGGB")
    motion = np.random.default_rng(6).uniform(-2, 2, (20, 2))
    *_, image, _ = drizzle(frames, motion, developer)
    for plane, level in zip(image, (200, 120, 50), strict=True):
        np.testing.assert_allclose(plane[6:-6, 6:-6], level / 255, rtol=1e-6)


def test_raw_colour_that_is_wanted_in_grey_is_drizzled_from_grey_frames():
    frames = np.full((10, 24, 30), 90, np.uint8)
    developer = Developer("uint8", black=0, white=255, cfa="RGGB", grey_only=True)
    motion = np.random.default_rng(7).uniform(-1, 1, (10, 2))
    *_, image, counts = drizzle(frames, motion, developer)
    assert image.shape == (1, 48, 60)
    np.testing.assert_allclose(image[:, 4:-4, 4:-4], 90 / 255, rtol=1e-6)
    np.testing.assert_allclose(counts[:, 4:-4, 4:-4].mean(), 10, rtol=0.02)


def test_colour_frames_are_drizzled_plane_by_plane():
    frames = np.zeros((4, 24, 30, 3), np.uint16)
    frames[...] = [100, 2000, 30000]
    developer = Developer("uint16", black=0, white=65535, channels=3)
    *_, image, _ = drizzle(frames, np.zeros((4, 2)), developer, scale=1.5, drop=1.0)
    for plane, level in zip(image, (100, 2000, 30000), strict=True):
        np.testing.assert_allclose(plane, level / 65535, rtol=1e-6)
