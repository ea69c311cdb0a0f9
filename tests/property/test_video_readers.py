"""Any bytes in a compressed video give frames, or one clear error.

Damaged files are made from valid ones of all containers and kinds of codecs in use: cut anywhere,
with bytes changed anywhere, or with extreme numbers in their headers. The reader may then return
fewer or other frames, but raises nothing but `ReaderError`, ends soon, and no test takes more than
200 MB at its peak.
"""

from __future__ import annotations

import faulthandler
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skry_dask.errors import ReaderError
from skry_dask.io.video.ffmpeg import PyAvReader
from tests.damaged_files import (
    EXTREME_NUMBERS,
    MEGABYTE,
    assert_clear,
    examples,
    forget_peak,
    limited_memory,
    overwrite,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEIGHT, WIDTH, N_FRAMES = 24, 32, 3
MAX_SECONDS = 20.0  # of one thread; a file takes some milliseconds
MAX_WAIT_SECONDS = 300.0

# Codec and pixel format of each valid file.
KINDS = {
    "ffv1.mkv": ("ffv1", "bgr0"),
    "h264.mkv": ("libx264", "yuv420p"),
    "mjpeg.mkv": ("mjpeg", "yuvj420p"),
    "h264.mp4": ("libx264", "yuv420p"),
    "mpeg4.mp4": ("mpeg4", "yuv420p"),
    "fragments.mp4": ("libx264", "yuv420p"),
    "png.mov": ("png", "rgb24"),
    "raw.mov": ("rawvideo", "yuyv422"),
    "rle.mov": ("qtrle", "argb"),
    "mjpeg.avi": ("mjpeg", "yuvj422p"),
    "ffv1.avi": ("ffv1", "yuv422p10le"),
    "huffyuv.avi": ("huffyuv", "rgb24"),
    "mpeg4.avi": ("mpeg4", "yuv420p"),
}
each_container = pytest.mark.parametrize("container", ["mkv", "mp4", "mov", "avi"])


def kinds_of(*containers: str) -> st.SearchStrategy[str]:
    return st.sampled_from([kind for kind in KINDS if kind.endswith(containers)])


def encode(folder: Path, kind: str) -> bytes:
    """Encode three small frames."""
    codec, pixel_format = KINDS[kind]
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    path = folder / kind
    movflags = "frag_keyframe+empty_moov" if kind.startswith("fragments") else "faststart"
    options = {"movflags": movflags} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        for k in range(N_FRAMES):
            colours = np.stack([7 * x + 9 * k, 9 * y + 5 * k, 3 * x + 4 * y], axis=2)
            image = (colours % 256).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixel_format)
            frame.pts = k
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("valid")
    return {kind: encode(folder, kind) for kind in KINDS}


@pytest.fixture(autouse=True)
def little_memory(tmp_path: Path, videos: dict[str, bytes]) -> Iterator[None]:
    """Each test takes no more than 200 MB at its peak, without opening each decoder once."""
    for kind, content in videos.items():
        read_all(tmp_path / kind, content)
    with limited_memory(200 * MEGABYTE):
        yield


@contextmanager
def limited_time() -> Iterator[None]:
    """The block takes no more than 20 s of this thread; if it hangs, the run ends with a traceback.

    FFmpeg cannot be interrupted. The time of the thread does not depend on other programs.
    """
    faulthandler.dump_traceback_later(MAX_WAIT_SECONDS, exit=True)
    start = time.thread_time()
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert time.thread_time() - start < MAX_SECONDS


def read_all(path: Path, content: bytes, grey: bool = False) -> None:
    """Decode a damaged file: frames as announced, problems, or a clear error."""
    overwrite(path, content)
    with limited_time():
        try:
            reader = PyAvReader(path, grey=grey)
            info = reader.info
            numbers = []
            for frame in reader.decode():
                numbers.append(frame.number)
                if frame.image is None:
                    assert frame.problem
                    assert "\n" not in frame.problem
                else:
                    assert frame.image.shape == info.frame_shape
                    assert frame.image.dtype == info.dtype
        except ReaderError as error:
            assert_clear(error, path)
            return
    assert numbers == sorted(set(numbers))
    assert info.channels == 1 or not grey
    assert info.n_frames is None or info.n_frames > 0


def test_the_undamaged_files_are_read_as_meant(tmp_path: Path, videos: dict[str, bytes]) -> None:
    for kind, content in videos.items():
        overwrite(tmp_path / kind, content)
        reader = PyAvReader(tmp_path / kind)
        assert reader.info.frame_shape == (HEIGHT, WIDTH, 3), kind
        assert [frame.problem for frame in reader.decode()] == [None] * N_FRAMES, kind


@each_container
@examples(150)
@given(st.data())
def test_a_video_cut_anywhere_gives_frames_or_one_clear_error(
    tmp_path: Path, videos: dict[str, bytes], container: str, data: st.DataObject
) -> None:
    kind = data.draw(kinds_of(container))
    content = videos[kind]
    read_all(tmp_path / kind, content[: data.draw(st.integers(0, len(content)))])


def header_range(kind: str, content: bytes) -> tuple[int, int]:
    """Where the header begins and ends, bytes."""
    if kind.endswith((".mp4", ".mov")):
        return 0, content.rindex(b"mdat") + 4
    return 0, content.index(b"movi") + 16 if kind.endswith(".avi") else 700


@each_container
@examples(150)
@given(st.data(), st.booleans())
def test_changed_bytes_give_frames_or_one_clear_error(
    tmp_path: Path, videos: dict[str, bytes], container: str, data: st.DataObject, grey: bool
) -> None:
    kind = data.draw(kinds_of(container))
    content = bytearray(videos[kind])
    begin, end = header_range(kind, content) if data.draw(st.booleans()) else (0, len(content))
    places = st.integers(begin, min(end, len(content)) - 1)
    damage = data.draw(st.dictionaries(places, st.integers(0, 255), min_size=1, max_size=8))
    for place, value in damage.items():
        content[place] = value
    read_all(tmp_path / kind, bytes(content), grey)


@each_container
@examples(120)
@given(st.data())
def test_extreme_numbers_give_frames_or_one_clear_error(
    tmp_path: Path, videos: dict[str, bytes], container: str, data: st.DataObject
) -> None:
    kind = data.draw(kinds_of(container))
    content = bytearray(videos[kind])
    begin, end = header_range(kind, content)
    order = "little" if kind.endswith(".avi") else "big"
    places = st.integers(begin, min(end, len(content)) - 4)
    for place in data.draw(st.lists(places, min_size=1, max_size=3)):
        n_bytes = data.draw(st.sampled_from([2, 4]))
        number = data.draw(st.sampled_from(EXTREME_NUMBERS)) % 256**n_bytes
        content[place : place + n_bytes] = number.to_bytes(n_bytes, order)
    read_all(tmp_path / kind, bytes(content))


TABLES = (b"stsz", b"stts", b"stsc", b"stco", b"elst", b"trun", b"stsd", b"tkhd", b"IHDR")


@examples(100)
@given(kinds_of(".mp4", ".mov"), st.data())
def test_extreme_numbers_in_tables_give_frames_or_one_clear_error(
    tmp_path: Path, videos: dict[str, bytes], kind: str, data: st.DataObject
) -> None:
    content = bytearray(videos[kind])
    tables = [name for name in TABLES if name in content]
    names = data.draw(st.lists(st.sampled_from(tables), min_size=1, max_size=3))
    # All are found before the first is damaged: they may overlap.
    for start in [content.index(name) for name in names]:
        place = start + data.draw(st.sampled_from([4, 8, 12, 16, 20, 36]))
        number = data.draw(st.sampled_from(EXTREME_NUMBERS))
        content[place : place + 4] = number.to_bytes(4, "big")
    read_all(tmp_path / kind, bytes(content))


BEGINNINGS = {
    "a.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\1\0moov\0\0\0\x6cmvhd",
    "a.mkv": b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1B\xf2\x81\4B\xf3\x81\x08B\x82\x84webm",
    "a.avi": b"RIFF\xff\0\0\0AVI LIST\xc0\0\0\0hdrlavih8\0\0\0",
    "a.ts": (b"G@\0\x10" + bytes(184)) * 3,
    "a.bin": b"",
}


@examples(100)
@given(st.sampled_from(list(BEGINNINGS)), st.binary(max_size=500))
def test_any_bytes_give_frames_or_one_clear_error(
    tmp_path: Path, name: str, content: bytes
) -> None:
    read_all(tmp_path / name, BEGINNINGS[name] + content)


def test_the_limit_of_memory_counts_what_libraries_allocate() -> None:
    if not forget_peak():
        pytest.skip("only Linux measures the peak of a process's memory anew")
    with pytest.raises(AssertionError), limited_memory(20 * MEGABYTE):
        assert np.ones(40 * MEGABYTE, np.uint8).any()
