"""Uncompressed AVI as capture programs write it, put together here chunk by chunk."""

from __future__ import annotations

import pickle
import struct
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io import avi as avi_module
from skry_dask.io.avi import AviReader, write_avi
from skry_dask.io.reader import RawReader

if TYPE_CHECKING:
    from pathlib import Path

RANDOM = np.random.default_rng(2)
GREY = RANDOM.integers(0, 256, (4, 6, 7), np.uint8)
IDENTITY = np.arange(256, dtype=np.uint8)


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def make_list(kind: bytes, content: bytes) -> bytes:
    return chunk(b"LIST", kind + content)


def palette(greys: np.ndarray) -> bytes:
    return b"".join(bytes((g, g, g, 0)) for g in greys.tolist())


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
    pad = -frame.shape[1] % 4 if padded else 0
    return np.pad(frame, ((0, 0), (0, pad)), constant_values=99).tobytes()


def y800(frames: np.ndarray = GREY, name: bytes = b"00db", *, padded: bool = False) -> bytes:
    return b"".join(chunk(name, rows(f, padded=padded)) for f in frames)


def dib(frames: np.ndarray = GREY, *, flipped: bool = True) -> bytes:
    return b"".join(chunk(b"00db", rows(f, padded=True, flipped=flipped)) for f in frames)


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
        assert {frame.format.name for frame in frames} <= {"gray", "pal8"}
        if frames[0].format.name == "pal8":
            return np.stack([f.reformat(format="rgb24").to_ndarray()[..., 1] for f in frames])
        return np.stack([frame.to_ndarray() for frame in frames])


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


def test_a_palette_of_colours_is_refused(path: Path) -> None:
    with pytest.raises(ReaderError, match="colours: colour raw video is not supported yet"):
        open_bytes(path, avi(stream(7, 6, bytes(4), colours=bytes((1, 2, 3, 0)) * 256), dib()))


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


def test_dropped_frames_are_left_out_and_counted(path: Path) -> None:
    movi = chunk(b"00db", b"") + y800(GREY[:2]) + 2 * chunk(b"00db", b"") + y800(GREY[2:])
    reader = open_bytes(path, avi(stream(7, 6, b"Y800", count=7), movi))
    assert np.array_equal(reader.read(0, 4), GREY)
    assert "3 frames were dropped" in problem(reader)


def test_a_wrong_frame_count_in_the_header_is_corrected(path: Path) -> None:
    reader = open_bytes(path, avi(stream(7, 6, b"Y800", count=9), y800()))
    assert reader.info.n_frames == 4
    assert "claims 9 frames; 4 are there" in problem(reader)
    assert open_bytes(path, avi(stream(7, 6, b"Y800", count=0), y800())).info.problems == ()


def test_a_truncated_last_frame_is_dropped(path: Path) -> None:
    reader = open_bytes(path, avi(stream(7, 6, b"Y800"), y800())[:-5])
    assert np.array_equal(reader.read(0, 3), GREY[:3])
    assert "1 frames are incomplete" in problem(reader)


def test_a_frame_that_is_too_short_is_left_out(path: Path) -> None:
    movi = y800(GREY[:1]) + chunk(b"00db", b"too short") + y800(GREY[1:])
    reader = open_bytes(path, avi(stream(7, 6, b"Y800", count=5), movi))
    assert np.array_equal(reader.read(0, 4), GREY)
    assert "1 frames are incomplete" in problem(reader)


def test_lengths_that_a_crash_left_at_zero_do_not_matter(path: Path) -> None:
    content = bytearray(avi(stream(7, 6, b"Y800"), y800()))
    at = content.index(b"movi") - 4
    content[4:8] = content[at : at + 4] = bytes(4)
    assert np.array_equal(open_bytes(path, bytes(content)).read(0, 4), GREY)


def test_all_parts_of_an_opendml_file_are_read(path: Path) -> None:
    first = avi(stream(7, 6, b"Y800"), y800(GREY[:2]), chunk(b"idx1", bytes(32)))
    second = chunk(b"RIFF", b"AVIX" + make_list(b"movi", y800(GREY[2:]) + chunk(b"ix00", b"?" * 8)))
    reader = open_bytes(path, first + second)
    assert np.array_equal(reader.read(0, 4), GREY)
    assert reader.info.problems == ()


def test_frames_are_found_among_sound_padding_and_groups(path: Path) -> None:
    groups = b"".join(
        make_list(b"rec ", chunk(b"00wb", b"sound") + y800(GREY[k : k + 1], b"01dc"))
        + chunk(b"JUNK", bytes(21))
        for k in range(4)
    )
    reader = open_bytes(path, avi(audio() + stream(7, 6, b"Y800"), groups))
    assert np.array_equal(reader.read(0, 4), GREY)


def test_bogus_index_entries_do_not_matter(path: Path) -> None:
    index = chunk(b"idx1", struct.pack("<4sIII", b"00db", 16, 12345, 42) * 9)
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
        (avi(stream(7, 6, bytes(4), bits=24), y800()), "its video is 'uncompressed' with 24 bits"),
    ],
)
def test_what_is_no_uncompressed_mono_avi_is_refused_in_one_line(
    path: Path, content: bytes, words: str
) -> None:
    with pytest.raises(ReaderError, match=words) as caught:
        open_bytes(path, content)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_reader_travels_to_other_processes(path: Path) -> None:
    content = avi(stream(7, 6, bytes(4), colours=palette(IDENTITY[::-1])), dib())
    copy = pickle.loads(pickle.dumps(open_bytes(path, content)))
    assert np.array_equal(copy.read(1, 4), 255 - GREY[1:])
    with pytest.raises(ReaderError, match="it has 4 frames"):
        copy.read(0, 5)


def test_reading_leaves_a_read_only_file_untouched(path: Path) -> None:
    content = avi(stream(7, 6, b"Y800"), y800())
    path.write_bytes(content)
    path.chmod(0o400)
    before = path.stat().st_mtime_ns
    AviReader(path).read(0, 4)
    assert path.read_bytes() == content
    assert path.stat().st_mtime_ns == before


def test_frames_beyond_4_gb_are_found(path: Path) -> None:
    height, width, n = 4096, 4096, 260
    with path.open("wb") as file:
        file.write(avi(stream(width, height, b"Y800", count=n), b""))
        for k in range(n):
            file.write(b"00db" + struct.pack("<I", height * width))
            file.seek(height * width - 1, 1)  # sparse: holes take no space
            file.write(bytes([k % 256]))
    assert path.stat().st_size > 2**32
    reader = AviReader(path)
    assert reader.info.n_frames == n
    assert reader.read(n - 1, n)[0, -1, -1] == (n - 1) % 256


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
