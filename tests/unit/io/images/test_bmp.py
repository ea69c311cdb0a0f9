"""BMP: colours, palettes, padding and run lengths are read exactly."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tests import image_bytes
from tests.image_captures import GREY8, RGB8, frames_of, one_frame, refused

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(19)


def test_colour_is_read_whatever_the_padding_of_rows(tmp_path: Path) -> None:
    for bits in (24, 32):
        for width in (12, 13, 14, 15):
            image = RNG.integers(0, 256, (5, width, 3), np.uint8)
            for top_down in (False, True):
                content = image_bytes.bmp(image, bits, top_down=top_down)
                decoded = one_frame(tmp_path / "a.bmp", content)
                assert np.array_equal(decoded, image), (bits, width, top_down)


def test_palettes_are_looked_up(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    for bits in (1, 4, 8):
        indices = RNG.integers(0, 2**bits, (5, 13), np.uint8)
        colours = RNG.integers(0, 256, (2**bits, 3), np.uint8)
        greys = np.repeat(RNG.permutation(256)[: 2**bits].astype(np.uint8)[:, None], 3, axis=1)
        for top_down in (False, True):
            content = image_bytes.bmp(indices, bits, top_down=top_down, palette=colours)
            assert np.array_equal(one_frame(path, content), colours[indices]), (bits, top_down)
            content = image_bytes.bmp(indices, bits, top_down=top_down, palette=greys)
            assert np.array_equal(one_frame(path, content), greys[indices, 0]), (bits, top_down)


def test_8_bits_with_a_grey_palette_are_grey(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    content = image_bytes.bmp(GREY8, 8, palette=ramp)
    assert np.array_equal(one_frame(tmp_path / "a.bmp", content), GREY8)
    with Image.open(tmp_path / "a.bmp") as opened:
        assert np.array_equal(np.asarray(opened), GREY8)


def test_run_lengths_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    runs = bytes([3, 7, 0, 0, 0, 3, 9, 8, 7, 0, 0, 1])
    header = struct.pack("<2sIHHI", b"BM", 1078 + len(runs), 0, 0, 1078)
    header += struct.pack("<IiiHHIIiiII", 40, 3, 2, 1, 8, 1, len(runs), 0, 0, 256, 0)
    path.write_bytes(header + np.repeat(np.arange(256, dtype=np.uint8), 4).tobytes() + runs)
    (frame,) = frames_of(path)
    assert frame.image.tolist() == [[9, 8, 7], [7, 7, 7]]


def test_a_file_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    path.write_bytes(image_bytes.bmp(RGB8, 24)[:-100])
    assert "its pixels take 440 bytes from 54 on, it has 394" in refused(path)
