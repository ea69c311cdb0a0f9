"""Damage costs single frames: which are lost, and what is reported of them."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from skry_dask.io.reader import DecodedFrame
from skry_dask.io.video.ffmpeg import PyAvReader
from skry_dask.io.video.packets import decode_entries
from tests.encoded_videos import (
    FULL,
    GREY,
    SMOOTH_COLOURS,
    colour_frames,
    encode,
    frame_of,
    grey_frames,
    images,
    smooth_frames,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

RNG = np.random.default_rng(6)


def find_all(content: bytes | bytearray, pattern: bytes) -> list[int]:
    return [k for k in range(len(content)) if content[k : k + len(pattern)] == pattern]


# --- damaged frames -------------------------------------------------------------------------------


def test_a_frame_that_cannot_be_decoded_costs_only_itself(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.avi", grey_frames(), "png")
    content = bytearray(path.read_bytes())
    third = find_all(content, b"\x89PNG")[2]
    content[third + 16 : third + 24] = bytes(8)  # width and height
    path.write_bytes(content)
    decoded = list(PyAvReader(path).decode())
    assert [frame.number for frame in decoded] == [0, 1, 2, 3, 4]
    assert decoded[2].image is None
    assert str(decoded[2].problem).startswith("it cannot be decoded")
    for number in (0, 1, 3, 4):
        assert np.array_equal(decoded[number].image, GREY[number])


def test_a_frame_that_claims_to_be_too_large_costs_only_itself(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.mov", grey_frames(), "png")
    content = bytearray(path.read_bytes())
    place = find_all(content, b"IHDR")[1] + 4
    for side in (2900, 30000, 2**31 - 1):
        chunk = b"IHDR" + struct.pack(">II", side, side) + content[place + 8 : place + 13]
        content[place - 4 : place + 17] = chunk + struct.pack(">I", zlib.crc32(chunk))
        path.write_bytes(content)
        decoded = list(PyAvReader(path).decode())
        assert [frame.image is None for frame in decoded] == [False, True, False, False, False]


def test_a_frame_that_the_decoder_marks_as_damaged_is_left_out(tmp_path: Path) -> None:
    frames = [frame.reformat(format="yuv420p") for frame in grey_frames()]
    path = encode(tmp_path / "moon.avi", frames, "mpeg4", options={"g": "1"})
    content = bytearray(path.read_bytes())
    third = [place for place in find_all(content, b"00dc") if place > content.index(b"movi")][2]
    length = struct.unpack("<I", content[third + 4 : third + 8])[0]
    content[third + 8 + length // 2 : third + 8 + length] = b"\xa5" * (length - length // 2)
    path.write_bytes(content)
    decoded = list(PyAvReader(path).decode())
    assert [frame.number for frame in decoded if frame.image is None] == [2]
    assert "damaged" in str(decoded[2].problem)


def test_an_image_of_damaged_data_is_kept_and_reported(tmp_path: Path) -> None:
    noise = RNG.integers(0, 256, (6, 48, 64), np.uint8)
    for name in ("a.mov", "a.mkv", "a.avi"):
        frames = [frame_of([luma], "yuvj420p", FULL) for luma in noise]
        path = encode(tmp_path / name, frames, "mjpeg")
        content = bytearray(path.read_bytes())
        third = find_all(content, b"\xff\xd8\xff")[2]
        scan = content.index(b"\xff\xda", third) + 14
        content[scan + 200 : scan + 1200] = b"\xa5" * 1000
        path.write_bytes(content)
        decoded = list(PyAvReader(path).decode())
        assert [frame.number for frame in decoded if frame.problem] == [2], name
        assert str(decoded[2].problem).startswith("it may be damaged ("), name
        assert len(decoded) == 6, name


def test_a_frame_of_another_size_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "moon.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 50, 34, "gray"
        for number, luma in enumerate((GREY[0], GREY[1][:20, :30], GREY[2])):
            codec = av.CodecContext.create("png", "w")
            codec.width, codec.height, codec.pix_fmt = luma.shape[1], luma.shape[0], "gray"
            codec.time_base = Fraction(1, 25)
            for packet in codec.encode(frame_of([luma], "gray")):
                packet.stream, packet.pts, packet.dts = stream, number, number
                container.mux(packet)
    decoded = list(PyAvReader(path).decode())
    assert [frame.image is None for frame in decoded] == [False, True, False]
    assert "its size is 30 x 20 px, that of the first 50 x 34" in str(decoded[1].problem)


def test_damage_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = encode(tmp_path / "moon.avi", smooth_frames(), "mjpeg")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 50] = b"\xa5" * 50
    path.write_bytes(content)
    capfd.readouterr()
    assert [type(frame) for frame in PyAvReader(path).decode()].count(DecodedFrame) >= 10
    assert capfd.readouterr() == ("", "")


# --- dropped frames and wrong counts --------------------------------------------------------------


def with_chunks(content: bytes, change: Callable[[int, bytes], bytes]) -> bytes:
    """Rewrite the video chunks of an AVI, without an index."""
    place = content.index(b"movi") + 4
    out, number = bytearray(content[:place]), 0
    while content[place : place + 4] == b"00dc":
        length = struct.unpack("<I", content[place + 4 : place + 8])[0]
        chunk = change(number, content[place + 8 : place + 8 + length])
        out += b"00dc" + struct.pack("<I", len(chunk)) + chunk + bytes(len(chunk) % 2)
        place += 8 + length + length % 2
        number += 1
    assert number == 5
    return bytes(out)


def test_dropped_frames_of_an_avi_use_up_their_numbers_and_times(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.avi", grey_frames(), "png")
    content = path.read_bytes()
    for dropped, reports in (({2}, 1), ({0}, 1), ({1, 2}, 1), ({0, 3}, 2)):
        path.write_bytes(with_chunks(content, lambda k, chunk, d=dropped: b"" if k in d else chunk))
        decoded = list(PyAvReader(path).decode())
        kept = [frame for frame in decoded if frame.image is not None]
        assert [frame.number for frame in kept] == [k for k in range(5) if k not in dropped]
        assert [frame.time for frame in kept] == [frame.number * 40_000_000 for frame in kept]
        assert all(np.array_equal(frame.image, GREY[frame.number]) for frame in kept)
        problems = [str(frame.problem) for frame in decoded if frame.image is None]
        assert len(problems) == reports
        assert all("dropped while recording" in problem for problem in problems)
        assert ("it and the 1 after it" in problems[0]) == (dropped == {1, 2})


def test_a_wrong_number_of_frames_in_the_header_changes_no_frame(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.avi", grey_frames(), "png")
    content = bytearray(path.read_bytes())
    for claimed in (0, 3, 99999):
        for place in (content.index(b"avih") + 24, content.index(b"strh") + 40):
            content[place : place + 4] = struct.pack("<I", claimed)
        path.write_bytes(content)
        reader = PyAvReader(path)
        assert reader.info.n_frames in (claimed or None, 5)
        *_, last = decoded = list(reader.decode())
        assert np.array_equal([frame.image for frame in decoded[:5]], GREY)
        assert len(decoded) == (6 if claimed > 5 else 5)
        if claimed > 5:
            assert (last.number, last.image) == (5, None)
            assert last.problem == "its header claims 99999 frames, 5 of them came"


# --- files that were cut off ----------------------------------------------------------------------


def test_a_video_cut_off_is_reported_at_opening_and_at_its_end(tmp_path: Path) -> None:
    for codec, name, pixel_format in (
        ("ffv1", "a.mkv", "yuv420p"),
        ("mjpeg", "a.mkv", "yuvj420p"),
        ("mjpeg", "a.avi", "yuvj420p"),
        ("mjpeg", "a.mp4", "yuvj420p"),
    ):
        frames = [frame.reformat(format=pixel_format) for frame in smooth_frames()]
        faststart = {"movflags": "faststart"} if name.endswith("mp4") else {}
        path = encode(tmp_path / name, frames, codec, container_options=faststart)
        content = path.read_bytes()
        reader = PyAvReader(path)
        assert reader.info.problems == (), (codec, name)
        whole = images(reader)
        size = len(content) * 2 // 3
        path.write_bytes(content[:size])
        reader = PyAvReader(path)
        (problem,) = reader.info.problems
        assert f"{name} was cut off: {len(content) - size} of its {len(content)} bytes" in problem
        *others, last = reader.decode()
        kept = [frame.image for frame in others if frame.image is not None]
        assert 0 < len(kept) < len(whole), (codec, name)
        assert np.array_equal(kept, whole[: len(kept)]), (codec, name)
        assert last.image is None
        assert "ends too early" in str(last.problem) or "claims 12 frames" in str(last.problem)


def test_a_matroska_cut_off_gives_the_frames_before_its_end(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.mkv", grey_frames())
    path.write_bytes(path.read_bytes()[: -2 * GREY[0].size])
    good = [frame.image for frame in PyAvReader(path).decode() if frame.image is not None]
    assert 1 <= len(good) < 5
    assert np.array_equal(np.stack(good), GREY[: len(good)])


def test_an_avi_cut_off_within_a_frame_reports_that_frame(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.avi", colour_frames("yuvj420p", SMOOTH_COLOURS), "mjpeg")
    whole = images(PyAvReader(path))
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\xff\xd8") + 300])
    decoded = list(PyAvReader(path).decode())
    assert [frame.image is None for frame in decoded] == [False] * 4 + [True]
    assert decoded[4].problem == "it is not complete"
    assert np.array_equal([frame.image for frame in decoded[:4]], whole[:4])


def test_an_mp4_with_its_index_first_gives_the_frames_before_its_end(tmp_path: Path) -> None:
    frames = [frame.reformat(format="yuv420p") for frame in grey_frames()]
    faststart = {"movflags": "faststart"}
    path = tmp_path / "moon.mp4"
    encode(path, frames, "mpeg4", options={"g": "1"}, container_options=faststart)
    whole = images(PyAvReader(path))
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    path.write_bytes(content[: (content.index(b"mdat") + len(content)) // 2])
    decoded = list(PyAvReader(path).decode())
    kept = [frame.number for frame in decoded if frame.image is not None]
    assert kept == list(range(len(kept)))
    assert 1 <= len(kept) < 5
    assert np.array_equal([decoded[k].image for k in kept], whole[kept])
    assert decoded[len(kept)].problem == "it is not complete"


def test_a_read_error_in_the_middle_ends_the_video_but_not_the_job() -> None:
    class Frame:
        is_corrupt, pts = False, 0

    class Stream:
        class codec_context:
            has_b_frames = False

            @staticmethod
            def decode(packet: Any) -> list[Any]:
                return [] if packet is None else [Frame()]

    class Packet:
        is_corrupt, pts, dts = False, 0, 0

    class Container:
        class format:
            name = "mpegts"

        @staticmethod
        def demux(_: Any) -> Any:
            yield Packet()
            raise av.error.InvalidDataError(1, "no more")

    entries = list(decode_entries(Container(), Stream()))  # type: ignore[arg-type]
    assert isinstance(entries[0].frame, Frame)
    assert "cannot be read any further" in entries[1].problem
    assert [entry.number for entry in entries] == [0, 1]
