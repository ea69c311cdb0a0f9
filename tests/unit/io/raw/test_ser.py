"""SER files as capture programs write them, put together here from the specification."""

from __future__ import annotations

import pickle
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.raw.ser import SerReader, write_ser
from skry_dask.io.reader import RawReader

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "<14siiiiiii40s40s40sqq"
SECOND = 10_000_000
NOW = 638_000_000_000_000_000  # in the year 2022, counted in 100 ns from the year 1
UNIX_EPOCH = 621_355_968_000_000_000

RANDOM = np.random.default_rng(1)
GREY8 = RANDOM.integers(0, 256, (5, 7, 11), np.uint8)
Y, X = np.mgrid[:24, :32]
RGB8 = RANDOM.integers(0, 256, (4, 6, 5, 3), np.uint8)
BAYER = {8: "RGGB", 9: "GRBG", 10: "GBRG", 11: "BGGR"}
CMY = {16: "CYYM", 17: "YCMY", 18: "YMCY", 19: "MYYC"}
SMOOTH = (2000 + 1500 * np.sin(X / 9 + np.arange(3)[:, None, None]) * np.cos(Y / 7)).astype("u2")


def ser(
    frames: np.ndarray,
    *,
    bits: int = 8,
    flag: int = 0,
    colour: int = 0,
    count: int | None = None,
    file_id: bytes = b"LUCAM-RECORDER",
    texts: tuple[bytes, bytes, bytes] = (b"", b"", b""),
    local: int = 0,
    utc: int = 0,
    stamps: list[int] | None = None,
) -> bytes:
    n, height, width = frames.shape[:3]
    header = struct.pack(
        HEADER, file_id, 0, colour, flag, width, height, bits, n if count is None else count,
        *texts, local, utc,
    )  # fmt: skip
    assert len(header) == 178
    trailer = b"" if stamps is None else struct.pack(f"<{len(stamps)}q", *stamps)
    return header + frames.tobytes() + trailer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "moon.ser"


def open_bytes(path: Path, content: bytes) -> SerReader:
    path.write_bytes(content)
    return SerReader(path)


def problem(reader: SerReader) -> str:
    assert len(reader.info.problems) == 1, reader.info.problems
    return reader.info.problems[0]


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


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
def test_deeper_frames_keep_their_samples_and_their_stated_depth(path: Path, bits: int) -> None:
    frames = RANDOM.integers(0, 2**bits, (3, 6, 5)).astype("<u2")
    reader = open_bytes(path, ser(frames, bits=bits))
    assert (reader.info.dtype, reader.info.bits, reader.info.problems) == ("uint16", bits, ())
    read = reader.read(0, 3)
    assert read.dtype.isnative
    assert np.array_equal(read, frames)


@pytest.mark.parametrize(("colour", "cfa"), BAYER.items())
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_raw_colour_is_one_channel_with_its_pattern(
    path: Path, colour: int, cfa: str, bits: int
) -> None:
    frames = RANDOM.integers(0, 2**bits, (3, 6, 5)).astype("u1" if bits == 8 else "<u2")
    reader = open_bytes(path, ser(frames, bits=bits, colour=colour))
    info = reader.info
    assert (info.cfa, info.channels, info.frame_shape, info.bits) == (cfa, 1, (6, 5), bits)
    assert info.problems == ()
    assert np.array_equal(reader.read(0, 3), frames)


@pytest.mark.parametrize(("colour", "pattern"), CMY.items())
@pytest.mark.parametrize("bits", [8, 16])
def test_colour_behind_cyan_magenta_and_yellow_is_mono_and_reported(
    path: Path, colour: int, pattern: str, bits: int
) -> None:
    frames = GREY8 if bits == 8 else GREY8.astype("<u2") * 257
    reader = open_bytes(path, ser(frames, bits=bits, colour=colour))
    assert (reader.info.cfa, reader.info.channels) == (None, 1)
    assert np.array_equal(reader.read(0, 5), frames)
    assert f"ColorID is {colour} ({pattern})" in problem(reader)


@pytest.mark.parametrize("colour", [100, 101])
@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize("order", ["little", "big"])
def test_colour_is_always_red_green_blue(path: Path, colour: int, bits: int, order: str) -> None:
    frames = RANDOM.integers(0, 2**bits, (3, 6, 5, 3)).astype("u1" if bits == 8 else "u2")
    stored = frames if colour == 100 else frames[..., ::-1]
    if bits > 8:
        stored = stored.astype("<u2" if order == "little" else ">u2")
    stamps = [NOW + k for k in range(3)]
    path.write_bytes(ser(stored, bits=bits, colour=colour, stamps=stamps))
    reader = SerReader(path, byte_order=order)  # type: ignore[arg-type]
    info = reader.info
    assert (info.cfa, info.channels, info.frame_shape, info.bits) == (None, 3, (6, 5, 3), bits)
    assert (info.n_frames, info.problems) == (3, ())
    assert info.time is not None
    for start, stop in ((0, 3), (1, 2), (2, 2)):
        read = reader.read(start, stop)
        assert np.array_equal(read, frames[start:stop])
        assert read.dtype == info.dtype
        assert read.dtype.isnative
        assert read.flags.c_contiguous
        assert read.flags.owndata or bits > 8


def test_colour_of_many_pixels_is_put_into_order_throughout(path: Path) -> None:
    frames = RANDOM.integers(0, 256, (2, 201, 203, 3), np.uint8)  # not a whole number of blocks
    reader = open_bytes(path, ser(frames[..., ::-1], colour=101))
    assert np.array_equal(reader.read(0, 2), frames)


@pytest.mark.parametrize("colour", [100, 101])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_byte_order_of_colour_is_decided_sample_by_sample(
    path: Path, colour: int, order: str
) -> None:
    # Channels far from each other: only samples of the same channel are alike.
    frames = np.stack([SMOOTH, SMOOTH // 5, 60000 - SMOOTH], axis=-1).astype("u2")
    stored = (frames if colour == 100 else frames[..., ::-1]).astype(f"{order}u2")
    reader = open_bytes(path, ser(stored, bits=16, colour=colour, flag=1))
    assert np.array_equal(reader.read(0, 3), frames)
    assert {"<": "little-endian", ">": "big-endian"}[order] in problem(reader)


@pytest.mark.parametrize("colour", [0, *BAYER, *CMY])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_byte_order_of_raw_colour_is_decided_by_pixels_of_the_same_colour(
    path: Path, colour: int, order: str
) -> None:
    # Neighbours differ by far more than the swapped low bytes do: 0x0180 beside 0x8001 swaps to
    # 0x8001 beside 0x0180. A raw mosaic without a flag (ColorID 0) has to be found as well.
    mosaic = np.where((Y + X) % 2, 0x8001, 0x0180) + (X // 8) * 0x10
    frames = np.stack([mosaic, mosaic + 1]).astype("u2")
    reader = open_bytes(path, ser(frames.astype(f"{order}u2"), bits=16, colour=colour, flag=1))
    assert np.array_equal(reader.read(0, 2), frames)


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("colour", [0, 8, 100])
def test_the_byte_order_of_the_narrowest_frames_is_decided_too(
    path: Path, width: int, colour: int
) -> None:
    shape = (2, 9, width, 3) if colour == 100 else (2, 9, width)
    frames = RANDOM.integers(600, 610, shape).astype("<u2")
    reader = open_bytes(path, ser(frames, bits=16, colour=colour, flag=1))
    assert np.array_equal(reader.read(0, 2), frames)
    assert "little-endian" in problem(reader)


@pytest.mark.parametrize(
    ("bits", "shift", "used", "zeros"),
    [(12, 0, 12, 0), (12, 4, 16, 4), (14, 2, 16, 2), (14, 0, 14, 0), (16, 0, 16, 0)],
)
@pytest.mark.parametrize("order", ["little", "big"])
def test_samples_stay_as_they_are_and_their_used_bits_are_told(
    path: Path, bits: int, shift: int, used: int, zeros: int, order: str
) -> None:
    frames = (RANDOM.integers(0, 2**bits, (3, 20, 20)) << shift).astype("<u2")
    path.write_bytes(ser(frames if order == "little" else frames.byteswap(), bits=16))
    reader = SerReader(path, byte_order=order)  # type: ignore[arg-type]
    assert reader.info.bits == 16
    assert reader.info.attrs == {"used_bits": used, "trailing_zero_bits": zeros}
    assert np.array_equal(reader.read(0, 3), frames)


def test_nothing_is_told_of_the_bits_of_black_frames(path: Path) -> None:
    reader = open_bytes(path, ser(np.zeros((2, 3, 4), "<u2"), bits=12))
    assert (reader.info.attrs, reader.info.problems) == ({}, ())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [12, 16])
def test_the_byte_order_flag_1_is_decided_by_the_picture(path: Path, order: str, bits: int) -> None:
    reader = open_bytes(path, ser(SMOOTH.astype(f"{order}u2"), bits=bits, flag=1))
    read = reader.read(0, 3)
    assert read.dtype == np.dtype("u2")
    assert read.dtype.isnative
    assert np.array_equal(read, SMOOTH)
    assert {"<": "little-endian", ">": "big-endian"}[order] in problem(reader)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_byte_order_of_a_dark_is_found_though_it_is_noise_only(path: Path, order: str) -> None:
    dark = RANDOM.normal(600, 9, (3, 20, 20)).astype("u2")
    reader = open_bytes(path, ser(dark.astype(f"{order}u2"), bits=16, flag=1))
    assert np.array_equal(reader.read(0, 3), dark)


def test_the_byte_order_is_judged_by_a_bright_frame(path: Path) -> None:
    frames = np.concatenate([np.zeros((4, 24, 32), "u2"), SMOOTH]).astype(">u2")
    assert np.array_equal(open_bytes(path, ser(frames, bits=16, flag=1)).read(0, 7), frames)


def test_samples_with_one_empty_byte_count_as_little_endian(path: Path) -> None:
    frames = (SMOOTH >> 4 << 8).astype("<u2")
    assert np.array_equal(open_bytes(path, ser(frames, bits=16, flag=1)).read(0, 3), frames)


def test_the_byte_order_can_be_given(path: Path) -> None:
    path.write_bytes(ser(SMOOTH.astype(">u2"), bits=16))
    reader = SerReader(path, byte_order="big")
    assert np.array_equal(reader.read(0, 3), SMOOTH)
    assert reader.info.problems == ()


def test_the_byte_order_flag_means_nothing_with_8_bits(path: Path) -> None:
    reader = open_bytes(path, ser(GREY8, flag=1))
    assert np.array_equal(reader.read(0, 5), GREY8)
    assert reader.info.problems == ()


def test_samples_above_the_stated_depth_are_reported(path: Path) -> None:
    reader = open_bytes(path, ser((SMOOTH << 4).astype("<u2"), bits=12))
    assert reader.info.bits == 12
    assert "12 bits, but samples reach 16" in problem(reader)


@pytest.mark.parametrize("cut", [1, 76, 77, 78, 153])
def test_a_truncated_file_gives_its_complete_frames(path: Path, cut: int) -> None:
    reader = open_bytes(path, ser(GREY8)[:-cut])
    n_complete = 5 - -(-cut // 77)
    assert reader.info.n_frames == n_complete
    assert np.array_equal(reader.read(0, n_complete), GREY8[:n_complete])
    assert f"claims 5 frames; {n_complete} complete" in problem(reader)


@pytest.mark.parametrize("count", [0, -1])
def test_without_a_frame_count_all_frames_that_are_there_are_read(path: Path, count: int) -> None:
    reader = open_bytes(path, ser(GREY8, count=count) + b"half a frame")
    assert np.array_equal(reader.read(0, reader.info.n_frames or 0), GREY8)
    assert f"claims {count} frames" in problem(reader)


def test_fewer_frames_claimed_than_there_are_is_respected_and_reported(path: Path) -> None:
    reader = open_bytes(path, ser(GREY8, count=3))
    assert reader.info.n_frames == 3
    assert "154 bytes follow the frames" in problem(reader)


def test_time_stamps_become_nanoseconds_utc(path: Path) -> None:
    stamps = [UNIX_EPOCH + 1_700_000_000 * SECOND + k * 333_333 for k in range(5)]
    reader = open_bytes(path, ser(GREY8, stamps=stamps))
    assert reader.info.time is not None
    assert reader.info.time.dtype == np.int64
    expected = [1_700_000_000_000_000_000 + k * 33_333_300 for k in range(5)]
    assert reader.info.time.tolist() == expected
    assert reader.info.problems == ()


@pytest.mark.parametrize(
    ("stamps", "words", "used"),
    [
        ([0] * 5, "5 of 5 time stamps are all zero", False),
        ([NOW, NOW + 1, 7, NOW + 3, NOW + 4], "1 of 5 time stamps are not between", False),
        ([2**63 - 1] * 5, "5 of 5 time stamps are not between", False),
        ([-(2**63)] * 5, "5 of 5 time stamps are not between", False),
        ([NOW, NOW + 1, NOW + 2, NOW + 3], "32 bytes follow the frames", False),
        ([NOW] * 5, "All time stamps are equal", True),
        ([NOW, NOW + 1, NOW + 1, NOW + 3, NOW + 4], "1 time stamps equal the one before", True),
        ([NOW, NOW + 5, NOW + 3, NOW + 6, NOW + 7], "out of order: 1", True),
    ],
)
def test_bad_time_stamps_are_reported_and_impossible_ones_not_used(
    path: Path, stamps: list[int], words: str, used: bool
) -> None:
    reader = open_bytes(path, ser(GREY8, stamps=stamps))
    assert words in problem(reader)
    assert (reader.info.time is not None) == used


def test_local_time_in_place_of_utc_is_reported(path: Path) -> None:
    local = NOW + 2 * 3600 * SECOND
    stamps = [local + k * SECOND for k in range(5)]
    assert "probably local" in problem(
        open_bytes(path, ser(GREY8, stamps=stamps, local=local, utc=NOW))
    )
    stamps = [NOW + k * SECOND for k in range(5)]
    assert not open_bytes(path, ser(GREY8, stamps=stamps, local=local, utc=NOW)).info.problems


def test_texts_are_read_whatever_their_encoding(path: Path) -> None:
    texts = ("Jürgen".encode("latin-1"), "Große Kamera".encode(), b"fps=30.00gain=120 exp=2.5" * 2)
    info = open_bytes(path, ser(GREY8, texts=(texts[0], texts[1], texts[2][:40]), utc=NOW)).info
    assert info.attrs == {
        "observer": "Jürgen",
        "instrument": "Große Kamera",
        "telescope": "fps=30.00gain=120 exp=2.5fps=30.00gain=1",
        "date_utc": "2022-09-28T22:13:20.000Z",
    }


def test_empty_texts_and_dates_are_left_out(path: Path) -> None:
    assert open_bytes(path, ser(GREY8, texts=(b"\0junk", b"  ", b""))).info.attrs == {}


def test_another_file_identification_is_accepted_when_the_size_fits(path: Path) -> None:
    reader = open_bytes(path, ser(GREY8, file_id=b"JSOLEX-TRIMMED"))
    assert np.array_equal(reader.read(0, 5), GREY8)
    assert "JSOLEX-TRIMMED" in problem(reader)
    with pytest.raises(ReaderError, match=r"not a SER file: it begins with b'JSOLEX-TRIMMED'"):
        open_bytes(path, ser(GREY8, file_id=b"JSOLEX-TRIMMED") + b"x")


@pytest.mark.parametrize("colour", [8, 100, 101])
@pytest.mark.parametrize("stamps", [None, [NOW, NOW + 1, NOW + 2, NOW + 3]])
def test_another_file_identification_is_accepted_for_colour_too(
    path: Path, colour: int, stamps: list[int] | None
) -> None:
    frames = RGB8[..., 0] if colour == 8 else RGB8
    content = ser(frames, file_id=b"JSOLEX-TRIMMED", colour=colour, stamps=stamps)
    reader = open_bytes(path, content)
    expected = frames[..., ::-1] if colour == 101 else frames
    assert np.array_equal(reader.read(0, 4), expected)
    assert (reader.info.time is None) == (stamps is None)
    assert "JSOLEX-TRIMMED" in problem(reader)
    for colour_id in (7, 0 if colour != 8 else 100):  # unknown, or a geometry that does not fit
        with pytest.raises(ReaderError, match="not a SER file"):
            open_bytes(path, content[:18] + struct.pack("<i", colour_id) + content[22:])


@pytest.mark.parametrize("cut", [1, 89, 90, 91, 200])
def test_a_truncated_colour_file_gives_its_complete_frames(path: Path, cut: int) -> None:
    reader = open_bytes(path, ser(RGB8, colour=100)[:-cut])
    n_complete = 4 - -(-cut // 90)
    assert np.array_equal(reader.read(0, n_complete), RGB8[:n_complete])
    assert f"claims 4 frames; {n_complete} complete" in problem(reader)


@pytest.mark.parametrize(
    ("content", "words"),
    [
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
        (struct.pack(HEADER, b"LUCAM-RECORDER", 0, 0, 0, -4, 4, 8, 1, b"", b"", b"", 0, 0) + b"x",
         "damaged header: width -4"),
        (struct.pack(HEADER, b"LUCAM-RECORDER", 0, 0, 0, 2**31 - 1, 2**31 - 1, 16, 2**31 - 1,
                     b"", b"", b"", 0, 0) + b"x", "holds no complete frame"),
    ],
)  # fmt: skip
def test_what_is_no_ser_file_is_refused_in_one_line(path: Path, content: bytes, words: str) -> None:
    with pytest.raises(ReaderError, match=words) as caught:
        open_bytes(path, content)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("start", "stop"), [(0, 6), (-1, 2), (3, 2), (6, 6)])
def test_frames_that_are_not_there_are_an_error(path: Path, start: int, stop: int) -> None:
    reader = open_bytes(path, ser(GREY8))
    with pytest.raises(ReaderError, match="it has 5 frames"):
        reader.read(start, stop)


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
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("colour", "bits", "shape", "n"),
    [(0, 8, (4096, 4096), 300), (8, 16, (4096, 4096), 140), (101, 16, (3000, 4000, 3), 62)],
)
def test_frames_beyond_4_gb_are_found(
    path: Path, colour: int, bits: int, shape: tuple[int, ...], n: int
) -> None:
    pixel_bytes = (1 if bits == 8 else 2) * (3 if colour == 101 else 1)
    frame_bytes = shape[0] * shape[1] * pixel_bytes
    header = struct.pack(
        HEADER, b"LUCAM-RECORDER", 0, colour, 0, shape[1], shape[0], bits, n, b"", b"", b"", 0, 0
    )
    with path.open("wb") as file:
        file.write(header)
        file.seek(178 + (n - 1) * frame_bytes + 5 * pixel_bytes)
        file.write(b"\x2a")
        file.truncate(178 + n * frame_bytes)  # sparse: holes take no space
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


@pytest.mark.parametrize(
    ("colour", "colour_id"), [("mono", 0), *((v, k) for k, v in BAYER.items()), ("RGB", 100)]
)
@pytest.mark.parametrize("bits", [8, 12])
def test_colour_is_written_as_the_specification_says(
    path: Path, colour: str, colour_id: int, bits: int
) -> None:
    shape = (3, 6, 5, 3) if colour == "RGB" else (3, 6, 5)
    frames = RANDOM.integers(0, 2**bits, shape).astype("u1" if bits == 8 else "<u2")
    write_ser(path, frames, n_frames=3, height=6, width=5, bits=bits, colour=colour)
    assert path.read_bytes() == ser(frames, bits=bits, colour=colour_id)
    reader = SerReader(path)
    assert np.array_equal(reader.read(0, 3), frames)
    assert reader.info.cfa == (colour if len(colour) == 4 and colour != "mono" else None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
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
    ],
)
def test_what_does_not_fit_is_not_written(
    path: Path, change: dict[str, object], words: str
) -> None:
    path.write_bytes(b"an older file")
    arguments = {"n_frames": 5, "height": 7, "width": 11, "bits": 8} | change
    with pytest.raises(StoreError, match=words):
        write_ser(path, GREY8, **arguments)  # type: ignore[arg-type]
    assert path.read_bytes() == b"an older file"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_an_interrupt_while_writing_leaves_nothing_behind(path: Path) -> None:
    def frames():
        yield GREY8[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_ser(path, frames(), n_frames=5, height=7, width=11, bits=8)
    assert list(path.parent.iterdir()) == []
