"""Layout of the frames of an uncompressed AVI, corrected by its chunks and their pictures.

Some programs pad rows to other lengths than the format says, exchange width and height, or write
frames of another height or depth than the header's. With frames taken so a stack would be noise. A
layout is right if it fits the size of a chunk to the byte, and rows are alike. Of those that fit,
that is taken in which neighbouring rows differ least; where pictures tell nothing, and where the
header's layout fits and pictures do not contradict it, the header is believed.

Three frames are read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.io.files import read_into
from skry_dask.io.raw.row_likeness import ALIKE, CLEAR, GAIN, RowLikeness, likeness_of_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.io.files import BinaryFile
    from skry_dask.io.raw.avi_layout import Layout
    from skry_dask.types import AnyArray, IntArray

N_EXAMINED = 3
"""Number of chunks that are looked at."""

PADS = (1, 2, 4, 8, 16, 32, 64)
"""Rows are padded to a multiple of so many bytes."""

FAR_SMOOTHER = 5
"""With the wrong byte order, neighbours differ more by this factor at least."""

MAX_RATIO = 4
"""Greatest ratio of the height of frames to that in the header."""


def correct_layout(
    file: BinaryFile, starts: IntArray, n_bytes: int, layout: Layout, problems: list[str]
) -> Layout:
    """Correct the layout of frames.

    Parameters
    ----------
    file
        The file.
    starts
        int64 (chunk), first byte of the content of chunks of `n_bytes` bytes.
    n_bytes
        Bytes of a chunk.
    layout
        According to the header.
    problems
        What is wrong with the header is appended, one sentence each.
    """
    examined = starts[(len(starts) - 1) // 2 :][:N_EXAMINED]
    if not len(examined) or not n_bytes:
        return layout
    chunks = np.empty((len(examined), n_bytes), np.uint8)
    for chunk, start in zip(chunks, examined.tolist(), strict=True):
        read_into(file, start, chunk)
    if layout.pixel_bytes == 2 and layout.fields is None:
        layout = replace(layout, big_endian=_is_big_endian(chunks, problems))
    stated = _rows(chunks, layout)
    fits = layout.chunk_bytes == n_bytes
    best, rows = layout, stated
    for other in _exchanged(layout, n_bytes) if fits else _others(layout, n_bytes):
        measured = _rows(chunks, other)
        least = rows.difference / (CLEAR if fits else 1.0)
        is_better = best is layout and (not fits and layout.chunk_bytes > n_bytes)
        if measured.sure > ALIKE and (is_better or measured.difference < least):
            best, rows = other, measured
    if best is layout or (fits and rows.sure < stated.sure + GAIN):
        return layout
    problems.append(
        f"The header states {_described(layout)}, but chunks of {n_bytes} bytes and their pictures "
        f"are those of {_described(best)}, as which they are read."
    )
    return best


def _described(layout: Layout) -> str:
    return (
        f"{layout.width} x {layout.height} px of {8 * layout.pixel_bytes} bits in rows of "
        f"{layout.stride} bytes"
    )


def _exchanged(layout: Layout, n_bytes: int) -> Iterator[Layout]:
    """Yield layouts with width and height exchanged that fit a chunk."""
    for pad in (1, 4):
        stride = _padded(layout.height * layout.pixel_bytes, pad)
        if stride * layout.width == n_bytes and layout.width != layout.height:
            yield replace(layout, width=layout.height, height=layout.width, stride=stride)


def _others(layout: Layout, n_bytes: int) -> Iterator[Layout]:
    """Yield other layouts that fit a chunk."""
    height, row_bytes = layout.height, layout.width * layout.pixel_bytes
    stride, rest = divmod(n_bytes, height)
    if not rest and row_bytes <= stride <= _padded(row_bytes, PADS[-1]):
        yield replace(layout, stride=stride)
    yield from _exchanged(layout, n_bytes)
    for pad in (1, 4):
        stride = _padded(row_bytes, pad)
        n_rows, rest = divmod(n_bytes, stride)
        if not rest and height <= MAX_RATIO * n_rows and n_rows <= MAX_RATIO * height:
            yield replace(layout, height=n_rows, stride=stride)
    if layout.fields is not None or layout.palette is not None:
        return
    for pixel_bytes in (1, 2, 3):
        for pad in (1, 4):
            stride = _padded(layout.width * pixel_bytes, pad)
            if pixel_bytes != layout.pixel_bytes and stride * height == n_bytes:
                yield replace(layout, pixel_bytes=pixel_bytes, stride=stride)


def _padded(n_bytes: int, pad: int) -> int:
    return -(-n_bytes // pad) * pad


def _rows(chunks: AnyArray, layout: Layout) -> RowLikeness:
    """Measure the rows of chunks uint8 (chunk, byte) that have a layout."""
    used = min(layout.chunk_bytes, chunks.shape[1])
    dtype: np.dtype[np.unsignedinteger] = np.dtype("u1")
    if layout.pixel_bytes == 2 and not layout.stride % 2:
        dtype = np.dtype(">u2" if layout.big_endian else "<u2")
    samples = chunks[:, : used // dtype.itemsize * dtype.itemsize].view(dtype)
    each = [likeness_of_rows(picture, layout.stride // dtype.itemsize) for picture in samples]
    return RowLikeness(*np.median(each, axis=0).tolist())


def _is_big_endian(chunks: AnyArray, problems: list[str]) -> bool:
    """Return whether 16-bit samples of chunks uint8 (chunk, byte) are far smoother if swapped."""
    length = chunks.shape[1] // 2 * 2
    stored = np.ascontiguousarray(chunks[:, :length])
    rough = []
    for order in ("<u2", ">u2"):
        levels = stored.view(order).astype(np.float64)
        rough.append(float(np.abs(levels[:, 2:] - levels[:, :-2]).mean()) if length > 4 else 0.0)
    uses_both = stored[:, ::2].any() and stored[:, 1::2].any()
    if not uses_both or rough[1] * FAR_SMOOTHER > rough[0]:
        return False
    problems.append(
        "Samples of 16 bits are big-endian, which gives by far the smoother picture; they are read "
        "so."
    )
    return True
