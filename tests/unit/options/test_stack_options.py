"""What a user can choose of the stack, and how wrong choices are refused."""

import dataclasses
import json

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
        StackOptions(choose="weights"),
    ],
)
def test_options_survive_a_round_trip_through_json(options):
    text = json.dumps(as_json(options))
    assert StackOptions(**json.loads(text)) == options
    assert list(json.loads(text)) == [f.name for f in dataclasses.fields(options)]


@pytest.mark.parametrize("criterion", [{"percent": 30}, {"number": 3}, {"min_quality": 0.5}])
def test_weights_and_a_cut_contradict_each_other(criterion):
    (name, value), *_ = criterion.items()
    with pytest.raises(OptionsError, match=f"choose weights and {name} {value} contradict each"):
        StackOptions(choose="weights", **criterion)
    assert StackOptions(choose="weights").percent is None


@pytest.mark.parametrize(
    ("given", "without_weights", "with_weights"),
    [
        ({}, ("fragments", 30), ("weights", None)),
        ({"choose": "weights"}, ("weights", None), ("weights", None)),
        ({"choose": "fragments"}, ("fragments", 30), ("fragments", 30)),
        ({"choose": "frames"}, ("frames", 30), ("frames", 30)),
        ({"percent": 20}, ("fragments", 20), ("fragments", 20)),
        ({"number": 3}, ("fragments", None), ("fragments", None)),
        ({"min_quality": 0.0}, ("fragments", None), ("fragments", None)),
    ],
)
def test_frames_count_by_weight_where_there_are_weights_and_no_other_choice(
    given, without_weights, with_weights
):
    for weighted, expected in ((False, without_weights), (True, with_weights)):
        options = StackOptions(**given).settled(weighted=weighted)
        assert (options.choose, options.percent) == expected
        assert StackOptions(**json.loads(json.dumps(as_json(options)))) == options
