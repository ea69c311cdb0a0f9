"""A part of some frames is what reading whole frames and cutting them gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import ReaderError
from skry_dask.io.reader import RawReader
from skry_dask.io.registry import open_reader
from tests.avi_bytes import (
    avi,
    bgr_chunks,
    colour_palette,
    dib_chunks,
    grey_palette,
    plane_chunks,
    video_stream,
)
from tests.ser_bytes import ser

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(4)
GREY = RNG.integers(0, 256, (5, 6, 7), np.uint8)
GREY16 = RNG.integers(0, 65536, (5, 6, 7)).astype("<u2")
RGB = RNG.integers(0, 256, (5, 6, 7, 3), np.uint8)
COLOURS = RNG.integers(0, 256, (256, 3), np.uint8)
DIB = bytes(4)

FILES = {
    "grey.ser": ser(GREY),
    "deep.ser": ser(GREY16, bits=16),
    "swapped.ser": ser(GREY16.byteswap(), bits=16),
    "rgb.ser": ser(RGB, colour=100),
    "bgr.ser": ser(RGB, colour=101),
    "y800.avi": avi(video_stream(7, 6, b"Y800"), plane_chunks(GREY, padded=True)),
    "y16.avi": avi(video_stream(7, 6, b"Y16 ", bits=16), plane_chunks(GREY16)),
    "greys.avi": avi(
        video_stream(7, 6, DIB, palette=grey_palette(COLOURS[:, 0])), dib_chunks(GREY)
    ),
    "colours.avi": avi(
        video_stream(7, -6, DIB, palette=colour_palette(COLOURS)), dib_chunks(GREY, bottom_up=False)
    ),
    "bgr.avi": avi(video_stream(7, 6, DIB, bits=24), bgr_chunks(RGB)),
    "bgrx.avi": avi(video_stream(7, 6, DIB, bits=32), bgr_chunks(RGB, with_unused=True)),
}


@pytest.mark.parametrize("name", FILES)
def test_a_part_of_some_frames_is_cut_from_them(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    order = "big" if name == "swapped.ser" else None
    reader = open_reader(path, byte_order=order)
    assert isinstance(reader, RawReader)
    whole = reader.read(0, 5)
    for frames in ([0, 1, 2, 3, 4], [4], [0, 3], []):
        for rows, columns in (
            (range(6), range(7)),
            (range(2, 5), range(3, 4)),
            (range(6), range(2)),
        ):
            part = reader.read_part(np.array(frames, int), rows, columns)
            cut = whole[frames][:, rows.start : rows.stop, columns.start : columns.stop]
            np.testing.assert_array_equal(part, cut)
            assert part.dtype == whole.dtype
            assert part.flags.c_contiguous
    with pytest.raises(ReaderError, match="it has 5 frames"):
        reader.read_part(np.array([2, 5]), range(6), range(7))
