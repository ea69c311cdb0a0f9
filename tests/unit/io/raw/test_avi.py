"""Uncompressed AVI as capture programs write it, put together here chunk by chunk."""

from __future__ import annotations

import pickle
import struct
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.raw import avi as avi_module
from skry_dask.io.raw.avi import AviReader, write_avi
from tests.avi_bytes import (
    avi,
    avi_frames_by_ffmpeg,
    bgr_chunks,
    chunk,
    colour_palette,
    dib_chunks,
    grey_palette,
    make_list,
    open_bytes,
    plane_chunks,
    sound_stream,
    video_stream,
)
from tests.raw_problems import problem

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

RNG = np.random.default_rng(2)
GREY = RNG.integers(0, 256, (4, 6, 7), np.uint8)
GREY16 = RNG.integers(0, 65536, (4, 6, 7)).astype("<u2")
RGB = RNG.integers(0, 256, (4, 6, 7, 3), np.uint8)
COLOURS = RNG.integers(0, 256, (256, 3), np.uint8)
IDENTITY = np.arange(256, dtype=np.uint8)
NO_CODEC = bytes(4)


sparse_files = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows fills the holes of a file with zeros"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "moon.avi"


def y800(frames: np.ndarray = GREY) -> bytes:
    return plane_chunks(frames)


# --- dropped, missing and incomplete frames -------------------------------------------------------

DROPPED = chunk(b"00db", b"")


def test_dropped_frames_are_left_out_and_the_others_keep_their_numbers(path: Path) -> None:
    movi = DROPPED + y800(GREY[:2]) + 2 * DROPPED + y800(GREY[2:])
    reader = open_bytes(path, avi(video_stream(7, 6, b"Y800", count=7), movi))
    assert np.array_equal(reader.read(0, 4), GREY)
    assert reader.info.n_frames == 4
    assert reader.info.number is not None
    assert reader.info.number.dtype == np.int64
    assert reader.info.number.tolist() == [1, 2, 5, 6]
    assert "3 frames were dropped" in problem(reader)


def test_frames_that_are_missing_at_the_end_change_no_number(path: Path) -> None:
    movi = y800() + 2 * DROPPED
    reader = open_bytes(path, avi(video_stream(7, 6, b"Y800", count=6), movi))
    assert np.array_equal(reader.read(0, 4), GREY)
    assert reader.info.number is None
    assert "2 frames were dropped" in problem(reader)


def test_a_wrong_frame_count_in_the_header_is_corrected(path: Path) -> None:
    reader = open_bytes(path, avi(video_stream(7, 6, b"Y800", count=9), y800()))
    assert reader.info.n_frames == 4
    assert "claims 9 frames; 4 are there" in problem(reader)
    reader = open_bytes(path, avi(video_stream(7, 6, b"Y800", count=0), y800()))
    assert reader.info.problems == ()


def test_an_incomplete_last_frame_is_left_out(path: Path) -> None:
    for content, frames in (
        (avi(video_stream(7, 6, b"Y800"), y800())[:-5], GREY),
        (avi(video_stream(7, 6, NO_CODEC, bits=24), bgr_chunks(RGB))[:-1], RGB),
    ):
        reader = open_bytes(path, content)
        assert np.array_equal(reader.read(0, 3), frames[:3])
        assert reader.info.number is None
        assert "1 frames are incomplete" in problem(reader)


def test_a_frame_that_is_too_short_is_left_out(path: Path) -> None:
    movi = y800(GREY[:1]) + chunk(b"00db", b"too short") + y800(GREY[1:])
    reader = open_bytes(path, avi(video_stream(7, 6, b"Y800", count=5), movi))
    assert np.array_equal(reader.read(0, 4), GREY)
    assert reader.info.number is not None
    assert reader.info.number.tolist() == [0, 2, 3, 4]
    assert "1 frames are incomplete" in problem(reader)


# --- finding frames -------------------------------------------------------------------------------


def super_index(places: list[int]) -> bytes:
    """OpenDML index of the indices of a stream: 24 bytes, then 16 for each RIFF."""
    entries = b"".join(struct.pack("<QII", place, 32, 2) for place in places)
    return chunk(b"indx", struct.pack("<HBBI4s12x", 4, 0, 0, len(places), b"00db") + entries)


def standard_index(base: int, *places: int) -> bytes:
    entries = b"".join(struct.pack("<II", place, 42) for place in places)
    head = struct.pack("<HBBI4sQI", 2, 0, 1, len(places), b"00db", base, 0)
    return chunk(b"ix00", head + entries)


def test_all_riffs_of_an_opendml_file_are_read(path: Path) -> None:
    stream = video_stream(7, 6, b"Y800") + super_index([1, 2**40])  # wrong places: not used
    first = avi(stream, standard_index(0, 1, 2) + y800(GREY[:2]), chunk(b"idx1", bytes(32)))
    second = make_list(b"movi", y800(GREY[2:3]) + standard_index(2**63, 0))
    third = make_list(b"movi", standard_index(0) + y800(GREY[3:]))
    content = first + chunk(b"RIFF", b"AVIX" + second) + chunk(b"RIFF", b"AVIX" + third)
    reader = open_bytes(path, content)
    assert np.array_equal(reader.read(0, 4), GREY)
    assert (reader.info.problems, reader.info.number) == ((), None)
    # A crash while the third RIFF was written: its lengths are not there yet.
    last = content.rindex(b"RIFF")
    crashed = bytearray(content)
    crashed[last + 4 : last + 8] = crashed[last + 16 : last + 20] = bytes(4)
    reader = open_bytes(path, bytes(crashed[:-3]))
    assert np.array_equal(reader.read(0, 3), GREY[:3])
    assert "incomplete" in " ".join(reader.info.problems)


def test_lengths_that_a_crash_left_at_zero_do_not_matter(path: Path) -> None:
    content = bytearray(avi(video_stream(7, 6, b"Y800"), y800()))
    length = content.index(b"movi") - 4
    content[4:8] = content[length : length + 4] = bytes(4)
    assert np.array_equal(open_bytes(path, bytes(content)).read(0, 4), GREY)


def test_frames_are_found_among_sound_padding_and_groups(path: Path) -> None:
    groups = b"".join(
        make_list(b"rec ", chunk(b"00wb", b"sound") + plane_chunks(GREY[k : k + 1], b"01dc"))
        + chunk(b"JUNK", bytes(21))
        for k in range(4)
    )
    reader = open_bytes(path, avi(sound_stream() + video_stream(7, 6, b"Y800"), groups))
    assert np.array_equal(reader.read(0, 4), GREY)


def test_frames_are_found_whatever_the_index_says(path: Path) -> None:
    stream = video_stream(7, 6, b"Y800")
    movi = avi(stream, y800()).index(b"movi")
    for entries in (
        [(movi + 4 + 50 * k, 42) for k in range(4)],  # absolute places
        [(4 + 50 * k, 42) for k in range(4)],  # relative places
        [(12345, 2**32 - 1)] * 9,  # wrong places
        [(4, 42)],  # too few
        [],
    ):
        content = b"".join(struct.pack("<4sIII", b"00db", 16, *entry) for entry in entries)
        reader = open_bytes(path, avi(stream, y800(), chunk(b"idx1", content)))
        assert np.array_equal(reader.read(0, 4), GREY)
        assert reader.info.problems == ()
    reader = open_bytes(path, avi(stream, y800()))  # no index
    assert np.array_equal(reader.read(0, 4), GREY)


def test_frames_of_odd_length_are_found_whether_padded_or_not(path: Path) -> None:
    frames = RNG.integers(0, 256, (4, 3, 5), np.uint8)
    for n_bytes in (1, 0):
        movi = b"".join(
            b"00db" + struct.pack("<I", 15) + frame.tobytes() + bytes(n_bytes) for frame in frames
        )
        reader = open_bytes(path, avi(video_stream(5, 3, b"Y800"), movi))
        assert np.array_equal(reader.read(0, 4), frames)


def test_frames_before_damage_are_kept(path: Path) -> None:
    stream = video_stream(7, 6, b"Y800", count=0)
    reader = open_bytes(path, avi(stream, y800(GREY[:3]) + b"\xff" * 50))
    assert np.array_equal(reader.read(0, 3), GREY[:3])
    assert "is no AVI chunk" in problem(reader)


def test_what_is_no_uncompressed_avi_is_refused_in_one_line(path: Path) -> None:
    no_stream = "without a description of a video stream"
    for content, words in (
        (b"RIFF    WAVEfmt ", "not an AVI file: it begins with b'RIFF    WAVE'"),
        (avi(sound_stream(), b""), no_stream),
        (b"RIFF    AVI ", no_stream),
        (avi(video_stream(7, 6, b"Y800"), y800())[:200], no_stream),
        (avi(video_stream(7, 6, b"Y800"), b""), "no complete frame of 7 x 6 px in 0 video chunks"),
        (avi(video_stream(70, 60, b"Y800"), y800()), "no complete frame of 70 x 60 px in 4 video"),
        (avi(video_stream(0, 6, b"Y800"), y800()), "damaged header: width 0"),
        (avi(video_stream(-7, 6, b"Y800"), y800()), "damaged header: width -7"),
        (avi(video_stream(7, 0, NO_CODEC), dib_chunks(GREY)), "damaged header: width 7, height 0"),
        (avi(video_stream(2**31 - 1, -(2**31), b"Y800"), y800()), "no complete frame"),
        (avi(video_stream(7, 6, b"XVID", bits=24), y800()), "its video is 'XVID' with 24 bits"),
        (avi(video_stream(7, 6, NO_CODEC, bits=16), y800()), "is 'uncompressed' with 16 bits"),
        (avi(video_stream(7, 6, NO_CODEC, bits=4), y800()), "is 'uncompressed' with 4 bits"),
        (avi(video_stream(7, 6, b"\3\0\0\0", bits=32), y800()), "with 32 bits"),
        (avi(video_stream(7, 6, NO_CODEC, bits=24), y800()), "no complete frame of 7 x 6 px in 4"),
        (avi(video_stream(7, 6, b"Y16 ", bits=16), y800()), "no complete frame of 7 x 6 px in 4"),
    ):
        with pytest.raises(ReaderError) as caught:
            open_bytes(path, content)
        assert words in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


# --- the reader -----------------------------------------------------------------------------------


def test_a_reader_travels_to_other_processes(path: Path) -> None:
    inverted = video_stream(7, 6, NO_CODEC, palette=grey_palette(IDENTITY[::-1]))
    coloured = video_stream(7, 6, NO_CODEC, palette=colour_palette(COLOURS))
    for stream, movi, expected in (
        (inverted, dib_chunks(GREY), 255 - GREY),
        (coloured, dib_chunks(GREY), COLOURS[GREY]),
        (video_stream(7, 6, NO_CODEC, bits=24), bgr_chunks(RGB), RGB),
    ):
        copy = pickle.loads(pickle.dumps(open_bytes(path, avi(stream, movi))))
        assert np.array_equal(copy.read(1, 4), expected[1:])
        with pytest.raises(ReaderError, match="it has 4 frames"):
            copy.read(0, 5)


def test_a_file_that_shrinks_after_opening_is_an_error(path: Path) -> None:
    for content in (
        avi(video_stream(7, 6, NO_CODEC), dib_chunks(GREY)),
        avi(video_stream(7, 6, NO_CODEC, bits=24), bgr_chunks(RGB)),
    ):
        reader = open_bytes(path, content)
        path.write_bytes(content[:-10])
        reader.read(0, 3)
        with pytest.raises(ReaderError, match="10 bytes too early"):
            reader.read(3, 4)


def test_reading_leaves_a_read_only_file_untouched(path: Path) -> None:
    content = avi(video_stream(7, 6, b"Y800"), y800())
    path.write_bytes(content)
    path.chmod(0o400)
    before = path.stat().st_mtime_ns
    AviReader(path).read(0, 4)
    assert path.read_bytes() == content
    assert path.stat().st_mtime_ns == before


def write_sparse_chunks(file: BinaryIO, n: int, frame_bytes: int) -> None:
    """Write frames that are black but for their last byte, 42; holes of the file take no space."""
    for _ in range(n):
        file.write(b"00db" + struct.pack("<I", frame_bytes))
        file.seek(frame_bytes - 1, 1)
        file.write(b"\x2a")


@sparse_files
def test_frames_beyond_4_gb_are_found(path: Path) -> None:
    height, width, n = 4096, 4096, 260
    with path.open("wb") as file:
        file.write(avi(video_stream(width, height, b"Y800", count=n), b""))
        write_sparse_chunks(file, n, height * width)
    assert path.stat().st_size > 2**32
    reader = AviReader(path)
    assert reader.info.n_frames == n
    last = reader.read(n - 1, n)
    assert last[0, -1, -1] == 42
    assert np.count_nonzero(last) == 1


@sparse_files
def test_frames_of_an_opendml_file_beyond_4_gb_are_found(path: Path) -> None:
    height, width, n_riffs, n = 3000, 4000, 5, 26
    frame_bytes = 3 * height * width
    with path.open("wb") as file:
        stream = video_stream(width, height, NO_CODEC, bits=24, count=n_riffs * n)
        file.write(avi(stream + super_index([0] * n_riffs), b"")[:-12])
        for number in range(n_riffs):
            length = 4 + n * (8 + frame_bytes)
            if number:
                file.write(struct.pack("<4sI4s", b"RIFF", 12 + length, b"AVIX"))
            file.write(struct.pack("<4sI4s", b"LIST", length, b"movi"))
            write_sparse_chunks(file, n, frame_bytes)
    assert path.stat().st_size > 2**32
    reader = AviReader(path)
    assert (reader.info.n_frames, reader.info.problems) == (n_riffs * n, ())
    last = reader.read(n_riffs * n - 1, n_riffs * n)
    assert last[0, 0, -1].tolist() == [42, 0, 0]  # the last byte: red of the top row's last pixel
    assert np.count_nonzero(last) == 1


# --- writing --------------------------------------------------------------------------------------


def test_what_is_written_is_read_here_and_by_ffmpeg(path: Path) -> None:
    for width in (7, 8):
        frames = RNG.integers(0, 256, (4, 5, width), np.uint8)
        write_avi(path, iter(frames), n_frames=4, height=5, width=width, fps=29.97)
        content = path.read_bytes()
        assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
        assert content[-72:-64] == b"idx1" + struct.pack("<I", 64)
        last = content.index(b"movi") + struct.unpack("<I", content[-8:-4])[0]
        assert content[last : last + 8] == b"00db" + struct.pack("<I", 5 * width)
        reader = AviReader(path)
        assert np.array_equal(reader.read(0, 4), frames)
        assert (reader.info.attrs["fps"], reader.info.problems) == (29.97, ())
        assert np.array_equal(avi_frames_by_ffmpeg(path), frames)


def test_what_does_not_fit_into_an_avi_file_is_not_written(path: Path) -> None:
    for frames, n, height, width, words in (
        ([], 2000, 1000, 1000, r"more than 1.9 GB.*write a .ser file"),
        ([], 0, 6, 7, "at least 1"),
        (GREY.astype("u2"), 4, 6, 7, "give uint8"),
    ):
        with pytest.raises(StoreError, match=words):
            write_avi(path, frames, n_frames=n, height=height, width=width)
    assert list(path.parent.iterdir()) == []
    assert avi_module.MAX_BYTES < 2**31
