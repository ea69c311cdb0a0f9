"""Compressed video: small files are encoded here, so that what must come out is known."""

from __future__ import annotations

import pickle
import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from skry_dask.errors import ReaderError
from skry_dask.io import video
from skry_dask.io.reader import DecodedFrame, RawReader, VideoReader
from skry_dask.io.video import PyAvReader

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    reader = PyAvReader(encode(tmp_path / "a.mkv", [with_luma(RAMP, pixel_format, tag)]))
    assert reader.info.attrs["range"] == "limited"
    image = images(reader)[0]
    assert (image[0, 16], image[0, 126], image[0, 235]) == (0, 128, 255)
    assert (image == SPREAD).all()


def test_full_range_is_left_alone(tmp_path: Path) -> None:
    reader = PyAvReader(encode(tmp_path / "a.mkv", [with_luma(RAMP, "yuv420p", FULL)]))
    assert reader.info.attrs["range"] == "full"
    assert np.array_equal(images(reader)[0], RAMP)


def test_full_range_of_motion_jpeg_is_left_alone(tmp_path: Path) -> None:
    steps = np.repeat(np.arange(0, 256, 15, dtype=np.uint8), 8)[None].repeat(16, axis=0)
    frame = with_luma(steps, "yuvj420p", FULL)
    path = encode(tmp_path / "a.avi", [frame], "mjpeg", options={"qmin": "1", "qmax": "1"})
    assert np.abs(images(PyAvReader(path))[0].astype(int) - steps).max() <= 1


def test_grey_is_full_range_even_if_its_flag_says_otherwise(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", [with_luma(RAMP, "gray", LIMITED)])
    assert np.array_equal(images(PyAvReader(path))[0], RAMP)


@pytest.mark.parametrize("full", [False, True])
def test_10_bits_become_16_with_white_at_full_scale(tmp_path: Path, full: bool) -> None:
    luma = np.tile(np.arange(1024, dtype=np.uint16), (4, 1))
    frame = with_luma(luma, "yuv420p10le", FULL if full else LIMITED)
    reader = PyAvReader(encode(tmp_path / "a.mkv", [frame]))
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
    assert np.array_equal(images(PyAvReader(path)), GREY)


def test_colours_become_luma(tmp_path: Path) -> None:
    colours = np.zeros((16, 16, 3), np.uint8)
    colours[:, :4, 0] = colours[:, 4:8, 1] = colours[:, 8:12, 2] = 255
    frame = av.VideoFrame.from_ndarray(colours, format="rgb24")
    image = images(PyAvReader(encode(tmp_path / "a.avi", [frame], "png")))[0]
    assert image[0, ::4].tolist() == [76, 150, 29, 0]


def test_packed_luma_is_read_like_planar_luma(tmp_path: Path) -> None:
    frame = with_luma(RAMP, "yuv422p", LIMITED).reformat(format="yuyv422")
    path = encode(tmp_path / "a.avi", [frame], "rawvideo")
    assert (images(PyAvReader(path))[0] == SPREAD).all()


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),  # a telephone held upright
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((0, 1, 1, 0), np.transpose),
    ],
    ids=["clockwise", "anticlockwise", "half turn", "left-right", "upside down", "diagonal"],
)
def test_rotation_and_mirrors_are_honoured(
    tmp_path: Path, matrix: tuple[int, int, int, int], expected: Any
) -> None:
    path = encode(tmp_path / "moon.mov", grey_frames(), "png")
    upright = images(PyAvReader(path))
    content = path.read_bytes()
    at = content.index(b"tkhd") + 44  # the display matrix, 16.16 fixed point
    a, b, c, d = (k << 16 for k in matrix)
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content[:at] + turned + content[at + 36 :])
    reader = PyAvReader(path)
    decoded = images(reader)
    assert (reader.info.height, reader.info.width) == decoded.shape[1:]
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
    assert decoded[2].problem.startswith("Frame 2: it cannot be decoded")
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
            @staticmethod
            def decode(packet: str | None) -> list[Any]:
                return [] if packet is None else [DamagedOrNot()]

    class DamagedOrNot:
        is_corrupt = False

    class Container:
        @staticmethod
        def demux(_: Any) -> Any:
            yield "packet"
            raise av.error.InvalidDataError(1, "no more")

    frames = list(video._frames(Container(), Stream()))  # type: ignore[arg-type]
    assert isinstance(frames[0], DamagedOrNot)
    assert "cannot be read any further" in str(frames[1])
    assert len(frames) == 2


def test_lossy_video_is_close_to_what_was_recorded(tmp_path: Path) -> None:
    frames = smooth_frames()
    path = encode(tmp_path / "moon.avi", frames, "mjpeg", options={"qmin": "1", "qmax": "1"})
    reader = PyAvReader(path)
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
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
    ],
    ids=["text", "bytes", "playlist", "concat", "cut mp4"],
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
