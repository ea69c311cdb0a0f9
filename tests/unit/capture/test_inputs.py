"""What is named after an input, and which images are one input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from skry_dask.capture.inputs import group_images, sidecar

if TYPE_CHECKING:
    import pytest


def test_the_store_lies_beside_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "2026.11.22 moon"
    folder.mkdir()
    for given, name in (
        ("night/moon.ser", "night/moon.skry"),
        ("night/moon_*.png", "night/moon.skry"),
        (["night/a_01.png", "night/a_02.png"], "night/a_01.skry"),
        ("night/*.png", "night/night.skry"),
        (folder, f"{folder}.skry"),
    ):
        assert sidecar(given) == Path(name)


def test_single_images_are_grouped_and_everything_else_is_not(tmp_path: Path) -> None:
    names = [str(tmp_path / f"{i}.tif") for i in range(3)]
    for name in names:
        tifffile.imwrite(name, np.zeros((8, 9), np.uint8))
    pages = str(tmp_path / "pages.tif")
    tifffile.imwrite(pages, np.zeros((3, 8, 9), np.uint8), photometric="minisblack")
    assert group_images(names) == [names]
    assert group_images(names[:1]) == names[:1]
    assert group_images([*names, pages]) == [*names, pages]
    assert group_images(["a.ser", "b.ser"]) == ["a.ser", "b.ser"]
    # A missing image is told as such, and not taken for another job.
    with_missing = [*names, str(tmp_path / "none.tif")]
    assert group_images(with_missing) == [with_missing]
