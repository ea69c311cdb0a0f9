"""SER files are read exactly, whatever they hold and wherever they were cut off."""

from __future__ import annotations

import pickle
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.raw.ser import SerReader, write_ser
from skry_dask.io.reader import RawReader
from tests.raw_problems import problem
from tests.ser_bytes import BAYER, CMY, NOW, UNIX_EPOCH, open_bytes, ser, ser_header

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(1)
GREY8 = RNG.integers(0, 256, (5, 7, 11), np.uint8)
RGB8 = RNG.integers(0, 256, (4, 6, 5, 3), np.uint8)
Y, X = np.mgrid[:24, :32]
SMOOTH = (2000 + 1500 * np.sin(X / 9 + np.arange(3)[:, None, None]) * np.cos(Y / 7)).astype("u2")


sparse_files = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows fills the holes of a file with zeros"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "moon.ser"


# --- frames ---------------------------------------------------------------------------------------


def test_mono_frames_of_8_bits_are_read_as_they_are(path: Path) -> None:
    reader = open_bytes(path, ser(GREY8))
    assert isinstance(reader, RawReader)
    info = reader.info
    assert (info.format, info.n_frames, info.height, info.width) == ("SER", 5, 7, 11)
    assert (info.dtype, info.bits, info.time, info.problems) == ("uint8", 8, None, ())
    assert np.array_equal(reader.read(0, 5), GREY8)


def test_any_range_of_frames_can_be_read_in_any_order(path: Path) -> None:
    reader = open_bytes(path, ser(GREY8))
    for start, stop in ((3, 5), (0, 1), (2, 2), (4, 5), (1, 4)):
        frames = reader.read(start, stop)
        assert np.array_equal(frames, GREY8[start:stop])
        assert frames.flags.c_contiguous
        assert frames.flags.owndata
    with pytest.raises(ReaderError, match="it has 5 frames"):
        reader.read(0, 6)


def test_deeper_frames_keep_their_samples_and_their_stated_depth(path: Path) -> None:
    for bits in (9, 10, 12, 14, 16):
        frames = RNG.integers(0, 2**bits, (3, 6, 5)).astype("<u2")
        reader = open_bytes(path, ser(frames, bits=bits))
        assert (reader.info.dtype, reader.info.bits, reader.info.problems) == ("uint16", bits, ())
        read = reader.read(0, 3)
        assert read.dtype.isnative
        assert np.array_equal(read, frames), bits


def test_raw_colour_is_one_channel_with_its_pattern(path: Path) -> None:
    for colour, pattern in BAYER.items():
        for bits in (8, 12, 16):
            frames = RNG.integers(0, 2**bits, (3, 6, 5)).astype("u1" if bits == 8 else "<u2")
            reader = open_bytes(path, ser(frames, bits=bits, colour=colour))
            info = reader.info
            assert (info.cfa, info.channels, info.frame_shape) == (pattern, 1, (6, 5))
            assert (info.bits, info.problems) == (bits, ())
            assert np.array_equal(reader.read(0, 3), frames), (pattern, bits)


def test_colour_behind_cyan_magenta_and_yellow_is_mono_and_reported(path: Path) -> None:
    for colour, pattern in CMY.items():
        for bits in (8, 16):
            frames = GREY8 if bits == 8 else GREY8.astype("<u2") * 257
            reader = open_bytes(path, ser(frames, bits=bits, colour=colour))
            assert (reader.info.cfa, reader.info.channels) == (None, 1)
            assert np.array_equal(reader.read(0, 5), frames)
            assert f"ColorID is {colour} ({pattern})" in problem(reader)


def test_colour_is_always_red_green_blue(path: Path) -> None:
    stamps = [NOW + k for k in range(3)]
    for colour in (100, 101):
        for bits in (8, 10, 16):
            frames = RNG.integers(0, 2**bits, (3, 6, 5, 3)).astype("u1" if bits == 8 else "u2")
            for order, dtype in (("little", "<u2"), ("big", ">u2")):
                stored = frames if colour == 100 else frames[..., ::-1]
                stored = stored if bits == 8 else stored.astype(dtype)
                path.write_bytes(ser(stored, bits=bits, colour=colour, stamps=stamps))
                reader = SerReader(path, byte_order=order)  # type: ignore[arg-type]
                info = reader.info
                assert (info.cfa, info.channels, info.frame_shape) == (None, 3, (6, 5, 3))
                assert (info.bits, info.n_frames, info.problems) == (bits, 3, ())
                assert info.time is not None
                for start, stop in ((0, 3), (1, 2), (2, 2)):
                    read = reader.read(start, stop)
                    assert np.array_equal(read, frames[start:stop]), (colour, bits, order)
                    assert read.dtype == info.dtype
                    assert read.dtype.isnative
                    assert read.flags.c_contiguous
                    assert read.flags.owndata or bits > 8


def test_red_and_blue_of_many_pixels_are_exchanged(path: Path) -> None:
    frames = RNG.integers(0, 256, (2, 201, 203, 3), np.uint8)  # not a whole number of runs
    reader = open_bytes(path, ser(frames[..., ::-1], colour=101))
    assert np.array_equal(reader.read(0, 2), frames)


# --- files of other programs, cut off or damaged --------------------------------------------------


def test_a_file_cut_off_gives_its_complete_frames(path: Path) -> None:
    for frames, colour, frame_bytes in ((GREY8, 0, 77), (RGB8, 100, 90)):
        for n_cut in (1, frame_bytes - 1, frame_bytes, frame_bytes + 1, 2 * frame_bytes - 1):
            reader = open_bytes(path, ser(frames, colour=colour)[:-n_cut])
            n_complete = len(frames) - -(-n_cut // frame_bytes)
            assert reader.info.n_frames == n_complete
            assert np.array_equal(reader.read(0, n_complete), frames[:n_complete])
            assert f"claims {len(frames)} frames; {n_complete} complete" in problem(reader)


def test_without_a_frame_count_all_frames_that_are_there_are_read(path: Path) -> None:
    for count in (0, -1):
        reader = open_bytes(path, ser(GREY8, count=count) + b"half a frame")
        assert np.array_equal(reader.read(0, reader.info.n_frames or 0), GREY8)
        assert f"claims {count} frames" in problem(reader)


def test_another_file_identification_is_accepted_if_the_size_fits(path: Path) -> None:
    stamps = [NOW, NOW + 1, NOW + 2, NOW + 3]
    for colour in (0, 8, 100, 101):
        frames = RGB8 if colour >= 100 else RGB8[..., 0]
        expected = frames[..., ::-1] if colour == 101 else frames
        for times in (None, stamps):
            content = ser(frames, file_id=b"JSOLEX-TRIMMED", colour=colour, stamps=times)
            reader = open_bytes(path, content)
            assert np.array_equal(reader.read(0, 4), expected), colour
            assert (reader.info.time is None) == (times is None)
            assert "JSOLEX-TRIMMED" in problem(reader)
            unknown, wrong_size = 7, 0 if colour >= 100 else 100
            for other in (unknown, wrong_size):
                with pytest.raises(ReaderError, match="not a SER file"):
                    open_bytes(path, content[:18] + struct.pack("<i", other) + content[22:])
            with pytest.raises(ReaderError, match="it begins with b'JSOLEX-TRIMMED'"):
                open_bytes(path, content + b"x")


def test_what_is_no_ser_file_is_refused_in_one_line(path: Path) -> None:
    for content, words in (
        (b"These are my notes of last night.", r"not a SER file: it begins with b'These are my n'"),
        (b"LUCAM-RECORDER", "ends within its header: 14 of 178"),
        (ser(GREY8)[:200], "holds no complete frame: it has 200 bytes, one frame needs 255"),
        (ser(GREY8, colour=7), "unknown ColorID 7; known are 0 mono, 8 RGGB, .*, 101 BGR"),
        (ser(GREY8, colour=102), "unknown ColorID 102"),
        (ser(GREY8, colour=-1), "unknown ColorID -1"),
        (ser(RGB8[:1], colour=100)[:-1], "has 267 bytes, one frame needs 268"),
        (ser(GREY8, bits=0), "damaged header: .* 0 bits"),
        (ser(GREY8, bits=32), "damaged header: .* 32 bits"),
        (ser(np.zeros((1, 0, 4), "u1")), "damaged header: width 4, height 0"),
        (ser_header(-4, 4, 8, 1) + b"x", "damaged header: width -4"),
        (ser_header(2**31 - 1, 2**31 - 1, 16, 2**31 - 1) + b"x", "holds no complete frame"),
    ):
        with pytest.raises(ReaderError, match=words) as caught:
            open_bytes(path, content)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


# --- the reader -----------------------------------------------------------------------------------


def test_a_file_that_shrinks_or_vanishes_after_opening_is_an_error(path: Path) -> None:
    reader = open_bytes(path, ser(GREY8))
    path.write_bytes(ser(GREY8)[:-10])
    assert np.array_equal(reader.read(0, 4), GREY8[:4])
    with pytest.raises(ReaderError, match="10 bytes too early"):
        reader.read(4, 5)
    path.unlink()
    with pytest.raises(ReaderError, match="No such file"):
        reader.read(0, 1)


def test_a_reader_travels_to_other_processes_and_threads(path: Path) -> None:
    reader = open_bytes(path, ser(GREY8, stamps=[NOW + k for k in range(5)]))
    copy = pickle.loads(pickle.dumps(reader))
    assert np.array_equal(copy.read(1, 4), GREY8[1:4])
    assert np.array_equal(copy.info.time, reader.info.time)
    with ThreadPoolExecutor(4) as pool:
        frames = list(pool.map(lambda k: copy.read(k % 5, k % 5 + 1)[0], range(40)))
    assert all(np.array_equal(frame, GREY8[k % 5]) for k, frame in enumerate(frames))


def test_reading_leaves_a_read_only_file_untouched(path: Path) -> None:
    content = ser(SMOOTH.astype(">u2"), bits=16, flag=1)
    path.write_bytes(content)
    path.chmod(0o400)
    before = path.stat().st_mtime_ns
    SerReader(path).read(0, 3)
    assert path.read_bytes() == content
    assert path.stat().st_mtime_ns == before
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@sparse_files
def test_frames_beyond_4_gb_are_found(path: Path) -> None:
    for colour, bits, shape, n in (
        (0, 8, (4096, 4096), 300),
        (8, 16, (4096, 4096), 140),
        (101, 16, (3000, 4000, 3), 62),
    ):
        pixel_bytes = (1 if bits == 8 else 2) * (3 if colour == 101 else 1)
        frame_bytes = shape[0] * shape[1] * pixel_bytes
        path.unlink(missing_ok=True)
        with path.open("wb") as file:
            file.write(ser_header(shape[1], shape[0], bits, n, colour))
            file.seek(178 + (n - 1) * frame_bytes + 5 * pixel_bytes)
            file.write(b"\x2a")
            file.truncate(178 + n * frame_bytes)  # holes of the file take no space
            file.seek(0, 2)
            file.write(struct.pack(f"<{n}q", *range(NOW, NOW + n)))
        assert path.stat().st_size > 2**32
        reader = SerReader(path)
        assert reader.info.n_frames == n
        assert reader.info.time is not None
        assert reader.info.time[-1] - reader.info.time[0] == 100 * (n - 1)
        last = reader.read(n - 1, n)
        assert last.shape == (1, *shape)
        assert last[(0, 0, 5, 2)[: last.ndim]] == 42  # the first sample of a pixel is its blue
        assert np.count_nonzero(last) == 1


# --- writing --------------------------------------------------------------------------------------


def test_what_is_written_has_the_layout_of_the_specification(path: Path) -> None:
    time = np.array([1_700_000_000_000_000_000, 1_700_000_000_033_333_300], np.int64)
    write_ser(
        path, iter(SMOOTH[:2]), n_frames=2, height=24, width=32, bits=12, time=time,
        observer="Änne", instrument="c" * 60, telescope="8 inch",
    )  # fmt: skip
    ticks = [int(t) // 100 + UNIX_EPOCH for t in time]
    assert path.read_bytes() == ser(
        SMOOTH[:2].astype("<u2"), bits=12, stamps=ticks, local=ticks[0], utc=ticks[0],
        texts=("Änne".encode(), b"c" * 40, b"8 inch"),
    )  # fmt: skip
    reader = SerReader(path)
    assert np.array_equal(reader.read(0, 2), SMOOTH[:2])
    assert np.array_equal(reader.info.time, time)


def test_colour_is_written_as_the_specification_says(path: Path) -> None:
    for number, name in {0: "mono", **BAYER, 100: "RGB"}.items():
        for bits in (8, 12):
            shape = (3, 6, 5, 3) if name == "RGB" else (3, 6, 5)
            frames = RNG.integers(0, 2**bits, shape).astype("u1" if bits == 8 else "<u2")
            write_ser(path, frames, n_frames=3, height=6, width=5, bits=bits, colour=name)
            assert path.read_bytes() == ser(frames, bits=bits, colour=number)
            reader = SerReader(path)
            assert np.array_equal(reader.read(0, 3), frames), (name, bits)
            assert reader.info.cfa == BAYER.get(number)


def test_what_does_not_fit_is_not_written(path: Path) -> None:
    path.write_bytes(b"an older file")
    for change, words in (
        ({"colour": "rggb"}, "colour 'rggb'; give one of mono, RGGB, .*, RGB"),
        ({"colour": "BGR"}, "colour 'BGR'"),
        ({"colour": "RGB"}, r"give uint8 \(7, 11, 3\)"),
        ({"n_frames": 6}, "5 frames were given, n_frames is 6"),
        ({"n_frames": 4}, "more frames were given, n_frames is 4"),
        ({"height": 8}, r"frame 0 .* is uint8 \(7, 11\); give uint8 \(8, 11\)"),
        ({"bits": 16}, "give uint16"),
        ({"bits": 17}, "17 bits"),
        ({"n_frames": 0}, "at least 1"),
        ({"time": np.zeros(3, np.int64)}, r"shape \(3,\)"),
    ):
        arguments = {"n_frames": 5, "height": 7, "width": 11, "bits": 8} | change
        with pytest.raises(StoreError, match=words):
            write_ser(path, GREY8, **arguments)  # type: ignore[arg-type]
        assert path.read_bytes() == b"an older file"
        assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_an_interrupt_while_writing_leaves_nothing_behind(path: Path) -> None:
    def frames():
        yield GREY8[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_ser(path, frames(), n_frames=5, height=7, width=11, bits=8)
    assert list(path.parent.iterdir()) == []
