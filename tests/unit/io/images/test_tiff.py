"""TIFF: pages of every supported kind are read exactly, others are refused."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile

from skry_dask.errors import ReaderError
from skry_dask.io.images.read import read_image
from skry_dask.io.registry import open_reader
from tests import image_bytes
from tests.image_captures import (
    GREY8,
    GREY16,
    RGB8,
    RGB16,
    frames_of,
    one_frame,
    refused,
    with_alpha,
)

RNG = np.random.default_rng(20)
FLOATS = RNG.random((11, 13, 3), np.float32)
SIGNED = (GREY16.astype(np.int32) - 32768).astype(np.int16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.tif"


def set_tag(content: bytearray, tag: int, value: int, field_type: int = 4) -> None:
    """Change the value of a tag with one value, in a little-endian TIFF."""
    offset = content.index(struct.pack("<HHI", tag, field_type, 1)) + 8
    content[offset : offset + 4] = struct.pack("<I", value)


# --- exact values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_samples_are_read_in_either_byte_order_and_in_planes(path: Path, deflate: bool) -> None:
    for image in (GREY8, GREY16, RGB8, RGB16, FLOATS, FLOATS[..., 0]):
        for order in ("<", ">"):
            for planar in (False, True):
                kind = (image.dtype, image.ndim, order, planar)
                content = image_bytes.tiff([image], order=order, planar=planar, deflate=deflate)
                frame = one_frame(path, content)
                if image.dtype.kind == "f":
                    assert np.array_equal(frame, np.rint(image.astype(np.float64) * 65535)), kind
                else:
                    assert np.array_equal(frame, image), kind
                stored = read_image(path)
                assert np.array_equal(stored.data, image), kind
                assert stored.data.dtype == image.dtype, kind
                white = {"u1": 255, "u2": 65535, "f4": 1}[image.dtype.str[1:]]
                assert stored.full_scale == white, kind
                theirs = tifffile.imread(path)
                theirs = np.moveaxis(theirs, 0, -1) if theirs.shape[0] == 3 else theirs
                assert np.array_equal(theirs, image), kind


def test_transparency_is_left_out(path: Path) -> None:
    for image, photometric in ((GREY16, 1), (RGB8, 2)):
        for planar in (False, True):
            content = image_bytes.tiff([with_alpha(image)], planar=planar, photometric=photometric)
            assert np.array_equal(one_frame(path, content), image), (photometric, planar)


def test_inverted_grey_is_turned_round(path: Path) -> None:
    content = image_bytes.tiff([GREY16], photometric=0)
    assert np.array_equal(one_frame(path, content), 65535 - GREY16)


def test_palettes_are_looked_up(path: Path) -> None:
    colours = RNG.integers(0, 256, (256, 3), np.uint16)
    content = image_bytes.tiff([GREY8], photometric=3, colours=colours * 257)
    assert np.array_equal(one_frame(path, content), colours[GREY8])


def test_single_bits_are_black_and_white(path: Path) -> None:
    bits = RNG.integers(0, 2, (11, 13)).astype(bool)
    tifffile.imwrite(path, bits, photometric="minisblack", metadata=None)
    (frame,) = frames_of(path)
    assert np.array_equal(frame.image, bits * np.uint8(255))


def test_deflate_of_tifffile_is_unpacked(path: Path) -> None:
    tifffile.imwrite(path, GREY16, compression="deflate")
    (frame,) = frames_of(path)
    assert np.array_equal(frame.image, GREY16)


def test_packbits_are_unpacked(path: Path) -> None:
    content = bytearray(image_bytes.tiff([GREY8], rows_per_strip=11))
    plain = GREY8.tobytes()
    runs = [plain[k : k + 128] for k in range(0, len(plain), 128)]
    packed = b"".join(bytes([len(run) - 1]) + run for run in runs)  # literal runs
    set_tag(content, 259, 32773, field_type=3)
    set_tag(content, 273, len(content))
    set_tag(content, 279, len(packed))
    assert np.array_equal(one_frame(path, bytes(content) + packed), GREY8)


def test_other_compressions_take_imagecodecs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skry_dask.io.images.tiff.find_spec", lambda _: None)
    content = bytearray(image_bytes.tiff([GREY8], rows_per_strip=11))
    set_tag(content, 259, 5, field_type=3)
    path.write_bytes(content)
    (frame,) = frames_of(path)
    assert "is compressed with LZW; install the package imagecodecs" in str(frame.problem)


# --- pages ----------------------------------------------------------------------------------------


def test_pages_are_frames(path: Path) -> None:
    pages = RNG.integers(0, 65536, (5, 6, 7), np.uint16)
    path.write_bytes(image_bytes.tiff(list(pages), order=">"))
    assert np.array_equal([frame.image for frame in frames_of(path)], pages)
    assert open_reader(path).info.format == "TIFF sequence"
    with pytest.raises(ReaderError, match="holds 5 images"):
        read_image(path)


def test_previews_are_no_frames(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(GREY16, metadata=None)
        file.write(GREY16[::2, ::2], subfiletype=1, metadata=None)
    (frame,) = frames_of(path)
    assert np.array_equal(frame.image, GREY16)


def test_images_that_only_imagej_finds_are_reported(path: Path) -> None:
    description = "ImageJ=1.11a\nimages=7\nslices=7\n"
    tifffile.imwrite(path, GREY16, description=description, metadata=None)
    (problem,) = open_reader(path).info.problems
    assert "claims to have 7 images in a way that only ImageJ uses" in problem


def test_pages_of_another_size_are_refused(path: Path) -> None:
    path.write_bytes(image_bytes.tiff([GREY8, GREY8, GREY8[:-1]]))
    assert "page 2 of" in refused(path)


def test_a_page_that_cannot_be_decoded_costs_one_frame(path: Path) -> None:
    content = bytearray(image_bytes.tiff([GREY8, GREY8 + 1, GREY8 + 2], deflate=True))
    place = content.index(zlib.compress((GREY8 + 1)[:4].tobytes()))
    content[place + 10 : place + 20] = bytes(10)
    path.write_bytes(content)
    first, broken, last = frames_of(path)
    assert np.array_equal(first.image, GREY8)
    assert broken.image is None
    assert "a.tif cannot be read as TIFF" in str(broken.problem)
    assert np.array_equal(last.image, GREY8 + 2)


# --- damage and refusals --------------------------------------------------------------------------


def test_kinds_that_are_not_supported_are_refused(path: Path) -> None:
    for content, words in (
        (image_bytes.tiff([GREY8.astype(np.complex64).view(np.int64)]), "1 samples of 64 bits"),
        (image_bytes.tiff([RGB8], photometric=1), "3 samples of 8 bits"),
        (image_bytes.tiff([GREY8], photometric=2), "1 samples of 8 bits"),
        (image_bytes.tiff([GREY8])[:8], "no image is in it"),
        (image_bytes.tiff([SIGNED], photometric=0), "is inverted int16 grey"),
        (image_bytes.tiff([FLOATS[:4]])[8:], "is no TIFF, PNG"),
    ):
        path.write_bytes(content)
        assert words in refused(path)


def test_data_that_are_not_in_the_file_are_lost(path: Path) -> None:
    for tag, value, words in (
        (273, 2**31, "the data of page 0 end too early"),
        (279, 100, "143 bytes of page 0 cannot be in 100 bytes"),
    ):
        content = bytearray(image_bytes.tiff([GREY8], rows_per_strip=11))
        set_tag(content, tag, value)
        path.write_bytes(content)
        (frame,) = frames_of(path)
        assert words in str(frame.problem)


def test_a_strip_that_unpacks_to_much_is_refused(path: Path) -> None:
    content = bytearray(image_bytes.tiff([GREY8], deflate=True, rows_per_strip=11))
    packed = zlib.compress(bytes(60_000_000))
    set_tag(content, 273, len(content))
    set_tag(content, 279, len(packed))
    path.write_bytes(content + packed)
    tracemalloc.start()
    (frame,) = frames_of(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "unpacks to more than 143 bytes" in str(frame.problem)
    assert peak < 10_000_000


def test_what_tifffile_logs_is_reported_and_not_printed(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(image_bytes.tiff([GREY8, GREY8]))
    content[-4:] = struct.pack("<I", 2**31)  # the place of a third page, outside the file
    path.write_bytes(content)
    reader = open_reader(path)
    assert reader.info.n_frames == 2
    assert any("a.tif: " in problem for problem in reader.info.problems)
    assert capsys.readouterr() == ("", "")


def test_an_error_of_the_caller_is_not_taken_for_a_damaged_file(path: Path) -> None:
    path.write_bytes(image_bytes.tiff([GREY8, GREY8]))
    frames = open_reader(path).decode()
    next(frames)
    with pytest.raises(KeyError):
        frames.throw(KeyError("of the caller"))


def test_too_little_memory_is_an_error_in_one_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    path.write_bytes(image_bytes.tiff([GREY8]))
    monkeypatch.setattr("skry_dask.io.images.tiff._check_segments", fail)
    with pytest.raises(ReaderError, match="no memory to read"):
        read_image(path)


def test_a_file_is_closed_after_reading(path: Path) -> None:
    path.write_bytes(image_bytes.tiff([GREY8, GREY8]))
    frames = open_reader(path).decode()
    next(frames)
    assert is_open(path)
    frames.close()  # type: ignore[attr-defined]
    assert not is_open(path)


def is_open(path: Path) -> bool:
    return path.resolve() in [Path(file.path) for file in psutil.Process().open_files()]


def test_a_page_without_rows_or_columns_is_refused(path: Path) -> None:
    for tag in (256, 257):
        content = bytearray(image_bytes.tiff([GREY16]))
        set_tag(content, tag, 0)
        path.write_bytes(content)
        for read in (read_image, open_reader):
            with pytest.raises(ReaderError, match=r"page 0 has width .*, height .*; check that"):
                read(path)
