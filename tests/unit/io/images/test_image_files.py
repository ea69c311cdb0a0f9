"""Files of a sequence: folders, patterns and lists of images, in the right order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from skry_dask.io.images.image_files import is_pattern
from skry_dask.io.registry import open_reader
from tests.image_captures import GREY8, frames_of, refused

if TYPE_CHECKING:
    import pytest


def write_images(folder: Path, *names: str) -> None:
    """Write images whose value is their number."""
    for k, name in enumerate(names):
        Image.fromarray(np.full((3, 4), k, np.uint8)).save(folder / name, "PNG")


def values(source: object) -> list[int]:
    """Value of each frame."""
    return [int(frame.image[0, 0]) for frame in frames_of(source) if frame.image is not None]


def test_folders_and_patterns_have_natural_order_and_a_list_its_own(tmp_path: Path) -> None:
    write_images(tmp_path, "frame1.png", "Frame2.png", "frame10.png", "frame9.png")
    assert values(tmp_path) == [0, 1, 3, 2]
    reader = open_reader(tmp_path)
    assert reader.path == tmp_path
    names = ["frame1.png", "Frame2.png", "frame9.png", "frame10.png"]
    assert [path.name for path in reader.files] == names
    pattern = tmp_path / "frame1*.png"
    assert values(pattern) == values(os.fspath(pattern)) == [0, 2]
    assert open_reader(pattern).path == tmp_path / "frame1.png"
    listed = [tmp_path / "frame10.png", str(tmp_path / "frame1.png")]
    assert values(listed) == values(tuple(listed)) == [2, 0]
    assert open_reader(listed).path == tmp_path / "frame10.png"
    assert open_reader(listed).files == (tmp_path / "frame10.png", tmp_path / "frame1.png")


def test_a_file_with_wildcards_in_its_name_is_a_file(tmp_path: Path) -> None:
    write_images(tmp_path, "a[1].png", "a1.png")
    assert not is_pattern(tmp_path / "a[1].png")
    assert values(tmp_path / "a[1].png") == [0]
    (tmp_path / "a[1].png").unlink()
    assert is_pattern(tmp_path / "a[1].png")
    assert values(tmp_path / "a[1].png") == [1]


def test_only_visible_image_files_of_a_folder_count(tmp_path: Path) -> None:
    write_images(tmp_path, "1.png", ".hidden.png", "without_suffix")
    (tmp_path / "notes.txt").write_text("BM is how a bitmap begins")
    (tmp_path / "moon.ser").write_bytes(b"LUCAM-RECORDER" + bytes(200))
    (tmp_path / "moon.skry").mkdir()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in open_reader(tmp_path).files] == ["1.png", "without_suffix"]


def test_a_folder_of_several_formats_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path, "1.png", "2.png")
    Image.fromarray(GREY8).save(tmp_path / "3.bmp")
    message = refused(tmp_path)
    assert "images of several formats (1 BMP, 2 PNG); keep one format in it" in message
    assert values(tmp_path / "*.png") == [0, 1]


def test_a_source_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("clouds")
    assert "is a folder without images (1 other files)" in refused(tmp_path)
    assert "no image matches" in refused(tmp_path / "*.png")
    assert "list of images is empty" in refused([])


def test_a_folder_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", denied)
    assert "Permission denied; ask for permission" in refused(tmp_path)
