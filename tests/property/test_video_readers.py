"""Whatever a compressed video holds: frames, or an error in one line.

Damaged files are made from valid ones of all containers and kinds of codecs in use, by cutting
them, by flipping bytes anywhere, and by writing extreme numbers into their headers. The reader may
then give fewer or other frames, but it raises nothing but `ReaderError`, ends soon, and takes no
more than 200 MB besides the file's size.

Memory is what the kernel counts, FFmpeg's too, where it can be asked to (Linux).
"""

from __future__ import annotations

import faulthandler
import gc
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skry_dask.cli.process import release_freed_memory
from skry_dask.errors import ReaderError
from skry_dask.io.video.ffmpeg import PyAvReader

if TYPE_CHECKING:
    from collections.abc import Iterator

MEGABYTE = 1 << 20
HEIGHT, WIDTH, N_FRAMES = 24, 32, 3
LONGEST = 20.0  # seconds; a case takes some milliseconds

# File, codec, pixel format.
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

CONTAINERS = ("mkv", "mp4", "mov", "avi")
each = pytest.mark.parametrize("container", CONTAINERS)


def kinds(container: str) -> st.SearchStrategy[str]:
    return st.sampled_from([kind for kind in KINDS if kind.endswith(container)])


settings.register_profile(
    "damage",
    deadline=None,
    # One folder for all cases of a test: each overwrites its file.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def valid(folder: Path, kind: str) -> bytes:
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
    return {kind: valid(folder, kind) for kind in KINDS}


@contextmanager
def within(n_bytes: int) -> Iterator[None]:
    """Hold a piece of work to a time and, where the kernel tells it, to an amount of memory."""
    # Time within FFmpeg cannot be interrupted: a case that hangs ends the run, with a traceback.
    faulthandler.dump_traceback_later(LONGEST, exit=True)
    before = reset_peak()
    start = time.monotonic()
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert time.monotonic() - start < LONGEST
    if before is not None:
        assert resident("VmHWM") - before <= n_bytes


def reset_peak() -> int | None:
    """Let the kernel count the greatest memory anew; return how much there is now."""
    gc.collect()
    release_freed_memory()  # else what is taken next may come from what earlier tests have freed
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return resident("VmRSS")
    except OSError:
        return None


def resident(name: str) -> int:
    """Return a figure of this process's memory, bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def is_one_line(error: ReaderError, path: Path) -> None:
    assert "\n" not in str(error)
    assert str(path) in str(error)


def survives(path: Path, content: bytes, grey: bool = False) -> None:
    """Decode all of a damaged file: frames as announced, reasons, or an error in one line."""
    path.write_bytes(content)
    with within(len(content) + 200 * MEGABYTE):
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
            is_one_line(error, path)
            return
    assert numbers == sorted(set(numbers))
    assert info.channels == 1 or not grey
    assert info.n_frames is None or info.n_frames > 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_below_is_whole_before(
    tmp_path: Path, videos: dict[str, bytes], kind: str
) -> None:
    path = tmp_path / kind
    path.write_bytes(videos[kind])
    reader = PyAvReader(path)
    assert reader.info.frame_shape == (HEIGHT, WIDTH, 3)
    assert [frame.problem for frame in reader.decode()] == [None] * N_FRAMES


@each
@settings(settings.get_profile("damage"), max_examples=750)
@given(st.data())
def test_a_video_cut_anywhere_gives_frames_or_one_clear_error(
    tmp_path: Path, videos: dict[str, bytes], container: str, data: st.DataObject
) -> None:
    kind = data.draw(kinds(container))
    content = videos[kind]
    survives(tmp_path / kind, content[: data.draw(st.integers(0, len(content)))])


def header_of(kind: str, content: bytes) -> tuple[int, int]:
    """Return where the header begins and ends, bytes."""
    if kind.endswith((".mp4", ".mov")):
        return 0, content.rindex(b"mdat") + 4
    return 0, content.index(b"movi") + 16 if kind.endswith(".avi") else 700


@each
@settings(settings.get_profile("damage"), max_examples=750)
@given(st.data(), st.booleans())
def test_flipped_bytes_give_frames_or_one_clear_error(
    tmp_path: Path, videos: dict[str, bytes], container: str, data: st.DataObject, grey: bool
) -> None:
    kind = data.draw(kinds(container))
    content = bytearray(videos[kind])
    begin, end = header_of(kind, content) if data.draw(st.booleans()) else (0, len(content))
    places = st.integers(begin, min(end, len(content)) - 1)
    damage = data.draw(st.dictionaries(places, st.integers(0, 255), min_size=1, max_size=8))
    for place, value in damage.items():
        content[place] = value
    survives(tmp_path / kind, bytes(content), grey)


# Numbers as the header of an empty file, of one that is too large, and of one that lies would have.
NUMBERS = [0, 1, 2, 255, 2890, 65535, 1 << 20, 1 << 24, 2**31 - 1, 2**31, 2**32 - 9, 2**32 - 1]


@each
@settings(settings.get_profile("damage"), max_examples=500)
@given(st.data())
def test_extreme_numbers_give_frames_or_one_clear_error(
    tmp_path: Path, videos: dict[str, bytes], container: str, data: st.DataObject
) -> None:
    kind = data.draw(kinds(container))
    content = bytearray(videos[kind])
    begin, end = header_of(kind, content)
    order = "little" if kind.endswith(".avi") else "big"
    places = st.integers(begin, min(end, len(content)) - 4)
    for place in data.draw(st.lists(places, min_size=1, max_size=3)):
        n_bytes = data.draw(st.sampled_from([2, 4]))
        number = data.draw(st.sampled_from(NUMBERS)) % 256**n_bytes
        content[place : place + n_bytes] = number.to_bytes(n_bytes, order)
    survives(tmp_path / kind, bytes(content))


TABLES = (b"stsz", b"stts", b"stsc", b"stco", b"elst", b"trun", b"stsd", b"tkhd", b"IHDR")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.endswith((".mp4", ".mov"))])
@settings(settings.get_profile("damage"), max_examples=50)
@given(st.data())
def test_extreme_numbers_in_tables_give_frames_or_one_clear_error(
    tmp_path: Path, videos: dict[str, bytes], kind: str, data: st.DataObject
) -> None:
    content = bytearray(videos[kind])
    tables = [name for name in TABLES if name in content]
    names = data.draw(st.lists(st.sampled_from(tables), min_size=1, max_size=3))
    # All are found before the first is damaged: they may overlap.
    for start in [content.index(name) for name in names]:
        place = start + data.draw(st.sampled_from([4, 8, 12, 16, 20, 36]))
        content[place : place + 4] = data.draw(st.sampled_from(NUMBERS)).to_bytes(4, "big")
    survives(tmp_path / kind, bytes(content))


BEGINNINGS = {
    "a.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\1\0moov\0\0\0\x6cmvhd",
    "a.mkv": b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1B\xf2\x81\4B\xf3\x81\x08B\x82\x84webm",
    "a.avi": b"RIFF\xff\0\0\0AVI LIST\xc0\0\0\0hdrlavih8\0\0\0",
    "a.ts": (b"G@\0\x10" + bytes(184)) * 3,
    "a.bin": b"",
}


@pytest.mark.parametrize("name", BEGINNINGS)
@settings(settings.get_profile("damage"), max_examples=50)
@given(st.binary(max_size=500))
def test_any_bytes_give_frames_or_one_clear_error(
    tmp_path: Path, name: str, content: bytes
) -> None:
    survives(tmp_path / name, BEGINNINGS[name] + content)


def test_the_test_itself_sees_memory_that_is_taken() -> None:
    if reset_peak() is None:
        pytest.skip("only Linux tells a process the peak of its memory")
    with pytest.raises(AssertionError), within(20 * MEGABYTE):
        assert np.ones(40 * MEGABYTE, np.uint8).any()
