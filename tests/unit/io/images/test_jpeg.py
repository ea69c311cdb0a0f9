"""JPEG is read as Pillow decodes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from skry_dask.io.images.jpeg import JpegFormat
from skry_dask.io.registry import open_reader
from tests.image_captures import GREY8, RGB8, frames_of, refused

if TYPE_CHECKING:
    from pathlib import Path


def test_grey_and_colour_are_those_of_pillow(tmp_path: Path) -> None:
    for image in (GREY8, RGB8):
        Image.fromarray(image).save(tmp_path / "a.jpg", quality=95)
        (frame,) = frames_of(tmp_path / "a.jpg")
        with Image.open(tmp_path / "a.jpg") as opened:
            assert np.array_equal(frame.image, np.asarray(opened))


def test_other_colours_are_refused(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4)).save(tmp_path / "a.jpg")
    assert "CMYK, neither grey nor RGB" in refused(tmp_path / "a.jpg")


def test_a_file_cut_off_is_reported_at_opening(tmp_path: Path) -> None:
    for name in ("1", "2"):
        Image.fromarray(GREY8).save(tmp_path / f"{name}.jpg")
    assert open_reader(tmp_path).info.problems == ()
    (tmp_path / "2.jpg").write_bytes((tmp_path / "1.jpg").read_bytes()[:-40])
    assert open_reader(tmp_path).info.problems == ("2.jpg is cut off.",)


def test_jpeg_is_not_written() -> None:
    with pytest.raises(NotImplementedError, match="only read"):
        JpegFormat().encode(GREY8, {})
