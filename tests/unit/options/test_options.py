"""Options: their defaults, and how wrong values are refused."""

import dataclasses
import json
import re

import pytest

from skry_dask.errors import OptionsError, SkryError
from skry_dask.options import (
    AlignMethod,
    AlignOptions,
    CalibrationOptions,
    Canvas,
    Cfa,
    HotPixels,
    Options,
    QualityOptions,
    ReadOptions,
    SelectOptions,
    StackOptions,
    TrackOptions,
    as_json,
    frame_ranges,
)

NAN = float("nan")

RANGES = [
    (ReadOptions, "bits", 1, 16, "from 1 to 16"),
    (AlignOptions, "anchor_size", 16, 128, "from 16 to 128"),
    (AlignOptions, "min_agreement", 0.0, 1.0, "from 0 to 1"),
    (AlignOptions, "min_overlap", 0.01, 1.0, "from 0.01 to 1"),
    (QualityOptions, "detail_scale", 1, 20, "from 1 to 20"),
    (QualityOptions, "area_size", 8, 1000, "from 8 to 1000"),
    (QualityOptions, "blending", 0.0, 2.0, "from 0 to 2"),
    (QualityOptions, "reference_percent", 0.01, 100.0, "from 0.01 to 100"),
    (TrackOptions, "spacing", 8, 1000, "from 8 to 1000"),
    (TrackOptions, "block_size", 8, 128, "from 8 to 128"),
    (TrackOptions, "search_radius", 2, 200, "from 2 to 200"),
    (TrackOptions, "brightness", 0.0, 1.0, "from 0 to 1"),
    (TrackOptions, "structure", 1.0, 4.0, "from 1 to 4"),
    (TrackOptions, "structure_scale", 1, 20, "from 1 to 20"),
    (TrackOptions, "gradient_spread", 0.0, 0.5, "from 0 to 0.5"),
    (StackOptions, "number", 1, 2**31 - 1, "from 1 to "),
    (StackOptions, "min_quality", 0.0, 1.0, "from 0 to 1"),
]


def test_values_outside_their_range_are_refused_with_name_value_and_range():
    for kind, name, low, high, words in RANGES:
        for value in (low, high):
            assert getattr(kind(**{name: value}), name) == value
        step = 2 if isinstance(low, int) else 1e-6
        for value in (low - step, high + step, NAN, float("inf"), float("-inf")):
            message = re.escape(f"{name} is {value!r}: it must be {words}")
            with pytest.raises(OptionsError, match=message):
                kind(**{name: value})


def test_percent_is_above_0_and_at_most_100():
    for value in (0.0, -1.0, 100.1, NAN):
        message = f"percent is {value}: it must be above 0 and at most"
        with pytest.raises(OptionsError, match=message):
            StackOptions(percent=value)
    assert StackOptions(percent=100.0).percent == 100.0
    assert StackOptions(percent=1e-9).percent == 1e-9


def test_blocks_have_even_sides():
    for kind, name in ((AlignOptions, "anchor_size"), (TrackOptions, "block_size")):
        with pytest.raises(OptionsError, match=f"{name} is 33: it must be even, such as 34"):
            kind(**{name: 33})


def test_every_option_with_a_range_is_tested_here():
    tested = {name for _, name, *_ in RANGES} | {"percent", "drizzle"}
    numbers = {
        f.name
        for phase in dataclasses.fields(Options)
        for f in dataclasses.fields(type(phase.default))
        if isinstance(f.default, int | float) and not isinstance(f.default, str | bool)
    }
    assert numbers <= tested


def test_an_unknown_method_is_refused_with_the_choices():
    with pytest.raises(OptionsError, match=r"'comet'.*anchors, centroid"):
        AlignOptions(method="comet")
    assert AlignOptions(method="centroid").method is AlignMethod.CENTROID
    assert AlignOptions(canvas="union").canvas is Canvas.UNION


def test_another_choice_is_refused_with_the_choices():
    for kind, name, value, choices in (
        (ReadOptions, "byte_order", "middle", "little, big"),
        (ReadOptions, "cfa", "RGBG", "RGGB, GRBG, GBRG, BGGR, none"),
        (CalibrationOptions, "hot_pixels", "some", "none, dark, capture"),
    ):
        with pytest.raises(OptionsError, match=f"{name} is '{value}': choose one of {choices}"):
            kind(**{name: value})


def test_hot_pixels_are_those_of_the_dark_if_there_is_one():
    assert CalibrationOptions().hot_pixels is HotPixels.NONE
    assert CalibrationOptions(dark="dark.tif").hot_pixels is HotPixels.DARK
    assert CalibrationOptions(dark="dark.tif", hot_pixels="none").hot_pixels is HotPixels.NONE
    with pytest.raises(OptionsError, match="without a dark: give one, or 'capture'"):
        CalibrationOptions(hot_pixels="dark")


def test_a_pattern_is_read_from_its_name():
    assert ReadOptions(cfa="GBRG").cfa is Cfa.GBRG
    assert as_json(ReadOptions(cfa="GBRG", grey=True)) == {
        "byte_order": None,
        "cfa": "GBRG",
        "bits": None,
        "grey": True,
        "pixel_scale": None,
        "verify": False,
    }


def test_a_region_is_kept_as_text_and_known_as_numbers():
    assert SelectOptions(roi=[1, 2, 30, 40]).roi == "1,2,30,40"
    assert SelectOptions(roi=" 1, 2,30,40").roi_px == (1, 2, 30, 40)
    assert SelectOptions().roi_px is None


def test_frames_are_numbers_and_ranges():
    assert frame_ranges("frames", "5,-3:,:7:2, 8 : 9") == (
        (5, None, 0), (-3, None, 1), (None, 7, 2), (8, 9, 1)
    )  # fmt: skip
    for wrong in ("", ",", "1,,2", "five", "1:2:3:4", "1:2:0", "1:2:-1", "1.5", "1;2"):
        with pytest.raises(OptionsError, match="it must be frame numbers and ranges, such as 17,"):
            SelectOptions(frames=wrong)


def test_a_range_with_a_dash_is_answered_with_the_right_one():
    for wrong, right in (("10-50", "10:51"), ("3, 10 - 50,60-60", "3,10:51,60:61")):
        message = f"exclude is '{wrong}': ranges are start:stop without the stop, such as {right}"
        with pytest.raises(OptionsError) as refused:
            SelectOptions(exclude=wrong)
        assert str(refused.value) == message
        SelectOptions(exclude=right)


def test_positions_are_pairs_of_finite_numbers():
    for kind, name in ((AlignOptions, "anchors"), (TrackOptions, "points")):
        assert getattr(kind(**{name: [[1, 2], (3.5, 4)]}), name) == ((1.0, 2.0), (3.5, 4.0))
        infinite, nowhere = [(1.0, float("inf"))], [(NAN, 1.0)]
        for wrong in ([1, 2], [(1, 2, 3)], [("a", "b")], 5, None, nowhere, infinite):
            with pytest.raises(OptionsError, match=rf"{name} is .*pairs of"):
                kind(**{name: wrong})


# --- the stacking criterion ----------------------------------------------------------------------


def test_two_criteria_contradict_each_other():
    for criteria, named in (
        ({"percent": 20.0, "number": 5}, "percent 20.0 and number 5"),
        ({"percent": 20.0, "min_quality": 0.0}, "percent 20.0 and min_quality 0.0"),
        ({"percent": 1.0, "number": 5, "min_quality": 0.5}, "percent 1.0 and number 5 and min_qu"),
    ):
        with pytest.raises(OptionsError, match=f"{named}.*contradict each other: give one"):
            StackOptions(**criteria)


# --- all phases ----------------------------------------------------------------------------------


def test_flat_options_find_their_phase():
    options = Options.of(method="centroid", area_size=50, spacing=30, number=7)
    assert options.align == AlignOptions(method="centroid")
    assert options.quality == QualityOptions(area_size=50)
    assert options.track == TrackOptions(spacing=30)
    assert options.stack == StackOptions(number=7)
    assert Options.of() == Options()


def test_option_names_belong_to_one_phase_each():
    names = [
        f.name
        for phase in dataclasses.fields(Options)
        for f in dataclasses.fields(type(phase.default))
    ]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"percentage": 20}, "did you mean percent?"),
        ({"zzz": 20}, "there is no such option: there are byte_order, .*min_quality"),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest_or_the_known_ones(given, says):
    with pytest.raises(OptionsError, match=rf"a job has no option {next(iter(given))}: {says}"):
        Options.of(**given)


def test_a_flat_value_out_of_range_is_refused_like_any_other():
    with pytest.raises(OptionsError, match="area_size is 3"):
        Options.of(area_size=3)


def test_wrong_options_are_errors_of_this_package_and_value_errors():
    assert issubclass(OptionsError, SkryError)
    assert issubclass(OptionsError, ValueError)


def test_options_survive_a_round_trip_through_json():
    for options in (
        AlignOptions(method="centroid", reference=3, anchors=((1, 2), (3.25, 4)), min_overlap=0.3),
        QualityOptions(area_size=33, reference_percent=12.5),
        TrackOptions(points=((5, 6.5),), block_size=48),
        StackOptions(),
        StackOptions(min_quality=0.25),
    ):
        text = json.dumps(as_json(options))
        assert type(options)(**json.loads(text)) == options
        assert list(json.loads(text)) == [f.name for f in dataclasses.fields(options)]


def test_options_cannot_be_changed_afterwards():
    for kind in (AlignOptions, QualityOptions, TrackOptions, StackOptions, Options):
        name = dataclasses.fields(kind)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(kind(), name, None)
        with pytest.raises(TypeError):
            kind(0)


def test_each_phase_names_itself():
    for phase in dataclasses.fields(Options):
        assert phase.default.phase == phase.name
        assert phase.default.version >= 1


def test_where_a_whole_number_is_meant_a_fraction_is_refused():
    for kind, name in (
        (AlignOptions, "anchor_size"), (QualityOptions, "area_size"), (TrackOptions, "spacing")
    ):  # fmt: skip
        with pytest.raises(OptionsError, match=rf"{name} is 40\.5: it must be a whole number"):
            kind(**{name: 40.5})
