"""Frames of an AVI whose header contradicts its chunks are read right, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.avi_bytes import avi, chunk, open_bytes, video_stream
from tests.raw_problems import problem
from tests.smooth_images import smooth

if TYPE_CHECKING:
    from pathlib import Path

HEIGHT, WIDTH = 64, 87
SCENE = smooth((HEIGHT + 6, WIDTH + 6), seed=3)
GREY = np.stack([SCENE[k : k + HEIGHT, 2 * k : 2 * k + WIDTH] for k in range(4)])
GREY = (40 + 160 * (GREY - GREY.min()) / np.ptp(GREY)).astype(np.uint8)
COLOUR = np.stack([GREY, GREY // 2, GREY // 3], axis=-1)


def padded(frames: np.ndarray, pad: int) -> bytes:
    """Chunks of frames whose rows are padded to a multiple of so many bytes."""
    rows = frames.reshape(len(frames), HEIGHT, -1).view(np.uint8)
    filled = np.pad(rows, ((0, 0), (0, 0), (0, -rows.shape[2] % pad)), constant_values=99)
    return b"".join(chunk(b"00db", frame.tobytes()) for frame in filled)


def test_rows_are_found_whatever_their_padding(tmp_path: Path) -> None:
    path = tmp_path / "moon.avi"
    deep = GREY.astype("<u2") * 257
    for pad in (1, 2, 4, 8, 16, 32, 64):
        for frames, stored, codec, bits in (
            (GREY, GREY, b"Y800", 8),
            (deep, deep, b"Y16 ", 16),
            (GREY, GREY[:, ::-1], bytes(4), 8),
            (COLOUR, COLOUR[:, ::-1, :, ::-1], bytes(4), 24),
        ):
            stream = video_stream(WIDTH, HEIGHT, codec, bits=bits)
            reader = open_bytes(path, avi(stream, padded(np.ascontiguousarray(stored), pad)))
            assert np.array_equal(reader.read(0, 4), frames), (pad, codec, bits)


def test_size_and_depth_of_frames_are_those_of_their_chunks(tmp_path: Path) -> None:
    path = tmp_path / "moon.avi"
    deep = GREY.astype("<u2") * 257
    for frames, codec, bits, width, height, words in (
        (GREY, b"Y800", 8, HEIGHT, WIDTH, f"{WIDTH} x {HEIGHT} px of 8 bits"),
        (GREY, b"Y800", 8, WIDTH, 2 * HEIGHT, f"{WIDTH} x {HEIGHT} px of 8 bits"),
        (GREY, b"Y800", 8, WIDTH, HEIGHT // 2, f"{WIDTH} x {HEIGHT} px of 8 bits"),
        (GREY, b"Y16 ", 16, WIDTH, HEIGHT, f"{WIDTH} x {HEIGHT} px of 8 bits"),
        (deep, b"Y16 ", 16, HEIGHT, WIDTH, f"{WIDTH} x {HEIGHT} px of 16 bits"),
    ):
        content = avi(video_stream(width, height, codec, bits=bits), padded(frames, 1))
        reader = open_bytes(path, content)
        assert np.array_equal(reader.read(0, 4), frames), words
        assert words in problem(reader).split(" are those of ")[1]


def test_big_endian_samples_are_recognised(tmp_path: Path) -> None:
    deep = GREY.astype("<u2") * 250 + np.random.default_rng(1).integers(0, 99, GREY.shape, "u2")
    content = avi(video_stream(WIDTH, HEIGHT, b"Y16 ", bits=16), padded(deep.astype(">u2"), 1))
    reader = open_bytes(tmp_path / "moon.avi", content)
    assert np.array_equal(reader.read(1, 3), deep[1:3])
    part = reader.read_part(np.array([3]), range(5, 9), range(7, 20))
    assert np.array_equal(part, deep[3:, 5:9, 7:20])
    assert "big-endian" in problem(reader)


def test_a_header_that_fits_is_believed_where_pictures_tell_nothing(tmp_path: Path) -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rng = np.random.default_rng(2)
    for scene in (np.full((HEIGHT, WIDTH), 90), 150 * (y > 30), 150 * (x > 30), 20 + x + y):
        frames = (scene + rng.normal(20, 2, (4, HEIGHT, WIDTH))).astype(np.uint8)
        content = avi(video_stream(WIDTH, HEIGHT, b"Y800"), padded(frames, 1))
        reader = open_bytes(tmp_path / "moon.avi", content)
        assert np.array_equal(reader.read(0, 4), frames)
        assert not reader.info.problems
