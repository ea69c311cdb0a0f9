"""Phases in the wrong order, or with something else: what is missing is said, and what to call."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

import skry_dask as skry
from skry_dask.errors import OptionsError
from skry_dask.store.results.reading import Results
from tests.phase_results import ALIGN, known_results
from tests.small_captures import capture_of

pytestmark = pytest.mark.usefixtures("one_thread")

CALLS = {
    "key_frames": r"choose_reference\(capture\)",
    "alignment": r"align\(capture\)",
    "quality": r"estimate_quality\(capture, alignment\)",
    "points": r"track\(capture, alignment, quality\)",
    "stacked": r"stack\(capture, alignment, quality, points\)",
}
PHASES = {
    "choose_reference": (),
    "align": ("key_frames",),
    "derotate": ("alignment",),
    "estimate_quality": ("alignment",),
    "track": ("alignment", "quality"),
    "refine": ("alignment", "points", "stacked"),
    "stack": ("alignment", "quality", "points"),
    "partial_stacks": ("alignment", "quality", "points"),
}
ARGUMENTS = [(phase, name) for phase, names in PHASES.items() for name in ("capture", *names)]


@pytest.fixture(scope="module")
def right(moon12, results):
    """Arguments as they ought to be, by name."""
    reference = skry.choose_reference(moon12, ALIGN).compute(scheduler="sync")
    return {
        "capture": moon12.assign_attrs(source="night/moon.ser", digest="abc"),
        "key_frames": reference,
        "alignment": results.alignment,
        "quality": results.quality,
        "points": results.points,
        "stacked": results.stack,
    }


def call(phase, arguments):
    return getattr(skry, phase)(**{name: arguments[name] for name in ("capture", *PHASES[phase])})


WRONG = {
    "a path": lambda _: "moon.ser",
    "another path": lambda _: Path("moon.skry"),
    "None": lambda _: None,
    "a dict": lambda right: dict(right["alignment"].data_vars),
    "an array": lambda right: right["capture"]["frames"].data,
    "a DataArray": lambda right: right["capture"]["frames"],
    "all results": lambda _: Results(Path("moon.skry")),
}
OPTIONAL = {("align", "key_frames"), ("refine", "stacked")}


@pytest.mark.parametrize(
    ("phase", "name", "wrong"),
    [
        (*argument, wrong)
        for argument in ARGUMENTS
        for wrong in WRONG
        if not (wrong == "None" and argument in OPTIONAL)
    ],
)
def test_what_is_no_dataset_is_refused_with_what_to_call(right, phase, name, wrong):
    given = WRONG[wrong](right)
    says = rf"{name} of {phase} is (the path '{re.escape(str(given))}'|None|an? \w+): "
    says += (
        r".*(open_capture|give the Dataset)"
        if name == "capture"
        else rf".*(give what {CALLS[name]} returns|results\[)"
    )
    with pytest.raises(OptionsError, match=says) as caught:
        call(phase, {**right, name: given})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("phase", "name", "given"),
    [(*pair, given) for pair in ARGUMENTS for given in ("capture", *CALLS) if given != pair[1]],
)
def test_the_result_of_another_phase_is_refused_with_what_to_call(right, phase, name, given):
    with pytest.raises(OptionsError, match=rf"{name} of {phase} is a ") as caught:
        call(phase, {**right, name: right[given]})
    message = str(caught.value)
    assert "is a capture" in message or f"phase {right[given].attrs.get('phase')}" in message
    assert re.search(rf"{CALLS.get(name, 'open_capture')} returns$", message)


@pytest.mark.parametrize(("phase", "name"), [pair for pair in ARGUMENTS if pair[1] != "capture"])
def test_results_of_another_capture_are_refused(right, phase, name):
    of_another = right[name].assign_attrs(capture="mars.ser", capture_digest="def")
    says = rf"{name} of {phase} is of another capture, mars.ser, not of moon.ser: give what "
    with pytest.raises(OptionsError, match=says + CALLS[name]):
        call(phase, {**right, name: of_another})
    if "frame" in right[name].dims:
        says = rf"{name} of {phase} is of 11 frames, 0 to 10, the capture has 12 frames, 0 to 11: "
        with pytest.raises(OptionsError, match=says + "give what " + CALLS[name]):
            call(phase, {**right, name: right[name].isel(frame=slice(11))})


def test_results_of_more_frames_name_the_selection_that_fits(right):
    part = {**right, "capture": right["capture"].isel(frame=slice(2, 9))}
    with pytest.raises(OptionsError, match=r'give alignment.sel\(frame=capture\["frame"\]\)'):
        call("estimate_quality", part)
    part["alignment"] = right["alignment"].sel(frame=part["capture"]["frame"])
    assert call("estimate_quality", part).sizes["frame"] == 7


@pytest.mark.parametrize(
    "change",
    [
        {"source": "moved/moon.ser", "digest": "selected"},
        {"source": "other-name.ser"},
        {"digest": "calibrated"},
    ],
    ids=str,
)
def test_a_capture_that_was_moved_selected_or_calibrated_is_the_same(right, change):
    about = {"capture": "moon.ser", "capture_digest": "abc"}
    alignment = right["alignment"].assign_attrs(about)
    assert skry.estimate_quality(right["capture"].assign_attrs(change), alignment)


def test_results_name_the_capture_that_they_are_of(right):
    for capture, name, digest in (
        (right["capture"], "moon.ser", "abc"),
        (skry.simulate("moon", frames=4, height=96, width=128), "simulated moon, seed 1", None),
        (capture_of([right["capture"]["frames"][0].to_numpy()] * 3), None, None),
    ):
        alignment = skry.align(capture)
        assert alignment.attrs.get("capture") == name
        assert alignment.attrs.get("capture_digest") == digest


def test_quality_that_lost_its_attributes_is_refused(right):
    with pytest.raises(OptionsError, match="quality of stack has lost its attributes"):
        call("stack", {**right, "quality": right["quality"].drop_attrs()})


# --- what building a graph computes --------------------------------------------------------------


def test_what_is_computed_while_a_graph_is_built_is_logged(right, caplog):
    lazy = {name: right[name].chunk() for name in CALLS}
    expected = {
        "estimate_quality": "computes offset and active of alignment",
        "track": "computes reference of quality",
        "stack": "computes blended_quality of quality",
        "refine": "computes stack of stacked",
    }
    with caplog.at_level(logging.INFO, "skry_dask"):
        for phase, says in expected.items():
            caplog.clear()
            call(phase, {**right, **{name: value.copy() for name, value in lazy.items()}})
            told = [r.message for r in caplog.records if " which is lazy" in r.message]
            assert any(f"{phase} {says}, which is lazy" in message for message in told)
            caplog.clear()
            call(phase, right)
            assert not [r for r in caplog.records if " which is lazy" in r.message]


def test_results_without_numbers_of_frames_are_taken_as_they_are():
    frames = skry.simulate("moon", frames=3, height=96, width=96)["frames"].to_numpy()
    capture, alignment, quality, points = known_results(frames, [[0, 0], [1, 0], [0, 1]])
    assert skry.stack(capture, alignment, quality, points)
