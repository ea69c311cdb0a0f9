"""Where the frames of a SER file lie: its header, corrected by the size of the file.

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

Of a file whose size fits its header no picture is read, of others at most 15 frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.files import read_into
from skry_dask.io.raw.ser_header import HEADER_BYTES, RGB, UNIX_EPOCH, SerHeader

if TYPE_CHECKING:
    from skry_dask.io.files import BinaryFile
    from skry_dask.io.remote_file import FilePath
    from skry_dask.types import AnyArray, FloatArray, Frames

STAMP_BYTES = 8
"""Bytes of a frame's time stamp."""

_EXAMINED = (0.1, 0.3, 0.5, 0.7, 0.9)  # places in the file, as fractions of its length
_SAMPLE_BYTES = 1 << 16
_ALIKE_PLANES, _UNLIKE_PLANES = 2.5, 4.0  # ratios of two planes of bytes, measured: < 1.8, > 20
_BLOCK_PX = 16  # larger than the shake from one frame to the next
_N_PAIRS = 3  # pairs of frames that are compared
_MIN_CORRELATION, _MIN_GAIN = 0.5, 0.3
_MAX_LOSS = 0.15  # of correlation from one row to the next, measured 0.02
_MAX_CHANGE = 2.0  # ratio of the brightness or roughness of two frames of a capture


class SerLayout(NamedTuple):
    """Where the frames of a SER file lie.

    Parameters
    ----------
    header
        The header; depth, width and height are those of the stored frames.
    row_px
        Pixels from one row to the next, at least the width.
    n_frames
        Number of complete frames.
    has_times
        Whether the frames are followed by one time stamp each, and by nothing else.
    """

    header: SerHeader
    row_px: int
    n_frames: int
    has_times: bool

    @property
    def frame_bytes(self) -> int:
        """Bytes from one frame to the next."""
        return self.header.frame_bytes // self.header.width * self.row_px


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
    layout = SerLayout(header, header.width, header.n_frames, has_times=False)
    if header.n_frames > 0 and body == header.n_frames * layout.frame_bytes:
        return layout
    if header.n_frames > 0 and body == header.n_frames * (layout.frame_bytes + STAMP_BYTES):
        return layout._replace(has_times=True)
    if body < layout.frame_bytes // 2:
        return layout._replace(n_frames=0)
    layout = _correct_depth(file, layout, body, problems)
    layout = _correct_shape(path, file, layout, body, problems)
    return _count_frames(file, layout, body, problems)


def _correct_depth(
    file: BinaryFile, layout: SerLayout, body: int, problems: list[str]
) -> SerLayout:
    """Return the layout with the bytes per sample that the file shows."""
    header = layout.header
    other = layout._replace(header=header._replace(bits=16 if header.bits == 8 else 8))
    ratio = _ratio_of_bytes(file, body)
    if header.bits > 8:
        is_other = ratio is not None and ratio < _ALIKE_PLANES
    else:
        # Raw colour of one wavelength has bright and dark columns, too: the size must fit as well.
        is_other = ratio is not None and ratio > _UNLIKE_PLANES and _fits(other, body)
    if not is_other:
        return layout
    problems.append(
        f"The header states {header.bits} bits, but the size of the file and its samples are those "
        f"of {other.header.bits} bits, as which it is read."
    )
    return other


def _ratio_of_bytes(file: BinaryFile, body: int) -> float | None:
    """Compare the bytes at even and at odd places of a file.

    Returns
    -------
    float or None
        How many times the one plane is as rough as the other, or varies as widely, at least 1; None
        if there is nothing to compare.
    """
    length = min(_SAMPLE_BYTES, body) // 2 * 2
    sample = np.empty((len(_EXAMINED), length // 2, 2), np.uint8)
    for part, where in zip(sample, _EXAMINED, strict=True):
        read_into(file, HEADER_BYTES + int((body - length) * where) // 2 * 2, part)
    if length < 8 or np.array_equal(sample[..., 0], sample[..., 1]):
        return None
    levels = sample.astype(np.int16)
    # Samples of the same colour are two apart in raw colour, three in red, green and blue.
    rough = np.min([_roughness(levels, lag) for lag in (2, 3)], axis=0)
    spread = levels.std(axis=(0, 1))
    return float(max((of.max() + 1e-3) / (of.min() + 1e-3) for of in (rough, spread)))


def _roughness(levels: AnyArray, lag: int) -> FloatArray:
    """Average the differences of levels int16 (part, byte, plane) some bytes apart, per plane."""
    return np.asarray(np.abs(levels[:, lag:] - levels[:, :-lag]).mean(axis=(0, 1)))


def _fits(layout: SerLayout, body: int) -> bool:
    """Return whether the header's number of frames gives the size of the file."""
    n, frame_bytes = layout.header.n_frames, layout.frame_bytes
    return n > 0 and body in (n * frame_bytes, n * (frame_bytes + STAMP_BYTES))


def _correct_shape(
    path: FilePath, file: BinaryFile, layout: SerLayout, body: int, problems: list[str]
) -> SerLayout:
    """Return the layout with the rows and columns with which pictures repeat."""
    header, n = layout.header, layout.header.n_frames
    if n < _N_PAIRS + 1 or _fits(layout, body) or body % n:
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
        return [layout._replace(header=header._replace(colour_id=colour_id))]
    height, rest = divmod(frame_bytes, layout.frame_bytes // header.height)
    if not rest:
        found.append(layout._replace(header=header._replace(height=height)))
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
    return _correlation(rows[1:], rows[:-1])


def _is_period(file: BinaryFile, layout: SerLayout, frame_bytes: int) -> bool:
    """Return whether pictures repeat after so many bytes, and not with the header's period."""
    stated = layout.frame_bytes
    half_bytes = frame_bytes // 2
    if not stated // 8 <= frame_bytes <= 8 * stated:
        return False
    n_frames = layout.header.n_frames
    layout = next(iter(reversed(_shapes(layout, frame_bytes))), layout)
    likeness = np.empty((_N_PAIRS, 3))
    for row, number in zip(
        likeness, np.linspace(0, n_frames - 2, _N_PAIRS).astype(int).tolist(), strict=True
    ):
        start, last = number * frame_bytes, (n_frames - 1) * frame_bytes
        first = _blocks(file, layout, start, frame_bytes)
        for k, lag in enumerate((frame_bytes, half_bytes, stated)):
            # Backwards where the file has no more bytes.
            other = start + lag if start + lag <= last else start - lag
            row[k] = _correlation(first, _blocks(file, layout, max(other, 0), frame_bytes))
    repeated, unrelated, as_stated = np.median(likeness, axis=0)
    if repeated < max(_MIN_CORRELATION, unrelated + _MIN_GAIN):
        return False
    return stated % frame_bytes == 0 or bool(repeated > as_stated + _MIN_GAIN)


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


def _correlation(first: FloatArray, second: FloatArray) -> float:
    """Correlate two arrays, 0 if one is constant or empty."""
    if not first.size:
        return 0.0
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / norm if norm else 0.0


def _count_frames(file: BinaryFile, layout: SerLayout, body: int, problems: list[str]) -> SerLayout:
    """Return the layout with the number of complete frames."""
    claimed, frame_bytes = layout.header.n_frames, layout.frame_bytes
    if _fits(layout, body):
        return layout._replace(n_frames=claimed, has_times=body != claimed * frame_bytes)
    n_complete, rest = divmod(body, frame_bytes)
    n_stamped, rest_stamped = divmod(body, frame_bytes + STAMP_BYTES)
    if n_stamped and not rest_stamped and (rest or _ends_in_times(file, body, n_stamped)):
        n_complete, rest, words = n_stamped, 0, " and their time stamps"
        layout = layout._replace(has_times=True)
    else:
        words = ""
    layout = layout._replace(n_frames=n_complete)
    if claimed <= 0 or claimed > n_complete:
        problems.append(
            f"The header claims {claimed} frames; {n_complete} complete ones are there{words}, "
            f"which are read."
        )
        return layout
    if n_complete == claimed:
        return layout
    follow = f"The header claims {claimed} frames; {n_complete - claimed} more"
    if not rest or _are_alike(file, layout, claimed):
        problems.append(f"{follow} follow: all {n_complete} frames{words} are read.")
        return layout
    problems.append(f"{follow} would fit the size of the file, but are no pictures; none is read.")
    return layout._replace(n_frames=claimed)


def _ends_in_times(file: BinaryFile, body: int, n_frames: int) -> bool:
    """Return whether a file ends in time stamps that increase."""
    stamps = np.empty(n_frames, "<i8")
    read_into(file, HEADER_BYTES + body - stamps.nbytes, stamps)
    return bool((stamps > UNIX_EPOCH).all() and (np.diff(stamps) >= 0).all())


def _are_alike(file: BinaryFile, layout: SerLayout, claimed: int) -> bool:
    """Return whether frames after the header's last one are as bright and as rough as that."""
    numbers = (claimed - 1, claimed, layout.n_frames - 1)
    row_bytes = layout.frame_bytes // layout.header.height
    frame = np.empty((layout.header.height, row_bytes), np.uint8)
    measured = np.empty((len(numbers), 3))
    for target, number in zip(measured, numbers, strict=True):
        read_into(file, HEADER_BYTES + number * layout.frame_bytes, frame)
        target[0] = frame.mean()
        steps = np.abs(np.diff(frame.astype(np.int16), axis=0))
        # Bytes at even and at odd places, which are low and high ones where samples have 16 bits.
        target[1:] = [2 * steps[:, first::2].sum() / frame.size for first in (0, 1)]
    ratios = (measured[1:] + 1) / (measured[0] + 1)
    return bool((ratios > 1 / _MAX_CHANGE).all() and (ratios < _MAX_CHANGE).all())
