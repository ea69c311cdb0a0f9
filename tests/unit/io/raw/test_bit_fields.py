"""Uncompressed AVI whose pixels are bit fields gives the colours that its masks state."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import ReaderError
from skry_dask.io.registry import open_reader
from tests.avi_bytes import avi, dib_chunks, open_bytes, plane_chunks, video_stream

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(6)
BITFIELDS = b"\3\0\0\0"
RGB565, RGB555, BGR565 = (0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F), (0x1F, 0x7E0, 0xF800)
DEEP, BYTES, GREY = (0x3FF00000, 0xFFC00, 0x3FF), (0xFF0000, 0xFF00, 0xFF), (0xFFFF,) * 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "moon.avi"


def content_of(pixels: np.ndarray, masks: tuple[int, ...], bottom_up: bool = True) -> bytes:
    """An AVI of pixels of 16 or 32 bits, with masks behind the bitmap's header."""
    n, height, width = pixels.shape
    signed = height if bottom_up else -height
    stream = video_stream(
        width, signed, BITFIELDS, bits=8 * pixels.itemsize, palette=struct.pack("<3I", *masks)
    )
    rows = pixels.view(np.uint8).reshape(n, height, -1)
    return avi(stream, dib_chunks(rows, bottom_up=bottom_up))


@pytest.mark.parametrize(
    ("masks", "dtype", "bits"),
    [(RGB565, "<u2", 8), (RGB555, "<u2", 8), (BGR565, "<u2", 8), (DEEP, "<u4", 10),
     (BYTES, "<u4", 8), (GREY, "<u2", 16), (GREY, "<u4", 16)],
)  # fmt: skip
def test_each_colour_has_the_bits_of_its_mask(
    path: Path, masks: tuple[int, ...], dtype: str, bits: int
) -> None:
    for width, bottom_up in ((8, True), (7, True), (7, False)):
        pixels = RNG.integers(0, 1 << 8 * np.dtype(dtype).itemsize, (4, 6, width)).astype(dtype)
        pixels[0, 0, 0], pixels[0, 0, 1] = 0, np.iinfo(dtype).max
        reader = open_bytes(path, content_of(pixels, masks, bottom_up))
        shares = [((pixels & mask).astype(float) / mask) for mask in masks]
        levels = np.stack(shares, axis=-1) * (2**bits - 1)
        expected = np.floor((levels[..., 0] if masks == GREY else levels) + 0.5)
        read = reader.read(0, 4)
        assert np.array_equal(read, expected)
        assert (reader.info.bits, reader.info.channels) == (bits, 1 if masks == GREY else 3)
        assert read.dtype == reader.info.dtype == ("uint8" if bits == 8 else "uint16")
        part = reader.read_part(np.array([3, 1]), range(2, 5), range(1, 6))
        assert np.array_equal(part, expected[[3, 1], 2:5, 1:6])
        assert type(open_reader(path)) is type(reader)


def test_masks_that_make_no_sense_are_refused(path: Path) -> None:
    pixels = RNG.integers(0, 1 << 16, (4, 6, 8)).astype("<u2")
    for masks in ((0, 0, 0), (0xF0F0, 0x7E0, 0x1F), (0x1F0000, 0x7E0, 0x1F), (0xF800, 0x7E0, 0)):
        path.write_bytes(content_of(pixels, masks))
        with pytest.raises(ReaderError, match="bit fields with 16 bits, but their masks are 0x"):
            open_reader(path)


def test_chunks_that_are_far_longer_than_frames_are_refused(path: Path) -> None:
    deep = RNG.integers(0, 1 << 16, (3, 60, 80)).astype("<u2")
    stream = video_stream(80, 60, b"Y800")
    with pytest.raises(ReaderError, match=r"chunks of 9600 bytes, .* 80 x 60 px, 8 bits, .* 4800"):
        open_bytes(path, avi(stream, plane_chunks(deep.view(np.uint8))))
