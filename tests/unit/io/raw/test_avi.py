"""Uncompressed AVI as capture programs write it, put together here chunk by chunk."""

from __future__ import annotations

import pickle
import struct
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from skry_dask.capture.develop import cfa_at_first_pixel
from skry_dask.capture.open import open_capture
from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.raw import avi as avi_module
from skry_dask.io.raw.avi import AviReader, write_avi
from skry_dask.io.reader import RawReader
from skry_dask.options import ReadOptions

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

RANDOM = np.random.default_rng(2)
GREY = RANDOM.integers(0, 256, (4, 6, 7), np.uint8)
GREY16 = RANDOM.integers(0, 65536, (4, 6, 7)).astype("<u2")
RGB = RANDOM.integers(0, 256, (4, 6, 7, 3), np.uint8)
COLOURS = RANDOM.integers(0, 256, (256, 3), np.uint8)
IDENTITY = np.arange(256, dtype=np.uint8)


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def make_list(kind: bytes, content: bytes) -> bytes:
    return chunk(b"LIST", kind + content)


def palette(greys: np.ndarray) -> bytes:
    return b"".join(bytes((g, g, g, 0)) for g in greys.tolist())


def colour_palette(colours: np.ndarray) -> bytes:
    return b"".join(bytes((b, g, r, 77)) for r, g, b in colours.tolist())


def stream(
    width: int, height: int, fourcc: bytes, *, bits: int = 8, colours: bytes = b"", count: int = 4
) -> bytes:
    strh = struct.pack(
        "<4s4sIHHIIIIIIII4H", b"vids", fourcc, 0, 0, 0, 0, 2, 50, 0, count, 0, 0, 0, 0, 0, 0, 0
    )
    strf = struct.pack(
        "<IiiHH4sIiiII", 40, width, height, 1, bits, fourcc, 0, 0, 0, len(colours) // 4, 0
    )
    return make_list(b"strl", chunk(b"strh", strh) + chunk(b"strf", strf + colours))


def audio() -> bytes:
    strh = struct.pack(
        "<4s4sIHHIIIIIIII4H", b"auds", b"", 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, *[0] * 4
    )
    return make_list(b"strl", chunk(b"strh", strh) + chunk(b"strf", bytes(18)))


def avi(streams: bytes, movi: bytes, after: bytes = b"") -> bytes:
    header = make_list(b"hdrl", chunk(b"avih", bytes(56)) + streams)
    return chunk(b"RIFF", b"AVI " + header + make_list(b"movi", movi) + after)


def rows(frame: np.ndarray, *, padded: bool, flipped: bool = False) -> bytes:
    frame = frame[::-1] if flipped else frame
    stored = [row.tobytes() for row in frame]
    return b"".join(row + b"c" * (-len(row) % 4 if padded else 0) for row in stored)


def y800(frames: np.ndarray = GREY, name: bytes = b"00db", *, padded: bool = False) -> bytes:
    return b"".join(chunk(name, rows(f, padded=padded)) for f in frames)


def dib(frames: np.ndarray = GREY, *, flipped: bool = True) -> bytes:
    return b"".join(chunk(b"00db", rows(f, padded=True, flipped=flipped)) for f in frames)


def bgr(frames: np.ndarray = RGB, *, unused: bool = False, flipped: bool = True) -> bytes:
    stored = frames[..., ::-1]
    if unused:
        stored = np.concatenate([stored, np.full_like(stored[..., :1], 200)], axis=-1)
    return dib(stored, flipped=flipped)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "moon.avi"


def open_bytes(path: Path, content: bytes) -> AviReader:
    path.write_bytes(content)
    return AviReader(path)


def problem(reader: AviReader) -> str:
    assert len(reader.info.problems) == 1, reader.info.problems
    return reader.info.problems[0]


def by_ffmpeg(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        assert {frame.format.name for frame in frames} <= {"gray", "pal8", "bgr24", "bgra"}
        if frames[0].format.name == "pal8":
            colours = np.stack([f.reformat(format="rgb24").to_ndarray() for f in frames])
            return colours[..., 1] if (colours == colours[..., :1]).all() else colours
        if frames[0].format.name.startswith("bgr"):
            return np.stack([frame.to_ndarray()[..., 2::-1] for frame in frames])
        return np.stack([frame.to_ndarray() for frame in frames])


def test_a_declared_pattern_is_that_of_the_frames_as_shown_not_as_stored(path: Path) -> None:
    # Stored bottom row first, rows of an even number change places: RGGB is stored as GBRG.
    mosaic = np.random.default_rng(4).integers(0, 256, (3, 6, 8)).astype(np.uint8)
    path.write_bytes(avi(stream(8, 6, b"DIB "), dib(mosaic)))
    capture = open_capture(path, ReadOptions(cfa="RGGB"))
    np.testing.assert_array_equal(capture["frames"], mosaic)
    assert cfa_at_first_pixel(capture) == "RGGB"


@pytest.mark.parametrize("fourcc", [b"Y800", b"Y8  ", b"Y8\0\0", b"GREY"])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
def test_grey_planes_are_never_flipped_and_may_be_padded(
    path: Path, fourcc: bytes, padded: bool, sign: int
) -> None:
    reader = open_bytes(path, avi(stream(7, sign * 6, fourcc), y800(padded=padded)))
    assert isinstance(reader, RawReader)
    assert np.array_equal(reader.read(0, 4), GREY)
    info = reader.info
    assert (info.n_frames, info.height, info.width, info.dtype, info.bits) == (4, 6, 7, "uint8", 8)
    assert info.format == f"AVI {fourcc.decode().strip(' ' + chr(0))}"
    assert (info.time, info.attrs["fps"], info.problems) == (None, 25.0, ())


@pytest.mark.parametrize("fourcc", [b"\0\0\0\0", b"DIB ", b"RAW "])
def test_bitmaps_begin_with_their_bottom_row(path: Path, fourcc: bytes) -> None:
    content = avi(stream(7, 6, fourcc, colours=palette(IDENTITY)), dib())
    assert np.array_equal(open_bytes(path, content).read(0, 4), GREY)


def test_bitmaps_of_negative_height_begin_with_their_top_row(path: Path) -> None:
    content = avi(stream(7, -6, b"\0\0\0\0", colours=palette(IDENTITY)), dib(flipped=False))
    reader = open_bytes(path, content)
    assert reader.info.height == 6
    assert np.array_equal(reader.read(0, 4), GREY)


@pytest.mark.parametrize(
    "greys", [IDENTITY[::-1], (IDENTITY // 2 + 64).astype("u1")], ids=["inverted", "flat"]
)
def test_the_palette_says_what_the_grey_values_are(path: Path, greys: np.ndarray) -> None:
    reader = open_bytes(path, avi(stream(7, 6, b"\0\0\0\0", colours=palette(greys)), dib()))
    assert np.array_equal(reader.read(1, 3), greys[GREY[1:3]])
    assert np.array_equal(by_ffmpeg(path), greys[GREY])


def test_a_short_palette_leaves_other_values_alone(path: Path) -> None:
    reader = open_bytes(
        path, avi(stream(7, 6, b"\0\0\0\0", colours=palette(np.array([9, 8]))), dib(GREY % 4))
    )
    assert np.array_equal(reader.read(0, 4), np.array([9, 8, 2, 3])[GREY % 4])


def test_without_a_palette_or_with_a_black_one_indices_are_grey_values(path: Path) -> None:
    assert np.array_equal(open_bytes(path, avi(stream(7, 6, bytes(4)), dib())).read(0, 4), GREY)
    reader = open_bytes(path, avi(stream(7, 6, bytes(4), colours=bytes(1024)), dib()))
    assert np.array_equal(reader.read(0, 4), GREY)
    assert "palette is black" in problem(reader)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("fourcc", [b"\0\0\0\0", b"DIB ", b"RAW "])
def test_a_palette_of_colours_gives_colour_frames(path: Path, sign: int, fourcc: bytes) -> None:
    streams = stream(7, sign * 6, fourcc, colours=colour_palette(COLOURS))
    reader = open_bytes(path, avi(streams, dib(flipped=sign > 0)))
    info = reader.info
    assert (info.channels, info.frame_shape, info.dtype, info.bits) == (3, (6, 7, 3), "uint8", 8)
    assert (info.format, info.problems) == ("AVI DIB", ())
    assert np.array_equal(reader.read(1, 4), COLOURS[GREY[1:]])
    if fourcc == bytes(4):
        assert np.array_equal(by_ffmpeg(path), COLOURS[GREY])


def test_a_short_palette_of_colours_leaves_other_values_grey(path: Path) -> None:
    streams = stream(7, 6, bytes(4), colours=colour_palette(COLOURS[:2]))
    read = open_bytes(path, avi(streams, dib(GREY % 4))).read(0, 4)
    expected = np.concatenate([COLOURS[:2], [[2, 2, 2], [3, 3, 3]]])
    assert np.array_equal(read, expected[GREY % 4])


def test_a_palette_follows_a_header_of_any_length(path: Path) -> None:
    content = avi(stream(7, 6, bytes(4), colours=bytes(84) + palette(IDENTITY[::-1])), dib())
    at = content.index(b"strf") + 8
    v5 = content[:at] + struct.pack("<I", 124) + content[at + 4 :]
    at += 32  # colours used
    v5 = v5[:at] + struct.pack("<I", 256) + v5[at + 4 :]
    assert np.array_equal(open_bytes(path, v5).read(0, 4), 255 - GREY)


@pytest.mark.parametrize("width", [1, 2, 7, 8])
@pytest.mark.parametrize("bits", [24, 32])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("fourcc", [b"\0\0\0\0", b"DIB ", b"RAW "])
def test_colour_bitmaps_are_read_as_red_green_blue(
    path: Path, width: int, bits: int, sign: int, fourcc: bytes
) -> None:
    frames = RANDOM.integers(0, 256, (4, 6, width, 3), np.uint8)
    movi = bgr(frames, unused=bits == 32, flipped=sign > 0)
    reader = open_bytes(path, avi(stream(width, sign * 6, fourcc, bits=bits), movi))
    assert (reader.info.channels, reader.info.frame_shape) == (3, (6, width, 3))
    assert (reader.info.format, reader.info.dtype, reader.info.bits) == ("AVI DIB", "uint8", 8)
    assert reader.info.problems == ()
    read = reader.read(0, 4)
    assert np.array_equal(read, frames)
    assert np.array_equal(reader.read(2, 3), frames[2:3])
    assert read.flags.c_contiguous
    if fourcc == bytes(4):
        assert np.array_equal(by_ffmpeg(path), frames)


def test_frames_of_many_rows_are_read_block_by_block(path: Path) -> None:
    height, width = 501, 403
    grey = RANDOM.integers(0, 256, (2, height, width), np.uint8)
    deep = RANDOM.integers(0, 65536, (2, height, width)).astype("<u2")
    colour = RANDOM.integers(0, 256, (2, height, width, 3), np.uint8)
    coloured = stream(width, height, bytes(4), colours=colour_palette(COLOURS))
    for streams, movi, expected in (
        (stream(width, height, b"Y800"), y800(grey, padded=True), grey),
        (stream(width, height, bytes(4)), dib(grey), grey),
        (stream(width, -height, bytes(4)), dib(grey, flipped=False), grey),
        (stream(width, height, b"Y16 "), dib(deep, flipped=False), deep),
        (stream(width, height, bytes(4), bits=24), bgr(colour), colour),
        (stream(width, -height, bytes(4), bits=24), bgr(colour, flipped=False), colour),
        (coloured, dib(grey), COLOURS[grey]),
    ):
        assert np.array_equal(open_bytes(path, avi(streams, movi)).read(0, 2), expected)


@pytest.mark.parametrize("fourcc", [b"Y16 ", b"Y1\0\x10"])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
def test_grey_planes_of_16_bits_are_never_flipped(
    path: Path, fourcc: bytes, padded: bool, sign: int
) -> None:
    content = avi(stream(7, sign * 6, fourcc, bits=16), y800(GREY16, padded=padded))
    reader = open_bytes(path, content)
    info = reader.info
    assert (info.format, info.dtype, info.bits, info.channels) == ("AVI Y16", "uint16", 16, 1)
    assert (info.attrs["codec"], info.problems) == ("Y16", ())
    read = reader.read(0, 4)
    assert np.array_equal(read, GREY16)
    assert read.dtype.isnative


@pytest.mark.parametrize("width", [7, 8])
@pytest.mark.parametrize("kind", ["Y800", "DIB"])
def test_frames_are_those_that_ffmpeg_finds(path: Path, width: int, kind: str) -> None:
    frames = RANDOM.integers(0, 256, (3, 6, width), np.uint8)
    if kind == "Y800":
        content = avi(stream(width, 6, b"Y800"), y800(frames, padded=True))
    else:
        content = avi(stream(width, 6, bytes(4), colours=palette(IDENTITY)), dib(frames))
    assert np.array_equal(open_bytes(path, content).read(0, 3), by_ffmpeg(path))


def test_what_ffmpeg_writes_is_read(path: Path) -> None:
    frames = RANDOM.integers(0, 256, (3, 6, 8), np.uint8)
    with av.open(str(path), "w") as container:
        video = container.add_stream("rawvideo", rate=25)
        video.width, video.height, video.pix_fmt = 8, 6, "gray"
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
    reader = AviReader(path)
    assert np.array_equal(reader.read(0, 3), frames)
    assert reader.info.problems == ()


def test_dropped_frames_are_left_out_and_the_others_keep_their_numbers(path: Path) -> None:
    movi = chunk(b"00db", b"") + y800(GREY[:2]) + 2 * chunk(b"00db", b"") + y800(GREY[2:])
    reader = open_bytes(path, avi(stream(7, 6, b"Y800", count=7), movi))
    assert np.array_equal(reader.read(0, 4), GREY)
    assert reader.info.n_frames == 4
    assert reader.info.number is not None
    assert reader.info.number.dtype == np.int64
    assert reader.info.number.tolist() == [1, 2, 5, 6]
    assert "3 frames were dropped" in problem(reader)


def test_frames_that_are_missing_at_the_end_change_no_number(path: Path) -> None:
    movi = y800() + 2 * chunk(b"00db", b"")
    reader = open_bytes(path, avi(stream(7, 6, b"Y800", count=6), movi))
    assert np.array_equal(reader.read(0, 4), GREY)
    assert reader.info.number is None
    assert "2 frames were dropped" in problem(reader)


def test_a_wrong_frame_count_in_the_header_is_corrected(path: Path) -> None:
    reader = open_bytes(path, avi(stream(7, 6, b"Y800", count=9), y800()))
    assert reader.info.n_frames == 4
    assert "claims 9 frames; 4 are there" in problem(reader)
    assert open_bytes(path, avi(stream(7, 6, b"Y800", count=0), y800())).info.problems == ()


def test_a_truncated_last_frame_is_dropped(path: Path) -> None:
    reader = open_bytes(path, avi(stream(7, 6, b"Y800"), y800())[:-5])
    assert np.array_equal(reader.read(0, 3), GREY[:3])
    assert reader.info.number is None
    assert "1 frames are incomplete" in problem(reader)


def test_a_truncated_colour_frame_is_dropped(path: Path) -> None:
    reader = open_bytes(path, avi(stream(7, 6, bytes(4), bits=24), bgr())[:-1])
    assert np.array_equal(reader.read(0, 3), RGB[:3])
    assert "1 frames are incomplete" in problem(reader)


def test_a_frame_that_is_too_short_is_left_out(path: Path) -> None:
    movi = y800(GREY[:1]) + chunk(b"00db", b"too short") + y800(GREY[1:])
    reader = open_bytes(path, avi(stream(7, 6, b"Y800", count=5), movi))
    assert np.array_equal(reader.read(0, 4), GREY)
    assert reader.info.number is not None
    assert reader.info.number.tolist() == [0, 2, 3, 4]
    assert "1 frames are incomplete" in problem(reader)


def test_lengths_that_a_crash_left_at_zero_do_not_matter(path: Path) -> None:
    content = bytearray(avi(stream(7, 6, b"Y800"), y800()))
    at = content.index(b"movi") - 4
    content[4:8] = content[at : at + 4] = bytes(4)
    assert np.array_equal(open_bytes(path, bytes(content)).read(0, 4), GREY)


def super_index(places: list[int]) -> bytes:
    """The OpenDML index of a stream's indices: 24 bytes, then 16 for each RIFF."""
    entries = b"".join(struct.pack("<QII", place, 32, 2) for place in places)
    return chunk(b"indx", struct.pack("<HBBI4s12x", 4, 0, 0, len(places), b"00db") + entries)


def standard_index(base: int, *places: int) -> bytes:
    entries = b"".join(struct.pack("<II", place, 42) for place in places)
    head = struct.pack("<HBBI4sQI", 2, 0, 1, len(places), b"00db", base, 0)
    return chunk(b"ix00", head + entries)


def test_all_parts_of_an_opendml_file_are_read(path: Path) -> None:
    streams = stream(7, 6, b"Y800")
    streams += super_index([1, 2**40])  # bogus places: the index is not used
    first = avi(streams, standard_index(0, 1, 2) + y800(GREY[:2]), chunk(b"idx1", bytes(32)))
    second = make_list(b"movi", y800(GREY[2:3]) + standard_index(2**63, 0))
    third = make_list(b"movi", standard_index(0) + y800(GREY[3:]))
    content = first + chunk(b"RIFF", b"AVIX" + second) + chunk(b"RIFF", b"AVIX" + third)
    reader = open_bytes(path, content)
    assert np.array_equal(reader.read(0, 4), GREY)
    assert (reader.info.problems, reader.info.number) == ((), None)
    # A crash while the third part is written: its lengths are not there yet.
    at = content.rindex(b"RIFF")
    broken = bytearray(content)
    broken[at + 4 : at + 8] = broken[at + 16 : at + 20] = bytes(4)
    reader = open_bytes(path, bytes(broken[:-3]))
    assert np.array_equal(reader.read(0, 3), GREY[:3])
    assert "incomplete" in " ".join(reader.info.problems)


def test_frames_are_found_among_sound_padding_and_groups(path: Path) -> None:
    groups = b"".join(
        make_list(b"rec ", chunk(b"00wb", b"sound") + y800(GREY[k : k + 1], b"01dc"))
        + chunk(b"JUNK", bytes(21))
        for k in range(4)
    )
    reader = open_bytes(path, avi(audio() + stream(7, 6, b"Y800"), groups))
    assert np.array_equal(reader.read(0, 4), GREY)


@pytest.mark.parametrize("kind", ["none", "absolute", "relative", "bogus", "cut", "empty"])
def test_frames_are_found_whatever_the_index_says(path: Path, kind: str) -> None:
    movi = avi(stream(7, 6, b"Y800"), y800()).index(b"movi")
    entries = {
        "absolute": [(movi + 4 + 50 * k, 42) for k in range(4)],
        "relative": [(4 + 50 * k, 42) for k in range(4)],
        "bogus": [(12345, 2**32 - 1)] * 9,
        "cut": [(4, 42)],
    }.get(kind, [])
    content = b"".join(struct.pack("<4sIII", b"00db", 16, *entry) for entry in entries)
    index = b"" if kind == "none" else chunk(b"idx1", content)
    reader = open_bytes(path, avi(stream(7, 6, b"Y800"), y800(), index))
    assert np.array_equal(reader.read(0, 4), GREY)
    assert reader.info.problems == ()


def test_frames_of_odd_length_are_found_whether_padded_or_not(path: Path) -> None:
    frames = RANDOM.integers(0, 256, (4, 3, 5), np.uint8)
    for end in (1, 0):
        movi = b"".join(b"00db" + struct.pack("<I", 15) + f.tobytes() + bytes(end) for f in frames)
        reader = open_bytes(path, avi(stream(5, 3, b"Y800"), movi))
        assert np.array_equal(reader.read(0, 4), frames)


def test_frames_before_damage_are_kept(path: Path) -> None:
    content = avi(stream(7, 6, b"Y800", count=0), y800(GREY[:3]) + b"\xff" * 50)
    reader = open_bytes(path, content)
    assert np.array_equal(reader.read(0, 3), GREY[:3])
    assert "is no AVI chunk" in problem(reader)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"RIFF    WAVEfmt ", "not an AVI file: it begins with b'RIFF    WAVE'"),
        (avi(audio(), b""), "without a description of a video stream"),
        (b"RIFF    AVI ", "without a description of a video stream"),
        (avi(stream(7, 6, b"Y800"), y800())[:200], "without a description of a video stream"),
        (avi(stream(7, 6, b"Y800"), b""), "no complete frame of 7 x 6 px in 0 video chunks"),
        (avi(stream(70, 60, b"Y800"), y800()), "no complete frame of 70 x 60 px in 4 video chunks"),
        (avi(stream(0, 6, b"Y800"), y800()), "damaged header: width 0"),
        (avi(stream(-7, 6, b"Y800"), y800()), "damaged header: width -7"),
        (avi(stream(7, 0, bytes(4)), dib()), "damaged header: width 7, height 0"),
        (avi(stream(2**31 - 1, -(2**31), b"Y800"), y800()), "no complete frame"),
        (avi(stream(7, 6, b"XVID", bits=24), y800()), "its video is 'XVID' with 24 bits"),
        (avi(stream(7, 6, bytes(4), bits=16), y800()), "its video is 'uncompressed' with 16 bits"),
        (avi(stream(7, 6, bytes(4), bits=4), y800()), "its video is 'uncompressed' with 4 bits"),
        (avi(stream(7, 6, b"\3\0\0\0", bits=32), y800()), "with 32 bits"),
        (avi(stream(7, 6, bytes(4), bits=24), y800()), "no complete frame of 7 x 6 px in 4 video"),
        (avi(stream(7, 6, b"Y16 ", bits=16), y800()), "no complete frame of 7 x 6 px in 4 video"),
    ],
)
def test_what_is_no_uncompressed_avi_is_refused_in_one_line(
    path: Path, content: bytes, words: str
) -> None:
    with pytest.raises(ReaderError, match=words) as caught:
        open_bytes(path, content)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("streams", "movi", "expected"),
    [
        (stream(7, 6, bytes(4), colours=palette(IDENTITY[::-1])), dib(), 255 - GREY),
        (stream(7, 6, bytes(4), colours=colour_palette(COLOURS)), dib(), COLOURS[GREY]),
        (stream(7, 6, bytes(4), bits=24), bgr(), RGB),
    ],
)
def test_a_reader_travels_to_other_processes(
    path: Path, streams: bytes, movi: bytes, expected: np.ndarray
) -> None:
    copy = pickle.loads(pickle.dumps(open_bytes(path, avi(streams, movi))))
    assert np.array_equal(copy.read(1, 4), expected[1:])
    with pytest.raises(ReaderError, match="it has 4 frames"):
        copy.read(0, 5)


@pytest.mark.parametrize("bits", [8, 24])
def test_a_file_that_shrinks_after_opening_is_an_error(path: Path, bits: int) -> None:
    content = avi(stream(7, 6, bytes(4), bits=bits), dib() if bits == 8 else bgr())
    reader = open_bytes(path, content)
    path.write_bytes(content[:-10])
    reader.read(0, 3)
    with pytest.raises(ReaderError, match="10 bytes too early"):
        reader.read(3, 4)


def test_reading_leaves_a_read_only_file_untouched(path: Path) -> None:
    content = avi(stream(7, 6, b"Y800"), y800())
    path.write_bytes(content)
    path.chmod(0o400)
    before = path.stat().st_mtime_ns
    AviReader(path).read(0, 4)
    assert path.read_bytes() == content
    assert path.stat().st_mtime_ns == before


def write_sparse(file: BinaryIO, n: int, frame_bytes: int) -> None:
    for _ in range(n):
        file.write(b"00db" + struct.pack("<I", frame_bytes))
        file.seek(frame_bytes - 1, 1)  # sparse: holes take no space
        file.write(b"\x2a")


def test_frames_beyond_4_gb_are_found(path: Path) -> None:
    height, width, n = 4096, 4096, 260
    with path.open("wb") as file:
        file.write(avi(stream(width, height, b"Y800", count=n), b""))
        write_sparse(file, n, height * width)
    assert path.stat().st_size > 2**32
    reader = AviReader(path)
    assert reader.info.n_frames == n
    last = reader.read(n - 1, n)
    assert last[0, -1, -1] == 42
    assert np.count_nonzero(last) == 1


def test_frames_of_an_opendml_file_beyond_4_gb_are_found(path: Path) -> None:
    height, width, n_parts, n = 3000, 4000, 5, 26
    frame_bytes = 3 * height * width
    with path.open("wb") as file:
        streams = stream(width, height, bytes(4), bits=24, count=n_parts * n)
        file.write(avi(streams + super_index([0] * n_parts), b"")[:-12])
        for part in range(n_parts):
            length = 4 + n * (8 + frame_bytes)
            if part:
                file.write(struct.pack("<4sI4s", b"RIFF", 12 + length, b"AVIX"))
            file.write(struct.pack("<4sI4s", b"LIST", length, b"movi"))
            write_sparse(file, n, frame_bytes)
    assert path.stat().st_size > 2**32
    reader = AviReader(path)
    assert (reader.info.n_frames, reader.info.problems) == (n_parts * n, ())
    last = reader.read(n_parts * n - 1, n_parts * n)
    assert last[0, 0, -1].tolist() == [42, 0, 0]  # the last byte: red of the top row's last pixel
    assert np.count_nonzero(last) == 1


@pytest.mark.parametrize("width", [7, 8])
def test_what_is_written_is_read_by_us_and_by_ffmpeg(path: Path, width: int) -> None:
    frames = RANDOM.integers(0, 256, (4, 5, width), np.uint8)
    write_avi(path, iter(frames), n_frames=4, height=5, width=width, fps=29.97)
    content = path.read_bytes()
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
    assert content[-72:-64] == b"idx1" + struct.pack("<I", 64)
    at = content.index(b"movi") + struct.unpack("<I", content[-8:-4])[0]
    assert content[at : at + 8] == b"00db" + struct.pack("<I", 5 * width)
    reader = AviReader(path)
    assert np.array_equal(reader.read(0, 4), frames)
    assert (reader.info.attrs["fps"], reader.info.problems) == (29.97, ())
    assert np.array_equal(by_ffmpeg(path), frames)


def test_what_does_not_fit_in_an_avi_file_is_not_written(path: Path) -> None:
    with pytest.raises(StoreError, match=r"more than 1.9 GB.*write a .ser file"):
        write_avi(path, [], n_frames=2000, height=1000, width=1000)
    with pytest.raises(StoreError, match="at least 1"):
        write_avi(path, [], n_frames=0, height=6, width=7)
    with pytest.raises(StoreError, match="give uint8"):
        write_avi(path, GREY.astype("u2"), n_frames=4, height=6, width=7)
    assert list(path.parent.iterdir()) == []
    assert avi_module.MAX_BYTES < 2**31
