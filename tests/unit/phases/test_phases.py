"""The four phases: what they return, and what they do with difficult captures."""

import json
import sys
from typing import NamedTuple

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

import skry_dask as skry
from skry_dask.errors import AlignmentError, OptionsError, ReaderError
from skry_dask.geometry.canvas import overlap_region
from skry_dask.phases.alignment.frame_alignment import Reason
from skry_dask.phases.alignment.frame_records import RECORD, drop_far_frames
from skry_dask.phases.alignment.key_frames import Survey, choose_reference, key_frame_indices
from skry_dask.phases.stacking.fragment_selection import select_fragments as select

# The submodule: its name in the package is the function.
align_module = sys.modules["skry_dask.phases.alignment.key_frames"]

ALIGN = skry.AlignOptions(anchor_size=32)
POINTS = skry.TrackOptions(block_size=24, search_radius=12)


class Results(NamedTuple):
    """What the phases made of a capture."""

    alignment: xr.Dataset
    quality: xr.Dataset
    points: xr.Dataset
    stack: xr.Dataset


@pytest.fixture(autouse=True)
def _one_thread():
    with dask.config.set(scheduler="sync"):
        yield


def process(capture, *, align=ALIGN, quality=None, track=POINTS, stack=None):
    """Run all phases, each from computed results."""
    alignment = skry.align(capture, align).compute()
    areas = skry.estimate_quality(capture, alignment, quality).compute()
    points = skry.track(capture, alignment, areas, track).compute()
    return Results(
        alignment, areas, points, skry.stack(capture, alignment, areas, points, stack).compute()
    )


def capture_of(frames, *, chunks=3, bits=None):
    """Make a capture of an array (frame, y, x), or of a list of frames."""
    lazy = da.from_array(np.asarray(frames), chunks=(chunks, -1, -1))
    attrs = {} if bits is None else {"bits": bits}
    return xr.Dataset(
        {"frames": (("frame", "y", "x"), lazy)}, {"frame": np.arange(len(frames))}, attrs
    )


def texture(height, width, seed=0, scale=1.5):
    """Draw light with detail everywhere, 0 to 1."""
    image = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), scale)
    return (image - image.min()) / np.ptp(image)


def expose(light, seed=0, noise=1.0):
    """Turn light into an 8-bit frame with read noise."""
    level = 10 + 220 * light + np.random.default_rng(seed).normal(size=light.shape) * noise
    return np.clip(np.rint(level), 0, 255).astype(np.uint8)


def noise_frame(shape, seed=99):
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8)


@pytest.fixture(scope="module")
def simulated():
    """Twelve frames of the Moon in memory."""
    options = skry.SimulateOptions(frames=12, height=160, width=208, drift=(5, -7), seed=2)
    return skry.simulate("moon", options, frames_per_chunk=4).compute(scheduler="sync")


@pytest.fixture(scope="module")
def moon12(simulated):
    return capture_of(simulated["frames"].to_numpy(), bits=8)


@pytest.fixture(scope="module")
def results(moon12):
    with dask.config.set(scheduler="sync"):
        return process(moon12)


# --- what each phase returns ---------------------------------------------------------------------

DOCUMENTED = {
    "alignment": {
        "offset": (("frame", "axis"), np.float64, "px"),
        "confidence": (("frame",), np.float32, "1"),
        "active": (("frame",), np.bool_, "1"),
        "reason": (("frame",), np.uint8, "1"),
        "brightness": (("frame",), np.float32, "1"),
        "reference": ((), np.int64, "1"),
    },
    "quality": {
        "area_quality": (("frame", "area"), np.float32, "1"),
        "blended_quality": (("frame", "area"), np.float32, "1"),
        "frame_quality": (("frame",), np.float32, "1"),
        "min": (("area",), np.float32, "1"),
        "max": (("area",), np.float32, "1"),
        "mean": (("area",), np.float32, "1"),
        "best_frame": (("area",), np.int64, "1"),
        "composite": (("y", "x"), np.float32, "1"),
        "reference": (("y", "x"), np.float32, "1"),
    },
    "points": {
        "position": (("point", "axis"), np.float64, "px"),
        "displacement": (("frame", "point", "axis"), np.float32, "px"),
        "valid": (("frame", "point"), np.bool_, "1"),
        "valid_fraction": (("point",), np.float64, "1"),
        "mean_displacement": (("point", "axis"), np.float64, "px"),
    },
    "stack": {
        "stack": (("y", "x"), np.float32, "1"),
        "count": (("y", "x"), np.int32, "1"),
        "fragments": (("frame",), np.int64, "1"),
    },
}


@pytest.fixture(scope="module")
def lazy_results(moon12, results):
    return Results(
        skry.align(moon12, ALIGN),
        skry.estimate_quality(moon12, results.alignment),
        skry.track(moon12, results.alignment, results.quality, POINTS),
        skry.stack(moon12, *results[:3]),
    )


@pytest.mark.parametrize("phase", DOCUMENTED)
def test_variables_have_the_documented_dims_types_and_units(results, lazy_results, phase):
    computed, lazy = getattr(results, phase), getattr(lazy_results, phase)
    assert set(computed.data_vars) == set(DOCUMENTED[phase])
    for name, (dims, dtype, units) in DOCUMENTED[phase].items():
        for dataset in (computed, lazy):
            variable = dataset[name]
            assert variable.dims == dims
            assert variable.dtype == dtype
            assert variable.attrs["units"] == units
            assert variable.attrs["long_name"]
        assert computed[name].shape == lazy[name].shape


@pytest.mark.parametrize("phase", DOCUMENTED)
def test_results_carry_their_options_and_coordinates(results, phase):
    dataset = getattr(results, phase)
    assert dataset.attrs["version"] >= 1
    assert json.loads(json.dumps(dataset.attrs["options"]))
    np.testing.assert_array_equal(dataset["frame"], np.arange(12))
    if "axis" in dataset.dims:
        assert dataset["axis"].values.tolist() == ["y", "x"]


def test_phases_name_themselves(results):
    assert [d.attrs["phase"] for d in results] == ["align", "quality", "track", "stack"]


def test_images_lie_on_the_region_seen_in_every_frame(results):
    active = results.alignment["active"].to_numpy()
    region = overlap_region(results.alignment["offset"].to_numpy(), active, 160, 208)
    for dataset in (results.quality, results.stack):
        np.testing.assert_array_equal(dataset["y"], region.y_coords)
        np.testing.assert_array_equal(dataset["x"], region.x_coords)
    position = results.points["position"].to_numpy()
    corners = position - POINTS.block_size // 2 - [region.y, region.x]
    assert (corners >= 0).all()
    assert (corners + POINTS.block_size <= region.shape).all()


def test_areas_are_placed_on_the_canvas(results):
    quality = results.quality
    assert quality["area_y"].dims == quality["area_x"].dims == ("area",)
    y, x = quality["y"].to_numpy(), quality["x"].to_numpy()
    assert quality["area_y"][0] == y[0] + 19.5
    assert quality["area_x"][0] == x[0] + 19.5
    assert quality["area_x"].max() < x[-1] + 0.5


def test_frame_numbers_of_a_cut_capture_are_kept(moon12, results):
    later = process(moon12.isel(frame=slice(4, None)))
    np.testing.assert_array_equal(later.stack["frame"], np.arange(4, 12))
    assert int(later.alignment["reference"]) in range(4, 12)
    assert later.quality["best_frame"].min() >= 4


# --- laziness ------------------------------------------------------------------------------------


def refuse(block):
    """Stand in for a frame that must not be read now."""
    raise RuntimeError("a frame was read while a graph was built")


@pytest.fixture
def unreadable(moon12):
    frames = moon12["frames"]
    never = frames.data.map_blocks(refuse, dtype=frames.dtype, meta=np.empty((0, 0, 0), np.uint8))
    return moon12.assign(frames=frames.copy(data=never))


def test_building_a_phase_reads_no_frame(unreadable, results):
    built = [
        skry.align(unreadable, ALIGN),
        skry.estimate_quality(unreadable, results.alignment),
        skry.track(unreadable, results.alignment, results.quality, POINTS),
        skry.stack(unreadable, *results[:3]),
    ]
    for dataset, name in zip(built, ("offset", "min", "valid", "stack"), strict=True):
        with pytest.raises(RuntimeError, match="a frame was read"):
            dataset[name].compute()


def test_lazy_results_of_earlier_phases_do_as_well(moon12, results):
    alignment = skry.align(moon12, ALIGN)
    quality = skry.estimate_quality(moon12, alignment)
    points = skry.track(moon12, alignment, quality, POINTS)
    xr.testing.assert_identical(
        skry.stack(moon12, alignment, quality, points).compute(), results.stack
    )


# --- truth ---------------------------------------------------------------------------------------


def test_offsets_follow_the_simulated_drift(simulated, results):
    # Relative to the reference, which is displaced by its own air.
    error = results.alignment["offset"].to_numpy() - simulated["offset"].to_numpy()
    error -= error.mean(axis=0)
    assert np.sqrt((error**2).mean()) < 1.5


def test_the_stack_is_sharper_than_a_plain_mean_and_less_noisy_than_a_frame(simulated, results):
    y, x = results.stack["y"].to_numpy(), results.stack["x"].to_numpy()
    stack = results.stack["stack"].to_numpy()

    def detail(image):
        return np.abs(image - ndimage.gaussian_filter(image, 2))[8:-8, 8:-8].mean()

    frames = simulated["frames"].to_numpy()[:, y[0] : y[-1] + 1, x[0] : x[-1] + 1] / 255
    assert detail(stack) > 1.1 * detail(frames.mean(axis=0))
    assert stack.min() >= 0
    assert stack.max() < 1.05


@pytest.mark.parametrize("bits", [12, 16])
def test_deep_captures_give_the_same_picture(simulated, results, bits):
    factor = 2 ** (bits - 8)
    frames = simulated["frames"].to_numpy().astype(np.uint16) * factor
    deep = process(capture_of(frames, bits=bits))
    # Blocks are searched at half resolution first and without their local mean, which are rounded
    # to the depth.
    offset = results.alignment["offset"]
    np.testing.assert_allclose(deep.alignment["offset"], offset, rtol=0, atol=0.05)
    expected = results.stack["stack"] * (255 * factor / (2**bits - 1))
    assert float(np.abs(deep.stack["stack"] - expected).mean()) < 1e-3


def test_quality_is_highest_where_the_air_was_calm():
    light = texture(96, 128)
    frames = [expose(ndimage.gaussian_filter(light, s), seed=i) for i, s in enumerate((2, 0.5, 1))]
    quality = process(capture_of(frames)).quality
    order = np.argsort(quality["frame_quality"].to_numpy())
    np.testing.assert_array_equal(order, [0, 2, 1])
    assert (quality["best_frame"] == 1).all()
    np.testing.assert_array_equal(quality["max"], quality["area_quality"].max("frame"))
    np.testing.assert_array_equal(quality["min"], quality["area_quality"].min("frame"))
    np.testing.assert_allclose(quality["mean"], quality["area_quality"].mean("frame"), rtol=1e-6)


def test_a_planet_is_followed_by_its_centre_of_brightness():
    options = skry.SimulateOptions(
        frames=6, height=128, width=160, drift=(20, -30), warp=0.4, seed=4
    )
    planet = skry.simulate("planet", options).compute()
    found = process(
        capture_of(planet["frames"].to_numpy(), bits=8), align=skry.AlignOptions(method="centroid")
    )
    error = found.alignment["offset"].to_numpy() - planet["offset"].to_numpy()
    assert np.abs(error - error.mean(axis=0)).max() < 0.5
    assert found.alignment["active"].all()
    assert found.stack["stack"].notnull().all()


# --- frames that cannot be used ------------------------------------------------------------------


@pytest.fixture(scope="module")
def spoiled(simulated):
    """The Moon with a black frame (3), unrelated noise (6) and a grey one (11)."""
    frames = simulated["frames"].to_numpy().copy()
    frames[3] = 0
    frames[6] = noise_frame(frames[6].shape)
    frames[11] = 120
    return frames


@pytest.fixture(scope="module")
def spoiled_results(spoiled):
    with dask.config.set(scheduler="sync"):
        return process(capture_of(spoiled, bits=8))


BAD, GOOD = [3, 6, 11], [0, 1, 2, 4, 5, 7, 8, 9, 10]


def test_frames_that_cannot_be_aligned_are_inactive_with_a_reason(spoiled_results):
    alignment = spoiled_results.alignment
    np.testing.assert_array_equal(np.flatnonzero(~alignment["active"]), BAD)
    expected = [Reason.NOTHING_TO_SEE, Reason.NOT_RECOGNISED, Reason.NOTHING_TO_SEE]
    np.testing.assert_array_equal(alignment["reason"][BAD], expected)
    assert (alignment["reason"][GOOD] == Reason.ACTIVE).all()
    meanings = alignment["reason"].attrs["flag_meanings"].split()
    values = alignment["reason"].attrs["flag_values"]
    assert dict(zip(values, meanings, strict=True))[Reason.NOTHING_TO_SEE] == "nothing_to_see"
    assert (alignment["confidence"][BAD] < ALIGN.min_confidence).all()
    np.testing.assert_allclose(alignment["brightness"][[3, 11]], [0, 120 / 255], rtol=1e-6)


def test_inactive_frames_have_no_quality_and_no_displacement(spoiled_results):
    areas = spoiled_results.quality["area_quality"].to_numpy()
    frames = spoiled_results.quality["frame_quality"].to_numpy()
    moved = spoiled_results.points["displacement"].to_numpy()
    for values in (areas, frames, moved):
        assert np.isnan(values[BAD]).all()
        assert np.isfinite(values[GOOD]).all()
    assert not spoiled_results.points["valid"][BAD].any()
    assert not np.isin(spoiled_results.quality["best_frame"], BAD).any()


def test_inactive_frames_are_never_stacked(spoiled_results):
    assert (spoiled_results.stack["fragments"][BAD] == 0).all()
    assert spoiled_results.stack["count"].max() <= len(GOOD)


@pytest.mark.parametrize("criterion", [{"percent": 100}, {"number": 12}, {"min_quality": 0.0}])
def test_all_active_frames_are_stacked_when_everything_is_asked_for(
    spoiled, spoiled_results, criterion
):
    capture = capture_of(spoiled, bits=8)
    stack = skry.stack(capture, *spoiled_results[:3], skry.StackOptions(**criterion)).compute()
    assert (stack["count"] == len(GOOD)).all()
    assert (stack["fragments"][BAD] == 0).all()
    assert (stack["fragments"][GOOD] > 0).all()


def test_bad_frames_change_nothing_but_their_own_entries(spoiled, spoiled_results):
    # The bits are those of a capture that never had the bad frames, and so is the region.
    without = process(capture_of(spoiled, bits=8).isel(frame=GOOD))
    for phase, clean in zip(spoiled_results, without, strict=True):
        xr.testing.assert_equal(phase.isel(frame=GOOD), clean)


@pytest.mark.parametrize("points", [((40, 60), (41, 60), (40, 61), (60, 80), (61, 81), (62, 82))])
def test_points_a_pixel_apart_do_not_let_inactive_frames_in(spoiled, spoiled_results, points):
    # Triangles so small that they hold no pixel have no quality.
    capture = capture_of(spoiled, bits=8)
    alignment, quality, *_ = spoiled_results
    options = skry.TrackOptions(points=points, block_size=24, search_radius=12)
    found = skry.track(capture, alignment, quality, options).compute()
    everything = skry.StackOptions(percent=100)
    stack = skry.stack(capture, alignment, quality, found, everything).compute()
    assert (stack["fragments"][BAD] == 0).all()
    assert (stack["count"] == len(GOOD)).all()


def test_a_bad_first_frame_does_not_spoil_a_short_capture(simulated):
    frames = simulated["frames"].to_numpy().copy()
    frames[0] = 0
    alignment = skry.align(capture_of(frames), ALIGN).compute()
    np.testing.assert_array_equal(np.flatnonzero(~alignment["active"]), [0])
    assert int(alignment["reference"]) != 0


def test_noise_in_place_of_a_key_frame_does_not_become_the_reference(simulated, monkeypatch):
    monkeypatch.setattr(align_module, "MAX_SPACING", 2)
    frames = simulated["frames"].to_numpy().copy()
    frames[4] = noise_frame(frames[4].shape)
    alignment = skry.align(capture_of(frames), ALIGN).compute()
    np.testing.assert_array_equal(np.flatnonzero(~alignment["active"]), [4])


@pytest.mark.parametrize("n_frames", [1, 2, 15, 16, 63, 64, 200, 5000])
def test_key_frames_lie_evenly_from_the_first_on_and_near_every_frame(n_frames):
    numbers = key_frame_indices(n_frames)
    assert numbers[0] == 0
    assert len(numbers) >= min(n_frames, 16)
    assert len(set(np.diff(numbers))) <= 1
    assert np.diff([*numbers, n_frames]).max() <= align_module.MAX_SPACING


def test_the_reference_has_most_detail_of_those_that_show_what_others_show():
    scene, other = (texture(80, 100, seed).astype(np.float32) for seed in (1, 2))
    noise = noise_frame((80, 100)).astype(np.float32)
    surveys = [
        Survey(scene, 5.0),
        Survey(noise, 90.0),
        Survey(np.roll(scene, (7, 9), axis=(0, 1)), 6.0),
        Survey(other, 50.0),
        Survey(scene, 0.0),
        Survey(scene, 4.0),
    ]
    assert choose_reference(surveys, np.arange(0, 60, 10)) == 20
    assert choose_reference(surveys[4:5], np.array([3])) == 3
    assert choose_reference(surveys[3:4], np.array([3])) == 3


def test_a_planet_cut_by_the_border_is_inactive_and_does_not_shrink_the_region():
    y, x = np.indices((96, 128))
    centres = [(48, 64), (50, 60), (5, 64), (47, 66)]
    frames = [expose(0.8 * (np.hypot(y - a, x - b) < 20)) for a, b in centres]
    alignment = skry.align(capture_of(frames), skry.AlignOptions(method="centroid")).compute()
    reasons = [Reason.ACTIVE, Reason.ACTIVE, Reason.CUT_BY_BORDER, Reason.ACTIVE]
    np.testing.assert_array_equal(alignment["reason"], reasons)
    quality = skry.estimate_quality(capture_of(frames), alignment)
    assert quality.sizes["y"] >= 92
    assert quality.sizes["x"] >= 121


def test_a_capture_of_which_no_frame_can_be_used_is_refused_with_counts_and_remedy():
    frames = np.zeros((4, 80, 100), np.uint8)
    capture = capture_of(frames).assign_attrs(source="night.ser")
    alignment = skry.align(capture, ALIGN)
    with pytest.raises(AlignmentError, match=r"night\.ser: no frame .*4 nothing to see.*--method"):
        skry.estimate_quality(capture, alignment)


def test_active_frames_with_next_to_nothing_in_common_are_refused_with_a_remedy(moon12, results):
    alignment = results.alignment.copy(deep=True)
    alignment["offset"][5] = [0, 200]
    with pytest.raises(AlignmentError, match=r"have only \d+ x \d+ px in common.*--min-overlap"):
        skry.estimate_quality(moon12, alignment)


# --- captures that cannot be used ----------------------------------------------------------------


def test_frames_smaller_than_an_anchor_block_are_refused_with_a_remedy():
    capture = capture_of(np.zeros((2, 40, 60), np.uint8)).assign_attrs(source="tiny.ser")
    with pytest.raises(ReaderError, match=r"tiny\.ser: frames of 60 x 40 px.*--anchor-size"):
        skry.align(capture)
    skry.align(capture, skry.AlignOptions(method="centroid"))


@pytest.mark.parametrize("size", [64, 66])
def test_frames_hardly_larger_than_an_anchor_block_are_aligned_or_refused(size):
    light = texture(size, size + 40)
    capture = capture_of([expose(light, seed=i) for i in range(3)])
    try:
        alignment = skry.align(capture, skry.AlignOptions(anchor_size=64))
    except ReaderError as refusal:
        assert "--anchor-size" in str(refusal)  # noqa: PT017
    else:
        assert alignment["active"].all()


def test_a_capture_without_frames_is_refused():
    capture = capture_of(np.zeros((1, 80, 100), np.uint8)).isel(frame=slice(0))
    with pytest.raises(ReaderError, match="has no frames"):
        skry.align(capture)


@pytest.mark.parametrize(
    ("capture", "message"),
    [
        (xr.Dataset(), r"this one has none: use open_capture"),
        (xr.Dataset({"frames": (("y", "x"), np.zeros((2, 2), "u1"))}), r"\('y', 'x'\)"),
        (xr.Dataset({"frames": (("frame", "y", "x"), np.zeros((1, 2, 2)))}), "float64"),
    ],
)
def test_what_is_no_capture_is_refused(capture, message):
    with pytest.raises(ReaderError, match=message):
        skry.align(capture)


def test_a_reference_that_is_not_in_the_capture_is_refused_with_the_numbers_there_are(moon12):
    with pytest.raises(OptionsError, match=r"reference is 12: .*numbered 0 to 11"):
        skry.align(moon12, skry.AlignOptions(reference=12))


def test_anchors_outside_the_frame_are_refused_with_the_range(moon12):
    with pytest.raises(OptionsError, match=r"anchor \(10, 208\).*y must be below 160, x below 208"):
        skry.align(moon12, skry.AlignOptions(anchors=((5, 5), (10, 208))))


def test_the_reference_asked_for_is_taken(moon12):
    alignment = skry.align(moon12, skry.AlignOptions(anchor_size=32, reference=7)).compute()
    assert int(alignment["reference"]) == 7
    np.testing.assert_allclose(alignment["offset"][7], 0, atol=0.01)


# --- large drifts --------------------------------------------------------------------------------


def drifting(shifts, *, height=96, width=128, seed=3):
    """Cut frames out of a wide sky, so that the scene of the first shows shifted by each."""
    shifts = np.asarray(shifts)
    low, high = shifts.min(axis=0), shifts.max(axis=0)
    sky = texture(height + high[0] - low[0], width + high[1] - low[1], seed)
    corners = high - shifts
    return [expose(sky[y : y + height, x : x + width], seed=i) for i, (y, x) in enumerate(corners)]


@pytest.mark.parametrize("direction", [(0, 1), (1, 0), (1, -1), (-1, 0.5)])
def test_a_drift_of_one_and_a_half_frames_is_followed_by_key_frames(monkeypatch, direction):
    monkeypatch.setattr(align_module, "MAX_SPACING", 5)
    size = np.array([96, 128])
    steps = np.linspace(0, 1.5, 41)[:, None] * size * direction
    shifts = np.rint(steps).astype(int)
    capture = capture_of(drifting(shifts), chunks=8)
    options = skry.AlignOptions(anchor_size=24, min_overlap=0.2)
    alignment = skry.align(capture, options).compute()
    offset = alignment["offset"].to_numpy()
    reference = int(alignment["reference"])
    np.testing.assert_allclose(offset, shifts - shifts[reference], atol=0.3)
    assert (alignment["confidence"] >= options.min_confidence).all()
    assert set(np.unique(alignment["reason"])) == {Reason.ACTIVE, Reason.TOO_LITTLE_OVERLAP}


@pytest.mark.parametrize(
    ("height", "width", "drift"), [(140, 277, (30, 50)), (172, 120, (6, -6)), (100, 190, (3, 8))]
)
def test_small_frames_are_followed_with_anchors_of_the_default_size(height, width, drift):
    # Two or three blocks fit in, and some of them leave the frame.
    options = skry.SimulateOptions(frames=9, height=height, width=width, drift=drift, seed=21)
    moon = skry.simulate("moon", options).compute()
    alignment = skry.align(moon.chunk(frame=4)).compute()
    assert (alignment["reason"] == Reason.ACTIVE).all()
    error = alignment["offset"].to_numpy() - moon["offset"].to_numpy()
    assert np.abs(error - error.mean(axis=0)).max() < 5


def test_min_overlap_leaves_out_the_farthest_frames():
    shifts = [(0, 0), (3, 2), (6, -54), (-2, 1), (1, 30), (0, -3)]
    capture = capture_of(drifting(shifts))

    def active(min_overlap):
        options = skry.AlignOptions(anchor_size=24, min_overlap=min_overlap, reference=0)
        alignment = skry.align(capture, options).compute()
        np.testing.assert_allclose(alignment["offset"], shifts, atol=0.3)
        quality = skry.estimate_quality(capture, alignment)
        assert quality.sizes["y"] * quality.sizes["x"] >= (min_overlap - 0.03) * 96 * 128
        left_out = alignment["reason"].to_numpy()[~alignment["active"].to_numpy()]
        assert (left_out == Reason.TOO_LITTLE_OVERLAP).all()
        return np.flatnonzero(alignment["active"]).tolist()

    assert active(0.2) == [0, 1, 2, 3, 4, 5]
    assert active(0.6) == [0, 1, 3, 4, 5]
    assert active(0.85) == [0, 1, 3, 5]


def test_leaving_out_far_frames_keeps_what_was_inactive_before():
    records = np.zeros(5, RECORD)
    records["x"] = [0, 1, 90, 2, 60]
    records["reason"][2] = Reason.NOT_RECOGNISED
    left = drop_far_frames(records, (100, 100), 0.5)
    reasons = [0, 0, Reason.NOT_RECOGNISED, 0, Reason.TOO_LITTLE_OVERLAP]
    np.testing.assert_array_equal(left["reason"], reasons)
    np.testing.assert_array_equal(left["x"], records["x"])
    assert records["reason"][4] == 0


@pytest.mark.parametrize("min_overlap", [0.01, 0.5, 1.0])
def test_at_least_one_frame_stays(min_overlap):
    records = np.zeros(4, RECORD)
    records["y"] = [0, 30, 60, 90]
    left = drop_far_frames(records, (100, 100), min_overlap)
    assert (left["reason"] == Reason.ACTIVE).any()


# --- points --------------------------------------------------------------------------------------


def test_points_given_by_the_user_are_used_as_they_are(moon12, results):
    points = ((90, 120), (40, 60), (61, 33))
    options = skry.TrackOptions(points=points, block_size=24)
    found = skry.track(moon12, results.alignment, results.quality, options).compute()
    np.testing.assert_array_equal(found["position"], points)
    stack = skry.stack(moon12, results.alignment, results.quality, found).compute()
    assert stack["stack"].notnull().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search_radius": 121}, r"search_radius is 121: it must be from 2 to 120, .* 208 x 120"),
        (
            {"block_size": 128},
            r"block_size is 128: it must be from 8 to 1\d\d, .* has \d+ x 1\d+ px",
        ),
    ],
)
def test_what_is_larger_than_the_frame_is_refused_with_the_range(moon12, results, options, message):
    low = moon12.isel(y=slice(0, 120))
    with pytest.raises(OptionsError, match=message):
        skry.track(low, results.alignment, results.quality, skry.TrackOptions(**options))


def test_points_outside_the_region_are_refused(moon12, results):
    options = skry.TrackOptions(points=((3, 60),))
    with pytest.raises(OptionsError, match=r"point \(3, 60\).*y from "):
        skry.track(moon12, results.alignment, results.quality, options)


@pytest.mark.parametrize("points", [(), ((80, 100),)])
def test_no_points_and_one_point_stack_too(moon12, results, points):
    # No place of this capture has that much structure.
    options = skry.TrackOptions(points=points, structure=4.0)
    found = skry.track(moon12, results.alignment, results.quality, options).compute()
    assert found.sizes["point"] == len(points)
    assert found["displacement"].shape == (12, len(points), 2)
    stack = skry.stack(moon12, results.alignment, results.quality, found).compute()
    assert stack["stack"].notnull().all()
    assert (stack["count"] == 4).all()


def test_displacements_of_a_point_average_to_nothing(results):
    valid = results.points["valid"]
    always = valid.all("frame")
    assert int(always.sum()) >= 10
    mean = results.points["displacement"].mean("frame")[always.to_numpy()]
    assert float(np.abs(mean).max()) < 1e-4


def test_what_is_not_measured_moves_like_its_neighbours():
    # The air bends the first frame, which is the sharpest; in the others something hides a point.
    # It has to follow its neighbours as they move about their mean, not as they differ from the
    # reference image.
    light = texture(180, 210)
    hidden = (90, 130)
    bent = light.copy()
    bent[:, 60:] = ndimage.shift(light, (0.0, -4.0), order=3, mode="nearest")[:, 60:]
    soft = ndimage.gaussian_filter(light, 0.8)
    soft[70:110, 110:150] = 0.5
    capture = capture_of([expose(bent), *(expose(soft, seed=i) for i in range(1, 5))])
    grid = [(y, x) for y in (50, 90, 130) for x in (90, 130, 170)]
    alignment = skry.align(capture, skry.AlignOptions(anchor_size=32, reference=0)).compute()
    quality = skry.estimate_quality(capture, alignment).compute()
    options = skry.TrackOptions(points=grid, block_size=24, search_radius=8)
    points = skry.track(capture, alignment, quality, options).compute()
    lost = grid.index(hidden)
    valid = points["valid"].to_numpy()
    assert not valid[1:, lost].any()
    assert valid[:, [i for i in range(len(grid)) if i != lost]].all()
    moved = points["displacement"].to_numpy()
    expected = np.delete(moved, lost, axis=1).mean(axis=1)
    whole = expected + alignment["offset"].to_numpy()
    whole -= whole.mean(axis=0)
    np.testing.assert_allclose(whole, [(0, -3.2), *[(0, 0.8)] * 4], atol=0.2)
    np.testing.assert_allclose(moved[1:, lost], expected[1:], atol=0.2)


# --- identity ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_identical_frames_stack_to_themselves(dtype):
    frame = expose(texture(128, 160, scale=2.0)).astype(dtype)
    if dtype == np.uint16:
        frame = frame * dtype(257)
    white = np.iinfo(dtype).max
    found = process(capture_of(np.repeat(frame[None], 7, axis=0)))
    assert found.alignment["active"].all()
    np.testing.assert_allclose(found.alignment["offset"], 0, atol=0.01)
    np.testing.assert_allclose(found.points["displacement"], 0, atol=1e-3)
    stack = found.stack.sel(y=slice(24, 104), x=slice(24, 136))["stack"]
    assert stack.size == 81 * 113
    difference = stack * white - frame[24:105, 24:137]
    assert float(np.abs(difference).max()) <= (1 / 64 if dtype == np.uint8 else 257 / 64)


def test_one_frame_is_its_own_stack():
    frame = expose(texture(96, 128, scale=2.0))
    found = process(capture_of([frame]))
    inside = found.stack.sel(y=slice(20, 76), x=slice(20, 108))["stack"] * 255
    np.testing.assert_allclose(inside, frame[20:77, 20:109], atol=1 / 64)


def test_chunks_along_y_and_x_change_nothing(moon12, results):
    cut = moon12.chunk({"frame": 5, "y": 50, "x": 70})
    for ours, theirs in zip(process(cut), results, strict=True):
        xr.testing.assert_identical(ours, theirs)


def test_frames_in_memory_do_as_well(moon12, results):
    for ours, theirs in zip(process(moon12.compute()), results, strict=True):
        xr.testing.assert_identical(ours, theirs)


# --- which fragments are stacked -----------------------------------------------------------------


@pytest.mark.parametrize(("percent", "number"), [(100, 10), (30, 3), (25, 2), (1, 1), (1e-6, 1)])
def test_percent_is_of_the_active_frames_and_takes_one_at_least(percent, number):
    quality = np.random.default_rng(1).random((12, 30))
    quality[[2, 7]] = np.nan
    chosen = select(quality, skry.StackOptions(percent=percent))
    assert chosen.dtype == bool
    assert (chosen.sum(axis=0) == number).all()
    assert not chosen[[2, 7]].any()
    worst = np.where(chosen, quality, np.inf).min(axis=0)
    rest = np.where(chosen, -np.inf, np.nan_to_num(quality, nan=-np.inf)).max(axis=0)
    assert (worst >= rest).all()


@pytest.mark.parametrize(("number", "taken"), [(1, 1), (4, 4), (10, 10), (999, 10)])
def test_number_takes_that_many_frames_where_there_are_so_many(number, taken):
    quality = np.random.default_rng(2).random((12, 30))
    quality[[0, 11]] = np.nan
    chosen = select(quality, skry.StackOptions(number=number))
    assert (chosen.sum(axis=0) == taken).all()


def test_min_quality_lies_between_the_worst_and_the_best_of_each_triangle():
    quality = np.array([[0.0, 10.0], [5.0, 30.0], [10.0, 20.0], [np.nan, np.nan]])

    def frames_of(min_quality):
        chosen = select(quality, skry.StackOptions(min_quality=min_quality))
        return [np.flatnonzero(column).tolist() for column in chosen.T]

    assert frames_of(0.0) == [[0, 1, 2], [0, 1, 2]]
    assert frames_of(0.5) == [[1, 2], [1, 2]]
    assert frames_of(0.6) == [[2], [1]]
    assert frames_of(1.0) == [[2], [1]]


@pytest.mark.parametrize("min_quality", [0.999999, 1.0])
def test_the_best_frame_of_every_triangle_always_meets_min_quality(min_quality):
    # Rounding must not lift the threshold above the best.
    quality = np.random.default_rng(3).lognormal(size=(3, 20000))
    chosen = select(quality, skry.StackOptions(min_quality=min_quality))
    assert chosen.any(axis=0).all()


def test_the_count_is_the_number_of_frames_asked_for(moon12, results):
    for options, count in (({"percent": 50}, 6), ({"number": 5}, 5), ({"percent": 1}, 1)):
        stack = skry.stack(moon12, *results[:3], skry.StackOptions(**options)).compute()
        assert (stack["count"] == count).all()
