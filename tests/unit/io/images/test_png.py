"""PNG: every bit is kept, damage is found, and little memory is taken."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

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

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(18)


def test_8_and_16_bits_are_kept_exactly(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for grey, rgb in ((GREY8, RGB8), (GREY16, RGB16)):
        for samples, colour_type, image in (
            (grey[..., None], 0, grey),
            (rgb, 2, rgb),
            (with_alpha(grey), 4, grey),
            (with_alpha(rgb), 6, rgb),
        ):
            for interlaced in (False, True):
                content = image_bytes.png(
                    samples, 8 * image.itemsize, colour_type, interlaced=interlaced
                )
                assert np.array_equal(one_frame(path, content), image), (colour_type, interlaced)
                assert np.array_equal(read_image(path).data, image), (colour_type, interlaced)


def test_fewer_bits_are_spread_to_8(tmp_path: Path) -> None:
    for depth in (1, 2, 4):
        samples = RNG.integers(0, 2**depth, (7, 9, 1), np.uint8)
        expected = samples[..., 0] * (255 // (2**depth - 1))
        content = image_bytes.png(samples, depth, 0)
        assert np.array_equal(one_frame(tmp_path / "a.png", content), expected), depth


def test_palettes_are_looked_up(tmp_path: Path) -> None:
    for depth in (1, 4, 8):
        indices = RNG.integers(0, 2**depth, (7, 9, 1), np.uint8)
        colours = RNG.integers(0, 256, (2**depth, 3), np.uint8)
        content = image_bytes.png(indices, depth, 3, palette=colours.tobytes())
        image = one_frame(tmp_path / "a.png", content)
        assert np.array_equal(image, colours[indices[..., 0]]), depth
        greys = np.repeat(colours[:, :1], 3, axis=1)
        content = image_bytes.png(indices, depth, 3, palette=greys.tobytes())
        image = one_frame(tmp_path / "a.png", content)
        assert np.array_equal(image, greys[indices, 0][..., 0]), depth


def test_texts_that_unpack_to_much_are_not_unpacked(tmp_path: Path) -> None:
    text = b"Comment\0\0" + zlib.compress(bytes(60_000_000))
    profile = b"icc\0\0" + zlib.compress(bytes(60_000_000))
    extra = image_bytes.png_chunk(b"zTXt", text) + image_bytes.png_chunk(b"iCCP", profile)
    for image, colour_type in ((RGB16, 2), (GREY8[..., None], 0)):
        content = image_bytes.png(image, 8 * image.itemsize, colour_type, extra=extra)
        tracemalloc.start()
        decoded = one_frame(tmp_path / "a.png", content)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert np.array_equal(decoded.reshape(image.shape), image)
        assert peak < 3_000_000


def test_bytes_after_the_end_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(image_bytes.png(GREY8[..., None], 8, 0) + bytes(100))
    assert open_reader(path).info.problems == ()
    assert frames_of(path)[0].problem is None


def short_png() -> bytes:
    """A PNG of 16 bits whose data end early, with correct checksums."""
    header = struct.pack(">IIBBBBB", 13, 11, 16, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(image_bytes.png_chunk(*chunk) for chunk in chunks)


def test_damage_is_named(tmp_path: Path) -> None:
    path, png = tmp_path / "a.png", image_bytes.png(RGB16, 16, 2)
    bad_header = png[:29] + bytes([png[29] ^ 1]) + png[30:]
    bad_data = bytes([*png[:300], png[300] ^ 255, *png[301:]])
    for content, words in (
        (png[:-20], "it ends too early"),
        (bad_data, "checksum of its chunk"),
        (png[:12] + b"?" + png[13:], "it begins with"),
        (bad_header, "checksum of its header is wrong"),
        (short_png(), "its picture has 100 of 297 bytes"),
        (image_bytes.png(GREY8[..., None], 8, 0)[:90], "it ends too early"),
    ):
        path.write_bytes(content)
        with pytest.raises(ReaderError, match=words):
            read_image(path)


def test_a_header_that_cannot_be_true_is_refused_without_taking_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for header, words in (
        ((20000, 20000, 8, 0, 0, 0, 0), "20000 x 20000 px; at most 268435456"),
        ((9000, 9000, 16, 2, 0, 0, 0), "9000 x 9000 px, which take"),
        ((9000, 9000, 8, 0, 0, 0, 0), "81000000 bytes of picture cannot be packed into"),
        ((0, 5, 8, 0, 0, 0, 0), "width 0, height 5"),
        ((5, 5, 7, 0, 0, 0, 0), "names no known kind"),
        ((5, 5, 16, 3, 0, 0, 0), "names no known kind"),
    ):
        content = b"\x89PNG\r\n\x1a\n"
        content += image_bytes.png_chunk(b"IHDR", struct.pack(">IIBBBBB", *header))
        content += image_bytes.png_chunk(b"IDAT", zlib.compress(b"ab"))
        path.write_bytes(content + image_bytes.png_chunk(b"IEND", b""))
        tracemalloc.start()
        assert words in refused(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
        tracemalloc.stop()
