"""Whatever a SER or AVI file holds: the exact frames, or an error in one line.

Damaged files are made from valid ones by cutting them, and by flipping bytes of their headers. A
reader may then give fewer or other frames, but it raises nothing but `ReaderError`, and takes no
more memory than the file has bytes: a header's claims are checked before anything is allocated.
"""

from __future__ import annotations

import struct
import tracemalloc
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from skry_dask.errors import ReaderError
from skry_dask.io import open_reader
from skry_dask.io.avi import AviReader, write_avi
from skry_dask.io.ser import SerReader, write_ser

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


@st.composite
def ser_captures(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    bits = draw(st.integers(8, 16))
    dtype = np.uint8 if bits == 8 else np.uint16
    elements = npst.from_dtype(np.dtype(dtype), max_value=2**bits - 1)
    return draw(npst.arrays(dtype, shapes, elements=elements)), bits


@st.composite
def ranges(draw: st.DrawFn, n: int) -> tuple[int, int]:
    start = draw(st.integers(0, n))
    return start, draw(st.integers(start, n))


@many
@given(st.data(), ser_captures(), st.booleans())
def test_ser_files_give_back_what_was_written(
    tmp_path: Path, data: st.DataObject, capture: tuple[np.ndarray, int], timed: bool
) -> None:
    frames, bits = capture
    n, height, width = frames.shape
    time = data.draw(npst.arrays(np.int64, n, elements=st.integers(10**18, 2 * 10**18)))
    time = np.sort(time) // 100 * 100
    path = tmp_path / "a.ser"
    write_ser(
        path, frames, n_frames=n, height=height, width=width, bits=bits,
        time=time if timed else None,
    )  # fmt: skip
    reader = SerReader(path)
    start, stop = data.draw(ranges(n))
    read = reader.read(start, stop)
    assert read.dtype == frames.dtype
    assert np.array_equal(read, frames[start:stop])
    assert reader.info.bits == bits
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


def bitmap(frames: np.ndarray, palette: np.ndarray, top_down: bool, drops: set[int]) -> bytes:
    """Put a bitmap AVI together from the specification; some chunks are empty."""
    height, width = frames.shape[1:]

    def chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    strh = struct.pack("<4s4s10I", b"vids", b"DIB ", 0, 0, 0, 1, 30, 0, 0, 0, 0, 0) + bytes(8)
    strf = struct.pack(
        "<IiiHH6I", 40, width, -height if top_down else height, 1, 8, 0, 0, 0, 0, 256, 0
    ) + np.repeat(palette, 4).tobytes()  # fmt: skip
    strl = chunk(b"LIST", b"strl" + chunk(b"strh", strh) + chunk(b"strf", strf))
    movi = b""
    for number, frame in enumerate(frames):
        movi += chunk(b"00db", b"") if number in drops else b""
        rows = np.pad(frame, ((0, 0), (0, -width % 4)))
        movi += chunk(b"00db", (rows if top_down else rows[::-1]).tobytes())
    header = chunk(b"LIST", b"hdrl" + chunk(b"avih", bytes(56)) + strl)
    return chunk(b"RIFF", b"AVI " + header + chunk(b"LIST", b"movi" + movi))


@many
@given(
    stacks8,
    st.permutations(range(256)),
    st.booleans(),
    st.sets(st.integers(0, 4)),
)
def test_bitmaps_are_read_through_any_palette(
    tmp_path: Path, frames: np.ndarray, greys: list[int], top_down: bool, drops: set[int]
) -> None:
    palette = np.array(greys, np.uint8)
    path = tmp_path / "a.avi"
    path.write_bytes(bitmap(frames, palette, top_down, drops))
    reader = AviReader(path)
    assert np.array_equal(reader.read(0, len(frames)), palette[frames])
    assert bool(reader.info.problems) == any(number < len(frames) for number in drops)


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


def survives(path: Path) -> None:
    """Read all of a damaged file: frames as announced, or an error in one line."""
    size = path.stat().st_size
    # Readers and messages themselves, tracemalloc's share of hypothesis, a palette: not frames.
    with at_most(4 * size + 2_000_000):
        try:
            reader = (AviReader if path.suffix == ".avi" else SerReader)(path)
            frames = reader.read(0, reader.info.n_frames or 0)
        except ReaderError as error:
            is_one_line(error)
            return
    info = reader.info
    assert frames.shape == (info.n_frames, info.height, info.width)
    assert frames.nbytes <= size
    assert frames.dtype == info.dtype


def valid(kind: str) -> bytes:
    frames = np.random.default_rng(6).integers(0, 256, (4, 9, 10), np.uint8)
    if kind == "avi":
        return bitmap(frames, np.arange(256, dtype=np.uint8), False, {2})
    header = struct.pack(
        "<14s7i40s40s40s2q", b"LUCAM-RECORDER", 0, 0, 1, 10, 9, 16, 2, b"", b"", b"", 0, 0
    )
    return header + frames.tobytes() + struct.pack("<2q", 638 * 10**15, 638 * 10**15 + 1)


VALID = {kind: valid(kind) for kind in ("ser", "avi")}
HEADER_BYTES = {"ser": 178, "avi": VALID["avi"].index(b"movi") + 12}


@pytest.mark.parametrize("kind", ["ser", "avi"])
@many
@given(st.data())
def test_a_file_cut_anywhere_gives_frames_or_one_clear_error(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(VALID[kind][: data.draw(st.integers(0, len(VALID[kind])))])
    survives(path)


@pytest.mark.parametrize("kind", ["ser", "avi"])
@many
@given(st.data())
def test_a_damaged_header_gives_frames_or_one_clear_error(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    content = bytearray(VALID[kind])
    places = st.integers(0, HEADER_BYTES[kind] - 1)
    for place, value in data.draw(st.dictionaries(places, st.integers(0, 255), max_size=8)).items():
        content[place] = value
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content)
    survives(path)


@pytest.mark.parametrize("kind", ["ser", "avi"])
@many
@given(st.data())
def test_extreme_numbers_in_a_header_give_frames_or_one_clear_error(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    content = bytearray(VALID[kind])
    fields = (
        range(14, 42, 4)
        if kind == "ser"
        else [content.index(b"strf") + k for k in (4, 8, 12, 16, 22, 40)]
    )
    numbers = st.sampled_from([0, 1, 2, 3, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 9])
    for field in data.draw(st.sets(st.sampled_from(list(fields)), min_size=1, max_size=3)):
        content[field : field + 4] = data.draw(numbers).to_bytes(4, "little")
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content)
    survives(path)


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
