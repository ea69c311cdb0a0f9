"""Compressed video: small files are encoded here, so that what must come out is known."""

from __future__ import annotations

import pickle
import re
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import av
import numpy as np
import pytest

from skry_dask.errors import ReaderError
from skry_dask.io.reader import DecodedFrame, RawReader, VideoReader
from skry_dask.io.video import ffmpeg as video
from skry_dask.io.video.colour import to_rgb
from skry_dask.io.video.container import max_frame_pixels
from skry_dask.io.video.ffmpeg import PyAvReader
from skry_dask.io.video.ffmpeg_log import collect_errors
from skry_dask.io.video.grey import to_grey
from skry_dask.io.video.packets import decode_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LIMITED, FULL = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG
RANDOM = np.random.default_rng(3)
GREY = RANDOM.integers(0, 256, (5, 34, 50), np.uint8)  # 50 px: rows in memory are longer


def with_luma(luma: np.ndarray, pixel_format: str, color_range: int = 0) -> av.VideoFrame:
    """Make a frame whose first plane is given, sample by sample; the others are neutral."""
    height, width = luma.shape
    frame = av.VideoFrame(width, height, pixel_format)
    frame.color_range = color_range
    wide = frame.format.components[0].bits > 8
    neutral = 1 << (frame.format.components[0].bits - 1)
    for number, plane in enumerate(frame.planes):
        sample = np.dtype("<u2" if wide else "u1")
        content = np.full((plane.height, plane.line_size // sample.itemsize), neutral, sample)
        if number == 0:
            content[:, :width] = luma
        plane.update(content.tobytes())
    return frame


def encode(
    path: Path,
    frames: Sequence[av.VideoFrame],
    codec: str = "ffv1",
    *,
    rate: int = 25,
    options: dict[str, str] | None = None,
) -> Path:
    first = frames[0]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, first.format.name
        stream.codec_context.color_range = first.color_range
        stream.codec_context.colorspace = first.colorspace
        for number, frame in enumerate(frames):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def grey_frames(pixel_format: str = "gray") -> list[av.VideoFrame]:
    return [with_luma(luma, pixel_format) for luma in GREY]


def smooth_frames(n: int = 12) -> list[av.VideoFrame]:
    """Frames that a lossy codec keeps, in full range."""
    y, x = np.mgrid[:48, :64]
    return [
        with_luma(
            (128 + 90 * np.sin((x + 3 * k) / 9) * np.cos(y / 8)).astype("u1"), "yuvj420p", FULL
        )
        for k in range(n)
    ]


def images(reader: PyAvReader) -> np.ndarray:
    decoded = list(reader.decode())
    assert not [frame.problem for frame in decoded if frame.problem]
    return np.stack([frame.image for frame in decoded if frame.image is not None])


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


def test_frames_are_numbered_and_timed_from_the_beginning(tmp_path: Path) -> None:
    reader = PyAvReader(encode(tmp_path / "moon.mkv", grey_frames(), rate=50))
    decoded = list(reader.decode())
    assert [frame.number for frame in decoded] == [0, 1, 2, 3, 4]
    assert [frame.time for frame in decoded] == [k * 20_000_000 for k in range(5)]


def test_decoding_again_gives_the_same(tmp_path: Path) -> None:
    reader = PyAvReader(encode(tmp_path / "moon.mkv", grey_frames()))
    copy = pickle.loads(pickle.dumps(reader))
    next(reader.decode())
    assert np.array_equal(images(reader), images(copy))


RAMP = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
SPREAD = np.rint((np.arange(256).clip(16, 235) - 16) * 255 / 219).astype(np.uint8)


@pytest.mark.parametrize("tag", [0, LIMITED])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p"])
def test_limited_range_is_spread_so_that_235_is_white(
    tmp_path: Path, pixel_format: str, tag: int
) -> None:
    path = encode(tmp_path / "a.mkv", [with_luma(RAMP, pixel_format, tag)])
    reader = PyAvReader(path, grey=True)
    assert reader.info.attrs["range"] == "limited"
    image = images(reader)[0]
    assert (image[0, 16], image[0, 126], image[0, 235]) == (0, 128, 255)
    assert (image == SPREAD).all()


def test_full_range_is_left_alone(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", [with_luma(RAMP, "yuv420p", FULL)])
    reader = PyAvReader(path, grey=True)
    assert reader.info.attrs["range"] == "full"
    assert np.array_equal(images(reader)[0], RAMP)


def test_full_range_of_motion_jpeg_is_left_alone(tmp_path: Path) -> None:
    steps = np.repeat(np.arange(0, 256, 15, dtype=np.uint8), 8)[None].repeat(16, axis=0)
    frame = with_luma(steps, "yuvj420p", FULL)
    path = encode(tmp_path / "a.avi", [frame], "mjpeg", options={"qmin": "1", "qmax": "1"})
    assert np.abs(images(PyAvReader(path, grey=True))[0].astype(int) - steps).max() <= 1


def test_grey_is_full_range_even_if_its_flag_says_otherwise(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", [with_luma(RAMP, "gray", LIMITED)])
    assert np.array_equal(images(PyAvReader(path))[0], RAMP)


@pytest.mark.parametrize("full", [False, True])
def test_10_bits_become_16_with_white_at_full_scale(tmp_path: Path, full: bool) -> None:
    luma = np.tile(np.arange(1024, dtype=np.uint16), (4, 1))
    frame = with_luma(luma, "yuv420p10le", FULL if full else LIMITED)
    reader = PyAvReader(encode(tmp_path / "a.mkv", [frame]), grey=True)
    assert (reader.info.dtype, reader.info.bits) == ("uint16", 16)
    image = images(reader)[0]
    black, white = (0, 1023) if full else (64, 940)
    expected = (np.arange(1024).clip(black, white) - black) * (65535 / (white - black))
    assert image.dtype == np.uint16
    assert np.abs(image - expected).max() <= 0.5


def test_16_bit_grey_is_decoded_exactly(tmp_path: Path) -> None:
    luma = RANDOM.integers(0, 65536, (34, 50)).astype(np.uint16)
    path = encode(tmp_path / "a.mkv", [with_luma(luma, "gray16le")])
    assert np.array_equal(images(PyAvReader(path))[0], luma)


@pytest.mark.parametrize("pixel_format", ["bgr0", "rgb24"])
def test_grey_stored_as_colour_stays_as_it_was(tmp_path: Path, pixel_format: str) -> None:
    frames = [
        av.VideoFrame.from_ndarray(np.repeat(luma[..., None], 3, axis=2), format="rgb24")
        for luma in GREY
    ]
    if pixel_format == "rgb24":
        path = encode(tmp_path / "a.avi", frames, "png")
    else:
        path = encode(tmp_path / "a.mkv", [frame.reformat(format="bgr0") for frame in frames])
    assert np.array_equal(images(PyAvReader(path, grey=True)), GREY)
    assert np.array_equal(images(PyAvReader(path)), np.repeat(GREY[..., None], 3, axis=3))


def test_colours_become_luma(tmp_path: Path) -> None:
    colours = np.zeros((16, 16, 3), np.uint8)
    colours[:, :4, 0] = colours[:, 4:8, 1] = colours[:, 8:12, 2] = 255
    frame = av.VideoFrame.from_ndarray(colours, format="rgb24")
    image = images(PyAvReader(encode(tmp_path / "a.avi", [frame], "png"), grey=True))[0]
    assert image[0, ::4].tolist() == [76, 150, 29, 0]


def test_packed_luma_is_read_like_planar_luma(tmp_path: Path) -> None:
    frame = with_luma(RAMP, "yuv422p", LIMITED).reformat(format="yuyv422")
    path = encode(tmp_path / "a.avi", [frame], "rawvideo")
    assert (images(PyAvReader(path, grey=True))[0] == SPREAD).all()


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),  # a telephone held upright
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
    ],
    ids=["clockwise", "anticlockwise", "half turn", "left-right", "upside down", "diagonal"],
)
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
def test_rotation_and_mirrors_are_honoured(
    tmp_path: Path, matrix: tuple[int, int, int, int], expected: Any, colour: bool
) -> None:
    frames = colour_frames("rgb24") if colour else grey_frames()
    path = encode(tmp_path / "moon.mov", frames, "png")
    upright = images(PyAvReader(path))
    content = path.read_bytes()
    at = content.index(b"tkhd") + 44  # the display matrix, 16.16 fixed point
    a, b, c, d = (k << 16 for k in matrix)
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content[:at] + turned + content[at + 36 :])
    reader = PyAvReader(path)
    decoded = images(reader)
    assert reader.info.frame_shape == decoded.shape[1:]
    assert decoded.flags.c_contiguous
    assert all(
        np.array_equal(image, expected(before))
        for image, before in zip(decoded, upright, strict=True)
    )


def test_a_frame_that_cannot_be_decoded_costs_only_itself(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.avi", grey_frames(), "png")
    content = bytearray(path.read_bytes())
    third = [k for k in range(len(content)) if content[k : k + 4] == b"\x89PNG"][2]
    content[third + 16 : third + 24] = bytes(8)  # width and height
    path.write_bytes(content)
    decoded = list(PyAvReader(path).decode())
    assert [frame.number for frame in decoded] == [0, 1, 2, 3, 4]
    assert decoded[2].image is None
    assert decoded[2].problem is not None
    assert decoded[2].problem.startswith("it cannot be decoded")
    for number in (0, 1, 3, 4):
        assert np.array_equal(decoded[number].image, GREY[number])


def test_a_damaged_frame_is_left_out(tmp_path: Path) -> None:
    path = encode(
        tmp_path / "moon.avi",
        [frame.reformat(format="yuv420p") for frame in grey_frames()],
        "mpeg4",
        options={"g": "1"},
    )
    content = bytearray(path.read_bytes())
    third = content.index(b"movi")
    for _ in range(3):
        third = content.index(b"00dc", third + 4)
    length = struct.unpack("<I", content[third + 4 : third + 8])[0]
    content[third + 8 + length // 2 : third + 8 + length] = b"\xa5" * (length - length // 2)
    path.write_bytes(content)
    decoded = list(PyAvReader(path).decode())
    assert [frame.number for frame in decoded if frame.image is None] == [2]
    assert "damaged" in str(decoded[2].problem)


def test_a_frame_of_another_size_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "moon.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 50, 34, "gray"
        for number, luma in enumerate((GREY[0], GREY[1][:20, :30], GREY[2])):
            codec = av.CodecContext.create("png", "w")
            codec.width, codec.height, codec.pix_fmt = luma.shape[1], luma.shape[0], "gray"
            codec.time_base = Fraction(1, 25)
            for packet in codec.encode(with_luma(luma, "gray")):
                packet.stream, packet.pts, packet.dts = stream, number, number
                container.mux(packet)
    decoded = list(PyAvReader(path).decode())
    assert [frame.image is None for frame in decoded] == [False, True, False]
    assert "its size is 30 x 20 px, that of the first 50 x 34" in str(decoded[1].problem)


def test_a_truncated_video_gives_the_frames_before_its_end(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.mkv", grey_frames())
    path.write_bytes(path.read_bytes()[: -2 * GREY[0].size])
    good = [frame.image for frame in PyAvReader(path).decode() if frame.image is not None]
    assert 1 <= len(good) < 5
    assert np.array_equal(np.stack(good), GREY[: len(good)])


def test_a_read_error_in_the_middle_ends_the_video_but_not_the_job() -> None:
    class Stream:
        class codec_context:
            has_b_frames = False

            @staticmethod
            def decode(packet: Any) -> list[Any]:
                return [] if packet is None else [DamagedOrNot()]

    class DamagedOrNot:
        is_corrupt, pts = False, 0

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
    assert isinstance(entries[0].frame, DamagedOrNot)
    assert "cannot be read any further" in entries[1].problem
    assert [entry.number for entry in entries] == [0, 1]


def test_lossy_video_is_close_to_what_was_recorded(tmp_path: Path) -> None:
    frames = smooth_frames()
    path = encode(tmp_path / "moon.avi", frames, "mjpeg", options={"qmin": "1", "qmax": "1"})
    reader = PyAvReader(path, grey=True)
    assert reader.info.n_frames == 12
    for image, frame in zip(images(reader), frames, strict=True):
        luma = np.frombuffer(frame.planes[0], np.uint8).reshape(48, -1)[:, :64]
        assert np.abs(image.astype(int) - luma).max() <= 3


def test_a_codec_that_nobody_has_is_named(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.avi", grey_frames(), "png")
    path.write_bytes(path.read_bytes().replace(b"MPNG", b"ZZ9Z"))
    with pytest.raises(ReaderError, match=r"the codec 'ZZ9Z', for which there is no decoder"):
        PyAvReader(path)


def test_an_unknown_codec_of_another_container_is_an_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.mkv", grey_frames())
    path.write_bytes(path.read_bytes().replace(b"V_FFV1", b"V_WHAT").replace(b"FFV1", b"ZZ9Z"))
    with pytest.raises(ReaderError, match=r"unknown codec, for which there is no decoder"):
        PyAvReader(path)


def test_a_video_of_which_nothing_can_be_decoded_is_an_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.avi", grey_frames(), "png")
    path.write_bytes(path.read_bytes().replace(b"\x89PNG", b"nope"))
    with pytest.raises(ReaderError, match=r"not one frame of .*moon.avi can be decoded .png video"):
        PyAvReader(path)


def test_a_file_with_sound_only_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "birds.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), "i2"), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(ReaderError, match=r"birds.mkv holds no video"):
        PyAvReader(path)


@pytest.mark.parametrize(
    "content",
    [
        b"just some text\n" * 100,
        bytes(range(256)) * 100,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\n",
        b"ffconcat version 1.0\nfile other.mkv\n",
    ],
    ids=["text", "bytes", "playlist", "concat"],
)
def test_what_is_no_video_is_refused_in_one_line_and_in_silence(
    tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "moon.mp4"
    path.write_bytes(content)
    with pytest.raises(ReaderError, match="another video that FFmpeg decodes: it begins with") as e:
        PyAvReader(path)
    assert str(path) in str(e.value)
    assert "\n" not in str(e.value)
    assert capfd.readouterr() == ("", "")


def test_damage_is_not_chattered_about_on_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = encode(tmp_path / "moon.avi", smooth_frames(), "mjpeg")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 50] = b"\xa5" * 50
    path.write_bytes(content)
    capfd.readouterr()
    assert [type(frame) for frame in PyAvReader(path).decode()].count(DecodedFrame) >= 10
    assert capfd.readouterr() == ("", "")


def test_a_name_with_a_colon_is_a_file_and_not_an_address(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.mkv", grey_frames()).rename(tmp_path / "22:15:03.mkv")
    assert np.array_equal(images(PyAvReader(path)), GREY)


def test_a_video_that_vanishes_after_opening_is_an_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.mkv", grey_frames())
    reader = PyAvReader(path)
    path.unlink()
    with pytest.raises(ReaderError, match="No such file"):
        next(reader.decode())


def test_decoding_leaves_the_file_untouched(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.mkv", grey_frames())
    path.chmod(0o400)
    content, modified = path.read_bytes(), path.stat().st_mtime_ns
    images(PyAvReader(path))
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (content, modified)


# --- colour ---------------------------------------------------------------------------------------

COLOURS = RANDOM.integers(0, 256, (5, 34, 50, 3), np.uint8)
SMOOTH = np.stack(
    [
        np.stack([5 * Y + k, 4 * X, 250 - 2 * (Y + X)], axis=2).astype(np.uint8)
        for Y, X in [np.mgrid[:34, :50]]
        for k in range(5)
    ]
)


def colour_frames(pixel_format: str, colours: np.ndarray = COLOURS) -> list[av.VideoFrame]:
    deep = colours.dtype == np.uint16
    frames = [
        av.VideoFrame.from_ndarray(image, format="rgb48le" if deep else "rgb24")
        for image in colours
    ]
    return [frame.reformat(format=pixel_format) for frame in frames]


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.mkv", "ffv1", "bgr0"),
        ("a.avi", "png", "rgb24"),
        ("a.mov", "png", "rgba"),
        ("a.mov", "qtrle", "rgb24"),
        ("a.mov", "qtrle", "argb"),
        ("a.avi", "huffyuv", "rgb24"),
        ("a.avi", "utvideo", "gbrp"),
        ("a.avi", "rawvideo", "bgr24"),
        ("a.mkv", "libx264rgb", "bgr24"),
    ],
)
def test_colours_stored_as_such_are_decoded_exactly(
    tmp_path: Path, name: str, codec: str, pixel_format: str
) -> None:
    options = {"qp": "0"} if "264" in codec else {}
    path = encode(tmp_path / name, colour_frames(pixel_format), codec, options=options)
    reader = PyAvReader(path)
    info = reader.info
    assert (info.channels, info.frame_shape, info.dtype) == (3, (34, 50, 3), "uint8")
    assert (info.cfa, info.problems) == (None, ())
    assert np.array_equal(images(reader), COLOURS)
    assert all(frame.image.flags.c_contiguous for frame in reader.decode())
    luma = (COLOURS @ np.array([19595, 38470, 7471]) + 32768) >> 16
    grey = PyAvReader(path, grey=True)
    assert (grey.info.channels, grey.info.frame_shape) == (1, (34, 50))
    assert np.array_equal(images(grey), luma)


def test_deep_colours_become_16_bits(tmp_path: Path) -> None:
    stored = RANDOM.integers(0, 1024, (2, 34, 50, 3)).astype(np.uint16)
    frames = []
    for image in stored:
        frame = av.VideoFrame(50, 34, "gbrp10le")
        for plane, channel in zip(frame.planes, (1, 2, 0), strict=True):
            content = np.zeros((34, plane.line_size // 2), "<u2")
            content[:, :50] = image[..., channel]
            plane.update(content.tobytes())
        frames.append(frame)
    reader = PyAvReader(encode(tmp_path / "a.mkv", frames))
    assert (reader.info.dtype, reader.info.bits, reader.info.channels) == ("uint16", 16, 3)
    assert np.array_equal(images(reader), np.rint(stored * (65535 / 1023)))


@pytest.mark.parametrize("colorspace", [1, 6, 9], ids=["709", "601", "2020"])
@pytest.mark.parametrize("color_range", [LIMITED, FULL], ids=["limited", "full"])
@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.mkv", "ffv1", "yuv420p"),
        ("a.mkv", "ffv1", "yuv444p10le"),
        ("a.mkv", "ffv1", "yuv422p12le"),
        ("a.mov", "libx264", "yuv420p"),
        ("a.mp4", "libx264", "yuv444p"),
        ("a.mkv", "libx264", "yuv420p10le"),
        ("a.mkv", "libx265", "yuv422p10le"),
    ],
)
def test_matrix_and_range_are_those_that_the_file_states(
    tmp_path: Path, name: str, codec: str, pixel_format: str, color_range: int, colorspace: int
) -> None:
    frames = colour_frames(pixel_format, SMOOTH)
    for frame in frames:
        frame.color_range, frame.colorspace = color_range, colorspace
    options = {
        "libx264": {"qp": "0"},
        "libx265": {"x265-params": "lossless=1:log-level=none"},
    }.get(codec, {})
    reader = PyAvReader(encode(tmp_path / name, frames, codec, options=options))
    assert reader.info.attrs["range"] == ("limited" if color_range == LIMITED else "full")
    dtype = reader.info.dtype
    assert dtype == ("uint16" if "le" in pixel_format else "uint8")
    # Taken for another matrix or range, the same samples are other colours.
    expected = np.stack([to_rgb(frame, dtype) for frame in frames])
    assert np.array_equal(images(reader), expected)
    luma = np.stack([to_grey(frame, dtype) for frame in frames])
    assert np.array_equal(images(PyAvReader(tmp_path / name, grey=True)), luma)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.avi", "rawvideo", "yuyv422"),
        ("a.mov", "rawvideo", "uyvy422"),
        ("a.mov", "v210", "yuv422p10le"),
        ("a.nut", "rawvideo", "nv12"),
        ("a.mkv", "rawvideo", "yuv420p"),
    ],
)
def test_uncompressed_yuv_is_decoded_exactly(
    tmp_path: Path, name: str, codec: str, pixel_format: str
) -> None:
    frames = colour_frames(pixel_format, SMOOTH)
    reader = PyAvReader(encode(tmp_path / name, frames, codec))
    assert reader.info.attrs["range"] == "limited"
    expected = np.stack([to_rgb(frame, reader.info.dtype) for frame in frames])
    assert np.array_equal(images(reader), expected)


def test_colour_of_motion_jpeg_lies_between_the_columns(tmp_path: Path) -> None:
    frames = colour_frames("yuvj420p", SMOOTH)
    path = encode(tmp_path / "a.avi", frames, "mjpeg", options={"qmin": "1", "qmax": "1"})
    found = images(PyAvReader(path)).astype(float)
    far, near = (
        np.mean([np.abs(image - to_rgb(frame, "uint8", centred_chroma=centred))
                 for image, frame in zip(found, frames, strict=True)])
        for centred in (False, True)
    )  # fmt: skip
    assert near < far
    assert near < 2


@pytest.mark.parametrize(
    ("pixel_format", "expected"), [("bayer_rggb8", "RGGB"), ("bayer_gbrg16le", "GBRG")]
)
@pytest.mark.parametrize("grey", [False, True])
def test_raw_colour_stays_raw(tmp_path: Path, pixel_format: str, expected: str, grey: bool) -> None:
    stored = GREY.astype(np.uint16) * 201 if "16" in pixel_format else GREY
    frames = []
    for mosaic in stored:
        frame = av.VideoFrame(50, 34, pixel_format)
        plane = frame.planes[0]
        content = np.zeros((34, plane.line_size // mosaic.itemsize), mosaic.dtype)
        content[:, :50] = mosaic
        plane.update(content.tobytes())
        frames.append(frame)
    reader = PyAvReader(encode(tmp_path / "a.nut", frames, "rawvideo"), grey=grey)
    assert (reader.info.channels, reader.info.cfa) == (1, expected)
    assert np.array_equal(images(reader), stored)


def test_raw_colour_turned_over_has_another_pattern() -> None:
    class Frame:
        class format:
            name = "bayer_rggb8"

        height, width = 6, 8
        matrix = np.array([-1, 0, 0, 0, 1, 0, 0, 0, 1], "i4")  # left and right exchanged
        side_data: ClassVar = {"DISPLAYMATRIX": matrix.tobytes()}

    assert video._cfa(Frame()) == "GRBG"  # type: ignore[arg-type]


def test_an_unknown_matrix_and_interlaced_frames_are_reported(tmp_path: Path) -> None:
    frames = colour_frames("yuv444p", SMOOTH)
    for frame in frames:
        frame.colorspace = 8
    path = encode(tmp_path / "a.mkv", frames, options={})
    problem = PyAvReader(path).info.problems[0]
    assert "number 8 of ITU-T H.273" in problem
    assert PyAvReader(path, grey=True).info.problems == ()
    frames = colour_frames("yuv420p", SMOOTH)
    path = encode(tmp_path / "b.mkv", frames, "mpeg2video", options={"flags": "+ildct+ilme"})
    assert "interlaced" in PyAvReader(path).info.problems[0]


# --- times, numbers, claims -----------------------------------------------------------------------


def at_times(path: Path, ticks: Sequence[int]) -> Path:
    """Encode grey frames at these times, ms."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 50, 34, "gray"
        stream.codec_context.time_base = Fraction(1, 1000)
        for tick, frame in zip(ticks, grey_frames(), strict=True):
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    ticks = [0, 7, 40, 41, 1000]
    decoded = list(PyAvReader(at_times(tmp_path / "a.mkv", ticks)).decode())
    assert [frame.time for frame in decoded] == [tick * 1_000_000 for tick in ticks]


def test_frames_in_another_order_than_stored_come_in_that_of_time(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("dropped", [{2}, {0}, {1, 2}, {0, 3}])
def test_dropped_frames_of_an_avi_use_up_their_numbers_and_times(
    tmp_path: Path, dropped: set[int]
) -> None:
    path = encode(tmp_path / "moon.avi", grey_frames(), "png")
    path.write_bytes(
        with_chunks(path.read_bytes(), lambda k, chunk: b"" if k in dropped else chunk)
    )
    decoded = list(PyAvReader(path).decode())
    kept = [frame for frame in decoded if frame.image is not None]
    assert [frame.number for frame in kept] == [k for k in range(5) if k not in dropped]
    assert [frame.time for frame in kept] == [frame.number * 40_000_000 for frame in kept]
    assert all(np.array_equal(frame.image, GREY[frame.number]) for frame in kept)
    problems = [frame.problem for frame in decoded if frame.image is None]
    assert len(problems) == len([k for k in dropped if k - 1 not in dropped])
    assert all("dropped while recording" in str(problem) for problem in problems)
    if dropped == {1, 2}:
        assert "it and the 1 after it" in str(problems[0])


@pytest.mark.parametrize("claimed", [0, 3, 99999])
def test_a_wrong_number_of_frames_in_the_header_changes_no_frame(
    tmp_path: Path, claimed: int
) -> None:
    path = encode(tmp_path / "moon.avi", grey_frames(), "png")
    content = bytearray(path.read_bytes())
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


def test_an_avi_cut_off_within_a_frame_reports_that_frame(tmp_path: Path) -> None:
    frames = colour_frames("yuvj420p", SMOOTH)
    path = encode(tmp_path / "moon.avi", frames, "mjpeg")
    whole = images(PyAvReader(path))
    content = path.read_bytes()
    last = content.rindex(b"\xff\xd8")
    path.write_bytes(content[: last + 300])
    decoded = list(PyAvReader(path).decode())
    assert [frame.image is None for frame in decoded] == [False] * 4 + [True]
    assert decoded[4].problem == "it is not complete"
    assert np.array_equal([frame.image for frame in decoded[:4]], whole[:4])


def test_an_mp4_whose_index_comes_first_gives_the_frames_before_its_end(tmp_path: Path) -> None:
    frames = [frame.reformat(format="yuv420p") for frame in grey_frames()]
    path = tmp_path / "moon.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=25, options={"g": "1"})
        stream.width, stream.height, stream.pix_fmt = 50, 34, "yuv420p"
        for number, frame in enumerate(frames):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
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


@pytest.mark.parametrize("name", ["moon.mp4", "moon.mov"])
def test_a_recording_cut_off_before_its_index_says_how_to_repair_it(
    tmp_path: Path, name: str
) -> None:
    frames = [frame.reformat(format="yuv420p") for frame in grey_frames()]
    path = encode(tmp_path / name, frames, "mpeg4")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 4])
    with pytest.raises(ReaderError, match=r"moon.* has no index \(moov\).* repairing MP4") as error:
        PyAvReader(path)
    assert "\n" not in str(error.value)


def test_an_mp4_with_an_index_that_is_of_no_use_is_another_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.mov", grey_frames(), "png")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov") + 6])
    with pytest.raises(ReaderError, match="holds no video, or its header is damaged"):
        PyAvReader(path)


@pytest.mark.parametrize("side", [0, 2900, 30000, 2**31 - 1])
def test_frames_too_large_for_their_file_are_not_believed(tmp_path: Path, side: int) -> None:
    path = encode(tmp_path / "moon.avi", grey_frames(), "ffv1")
    content = bytearray(path.read_bytes())
    place = content.index(b"strf") + 12
    content[place : place + 8] = struct.pack("<ii", side, side)
    path.write_bytes(content)
    expected = rf"8388608 px that are accepted in {len(content)} bytes; its header is damaged"
    with pytest.raises(ReaderError, match=expected):
        PyAvReader(path)


@pytest.mark.parametrize("side", [2900, 30000, 2**31 - 1])
def test_a_frame_that_claims_to_be_too_large_costs_only_itself(tmp_path: Path, side: int) -> None:
    path = encode(tmp_path / "moon.mov", grey_frames(), "png")
    content = bytearray(path.read_bytes())
    place = [k for k in range(len(content)) if content[k : k + 4] == b"IHDR"][1] + 4
    chunk = b"IHDR" + struct.pack(">II", side, side) + content[place + 8 : place + 13]
    content[place - 4 : place + 17] = chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(content)
    decoded = list(PyAvReader(path).decode())
    assert [frame.image is None for frame in decoded] == [False, True, False, False, False]


def test_pixels_of_an_unknown_kind_are_an_error_or_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "moon.mkv", grey_frames())
    reader = PyAvReader(path)

    def refuse(*_: Any) -> np.ndarray:
        raise ValueError("nothing is known")

    monkeypatch.setattr(video, "to_grey", refuse)
    reason = r"its pixels \(gray\) cannot be converted \(nothing is known\)"
    with pytest.raises(
        ReaderError, match=f"the first frame of .*moon.mkv is of no use, {reason}; "
    ):
        PyAvReader(path)
    assert all(re.fullmatch(reason, str(frame.problem)) for frame in reader.decode())


def test_large_files_may_have_large_frames() -> None:
    assert max_frame_pixels(10) >= 3840 * 2160
    assert max_frame_pixels(300_000_000) >= 61_000_000
    assert max_frame_pixels(5_000_000) < 30000**2


def test_more_samples_than_a_file_holds_are_not_believed(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.mov", grey_frames(), "png")
    content = bytearray(path.read_bytes())
    place = content.index(b"stsz") + 8
    content[place : place + 8] = struct.pack(">II", 10, 80_000_000)
    path.write_bytes(content)
    with pytest.raises(ReaderError, match=r"claims 80000000 samples in \d+ bytes"):
        PyAvReader(path)


# --- damage that FFmpeg passes over ---------------------------------------------------------------


KEPT = [("ffv1", "a.mkv"), ("mjpeg", "a.mkv"), ("mjpeg", "a.avi"), ("mjpeg", "a.mp4")]


@pytest.mark.parametrize(("codec", "name"), KEPT)
def test_a_video_cut_off_is_known_at_opening_and_at_its_end(
    tmp_path: Path, codec: str, name: str
) -> None:
    path = tmp_path / name
    options = {"movflags": "faststart"} if name.endswith("mp4") else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number, frame in enumerate(smooth_frames()):
            picture = frame.reformat(format=stream.pix_fmt)
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    reader = PyAvReader(path)
    assert reader.info.problems == ()
    whole = images(reader)
    size = len(content) * 2 // 3
    path.write_bytes(content[:size])
    reader = PyAvReader(path)
    (problem,) = reader.info.problems
    assert f"{name} was cut off: {len(content) - size} of its {len(content)} bytes" in problem
    *frames, last = reader.decode()
    kept = [frame.image for frame in frames if frame.image is not None]
    assert 0 < len(kept) < len(whole)
    assert np.array_equal(kept, whole[: len(kept)])
    assert last.image is None
    assert "ends too early" in str(last.problem) or "claims 12 frames" in str(last.problem)


@pytest.mark.parametrize("name", ["a.mov", "a.mkv", "a.avi"])
def test_a_picture_of_a_damaged_frame_is_reported(tmp_path: Path, name: str) -> None:
    noise = RANDOM.integers(0, 256, (6, 48, 64), np.uint8)
    path = encode(tmp_path / name, [with_luma(k, "yuvj420p", FULL) for k in noise], "mjpeg")
    content = bytearray(path.read_bytes())
    third = [k for k in range(len(content)) if content[k : k + 3] == b"\xff\xd8\xff"][2]
    scan = content.index(b"\xff\xda", third) + 14
    content[scan + 200 : scan + 1200] = bytes(1000)
    path.write_bytes(content)
    decoded = list(PyAvReader(path).decode())
    assert [frame.number for frame in decoded if frame.problem] == [2]
    assert str(decoded[2].problem).startswith("it may be damaged (")
    assert len(decoded) == 6


def test_collecting_errors_leaves_the_settings_of_others_alone() -> None:
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    with collect_errors() as outer, collect_errors() as inner:
        av.logging.log(av.logging.ERROR, "test", "two\nlines")
        av.logging.log(av.logging.ERROR, "test", "two\nlines")
        av.logging.log(av.logging.INFO, "test", "unimportant")
    assert (outer, inner) == ([], ["two lines"])
    assert (av.logging.get_level(), av.logging.get_skip_repeated()) == before


def test_errors_belong_to_the_thread_that_makes_them() -> None:
    def work(number: int) -> list[str]:
        both.wait()
        with collect_errors() as found:
            both.wait()
            av.logging.log(av.logging.ERROR, "test", f"error {number}")
            both.wait()
        return found

    both = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, range(2))) == [["error 0"], ["error 1"]]
