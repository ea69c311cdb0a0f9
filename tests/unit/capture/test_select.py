"""Which frames are used, and which part of them."""

import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask.errors import OptionsError, ReaderError
from skry_dask.options import SelectOptions, frame_ranges


def capture(numbers=range(10)):
    numbers = np.array(numbers)
    frames = np.zeros((len(numbers), 20, 30), np.uint8) + numbers[:, None, None].astype(np.uint8)
    coords = {"frame": numbers, "y": np.arange(20), "x": np.arange(30)}
    return xr.Dataset(
        {"frames": (("frame", "y", "x"), frames)}, coords, {"digest": "d", "source": "moon.ser"}
    )


def kept(**options):
    return skry.select(capture(), SelectOptions(**options))["frame"].values.tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2:5", [2, 3, 4]),
        ("7:", [7, 8, 9]),
        (":2", [0, 1]),
        ("::4", [0, 4, 8]),
        ("-2:", [8, 9]),
        (":-8", [0, 1]),
        ("8:900", [8, 9]),
        ("3", [3]),
        ("1,8:,3", [1, 3, 8, 9]),
    ],
)
def test_frames_are_taken_by_numbers_and_ranges(text, expected):
    assert kept(frames=text) == expected
    excluded = kept(exclude=text)
    assert sorted(expected + excluded) == list(range(10))


def test_numbers_are_those_of_the_file_not_places_in_the_capture():
    gaps = capture([3, 5, 6, 20])
    chosen = skry.select(gaps, SelectOptions(frames="5:21", exclude="6"))
    assert chosen["frame"].values.tolist() == [5, 20]
    assert chosen["frames"][:, 0, 0].values.tolist() == [5, 20]


@pytest.mark.parametrize("text", ["", "a", "1:2:3:4", "1:2:0", "1;2", "1.5", ","])
def test_what_is_no_list_of_frames_is_refused(text):
    with pytest.raises(OptionsError, match="must be frame numbers and ranges, such as 17,40:52"):
        SelectOptions(exclude=text)


def test_open_and_single_parts_are_told_apart():
    assert frame_ranges("frames", "5,-3:,:7:2") == ((5, None, 0), (-3, None, 1), (None, 7, 2))


@pytest.mark.parametrize("text", ["17", "3,17", "12:14"])
def test_a_frame_that_the_capture_does_not_have_is_refused(text):
    with pytest.raises(OptionsError, match=r"names frame 1\d: the capture has frames 0 to 9"):
        kept(exclude=text)


def test_a_missing_frame_between_others_is_named():
    with pytest.raises(OptionsError, match="frames 3 to 6, but not this one"):
        skry.select(capture([3, 6]), SelectOptions(exclude="4"))


def test_nothing_left_is_an_error():
    with pytest.raises(OptionsError, match=r"no frame of moon.ser is left .* numbered 0 to 9"):
        kept(exclude="0:")


def test_flags_of_zeros_and_ones_are_active_flags(tmp_path):
    path = tmp_path / "flags.txt"
    for text in (
        "1 0 0 0 1 1 0 0 0 1\n",
        "1\n0\n0\n0\n1\n1\n0\n0\n0\n1\n",
        "1,0,0,0,1,1,0,0,0,1",
        "1000110001",
    ):
        path.write_text(text)
        assert kept(active_flags=path) == [0, 4, 5, 9]


def test_an_exported_table_of_frames_is_active_flags(tmp_path):
    path = tmp_path / "moon_frame_quality.csv"
    rows = "".join(f"{i};{a};{q}\n" for i, a, q in [(0, 0, 0.5), (2, 1, 1), (3, -1, 0), (7, 2, 0)])
    path.write_text(f'Program 1.0\nQuality of "moon.ser"\n\nFrame;Active frame;Quality\n{rows}')
    assert kept(active_flags=path) == [0, 2, 7]


def test_flags_of_a_longer_capture_are_refused(tmp_path):
    path = tmp_path / "flags.txt"
    path.write_text("1" * 12)
    with pytest.raises(OptionsError, match="has flags up to frame 11, the capture has frames 0 to"):
        kept(active_flags=path)
    path.write_text("Frame;Active frame;Quality\n0;0;1\n99;1;0\n")
    with pytest.raises(OptionsError, match="has rows up to frame 99"):
        kept(active_flags=path)


@pytest.mark.parametrize("text", ["", "1 2 0", "yes no", "Frame;Active frame\na;b\n"])
def test_another_file_is_no_active_flags(tmp_path, text):
    path = tmp_path / "flags.txt"
    path.write_text(text)
    with pytest.raises(OptionsError, match=r"flags.txt has no active flags: give 0 or 1"):
        kept(active_flags=path)


def test_flags_for_another_number_of_frames_are_refused(tmp_path):
    path = tmp_path / "flags.txt"
    path.write_text("1 1 0")
    with pytest.raises(OptionsError, match="has 3 active flags, the capture has frames 0 to 9"):
        kept(active_flags=path)


def test_a_missing_file_of_flags_is_named(tmp_path):
    with pytest.raises(ReaderError, match=r"cannot read .*none.txt"):
        kept(active_flags=tmp_path / "none.txt")


def test_a_region_of_interest_keeps_its_place_in_the_frame():
    part = skry.select(capture(), SelectOptions(roi="3,5,10,8"))
    assert part["frames"].shape == (10, 10, 8)
    assert part["y"].values.tolist() == list(range(3, 13))
    assert part["x"].values.tolist() == list(range(5, 13))
    assert SelectOptions(roi=(3, 5, 10, 8)) == SelectOptions(roi="3,5,10,8")


@pytest.mark.parametrize("roi", ["1,2,3", "-1,0,5,5", "0,0,0,5", "a,b,c,d", (1, 2), 7])
def test_what_is_no_region_is_refused(roi):
    with pytest.raises(OptionsError, match="must be Y,X,HEIGHT,WIDTH in px"):
        SelectOptions(roi=roi)


def test_a_region_that_leaves_the_frame_is_refused():
    with pytest.raises(OptionsError, match="20 rows and 30 columns, and it ends at row 25"):
        skry.select(capture(), SelectOptions(roi="15,0,10,10"))


def test_the_digest_tells_selections_apart_and_leaves_the_whole_alone():
    digests = [
        skry.select(capture(), SelectOptions(**options)).attrs["digest"]
        for options in ({"frames": "0:5"}, {"exclude": "5:"}, {"roi": "0,0,5,5"}, {"frames": "1:"})
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    whole = skry.select(capture(), SelectOptions(frames="0:"))
    assert whole.attrs["digest"] == "d"
