"""Images are complete or not there, on a fixed scale, and say how they were made."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
import tifffile
from astropy.io import fits as astropy_fits
from PIL import Image

from skry_dask.errors import OptionsError, ReaderError, StoreError
from skry_dask.io.atomic import atomic_write
from skry_dask.io.images import image_format as image_module
from skry_dask.io.images.image_format import ImageKind
from skry_dask.io.images.read import read_image
from skry_dask.io.images.write import image_kind_for, write_image
from tests import image_bytes

if TYPE_CHECKING:
    from typing import NoReturn

RAMP = np.linspace(-0.2, 1.3, 60, dtype=np.float32).reshape(6, 10)
COLOUR = np.random.default_rng(5).random((7, 9, 3)).astype(np.float32)
SUFFIX = {
    "tiff16": ".tif",
    "tiff32": ".tiff",
    "png8": ".png",
    "png16": ".png",
    "bmp": ".bmp",
    "fits": ".fits",
}
METADATA = {"input": "Mönd.ser", "options": {"percent": 30}, "frames": [1, 2, 3]}


def test_a_float_tiff_holds_the_values_as_they_are(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", RAMP, kind="tiff32", metadata=METADATA)
    read = tifffile.imread(tmp_path / "a.tif")
    assert read.dtype == np.float32
    assert np.array_equal(read, RAMP)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_16_bit_images_are_on_a_fixed_scale(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_image(path, RAMP, kind=image_kind_for(path), metadata=METADATA)
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


def read_by_others(path: Path, kind: str) -> np.ndarray:
    """Read an image by a library that did not write it, where there is one."""
    if kind.startswith("tiff"):
        return tifffile.imread(path)
    if kind == "fits":
        data = astropy_fits.getdata(path)
        return np.moveaxis(data, 0, -1) if data.ndim == 3 else data
    if kind == "png16":
        with av.open(str(path), format="png_pipe") as container:
            frame = next(container.decode(video=0))
        return frame.to_ndarray()
    with Image.open(path) as opened:
        return np.asarray(opened)


@pytest.mark.parametrize("image", [RAMP, COLOUR])
@pytest.mark.parametrize("kind", list(SUFFIX))
def test_every_kind_holds_grey_and_colour_on_a_fixed_scale(
    tmp_path: Path, kind: str, image: np.ndarray
) -> None:
    path = tmp_path / f"a{SUFFIX[kind]}"
    write_image(path, image, kind=kind, metadata=METADATA)
    white = {"tiff16": 65535, "png16": 65535, "png8": 255, "bmp": 255}.get(kind)
    expected = image if white is None else np.rint(image.clip(0, 1).astype(np.float64) * white)
    dtype = {None: "f4", 255: "u1", 65535: "u2"}[white]
    read = read_by_others(path, kind)
    assert np.array_equal(read, expected)
    assert read.dtype.newbyteorder("=") == dtype
    stored = read_image(path)
    assert np.array_equal(stored.data, expected)
    assert stored.data.dtype == dtype
    assert (stored.full_scale, stored.cfa) == (white or 1.0, None)
    assert stored.metadata == ({} if kind == "bmp" else METADATA)


@pytest.mark.parametrize("width", [1, 2, 7])
@pytest.mark.parametrize("kind", ["png8", "png16"])
def test_the_narrowest_png_is_whole(tmp_path: Path, kind: str, width: int) -> None:
    image = COLOUR[:, :width].astype(np.float64)
    write_image(tmp_path / "a.png", image, kind=kind, metadata={})
    white = 255 if kind == "png8" else 65535
    assert np.array_equal(read_by_others(tmp_path / "a.png", kind), np.rint(image * white))


def test_a_bmp_has_8_bits_of_grey_or_24_of_colour(tmp_path: Path) -> None:
    for image, bits in ((RAMP, 8), (COLOUR, 24)):
        write_image(tmp_path / "a.bmp", image, kind="bmp", metadata={})
        content = (tmp_path / "a.bmp").read_bytes()
        assert content[:2] == b"BM"
        assert int.from_bytes(content[28:30], "little") == bits


def test_a_tiff_of_colour_says_so(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", COLOUR, kind="tiff16", metadata={})
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages[0].photometric.name == "RGB"


def test_fits_has_the_usual_keywords(tmp_path: Path) -> None:
    source = {"telescope": "C 11 Ø\n", "instrument": "ASI" * 40, "gain": 3}
    metadata = {"active_frames": 120, "source_attributes": source, "blanks": " a " * 99}
    write_image(tmp_path / "a.fits", COLOUR, kind="fits", metadata=metadata)
    header = astropy_fits.getheader(tmp_path / "a.fits")
    assert (header["BITPIX"], header["NAXIS"], header["NAXIS3"]) == (-32, 3, 3)
    assert header["ROWORDER"] == "TOP-DOWN"
    assert header["STACKCNT"] == 120
    assert header["TELESCOP"] == "C 11 ?"
    assert header["INSTRUME"] == ("ASI" * 40)[:68]
    assert header["SWCREATE"] == header["CREATOR"]
    assert header["CREATOR"].startswith("skry_dask")
    assert not {"DATE", "BZERO", "BSCALE", "OBJECT", "OBSERVER"} & set(header)
    assert len((tmp_path / "a.fits").read_bytes()) % 2880 == 0
    assert read_image(tmp_path / "a.fits").metadata == metadata
    # Other programs add lines of their own.
    astropy_fits.setval(tmp_path / "a.fits", "HISTORY", value="Background extraction")
    assert read_image(tmp_path / "a.fits").metadata == metadata


def test_fits_takes_sources_without_names_and_counts(tmp_path: Path) -> None:
    write_image(tmp_path / "a.fits", RAMP, kind="fits", metadata={"source_attributes": None})
    header = astropy_fits.getheader(tmp_path / "a.fits")
    assert not {"STACKCNT", "TELESCOP"} & set(header)
    assert np.array_equal(read_image(tmp_path / "a.fits").data, RAMP)


def test_fits_without_astropy_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "astropy.io", None)
    with pytest.raises(StoreError, match=r"pip install 'skry_dask\[fits\]'"):
        write_image(tmp_path / "a.fits", RAMP, kind="fits", metadata={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "made by hand", "[1, 2]", "[" * 100_000, '{"a": '])
def test_descriptions_of_other_programs_are_no_metadata(tmp_path: Path, text: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RAMP, description=text, metadata=None)
    assert read_image(tmp_path / "a.tif").metadata == {}


def test_the_white_of_an_image_follows_its_numbers(tmp_path: Path) -> None:
    for values, white in [
        (np.array([[0, 1.2]], np.float32), 1.0),
        (np.array([[0, np.nan, np.inf]], np.float32), 1.0),
        (np.array([[0, 4000.0]], np.float64), 65535.0),
        (np.array([[-3, 4000]], np.int16), 65535.0),
        (np.array([[3, 4]], np.uint8), 255.0),
    ]:
        (tmp_path / "a.tif").write_bytes(image_bytes.tiff([values]))
        stored = read_image(tmp_path / "a.tif")
        assert np.array_equal(stored.data, values, equal_nan=values.dtype.kind == "f")
        assert stored.full_scale == white


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(ReaderError, match="is no image of a known format"):
        read_image(tmp_path / "a.png")
    with pytest.raises(ReaderError, match="No such file or directory"):
        read_image(tmp_path / "b.png")


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
    for suffix in SUFFIX.values():
        first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        for path in (first, second):
            write_image(path, RAMP, kind=image_kind_for(path), metadata=METADATA)
        assert first.read_bytes() == second.read_bytes()


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
    names = ("a.tif", "a.TIFF", "b/a.png", "a.bmp", "a.FITS", "a.fit")
    assert [image_kind_for(name) for name in names] == [
        *("tiff16", "tiff16", "png16", "bmp", "fits", "fits")
    ]
    assert set(ImageKind) == set(SUFFIX)


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.fz"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(
        OptionsError, match=r"use one of \.tif, \.tiff, \.png, \.bmp, \.dib, \.fits, \.fit, \.fts"
    ):
        image_kind_for(name)


@pytest.mark.parametrize(
    ("image", "kind", "words"),
    [
        (RAMP, "jpeg", r"image kind is 'jpeg'; it must be one of tiff16, tiff32, png8, png16"),
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
@pytest.mark.parametrize("kind", list(SUFFIX))
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

    monkeypatch.setattr("skry_dask.io.images.write._to_samples", fail)
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
