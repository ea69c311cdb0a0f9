"""Images are complete or not there, on a fixed scale, and say how they were made."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from skry_dask.errors import OptionsError, StoreError
from skry_dask.io import image as image_module
from skry_dask.io.atomic import atomic_write
from skry_dask.io.image import kind_of, write_image

if TYPE_CHECKING:
    from typing import NoReturn

RAMP = np.linspace(-0.2, 1.3, 60, dtype=np.float32).reshape(6, 10)
METADATA = {"input": "Mönd.ser", "options": {"percent": 30}, "frames": [1, 2, 3]}


def test_a_float_tiff_holds_the_values_as_they_are(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", RAMP, kind="tiff32", metadata=METADATA)
    read = tifffile.imread(tmp_path / "a.tif")
    assert read.dtype == np.float32
    assert np.array_equal(read, RAMP)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_16_bit_images_are_on_a_fixed_scale(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_image(path, RAMP, kind=kind_of(path), metadata=METADATA)
    with Image.open(path) as opened:
        read = np.asarray(opened)
    expected = np.rint(RAMP.clip(0, 1).astype(np.float64) * 65535)
    assert np.array_equal(read, expected)
    assert read.dtype == np.uint16
    assert (read.min(), read.max()) == (0, 65535)


def test_every_16_bit_value_survives(tmp_path: Path) -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    write_image(tmp_path / "a.png", values / np.float32(65535), kind="png16", metadata={})
    with Image.open(tmp_path / "a.png") as opened:
        assert np.array_equal(np.asarray(opened), values)


def test_not_a_number_becomes_black_in_16_bits(tmp_path: Path) -> None:
    image = np.array([[np.nan, np.inf, -np.inf, 1.0]], np.float32)
    write_image(tmp_path / "a.tif", image, kind="tiff16", metadata={})
    assert tifffile.imread(tmp_path / "a.tif").tolist() == [[0, 65535, 0, 65535]]


@pytest.mark.parametrize("kind", ["tiff16", "tiff32"])
def test_colour_is_written_as_tiff(tmp_path: Path, kind: str) -> None:
    image = np.random.default_rng(5).random((4, 5, 3), np.float32)
    write_image(tmp_path / "a.tif", image, kind=kind, metadata={})
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages[0].photometric.name == "RGB"
        scale = 65535 if kind == "tiff16" else 1
        assert np.allclose(file.asarray() / scale, image, atol=1e-5)


def test_a_tiff_says_how_it_was_made(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", RAMP, kind="tiff16", metadata=METADATA)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages[0]
        assert json.loads(page.description) == METADATA
        assert page.software.startswith("skry_dask")
        assert len(file.pages) == 1


def test_a_png_says_how_it_was_made(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", RAMP, kind="png16", metadata=METADATA | {"path": Path("x")})
    with Image.open(tmp_path / "a.png") as opened:
        assert json.loads(opened.text["Description"]) == METADATA | {"path": "x"}
        assert opened.text["Software"].startswith("skry_dask")


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif", "a.png", "b.png"):
        write_image(tmp_path / name, RAMP, kind=kind_of(name), metadata=METADATA)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_software_is_named_even_when_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> NoReturn:
        raise image_module.PackageNotFoundError(name)

    monkeypatch.setattr(image_module, "version", missing)
    write_image(tmp_path / "a.tif", RAMP, kind="tiff16", metadata={})
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages[0].software == "skry_dask"


def test_the_suffix_names_the_kind() -> None:
    assert [kind_of(n) for n in ("a.tif", "a.TIFF", "b/a.png")] == ["tiff16", "tiff16", "png16"]


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.fits"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(OptionsError, match=r"use one of \.tif, \.tiff, \.png"):
        kind_of(name)


@pytest.mark.parametrize(
    ("image", "kind", "words"),
    [
        (RAMP, "jpeg", r"image kind is 'jpeg'; it must be one of tiff16, tiff32, png16"),
        (np.zeros((4, 4, 3), "f4"), "png16", "png16 holds grey images only"),
        (np.zeros((4, 4, 2), "f4"), "tiff16", r"shape \(4, 4, 2\)"),
        (np.zeros(4, "f4"), "tiff16", r"shape \(4,\)"),
        (np.zeros((0, 4), "f4"), "tiff16", r"shape \(0, 4\)"),
    ],
)
def test_what_an_image_file_cannot_hold_is_refused(
    tmp_path: Path, image: np.ndarray, kind: str, words: str
) -> None:
    with pytest.raises(OptionsError, match=words):
        write_image(tmp_path / "a.tif", image, kind=kind, metadata={})
    assert list(tmp_path.iterdir()) == []


def not_written(path: Path, kind: str = "tiff16") -> str:
    with pytest.raises(StoreError) as caught:
        write_image(path, RAMP, kind=kind, metadata={})
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    assert "make the folder first" in not_written(tmp_path / "none" / "a.tif")


def test_a_folder_of_the_same_name_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.tif").mkdir()
    assert "a folder has this name" in not_written(tmp_path / "a.tif")
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EIO, "check the disk"),
        (errno.EROFS, "choose a folder that you can write to"),
    ],
)
@pytest.mark.parametrize("kind", ["tiff16", "png16"])
def test_a_full_or_failing_disk_leaves_the_old_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, number: int, words: str
) -> None:
    def fail(_: int) -> NoReturn:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "a.tif"
    path.write_bytes(b"an older image")
    monkeypatch.setattr(os, "fsync", fail)
    assert words in not_written(path, kind)
    assert path.read_bytes() == b"an older image"
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_a_folder_without_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not by chmod: whoever runs the tests may be root, who may write everywhere.
    class Denied(type(tmp_path)):  # type: ignore[misc]
        def open(self, *_: object) -> NoReturn:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr("skry_dask.io.atomic.Path", Denied)
    assert "choose a folder that you can write to" in not_written(tmp_path / "a.tif")


def test_too_little_memory_is_an_error_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(image_module, "_tiff", fail)
    assert "no memory" in not_written(tmp_path / "a.tif")


def test_an_unfinished_file_has_another_name(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with atomic_write(path) as file:
        file.write(b"half")
        assert not path.exists()
        file.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_file_may_be_read_by_those_the_umask_allows(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "a.bin") as file:
            file.write(b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o640
