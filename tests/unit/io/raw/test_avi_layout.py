"""Layouts of frames in uncompressed AVI: planes, bitmaps and palettes are read exactly."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from skry_dask.capture.calibration.develop import cfa_at_first_pixel
from skry_dask.capture.open import open_capture
from skry_dask.io.raw.avi import AviReader
from skry_dask.io.reader import RawReader
from skry_dask.options import ReadOptions
from tests.avi_bytes import (
    avi,
    avi_frames_by_ffmpeg,
    bgr_chunks,
    colour_palette,
    dib_chunks,
    grey_palette,
    open_bytes,
    plane_chunks,
    video_stream,
)
from tests.raw_problems import problem

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(2)
GREY = RNG.integers(0, 256, (4, 6, 7), np.uint8)
GREY16 = RNG.integers(0, 65536, (4, 6, 7)).astype("<u2")
COLOURS = RNG.integers(0, 256, (256, 3), np.uint8)
IDENTITY = np.arange(256, dtype=np.uint8)
NO_CODEC = bytes(4)
DIB_CODECS = (NO_CODEC, b"DIB ", b"RAW ")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "moon.avi"


def test_grey_planes_are_never_flipped_and_may_be_padded(path: Path) -> None:
    for codec, frames, name in (
        (b"Y800", GREY, "Y800"),
        (b"Y8  ", GREY, "Y8"),
        (b"Y8\0\0", GREY, "Y8"),
        (b"GREY", GREY, "GREY"),
        (b"Y16 ", GREY16, "Y16"),
        (b"Y1\0\x10", GREY16, "Y16"),
    ):
        for padded in (False, True):
            for sign in (1, -1):
                kind = (codec, padded, sign)
                bits = 8 * frames.itemsize
                stream = video_stream(7, sign * 6, codec, bits=bits)
                reader = open_bytes(path, avi(stream, plane_chunks(frames, padded=padded)))
                assert isinstance(reader, RawReader)
                read = reader.read(0, 4)
                assert np.array_equal(read, frames), kind
                assert read.dtype.isnative
                info = reader.info
                assert (info.n_frames, info.height, info.width) == (4, 6, 7), kind
                assert (info.dtype, info.bits, info.channels) == (f"uint{bits}", bits, 1), kind
                assert (info.format, info.attrs["codec"]) == (f"AVI {name}", name), kind
                assert (info.time, info.attrs["fps"], info.problems) == (None, 25.0, ()), kind


def test_bitmaps_begin_with_their_bottom_row_unless_the_height_is_negative(path: Path) -> None:
    palette = grey_palette(IDENTITY)
    for codec in DIB_CODECS:
        for sign in (1, -1):
            stream = video_stream(7, sign * 6, codec, palette=palette)
            reader = open_bytes(path, avi(stream, dib_chunks(GREY, bottom_up=sign > 0)))
            assert reader.info.height == 6
            assert np.array_equal(reader.read(0, 4), GREY), (codec, sign)


def test_a_palette_of_greys_says_what_the_grey_values_are(path: Path) -> None:
    for greys in (IDENTITY[::-1], (IDENTITY // 2 + 64).astype("u1")):
        stream = video_stream(7, 6, NO_CODEC, palette=grey_palette(greys))
        reader = open_bytes(path, avi(stream, dib_chunks(GREY)))
        assert np.array_equal(reader.read(1, 3), greys[GREY[1:3]])
        assert np.array_equal(avi_frames_by_ffmpeg(path), greys[GREY])


def test_a_palette_of_colours_gives_colour_frames(path: Path) -> None:
    for codec in DIB_CODECS:
        for sign in (1, -1):
            stream = video_stream(7, sign * 6, codec, palette=colour_palette(COLOURS))
            reader = open_bytes(path, avi(stream, dib_chunks(GREY, bottom_up=sign > 0)))
            info = reader.info
            assert (info.channels, info.frame_shape, info.dtype) == (3, (6, 7, 3), "uint8")
            assert (info.format, info.bits, info.problems) == ("AVI DIB", 8, ())
            assert np.array_equal(reader.read(1, 4), COLOURS[GREY[1:]]), (codec, sign)
            if codec == NO_CODEC:
                assert np.array_equal(avi_frames_by_ffmpeg(path), COLOURS[GREY]), sign


def test_a_short_palette_leaves_other_indices_grey(path: Path) -> None:
    indices = dib_chunks(GREY % 4)
    greys = video_stream(7, 6, NO_CODEC, palette=grey_palette(np.array([9, 8])))
    read = open_bytes(path, avi(greys, indices)).read(0, 4)
    assert np.array_equal(read, np.array([9, 8, 2, 3])[GREY % 4])
    colours = video_stream(7, 6, NO_CODEC, palette=colour_palette(COLOURS[:2]))
    read = open_bytes(path, avi(colours, indices)).read(0, 4)
    assert np.array_equal(read, np.concatenate([COLOURS[:2], [[2] * 3, [3] * 3]])[GREY % 4])


def test_without_a_palette_or_with_a_black_one_indices_are_grey_values(path: Path) -> None:
    reader = open_bytes(path, avi(video_stream(7, 6, NO_CODEC), dib_chunks(GREY)))
    assert np.array_equal(reader.read(0, 4), GREY)
    black = video_stream(7, 6, NO_CODEC, palette=bytes(1024))
    reader = open_bytes(path, avi(black, dib_chunks(GREY)))
    assert np.array_equal(reader.read(0, 4), GREY)
    assert "palette is black" in problem(reader)


def test_a_palette_follows_a_header_of_any_length(path: Path) -> None:
    palette = bytes(84) + grey_palette(IDENTITY[::-1])
    content = bytearray(avi(video_stream(7, 6, NO_CODEC, palette=palette), dib_chunks(GREY)))
    header = content.index(b"strf") + 8
    content[header : header + 4] = struct.pack("<I", 124)  # BITMAPV5HEADER
    content[header + 32 : header + 36] = struct.pack("<I", 256)  # number of colours
    assert np.array_equal(open_bytes(path, bytes(content)).read(0, 4), 255 - GREY)


def test_colour_bitmaps_are_read_as_red_green_blue(path: Path) -> None:
    for width in (1, 2, 7, 8):
        frames = RNG.integers(0, 256, (4, 6, width, 3), np.uint8)
        for codec in DIB_CODECS:
            for bits in (24, 32):
                for sign in (1, -1):
                    kind = (width, codec, bits, sign)
                    stream = video_stream(width, sign * 6, codec, bits=bits)
                    movi = bgr_chunks(frames, with_unused=bits == 32, bottom_up=sign > 0)
                    reader = open_bytes(path, avi(stream, movi))
                    info = reader.info
                    assert (info.channels, info.frame_shape) == (3, (6, width, 3)), kind
                    assert (info.format, info.dtype, info.bits) == ("AVI DIB", "uint8", 8), kind
                    assert info.problems == (), kind
                    read = reader.read(0, 4)
                    assert np.array_equal(read, frames), kind
                    assert np.array_equal(reader.read(2, 3), frames[2:3]), kind
                    assert read.flags.c_contiguous
                    if codec == NO_CODEC:
                        assert np.array_equal(avi_frames_by_ffmpeg(path), frames), kind


def test_frames_of_many_rows_are_read_band_by_band(path: Path) -> None:
    height, width = 501, 403
    grey = RNG.integers(0, 256, (2, height, width), np.uint8)
    deep = RNG.integers(0, 65536, (2, height, width)).astype("<u2")
    colour = RNG.integers(0, 256, (2, height, width, 3), np.uint8)
    coloured = video_stream(width, height, NO_CODEC, palette=colour_palette(COLOURS))
    top_down = video_stream(width, -height, NO_CODEC)
    for stream, movi, expected in (
        (video_stream(width, height, b"Y800"), plane_chunks(grey, padded=True), grey),
        (video_stream(width, height, NO_CODEC), dib_chunks(grey), grey),
        (top_down, dib_chunks(grey, bottom_up=False), grey),
        (video_stream(width, height, b"Y16 "), plane_chunks(deep, padded=True), deep),
        (video_stream(width, height, NO_CODEC, bits=24), bgr_chunks(colour), colour),
        (
            video_stream(width, -height, NO_CODEC, bits=24),
            bgr_chunks(colour, bottom_up=False),
            colour,
        ),
        (coloured, dib_chunks(grey), COLOURS[grey]),
    ):
        assert np.array_equal(open_bytes(path, avi(stream, movi)).read(0, 2), expected)


def test_a_declared_pattern_is_that_of_the_frames_as_they_are_returned(path: Path) -> None:
    # Rows are stored from the bottom, an even number of them: RGGB is stored as GBRG.
    mosaic = RNG.integers(0, 256, (3, 6, 8)).astype(np.uint8)
    path.write_bytes(avi(video_stream(8, 6, b"DIB "), dib_chunks(mosaic)))
    capture = open_capture(path, ReadOptions(cfa="RGGB"))
    np.testing.assert_array_equal(capture["frames"], mosaic)
    assert cfa_at_first_pixel(capture) == "RGGB"


def test_frames_are_those_that_ffmpeg_decodes(path: Path) -> None:
    for width in (7, 8):
        frames = RNG.integers(0, 256, (3, 6, width), np.uint8)
        palette = grey_palette(IDENTITY)
        for stream, movi in (
            (video_stream(width, 6, b"Y800"), plane_chunks(frames, padded=True)),
            (video_stream(width, 6, NO_CODEC, palette=palette), dib_chunks(frames)),
        ):
            reader = open_bytes(path, avi(stream, movi))
            assert np.array_equal(reader.read(0, 3), avi_frames_by_ffmpeg(path))


def test_what_ffmpeg_writes_is_read(path: Path) -> None:
    frames = RNG.integers(0, 256, (3, 6, 8), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 8, 6, "gray"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
    reader = AviReader(path)
    assert np.array_equal(reader.read(0, 3), frames)
    assert reader.info.problems == ()
