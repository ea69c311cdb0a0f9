"""Compressed video is decoded exactly, as its flags state: grey, colour, depth, range, rotation."""

from __future__ import annotations

import pickle
import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import av
import numpy as np
import pytest

from skry_dask.errors import ReaderError
from skry_dask.io.reader import RawReader, VideoReader
from skry_dask.io.video import ffmpeg
from skry_dask.io.video.colour import to_rgb
from skry_dask.io.video.ffmpeg import PyAvReader
from skry_dask.io.video.grey import to_grey
from tests.encoded_videos import (
    COLOURS,
    FULL,
    GREY,
    LIMITED,
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

RNG = np.random.default_rng(4)


# --- the reader -----------------------------------------------------------------------------------


def test_grey_video_is_decoded_exactly(tmp_path: Path) -> None:
    reader = PyAvReader(encode(tmp_path / "moon.mkv", grey_frames()))
    assert isinstance(reader, VideoReader)
    assert not isinstance(reader, RawReader)
    info = reader.info
    assert (info.format, info.height, info.width) == ("ffv1 video", 34, 50)
    assert (info.dtype, info.bits, info.time, info.problems) == ("uint8", 8, None, ())
    assert info.attrs["fps"] == 25.0
    decoded = images(reader)
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, GREY)


def test_decoding_again_in_another_process_gives_the_same(tmp_path: Path) -> None:
    reader = PyAvReader(encode(tmp_path / "moon.mkv", grey_frames()))
    copy = pickle.loads(pickle.dumps(reader))
    next(reader.decode())
    assert np.array_equal(images(reader), images(copy))


def test_decoding_leaves_a_read_only_file_untouched(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.mkv", grey_frames())
    path.chmod(0o400)
    content, modified = path.read_bytes(), path.stat().st_mtime_ns
    images(PyAvReader(path))
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (content, modified)


def test_a_video_that_vanishes_after_opening_is_an_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.mkv", grey_frames())
    reader = PyAvReader(path)
    path.unlink()
    with pytest.raises(ReaderError, match="No such file"):
        next(reader.decode())


def test_lossy_video_is_close_to_what_was_recorded(tmp_path: Path) -> None:
    frames = smooth_frames()
    path = encode(tmp_path / "moon.avi", frames, "mjpeg", options={"qmin": "1", "qmax": "1"})
    reader = PyAvReader(path, grey=True)
    assert reader.info.n_frames == 12
    for image, frame in zip(images(reader), frames, strict=True):
        luma = np.frombuffer(frame.planes[0], np.uint8).reshape(48, -1)[:, :64]
        assert np.abs(image.astype(int) - luma).max() <= 3


# --- range and depth ------------------------------------------------------------------------------

RAMP = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
EXPANDED = np.rint((np.arange(256).clip(16, 235) - 16) * 255 / 219).astype(np.uint8)


def test_limited_range_is_expanded_so_that_235_is_white(tmp_path: Path) -> None:
    for pixel_format in ("yuv420p", "yuv422p", "yuv444p"):
        for color_range in (0, LIMITED):
            frame = frame_of([RAMP], pixel_format, color_range)
            reader = PyAvReader(encode(tmp_path / "a.mkv", [frame]), grey=True)
            assert reader.info.attrs["range"] == "limited"
            image = images(reader)[0]
            assert (image[0, 16], image[0, 126], image[0, 235]) == (0, 128, 255)
            assert (image == EXPANDED).all(), (pixel_format, color_range)


def test_packed_luma_is_read_like_planar_luma(tmp_path: Path) -> None:
    frame = frame_of([RAMP], "yuv422p", LIMITED).reformat(format="yuyv422")
    path = encode(tmp_path / "a.avi", [frame], "rawvideo")
    assert (images(PyAvReader(path, grey=True))[0] == EXPANDED).all()


def test_full_range_is_left_alone(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", [frame_of([RAMP], "yuv420p", FULL)])
    reader = PyAvReader(path, grey=True)
    assert reader.info.attrs["range"] == "full"
    assert np.array_equal(images(reader)[0], RAMP)
    # Grey has full range even if its flag says otherwise.
    path = encode(tmp_path / "b.mkv", [frame_of([RAMP], "gray", LIMITED)])
    assert np.array_equal(images(PyAvReader(path))[0], RAMP)
    # Motion JPEG.
    steps = np.repeat(np.arange(0, 256, 15, dtype=np.uint8), 8)[None].repeat(16, axis=0)
    frame = frame_of([steps], "yuvj420p", FULL)
    path = encode(tmp_path / "c.avi", [frame], "mjpeg", options={"qmin": "1", "qmax": "1"})
    assert np.abs(images(PyAvReader(path, grey=True))[0].astype(int) - steps).max() <= 1


def test_10_bits_become_16_with_white_at_full_scale(tmp_path: Path) -> None:
    luma = np.tile(np.arange(1024, dtype=np.uint16), (4, 1))
    for color_range, black, white in ((FULL, 0, 1023), (LIMITED, 64, 940)):
        frame = frame_of([luma], "yuv420p10le", color_range)
        reader = PyAvReader(encode(tmp_path / "a.mkv", [frame]), grey=True)
        assert (reader.info.dtype, reader.info.bits) == ("uint16", 16)
        image = images(reader)[0]
        expected = (np.arange(1024).clip(black, white) - black) * (65535 / (white - black))
        assert image.dtype == np.uint16
        assert np.abs(image - expected).max() <= 0.5


def test_16_bit_grey_is_decoded_exactly(tmp_path: Path) -> None:
    luma = RNG.integers(0, 65536, (34, 50)).astype(np.uint16)
    path = encode(tmp_path / "a.mkv", [frame_of([luma], "gray16le")])
    assert np.array_equal(images(PyAvReader(path))[0], luma)


# --- colour ---------------------------------------------------------------------------------------


def test_grey_that_is_stored_as_colour_stays_as_it_was(tmp_path: Path) -> None:
    rgb = np.repeat(GREY[..., None], 3, axis=3)
    for name, codec, pixel_format in (("a.avi", "png", "rgb24"), ("a.mkv", "ffv1", "bgr0")):
        path = encode(tmp_path / name, colour_frames(pixel_format, rgb), codec)
        assert np.array_equal(images(PyAvReader(path, grey=True)), GREY), pixel_format
        assert np.array_equal(images(PyAvReader(path)), rgb), pixel_format


def test_colours_that_are_stored_as_such_are_decoded_exactly(tmp_path: Path) -> None:
    luma = (COLOURS @ np.array([19595, 38470, 7471]) + 32768) >> 16
    for name, codec, pixel_format in (
        ("a.mkv", "ffv1", "bgr0"),
        ("a.avi", "png", "rgb24"),
        ("a.mov", "png", "rgba"),
        ("a.mov", "qtrle", "rgb24"),
        ("a.mov", "qtrle", "argb"),
        ("a.avi", "huffyuv", "rgb24"),
        ("a.avi", "utvideo", "gbrp"),
        ("a.avi", "rawvideo", "bgr24"),
        ("a.mkv", "libx264rgb", "bgr24"),
    ):
        options = {"qp": "0"} if "264" in codec else {}
        path = encode(tmp_path / name, colour_frames(pixel_format), codec, options=options)
        reader = PyAvReader(path)
        info = reader.info
        assert (info.channels, info.frame_shape, info.dtype) == (3, (34, 50, 3), "uint8"), codec
        assert (info.cfa, info.problems) == (None, ()), codec
        assert np.array_equal(images(reader), COLOURS), (codec, pixel_format)
        assert all(frame.image.flags.c_contiguous for frame in reader.decode()), codec
        grey = PyAvReader(path, grey=True)
        assert (grey.info.channels, grey.info.frame_shape) == (1, (34, 50)), codec
        assert np.array_equal(images(grey), luma), (codec, pixel_format)


def test_deep_colours_become_16_bits(tmp_path: Path) -> None:
    stored = RNG.integers(0, 1024, (2, 34, 50, 3)).astype(np.uint16)
    frames = [frame_of([image[..., k] for k in (1, 2, 0)], "gbrp10le") for image in stored]
    reader = PyAvReader(encode(tmp_path / "a.mkv", frames))
    assert (reader.info.dtype, reader.info.bits, reader.info.channels) == ("uint16", 16, 3)
    assert np.array_equal(images(reader), np.rint(stored * (65535 / 1023)))


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "options"),
    [
        ("a.mkv", "ffv1", "yuv420p", {}),
        ("a.mkv", "ffv1", "yuv444p10le", {}),
        ("a.mkv", "ffv1", "yuv422p12le", {}),
        ("a.mov", "libx264", "yuv420p", {"qp": "0"}),
        ("a.mp4", "libx264", "yuv444p", {"qp": "0"}),
        ("a.mkv", "libx264", "yuv420p10le", {"qp": "0"}),
        ("a.mkv", "libx265", "yuv422p10le", {"x265-params": "lossless=1:log-level=none"}),
    ],
)
def test_matrix_and_range_are_those_that_the_file_states(
    tmp_path: Path, name: str, codec: str, pixel_format: str, options: dict[str, str]
) -> None:
    frames = colour_frames(pixel_format, SMOOTH_COLOURS)
    for color_range in (LIMITED, FULL):
        for matrix in (1, 6, 9):  # BT.709, BT.601, BT.2020
            for frame in frames:
                frame.color_range, frame.colorspace = color_range, matrix
            reader = PyAvReader(encode(tmp_path / name, frames, codec, options=options))
            assert reader.info.attrs["range"] == ("limited" if color_range == LIMITED else "full")
            dtype = reader.info.dtype
            assert dtype == ("uint16" if "le" in pixel_format else "uint8")
            # With another matrix or range, the same samples would be other colours.
            expected = np.stack([to_rgb(frame, dtype) for frame in frames])
            assert np.array_equal(images(reader), expected), (color_range, matrix)
            luma = np.stack([to_grey(frame, dtype) for frame in frames])
            grey = PyAvReader(tmp_path / name, grey=True)
            assert np.array_equal(images(grey), luma), (color_range, matrix)


def test_uncompressed_yuv_is_decoded_exactly(tmp_path: Path) -> None:
    for name, codec, pixel_format in (
        ("a.avi", "rawvideo", "yuyv422"),
        ("a.mov", "rawvideo", "uyvy422"),
        ("a.mov", "v210", "yuv422p10le"),
        ("a.nut", "rawvideo", "nv12"),
        ("a.mkv", "rawvideo", "yuv420p"),
    ):
        frames = colour_frames(pixel_format, SMOOTH_COLOURS)
        reader = PyAvReader(encode(tmp_path / name, frames, codec))
        assert reader.info.attrs["range"] == "limited", pixel_format
        expected = np.stack([to_rgb(frame, reader.info.dtype) for frame in frames])
        assert np.array_equal(images(reader), expected), pixel_format


def test_colour_of_motion_jpeg_lies_between_the_columns(tmp_path: Path) -> None:
    frames = colour_frames("yuvj420p", SMOOTH_COLOURS)
    path = encode(tmp_path / "a.avi", frames, "mjpeg", options={"qmin": "1", "qmax": "1"})
    decoded = images(PyAvReader(path)).astype(float)

    def difference(centred: bool) -> float:
        expected = np.stack([to_rgb(frame, "uint8", centred_chroma=centred) for frame in frames])
        return float(np.abs(decoded - expected).mean())

    assert difference(True) < difference(False)
    assert difference(True) < 2


# --- raw colour -----------------------------------------------------------------------------------


def test_raw_colour_stays_raw(tmp_path: Path) -> None:
    for pixel_format, pattern in (("bayer_rggb8", "RGGB"), ("bayer_gbrg16le", "GBRG")):
        stored = GREY.astype(np.uint16) * 201 if "16" in pixel_format else GREY
        frames = [frame_of([mosaic], pixel_format) for mosaic in stored]
        path = encode(tmp_path / "a.nut", frames, "rawvideo")
        for grey in (False, True):
            reader = PyAvReader(path, grey=grey)
            assert (reader.info.channels, reader.info.cfa) == (1, pattern)
            assert np.array_equal(images(reader), stored)


def test_mirrored_raw_colour_has_another_pattern() -> None:
    class Frame:
        class format:
            name = "bayer_rggb8"

        height, width = 6, 8
        matrix = np.array([-1, 0, 0, 0, 1, 0, 0, 0, 1], "i4")  # left and right exchanged
        side_data: ClassVar = {"DISPLAYMATRIX": matrix.tobytes()}

    assert ffmpeg._cfa(Frame()) == "GRBG"  # type: ignore[arg-type]


# --- rotation, interlacing, unknown matrices ------------------------------------------------------


@pytest.mark.parametrize("is_colour", [False, True], ids=["grey", "colour"])
def test_rotation_and_mirrors_are_followed(tmp_path: Path, is_colour: bool) -> None:
    cases: dict[tuple[int, int, int, int], Callable[[Any], Any]] = {
        (0, 1, -1, 0): lambda image: np.rot90(image, -1),  # a telephone held upright
        (0, -1, 1, 0): np.rot90,
        (-1, 0, 0, -1): lambda image: image[::-1, ::-1],
        (-1, 0, 0, 1): lambda image: image[:, ::-1],
        (1, 0, 0, -1): lambda image: image[::-1],
        (0, 1, 1, 0): lambda image: image.swapaxes(0, 1),
    }
    frames = colour_frames("rgb24") if is_colour else grey_frames()
    path = encode(tmp_path / "moon.mov", frames, "png")
    stored = images(PyAvReader(path))
    content = path.read_bytes()
    offset = content.index(b"tkhd") + 44  # of the display matrix, 16.16 fixed point
    for matrix, turn in cases.items():
        a, b, c, d = (k << 16 for k in matrix)
        display = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        path.write_bytes(content[:offset] + display + content[offset + 36 :])
        reader = PyAvReader(path)
        decoded = images(reader)
        assert reader.info.frame_shape == decoded.shape[1:], matrix
        assert decoded.flags.c_contiguous, matrix
        assert np.array_equal(decoded, np.stack([turn(image) for image in stored])), matrix


def test_an_unknown_matrix_and_interlaced_frames_are_reported(tmp_path: Path) -> None:
    frames = colour_frames("yuv444p", SMOOTH_COLOURS)
    for frame in frames:
        frame.colorspace = 8
    path = encode(tmp_path / "a.mkv", frames, options={})
    (problem,) = PyAvReader(path).info.problems
    assert "number 8 of ITU-T H.273" in problem
    assert PyAvReader(path, grey=True).info.problems == ()
    frames = colour_frames("yuv420p", SMOOTH_COLOURS)
    path = encode(tmp_path / "b.mkv", frames, "mpeg2video", options={"flags": "+ildct+ilme"})
    assert "interlaced" in PyAvReader(path).info.problems[0]


def test_pixels_of_an_unknown_kind_are_an_error_or_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "moon.mkv", grey_frames())
    reader = PyAvReader(path)

    def refuse(*_: Any) -> np.ndarray:
        raise ValueError("nothing is known")

    monkeypatch.setattr(ffmpeg, "to_grey", refuse)
    reason = "its pixels (gray) cannot be converted (nothing is known)"
    with pytest.raises(ReaderError) as caught:
        PyAvReader(path)
    assert f"the first frame of {path} cannot be used: {reason}; " in str(caught.value)
    assert {frame.problem for frame in reader.decode()} == {reason}


# --- numbers and times ----------------------------------------------------------------------------


def test_frames_are_numbered_and_timed_from_the_beginning(tmp_path: Path) -> None:
    reader = PyAvReader(encode(tmp_path / "moon.mkv", grey_frames(), rate=50))
    decoded = list(reader.decode())
    assert [frame.number for frame in decoded] == [0, 1, 2, 3, 4]
    assert [frame.time for frame in decoded] == [k * 20_000_000 for k in range(5)]


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    path, milliseconds = tmp_path / "a.mkv", [0, 7, 40, 41, 1000]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 50, 34, "gray"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, frame in zip(milliseconds, grey_frames(), strict=True):
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    decoded = list(PyAvReader(path).decode())
    assert [frame.time for frame in decoded] == [time * 1_000_000 for time in milliseconds]


def test_frames_that_are_stored_in_another_order_come_in_that_of_time(tmp_path: Path) -> None:
    frames = [frame.reformat(format="yuv420p") for frame in smooth_frames()]
    options = {"crf": "5", "bf": "3", "b-adapt": "0"}
    path = encode(tmp_path / "a.mp4", frames, "libx264", options=options)
    with av.open(str(path)) as container:
        packets = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert packets != sorted(packets)
    decoded = list(PyAvReader(path, grey=True).decode())
    assert [frame.number for frame in decoded] == list(range(12))
    assert [frame.time for frame in decoded] == [40_000_000 * k for k in range(12)]
    for found, frame in zip(decoded, frames, strict=True):
        assert np.abs(found.image - to_grey(frame, "uint8").astype(int)).max() <= 6
