"""Masters made from videos: images that say what they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import skry_dask as skry
from skry_dask.errors import OptionsError, StoreError
from skry_dask.io.raw.ser import write_ser
from skry_dask.pipeline.masters import make_master

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.pipeline.progress import Progress
    from skry_dask.types import AnyArray


def video(path: Path, frames: AnyArray) -> Path:
    n_frames, height, width = frames.shape
    write_ser(path, frames, n_frames=n_frames, height=height, width=width, bits=8)
    return path


@pytest.fixture
def covered(tmp_path: Path) -> Path:
    """A video without light, of which the first frame is lit."""
    frames = np.full((7, 20, 24), 10, np.uint8)
    frames[0] = 200
    return video(tmp_path / "covered.ser", frames)


def test_a_master_dark_is_written_as_float_with_its_making(covered: Path, tmp_path: Path) -> None:
    events: list[Progress] = []
    made = make_master(
        covered,
        tmp_path / "dark.tif",
        selection=skry.SelectOptions(frames="1:"),
        progress=events.append,
    )
    with tifffile.TiffFile(tmp_path / "dark.tif") as file:
        image, about = file.asarray(), json.loads(file.pages[0].description)
    np.testing.assert_array_equal(image, made["master"])
    np.testing.assert_allclose(image, 10 / 255, rtol=1e-6)
    assert image.dtype == np.float32
    assert int(made["n_frames"]) == about["frames"] == 6
    assert (about["image"], about["source"]) == ("master dark", "covered.ser")
    assert events[-1].phase == "dark"
    assert events[-1].done == events[-1].total


def test_a_master_flat_has_its_dark_subtracted(covered: Path, tmp_path: Path) -> None:
    make_master(covered, tmp_path / "dark.tif", selection=skry.SelectOptions(frames="1:"))
    sky = video(tmp_path / "sky.ser", np.full((5, 20, 24), 130, np.uint8))
    made = make_master(sky, tmp_path / "flat.png", flat=True, dark=tmp_path / "dark.tif")
    np.testing.assert_allclose(made["master"], 120 / 255, rtol=1e-5)
    assert made.attrs["problems"] == []


def test_what_cannot_be_written_is_refused_before_frames_are_read(
    covered: Path, tmp_path: Path
) -> None:
    dark = tmp_path / "dark.tif"
    make_master(covered, dark)
    for output, kind, words in (
        (tmp_path / "dark.jpg", OptionsError, "names no image format"),
        (tmp_path / "no" / "dark.tif", StoreError, "create it first"),
        (dark, StoreError, "is read in this job"),
    ):
        with pytest.raises(kind, match=words):
            make_master(covered, output, flat=True, dark=dark)
    with pytest.raises(StoreError, match="is the input"):
        make_master(covered, covered, output_format="tiff32")
