"""Options as a dataclass, by name, or both; what they show; what is said about wrong ones."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.errors import OptionsError
from skry_dask.options.given import given_in

if TYPE_CHECKING:
    from pathlib import Path

CASES = [
    (skry.StackOptions(), "StackOptions()"),
    (skry.StackOptions(percent=30), "StackOptions(percent=30)"),
    (skry.StackOptions(choose="frames"), "StackOptions(choose='frames')"),
    (skry.StackOptions(drizzle=2, halves=True), "StackOptions(drizzle=2.0, halves=True)"),
    (skry.StackOptions(number=np.int64(3)), "StackOptions(number=3)"),
    (skry.TrackOptions(points=[(1, 2)]), "TrackOptions(points=((1.0, 2.0),))"),
    (skry.SharpenOptions(method="wavelets"), "SharpenOptions(method='wavelets')"),
    (skry.RotationOptions(derotate="Mars"), "RotationOptions(derotate='mars')"),
    (skry.Options(), "Options()"),
    (
        skry.Options.of(percent=20, spacing=30),
        "Options(track=TrackOptions(spacing=30), stack=StackOptions(percent=20))",
    ),
]


@pytest.mark.parametrize(("options", "shown"), CASES, ids=lambda value: str(value)[:40])
def test_options_show_what_differs_from_the_defaults(options, shown):
    assert repr(options) == str(options) == shown
    assert eval(shown, {name: getattr(skry, name) for name in skry.__all__}) == options
    assert pickle.loads(pickle.dumps(options)) == copy.deepcopy(options) == options


# --- keywords ------------------------------------------------------------------------------------

TAKE_OPTIONS = {
    "adjust_tone": (skry.ToneOptions,),
    "align": (skry.AlignOptions,),
    "animate": (skry.AnimationOptions, skry.Options),
    "as_zarr": (skry.ReadOptions,),
    "calibrate": (skry.CalibrationOptions,),
    "choose_reference": (skry.AlignOptions,),
    "combine": (skry.CombineOptions,),
    "derotate": (skry.RotationOptions,),
    "derotate_images": (skry.DerotateOptions,),
    "estimate_quality": (skry.QualityOptions,),
    "import_capture": (skry.ReadOptions,),
    "make_master": (skry.ReadOptions, skry.SelectOptions),
    "open_capture": (skry.ReadOptions, skry.SelectOptions),
    "partial_stacks": (skry.StackOptions,),
    "refine": (skry.RefineOptions,),
    "run": (skry.Options,),
    "run_many": (skry.Options,),
    "select": (skry.SelectOptions,),
    "sharpen": (skry.SharpenOptions,),
    "simulate": (skry.SimulateOptions,),
    "stack": (skry.StackOptions,),
    "timelapse": (skry.TimelapseOptions, skry.Options),
    "track": (skry.TrackOptions,),
}
"""Functions, and the options that they take by name."""


def arguments_of(name, folder):
    """Arguments by which nothing has to be read before the options are."""
    function = getattr(skry, name)
    needed = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    values = {"output": folder / "a.tif", "store": folder / "a.skry", "sources": ["a.ser"]}
    if name in ("animate", "timelapse"):
        values["output"] = folder / "a.mp4"
    return {argument: values.get(argument, "moon") for argument in needed}


def test_all_functions_with_options_take_them_by_name_too():
    functions = [name for name in skry.__all__ if inspect.isfunction(getattr(skry, name))]
    signatures = {name: str(inspect.signature(getattr(skry, name))) for name in functions}
    found = {name for name, signature in signatures.items() if "Options" in signature}
    assert found | {"run_many"} == set(TAKE_OPTIONS)


@pytest.mark.parametrize("name", TAKE_OPTIONS)
def test_an_unknown_name_is_refused_with_the_nearest(name, tmp_path: Path):
    kind = TAKE_OPTIONS[name][-1]
    known = "percent" if kind is skry.Options else list(inspect.signature(kind).parameters)[-1]
    with pytest.raises(OptionsError, match=f"has no option {known}x: did you mean {known}?"):
        getattr(skry, name)(**arguments_of(name, tmp_path), **{f"{known}x": 1})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (skry.TrackOptions(), "are a TrackOptions: give StackOptions, or single options by name"),
        (skry.Options(), "are an Options, those of a whole job: give options.stack"),
        ({"percent": 20}, r"are a dict: give them by name, as in stack\(..., \*\*options\)"),
        (20, "are an int: give StackOptions"),
    ],
    ids=str,
)
def test_options_of_another_kind_are_refused(wrong, says):
    with pytest.raises(OptionsError, match=f"options of stack {says}"):
        skry.stack(None, None, None, None, wrong)


def test_options_by_name_win_over_the_dataclass_and_what_contradicts_them():
    capture = skry.simulate("moon", skry.SimulateOptions(frames=9, seed=2), frames=3, height=64)
    assert capture["frames"].shape[:2] == (3, 64)
    assert capture.attrs["options"]["seed"] == 2
    before = skry.Options.of(percent=20, spacing=30, drizzle=2, choose="frames")
    for choices, stack in (
        ({"number": 5}, {"number": 5, "choose": "frames", "drizzle": 2}),
        ({"choose": "fragments"}, {"percent": 20, "choose": "fragments", "drizzle": 2}),
        ({"percent": (5, 15)}, {"percent": (5, 15), "choose": "frames", "drizzle": 2}),
        ({"interpolation": "cubic"}, {"percent": 20, "choose": "frames", "interpolation": "cubic"}),
    ):
        after = skry.Options.of(before, **choices)
        assert after.track == before.track
        assert after.stack == skry.StackOptions(**stack)


def test_numbers_of_numpy_are_numbers():
    options = skry.Options.of(percent=np.float32(20), spacing=np.int16(30))
    assert options == skry.Options.of(percent=20, spacing=30)
    assert type(given_in(options.stack)["percent"]) is float


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        (7, "7"),
        ([3, 5], "3,5"),
        (slice(100, 900), "100:900"),
        (slice(None, 900, 2), ":900:2"),
        (range(2, 6), "2:6"),
        ([slice(-20, None), 3], "-20:,3"),
        (np.array([3, 5]), "3,5"),
    ],
    ids=str,
)
def test_frames_are_named_as_python_names_them(frames, text):
    assert skry.SelectOptions(frames=frames).frames == text
