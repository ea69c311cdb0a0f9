"""The stack phase on captures whose alignment is known."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

import skry_dask as skry
from skry_dask.geometry.canvas import Region, union_region
from skry_dask.geometry.mesh import TriangleMesh
from skry_dask.phases.alignment.frame_alignment import Reason
from skry_dask.phases.stacking.fragment_selection import FrameCoverage, select_to_cover
from skry_dask.phases.stacking.fragment_selection import select_fragments as select
from tests import reference

AREA = 20


@pytest.fixture(autouse=True)
def _one_thread():
    with dask.config.set(scheduler="sync"):
        yield


def known(frames, offset, *, value=None, active=None, points=None, sizes=3, **attrs):
    """A capture with the results of the phases before the stack, as they ought to be."""
    frames, offset = np.asarray(frames), np.array(offset, float)
    n = len(frames)
    active = np.ones(n, bool) if active is None else np.array(active)
    dims = ("frame", "y", "x", "channel")[: frames.ndim]
    chunks = (sizes, *(-1,) * (frames.ndim - 1))
    capture = xr.Dataset(
        {"frames": (dims, da.from_array(frames, chunks=chunks))},
        {"frame": np.arange(n)},
        attrs,
    )
    reason = np.where(active, Reason.ACTIVE, Reason.NOT_RECOGNISED).astype(np.uint8)
    alignment = xr.Dataset(
        {
            "offset": (("frame", "axis"), offset),
            "active": ("frame", active),
            "reason": ("frame", reason, {"flag_meanings": " ".join(r.name for r in Reason)}),
        }
    )
    low, high = np.ceil(-offset[active].min(axis=0)), -offset[active].max(axis=0)
    height, width = (high + frames.shape[1:3] - low).astype(int)
    n_areas = -(-height // AREA) * -(-width // AREA)
    if value is None:
        value = np.ones((n, n_areas))
    value = np.broadcast_to(np.asarray(value, np.float32), (n, n_areas)).copy()
    value[~active] = np.nan
    quality = xr.Dataset(
        {
            "blended_quality": (("frame", "area"), value),
            "frame_quality": ("frame", value.mean(axis=1)),
        },
        attrs={"options": {"area_size": AREA, "detail_scale": 3}},
    )
    position = low + np.array([[12.0, 12.0], [20.0, 30.0], [30.0, 14.0]])
    position = position if points is None else np.array(points, float)
    still = np.zeros((n, len(position), 2), np.float32)
    found = xr.Dataset(
        {
            "position": (("point", "axis"), position),
            "displacement": (("frame", "point", "axis"), still),
        }
    )
    return capture, alignment, quality, found


def stacked(case, **options):
    return skry.stack(*case, skry.StackOptions(**options)).compute()


def scenery(height, width, scale=1.5, seed=0):
    image = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), scale)
    return 40 + 160 * (image - image.min()) / np.ptp(image)


def views(scene, shifts, shape, margin):
    """Frames of a scene that lies, in whole px, elsewhere in each."""
    cut = [scene[margin - y :, margin - x :][: shape[0], : shape[1]] for y, x in shifts]
    return np.rint(cut).astype(np.uint8)


# --- whole frames ----------------------------------------------------------------------------


def test_whole_frames_are_chosen_by_their_quality():
    value = np.random.default_rng(1).uniform(1, 2, (10, 6)) + np.arange(10)[:, None] * 0.1
    active = np.ones(10, bool)
    active[9] = False
    frames = np.broadcast_to(np.arange(10, 110, 10, dtype=np.uint8)[:, None, None], (10, 40, 60))
    case = known(frames, np.zeros((10, 2)), value=value, active=active)
    best = np.argsort(np.where(active, -value.mean(axis=1), np.inf))
    result = stacked(case, number=3, choose="frames")
    assert (result["count"] == 3).all()
    used = result["fragments"].to_numpy()
    assert set(np.flatnonzero(used)) == set(best[:3])
    assert len(set(used[used > 0])) == 1
    expected = frames[best[:3], 0, 0].mean() / 255
    np.testing.assert_allclose(result["stack"], expected, rtol=1e-6)
    apart = stacked(case, number=3)
    assert float(apart["stack"].std()) > 0.01


@pytest.mark.parametrize(("criterion", "count"), [({"percent": 50}, 5), ({"min_quality": 0.7}, 3)])
def test_every_criterion_goes_with_whole_frames(criterion, count):
    value = np.linspace(1, 2, 10)[:, None]
    case = known(np.zeros((10, 40, 60), np.uint8), np.zeros((10, 2)), value=value)
    assert (stacked(case, choose="frames", **criterion)["count"] == count).all()


# --- brightness ------------------------------------------------------------------------------


def test_clouds_leave_no_patches_when_brightness_is_normalised():
    scene = scenery(60, 80, scale=3)
    clear = np.array([1.0, 0.5, 0.9, 0.6, 0.8, 0.55, 1.0, 0.9])
    frames = np.rint(scene * clear[:, None, None]).astype(np.uint8)
    # Half of the areas are best in clear frames, half in cloudy ones.
    value = np.ones((8, 12))
    value[:, ::2] += clear[:, None]
    value[:, 1::2] -= clear[:, None] / 2
    case = known(frames, np.zeros((8, 2)), value=value)
    even, patchy = (stacked(case, number=3, normalise=n)["stack"] / scene for n in (True, False))
    assert float(patchy.std() / patchy.mean()) > 0.1
    assert float(even.std() / even.mean()) < 0.01


@pytest.mark.parametrize("options", [{}, {"interpolation": "bilinear"}, {"drizzle": 2.0}])
def test_frames_of_equal_brightness_are_not_changed_by_it(options):
    frame = scenery(50, 60).astype(np.uint8)
    case = known(np.repeat(frame[None], 4, axis=0), np.zeros((4, 2)))
    one, other = (stacked(case, normalise=n, **options)["stack"] for n in (True, False))
    np.testing.assert_allclose(one, other, atol=1e-6)


# --- canvas ----------------------------------------------------------------------------------

DRIFT = [(0, 0), (6, -9), (-12, 5), (3, 20), (-4, -14), (8, 8)]


@pytest.fixture(scope="module")
def drifting():
    scene = scenery(120, 160, scale=2)
    return scene, known(views(scene, DRIFT, (70, 90), 30), DRIFT)


def test_the_union_holds_what_any_frame_shows_and_says_how_many(drifting):
    scene, case = drifting
    result = stacked(case, canvas="union", percent=100)
    y, x = result["y"].to_numpy(), result["x"].to_numpy()
    assert (y[0], y[-1], x[0], x[-1]) == (-8, 69 + 12, -20, 89 + 14)
    expected = np.zeros(result["count"].shape, int)
    for down, right in DRIFT:
        rows, columns = (y + down >= 0) & (y + down < 70), (x + right >= 0) & (x + right < 90)
        expected += rows[:, None] & columns
    np.testing.assert_array_equal(result["count"], expected)
    image = result["stack"].to_numpy()
    np.testing.assert_array_equal(np.isnan(image), expected == 0)
    assert (expected == 0).any()
    truth = np.rint(scene)[30 + y[0] : 31 + y[-1], 30 + x[0] : 31 + x[-1]] / 255
    np.testing.assert_allclose(image[expected > 0], truth[expected > 0], atol=1e-6)


def test_in_the_region_of_all_frames_the_union_is_the_overlap(drifting):
    _, case = drifting
    whole, part = (stacked(case, canvas=c, percent=50) for c in ("union", "overlap"))
    inner = whole.sel(y=part["y"], x=part["x"])
    # One more where a triangle reaches beyond the region, and none of the chosen shows all of it.
    assert set(np.unique(inner["count"] - part["count"])) <= {0, 1}
    np.testing.assert_allclose(inner["stack"], part["stack"], atol=1e-6)


def test_where_few_frames_see_the_scene_these_are_taken(drifting):
    _, case = drifting
    result = stacked(case, canvas="union", number=2)
    everything = stacked(case, canvas="union", percent=100)
    np.testing.assert_array_equal(result["count"] > 0, everything["count"] > 0)
    # One more where neither of the two shows the whole triangle; more where no frame does.
    assert (result["count"] <= everything["count"]).all()
    assert int(result["count"].where(everything["count"] == 6).max()) <= 3


def test_the_union_can_be_drizzled(drifting):
    scene, case = drifting
    result = stacked(case, canvas="union", percent=100, drizzle=2, drop=1.0)
    np.testing.assert_allclose(np.diff(result["y"]), 0.5)
    assert float(result["y"][0]) == -8.25
    assert result["count"].dtype == np.float32
    at = [result["y"].to_numpy() + 30, result["x"].to_numpy() + 30]
    truth = ndimage.map_coordinates(scene, np.meshgrid(*at, indexing="ij"), order=3) / 255
    error = (result["stack"] - truth).where(result["count"] > 0)
    assert float(np.abs(error).max()) < 0.06


def test_fragments_that_no_frame_shows_have_no_frame():
    quality = np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, np.nan]])
    for options in ({"min_quality": 0.0}, {"min_quality": 1.0}, {"number": 5}, {"percent": 100}):
        chosen = select(quality, skry.StackOptions(**options), n_active=2)
        assert chosen[:, 0].any()
        assert not chosen[:, 1].any()
        assert not chosen[2].any()


def test_frames_show_a_fragment_if_they_show_a_part_of_it():
    offset = np.array([[0.0, 0.0], [0.0, 300.0], [-40.0, 0.0]])
    region = union_region(offset, np.ones(3, bool), 50, 60)
    assert region == Region(0, -300, 90, 360)
    mesh = TriangleMesh.of_points(np.array([[10.0, 10.0]]), region, inner=Region(0, 0, 10, 60))
    whole, part = FrameCoverage(mesh, offset, (50, 60)).of_triangles(slice(None))
    labels = reference.fragment_of_each_pixel(mesh)
    for i, (down, right) in enumerate(offset):
        y, x = np.indices(labels.shape)
        y, x = y + region.y + down, x + region.x + right
        inside = (y >= 0) & (y <= 49) & (x >= 0) & (x <= 59)
        shown = np.unique(labels[inside])
        assert part[i, shown].all()
        cut = np.unique(labels[~inside])
        assert not whole[i, cut].any()
    assert (part >= whole).all()
    assert whole.any()
    assert not part.all()


def test_every_fragment_is_covered_by_its_best_whole_frame_or_by_all_that_show_a_part():
    quality = np.array([[1.0, 3.0, np.nan], [2.0, 2.0, 5.0], [3.0, 1.0, 4.0]])
    whole = np.array([[True, False, False], [True, False, False], [False, False, True]])
    expected = [[False, True, False], [True, True, False], [False, True, True]]
    np.testing.assert_array_equal(select_to_cover(quality, whole), expected)


# --- drizzle ---------------------------------------------------------------------------------


def undersampled(n_frames, seed=1):
    """Frames whose pixels are larger than the scene's detail; 4 px of the truth make one."""
    rng = np.random.default_rng(seed)
    truth = scenery(44 * 4, 54 * 4, scale=2.0)
    shifts = rng.integers(-8, 9, (n_frames, 2))
    frames = []
    for y, x in shifts:
        part = truth[8 - y : 8 - y + 160, 8 - x : 8 - x + 200]
        frames.append(part.reshape(40, 4, 50, 4).mean(axis=(1, 3)))
    return truth, np.rint(frames).astype(np.uint8), shifts / 4


@pytest.mark.parametrize("scale", [1.5, 2.0, 3.0])
def test_a_drizzled_image_is_nearer_to_the_truth_than_an_interpolated_one(scale):
    truth, frames, offset = undersampled(150)
    case = known(frames, offset)
    drizzled = stacked(case, percent=100, drizzle=scale, drop=0.5)
    plain = stacked(case, percent=100)

    def scene_at(y, x):
        # Canvas px to px of the truth: the first pixel of the first frame spans 8 to 12.
        nodes = np.meshgrid(y * 4 + 9.5, x * 4 + 9.5, indexing="ij")
        return ndimage.map_coordinates(truth, nodes, order=3)

    y, x = drizzled["y"].to_numpy(), drizzled["x"].to_numpy()
    expected = scene_at(y, x)
    nodes = np.meshgrid(y - float(plain["y"][0]), x - float(plain["x"][0]), indexing="ij")
    finer = ndimage.map_coordinates(plain["stack"].to_numpy() * 255, nodes, order=3)
    inner = (slice(6, -6), slice(6, -6))
    errors = [
        float(np.std((image - expected)[inner]))
        for image in (drizzled["stack"].to_numpy() * 255, finer)
    ]
    assert errors[0] < 0.85 * errors[1]
    # Nothing is shifted: neighbours a px away fit worse in every direction.
    image = drizzled["stack"].to_numpy() * 255
    for moved in ((0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1)):
        other = scene_at(y + moved[0], x + moved[1])
        assert float(np.std((image - other)[inner])) > errors[0]


def test_coordinates_of_a_drizzled_image_are_canvas_px():
    case = known(np.zeros((3, 41, 53), np.uint8), np.zeros((3, 2)))
    result = stacked(case, drizzle=1.5)
    assert result.sizes == {"y": 61, "x": 79, "frame": 3}
    np.testing.assert_allclose(np.diff(result["x"]), 2 / 3)
    # The outer edges of the first pixels agree.
    assert float(result["y"][0]) == pytest.approx(-0.5 + 1 / 3)
    assert not result["stack"].isnull().any()


def test_raw_colour_is_drizzled_to_its_colours():
    frames = np.zeros((24, 40, 50), np.uint8)
    frames[:, 0::2, 0::2], frames[:, 1::2, 1::2] = 200, 50
    frames[:, 0::2, 1::2] = frames[:, 1::2, 0::2] = 120
    case = known(frames, np.random.default_rng(3).uniform(-2, 2, (24, 2)), cfa="RGGB", bits=8)
    result = stacked(case, drizzle=2, percent=100)
    assert result["stack"].dims == ("y", "x", "channel")
    assert result["count"].dims == ("y", "x")
    levels = np.broadcast_to([200, 120, 50], result["stack"].shape) / 255
    np.testing.assert_allclose(result["stack"], levels, rtol=1e-6)
    assert 10 < float(result["count"].mean()) < 24


@pytest.mark.parametrize("drizzle", [1.5, 2, 3])
def test_one_frame_drizzles_to_something_everywhere(drizzle):
    frame = scenery(40, 50).astype(np.uint8)
    result = stacked(known([frame], [(0.25, 0.25)]), drizzle=drizzle, drop=0.1)
    assert not result["stack"].isnull().any()
    assert (result["count"] == 0).any()


# --- the same bits ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"interpolation": "lanczos3"},
        {"interpolation": "bilinear", "canvas": "union"},
        {"choose": "frames", "normalise": True},
        {"drizzle": 2, "canvas": "union", "normalise": True},
        {"drizzle": 1.5, "drop": 0.3},
    ],
)
@pytest.mark.parametrize("cfa", [None, "BGGR"])
def test_chunks_and_threads_do_not_change_a_bit(options, cfa):
    scene = scenery(110, 140)
    rng = np.random.default_rng(5)
    offset = np.array(DRIFT * 2) + rng.uniform(-0.5, 0.5, (12, 2))
    frames = views(scene, DRIFT * 2, (70, 90), 25)
    value = rng.random((12, 1))
    attrs = {"bits": 8} | ({"cfa": cfa} if cfa else {})
    results = []
    for sizes, scheduler in ((12, "sync"), (5, "sync"), (1, "threads")):
        case = known(frames, offset, value=value, sizes=sizes, **attrs)
        with dask.config.set(scheduler=scheduler):
            results.append(stacked(case, number=5, **options))
    for other in results[1:]:
        xr.testing.assert_identical(results[0], other)
