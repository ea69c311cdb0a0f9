"""If size or pictures contradict the header of a SER file, frames are found, or refused."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import ReaderError
from tests.raw_problems import problem
from tests.ser_bytes import NOW, open_bytes, ser

if TYPE_CHECKING:
    from pathlib import Path

N, HEIGHT, WIDTH = 9, 48, 64
FIELDS = {"width": 26, "height": 30, "bits": 34, "n_frames": 38}
RNG = np.random.default_rng(1)


def shaking_scene(full: int, *, mesh: bool = False) -> np.ndarray:
    """uint8 or uint16 (frame, y, x): craters and noise, as mono or raw colour."""
    y, x = np.mgrid[: HEIGHT + 4, : WIDTH + 4]
    scene = 0.3 + 0.4 * np.exp(-(((x - 20) / 12) ** 2) - ((y - 15) / 8) ** 2) + 0.1 * np.sin(x / 3)
    moved = [scene[k % 3 : k % 3 + HEIGHT, k % 4 : k % 4 + WIDTH] for k in range(N)]
    frames = np.array(moved) + RNG.normal(0, 0.01, (N, HEIGHT, WIDTH))
    if mesh:
        frames[:, ::2, ::2] *= 0.6
    return (np.clip(frames, 0, 1) * full).astype("u1" if full < 256 else "<u2")


SCENES = {
    "8 bits": shaking_scene(255),
    "16 bits": shaking_scene(65535),
    "12 of 16 bits": shaking_scene(4095),
    "raw colour of 8 bits": shaking_scene(255, mesh=True),
    "raw colour of 16 bits": shaking_scene(65535, mesh=True),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "moon.ser"


def content_of(frames: np.ndarray, *, has_times: bool, **stated: int) -> bytes:
    """A file of frames whose header states something else."""
    stamps = [NOW + k for k in range(len(frames))] if has_times else None
    content = bytearray(ser(frames, bits=8 * frames.itemsize, stamps=stamps))
    for field, value in stated.items():
        struct.pack_into("<i", content, FIELDS[field], value)
    return bytes(content)


@pytest.mark.parametrize("has_times", [False, True], ids=["without times", "with times"])
@pytest.mark.parametrize("name", SCENES)
def test_frames_are_found_where_the_header_is_wrong(path: Path, name: str, has_times: bool) -> None:
    frames = SCENES[name]
    other_depth = 8 if frames.itemsize == 2 else 16
    for stated, words in (
        ({"n_frames": 4}, f"claims 4 frames; {N - 4} more follow: all {N}"),
        ({"n_frames": 0}, f"claims 0 frames; {N} complete"),
        ({"n_frames": 100}, f"claims 100 frames; {N} complete"),
        ({"bits": other_depth}, f"states {other_depth} bits"),
        ({"height": 2 * HEIGHT}, f"{2 * HEIGHT} px, but .* {N} frames of {WIDTH} x {HEIGHT} px"),
        ({"height": HEIGHT // 2}, f"{WIDTH} x {HEIGHT // 2} px"),
        ({"width": 2 * WIDTH}, f"states {2 * WIDTH} x {HEIGHT} px"),
        ({"width": WIDTH + 6}, f"states {WIDTH + 6} x {HEIGHT} px"),
    ):
        reader = open_bytes(path, content_of(frames, has_times=has_times, **stated))
        assert np.array_equal(reader.read(0, N), frames), stated
        assert reader.info.n_frames == N
        assert (reader.info.time is not None) == has_times
        assert re.search(words, problem(reader)), reader.info.problems


@pytest.mark.parametrize("name", ["8 bits", "16 bits"])
def test_colour_that_is_flagged_mono_is_read_as_colour_and_mono_as_mono(
    path: Path, name: str
) -> None:
    grey = SCENES[name]
    colour = np.stack([grey, grey // 2, grey // 3], axis=-1)
    for frames, stated in ((colour, 0), (np.stack([grey] * 3, axis=-1), 0), (grey, 100)):
        for has_times in (False, True):
            content = bytearray(content_of(frames, has_times=has_times))
            struct.pack_into("<i", content, 18, stated)
            reader = open_bytes(path, bytes(content))
            assert np.array_equal(reader.read(0, N), frames)
            assert (reader.info.time is not None) == has_times
            words = f"{WIDTH} x {HEIGHT} px of red, green, blue"
            stated_words, found_words = problem(reader).split(", but ")
            assert words in (found_words if stated == 0 else stated_words)


def test_rows_that_are_padded_are_read_without_the_padding(path: Path) -> None:
    for frames in (SCENES["8 bits"], SCENES["16 bits"]):
        content = content_of(frames, has_times=True, width=WIDTH - 6)
        reader = open_bytes(path, content)
        kept = frames[:, :, : WIDTH - 6]
        assert np.array_equal(reader.read(0, N), kept)
        part = reader.read_part(np.array([7, 2]), range(5, 9), range(3, 60 - 6))
        assert np.array_equal(part, kept[[7, 2], 5:9, 3:54])
        assert f"of {WIDTH} x {HEIGHT} px" in problem(reader)


def test_frames_that_follow_the_last_one_count_if_they_are_pictures(path: Path) -> None:
    frames = SCENES["16 bits"]
    cut_off = content_of(frames, has_times=False, n_frames=4)[:-100]
    reader = open_bytes(path, cut_off)
    assert np.array_equal(reader.read(0, reader.info.n_frames or 0), frames[:-1])
    assert "4 more follow: all 8" in problem(reader)
    junk = RNG.bytes(2 * frames[0].nbytes + 1)
    reader = open_bytes(path, content_of(frames, has_times=False) + junk)
    assert reader.info.n_frames == N
    assert "no pictures; none is read" in problem(reader)


def test_frames_of_a_size_that_the_header_does_not_explain_are_refused(path: Path) -> None:
    content = content_of(SCENES["8 bits"], has_times=False, width=50, height=50)
    with pytest.raises(ReaderError, match=f"{N} frames of 3072 bytes, but .* 2500 .*50 x 50 px"):
        open_bytes(path, content)


def test_frames_without_a_picture_are_read_as_the_header_says(path: Path) -> None:
    for frames in (RNG.integers(0, 9, (8, HEIGHT, WIDTH)), np.full((8, HEIGHT, WIDTH), 7)):
        content = content_of(frames.astype("u1"), has_times=False)[: -4 * HEIGHT * WIDTH]
        reader = open_bytes(path, content)
        assert np.array_equal(reader.read(0, 4), frames[:4])
        assert "claims 8 frames; 4 complete" in problem(reader)


def test_pictures_overrule_a_header_that_fits_the_size(path: Path) -> None:
    for name, frames in SCENES.items():
        pair = frames[:8]
        other_depth = 8 if frames.itemsize == 2 else 16
        for stated in (
            {"width": HEIGHT, "height": WIDTH},
            {"height": 2 * HEIGHT, "n_frames": 4},
            {"height": 2 * HEIGHT, "n_frames": 0},
            {"height": HEIGHT // 2, "n_frames": 16},
            {"bits": other_depth, "n_frames": 4 if other_depth == 16 else 16},
        ):
            reader = open_bytes(path, content_of(pair, has_times=False, **stated))
            assert reader.info.n_frames == 8, (name, stated)
            assert np.array_equal(reader.read(0, 8), pair)
            assert np.array_equal(
                reader.read_part(np.array([5]), range(9, 17), range(3, 60)), pair[5:6, 9:17, 3:60]
            )
            assert "The header states" in reader.info.problems[0]


@pytest.mark.parametrize(("bits", "colour"), [(16, 0), (8, 100)], ids=["16 bits", "colours"])
def test_space_that_a_program_has_reserved_and_not_used_is_left_out(
    path: Path, bits: int, colour: int
) -> None:
    frames = SCENES["8 bits"]
    n_parts = 2 if bits == 16 else 3
    reserved = np.zeros((N, n_parts, HEIGHT, WIDTH), np.uint8)
    reserved[:, 0] = frames
    content = bytearray(ser(frames, bits=bits, colour=colour))[:178] + reserved.tobytes()
    reader = open_bytes(path, bytes(content))
    assert np.array_equal(reader.read(0, N), frames)
    assert np.array_equal(reader.read_part(np.array([7]), range(9), range(8)), frames[7:8, :9, :8])
    assert f"states {'16 bits' if bits == 16 else f'{WIDTH} x {HEIGHT} px of red'}" in problem(
        reader
    )


def test_a_header_is_believed_where_pictures_tell_nothing(path: Path) -> None:
    y, x = np.mgrid[:96, :120]
    limb = (y + x / 20 > 50) * 0.8
    scenes = {
        "noise": np.full_like(limb, 0.5),
        "limb": limb,
        "upright limb": (x > 50) * 0.8,
        "gradient": 0.2 + x / 300,
        "stripes": 0.5 + 0.3 * np.sin(y / 3),
    }
    for name, scene in scenes.items():
        grey = (scene[None] * 200 + RNG.normal(10, 1, (6, 96, 120))).clip(0, 255).astype("u1")
        one_wavelength = grey.copy()
        one_wavelength[:, (y % 2 | x % 2).astype(bool)] //= 20
        for frames in (grey, grey.astype("u2") * 257, one_wavelength, np.stack([grey] * 3, -1)):
            colour = 100 if frames.ndim == 4 else 0
            content = ser(frames, bits=8 * frames.itemsize, colour=colour)
            reader = open_bytes(path, content)
            assert np.array_equal(reader.read(0, 6), frames), name
            assert not reader.info.problems


def test_a_header_is_believed_where_the_mount_throws_each_second_frame_aside(path: Path) -> None:
    small, large = (RNG.random((140 // n + 1, 180 // n + 1)) for n in (4, 16))
    scene = sum(np.kron(b, np.ones((n, n)))[:140, :180] for b, n in ((small, 4), (large, 16)))
    places = [(0, 0), (12, 10)] * 6
    frames = np.array([scene[y : y + 120, x : x + 160] * 100 for y, x in places]).astype("u1")
    reader = open_bytes(path, ser(frames, bits=8))
    assert np.array_equal(reader.read(0, 12), frames)
    assert not reader.info.problems
