"""Which frames of a capture are used, and which region of interest."""

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


def selected(**options):
    """Numbers of the frames that are selected and not excluded."""
    chosen = skry.select(capture(), SelectOptions(**options))
    if "excluded" in chosen:
        chosen = chosen.isel(frame=~chosen["excluded"].values)
    return chosen["frame"].values.tolist()


def test_frames_are_named_by_numbers_and_ranges():
    for text, expected in (
        ("2:5", [2, 3, 4]),
        ("7:", [7, 8, 9]),
        (":2", [0, 1]),
        ("::4", [0, 4, 8]),
        ("-2:", [8, 9]),
        (":-8", [0, 1]),
        ("8:900", [8, 9]),
        ("3", [3]),
        ("1,8:,3", [1, 3, 8, 9]),
    ):
        assert selected(frames=text) == expected
        assert sorted(expected + selected(exclude=text)) == list(range(10))


def test_frames_have_the_numbers_of_the_file():
    gaps = capture([3, 5, 6, 20])
    chosen = skry.select(gaps, SelectOptions(frames="5:21", exclude="6"))
    assert chosen["frame"].values.tolist() == [5, 6, 20]
    assert chosen["frames"][:, 0, 0].values.tolist() == [5, 6, 20]


def test_excluded_frames_stay_in_the_capture_and_are_marked():
    chosen = skry.select(capture(), SelectOptions(frames="3:7", exclude="0:5"))
    assert chosen["excluded"].values.tolist() == [True, True, False, False]
    for options in (SelectOptions(frames="3:7"), SelectOptions(frames="3:7", exclude="1")):
        assert "excluded" not in skry.select(capture(), options)


def test_anything_but_a_list_of_frames_is_refused():
    for text in ("", "a", "1:2:3:4", "1:2:0", "1;2", "1.5", ","):
        with pytest.raises(OptionsError, match="must be frame numbers and ranges, such as"):
            SelectOptions(exclude=text)


def test_a_list_is_split_into_single_numbers_and_ranges():
    assert frame_ranges("frames", "5,-3:,:7:2") == ((5, None, 0), (-3, None, 1), (None, 7, 2))


def test_a_frame_that_the_capture_does_not_have_is_refused():
    for text in ("17", "3,17", "12:14"):
        with pytest.raises(OptionsError, match=r"names frame 1\d: the capture has frames 0 to 9"):
            selected(exclude=text)
    with pytest.raises(OptionsError, match="frames 3 to 6, but not this one"):
        skry.select(capture([3, 6]), SelectOptions(exclude="4"))


def test_a_selection_without_any_frame_is_refused():
    with pytest.raises(OptionsError, match=r"no frame of moon.ser is left .* numbered 0 to 9"):
        selected(exclude="0:")


def test_active_flags_are_zeros_and_ones_however_they_are_separated(tmp_path):
    path = tmp_path / "flags.txt"
    for text in (
        "1 0 0 0 1 1 0 0 0 1\n",
        "1\n0\n0\n0\n1\n1\n0\n0\n0\n1\n",
        "1,0,0,0,1,1,0,0,0,1",
        "1000110001",
    ):
        path.write_text(text)
        assert selected(active_flags=path) == [0, 4, 5, 9]


def test_active_flags_come_from_an_exported_table_of_frames(tmp_path):
    path = tmp_path / "moon_frame_quality.csv"
    rows = "".join(f"{i};{a};{q}\n" for i, a, q in [(0, 0, 0.5), (2, 1, 1), (3, -1, 0), (7, 2, 0)])
    table = f'Program 1.0\nQuality of "moon.ser"\n\nFrame;Active frame;Quality\n{rows}'
    # As spreadsheets save it, too.
    for separator, encoding in (";", "utf-8"), (",", "utf-8-sig"), ("\t", "utf-16"):
        path.write_text(table.replace(";", separator), encoding=encoding)
        assert selected(active_flags=path) == [0, 2, 7]


def test_files_that_are_not_the_flags_of_this_capture_are_refused(tmp_path):
    path = tmp_path / "flags.txt"
    no_flags = "flags.txt has no active flags: give 0 or 1"
    for text, words in (
        ("", no_flags),
        ("1 2 0", no_flags),
        ("yes no", no_flags),
        ("Frame;Active frame\na;b\n", no_flags),
        ("1 1 0", "has 3 active flags, the capture has frames 0 to 9"),
        ("1" * 12, "has flags up to frame 11, the capture has frames 0 to 9"),
        ("Frame;Active frame;Quality\n0;0;1\n99;1;0\n", "has rows up to frame 99"),
        (f"Frame;Active frame\n{10**15};1\n", f"has rows up to frame {10**15}"),
    ):
        path.write_text(text)
        with pytest.raises(OptionsError, match=words):
            selected(active_flags=path)


def test_a_missing_file_of_active_flags_is_named(tmp_path):
    with pytest.raises(ReaderError, match=r"cannot read .*none.txt"):
        selected(active_flags=tmp_path / "none.txt")


def test_a_region_of_interest_keeps_its_place_in_the_frame():
    cropped = skry.select(capture(), SelectOptions(roi="3,5,10,8"))
    assert cropped["frames"].shape == (10, 10, 8)
    assert cropped["y"].values.tolist() == list(range(3, 13))
    assert cropped["x"].values.tolist() == list(range(5, 13))
    assert SelectOptions(roi=(3, 5, 10, 8)) == SelectOptions(roi="3,5,10,8")


def test_what_is_not_a_region_of_the_frame_is_refused():
    for roi in ("1,2,3", "-1,0,5,5", "0,0,0,5", "a,b,c,d", (1, 2), 7):
        with pytest.raises(OptionsError, match="must be Y,X,HEIGHT,WIDTH in px"):
            SelectOptions(roi=roi)
    with pytest.raises(OptionsError, match="20 rows and 30 columns, and it ends at row 25"):
        skry.select(capture(), SelectOptions(roi="15,0,10,10"))


def test_equal_selections_have_equal_digests_and_the_whole_capture_keeps_its_own():
    digests = [
        skry.select(capture(), SelectOptions(**options)).attrs["digest"]
        for options in ({"frames": "0:5"}, {"frames": ":-5"}, {"roi": "0,0,5,5"}, {"frames": "1:"})
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    for options in (SelectOptions(frames="0:"), SelectOptions(exclude="3")):
        assert skry.select(capture(), options).attrs["digest"] == "d"
