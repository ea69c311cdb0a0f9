"""Any bytes in an image file give the images that are announced, or one clear error.

Damaged files are made from valid ones: cut anywhere, with bytes changed, or with extreme numbers in
their headers. Nothing but `ReaderError` is raised, there is no warning, and no test takes more than
200 MB beyond the files at its peak: decoders allocate outside of Python.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skry_dask.errors import ReaderError
from skry_dask.io.images.read import read_image
from skry_dask.io.images.sequence import SequenceReader
from tests import image_bytes
from tests.damaged_files import (
    EXTREME_NUMBERS,
    MEGABYTE,
    assert_clear,
    examples,
    limited_memory,
    overwrite,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RNG = np.random.default_rng(12)
GREY = RNG.integers(0, 256, (6, 7), np.uint8)
DEEP = RNG.integers(0, 65536, (6, 7), np.uint16)
COLOUR = RNG.integers(0, 256, (6, 7, 3), np.uint8)
DEEP_COLOUR = RNG.integers(0, 65536, (6, 7, 3), np.uint16)
COLOURS = RNG.integers(0, 256, (16, 3), np.uint8)
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
each_format = pytest.mark.parametrize("suffix", list(FILES))


@pytest.fixture(autouse=True)
def little_memory(tmp_path: Path) -> Iterator[None]:
    """Each test takes no more than 200 MB at its peak, without the import of libraries."""
    for suffix in FILES:
        read_all(tmp_path / f"a.{suffix}", FILES[suffix][0])
    with limited_memory(200 * MEGABYTE):
        yield


def read_all(path: Path, content: bytes) -> None:
    """Read a damaged file as an image and as a sequence: as announced, or a clear error."""
    overwrite(path, content)
    with contextlib.suppress(ReaderError):
        read_image(path)
    try:
        reader = SequenceReader(path)
        frames = list(reader.decode())
    except ReaderError as error:
        assert_clear(error, path)
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


def header_bytes(suffix: str, content: bytes) -> int:
    if suffix == "fits":
        return content.rindex(b"END     ") + 3
    return {"png": 60, "bmp": 70}.get(suffix, len(content))


def with_checksums(png: bytes) -> bytes:
    """Correct the checksums of the chunks of a PNG, as far as chunks are found."""
    corrected, place = bytearray(png), 8
    while place + 12 <= len(corrected):
        length = int.from_bytes(corrected[place : place + 4], "big")
        end = place + 8 + length
        if end + 4 > len(corrected):
            break
        corrected[end : end + 4] = zlib.crc32(corrected[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(corrected)


@each_format
def test_an_image_cut_anywhere_gives_images_or_one_clear_error(tmp_path: Path, suffix: str) -> None:
    for content in FILES[suffix]:
        # Within a FITS header only the ends of cards make a difference, and most of the long TIFF
        # is a palette.
        step = 40 if suffix == "fits" else (1 if len(content) < 1000 else 5)
        for n_bytes in range(0, len(content) + 1, step):
            read_all(tmp_path / f"a.{suffix}", content[:n_bytes])


@each_format
@examples(150)
@given(st.data())
def test_damaged_bytes_give_images_or_one_clear_error(
    tmp_path: Path, suffix: str, data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from(FILES[suffix])))
    places = st.integers(0, header_bytes(suffix, content) - 1)
    for place, value in data.draw(st.dictionaries(places, st.integers(0, 255), max_size=6)).items():
        content[place] = value
    is_corrected = suffix == "png" and data.draw(st.booleans())
    read_all(tmp_path / f"a.{suffix}", with_checksums(content) if is_corrected else bytes(content))


@each_format
@examples(150)
@given(st.data())
def test_extreme_numbers_in_a_header_give_images_or_one_clear_error(
    tmp_path: Path, suffix: str, data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from(FILES[suffix])))
    if suffix == "fits":
        cards = range(80, header_bytes(suffix, content) - 80, 80)
        for place in data.draw(st.sets(st.sampled_from(list(cards)), min_size=1, max_size=3)):
            value = data.draw(st.sampled_from(CARD_VALUES)).rjust(20)
            content[place + 10 : place + 30] = value.encode("ascii")
        read_all(tmp_path / "a.fits", bytes(content))
        return
    last = header_bytes(suffix, content) - 4
    places = data.draw(st.sets(st.integers(2, last), min_size=1, max_size=3))
    order = "little"
    if suffix == "png":  # width, height, depth and colour type
        places, order = {place % 10 + 16 for place in places}, "big"
    elif content[:2] == b"MM":
        order = "big"
    for place in places:
        n_bytes = data.draw(st.sampled_from([2, 4]))
        value = data.draw(st.sampled_from(EXTREME_NUMBERS)) % 256**n_bytes
        content[place : place + n_bytes] = value.to_bytes(n_bytes, order)
    is_png = suffix == "png"
    read_all(tmp_path / f"a.{suffix}", with_checksums(content) if is_png else bytes(content))


@examples(150)
@given(
    st.binary(max_size=300),
    st.sampled_from([content[:20] for contents in FILES.values() for content in contents]),
)
def test_any_bytes_are_an_image_or_give_one_clear_error(
    tmp_path: Path, content: bytes, beginning: bytes
) -> None:
    read_all(tmp_path / "moon", beginning + content)
