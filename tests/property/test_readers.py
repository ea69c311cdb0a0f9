"""Whatever a SER or AVI file holds: the exact frames, or an error in one line.

Damaged files are made from valid ones by cutting them, and by flipping bytes of their headers. A
reader may then give fewer or other frames, but it raises nothing but `ReaderError`, and takes no
more memory than the file has bytes: a header's claims are checked before anything is allocated.

Files are tiny, so that each kind meets at least 2000 damaged ones within a few seconds.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import tracemalloc
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from skry_dask.errors import ReaderError
from skry_dask.io.raw.avi import AviReader, write_avi
from skry_dask.io.raw.ser import SerReader, write_ser
from skry_dask.io.registry import open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

many = settings(
    max_examples=200,
    deadline=None,
    # One folder for all cases of a test: each overwrites its file.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

shapes = st.tuples(st.integers(1, 5), st.integers(1, 12), st.integers(1, 12))
stacks8 = npst.arrays(np.uint8, shapes)
IDENTITY = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


@st.composite
def ser_captures(draw: st.DrawFn) -> tuple[np.ndarray, int, str]:
    bits = draw(st.integers(8, 16))
    colour = draw(st.sampled_from(["mono", "RGGB", "GRBG", "GBRG", "BGGR", "RGB"]))
    shape = draw(shapes) + ((3,) if colour == "RGB" else ())
    dtype = np.uint8 if bits == 8 else np.uint16
    elements = npst.from_dtype(np.dtype(dtype), max_value=2**bits - 1)
    return draw(npst.arrays(dtype, shape, elements=elements)), bits, colour


@st.composite
def ranges(draw: st.DrawFn, n: int) -> tuple[int, int]:
    start = draw(st.integers(0, n))
    return start, draw(st.integers(start, n))


@many
@given(st.data(), ser_captures(), st.booleans())
def test_ser_files_give_back_what_was_written(
    tmp_path: Path, data: st.DataObject, capture: tuple[np.ndarray, int, str], timed: bool
) -> None:
    frames, bits, colour = capture
    n, height, width = frames.shape[:3]
    time = data.draw(npst.arrays(np.int64, n, elements=st.integers(10**18, 2 * 10**18)))
    time = np.sort(time) // 100 * 100
    path = tmp_path / "a.ser"
    write_ser(
        path, frames, n_frames=n, height=height, width=width, bits=bits, colour=colour,
        time=time if timed else None,
    )  # fmt: skip
    reader = SerReader(path)
    start, stop = data.draw(ranges(n))
    read = reader.read(start, stop)
    assert read.dtype == frames.dtype
    assert np.array_equal(read, frames[start:stop])
    assert reader.info.bits == bits
    assert reader.info.frame_shape == frames.shape[1:]
    assert reader.info.cfa == (None if colour in ("mono", "RGB") else colour)
    if timed:
        assert np.array_equal(reader.info.time, time)
    else:
        assert reader.info.time is None


@many
@given(st.data(), stacks8)
def test_avi_files_give_back_what_was_written(
    tmp_path: Path, data: st.DataObject, frames: np.ndarray
) -> None:
    n, height, width = frames.shape
    path = tmp_path / "a.avi"
    write_avi(path, frames, n_frames=n, height=height, width=width)
    reader = AviReader(path)
    start, stop = data.draw(ranges(n))
    assert np.array_equal(reader.read(start, stop), frames[start:stop])
    assert reader.info.problems == ()


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def avi_header(
    width: int, height: int, fourcc: bytes, bits: int = 8, palette: bytes = b"", more: bytes = b""
) -> bytes:
    strh = struct.pack("<4s4s10I", b"vids", fourcc, 0, 0, 0, 1, 30, 0, 0, 0, 0, 0) + bytes(8)
    strf = struct.pack(
        "<IiiHH4s5I", 40, width, height, 1, bits, fourcc, 0, 0, 0, len(palette) // 4, 0
    )
    strl = chunk(b"LIST", b"strl" + chunk(b"strh", strh) + chunk(b"strf", strf + palette) + more)
    return chunk(b"LIST", b"hdrl" + chunk(b"avih", bytes(56)) + strl)


def movi(frames: np.ndarray, drops: frozenset[int] = frozenset()) -> bytes:
    """Frames (frame, y, byte) as they are stored, empty chunks before some of them."""
    content = b"movi"
    for number, frame in enumerate(frames):
        content += chunk(b"00db", b"") if number in drops else b""
        content += chunk(b"00db", np.pad(frame, ((0, 0), (0, -frame.shape[1] % 4))).tobytes())
    return chunk(b"LIST", content)


def bitmap(frames: np.ndarray, palette: np.ndarray, top_down: bool, drops: frozenset[int]) -> bytes:
    """Put a bitmap AVI together from the specification; some chunks are empty."""
    height, width = frames.shape[1:3]
    colours = np.pad(palette[:, ::-1], ((0, 0), (0, 1))).tobytes()  # blue, green, red, unused
    indexed = frames.ndim == 3
    stored = frames if indexed else frames[..., ::-1].reshape(len(frames), height, -1)
    header = avi_header(
        width, -height if top_down else height, bytes(4), 8 if indexed else 24,
        colours if indexed else b"",
    )  # fmt: skip
    return chunk(b"RIFF", b"AVI " + header + movi(stored if top_down else stored[:, ::-1], drops))


def numbers_of(n: int, drops: frozenset[int]) -> list[int]:
    return [k + sum(d <= k for d in drops) for k in range(n)]


@many
@given(stacks8, st.permutations(range(256)), st.booleans(), st.booleans(),
       st.frozensets(st.integers(0, 4)))  # fmt: skip
def test_bitmaps_are_read_through_any_palette(
    tmp_path: Path, frames: np.ndarray, greys: list[int], colour: bool, top_down: bool,
    drops: frozenset[int],
) -> None:  # fmt: skip
    red = np.array(greys, np.uint8)
    palette = np.stack([red, red[::-1] if colour else red, red], axis=1)
    path = tmp_path / "a.avi"
    path.write_bytes(bitmap(frames, palette, top_down, drops))
    reader = AviReader(path)
    expected = palette[frames] if colour else red[frames]
    assert np.array_equal(reader.read(0, len(frames)), expected)
    numbers = numbers_of(len(frames), drops)
    dropped = numbers[-1] >= len(frames)
    assert bool(reader.info.problems) == dropped
    assert (reader.info.number is not None) == dropped
    if reader.info.number is not None:
        assert reader.info.number.tolist() == numbers


@many
@given(npst.arrays(np.uint8, shapes.map(lambda s: (*s, 3))), st.booleans())
def test_colour_bitmaps_are_read_as_red_green_blue(
    tmp_path: Path, frames: np.ndarray, top_down: bool
) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(bitmap(frames, IDENTITY, top_down, frozenset()))
    assert np.array_equal(AviReader(path).read(0, len(frames)), frames)


@contextmanager
def at_most(n_bytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] <= n_bytes
    finally:
        tracemalloc.stop()


def is_one_line(error: ReaderError) -> None:
    assert "\n" not in str(error)


def survives(path: Path, content: bytes) -> None:
    """Read all of a damaged file: frames as announced, or an error in one line."""
    path.write_bytes(content)
    try:
        reader = (AviReader if path.suffix == ".avi" else SerReader)(path)
        frames = reader.read(0, reader.info.n_frames or 0)
    except ReaderError as error:
        is_one_line(error)
        return
    info = reader.info
    assert frames.shape == (info.n_frames, *info.frame_shape)
    assert frames.dtype == info.dtype
    # A palette makes three bytes of one.
    assert frames.nbytes <= len(content) * (3 if path.suffix == ".avi" else 1)
    if info.number is not None:
        assert len(info.number) == info.n_frames
        assert (np.diff(info.number) > 0).all()
    if info.time is not None:
        assert len(info.time) == info.n_frames


def ser_file(colour_id: int, bits: int, flag: int) -> bytes:
    channels = 3 if colour_id >= 100 else 1
    n, height, width = 3, 3, 4
    header = struct.pack(
        "<14s7i40s40s40s2q", b"LUCAM-RECORDER", 0, colour_id, flag, width, height, bits, n,
        b"observer", b"instrument", b"telescope", 638 * 10**15, 638 * 10**15,
    )  # fmt: skip
    samples = np.random.default_rng(6).integers(
        0, 256, n * height * width * channels * (2 if bits > 8 else 1), np.uint8
    )
    return header + samples.tobytes() + struct.pack("<3q", *range(638 * 10**15, 638 * 10**15 + 3))


def valid_files() -> dict[str, bytes]:
    grey = np.random.default_rng(6).integers(0, 256, (4, 3, 5), np.uint8)
    colour = np.random.default_rng(7).integers(0, 256, (3, 3, 5, 3), np.uint8)
    colours = np.random.default_rng(8).integers(0, 256, (16, 3), np.uint8)
    index = struct.pack("<HBBI4s12xQII", 4, 0, 0, 1, b"00db", 0, 1, 2)
    y800 = avi_header(5, 3, b"Y800", more=chunk(b"indx", index))
    more = chunk(b"ix00", bytes(24))
    return {
        "mono8.ser": ser_file(0, 8, 0),
        "mono16.ser": ser_file(0, 16, 1),
        "bayer12.ser": ser_file(9, 12, 1),
        "rgb16.ser": ser_file(100, 16, 1),
        "bgr8.ser": ser_file(101, 8, 0),
        "y800.avi": chunk(b"RIFF", b"AVI " + avi_header(5, 3, b"Y800") + movi(grey)),
        "dib8.avi": bitmap(grey % 16, colours, False, frozenset({2})),
        "rgb24.avi": bitmap(colour, IDENTITY, False, frozenset()),
        "y16.avi": chunk(
            b"RIFF", b"AVI " + avi_header(2, 3, b"Y16 ", 16) + movi(grey[..., :4])
        ),
        "opendml.avi": chunk(b"RIFF", b"AVI " + y800 + movi(grey[:2]) + more)
        + chunk(b"RIFF", b"AVIX" + movi(grey[2:], frozenset({1})) + more),
    }  # fmt: skip


VALID = valid_files()
# Where numbers stand that decide what is read.
SER_FIELDS = tuple(range(14, 42, 4))
AVI_FIELDS = (4, 8, 12, 16, 20, 22, 24, 40)  # from the word "strf"
EXTREMES = (
    0, 1, 2, 3, 8, 16, 24, 32, 100, 101, 255, 65535, 2**31 - 1, 2**31, 2**32 - 9, 2**32 - 1
)  # fmt: skip


def header_bytes(name: str) -> int:
    """Bytes before the first frame's samples."""
    return 178 if name.endswith(".ser") else VALID[name].index(b"movi") + 12


# An example is a recipe for 20 damaged files, and 100 of them are 2000 files: drawn one by one,
# they would take hypothesis ten times as long as the readers.
RECIPE = struct.Struct("<BHHBHBHB")
recipes = st.binary(min_size=20 * RECIPE.size, max_size=20 * RECIPE.size)
hundreds = settings(many, max_examples=100)


def damaged(name: str, recipe: bytes) -> Iterator[bytes]:
    """Change bytes of a header, or put extreme numbers into it, and perhaps cut the file."""
    start, fields = 0, SER_FIELDS
    if name.endswith(".avi"):
        start, fields = VALID[name].index(b"strf"), AVI_FIELDS
    for kind, length, *edits in RECIPE.iter_unpack(recipe):
        content = bytearray(VALID[name])
        n_edits = 1 + kind // 4 % 3
        for place, value in list(zip(edits[::2], edits[1::2], strict=True))[:n_edits]:
            if kind % 2:
                # Beyond the headers there are those of the other frames' chunks.
                end = header_bytes(name) if kind % 4 == 1 else len(content)
                content[place % end] = value
            else:
                at = start + fields[place % len(fields)]
                number = EXTREMES[value % len(EXTREMES)]
                content[at : at + 4] = number.to_bytes(4, "little")
        if kind >= 192:
            del content[length % len(content) :]
        yield bytes(content)


@pytest.mark.parametrize("name", VALID)
def test_valid_files_have_no_problem_but_those_meant(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    survives(path, VALID[name])
    info = open_reader(path).info
    assert info.n_frames == (4 if path.suffix == ".avi" and name != "rgb24.avi" else 3)
    assert info.channels == (3 if name[:3] in ("rgb", "bgr", "dib") else 1)
    assert (info.time is not None) == (path.suffix == ".ser")


@pytest.mark.parametrize("name", VALID)
def test_a_file_cut_anywhere_gives_frames_or_one_clear_error(tmp_path: Path, name: str) -> None:
    for length in range(len(VALID[name])):
        survives(tmp_path / name, VALID[name][:length])


@pytest.mark.parametrize("name", VALID)
@hundreds
@given(recipes)
def test_a_damaged_header_gives_frames_or_one_clear_error(
    tmp_path: Path, name: str, recipe: bytes
) -> None:
    for content in damaged(name, recipe):
        survives(tmp_path / name, content)


@pytest.mark.parametrize("name", VALID)
@settings(many, max_examples=5)
@given(recipes)
def test_a_damaged_header_takes_no_memory(tmp_path: Path, name: str, recipe: bytes) -> None:
    for content in damaged(name, recipe):
        # Readers and messages themselves, tracemalloc's share of hypothesis, a palette: not frames.
        with at_most(2_000_000):
            survives(tmp_path / name, content)


# A limit on the process counts what numpy takes without touching it, which tracemalloc does too,
# and what the operating system maps, which it does not.
READ_ALL = """
import resource, sys
from skry_dask.errors import ReaderError
from skry_dask.io.registry import open_reader
from skry_dask.io.raw.avi import AviReader
from skry_dask.io.raw.ser import SerReader
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000,) * 2)
for path in sys.argv[1:]:
    try:
        reader = (AviReader if path.endswith(".avi") else SerReader)(path)
        print(reader.read(0, reader.info.n_frames).shape)
    except ReaderError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc and RLIMIT_AS are Linux's")
def test_giant_claims_are_checked_before_memory_is_taken(tmp_path: Path) -> None:
    paths = []
    for name, content in VALID.items():
        start = content.index(b"strf") if name.endswith(".avi") else 0
        width, height, count = (
            (12, 16, content.index(b"vids") + 32 - start) if start else (26, 30, 38)
        )
        for k, fields in enumerate(([width], [height], [count], [width, height, count])):
            giant = bytearray(content)
            for field in fields:
                giant[start + field : start + field + 4] = (2**31 - 1).to_bytes(4, "little")
            path = tmp_path / f"{k}{name}"
            path.write_bytes(giant)
            paths.append(str(path))
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, *paths], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(paths)
    for path, line in zip(paths, lines, strict=True):
        only_count = "/2" in path
        assert only_count == line.startswith("("), line
        assert only_count or "holds no complete frame" in line


@many
@given(st.binary(max_size=400), st.sampled_from([b"", b"LUCAM-RECORDER", b"RIFF\0\0\0\0AVI "]))
def test_any_bytes_are_a_capture_or_give_one_clear_error(
    tmp_path: Path, content: bytes, beginning: bytes
) -> None:
    path = tmp_path / "moon"
    path.write_bytes(beginning + content)
    try:
        open_reader(path)
    except ReaderError as error:
        is_one_line(error)
