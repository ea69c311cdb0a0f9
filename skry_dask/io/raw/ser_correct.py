"""Where the frames of a SER file lie: its header, corrected by the size and the pictures.

A program that crashed, or that does not know its camera well, writes a wrong number of frames,
depth or size of a frame. With frames taken at the wrong places a stack would be noise. So where
``frames x bytes of a frame``, with or without 8 bytes for each frame's time stamp, is not the size
of the file, the file decides:

- Depth. Bytes of 8-bit pixels differ from their neighbours as much in even as in odd places; of
  16-bit samples one byte varies smoothly and the other like noise, or not at all.
- Rows and columns. If the number of frames divides the size, and pictures repeat with that period
  and not with the header's, the period is the size of a frame.
- Number of frames. What the size fits; where it fits no number exactly, frames after the header's
  last one count if they are as bright and as rough as that.

Where the size fits, several mistakes may make up for each other, or width and height may be
exchanged: pictures must not contradict the header (`ser_pictures`). Three frames are read, and at
most 15 more if something is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.files import read_into
from skry_dask.io.raw.ser_count import count_frames
from skry_dask.io.raw.ser_header import HEADER_BYTES, RGB
from skry_dask.io.raw.ser_layout import STAMP_BYTES, SerLayout
from skry_dask.io.raw.ser_pictures import (
    FileBytes,
    Shape,
    correlation,
    ratio_of_planes,
    shape_of_pictures,
)

if TYPE_CHECKING:
    from skry_dask.io.files import BinaryFile
    from skry_dask.io.raw.ser_header import SerHeader
    from skry_dask.io.remote_file import FilePath
    from skry_dask.types import FloatArray, Frames

_EXAMINED = (0.1, 0.3, 0.5, 0.7, 0.9)  # places in the file, as fractions of its length
_SAMPLE_BYTES = 1 << 16
_ALIKE_PLANES, _UNLIKE_PLANES = 2.5, 4.0  # ratios of two planes of bytes, measured: < 1.8, > 20
_BLOCK_PX = 16  # larger than the shake from one frame to the next
_N_PAIRS = 3  # pairs of frames that are compared
_MIN_CORRELATION, _MIN_GAIN = 0.5, 0.3
_MAX_LOSS = 0.15  # of correlation from one row to the next, measured 0.02


def find_layout(
    path: FilePath, file: BinaryFile, header: SerHeader, size: int, problems: list[str]
) -> SerLayout:
    """Find where the frames of a file lie.

    Parameters
    ----------
    path
        Name of the file, for messages.
    file
        The file.
    header
        Its header.
    size
        Size of the file, bytes.
    problems
        What is wrong with the header is appended, one sentence each.

    Raises
    ------
    ReaderError
        If frames have another size than the header says, which cannot be told.
    """
    body = max(size - HEADER_BYTES, 0)
    layout = SerLayout(header, header.width, header.height, header.n_frames, has_times=False)
    if body < layout.frame_bytes // 2:
        return layout._replace(n_frames=0)
    layout = _correct_depth(file, layout, body, problems)
    by_size = _correct_shape(path, file, layout, body, problems)
    if by_size is layout:
        by_size = _follow_pictures(file, layout, body, problems)
    return count_frames(file, by_size, body, problems)


def _correct_depth(
    file: BinaryFile, layout: SerLayout, body: int, problems: list[str]
) -> SerLayout:
    """Return the layout with the bytes per sample that the file shows."""
    header, fits = layout.header, layout.fits(body)
    ratio = _ratio_of_bytes(file, body)
    if ratio is None:
        return layout
    if header.bits > 8:
        other = layout.with_header(bits=8)
        if fits and _is_half_empty(file, layout):
            other = other._replace(frame_rows=2 * header.height)
        elif fits:
            other = other._replace(header=other.header._replace(n_frames=2 * header.n_frames))
        is_other = ratio < _ALIKE_PLANES and (not fits or _rows_are_alike(file, other, body))
    else:
        other = layout.with_header(bits=16)
        is_other = ratio > _UNLIKE_PLANES and (
            # Raw colour of one wavelength has bright and dark columns, too.
            (other.fits(body) and not fits) or _rows_need_16_bits(file, layout, body)
        )
        if is_other and fits:
            n_frames = header.n_frames // 2
            other = other._replace(header=other.header._replace(n_frames=n_frames))
    if not is_other:
        return layout
    problems.append(
        f"The header states {header.bits} bits, but the size of the file and its samples are those "
        f"of {other.header.bits} bits, as which it is read."
    )
    return other


def _ratio_of_bytes(file: BinaryFile, body: int) -> float | None:
    """Compare the bytes at even and at odd places of a file; see `ratio_of_planes`."""
    length = min(_SAMPLE_BYTES, body) // 2 * 2
    sample = np.empty((len(_EXAMINED), length), np.uint8)
    for part, where in zip(sample, _EXAMINED, strict=True):
        read_into(file, HEADER_BYTES + int((body - length) * where) // 2 * 2, part)
    return ratio_of_planes(sample)


def _rows_are_alike(file: BinaryFile, layout: SerLayout, body: int) -> bool:
    """Return whether rows of a layout are alike."""
    content = FileBytes.of(file, layout.header.bits, body)
    shape = _shape_of(layout)
    return shape_of_pictures(content, shape, [], whole=False) is not None


def _rows_need_16_bits(file: BinaryFile, layout: SerLayout, body: int) -> bool:
    """Return whether rows are alike with 16 bits, and not with 8.

    In raw colour of one wavelength, bytes at even and odd places differ in one row of two.
    """
    header = layout.header
    other = layout.with_header(bits=16)
    if body < 2 * layout.frame_bytes or (layout.fits(body) and header.n_frames % 2):
        return False
    if _rows_are_alike(file, layout, body) or not _rows_are_alike(file, other, body):
        return False
    rows = np.empty((header.height // 2, 2, layout.row_bytes), np.uint8)
    middle = (body // layout.frame_bytes - 1) // 2 * layout.frame_bytes
    read_into(file, HEADER_BYTES + middle, rows)
    ratios = [ratio_of_planes(rows[:, half]) for half in (0, 1)]
    return all(ratio is not None and ratio > _UNLIKE_PLANES for ratio in ratios)


def _is_half_empty(file: BinaryFile, layout: SerLayout) -> bool:
    """Return whether the second half of a frame in the middle has one value."""
    half = layout.frame_bytes // 2
    end = np.empty(layout.frame_bytes - half, np.uint8)
    read_into(file, HEADER_BYTES + layout.header.n_frames // 2 * layout.frame_bytes + half, end)
    return bool((end == end[0]).all())


def _shape_of(layout: SerLayout) -> Shape:
    pitch = layout.row_px * layout.header.channels
    period = pitch * layout.frame_rows
    return Shape(pitch, period, period)


def _follow_pictures(
    file: BinaryFile, layout: SerLayout, body: int, problems: list[str]
) -> SerLayout:
    """Return the layout with the rows and frames that pictures show, if they contradict it."""
    header, stated = layout.header, _shape_of(layout)
    pitch = stated.pitch
    pitches = [header.height * header.channels, 3 * pitch, 2 * pitch]
    pitches += [pitch // n for n in (2, 3) if not pitch % n]
    pitches = [n for n in pitches if not stated.period % n and n != pitch]
    found = shape_of_pictures(FileBytes.of(file, header.bits, body), stated, pitches)
    if found is None or (found.pitch, found.period) == (pitch, stated.period):
        return layout
    width, period, channels = found.pitch // header.channels, found.period, header.channels
    height, frame_rows = period // found.pitch, period // found.pitch
    if channels == 3 and found.pitch * 3 == pitch:
        # Mono; the program has written, or reserved space for, three times as many samples.
        width, height, channels = header.width, header.height, 1
        frame_rows = height if found.used > period // 3 else frame_rows
    elif channels == 1 and found.pitch == 3 * pitch:
        width, height, channels = header.width, header.height, 3
        frame_rows = height
    colour_id = header.colour_id if channels == header.channels else RGB if channels == 3 else 0
    period = frame_rows * found.pitch
    n_frames = header.n_frames
    if layout.fits(body):
        n_frames, rest = divmod(n_frames * stated.period, period)
        if rest:
            return layout
    corrected = layout.with_header(
        width=width, height=height, colour_id=colour_id, n_frames=n_frames
    )._replace(frame_rows=frame_rows)
    problems.append(
        f"The header states {_described(layout)}, but pictures show rows and frames of "
        f"{_described(corrected)}: these are read."
    )
    return corrected


def _correct_shape(
    path: FilePath, file: BinaryFile, layout: SerLayout, body: int, problems: list[str]
) -> SerLayout:
    """Return the layout with the rows and columns with which pictures repeat."""
    header, n = layout.header, layout.header.n_frames
    if n < _N_PAIRS + 1 or layout.fits(body) or body % n:
        return layout
    stated, without = layout.frame_bytes, body // n
    periods = [size for size in (without - STAMP_BYTES, without) if _is_period(file, layout, size)]
    for frame_bytes in periods:
        found = _shapes(layout, frame_bytes)
        if found:
            likeness = [_likeness_of_rows(file, shape) for shape in found]
            # Two rows side by side look like one: of good ones, the narrowest is right.
            good = [k for k, like in enumerate(likeness) if like > max(likeness) - _MAX_LOSS]
            best = min((found[k] for k in good), key=lambda shape: shape.row_px)
            problems.append(
                f"The header states {_described(layout)}, but the size of the file is that of {n} "
                f"frames of {_described(best)}, and pictures repeat so: "
                f"{best.header.width} x {best.header.height} px are read."
            )
            return best
    if periods:
        raise ReaderError(
            f"{path} has the size of {n} frames of {without} bytes, but its header states "
            f"{stated} ({header.width} x {header.height} px, {header.bits} bits): record or "
            f"convert it again"
        )
    return layout


def _described(layout: SerLayout) -> str:
    header = layout.header
    samples = "" if header.channels == 1 else " of red, green, blue"
    return f"{layout.row_px} x {header.height} px{samples}"


def _shapes(layout: SerLayout, frame_bytes: int) -> list[SerLayout]:
    """Return the layouts with other rows, columns or samples that give frames of so many bytes."""
    header, found = layout.header, []
    if frame_bytes * header.channels == layout.frame_bytes * (4 - header.channels):
        colour_id = RGB if header.channels == 1 else 0
        return [layout.with_header(colour_id=colour_id)]
    height, rest = divmod(frame_bytes, layout.frame_bytes // header.height)
    if not rest:
        found.append(layout.with_header(height=height))
    row_px, rest = divmod(frame_bytes, layout.frame_bytes // header.width)
    if not rest:
        width = min(header.width, row_px)
        found.append(layout._replace(header=header._replace(width=width), row_px=row_px))
    return found


def _likeness_of_rows(file: BinaryFile, layout: SerLayout) -> float:
    """Correlate each row of a frame with the next, at most 1; less if rows are cut or sheared.

    Rows are blurred and have their mean subtracted, as rows of raw colour are of two kinds.
    """
    frame = _samples(file, layout, layout.frame_bytes, layout.frame_bytes)
    n_x = max(1, frame.shape[1] // _BLOCK_PX)
    cut = frame[:, : n_x * _BLOCK_PX].reshape(len(frame), n_x, -1)
    rows = cut.mean(axis=2, dtype=np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    return correlation(rows[1:], rows[:-1])


def _is_period(file: BinaryFile, layout: SerLayout, frame_bytes: int) -> bool:
    """Return whether pictures repeat after so many bytes, and not with the header's period."""
    stated = layout.frame_bytes
    half_bytes = frame_bytes // 2
    # After so many frames, they would be half a frame off.
    n_far = min(-(-frame_bytes // (2 * abs(frame_bytes - stated))), layout.header.n_frames // 2)
    if not stated // 8 <= frame_bytes <= 8 * stated:
        return False
    n_frames = layout.header.n_frames
    layout = next(iter(reversed(_shapes(layout, frame_bytes))), layout)
    likeness = np.empty((_N_PAIRS, 4))
    for row, number in zip(
        likeness, np.linspace(0, n_frames - 2, _N_PAIRS).astype(int).tolist(), strict=True
    ):
        start, last = number * frame_bytes, (n_frames - 1) * frame_bytes
        first = _blocks(file, layout, start, frame_bytes)
        lags = (frame_bytes, half_bytes, n_far * frame_bytes, n_far * stated)
        for k, lag in enumerate(lags):
            # Backwards where the file has no more bytes.
            other = start + lag if start + lag <= last else start - lag
            row[k] = correlation(first, _blocks(file, layout, max(other, 0), frame_bytes))
    repeated, unrelated, far, as_stated = np.median(likeness, axis=0)
    if repeated < max(_MIN_CORRELATION, unrelated + _MIN_GAIN):
        return False
    return stated % frame_bytes == 0 or bool(far > as_stated + _MIN_GAIN)


def _samples(file: BinaryFile, layout: SerLayout, start: int, n_bytes: int) -> Frames:
    """Return the whole rows in a part of the file, uint8 or uint16 (y, sample)."""
    dtype = np.dtype("u1" if layout.header.bits <= 8 else "<u2")
    row_samples = layout.row_px * layout.header.channels
    rows = np.empty((n_bytes // (row_samples * dtype.itemsize), row_samples), dtype)
    read_into(file, HEADER_BYTES + start // dtype.itemsize * dtype.itemsize, rows)
    return rows


def _blocks(file: BinaryFile, layout: SerLayout, start: int, n_bytes: int) -> FloatArray:
    """Return the means of blocks of the pixels in a part of the file, float64 (block)."""
    rows = _samples(file, layout, start, n_bytes)
    if min(rows.shape) < 4:
        return np.zeros(0)
    block = min(_BLOCK_PX, *(n // 4 for n in rows.shape))
    n_y, n_x = (n // block for n in rows.shape)
    cut = rows[: n_y * block, : n_x * block].reshape(n_y, block, n_x, block)
    return np.asarray(cut.mean(axis=(1, 3), dtype=np.float64).ravel())
