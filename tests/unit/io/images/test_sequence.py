"""Images are frames: exact values, in order, on one scale, and one bad image costs one frame."""

from __future__ import annotations

import os
import pickle
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from astropy.io import fits as astropy_fits
from PIL import Image

from skry_dask.errors import ReaderError
from skry_dask.io.images.read import read_image
from skry_dask.io.images.sequence import SequenceReader
from skry_dask.io.reader import VideoReader
from skry_dask.io.registry import open_reader
from tests import image_bytes

if TYPE_CHECKING:
    from skry_dask.io.reader import DecodedFrame

RNG = np.random.default_rng(8)
GREY8 = RNG.integers(0, 256, (11, 13), np.uint8)
GREY16 = RNG.integers(0, 65536, (11, 13), np.uint16)
RGB8 = RNG.integers(0, 256, (11, 13, 3), np.uint8)
RGB16 = RNG.integers(0, 65536, (11, 13, 3), np.uint16)


def with_alpha(image: np.ndarray) -> np.ndarray:
    image = image.reshape(*image.shape[:2], -1)
    return np.concatenate([image, np.full_like(image[..., :1], 99)], axis=2)


def frames_of(source: object, **options: bool) -> list[DecodedFrame]:
    reader = open_reader(source, **options)
    assert isinstance(reader, VideoReader)
    frames = list(reader.decode())
    assert [frame.number for frame in frames] == list(range(reader.info.n_frames))
    for frame in frames:
        if frame.image is not None:
            assert frame.image.shape == reader.info.frame_shape
            assert frame.image.dtype == reader.info.dtype
            assert frame.image.flags.c_contiguous
    return frames


def one_frame(tmp_path: Path, name: str, content: bytes, **options: bool) -> np.ndarray:
    (tmp_path / name).write_bytes(content)
    (frame,) = frames_of(tmp_path / name, **options)
    assert frame.problem is None
    return frame.image


def refused(source: object) -> str:
    with pytest.raises(ReaderError) as caught:
        open_reader(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- PNG -------------------------------------------------------------------------------------


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("samples", "kind", "image"),
    [
        (GREY8[..., None], 0, GREY8),
        (RGB8, 2, RGB8),
        (with_alpha(GREY8), 4, GREY8),
        (with_alpha(RGB8), 6, RGB8),
        (GREY16[..., None], 0, GREY16),
        (RGB16, 2, RGB16),
        (with_alpha(GREY16), 4, GREY16),
        (with_alpha(RGB16), 6, RGB16),
    ],
)
def test_png_of_8_and_16_bits_keeps_every_bit(
    tmp_path: Path, samples: np.ndarray, kind: int, image: np.ndarray, interlaced: bool
) -> None:
    content = image_bytes.png(samples, 8 * image.itemsize, kind, interlaced=interlaced)
    assert np.array_equal(one_frame(tmp_path, "a.png", content), image)
    assert np.array_equal(read_image(tmp_path / "a.png").data, image)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_png_of_fewer_bits_is_spread_to_8(tmp_path: Path, depth: int) -> None:
    indices = RNG.integers(0, 2**depth, (7, 9, 1), np.uint8)
    content = image_bytes.png(indices, depth, 0)
    expected = indices[..., 0] * (255 // (2**depth - 1))
    assert np.array_equal(one_frame(tmp_path, "a.png", content), expected)


@pytest.mark.parametrize("depth", [1, 4, 8])
def test_png_palettes_are_looked_up(tmp_path: Path, depth: int) -> None:
    indices = RNG.integers(0, 2**depth, (7, 9, 1), np.uint8)
    colours = RNG.integers(0, 256, (2**depth, 3), np.uint8)
    content = image_bytes.png(indices, depth, 3, palette=colours.tobytes())
    assert np.array_equal(one_frame(tmp_path, "a.png", content), colours[indices[..., 0]])
    greys = np.repeat(colours[:, :1], 3, axis=1)
    content = image_bytes.png(indices, depth, 3, palette=greys.tobytes())
    assert np.array_equal(one_frame(tmp_path, "b.png", content), greys[indices[..., 0], 0])


def test_png_texts_that_unpack_to_much_are_not_unpacked(tmp_path: Path) -> None:
    bomb = b"Comment\0\0" + zlib.compress(bytes(60_000_000))
    profile = b"icc\0\0" + zlib.compress(bytes(60_000_000))
    extra = image_bytes.png_chunk(b"zTXt", bomb) + image_bytes.png_chunk(b"iCCP", profile)
    for image, kind in ((RGB16, 2), (GREY8[..., None], 0)):
        content = image_bytes.png(image, 8 * image.itemsize, kind, extra=extra)
        tracemalloc.start()
        found = one_frame(tmp_path, "a.png", content)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert np.array_equal(found.reshape(image.shape), image)
        assert peak < 3_000_000


def short_png() -> bytes:
    """A PNG of 16 bits whose picture ends early, with every checksum right."""
    header = struct.pack(">IIBBBBB", 13, 11, 16, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(image_bytes.png_chunk(*part) for part in parts)


PNG16 = image_bytes.png(RGB16, 16, 2)
BAD_HEADER = PNG16[:29] + bytes([PNG16[29] ^ 1]) + PNG16[30:]
FLIPPED = bytes([*PNG16[:300], PNG16[300] ^ 255, *PNG16[301:]])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (PNG16[:-20], "it ends too early"),
        (FLIPPED, "checksum of its part"),
        (PNG16[:12] + b"?" + PNG16[13:], "it begins with"),
        (BAD_HEADER, "checksum of its header is wrong"),
        (short_png(), "its picture has 100 of 297 bytes"),
        (image_bytes.png(GREY8[..., None], 8, 0)[:90], "it ends too early"),
    ],
)
def test_a_damaged_png_is_said_to_be(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ReaderError, match=words):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ((20000, 20000, 8, 0, 0, 0, 0), "20000 x 20000 px; at most 268435456"),
        ((9000, 9000, 16, 2, 0, 0, 0), "9000 x 9000 px, which take"),
        ((9000, 9000, 8, 0, 0, 0, 0), "81000000 bytes of picture cannot be packed into"),
        ((0, 5, 8, 0, 0, 0, 0), "width 0, height 5"),
        ((5, 5, 7, 0, 0, 0, 0), "names no known kind"),
        ((5, 5, 16, 3, 0, 0, 0), "names no known kind"),
    ],
)
def test_a_png_header_is_believed_within_reason(
    tmp_path: Path, header: tuple[int, ...], words: str
) -> None:
    head = image_bytes.png_chunk(b"IHDR", struct.pack(">IIBBBBB", *header))
    content = b"\x89PNG\r\n\x1a\n" + head + image_bytes.png_chunk(b"IDAT", zlib.compress(b"ab"))
    (tmp_path / "a.png").write_bytes(content + image_bytes.png_chunk(b"IEND", b""))
    tracemalloc.start()
    assert words in refused(tmp_path / "a.png")
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


# --- BMP and JPEG ----------------------------------------------------------------------------


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("width", [12, 13, 14, 15])
@pytest.mark.parametrize("bits", [24, 32])
def test_colour_bmp_is_read_whatever_its_padding(
    tmp_path: Path, bits: int, width: int, top_down: bool
) -> None:
    image = RNG.integers(0, 256, (5, width, 3), np.uint8)
    content = image_bytes.bmp(image, bits, top_down=top_down)
    assert np.array_equal(one_frame(tmp_path, "a.bmp", content), image)


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_bmp_palettes_are_looked_up(tmp_path: Path, bits: int, top_down: bool) -> None:
    indices = RNG.integers(0, 2**bits, (5, 13), np.uint8)
    colours = RNG.integers(0, 256, (2**bits, 3), np.uint8)
    content = image_bytes.bmp(indices, bits, top_down=top_down, palette=colours)
    assert np.array_equal(one_frame(tmp_path, "a.bmp", content), colours[indices])
    greys = np.repeat(RNG.permutation(256)[: 2**bits].astype(np.uint8)[:, None], 3, axis=1)
    content = image_bytes.bmp(indices, bits, top_down=top_down, palette=greys)
    assert np.array_equal(one_frame(tmp_path, "b.bmp", content), greys[indices, 0])


def test_a_grey_bmp_of_8_bits_is_grey(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    content = image_bytes.bmp(GREY8, 8, palette=ramp)
    assert np.array_equal(one_frame(tmp_path, "a.bmp", content), GREY8)
    with Image.open(tmp_path / "a.bmp") as opened:
        assert np.array_equal(np.asarray(opened), GREY8)


@pytest.mark.parametrize("image", [GREY8, RGB8])
def test_jpeg_is_read_as_pillow_decodes_it(tmp_path: Path, image: np.ndarray) -> None:
    Image.fromarray(image).save(tmp_path / "a.jpg", quality=95)
    (frame,) = frames_of(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as opened:
        assert np.array_equal(frame.image, np.asarray(opened))


def test_other_colours_of_jpeg_are_refused(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4)).save(tmp_path / "a.jpg")
    assert "CMYK, neither grey nor RGB" in refused(tmp_path / "a.jpg")


def test_a_bmp_cut_off_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    path.write_bytes(image_bytes.bmp(RGB8, 24)[:-100])
    assert "its pixels take 440 bytes from 54 on, it has 394" in refused(path)


def test_run_lengths_of_a_bmp_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    runs = bytes([3, 7, 0, 0, 0, 3, 9, 8, 7, 0, 0, 1])
    header = struct.pack("<2sIHHI", b"BM", 1078 + len(runs), 0, 0, 1078)
    header += struct.pack("<IiiHHIIiiII", 40, 3, 2, 1, 8, 1, len(runs), 0, 0, 256, 0)
    path.write_bytes(header + np.repeat(np.arange(256, dtype=np.uint8), 4).tobytes() + runs)
    (frame,) = frames_of(path)
    assert frame.image.tolist() == [[9, 8, 7], [7, 7, 7]]


# --- TIFF ------------------------------------------------------------------------------------

FLOATS = RNG.random((11, 13, 3), np.float32)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("image", [GREY8, GREY16, RGB8, RGB16, FLOATS, FLOATS[..., 0]])
def test_tiff_is_read_in_either_order_in_planes_and_compressed(
    tmp_path: Path, image: np.ndarray, order: str, planar: bool, deflate: bool
) -> None:
    content = image_bytes.tiff([image], order=order, planar=planar, deflate=deflate)
    frame = one_frame(tmp_path, "a.tif", content)
    if image.dtype.kind == "f":
        assert np.array_equal(frame, np.rint(image.astype(np.float64) * 65535))
    else:
        assert np.array_equal(frame, image)
    stored = read_image(tmp_path / "a.tif")
    assert np.array_equal(stored.data, image)
    assert stored.data.dtype == image.dtype
    assert stored.full_scale == {"u1": 255, "u2": 65535, "f4": 1}[image.dtype.str[1:]]
    read = tifffile.imread(tmp_path / "a.tif")
    assert np.array_equal(np.moveaxis(read, 0, -1) if read.shape[0] == 3 else read, image)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("image", [GREY16, RGB8])
def test_transparency_of_tiff_is_dropped(tmp_path: Path, image: np.ndarray, planar: bool) -> None:
    kind = 2 if image.ndim == 3 else 1
    content = image_bytes.tiff([with_alpha(image)], planar=planar, photometric=kind)
    assert np.array_equal(one_frame(tmp_path, "a.tif", content), image)


def test_the_pages_of_a_tiff_are_frames(tmp_path: Path) -> None:
    pages = RNG.integers(0, 65536, (5, 6, 7), np.uint16)
    (tmp_path / "a.tif").write_bytes(image_bytes.tiff(list(pages), order=">"))
    frames = frames_of(tmp_path / "a.tif")
    assert np.array_equal([frame.image for frame in frames], pages)
    assert open_reader(tmp_path / "a.tif").info.format == "TIFF sequence"
    with pytest.raises(ReaderError, match="holds 5 images"):
        read_image(tmp_path / "a.tif")


def test_pages_of_another_size_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(image_bytes.tiff([GREY8, GREY8, GREY8[:-1]]))
    assert "page 2 of" in refused(tmp_path / "a.tif")


def test_a_page_that_cannot_be_decoded_costs_one_frame(tmp_path: Path) -> None:
    content = bytearray(image_bytes.tiff([GREY8, GREY8 + 1, GREY8 + 2], deflate=True))
    place = content.index(zlib.compress((GREY8 + 1)[:4].tobytes()))
    content[place + 10 : place + 20] = bytes(10)
    (tmp_path / "a.tif").write_bytes(content)
    first, broken, last = frames_of(tmp_path / "a.tif")
    assert np.array_equal(first.image, GREY8)
    assert broken.image is None
    assert "a.tif cannot be read as TIFF" in broken.problem
    assert np.array_equal(last.image, GREY8 + 2)


def test_a_tiff_whose_white_is_0_is_turned_round(tmp_path: Path) -> None:
    content = image_bytes.tiff([GREY16], photometric=0)
    assert np.array_equal(one_frame(tmp_path, "a.tif", content), 65535 - GREY16)


def test_tiff_palettes_are_looked_up(tmp_path: Path) -> None:
    colours = RNG.integers(0, 256, (256, 3), np.uint16)
    content = image_bytes.tiff([GREY8], photometric=3, colours=colours * 257)
    assert np.array_equal(one_frame(tmp_path, "a.tif", content), colours[GREY8])


@pytest.mark.parametrize("compression", ["deflate", "packbits", "lzma"])
def test_tiff_compressed_by_tifffile(tmp_path: Path, compression: str) -> None:
    try:
        tifffile.imwrite(tmp_path / "a.tif", GREY16, compression=compression)
    except (ValueError, KeyError):
        # tifffile alone has no encoder for PackBits; literal runs are valid PackBits.
        content = bytearray(image_bytes.tiff([GREY8], rows_per_strip=11))
        start, length = 8, GREY8.size
        packed = b"".join(
            bytes([len(part) - 1]) + part
            for k in range(0, length, 128)
            for part in [bytes(content[start : start + length])[k : k + 128]]
        )
        place = len(content)
        content += packed
        for tag, code, value in ((259, 3, 32773), (273, 4, place), (279, 4, len(packed))):
            at = content.index(struct.pack("<HHI", tag, code, 1)) + 8
            content[at : at + 4] = struct.pack("<I", value)
        (tmp_path / "a.tif").write_bytes(content)
    if compression == "lzma":
        (frame,) = frames_of(tmp_path / "a.tif")
        assert frame.image is not None or "install the package imagecodecs" in frame.problem
        return
    (frame,) = frames_of(tmp_path / "a.tif")
    assert np.array_equal(frame.image, GREY8 if compression == "packbits" else GREY16)


def test_a_tiff_strip_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    content = bytearray(image_bytes.tiff([GREY8], deflate=True, rows_per_strip=11))
    bomb = zlib.compress(bytes(60_000_000))
    place = len(content)
    content += bomb
    for tag, value in ((273, place), (279, len(bomb))):
        at = content.index(struct.pack("<HHI", tag, 4, 1)) + 8
        content[at : at + 4] = struct.pack("<I", value)
    (tmp_path / "a.tif").write_bytes(content)
    tracemalloc.start()
    (frame,) = frames_of(tmp_path / "a.tif")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "unpacks to more than 143 bytes" in frame.problem
    assert peak < 10_000_000


def test_nothing_that_tifffile_logs_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(image_bytes.tiff([GREY8, GREY8]))
    content[-4:] = struct.pack("<I", 2**31)  # the place of a third page, outside the file
    (tmp_path / "a.tif").write_bytes(content)
    reader = open_reader(tmp_path / "a.tif")
    assert reader.info.n_frames == 2
    assert any("a.tif: " in problem for problem in reader.info.problems)
    assert capsys.readouterr() == ("", "")


# --- FITS ------------------------------------------------------------------------------------

TOP_DOWN = {"ROWORDER": "TOP-DOWN"}
SIGNED = (GREY16.astype(np.int32) - 32768).astype(np.int16)


@pytest.mark.parametrize(
    ("stored", "cards", "values"),
    [
        (GREY8, {}, GREY8),
        (SIGNED, {"BZERO": 32768, "BSCALE": 1}, GREY16),
        (SIGNED, {"BZERO": 32768.0}, GREY16),
        (GREY16.view(np.int16) & 0x7FFF, {}, GREY16 & 0x7FFF),
        (GREY16.astype(np.int32), {}, GREY16),
        (GREY16.astype(np.float32), {}, GREY16),
        (GREY16.astype(np.float64) / 65535, {}, GREY16),
        (GREY8, {"BSCALE": 100, "BZERO": 7}, GREY8 * np.uint16(100) + np.uint16(7)),
    ],
)
@pytest.mark.parametrize("order", ["TOP-DOWN", "BOTTOM-UP", None])
def test_fits_numbers_of_every_kind_have_their_rows_top_first(
    tmp_path: Path,
    stored: np.ndarray,
    cards: dict[str, object],
    values: np.ndarray,
    order: str | None,
) -> None:
    extra = {} if order is None else {"ROWORDER": order}
    frame = one_frame(tmp_path, "a.fits", image_bytes.fits(stored, {**cards, **extra}))
    assert np.array_equal(frame, values if order == "TOP-DOWN" else values[::-1])
    read = astropy_fits.getdata(tmp_path / "a.fits")
    scale = 65535 if stored.dtype == np.float64 else 1
    assert np.array_equal(np.rint(read * scale), values)


def test_three_planes_of_fits_are_colour(tmp_path: Path) -> None:
    planes = np.moveaxis((RGB16.astype(np.int32) - 32768).astype(np.int16), -1, 0)
    content = image_bytes.fits(np.ascontiguousarray(planes), {"BZERO": 32768, **TOP_DOWN})
    assert np.array_equal(one_frame(tmp_path, "a.fit", content), RGB16)
    upside_down = image_bytes.fits(np.ascontiguousarray(planes), {"BZERO": 32768})
    assert np.array_equal(one_frame(tmp_path, "b.fit", upside_down), RGB16[::-1])


@pytest.mark.parametrize("n", [2, 4, 5])
def test_another_third_axis_of_fits_counts_frames(tmp_path: Path, n: int) -> None:
    cube = RNG.integers(0, 256, (n, 6, 7), np.uint8)
    (tmp_path / "a.fits").write_bytes(image_bytes.fits(cube, TOP_DOWN))
    assert np.array_equal([frame.image for frame in frames_of(tmp_path / "a.fits")], cube)


def test_axes_of_length_1_do_not_count(tmp_path: Path) -> None:
    content = image_bytes.fits(GREY8[None, None], TOP_DOWN)
    assert np.array_equal(one_frame(tmp_path, "a.fits", content), GREY8)


def test_the_first_image_extension_counts_where_the_primary_has_none(tmp_path: Path) -> None:
    empty = image_bytes.fits(np.empty((), np.uint8))
    table = image_bytes.fits(
        np.zeros((3, 8), np.uint8), {"PCOUNT": 0}, first="XTENSION= 'BINTABLE'".ljust(80)
    )
    image = image_bytes.fits(GREY8, TOP_DOWN, first="XTENSION= 'IMAGE   '".ljust(80))
    assert np.array_equal(one_frame(tmp_path, "a.fits", empty + table + image), GREY8)
    (tmp_path / "b.fits").write_bytes(empty + table)
    assert "no image is in it" in refused(tmp_path / "b.fits")


def test_compressed_fits_is_refused_with_a_remedy(tmp_path: Path) -> None:
    hdu = astropy_fits.CompImageHDU(GREY16)
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits")
    assert "unpack it with funpack" in refused(tmp_path / "a.fits")


@pytest.mark.parametrize(
    ("cards", "height", "pattern"),
    [
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
    ],
)
def test_the_bayer_pattern_is_that_of_the_image_as_it_is_returned(
    tmp_path: Path, cards: dict[str, object], height: int, pattern: str | None
) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(image_bytes.fits(GREY8[:height], {"BAYERPAT": "RGGB", **cards}))
    assert open_reader(path).info.cfa == pattern
    assert read_image(path).cfa == pattern


def test_rows_and_pattern_of_fits_are_turned_round_together(tmp_path: Path) -> None:
    """Red stays red: the same sensor, stored in either order with its ROWORDER."""
    mosaic = np.tile(np.array([[200, 100], [100, 50]], np.uint8), (3, 4))
    for order, stored in (("TOP-DOWN", mosaic), ("BOTTOM-UP", mosaic[::-1])):
        path = tmp_path / f"{order}.fits"
        path.write_bytes(image_bytes.fits(stored, {"BAYERPAT": "RGGB", "ROWORDER": order}))
        image = read_image(path)
        red = divmod(image.cfa.index("R"), 2)
        assert (image.data[red[0] :: 2, red[1] :: 2] == 200).all()
    # Without ROWORDER the pattern belongs to the row that is stored first.
    path.write_bytes(image_bytes.fits(mosaic, {"BAYERPAT": "RGGB"}))
    image = read_image(path)
    red = divmod(image.cfa.index("R"), 2)
    assert (image.data[red[0] :: 2, red[1] :: 2] == 200).all()


def test_times_and_names_come_from_the_header_if_all_have_it(tmp_path: Path) -> None:
    for k in range(3):
        cards = {"DATE-OBS": f"2026-03-01T20:15:0{k}.25", "TELESCOP": "C8", **TOP_DOWN}
        (tmp_path / f"{k}.fits").write_bytes(image_bytes.fits(GREY8, cards))
    reader = open_reader(tmp_path)
    expected = np.array([f"2026-03-01T20:15:0{k}.25" for k in range(3)], "datetime64[ns]")
    assert np.array_equal(reader.info.time.astype("datetime64[ns]"), expected)
    assert [frame.time for frame in reader.decode()] == expected.astype(np.int64).tolist()
    assert reader.info.attrs["telescope"] == "C8"
    (tmp_path / "3.fits").write_bytes(image_bytes.fits(GREY8, {"DATE-OBS": "2026-03-01"}))
    reader = open_reader(tmp_path)
    assert reader.info.time is None
    assert {frame.time for frame in reader.decode()} == {None}


def test_a_fits_file_that_claims_a_million_frames_has_those_that_are_there(tmp_path: Path) -> None:
    cube = RNG.integers(0, 256, (4, 60, 70), np.uint8)
    content = image_bytes.fits(cube, TOP_DOWN).replace(
        b"= " + b"4".rjust(20), b"= 999999".ljust(22)
    )
    (tmp_path / "a.fits").write_bytes(content[: 2880 + 3 * 4200 + 100])
    *frames, cut = frames_of(tmp_path / "a.fits")
    assert np.array_equal([frame.image for frame in frames], cube[:3])
    assert "needs the bytes up to" in cut.problem
    assert "claims 999999 frames; 4 are there" in open_reader(tmp_path / "a.fits").info.problems[0]


def test_fits_without_astropy_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.fits").write_bytes(image_bytes.fits(GREY8))
    monkeypatch.setitem(sys.modules, "astropy.io", None)
    assert "pip install 'skry_dask[fits]'" in refused(tmp_path / "a.fits")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (image_bytes.fits(np.zeros((2, 3, 4, 5), np.uint8)), "its axes are [5, 4, 3, 2]"),
        (image_bytes.fits(np.zeros(5, np.uint8)), "its axes are [5]"),
        (image_bytes.fits(GREY8).replace(b" 8", b"12"), "its BITPIX is 12"),
        (image_bytes.fits(GREY8).replace(b" 13", b"'3'"), "its NAXIS1 is '3'"),
        (image_bytes.fits(GREY8, {"BZERO": "much"}), "its BZERO is 'much'"),
        (image_bytes.fits(GREY8)[:2000], "the header at byte 0 has no end"),
        (image_bytes.fits(np.empty((), np.uint8)), "no image is in it"),
        (image_bytes.fits(GREY8).replace(b" 13", b"1E9"), "its NAXIS1 is 1000000000.0"),
        (image_bytes.fits(GREY8).replace(b"  13", b"9**9"), "cannot be read as FITS"),
        (image_bytes.fits(GREY8).replace(b"       13", b"999999999"), "at most 268435456 px"),
    ],
)
def test_fits_that_is_no_image_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.fits").write_bytes(content)
    assert words in refused(tmp_path / "a.fits")


@pytest.mark.parametrize("date", ["2026-02-31T00:00:00", "0001-01-01T00:00:00", "yesterday"])
def test_impossible_dates_are_no_times(tmp_path: Path, date: str) -> None:
    (tmp_path / "a.fits").write_bytes(image_bytes.fits(GREY8, {"DATE-OBS": date}))
    assert open_reader(tmp_path / "a.fits").info.time is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (image_bytes.tiff([GREY8.astype(np.complex64).view(np.int64)]), "1 samples of 64 bits"),
        (image_bytes.tiff([RGB8], photometric=1), "3 samples of 8 bits"),
        (image_bytes.tiff([GREY8], photometric=2), "1 samples of 8 bits"),
        (image_bytes.tiff([GREY8])[:8], "no image is in it"),
        (image_bytes.tiff([SIGNED], photometric=0), "is inverted int16 grey"),
        (image_bytes.tiff([FLOATS[:4]])[8:], "is no image of a known format"),
    ],
)
def test_tiff_of_other_kinds_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    assert words in refused(tmp_path / "a.tif")


def test_tiff_pages_whose_data_are_not_in_the_file_are_lost(tmp_path: Path) -> None:
    content = image_bytes.tiff([GREY8], rows_per_strip=11)
    for tag, value, words in (
        (273, 2**31, "the data of page 0 end too early"),
        (279, 100, "143 bytes of page 0 cannot be in 100 bytes"),
    ):
        at = content.index(struct.pack("<HHI", tag, 4, 1)) + 8
        changed = content[:at] + struct.pack("<I", value) + content[at + 4 :]
        (tmp_path / "a.tif").write_bytes(changed)
        (frame,) = frames_of(tmp_path / "a.tif")
        assert words in frame.problem


def test_previews_in_a_tiff_are_no_frames(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GREY16, metadata=None)
        file.write(GREY16[::2, ::2], subfiletype=1, metadata=None)
    (frame,) = frames_of(tmp_path / "a.tif")
    assert np.array_equal(frame.image, GREY16)


def test_images_in_the_way_of_imagej_are_missed_aloud(tmp_path: Path) -> None:
    text = "ImageJ=1.11a\nimages=7\nslices=7\n"
    tifffile.imwrite(tmp_path / "a.tif", GREY16, description=text, metadata=None)
    (problem,) = open_reader(tmp_path / "a.tif").info.problems
    assert "claims to have 7 images in a way that only ImageJ uses" in problem


def test_bits_packed_by_other_programs_are_black_and_white(tmp_path: Path) -> None:
    bits = RNG.integers(0, 2, (11, 13)).astype(bool)
    tifffile.imwrite(tmp_path / "a.tif", bits, photometric="minisblack", metadata=None)
    (frame,) = frames_of(tmp_path / "a.tif")
    assert np.array_equal(frame.image, bits * np.uint8(255))


# --- the scale -------------------------------------------------------------------------------


def float_files(folder: Path, *images: np.ndarray) -> SequenceReader:
    for k, image in enumerate(images):
        (folder / f"{k}.tif").write_bytes(image_bytes.tiff([np.asarray(image, np.float32)]))
    return SequenceReader(folder)


def test_the_first_image_decides_the_scale_of_all(tmp_path: Path) -> None:
    reader = float_files(tmp_path, [[0.0, 0.5]], [[1.0, 0.25]])
    assert reader.info.attrs["scale"] == "1.0 is 65535"
    assert (reader.info.dtype, reader.info.bits) == ("uint16", 16)
    assert [f.image.tolist() for f in reader.decode()] == [[[0, 32768]], [[65535, 16384]]]


def test_floating_point_grey_levels_are_rounded(tmp_path: Path) -> None:
    reader = float_files(tmp_path, [[0.0, 1000.4]], [[0.6, 65535.0]])
    assert reader.info.attrs["scale"] == "grey levels"
    assert [f.image.tolist() for f in reader.decode()] == [[[0, 1000]], [[1, 65535]]]


def test_values_outside_the_scale_are_clipped_and_reported(tmp_path: Path) -> None:
    reader = float_files(tmp_path, [[0.0, 1.0, 0.5]], [[-0.1, 1.5, np.nan]])
    good, clipped = reader.decode()
    assert good.problem is None
    assert clipped.image.tolist() == [[0, 65535, 0]]
    assert clipped.problem.startswith("3 values of ")
    assert "1.tif are not in 0...1 and were clipped" in clipped.problem


def test_signed_integers_are_grey_levels(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(image_bytes.tiff([np.array([[-5, 7]], np.int16)]))
    (frame,) = frames_of(tmp_path / "a.tif")
    assert frame.image.tolist() == [[0, 7]]
    assert "1 values of" in frame.problem


@pytest.mark.parametrize("image", [RGB8, RGB16, np.full((3, 3, 3), 65535, np.uint16)])
def test_colour_becomes_grey_by_bt601(tmp_path: Path, image: np.ndarray) -> None:
    content = image_bytes.tiff([image])
    grey = one_frame(tmp_path, "a.tif", content, grey=True)
    weights = np.array([19595, 38470, 7471], object)
    assert np.array_equal(grey, ((image.astype(object) * weights).sum(2) + 32768) // 65536)
    assert open_reader(tmp_path / "a.tif", grey=True).info.channels == 1
    assert open_reader(tmp_path / "a.tif").info.channels == 3


# --- folders, patterns, lists ----------------------------------------------------------------


def png_files(folder: Path, *names: str) -> None:
    for k, name in enumerate(names):
        (folder / name).write_bytes(image_bytes.png(np.full((3, 4, 1), k, np.uint8), 8, 0))


def first_values(source: object) -> list[int]:
    return [int(frame.image[0, 0]) for frame in frames_of(source)]


def test_folders_and_patterns_have_natural_order_and_a_list_its_own(tmp_path: Path) -> None:
    png_files(tmp_path, "frame1.png", "Frame2.png", "frame10.png", "frame9.png")
    assert first_values(tmp_path) == [0, 1, 3, 2]
    reader = open_reader(tmp_path)
    assert reader.path == tmp_path
    assert [p.name for p in reader.files] == [
        "frame1.png",
        "Frame2.png",
        "frame9.png",
        "frame10.png",
    ]
    pattern = tmp_path / "frame*.png"
    assert first_values(pattern) == first_values(os.fspath(pattern)) == [0, 3, 2]
    assert open_reader(pattern).path == tmp_path / "frame1.png"
    names = [tmp_path / "frame10.png", str(tmp_path / "frame1.png")]
    assert first_values(names) == first_values(tuple(names)) == [2, 0]
    assert open_reader(names).path == tmp_path / "frame10.png"
    assert open_reader(names).files == (tmp_path / "frame10.png", tmp_path / "frame1.png")


def test_a_file_with_wildcards_in_its_name_is_a_file(tmp_path: Path) -> None:
    png_files(tmp_path, "a[1].png", "a1.png")
    assert first_values(tmp_path / "a[1].png") == [0]
    (tmp_path / "a[1].png").unlink()
    assert first_values(tmp_path / "a[1].png") == [1]


def test_only_image_files_of_a_folder_count(tmp_path: Path) -> None:
    png_files(tmp_path, "1.png", ".hidden.png", "without_suffix")
    (tmp_path / "notes.txt").write_text("BM is how a bitmap begins")
    (tmp_path / "moon.ser").write_bytes(b"LUCAM-RECORDER" + bytes(200))
    (tmp_path / "moon.skry").mkdir()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in open_reader(tmp_path).files] == ["1.png", "without_suffix"]


def test_a_folder_of_several_formats_is_refused(tmp_path: Path) -> None:
    png_files(tmp_path, "1.png", "2.png")
    Image.fromarray(GREY8).save(tmp_path / "3.bmp")
    message = refused(tmp_path)
    assert "images of several formats (1 BMP, 2 PNG); keep one format in it" in message
    assert first_values(tmp_path / "*.png") == [0, 1]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("clouds")
    assert "is a folder without images (1 other files)" in refused(tmp_path)
    assert "no image matches" in refused(tmp_path / "*.png")
    assert "list of images is empty" in refused([])


def test_a_missing_file_of_a_list_costs_its_frame(tmp_path: Path) -> None:
    png_files(tmp_path, "1.png", "3.png")
    frames = frames_of([tmp_path / f"{k}.png" for k in (1, 2, 3)])
    assert "2.png: No such file or directory" in frames[1].problem


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (image_bytes.png(GREY8[:, :-1, None], 8, 0), "12 x 11 px in grey (uint8, 8 bits)"),
        (image_bytes.png(RGB8, 8, 2), "13 x 11 px in colour (uint8, 8 bits)"),
        (image_bytes.png(GREY16[..., None], 16, 0), "13 x 11 px in grey (uint16, 16 bits)"),
    ],
)
def test_the_first_image_that_differs_is_named(tmp_path: Path, other: bytes, words: str) -> None:
    for k in range(12):
        content = image_bytes.png(GREY8[..., None], 8, 0) if k < 9 else other
        (tmp_path / f"f{k}.png").write_bytes(content)
    message = refused(tmp_path)
    assert message.startswith(f"{tmp_path / 'f9.png'} is not like")
    assert f"it has {words}" in message
    assert "f0.png 13 x 11 px in grey (uint8, 8 bits)" in message


def test_images_of_another_pattern_are_refused(tmp_path: Path) -> None:
    for k, pattern in enumerate(["RGGB", "RGGB", "BGGR"]):
        cards = {"BAYERPAT": pattern, **TOP_DOWN}
        (tmp_path / f"{k}.fits").write_bytes(image_bytes.fits(GREY8, cards))
    assert "2.fits is not like" in refused(tmp_path)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("png", image_bytes.png(RGB8, 8, 2)),
        ("png", image_bytes.png(GREY16[..., None], 16, 0)),
        ("bmp", image_bytes.bmp(RGB8, 24)),
        ("tif", image_bytes.tiff([GREY16])),
        ("fits", image_bytes.fits(RNG.integers(0, 256, (90, 70), np.uint8), TOP_DOWN)),
    ],
)
@pytest.mark.parametrize("part", [0.0, 0.6])
def test_images_that_are_empty_or_cut_off_are_known_at_opening(
    tmp_path: Path, kind: str, content: bytes, part: float
) -> None:
    damaged = content[: int(part * len(content))]
    for name, found in (("1", content), ("2", damaged), ("3", content)):
        (tmp_path / f"{name}.{kind}").write_bytes(found)
    (problem,) = open_reader(tmp_path).info.problems
    assert f"2.{kind}" in problem
    assert problem.endswith(".")
    assert part or "is empty" in problem
    assert [frame.image is None for frame in frames_of(tmp_path)] == [False, True, False]
    (tmp_path / f"2.{kind}").write_bytes(content)
    assert open_reader(tmp_path).info.problems == ()


def test_a_jpeg_cut_off_is_known_at_opening(tmp_path: Path) -> None:
    for name in ("1", "2"):
        Image.fromarray(GREY8).save(tmp_path / f"{name}.jpg")
    assert open_reader(tmp_path).info.problems == ()
    (tmp_path / "2.jpg").write_bytes((tmp_path / "1.jpg").read_bytes()[:-40])
    assert open_reader(tmp_path).info.problems == ("2.jpg is cut off.",)


def test_what_stands_after_the_end_of_a_png_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(image_bytes.png(GREY8[..., None], 8, 0) + bytes(100))
    assert open_reader(tmp_path / "a.png").info.problems == ()
    assert frames_of(tmp_path / "a.png")[0].problem is None


@pytest.mark.parametrize("damage", [b"", b"no image", PNG16[:40]])
def test_a_bad_image_in_the_middle_costs_one_frame(tmp_path: Path, damage: bytes) -> None:
    png_files(tmp_path, "1.png", "2.png", "3.png")
    (tmp_path / "2.png").write_bytes(damage)
    first, bad, last = frames_of(tmp_path)
    assert (first.image[0, 0], bad.image, last.image[0, 0]) == (0, None, 2)
    assert "2.png" in bad.problem
    assert "\n" not in bad.problem


def test_a_sequence_of_bad_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no image")
    (tmp_path / "2.png").write_bytes(b"nor this")
    assert "1.png is no image of a known format" in refused(tmp_path)
    bad = bytearray(image_bytes.tiff([FLOATS], deflate=True))
    bad[20:60] = bytes(40)
    (tmp_path / "a.tif").write_bytes(bad)
    assert "a.tif cannot be read as TIFF" in refused(tmp_path / "a.tif")


def test_an_image_that_changes_after_opening_costs_its_frame(tmp_path: Path) -> None:
    png_files(tmp_path, "1.png", "2.png")
    reader = open_reader(tmp_path)
    (tmp_path / "2.png").write_bytes(image_bytes.png(RGB8, 8, 2))
    assert "2.png has changed" in list(reader.decode())[1].problem
    (tmp_path / "2.png").unlink()
    assert "No such file" in list(reader.decode())[1].problem


def test_a_sequence_travels_by_pickle(tmp_path: Path) -> None:
    png_files(tmp_path, "1.png", "2.png")
    copy = pickle.loads(pickle.dumps(open_reader(tmp_path)))
    assert [frame.image[0, 0] for frame in copy.decode()] == [0, 1]


def test_an_inner_error_of_the_caller_is_not_taken_for_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(image_bytes.tiff([GREY8, GREY8]))
    frames = open_reader(tmp_path / "a.tif").decode()
    next(frames)
    with pytest.raises(KeyError):
        frames.throw(KeyError("the caller's own"))


def test_too_little_memory_is_an_error_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    (tmp_path / "a.tif").write_bytes(image_bytes.tiff([GREY8]))
    monkeypatch.setattr("skry_dask.io.images.tiff._check_segments", fail)
    with pytest.raises(ReaderError, match="no memory to read"):
        read_image(tmp_path / "a.tif")


def test_a_folder_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", denied)
    assert "Permission denied; ask for permission" in refused(tmp_path)
