"""Images are complete or not there, on a fixed scale, and say how they were made."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
import tifffile
from astropy.io import fits as astropy_fits
from PIL import Image

from skry_dask.errors import OptionsError, StoreError
from skry_dask.io.images import image_format
from skry_dask.io.images.image_format import ImageKind
from skry_dask.io.images.read import read_image
from skry_dask.io.images.write import image_kind_for, write_image

if TYPE_CHECKING:
    from typing import NoReturn

RAMP = np.linspace(-0.2, 1.3, 60, dtype=np.float32).reshape(6, 10)
COLOUR = np.random.default_rng(5).random((7, 9, 3)).astype(np.float32)
SUFFIXES = {
    "tiff8": ".tif",
    "tiff16": ".tif",
    "tiff32": ".tiff",
    "png8": ".png",
    "png16": ".png",
    "bmp": ".bmp",
    "fits": ".fits",
}
METADATA = {"input": "Mönd.ser", "options": {"percent": 30}, "frames": [1, 2, 3]}


# --- values ---------------------------------------------------------------------------------------


def read_by_others(path: Path, kind: str) -> np.ndarray:
    """Read an image by a library that did not write it, if there is one."""
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


@pytest.mark.parametrize("kind", SUFFIXES)
def test_every_kind_holds_grey_and_colour_on_a_fixed_scale(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a{SUFFIXES[kind]}"
    white = {"tiff8": 255, "tiff16": 65535, "png16": 65535, "png8": 255, "bmp": 255}.get(kind)
    dtype = {None: "f4", 255: "u1", 65535: "u2"}[white]
    for image in (RAMP, COLOUR):
        write_image(path, image, kind=kind, metadata=METADATA)
        expected = image if white is None else np.rint(image.clip(0, 1).astype(np.float64) * white)
        theirs = read_by_others(path, kind)
        assert np.array_equal(theirs, expected)
        assert theirs.dtype.newbyteorder("=") == dtype
        stored = read_image(path)
        assert np.array_equal(stored.data, expected)
        assert stored.data.dtype == dtype
        assert (stored.full_scale, stored.cfa) == (white or 1.0, None)
        assert stored.metadata == METADATA


def test_every_16_bit_value_survives(tmp_path: Path) -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for name in ("a.png", "a.tif"):
        path = tmp_path / name
        write_image(path, values / np.float32(65535), kind=image_kind_for(path), metadata={})
        with Image.open(path) as opened:
            assert np.array_equal(np.asarray(opened), values)


def test_not_a_number_becomes_black_in_16_bits(tmp_path: Path) -> None:
    image = np.array([[np.nan, np.inf, -np.inf, 1.0]], np.float32)
    write_image(tmp_path / "a.tif", image, kind="tiff16", metadata={})
    assert tifffile.imread(tmp_path / "a.tif").tolist() == [[0, 65535, 0, 65535]]


def test_the_narrowest_png_is_complete(tmp_path: Path) -> None:
    for width in (1, 2, 7):
        image = COLOUR[:, :width].astype(np.float64)
        for kind, white in (("png8", 255), ("png16", 65535)):
            write_image(tmp_path / "a.png", image, kind=kind, metadata={})
            theirs = read_by_others(tmp_path / "a.png", kind)
            assert np.array_equal(theirs, np.rint(image * white)), (width, kind)


def test_a_bmp_has_8_bits_of_grey_or_24_of_colour(tmp_path: Path) -> None:
    for image, bits in ((RAMP, 8), (COLOUR, 24)):
        write_image(tmp_path / "a.bmp", image, kind="bmp", metadata={})
        content = (tmp_path / "a.bmp").read_bytes()
        assert content[:2] == b"BM"
        assert int.from_bytes(content[28:30], "little") == bits


# --- metadata -------------------------------------------------------------------------------------


def test_a_tiff_says_how_it_was_made(tmp_path: Path) -> None:
    for image, photometric in ((RAMP, "MINISBLACK"), (COLOUR, "RGB")):
        write_image(tmp_path / "a.tif", image, kind="tiff16", metadata=METADATA)
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            page = file.pages[0]
            assert json.loads(page.description) == METADATA
            assert page.software.startswith("skry_dask")
            assert page.photometric.name == photometric
            assert len(file.pages) == 1


def test_a_png_says_how_it_was_made(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", RAMP, kind="png16", metadata=METADATA | {"path": Path("x")})
    with Image.open(tmp_path / "a.png") as opened:
        assert json.loads(opened.text["Description"]) == METADATA | {"path": "x"}
        assert opened.text["Software"].startswith("skry_dask")


def test_fits_has_the_usual_keywords(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    source = {"telescope": "C 11 Ø\n", "instrument": "ASI" * 40, "gain": 3}
    metadata = {"averaged": {"mean": 119.6}, "source_attributes": source, "blanks": " a " * 99}
    write_image(path, COLOUR, kind="fits", metadata=metadata)
    header = astropy_fits.getheader(path)
    assert (header["BITPIX"], header["NAXIS"], header["NAXIS3"]) == (-32, 3, 3)
    assert header["ROWORDER"] == "TOP-DOWN"
    assert header["STACKCNT"] == 120
    assert header["TELESCOP"] == "C 11 ?"
    assert header["INSTRUME"] == ("ASI" * 40)[:68]
    assert header["SWCREATE"] == header["CREATOR"]
    assert header["CREATOR"].startswith("skry_dask")
    assert not {"DATE", "BZERO", "BSCALE", "OBJECT", "OBSERVER"} & set(header)
    assert len(path.read_bytes()) % 2880 == 0
    assert read_image(path).metadata == metadata
    # Other programs add lines of their own.
    astropy_fits.setval(path, "HISTORY", value="Background extraction")
    assert read_image(path).metadata == metadata


def test_fits_takes_sources_without_names_and_counts(tmp_path: Path) -> None:
    write_image(tmp_path / "a.fits", RAMP, kind="fits", metadata={"source_attributes": None})
    header = astropy_fits.getheader(tmp_path / "a.fits")
    assert not {"STACKCNT", "TELESCOP"} & set(header)
    assert np.array_equal(read_image(tmp_path / "a.fits").data, RAMP)


def test_the_program_is_named_even_if_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> NoReturn:
        raise image_format.PackageNotFoundError(name)

    monkeypatch.setattr(image_format, "version", missing)
    write_image(tmp_path / "a.tif", RAMP, kind="tiff16", metadata={})
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages[0].software == "skry_dask"


# --- kinds and refusals ---------------------------------------------------------------------------


def test_the_suffix_names_the_kind() -> None:
    kinds = {
        "a.tif": "tiff16",
        "a.TIFF": "tiff16",
        "b/a.png": "png16",
        "a.bmp": "bmp",
        "a.FITS": "fits",
        "a.fit": "fits",
    }
    assert {name: image_kind_for(name) for name in kinds} == kinds
    assert set(ImageKind) == set(SUFFIXES)
    for name in ("a.jpg", "a", "a.fz"):
        with pytest.raises(
            OptionsError, match=r"use one of \.tif, \.tiff, \.png, \.bmp, \.dib, \.fits, \.fit, "
        ):
            image_kind_for(name)


def test_a_folder_in_place_of_an_image_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match=r"is a folder: .* --out-dir"):
        image_kind_for(tmp_path)


def test_what_an_image_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    for image, kind, words in (
        (
            RAMP,
            "jpeg",
            r"image kind is 'jpeg'; it must be one of tiff8, tiff16, tiff32, png8, png16",
        ),
        (np.zeros((4, 4, 2), "f4"), "tiff16", r"shape \(4, 4, 2\)"),
        (np.zeros(4, "f4"), "tiff16", r"shape \(4,\)"),
        (np.zeros((0, 4), "f4"), "tiff16", r"shape \(0, 4\)"),
    ):
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


def test_a_full_or_failing_disk_leaves_the_old_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"an older image")
    for number, words in (
        (errno.ENOSPC, "free some space"),
        (errno.EIO, "check the disk"),
        (errno.EROFS, "choose a folder that you can write to"),
    ):

        def fail(_: int, number: int = number) -> NoReturn:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fail)
        for kind in SUFFIXES:
            assert words in not_written(path, kind)
            assert path.read_bytes() == b"an older image"
            assert [found.name for found in tmp_path.iterdir()] == ["a.tif"]


def test_too_little_memory_is_an_error_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr("skry_dask.io.images.write._to_samples", fail)
    assert "no memory" in not_written(tmp_path / "a.tif")


def test_without_astropy_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "astropy.io", None)
    with pytest.raises(StoreError, match=r"pip install 'skry_dask\[fits\]'"):
        write_image(tmp_path / "a.fits", RAMP, kind="fits", metadata={})
    assert list(tmp_path.iterdir()) == []
