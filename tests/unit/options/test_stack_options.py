"""What a user can choose of the stack, and how wrong choices are refused."""

import dataclasses
import json

import numpy as np
import pytest

from skry_dask.errors import OptionsError
from skry_dask.options import Interpolation, StackOptions, as_json

NAN = float("nan")


def test_what_is_not_chosen_has_its_default():
    options = StackOptions()
    assert options.interpolation is Interpolation.SHARP_BILINEAR
    assert (options.choose, options.percent) == (None, None)
    assert (options.drizzle, options.drop, options.normalise) == (1.0, None, False)
    drizzled = StackOptions(drizzle=2)
    assert (drizzled.drizzle, drizzled.drop, drizzled.interpolation) == (2.0, 0.7, None)


@pytest.mark.parametrize(
    ("name", "wrong", "choices"),
    [
        ("choose", "triangles", "fragments, frames, weights"),
        ("interpolation", "nearest", "bilinear, sharp-bilinear, cubic, sharp-cubic, lanczos3"),
        ("demosaic", "fine", "malvar, bilinear"),
        ("drizzle", 4, "1, 1.5, 2, 3"),
        ("drizzle", 0.5, "1, 1.5, 2, 3"),
        ("drizzle", NAN, "1, 1.5, 2, 3"),
        ("drizzle", "fine", "1, 1.5, 2, 3"),
    ],
)
def test_unknown_choices_are_refused_with_those_there_are(name, wrong, choices):
    with pytest.raises(OptionsError, match=rf"{name} is {wrong!r}: choose one of {choices}$"):
        StackOptions(**{name: wrong})


@pytest.mark.parametrize("drop", [0.0, 0.09, 1.01, -1.0, NAN])
def test_drops_are_refused_with_name_value_and_range(drop):
    with pytest.raises(OptionsError, match=rf"drop is {drop}: it must be from 0\.1 to 1"):
        StackOptions(drizzle=2, drop=drop)


@pytest.mark.parametrize("drop", [0.1, 0.5, 1.0])
def test_drops_in_their_range_are_kept(drop):
    assert StackOptions(drizzle=1.5, drop=drop).drop == drop


def test_a_drop_without_drizzle_is_refused_with_a_remedy():
    with pytest.raises(OptionsError, match=r"drop is 0\.5 without drizzle: give drizzle 1\.5"):
        StackOptions(drop=0.5)


def test_interpolation_and_drizzle_contradict_each_other():
    for name, value in (("interpolation", "cubic"), ("demosaic", "malvar")):
        with pytest.raises(OptionsError, match=f"{name} {value} and drizzle 3 contradict each"):
            StackOptions(drizzle=3, **{name: value})
    assert StackOptions(drizzle=1, interpolation="cubic").interpolation is Interpolation.CUBIC


def test_normalise_is_true_or_false():
    with pytest.raises(OptionsError, match="normalise is 2: it must be true or false"):
        StackOptions(normalise=2)


def test_no_number_contradicts_how_frames_are_resampled():
    StackOptions(percent=5, choose="frames", drizzle=2, drop=0.3, normalise=True)


@pytest.mark.parametrize(
    "options",
    [
        StackOptions(),
        StackOptions(number=3, choose="frames", normalise=True),
        StackOptions(drizzle=1.5, drop=0.4),
        StackOptions(drizzle=3),
        StackOptions(interpolation="lanczos3"),
        StackOptions(choose="weights", percent=(5, 30)),
    ],
)
def test_options_survive_a_round_trip_through_json(options):
    text = json.dumps(as_json(options))
    assert StackOptions(**json.loads(text)) == options
    assert list(json.loads(text)) == [f.name for f in dataclasses.fields(options)]


def test_several_percentages_are_increasing_numbers_and_one_is_a_number():
    for given, percent in (
        ("5,15, 30", (5.0, 15.0, 30.0)),
        ([30, 5.5, 30], (5.5, 30.0)),
        (np.array([1, 2]), (1.0, 2.0)),
        ("15", 15.0),
        ((20,), 20.0),
        (20, 20),
    ):
        options = StackOptions(percent=given)
        assert options.percent == percent
        several = percent if isinstance(percent, tuple) else ()
        assert options.several == several
        assert [one.percent for one in options.of_each] == (list(several) or [percent])
    for wrong in ("5,x", "", [], [5, None], object(), "0,5", "5,101", [NAN], range(1, 40)):
        with pytest.raises(OptionsError, match=r"^percent is "):
            StackOptions(percent=wrong)


@pytest.mark.parametrize(
    ("given", "without_weights", "with_weights"),
    [
        ({}, ("fragments", 30), ("weights", None)),
        ({"choose": "weights"}, ("weights", None), ("weights", None)),
        ({"choose": "weights", "percent": 20}, ("weights", 20), ("weights", 20)),
        ({"choose": "fragments", "percent": 20}, ("fragments", 20), ("fragments", 20)),
        ({"choose": "fragments"}, ("fragments", 30), ("fragments", 30)),
        ({"choose": "frames"}, ("frames", 30), ("frames", 30)),
        ({"percent": 20}, ("fragments", 20), ("weights", 20)),
        ({"percent": (5, 20)}, ("fragments", (5, 20)), ("weights", (5, 20))),
        ({"number": 3}, ("fragments", None), ("weights", None)),
        ({"min_quality": 0.0}, ("fragments", None), ("weights", None)),
    ],
)
def test_frames_count_by_weight_where_there_are_weights_and_nothing_else_is_chosen(
    given, without_weights, with_weights
):
    for weighted, expected in ((False, without_weights), (True, with_weights)):
        options = StackOptions(**given).settled(weighted=weighted)
        assert (options.choose, options.percent) == expected
        assert StackOptions(**json.loads(json.dumps(as_json(options)))) == options
