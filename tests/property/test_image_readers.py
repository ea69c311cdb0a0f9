"""Damaged images: frames as announced or one clear error, whatever the bytes, in little memory.

Valid tiny files are cut at every place, bytes of their headers are replaced, and numbers in them
set to extremes. Nothing but `ReaderError` may come out, no warning, and not more memory than 200 MB
beyond the file: measured as the process's peak, since decoders allocate outside of Python.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skry_dask.errors import ReaderError
from skry_dask.io.images.read import read_image
from skry_dask.io.images.sequence import SequenceReader
from tests import image_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

many = settings(
    max_examples=800,
    deadline=None,
    # One folder for all cases of a test: each overwrites its file.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

RNG = np.random.default_rng(12)
GREY = RNG.integers(0, 256, (6, 7), np.uint8)
DEEP = RNG.integers(0, 65536, (6, 7), np.uint16)
COLOUR = RNG.integers(0, 256, (6, 7, 3), np.uint8)
DEEP_COLOUR = RNG.integers(0, 65536, (6, 7, 3), np.uint16)
COLOURS = RNG.integers(0, 256, (16, 3), np.uint8)
NUMBERS = [0, 1, 2, 3, 7, 255, 256, 16384, 65535, 2**27, 2**31 - 1, 2**31, 2**32 - 9, 2**32 - 1]
CARD_VALUES = ["0", "-1", "3", "65536", "2000000000", "99999999999999999999", "1E400", "T", "'x'"]


def run_length_bmp() -> bytes:
    content = bytes([3, 7, 0, 4, 1, 2, 3, 4, 0, 0, 5, 9, 0, 2, 1, 1, 2, 5, 0, 1])
    header = struct.pack("<2sIHHI", b"BM", 54 + 64 + len(content), 0, 0, 54 + 64)
    header += struct.pack("<IiiHHIIiiII", 40, 7, 6, 1, 8, 1, len(content), 0, 0, 16, 0)
    return header + bytes(64) + content


FILES = {
    "png": [
        image_bytes.png(GREY[..., None], 8, 0),
        image_bytes.png(DEEP_COLOUR, 16, 2),
        image_bytes.png(DEEP[..., None], 16, 0, interlaced=True),
        image_bytes.png(GREY[..., None] % 16, 4, 3, palette=COLOURS.tobytes()),
    ],
    "bmp": [
        image_bytes.bmp(COLOUR, 24),
        image_bytes.bmp(COLOUR, 32, top_down=True),
        image_bytes.bmp(GREY % 16, 8, palette=COLOURS),
        image_bytes.bmp(GREY % 2, 1, palette=COLOURS[:2]),
        run_length_bmp(),
    ],
    "tif": [
        image_bytes.tiff([GREY, GREY]),
        image_bytes.tiff([DEEP_COLOUR], order=">", planar=True),
        image_bytes.tiff([COLOUR], deflate=True),
        image_bytes.tiff([DEEP.astype(np.float32)]),
        image_bytes.tiff([GREY], photometric=3, colours=np.zeros((256, 3), np.uint16)),
    ],
    "fits": [
        image_bytes.fits(DEEP.view(np.int16), {"BZERO": 32768, "BAYERPAT": "RGGB"}),
        image_bytes.fits(np.zeros((3, 6, 7), np.float32), {"DATE-OBS": "2026-03-01T20:15:00.5"}),
        image_bytes.fits(np.zeros((4, 6, 7), np.uint8), {"BSCALE": 2.5, "ROWORDER": "TOP-DOWN"}),
        image_bytes.fits(np.empty((), np.uint8))
        + image_bytes.fits(GREY, first="XTENSION= 'IMAGE   '".ljust(80)),
    ],
}
KINDS = pytest.mark.parametrize("kind", list(FILES))


def status(key: str) -> int:
    """Bytes of a line of Linux's account of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))


@pytest.fixture(autouse=True)
def little_memory(tmp_path: Path) -> Iterator[None]:
    """The whole test takes no more than 200 MB at its peak, of Python or not."""
    for name in FILES:  # what libraries take when they are imported is not meant
        survives(tmp_path / f"a.{name}", FILES[name][0])
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = status("VmRSS")
    except OSError:  # not Linux
        yield
        return
    yield
    assert status("VmHWM") - before < 200_000_000


def is_one_line(error: ReaderError) -> None:
    assert "\n" not in str(error)


def survives(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with contextlib.suppress(ReaderError):
        read_image(path)
    try:
        reader = SequenceReader(path)
        frames = list(reader.decode())
    except ReaderError as error:
        is_one_line(error)
        return
    info = reader.info
    assert len(frames) == info.n_frames
    assert len(frames) <= len(content)
    for frame in frames:
        if frame.image is None:
            assert frame.problem
            assert "\n" not in frame.problem
        else:
            assert frame.image.shape == info.frame_shape
            assert frame.image.dtype == info.dtype


def header_bytes(kind: str, content: bytes) -> int:
    if kind == "fits":
        return content.rindex(b"END     ") + 3
    return {"png": 60, "bmp": 70}.get(kind, len(content))


def with_checksums(content: bytes) -> bytes:
    """Let the checksums of a PNG's parts be right again, as far as its parts are found."""
    found, place = bytearray(content), 8
    while place + 12 <= len(found):
        length = int.from_bytes(found[place : place + 4], "big")
        end = place + 8 + length
        if end + 4 > len(found):
            break
        found[end : end + 4] = zlib.crc32(found[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(found)


@KINDS
def test_an_image_cut_anywhere_gives_frames_or_one_clear_error(tmp_path: Path, kind: str) -> None:
    for content in FILES[kind]:
        # Within a FITS header only the ends of cards differ, all else is the same to a reader; and
        # the long TIFF is mostly a palette.
        step = 40 if kind == "fits" else (1 if len(content) < 1000 else 5)
        for n_bytes in range(0, len(content) + 1, step):
            survives(tmp_path / f"a.{kind}", content[:n_bytes])


@KINDS
@many
@given(st.data())
def test_damaged_bytes_give_frames_or_one_clear_error(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from(FILES[kind])))
    places = st.integers(0, header_bytes(kind, content) - 1)
    for place, value in data.draw(st.dictionaries(places, st.integers(0, 255), max_size=6)).items():
        content[place] = value
    fixed = kind == "png" and data.draw(st.booleans())
    survives(tmp_path / f"a.{kind}", with_checksums(content) if fixed else bytes(content))


@KINDS
@many
@given(st.data())
def test_extreme_numbers_in_a_header_give_frames_or_one_clear_error(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from(FILES[kind])))
    if kind == "fits":
        cards = range(80, header_bytes(kind, content) - 80, 80)
        for place in data.draw(st.sets(st.sampled_from(list(cards)), min_size=1, max_size=3)):
            value = data.draw(st.sampled_from(CARD_VALUES)).rjust(20)
            content[place + 10 : place + 30] = value.encode("ascii")
    else:
        last = header_bytes(kind, content) - 4
        places = data.draw(st.sets(st.integers(2, last), min_size=1, max_size=3))
        order = "little"
        if kind == "png":  # width, height, depth and kind
            places, order = {place % 10 + 16 for place in places}, "big"
        elif content[:2] == b"MM":
            order = "big"
        for place in places:
            n_bytes = data.draw(st.sampled_from([2, 4]))
            value = data.draw(st.sampled_from(NUMBERS)) % 256**n_bytes
            content[place : place + n_bytes] = value.to_bytes(n_bytes, order)
    survives(tmp_path / f"a.{kind}", with_checksums(content) if kind == "png" else bytes(content))


@many
@given(st.binary(max_size=300), st.sampled_from([k[:20] for ks in FILES.values() for k in ks]))
def test_any_bytes_are_an_image_or_give_one_clear_error(
    tmp_path: Path, content: bytes, beginning: bytes
) -> None:
    survives(tmp_path / "moon", beginning + content)
