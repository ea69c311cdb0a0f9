"""Any bytes in a SER or AVI file give the exact frames, or one clear error.

Damaged files are made from valid ones: cut anywhere, with bytes of their headers changed, or with
extreme numbers in their headers. A reader may then return fewer or other frames, but raises nothing
but `ReaderError`, and takes no more memory than the file has bytes: what a header claims is checked
before memory is allocated.
"""

from __future__ import annotations

import struct
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from skry_dask.errors import ReaderError
from skry_dask.io.raw.avi import AviReader, write_avi
from skry_dask.io.raw.ser import SerReader, write_ser
from skry_dask.io.registry import open_reader
from tests.avi_bytes import (
    avi,
    bgr_chunks,
    chunk,
    colour_palette,
    dib_chunks,
    make_list,
    plane_chunks,
    video_stream,
)
from tests.damaged_files import EXTREME_NUMBERS, assert_clear, examples, overwrite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

shapes = st.tuples(st.integers(1, 5), st.integers(1, 12), st.integers(1, 12))
stacks_of_8_bits = npst.arrays(np.uint8, shapes)
IDENTITY = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


# --- what is written is read back -----------------------------------------------------------------


@st.composite
def ser_captures(draw: st.DrawFn) -> tuple[np.ndarray, int, str]:
    bits = draw(st.integers(8, 16))
    colour = draw(st.sampled_from(["mono", "RGGB", "GRBG", "GBRG", "BGGR", "RGB"]))
    shape = draw(shapes) + ((3,) if colour == "RGB" else ())
    dtype = np.uint8 if bits == 8 else np.uint16
    elements = npst.from_dtype(np.dtype(dtype), max_value=2**bits - 1)
    return draw(npst.arrays(dtype, shape, elements=elements)), bits, colour


@st.composite
def frame_ranges(draw: st.DrawFn, n: int) -> tuple[int, int]:
    start = draw(st.integers(0, n))
    return start, draw(st.integers(start, n))


@examples(100)
@given(st.data(), ser_captures(), st.booleans())
def test_ser_files_give_back_what_was_written(
    tmp_path: Path, data: st.DataObject, capture: tuple[np.ndarray, int, str], has_times: bool
) -> None:
    frames, bits, colour = capture
    n, height, width = frames.shape[:3]
    time = data.draw(npst.arrays(np.int64, n, elements=st.integers(10**18, 2 * 10**18)))
    time = np.sort(time) // 100 * 100
    path = tmp_path / "a.ser"
    path.unlink(missing_ok=True)
    write_ser(
        path, frames, n_frames=n, height=height, width=width, bits=bits, colour=colour,
        time=time if has_times else None,
    )  # fmt: skip
    reader = SerReader(path)
    start, stop = data.draw(frame_ranges(n))
    read = reader.read(start, stop)
    assert read.dtype == frames.dtype
    assert np.array_equal(read, frames[start:stop])
    assert reader.info.bits == bits
    assert reader.info.frame_shape == frames.shape[1:]
    assert reader.info.cfa == (None if colour in ("mono", "RGB") else colour)
    if has_times:
        assert np.array_equal(reader.info.time, time)
    else:
        assert reader.info.time is None


@examples(100)
@given(st.data(), stacks_of_8_bits)
def test_avi_files_give_back_what_was_written(
    tmp_path: Path, data: st.DataObject, frames: np.ndarray
) -> None:
    n, height, width = frames.shape
    path = tmp_path / "a.avi"
    path.unlink(missing_ok=True)
    write_avi(path, frames, n_frames=n, height=height, width=width)
    reader = AviReader(path)
    start, stop = data.draw(frame_ranges(n))
    assert np.array_equal(reader.read(start, stop), frames[start:stop])
    assert reader.info.problems == ()


# --- bitmaps, put together from the specification -------------------------------------------------


def with_dropped(chunks: list[bytes], before: frozenset[int]) -> bytes:
    """Chunks of frames, with an empty chunk before some of them."""
    return b"".join(
        (chunk(b"00db", b"") if number in before else b"") + found
        for number, found in enumerate(chunks)
    )


def bitmap_avi(
    frames: np.ndarray, palette: np.ndarray, top_down: bool, dropped_before: frozenset[int]
) -> bytes:
    """An AVI of indices (frame, y, x) with a palette, or of colours (frame, y, x, channel)."""
    height, width = frames.shape[1:3]
    has_palette = frames.ndim == 3
    stream = video_stream(
        width, -height if top_down else height, bytes(4), bits=8 if has_palette else 24,
        palette=colour_palette(palette) if has_palette else b"", count=0,
    )  # fmt: skip
    make_chunks = dib_chunks if has_palette else bgr_chunks
    chunks = [make_chunks(frame[None], bottom_up=not top_down) for frame in frames]
    return avi(stream, with_dropped(chunks, dropped_before))


@examples(100)
@given(stacks_of_8_bits, st.permutations(range(256)), st.booleans(), st.booleans(),
       st.frozensets(st.integers(0, 4)))  # fmt: skip
def test_bitmaps_are_read_through_any_palette(
    tmp_path: Path, frames: np.ndarray, greys: list[int], is_colour: bool, top_down: bool,
    dropped_before: frozenset[int],
) -> None:  # fmt: skip
    red = np.array(greys, np.uint8)
    palette = np.stack([red, red[::-1] if is_colour else red, red], axis=1)
    path = tmp_path / "a.avi"
    overwrite(path, bitmap_avi(frames, palette, top_down, dropped_before))
    reader = AviReader(path)
    expected = palette[frames] if is_colour else red[frames]
    assert np.array_equal(reader.read(0, len(frames)), expected)
    numbers = [k + sum(d <= k for d in dropped_before) for k in range(len(frames))]
    has_dropped = numbers[-1] >= len(frames)
    assert bool(reader.info.problems) == has_dropped
    assert (reader.info.number is not None) == has_dropped
    if reader.info.number is not None:
        assert reader.info.number.tolist() == numbers


@examples(50)
@given(npst.arrays(np.uint8, shapes.map(lambda shape: (*shape, 3))), st.booleans())
def test_colour_bitmaps_are_read_as_red_green_blue(
    tmp_path: Path, frames: np.ndarray, top_down: bool
) -> None:
    path = tmp_path / "a.avi"
    overwrite(path, bitmap_avi(frames, IDENTITY, top_down, frozenset()))
    assert np.array_equal(AviReader(path).read(0, len(frames)), frames)


# --- damaged files --------------------------------------------------------------------------------


def ser_file(colour_id: int, bits: int, byte_order_flag: int) -> bytes:
    channels = 3 if colour_id >= 100 else 1
    n, height, width = 3, 3, 4
    header = struct.pack(
        "<14s7i40s40s40s2q", b"LUCAM-RECORDER", 0, colour_id, byte_order_flag, width, height, bits,
        n, b"observer", b"instrument", b"telescope", 638 * 10**15, 638 * 10**15,
    )  # fmt: skip
    samples = np.random.default_rng(6).integers(
        0, 256, n * height * width * channels * (2 if bits > 8 else 1), np.uint8
    )
    return header + samples.tobytes() + struct.pack("<3q", *range(638 * 10**15, 638 * 10**15 + 3))


def valid_files() -> dict[str, bytes]:
    grey = np.random.default_rng(6).integers(0, 256, (4, 3, 5), np.uint8)
    rgb = np.random.default_rng(7).integers(0, 256, (3, 3, 5, 3), np.uint8)
    colours = np.random.default_rng(8).integers(0, 256, (16, 3), np.uint8)
    index = chunk(b"indx", struct.pack("<HBBI4s12xQII", 4, 0, 0, 1, b"00db", 0, 1, 2))
    frame_index = chunk(b"ix00", bytes(24))
    y800 = video_stream(5, 3, b"Y800", count=0)
    planes = [plane_chunks(frame[None], padded=True) for frame in grey]
    return {
        "mono8.ser": ser_file(0, 8, 0),
        "mono16.ser": ser_file(0, 16, 1),
        "bayer12.ser": ser_file(9, 12, 1),
        "rgb16.ser": ser_file(100, 16, 1),
        "bgr8.ser": ser_file(101, 8, 0),
        "y800.avi": avi(y800, b"".join(planes)),
        "dib8.avi": bitmap_avi(grey % 16, colours, False, frozenset({2})),
        "rgb24.avi": bitmap_avi(rgb, IDENTITY, False, frozenset()),
        "y16.avi": avi(video_stream(2, 3, b"Y16 ", bits=16, count=0), plane_chunks(grey[..., :4])),
        "opendml.avi": avi(y800 + index, b"".join(planes[:2]), frame_index)
        + chunk(
            b"RIFF",
            b"AVIX" + make_list(b"movi", with_dropped(planes[2:], frozenset({1}))) + frame_index,
        ),
    }


VALID = valid_files()
SUFFIXES = (".ser", ".avi")
# Offsets of the numbers that decide what is read, in a SER file and from the word "strf" on.
SER_FIELDS = tuple(range(14, 42, 4))
AVI_FIELDS = (4, 8, 12, 16, 20, 22, 24, 40)


def read_all(path: Path, content: bytes) -> None:
    """Read all of a damaged file: frames as `info` announces them, or a clear error."""
    overwrite(path, content)
    try:
        reader = (AviReader if path.suffix == ".avi" else SerReader)(path)
        frames = reader.read(0, reader.info.n_frames or 0)
    except ReaderError as error:
        assert_clear(error, path)
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


def test_the_undamaged_files_are_read_as_meant(tmp_path: Path) -> None:
    for name, content in VALID.items():
        read_all(tmp_path / name, content)
        info = open_reader(tmp_path / name).info
        is_avi = name.endswith(".avi")
        assert info.n_frames == (4 if is_avi and name != "rgb24.avi" else 3), name
        assert info.channels == (3 if name.startswith(("rgb", "bgr", "dib")) else 1), name
        assert (info.time is not None) == (not is_avi), name


def test_a_file_cut_anywhere_gives_frames_or_one_clear_error(tmp_path: Path) -> None:
    for name, content in VALID.items():
        for length in range(len(content)):
            read_all(tmp_path / name, content[:length])


# An example is a recipe for 20 damaged files, so that each valid file is damaged about 2000 times.
# Drawn one by one, they would take hypothesis ten times as long as the readers.
RECIPE = struct.Struct("<BHHBHBHB")
recipes = st.binary(min_size=20 * RECIPE.size, max_size=20 * RECIPE.size)


def damaged_versions(name: str, recipe: bytes) -> Iterator[bytes]:
    """Versions of a valid file: with bytes or numbers of its header changed, and perhaps cut."""
    valid = VALID[name]
    is_avi = name.endswith(".avi")
    start, fields = (valid.index(b"strf"), AVI_FIELDS) if is_avi else (0, SER_FIELDS)
    header_bytes = valid.index(b"movi") + 12 if is_avi else 178
    for kind, length, *edits in RECIPE.iter_unpack(recipe):
        content = bytearray(valid)
        n_edits = 1 + kind // 4 % 3
        for place, value in list(zip(edits[::2], edits[1::2], strict=True))[:n_edits]:
            if kind % 2:
                # Behind the header there are the headers of the chunks of the other frames.
                content[place % (header_bytes if kind % 4 == 1 else len(content))] = value
            else:
                offset = start + fields[place % len(fields)]
                number = EXTREME_NUMBERS[value % len(EXTREME_NUMBERS)]
                content[offset : offset + 4] = number.to_bytes(4, "little")
        if kind >= 192:
            del content[length % len(content) :]
        yield bytes(content)


@pytest.mark.parametrize("suffix", SUFFIXES)
@examples(200)
@given(st.data())
def test_a_damaged_header_gives_frames_or_one_clear_error(
    tmp_path: Path, suffix: str, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([name for name in VALID if name.endswith(suffix)]))
    for content in damaged_versions(name, data.draw(recipes)):
        read_all(tmp_path / name, content)


@examples(30)
@given(st.sampled_from(list(VALID)), recipes)
def test_a_damaged_header_takes_no_memory(tmp_path: Path, name: str, recipe: bytes) -> None:
    for content in damaged_versions(name, recipe):
        tracemalloc.start()
        try:
            read_all(tmp_path / name, content)
            # Readers, messages, the share of hypothesis, a palette; but no frames.
            assert tracemalloc.get_traced_memory()[1] <= 2_000_000
        finally:
            tracemalloc.stop()


def test_the_size_that_a_header_claims_is_checked_before_memory_is_allocated(
    tmp_path: Path,
) -> None:
    # tracemalloc counts what NumPy allocates without touching it, which the peak of the resident
    # memory does not.
    for name, content in VALID.items():
        start = content.index(b"strf") if name.endswith(".avi") else 0
        width, height, count = (
            (12, 16, content.index(b"vids") + 32 - start) if start else (26, 30, 38)
        )
        for fields in ([width], [height], [count], [width, height, count]):
            damaged = bytearray(content)
            for field in fields:
                damaged[start + field : start + field + 4] = (2**31 - 1).to_bytes(4, "little")
            path = tmp_path / name
            overwrite(path, bytes(damaged))
            tracemalloc.start()
            try:
                message = "read"
                try:
                    reader = (AviReader if name.endswith(".avi") else SerReader)(path)
                    reader.read(0, reader.info.n_frames or 0)
                except ReaderError as error:
                    message = str(error)
                assert tracemalloc.get_traced_memory()[1] < 2_000_000, (name, fields)
            finally:
                tracemalloc.stop()
            if fields == [count]:
                assert message == "read", name
            else:
                assert "holds no complete frame" in message, (name, fields)


@examples(200)
@given(st.binary(max_size=400), st.sampled_from([b"", b"LUCAM-RECORDER", b"RIFF\0\0\0\0AVI "]))
def test_any_bytes_are_a_capture_or_give_one_clear_error(
    tmp_path: Path, content: bytes, beginning: bytes
) -> None:
    path = tmp_path / "moon"
    overwrite(path, beginning + content)
    try:
        open_reader(path)
    except ReaderError as error:
        assert_clear(error, path)
