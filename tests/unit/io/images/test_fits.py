"""FITS: values, rows, patterns, times and cubes, as the standard and other programs mean them."""

from __future__ import annotations

import contextlib
import gzip
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

from skry_dask.errors import ReaderError
from skry_dask.io.images import gzip_file
from skry_dask.io.images.read import read_image
from skry_dask.io.registry import open_reader
from tests import image_bytes
from tests.image_captures import GREY8, GREY16, RGB16, frames_of, one_frame, refused

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(21)
TOP_DOWN = {"ROWORDER": "TOP-DOWN"}
SIGNED = (GREY16.astype(np.int32) - 32768).astype(np.int16)
IMAGE_EXTENSION = "XTENSION= 'IMAGE   '".ljust(80)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.fits"


# --- values and rows ------------------------------------------------------------------------------


def test_numbers_of_every_kind_have_their_rows_top_first(path: Path) -> None:
    for stored, cards, values in (
        (GREY8, {}, GREY8),
        (SIGNED, {"BZERO": 32768, "BSCALE": 1}, GREY16),
        (SIGNED, {"BZERO": 32768.0}, GREY16),
        (GREY16.view(np.int16) & 0x7FFF, {}, GREY16 & 0x7FFF),
        (GREY16.astype(np.int32), {}, GREY16),
        (GREY16.astype(np.float32), {}, GREY16),
        (GREY16.astype(np.float64) / 65535, {}, GREY16),
        (GREY8, {"BSCALE": 100, "BZERO": 7}, GREY8 * np.uint16(100) + np.uint16(7)),
    ):
        for order in ("TOP-DOWN", "BOTTOM-UP", None):
            extra = {} if order is None else {"ROWORDER": order}
            frame = one_frame(path, image_bytes.fits(stored, {**cards, **extra}))
            expected = values if order == "TOP-DOWN" else values[::-1]
            assert np.array_equal(frame, expected), (stored.dtype, cards, order)
            scale = 65535 if stored.dtype == np.float64 else 1
            theirs = np.rint(astropy_fits.getdata(path) * scale)
            assert np.array_equal(theirs, values), (stored.dtype, cards, order)


def test_three_planes_are_colour(path: Path) -> None:
    planes = np.moveaxis((RGB16.astype(np.int32) - 32768).astype(np.int16), -1, 0)
    planes = np.ascontiguousarray(planes)
    top_down = image_bytes.fits(planes, {"BZERO": 32768, **TOP_DOWN})
    assert np.array_equal(one_frame(path, top_down), RGB16)
    bottom_up = image_bytes.fits(planes, {"BZERO": 32768})
    assert np.array_equal(one_frame(path, bottom_up), RGB16[::-1])


def test_any_other_third_axis_counts_frames(path: Path) -> None:
    for n in (2, 4, 5):
        cube = RNG.integers(0, 256, (n, 6, 7), np.uint8)
        path.write_bytes(image_bytes.fits(cube, TOP_DOWN))
        assert np.array_equal([frame.image for frame in frames_of(path)], cube)


def test_axes_of_length_1_do_not_count(path: Path) -> None:
    content = image_bytes.fits(GREY8[None, None], TOP_DOWN)
    assert np.array_equal(one_frame(path, content), GREY8)


def test_the_first_image_extension_is_read_if_the_primary_unit_has_no_image(path: Path) -> None:
    empty = image_bytes.fits(np.empty((), np.uint8))
    table_data = np.zeros((3, 8), np.uint8)
    table = image_bytes.fits(table_data, {"PCOUNT": 0}, first="XTENSION= 'BINTABLE'".ljust(80))
    image = image_bytes.fits(GREY8, TOP_DOWN, first=IMAGE_EXTENSION)
    assert np.array_equal(one_frame(path, empty + table + image), GREY8)
    path.write_bytes(empty + table)
    assert "no image is in it" in refused(path)


# --- raw colour -----------------------------------------------------------------------------------


def test_the_bayer_pattern_is_that_of_the_image_as_it_is_returned(path: Path) -> None:
    for cards, height, pattern in (
        (TOP_DOWN, 4, "RGGB"),
        (TOP_DOWN, 5, "RGGB"),
        ({"ROWORDER": "BOTTOM-UP"}, 4, "RGGB"),
        ({"ROWORDER": "BOTTOM-UP"}, 5, "RGGB"),
        ({}, 4, "GBRG"),
        ({}, 5, "RGGB"),
        ({**TOP_DOWN, "XBAYROFF": 1}, 4, "GRBG"),
        ({**TOP_DOWN, "YBAYROFF": 1}, 4, "GBRG"),
        ({**TOP_DOWN, "XBAYROFF": 3, "YBAYROFF": 1}, 4, "BGGR"),
        ({**TOP_DOWN, "XBAYROFF": 2, "YBAYROFF": 0}, 4, "RGGB"),
        ({"YBAYROFF": 1}, 4, "RGGB"),
        ({"BAYERPAT": "TRUE"}, 4, None),
    ):
        path.write_bytes(image_bytes.fits(GREY8[:height], {"BAYERPAT": "RGGB", **cards}))
        assert open_reader(path).info.cfa == pattern, (cards, height)
        assert read_image(path).cfa == pattern, (cards, height)


def test_a_pattern_that_cannot_be_developed_is_told(path: Path) -> None:
    for pattern, is_told in (("XTRANS", True), ("GRRGGB", True), ("NONE", False), ("", False)):
        path.write_bytes(image_bytes.fits(GREY8, {"BAYERPAT": pattern}))
        info = open_reader(path).info
        assert info.cfa is None
        assert [f"is {pattern}, which cannot be developed" in found for found in info.problems] == (
            [True] if is_told else []
        )


def test_rows_and_pattern_are_turned_round_together(path: Path) -> None:
    mosaic = np.tile(np.array([[200, 100], [100, 50]], np.uint8), (3, 4))
    for stored, cards in (
        (mosaic, {"ROWORDER": "TOP-DOWN"}),
        (mosaic[::-1], {"ROWORDER": "BOTTOM-UP"}),
        (mosaic, {}),  # without ROWORDER the pattern belongs to the row that is stored first
    ):
        path.write_bytes(image_bytes.fits(stored, {"BAYERPAT": "RGGB", **cards}))
        image = read_image(path)
        row, column = divmod(str(image.cfa).index("R"), 2)
        assert (image.data[row::2, column::2] == 200).all(), cards


# --- times and names ------------------------------------------------------------------------------


def test_frames_have_times_if_all_files_have_them(tmp_path: Path) -> None:
    dates = [f"2026-03-01T20:15:0{k}.25" for k in range(3)]
    for k, date in enumerate(dates):
        cards = {"DATE-OBS": date, "TELESCOP": "C8", **TOP_DOWN}
        (tmp_path / f"{k}.fits").write_bytes(image_bytes.fits(GREY8, cards))
    reader = open_reader(tmp_path)
    expected = np.array(dates, "datetime64[ns]")
    assert reader.info.time is not None
    assert np.array_equal(reader.info.time.astype("datetime64[ns]"), expected)
    assert [frame.time for frame in reader.decode()] == expected.astype(np.int64).tolist()
    assert reader.info.attrs["telescope"] == "C8"
    (tmp_path / "3.fits").write_bytes(image_bytes.fits(GREY8, {"DATE-OBS": "2026-03-01"}))
    reader = open_reader(tmp_path)
    assert reader.info.time is None
    assert {frame.time for frame in reader.decode()} == {None}


def test_impossible_dates_are_no_times(path: Path) -> None:
    for date in ("2026-02-31T00:00:00", "0001-01-01T00:00:00", "yesterday"):
        path.write_bytes(image_bytes.fits(GREY8, {"DATE-OBS": date}))
        assert open_reader(path).info.time is None, date


@pytest.mark.parametrize(
    ("cards", "arcsec"),
    [
        ({"SECPIX": 0.21}, 0.21),
        ({"PIXSCALE": "0.5"}, 0.5),
        ({"CTYPE1": "RA---TAN", "CDELT1": -0.0001}, 0.36),
        ({"CDELT1": 1.0}, None),
        ({"XPIXSZ": 2.9, "FOCALLEN": 4000.0}, 0.14954),
        ({"XPIXSZ": 2.9, "FOCALLEN": "unknown"}, None),
    ],
)
def test_the_pixel_scale_is_what_the_header_says(
    path: Path, cards: dict[str, float | str], arcsec: float | None
) -> None:
    path.write_bytes(image_bytes.fits(GREY8, cards))
    found = open_reader(path).info.attrs.get("pixel_scale")
    assert found == (None if arcsec is None else pytest.approx(arcsec, rel=1e-4))


# --- damage and refusals --------------------------------------------------------------------------


def test_a_cube_that_claims_a_million_frames_has_those_that_are_there(path: Path) -> None:
    cube = RNG.integers(0, 256, (4, 60, 70), np.uint8)
    content = image_bytes.fits(cube, TOP_DOWN).replace(
        b"= " + b"4".rjust(20), b"= 999999".ljust(22)
    )
    path.write_bytes(content[: 2880 + 3 * 4200 + 100])
    *frames, cut = frames_of(path)
    assert np.array_equal([frame.image for frame in frames], cube[:3])
    assert "needs the bytes up to" in str(cut.problem)
    assert "claims 999999 frames; 4 are there" in open_reader(path).info.problems[0]


def test_what_is_no_image_is_refused(path: Path) -> None:
    grey = image_bytes.fits(GREY8)
    for content, words in (
        (image_bytes.fits(np.zeros((2, 3, 4, 5), np.uint8)), "its axes are [5, 4, 3, 2]"),
        (image_bytes.fits(np.zeros(5, np.uint8)), "its axes are [5]"),
        (grey.replace(b" 8", b"12"), "its BITPIX is 12"),
        (grey.replace(b" 13", b"'3'"), "its NAXIS1 is '3'"),
        (image_bytes.fits(GREY8, {"BZERO": "much"}), "its BZERO is 'much'"),
        (grey[:2000], "the header at byte 0 has no end"),
        (image_bytes.fits(np.empty((), np.uint8)), "no image is in it"),
        (grey.replace(b" 13", b"1E9"), "its NAXIS1 is 1000000000.0"),
        (grey.replace(b"  13", b"9**9"), "cannot be read as FITS"),
        (grey.replace(b"       13", b"999999999"), "at most 268435456 px"),
    ):
        path.write_bytes(content)
        assert words in refused(path)


def test_compressed_fits_is_refused_with_a_remedy(path: Path) -> None:
    compressed = astropy_fits.CompImageHDU(GREY16)
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), compressed]).writeto(path)
    assert "unpack it with funpack" in refused(path)


def test_files_packed_by_gzip_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = GREY8.astype(np.int16)
    content = image_bytes.fits(np.stack([grey, grey + 1]), TOP_DOWN)
    for name in ("b.fits.gz", "a.fits.gz"):
        (tmp_path / name).write_bytes(gzip.compress(content))
    (tmp_path / "notes.gz").write_bytes(gzip.compress(b"clear sky"))
    frames = frames_of(tmp_path)
    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    for frame, offset in zip(frames, (0, 1, 0, 1), strict=True):
        assert np.array_equal(frame.image, GREY8.astype(int) + offset)
    packed = gzip.compress(content, 0)
    path = tmp_path / "cut.fits.gz"
    path.write_bytes(packed[: 2880 + grey.nbytes + 100])
    assert "cut off" in open_reader(path).info.problems[0]
    path.write_bytes(gzip.compress(content))
    for place in range(10, len(gzip.compress(content)), 11):
        damaged = bytearray(gzip.compress(content))
        damaged[place] ^= 255
        path.write_bytes(damaged)
        with contextlib.suppress(ReaderError):
            frames_of(path)
    path.write_bytes(gzip.compress(content))
    monkeypatch.setattr(gzip_file, "MEMORY_BEYOND_FILE", 1000)
    assert "unpack it with gunzip" in refused(path)


def test_without_astropy_the_extra_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(image_bytes.fits(GREY8))
    monkeypatch.setitem(sys.modules, "astropy.io", None)
    assert "pip install 'skry_dask[fits]'" in refused(path)
