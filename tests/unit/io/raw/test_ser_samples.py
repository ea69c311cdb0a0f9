"""Byte order and used bits are found from the frames where the header is not reliable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.io.raw.ser import SerReader
from tests.raw_problems import problem
from tests.ser_bytes import BAYER, CMY, open_bytes, ser

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(1)
Y, X = np.mgrid[:24, :32]
SMOOTH = (2000 + 1500 * np.sin(X / 9 + np.arange(3)[:, None, None]) * np.cos(Y / 7)).astype("u2")
ORDERS = {"<u2": "little-endian", ">u2": "big-endian"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "moon.ser"


# --- byte order -----------------------------------------------------------------------------------


def test_with_flag_1_the_picture_decides_the_byte_order(path: Path) -> None:
    for dtype, name in ORDERS.items():
        for bits in (12, 16):
            reader = open_bytes(path, ser(SMOOTH.astype(dtype), bits=bits, flag=1))
            read = reader.read(0, 3)
            assert read.dtype == np.dtype("u2")
            assert read.dtype.isnative
            assert np.array_equal(read, SMOOTH), (dtype, bits)
            assert name in problem(reader)


def test_with_flag_0_big_endian_is_found_if_it_gives_a_far_smoother_picture(path: Path) -> None:
    noise = RNG.integers(0, 2**16, (3, 24, 32)).astype("u2")
    for frames, dtype, is_told in (
        (SMOOTH, ">u2", True),
        (SMOOTH, "<u2", False),
        (SMOOTH << 4, ">u2", True),
        (noise, "<u2", False),
        ((SMOOTH >> 8).astype("u2"), "<u2", False),
    ):
        reader = open_bytes(path, ser(frames.astype(dtype), bits=16))
        assert np.array_equal(reader.read(0, 3), frames)
        assert any("big-endian" in found for found in reader.info.problems) == is_told


def test_a_few_pixels_do_not_contradict_flag_0(path: Path) -> None:
    frames = np.array([[[2304, 1]]], np.uint16)  # 9 and 256 with their bytes swapped
    reader = open_bytes(path, ser(frames, bits=12))
    assert np.array_equal(reader.read(0, 1), frames)


def test_samples_of_the_same_channel_are_compared(path: Path) -> None:
    # Channels differ much: only samples of the same channel are similar.
    frames = np.stack([SMOOTH, SMOOTH // 5, 60000 - SMOOTH], axis=-1).astype("u2")
    for colour in (100, 101):
        stored = frames if colour == 100 else frames[..., ::-1]
        for dtype, name in ORDERS.items():
            reader = open_bytes(path, ser(stored.astype(dtype), bits=16, colour=colour, flag=1))
            assert np.array_equal(reader.read(0, 3), frames), (colour, dtype)
            assert name in problem(reader)


def test_pixels_of_the_same_colour_are_compared_in_raw_colour(path: Path) -> None:
    # Neighbours differ more than swapped low bytes do: 0x0180 beside 0x8001 swaps to 0x8001 beside
    # 0x0180. The header of a mosaic may say mono (ColorID 0).
    mosaic = np.where((Y + X) % 2, 0x8001, 0x0180) + (X // 8) * 0x10
    frames = np.stack([mosaic, mosaic + 1]).astype("u2")
    for colour in (0, *BAYER, *CMY):
        for dtype in ORDERS:
            reader = open_bytes(path, ser(frames.astype(dtype), bits=16, colour=colour, flag=1))
            assert np.array_equal(reader.read(0, 2), frames), (colour, dtype)


def test_the_narrowest_frames_have_a_byte_order_too(path: Path) -> None:
    for colour in (0, 8, 100):
        for width in (1, 2, 3):
            shape = (2, 9, width, 3) if colour == 100 else (2, 9, width)
            frames = RNG.integers(600, 610, shape).astype("<u2")
            reader = open_bytes(path, ser(frames, bits=16, colour=colour, flag=1))
            assert np.array_equal(reader.read(0, 2), frames), (colour, width)
            assert "little-endian" in problem(reader)


def test_a_dark_has_a_byte_order_although_it_is_noise_only(path: Path) -> None:
    dark = RNG.normal(600, 9, (3, 20, 20)).astype("u2")
    for dtype in ORDERS:
        reader = open_bytes(path, ser(dark.astype(dtype), bits=16, flag=1))
        assert np.array_equal(reader.read(0, 3), dark), dtype


def test_a_bright_frame_decides(path: Path) -> None:
    frames = np.concatenate([np.zeros((4, 24, 32), "u2"), SMOOTH]).astype(">u2")
    assert np.array_equal(open_bytes(path, ser(frames, bits=16, flag=1)).read(0, 7), frames)


def test_samples_with_one_empty_byte_count_as_little_endian(path: Path) -> None:
    frames = (SMOOTH >> 4 << 8).astype("<u2")
    assert np.array_equal(open_bytes(path, ser(frames, bits=16, flag=1)).read(0, 3), frames)


def test_a_given_byte_order_is_followed(path: Path) -> None:
    path.write_bytes(ser(SMOOTH.astype(">u2"), bits=16))
    reader = SerReader(path, byte_order="big")
    assert np.array_equal(reader.read(0, 3), SMOOTH)
    assert reader.info.problems == ()


def test_the_flag_means_nothing_with_8_bits(path: Path) -> None:
    frames = (SMOOTH >> 4).astype("u1")
    reader = open_bytes(path, ser(frames, flag=1))
    assert np.array_equal(reader.read(0, 3), frames)
    assert reader.info.problems == ()


# --- used bits ------------------------------------------------------------------------------------


def test_samples_stay_as_they_are_and_their_used_bits_are_told(path: Path) -> None:
    for bits, shift, used, zeros in (
        (12, 0, 12, 0),
        (12, 4, 16, 4),
        (14, 2, 16, 2),
        (14, 0, 14, 0),
        (16, 0, 16, 0),
    ):
        frames = (RNG.integers(0, 2**bits, (3, 20, 20)) << shift).astype("<u2")
        for order, stored in (("little", frames), ("big", frames.byteswap())):
            path.write_bytes(ser(stored, bits=16))
            reader = SerReader(path, byte_order=order)  # type: ignore[arg-type]
            assert reader.info.bits == 16
            assert reader.info.attrs == {"used_bits": used, "trailing_zero_bits": zeros}
            assert np.array_equal(reader.read(0, 3), frames), (bits, shift, order)


def test_nothing_is_told_of_the_bits_of_black_frames(path: Path) -> None:
    reader = open_bytes(path, ser(np.zeros((2, 3, 4), "<u2"), bits=12))
    assert (reader.info.attrs, reader.info.problems) == ({}, ())


def test_samples_above_the_stated_depth_are_reported(path: Path) -> None:
    reader = open_bytes(path, ser((SMOOTH << 4).astype("<u2"), bits=12))
    assert reader.info.bits == 12
    assert "12 bits, but samples reach 16" in problem(reader)
