"""Positions that users write in text files, and those that jobs write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skry_dask.errors import OptionsError, ReaderError
from skry_dask.io.positions import MAX_FILE_BYTES, read_positions, write_positions
from tests.damaged_files import examples

if TYPE_CHECKING:
    from pathlib import Path

TWO = ((120.5, 200.0), (-3.0, 1e3))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "points.csv"


def test_positions_are_read_whatever_the_layout(path: Path) -> None:
    for text in (
        "120.5,200\n-3,1000\n",
        "120.5 200\n-3   1000",
        "120.5\t200\r\n-3\t1000\r\n",
        "\ufeff120.5 ; 200\n\n  -3;1e3  \n\n",
        "# y x, by hand\n120.5, 200  # the crater\n#80, 90\n-3, 1000\n",
        "y,x\n120.5,200\n-3,1000\n",
        "row;column\n120.5;200\n-3;1000\n",
        "# edited\nY (px), X (px)\n120.5, 200\n-3, 1000\n",
        "x y\n200 120.5\n1000 -3\n",
        '"name","x","valid","y"\nPlato,200,0.9,120.5\n,1000,,-3\n',
    ):
        path.write_bytes(text.encode())
        assert read_positions(path) == TWO, text


def test_what_is_no_position_is_refused_with_file_line_value_and_remedy(path: Path) -> None:
    for text, message in (
        ("1,2\n3\n", r"line 2 is '3': it must be y, x in px"),
        ("1,2\n\n# more\n3,4,5\n", r"line 4 is '3 4 5': it must be y, x"),
        ("12O,2\n", r"line 1 is '12O 2'"),
        ("y,x\ny,x\n", r"line 2 is 'y x'"),
        ("1,nan\n", r"line 1 is '1 nan'"),
        ("1 2\ninf 4\n", r"line 2 is 'inf 4'"),
        ("120,5;200,3\n", r"line 1 is '120 5 200 3'"),
        ("y,x,valid\n1,2\n", r"line 2 is '1 2'.*\(3 columns, as the first line names them\)"),
        ("", r"has no positions: give y and x in px on each line"),
        ("# nothing\ny,x\n", r"has no positions"),
        ("1,2\n" + "9" * 500 + "\n", r"line 2 is '9{39}\.\.\.: it must be"),
    ):
        path.write_text(text)
        with pytest.raises(OptionsError, match=rf"points\.csv,? {message}") as caught:
            read_positions(path)
        assert "\n" not in str(caught.value)


def test_files_that_cannot_be_tables_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "no.csv", tmp_path):
        with pytest.raises(ReaderError, match="cannot read"):
            read_positions(path)
    video = tmp_path / "moon.ser"
    with video.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(OptionsError, match=r"moon\.ser is no table of positions"):
        read_positions(video)


coordinates = st.floats(-1e5, 1e5).map(lambda value: round(value, 3) + 0.0)


@examples(50)
@given(st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=9).map(tuple))
def test_what_is_written_is_read_back(
    tmp_path: Path, positions: tuple[tuple[float, float], ...]
) -> None:
    path = tmp_path / "points.csv"
    path.unlink(missing_ok=True)
    write_positions(path, positions, {"valid_fraction": [0.5] * len(positions)})
    assert read_positions(path) == positions
