"""A single image is read with its white, its pattern and its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from skry_dask.errors import ReaderError
from skry_dask.io.images.read import read_image
from tests import image_bytes

if TYPE_CHECKING:
    from pathlib import Path


def test_the_white_of_an_image_follows_from_its_numbers(tmp_path: Path) -> None:
    for values, white in (
        (np.array([[0, 1.2]], np.float32), 1.0),
        (np.array([[0, np.nan, np.inf]], np.float32), 1.0),
        (np.array([[0, 4000.0]], np.float64), 65535.0),
        (np.array([[-3, 4000]], np.int16), 65535.0),
        (np.array([[3, 4]], np.uint8), 255.0),
    ):
        (tmp_path / "a.tif").write_bytes(image_bytes.tiff([values]))
        stored = read_image(tmp_path / "a.tif")
        assert np.array_equal(stored.data, values, equal_nan=values.dtype.kind == "f")
        assert stored.full_scale == white


def test_descriptions_of_other_programs_are_no_metadata(tmp_path: Path) -> None:
    image = np.zeros((3, 4), np.float32)
    for text in ("", "made by hand", "[1, 2]", "[" * 100_000, '{"a": '):
        tifffile.imwrite(tmp_path / "a.tif", image, description=text, metadata=None)
        assert read_image(tmp_path / "a.tif").metadata == {}


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(ReaderError, match="is no TIFF, PNG, BMP, FITS or JPEG image"):
        read_image(tmp_path / "a.png")
    with pytest.raises(ReaderError, match="No such file or directory"):
        read_image(tmp_path / "b.png")
