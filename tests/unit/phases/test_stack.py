"""Stack: which frames are averaged, where, and how, on captures whose alignment is known."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

import skry_dask as skry
from tests.phase_results import known_results
from tests.small_captures import texture

pytestmark = pytest.mark.usefixtures("one_thread")

DRIFT = [(0, 0), (6, -9), (-12, 5), (3, 20), (-4, -14), (8, 8)]


def stacked(case, **options):
    return skry.stack(*case, skry.StackOptions(**options)).compute()


def scenery(height, width, scale=1.5):
    """Draw grey levels from 40 to 200."""
    return 40 + 160 * texture(height, width, scale=scale)


def views(scene, shifts, shape, margin):
    """Cut frames out of a scene, which shows shifted by whole px."""
    cut = [scene[margin - y :, margin - x :][: shape[0], : shape[1]] for y, x in shifts]
    return np.rint(cut).astype(np.uint8)


# --- which frames --------------------------------------------------------------------------------


def test_the_count_is_the_number_of_frames_asked_for(moon12, results):
    for options, count in (({"percent": 50}, 6), ({"number": 5}, 5), ({"percent": 1}, 1)):
        stack = skry.stack(moon12, *results[:3], skry.StackOptions(**options)).compute()
        assert (stack["count"] == count).all()


def test_all_active_frames_are_stacked_when_everything_is_asked_for(
    spoiled, spoiled_results, bad, good
):
    for criterion in ({"percent": 100}, {"number": 12}, {"min_quality": 0.0}):
        stack = skry.stack(spoiled, *spoiled_results[:3], skry.StackOptions(**criterion)).compute()
        assert (stack["count"] == len(good)).all()
        assert (stack["fragments"][bad] == 0).all()
        assert (stack["fragments"][good] > 0).all()


def test_inactive_frames_are_never_stacked(spoiled_results, bad, good):
    assert (spoiled_results.stack["fragments"][bad] == 0).all()
    assert spoiled_results.stack["count"].max() <= len(good)


def test_points_a_pixel_apart_do_not_let_inactive_frames_in(spoiled, spoiled_results, bad, good):
    # Triangles so small that they hold no pixel have no quality.
    points = ((40, 60), (41, 60), (40, 61), (60, 80), (61, 81), (62, 82))
    alignment, quality, *_ = spoiled_results
    options = skry.TrackOptions(points=points, block_size=24, search_radius=12)
    tracked = skry.track(spoiled, alignment, quality, options).compute()
    stack = stacked((spoiled, alignment, quality, tracked), percent=100)
    assert (stack["fragments"][bad] == 0).all()
    assert (stack["count"] == len(good)).all()


def test_whole_frames_are_chosen_by_their_quality():
    quality = np.random.default_rng(1).uniform(1, 2, (10, 6)) + np.arange(10)[:, None] * 0.1
    active = np.arange(10) != 9
    frames = np.broadcast_to(np.arange(10, 110, 10, dtype=np.uint8)[:, None, None], (10, 40, 60))
    case = known_results(frames, np.zeros((10, 2)), quality=quality, active=active)
    best = np.argsort(np.where(active, -quality.mean(axis=1), np.inf))
    stack = stacked(case, number=3, choose="frames")
    assert (stack["count"] == 3).all()
    used = stack["fragments"].to_numpy()
    assert set(np.flatnonzero(used)) == set(best[:3])
    assert len(set(used[used > 0])) == 1
    expected = frames[best[:3], 0, 0].mean() / 255
    np.testing.assert_allclose(stack["stack"], expected, rtol=1e-6)
    by_fragments = stacked(case, number=3)
    assert float(by_fragments["stack"].std()) > 0.01


def test_every_criterion_selects_whole_frames():
    quality = np.linspace(1, 2, 10)[:, None]
    case = known_results(np.zeros((10, 40, 60), np.uint8), np.zeros((10, 2)), quality=quality)
    for criterion, count in (({"percent": 50}, 5), ({"min_quality": 0.7}, 3), ({"number": 4}, 4)):
        assert (stacked(case, choose="frames", **criterion)["count"] == count).all()


# --- brightness ----------------------------------------------------------------------------------


def test_clouds_leave_no_patches_when_brightness_is_normalised():
    scene = scenery(60, 80, scale=3)
    clear = np.array([1.0, 0.5, 0.9, 0.6, 0.8, 0.55, 1.0, 0.9])
    frames = np.rint(scene * clear[:, None, None]).astype(np.uint8)
    # Half of the areas are best in clear frames, half in cloudy ones.
    quality = np.ones((8, 12))
    quality[:, ::2] += clear[:, None]
    quality[:, 1::2] -= clear[:, None] / 2
    case = known_results(frames, np.zeros((8, 2)), quality=quality)
    even, patchy = (stacked(case, number=3, normalise=n)["stack"] / scene for n in (True, False))
    assert float(patchy.std() / patchy.mean()) > 0.1
    assert float(even.std() / even.mean()) < 0.01


@pytest.mark.parametrize("options", [{}, {"interpolation": "bilinear"}, {"drizzle": 2.0}])
def test_normalising_frames_of_equal_brightness_changes_nothing(options):
    frame = scenery(50, 60).astype(np.uint8)
    case = known_results(np.repeat(frame[None], 4, axis=0), np.zeros((4, 2)))
    one, other = (stacked(case, normalise=n, **options)["stack"] for n in (True, False))
    np.testing.assert_allclose(one, other, atol=1e-6)


# --- canvas --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drifting():
    scene = scenery(120, 160, scale=2)
    frames = views(scene, DRIFT, (70, 90), 30)
    return scene, {c: known_results(frames, DRIFT, canvas=c) for c in ("union", "overlap")}


def test_the_union_holds_every_pixel_of_any_frame_and_its_count(drifting):
    scene, case = drifting
    result = stacked(case["union"], percent=100)
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


def test_in_the_region_of_all_frames_the_union_equals_the_overlap(drifting):
    _, case = drifting
    union, overlap = (stacked(case[c], percent=50) for c in ("union", "overlap"))
    inner = union.sel(y=overlap["y"], x=overlap["x"])
    # One more where a triangle reaches out of the region, and no selected frame shows all of it.
    assert set(np.unique(inner["count"] - overlap["count"])) <= {0, 1}
    np.testing.assert_allclose(inner["stack"], overlap["stack"], atol=1e-6)


def test_where_few_frames_show_the_scene_these_are_stacked(drifting):
    _, case = drifting
    result = stacked(case["union"], number=2)
    everything = stacked(case["union"], percent=100)
    np.testing.assert_array_equal(result["count"] > 0, everything["count"] > 0)
    # One more where neither of the two shows the whole triangle; more where no frame does.
    assert (result["count"] <= everything["count"]).all()
    assert int(result["count"].where(everything["count"] == 6).max()) <= 3


def test_an_excluded_frame_does_not_change_what_the_union_covers(drifting):
    _, (capture, *earlier) = drifting[0], drifting[1]["union"]
    excluded = capture.assign_coords(excluded=("frame", np.arange(len(DRIFT)) == 3))
    without = skry.stack(excluded, *earlier, skry.StackOptions(percent=100)).compute()
    whole = skry.stack(capture, *earlier, skry.StackOptions(percent=100)).compute()
    assert without["stack"].shape == whole["stack"].shape
    assert int(without["fragments"][3]) == 0
    assert (without["count"] <= whole["count"]).all()


def test_the_union_can_be_drizzled(drifting):
    scene, case = drifting
    result = stacked(case["union"], percent=100, drizzle=2, drop=1.0)
    np.testing.assert_allclose(np.diff(result["y"]), 0.5)
    assert float(result["y"][0]) == -8.25
    assert result["count"].dtype == np.float32
    places = [result["y"].to_numpy() + 30, result["x"].to_numpy() + 30]
    truth = ndimage.map_coordinates(scene, np.meshgrid(*places, indexing="ij"), order=3) / 255
    error = (result["stack"] - truth).where(result["count"] > 0)
    assert float(np.abs(error).max()) < 0.06


# --- drizzle -------------------------------------------------------------------------------------


def undersampled(n_frames, seed=1):
    """Draw frames whose pixels, 4 x 4 of the truth, are larger than the scene's detail."""
    rng = np.random.default_rng(seed)
    truth = scenery(44 * 4, 54 * 4, scale=2.0)
    shifts = rng.integers(-8, 9, (n_frames, 2))
    frames = []
    for y, x in shifts:
        seen = truth[8 - y : 8 - y + 160, 8 - x : 8 - x + 200]
        frames.append(seen.reshape(40, 4, 50, 4).mean(axis=(1, 3)))
    return truth, np.rint(frames).astype(np.uint8), shifts / 4


@pytest.mark.parametrize("scale", [1.5, 2.0, 3.0])
def test_a_drizzled_image_is_nearer_to_the_truth_than_an_interpolated_one(scale):
    truth, frames, offset = undersampled(150)
    case = known_results(frames, offset)
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
    image = drizzled["stack"].to_numpy() * 255
    inner = (slice(6, -6), slice(6, -6))
    error, plain_error = (float(np.std((one - expected)[inner])) for one in (image, finer))
    assert error < 0.85 * plain_error
    # Nothing is shifted: the scene a tenth of a px away fits worse in every direction.
    for moved in ((0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1)):
        other = scene_at(y + moved[0], x + moved[1])
        assert float(np.std((image - other)[inner])) > error


def test_coordinates_of_a_drizzled_image_are_canvas_px():
    case = known_results(np.zeros((3, 41, 53), np.uint8), np.zeros((3, 2)))
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
    offset = np.random.default_rng(3).uniform(-2, 2, (24, 2))
    case = known_results(frames, offset, cfa="RGGB", bits=8)
    result = stacked(case, drizzle=2, percent=100)
    assert result["stack"].dims == ("y", "x", "channel")
    assert result["count"].dims == ("y", "x")
    levels = np.broadcast_to([200, 120, 50], result["stack"].shape) / 255
    np.testing.assert_allclose(result["stack"], levels, rtol=1e-6)
    assert 10 < float(result["count"].mean()) < 24


def test_one_frame_drizzles_to_an_image_without_holes():
    case = known_results([scenery(40, 50).astype(np.uint8)], [(0.25, 0.25)])
    for scale in (1.5, 2, 3):
        result = stacked(case, drizzle=scale, drop=0.1)
        assert not result["stack"].isnull().any()
        assert (result["count"] == 0).any()


# --- the same bits -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"interpolation": "lanczos3"},
        {"interpolation": "bilinear", "union": True},
        {"choose": "frames", "normalise": True},
        {"drizzle": 2, "union": True, "normalise": True},
        {"drizzle": 1.5, "drop": 0.3},
    ],
)
@pytest.mark.parametrize("cfa", [None, "BGGR"])
def test_chunks_and_threads_do_not_change_a_bit(options, cfa):
    scene = scenery(110, 140)
    rng = np.random.default_rng(5)
    offset = np.array(DRIFT * 2) + rng.uniform(-0.5, 0.5, (12, 2))
    frames = views(scene, DRIFT * 2, (70, 90), 25)
    quality = rng.random((12, 1))
    attrs = {"bits": 8} | ({"cfa": cfa} if cfa else {})
    options = dict(options)
    attrs["canvas"] = "union" if options.pop("union", False) else "overlap"
    results = []
    for chunks, scheduler in ((12, "sync"), (5, "sync"), (1, "threads")):
        case = known_results(frames, offset, quality=quality, chunks=chunks, **attrs)
        with dask.config.set(scheduler=scheduler):
            results.append(stacked(case, number=5, **options))
    for other in results[1:]:
        xr.testing.assert_identical(results[0], other)
