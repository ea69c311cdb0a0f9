"""What all four phases have in common: documented results, laziness, identity, any chunks."""

from __future__ import annotations

import inspect
import json
import re

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

import skry_dask as skry
from skry_dask.geometry.canvas import overlap_region
from tests.phase_results import ALIGN, TRACK, Results, run_phases
from tests.small_captures import capture_of, expose, texture

pytestmark = pytest.mark.usefixtures("one_thread")

DOCUMENTED = {
    "alignment": {
        "offset": (("frame", "axis"), np.float64, "px"),
        "confidence": (("frame",), np.float32, "1"),
        "agreement": (("frame",), np.float32, "1"),
        "active": (("frame",), np.bool_, "1"),
        "reason": (("frame",), np.uint8, "1"),
        "across_only": (("frame",), np.bool_, "1"),
        "tear": (("frame",), np.float32, "px"),
        "brightness": (("frame",), np.float32, "1"),
        "likeness": (("frame", "block"), np.int8, "percent"),
        "light": (("frame",), np.float32, "1"),
        "difference": (("frame", "value", "cell"), np.int8, "1"),
        "foreground": (("frame", "byte"), np.uint8, "1"),
        "reference": ((), np.int64, "1"),
        "union": ((), np.bool_, "1"),
    },
    "quality": {
        "area_quality": (("frame", "area"), np.float32, "1"),
        "blended_quality": (("frame", "area"), np.float32, "1"),
        "frame_quality": (("frame",), np.float32, "1"),
        "measured": (("frame", "measurement", "area"), np.float32, "1"),
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
        "measured": (("frame", "point", "axis"), np.int16, "1"),
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


def build_phases(capture, results):
    """Build the graph of each phase from computed results of the phases before."""
    return Results(
        skry.align(capture, ALIGN),
        skry.estimate_quality(capture, results.alignment),
        skry.track(capture, results.alignment, results.quality, TRACK),
        skry.stack(capture, *results[:3]),
    )


# --- results -------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", DOCUMENTED)
def test_variables_have_the_documented_dims_types_and_units(moon12, results, phase):
    computed = getattr(results, phase)
    lazy = getattr(build_phases(moon12, results), phase)
    assert set(computed.data_vars) == set(DOCUMENTED[phase])
    for name, (dims, dtype, units) in DOCUMENTED[phase].items():
        for dataset in (computed, lazy):
            variable = dataset[name]
            assert variable.dims == dims
            assert variable.dtype == dtype
            assert variable.attrs["units"] == units
            assert variable.attrs["long_name"]
        assert computed[name].shape == lazy[name].shape


def test_results_carry_their_phase_options_and_coordinates(results):
    for dataset, phase in zip(results, ("align", "quality", "track", "stack"), strict=True):
        assert dataset.attrs["phase"] == phase
        assert dataset.attrs["version"] >= 1
        assert json.loads(json.dumps(dataset.attrs["options"]))
        np.testing.assert_array_equal(dataset["frame"], np.arange(12))
        if "axis" in dataset.dims:
            assert dataset["axis"].values.tolist() == ["y", "x"]


def test_images_lie_on_the_region_seen_in_every_frame(results):
    active = results.alignment["active"].to_numpy()
    region = overlap_region(results.alignment["offset"].to_numpy(), active, 160, 208)
    for dataset in (results.quality, results.stack):
        np.testing.assert_array_equal(dataset["y"], region.y_coords)
        np.testing.assert_array_equal(dataset["x"], region.x_coords)


def test_frame_numbers_of_a_cut_capture_are_kept(moon12):
    later = run_phases(moon12.isel(frame=slice(4, None)))
    np.testing.assert_array_equal(later.stack["frame"], np.arange(4, 12))
    assert int(later.alignment["reference"]) in range(4, 12)
    assert later.quality["best_frame"].min() >= 4


def test_bad_frames_change_nothing_but_their_own_entries(spoiled, spoiled_results, good):
    # The bits are those of a capture that never had the bad frames, and so is the region.
    without = run_phases(spoiled.isel(frame=good))
    for phase, clean in zip(spoiled_results, without, strict=True):
        xr.testing.assert_equal(phase.isel(frame=good), clean)


# --- laziness ------------------------------------------------------------------------------------


def refuse(block):
    """Stand in for a frame that must not be read now."""
    raise RuntimeError("a frame was read while a graph was built")


def test_building_a_phase_reads_no_frame(moon12, results):
    frames = moon12["frames"]
    never = frames.data.map_blocks(refuse, dtype=frames.dtype, meta=np.empty((0, 0, 0), np.uint8))
    unreadable = moon12.assign(frames=frames.copy(data=never))
    built = build_phases(unreadable, results)
    for dataset, name in zip(built, ("offset", "min", "valid", "stack"), strict=True):
        with pytest.raises(RuntimeError, match="a frame was read"):
            dataset[name].compute()


def test_phases_accept_lazy_results_of_earlier_phases(moon12, results):
    alignment = skry.align(moon12, ALIGN)
    quality = skry.estimate_quality(moon12, alignment)
    points = skry.track(moon12, alignment, quality, TRACK)
    stack = skry.stack(moon12, alignment, quality, points).compute()
    xr.testing.assert_identical(stack, results.stack)


# --- chunks, depth and memory --------------------------------------------------------------------


def test_chunks_along_y_and_x_change_nothing(moon12, results):
    cut = moon12.chunk({"frame": 5, "y": 50, "x": 70})
    for ours, theirs in zip(run_phases(cut), results, strict=True):
        xr.testing.assert_identical(ours, theirs)


def test_frames_in_memory_give_the_same_results(moon12, results):
    for ours, theirs in zip(run_phases(moon12.compute()), results, strict=True):
        xr.testing.assert_identical(ours, theirs)


@pytest.mark.parametrize("bits", [12, 16])
def test_deep_captures_give_the_same_picture(simulated, results, bits):
    factor = 2 ** (bits - 8)
    frames = simulated["frames"].to_numpy().astype(np.uint16) * factor
    deep = run_phases(capture_of(frames, bits=bits))
    # Blocks are searched at half resolution first and without their local mean, which are rounded
    # to the depth.
    offset = results.alignment["offset"]
    np.testing.assert_allclose(deep.alignment["offset"], offset, rtol=0, atol=0.05)
    expected = results.stack["stack"] * (255 * factor / (2**bits - 1))
    assert float(np.abs(deep.stack["stack"] - expected).mean()) < 1e-3


# --- the stack as a whole ------------------------------------------------------------------------


def test_the_stack_is_sharper_than_a_plain_mean(simulated, results):
    y, x = results.stack["y"].to_numpy(), results.stack["x"].to_numpy()
    stack = results.stack["stack"].to_numpy()

    def detail(image):
        return np.abs(image - ndimage.gaussian_filter(image, 2))[8:-8, 8:-8].mean()

    frames = simulated["frames"].to_numpy()[:, y[0] : y[-1] + 1, x[0] : x[-1] + 1] / 255
    assert detail(stack) > 1.1 * detail(frames.mean(axis=0))
    assert stack.min() >= 0
    assert stack.max() < 1.05


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_identical_frames_stack_to_themselves(dtype):
    frame = expose(texture(128, 160, scale=2.0)).astype(dtype)
    if dtype == np.uint16:
        frame = frame * dtype(257)
    white = np.iinfo(dtype).max
    found = run_phases(capture_of(np.repeat(frame[None], 7, axis=0)))
    assert found.alignment["active"].all()
    np.testing.assert_allclose(found.alignment["offset"], 0, atol=0.01)
    np.testing.assert_allclose(found.points["displacement"], 0, atol=1e-3)
    stack = found.stack.sel(y=slice(24, 104), x=slice(24, 136))["stack"]
    assert stack.size == 81 * 113
    difference = stack * white - frame[24:105, 24:137]
    assert float(np.abs(difference).max()) <= (1 / 64 if dtype == np.uint8 else 257 / 64)


def test_one_frame_is_its_own_stack():
    frame = expose(texture(96, 128, scale=2.0))
    found = run_phases(capture_of([frame]))
    inside = found.stack.sel(y=slice(20, 76), x=slice(20, 108))["stack"] * 255
    np.testing.assert_allclose(inside, frame[20:77, 20:109], atol=1 / 64)


# --- docstrings ----------------------------------------------------------------------------------

OF_RESULT = r"((?:``\w+``,? ?(?:and )?)+) ?(\w+)? \(([^)]*)\)"
"""What docstrings say of variables: names, type and dims."""


def test_docstrings_name_every_variable_with_its_type_and_dims(moon12, results):
    made = {
        "align": results.alignment,
        "choose_reference": skry.choose_reference(moon12, ALIGN),
        "estimate_quality": results.quality,
        "track": results.points,
        "stack": skry.stack(moon12, *results[:3], halves=True),
        "partial_stacks": skry.partial_stacks(moon12, *results[:3], numbers=[1], halves=True),
    }
    wrong = []
    for phase, dataset in made.items():
        text = inspect.getdoc(getattr(skry, phase)).partition("Returns")[2].partition("Raises")[0]
        text = " ".join(text.split())
        said = set(re.findall(r"``(\w+)``", text))
        wrong += [f"{phase} {name}: not documented" for name in {*dataset.data_vars} - said]
        for names, dtype, dims in re.findall(OF_RESULT, text):
            for name in set(re.findall(r"``(\w+)``", names)) & set(dataset.data_vars):
                found = dataset[name]
                have = ", ".join(map(str, found.dims))
                if re.sub(r"\[.*?\]", "", dims) not in (have, f"percent, {have}"):
                    wrong.append(f"{phase} {name}: ({dims}), but has ({have})")
                if dtype and dtype != found.dtype.name:
                    wrong.append(f"{phase} {name}: {dtype}, but is {found.dtype}")
    assert not wrong
