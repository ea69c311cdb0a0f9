"""Files that FFmpeg must not open, or whose headers cannot be true, are refused clearly."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from skry_dask.errors import ReaderError
from skry_dask.io.video.container import max_frame_pixels
from skry_dask.io.video.ffmpeg import PyAvReader
from tests.encoded_videos import GREY, encode, grey_frames, images

if TYPE_CHECKING:
    from pathlib import Path


def refused(path: Path) -> str:
    with pytest.raises(ReaderError) as caught:
        PyAvReader(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_what_is_no_video_is_refused_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "moon.mp4"
    for content in (
        b"just some text\n" * 100,
        bytes(range(256)) * 100,
        # Playlists.
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\n",
        b"ffconcat version 1.0\nfile other.mkv\n",
    ):
        path.write_bytes(content)
        assert "another video that FFmpeg decodes: it begins with" in refused(path)
        assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows allows no colon in a name")
def test_a_name_with_a_colon_is_a_file_and_not_an_address(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.mkv", grey_frames()).rename(tmp_path / "22:15:03.mkv")
    assert np.array_equal(images(PyAvReader(path)), GREY)


def test_metadata_that_are_not_utf8_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "moon.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Mare_Imbrium"
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 50, 34, "gray"
        for frame in grey_frames():
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    assert b"Mare_Imbrium" in content
    path.write_bytes(content.replace(b"Mare_Imbrium", b"Mare\xe9Imbrium"))
    assert np.array_equal(images(PyAvReader(path)), GREY)


def test_a_codec_without_a_decoder_is_named(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.avi", grey_frames(), "png")
    path.write_bytes(path.read_bytes().replace(b"MPNG", b"ZZ9Z"))
    assert "the codec 'ZZ9Z', for which there is no decoder" in refused(path)
    path = encode(tmp_path / "moon.mkv", grey_frames())
    path.write_bytes(path.read_bytes().replace(b"V_FFV1", b"V_WHAT").replace(b"FFV1", b"ZZ9Z"))
    assert "unknown codec, for which there is no decoder" in refused(path)


def test_a_file_without_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "birds.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), "i2"), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    assert "holds no video, only sound or data" in refused(path)
    path = encode(tmp_path / "moon.mov", grey_frames(), "png")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov") + 6])
    assert "holds no video, or its header is damaged" in refused(path)


def test_a_recording_cut_off_before_its_index_says_how_to_repair_it(tmp_path: Path) -> None:
    frames = [frame.reformat(format="yuv420p") for frame in grey_frames()]
    for name in ("moon.mp4", "moon.mov"):
        path = encode(tmp_path / name, frames, "mpeg4")
        content = path.read_bytes()
        path.write_bytes(content[: content.index(b"moov") - 4])
        message = refused(path)
        assert "has no index (moov)" in message
        assert "repairing MP4" in message


def test_frames_too_large_for_their_file_are_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.avi", grey_frames(), "ffv1")
    content = bytearray(path.read_bytes())
    place = content.index(b"strf") + 12
    for side in (0, 2900, 30000, 2**31 - 1):
        content[place : place + 8] = struct.pack("<ii", side, side)
        path.write_bytes(content)
        message = refused(path)
        assert f"8388608 px that are accepted in {len(content)} bytes" in message
        assert "its header is damaged" in message


def test_large_files_may_have_large_frames() -> None:
    assert max_frame_pixels(10) >= 3840 * 2160
    assert max_frame_pixels(300_000_000) >= 61_000_000
    assert max_frame_pixels(5_000_000) < 30000**2


def test_more_samples_than_a_file_can_hold_are_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.mov", grey_frames(), "png")
    content = bytearray(path.read_bytes())
    place = content.index(b"stsz") + 8
    content[place : place + 8] = struct.pack(">II", 10, 80_000_000)
    path.write_bytes(content)
    assert f"claims 80000000 samples in {len(content)} bytes" in refused(path)


def test_a_video_of_which_nothing_can_be_decoded_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "moon.avi", grey_frames(), "png")
    path.write_bytes(path.read_bytes().replace(b"\x89PNG", b"nope"))
    assert f"not one frame of {path} can be decoded (png video)" in refused(path)
