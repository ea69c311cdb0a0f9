"""Rows, frames and depth of a SER file as its pictures show them, whatever its header states.

A header can be wrong although the size of the file fits it: width and height exchanged, two
pictures taken for one frame or one for two, bytes taken for halves of samples, samples for colours.
Pictures tell:

- Rows. Each row is like the next. Rows that are too long or too short are like none; of several
  lengths at which rows are alike, the shortest is right, as two rows side by side look like one.
- Frames. Each is like the next, block by block, and unlike one that begins half a frame later.
- Depth. Bytes of 8-bit pixels vary equally at even and at odd places.
- The end of a frame is empty if the program reserved more bytes than it wrote.

The header is overruled only if pictures contradict it and agree with one of the usual mistakes; of
noise, even frames or a scene without detail it is believed. Three frames are read, and at most 256
rows of each are looked at: 4 ms at 1280 x 960, 30 ms at 4096 x 3000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.io.files import read_into
from skry_dask.io.raw.row_likeness import (
    ALIKE,
    CLEAR,
    GAIN,
    MAX_ROWS,
    MIN_BLOCKS,
    RowLikeness,
    likeness_of_rows,
)
from skry_dask.io.raw.ser_header import HEADER_BYTES

if TYPE_CHECKING:
    from skry_dask.io.files import BinaryFile
    from skry_dask.types import AnyArray, FloatArray

N_EXAMINED = 3
"""Number of frames whose rows are looked at, one after the other."""

N_PAIRS = 7
"""Number of pairs of frames that are compared, where the header seems to be wrong."""

LOSS = 0.15
"""Correlations differ by less than this for reasons other than the layout; measured 0.02."""

LEAST = 0.05
"""Differences of bytes below this are none, grey levels."""

BLOCK_PX = 16
"""Side of the blocks by which frames are compared, larger than the shake between two, px."""

BIN_PX, MOVED_PX, N_BINS = 2, 512, 8
"""Frames that may have moved are compared in bins of 2 px, at least 8 along each side, of at most
512 px in their middle."""

EVEN_POWER = 3.0
"""Rows of one picture differ by less than this factor in their spread."""


class FileBytes(NamedTuple):
    """Bytes of a file after its header, taken for samples.

    Parameters
    ----------
    file
        The file.
    dtype
        Of a sample: uint8, or uint16 of either byte order.
    n_bytes
        Number of bytes after the header.
    """

    file: BinaryFile
    dtype: np.dtype[np.unsignedinteger]
    n_bytes: int

    @classmethod
    def of(cls, file: BinaryFile, bits: int, n_bytes: int) -> FileBytes:
        """Find the byte order of 16-bit samples: that in which neighbours are more alike."""
        if bits <= 8:
            return cls(file, np.dtype("u1"), n_bytes)
        length = min(n_bytes, 1 << 16) // 2
        roughness = []
        for order in ("<u2", ">u2"):
            part = cls(file, np.dtype(order), n_bytes).samples((n_bytes - 2 * length) // 4, length)
            levels = part.astype(np.float64)
            steps = np.abs(levels[6:] - levels[:-6]).mean() if length > 6 else 0.0
            roughness.append(steps / (levels.std() + 1e-9) if length else 0.0)
        return cls(file, np.dtype("<u2" if roughness[0] <= roughness[1] else ">u2"), n_bytes)

    def samples(self, start: int, n: int) -> AnyArray:
        """Read `n` samples from sample number `start` on; fewer where the file ends."""
        size = self.dtype.itemsize
        part = np.empty(max(0, min(n, self.n_bytes // size - start)), self.dtype)
        read_into(self.file, HEADER_BYTES + start * size, part)
        return part


def _is_one_row(samples: AnyArray, pitch: int) -> bool:
    """Return whether both halves of rows of `pitch` samples can be parts of one row.

    Behind a colour filter array, and in light of one colour, one row of two is dark, and one column
    of two. Without an array, empty rows lie between those of the picture.
    """
    halves = samples[: len(samples) // pitch * pitch].reshape(-1, 2, pitch // 2)
    spread = halves.std(axis=(0, 2), dtype=np.float64)
    if spread.min() == 0:
        brighter = halves[:, int(spread.argmax())]
        spread = np.array([brighter[:, first::2].std() for first in (0, 1)])
    return bool(spread.max() < EVEN_POWER * spread.min())


class Frames(NamedTuple):
    """Compares parts of a file that begin some samples apart.

    Parameters
    ----------
    content
        The file.
    pitch
        Samples from one row to the next.
    known
        Blocks that have been read before.
    """

    content: FileBytes
    pitch: int
    known: dict[tuple[int, int], FloatArray]

    def likeness(self, start: int, lag: int, length: int) -> float:
        """Correlate the blocks of `length` samples from `start` on with those `lag` later."""
        for at in (start, start + lag):
            if (at, length) not in self.known:
                self.known[at, length] = self._blocks(at, length)
        own, other = (self.known[at, length] for at in (start, start + lag))
        return correlation(own, other) if own.shape == other.shape else 0.0

    def moved_likeness(self, start: int, lag: int, length: int) -> float:
        """Correlate `length` samples from `start` on with those `lag` later, at the best shift.

        The shift is at most a quarter of a frame: an unsteady mount moves one frame against the
        next by more than a block.
        """
        own, other = (self._bins(at, length) for at in (start, start + lag))
        if own.shape != other.shape or min(own.shape) < N_BINS:
            return 0.0
        n_y, n_x = own.shape
        window = np.outer(np.hanning(n_y), np.hanning(n_x))
        faded = (np.fft.rfft2(window * (bins - bins.mean())) for bins in (own, other))
        product = next(faded) * next(faded).conj()
        at_shift = np.fft.fftshift(np.fft.irfft2(product, s=own.shape))
        near = at_shift[n_y // 4 : n_y - n_y // 4, n_x // 4 : n_x - n_x // 4]
        peak_y, peak_x = divmod(int(near.argmax()), near.shape[1])
        y, x = peak_y + n_y // 4 - n_y // 2, peak_x + n_x // 4 - n_x // 2
        common = (slice(max(y, 0), n_y + min(y, 0)), slice(max(x, 0), n_x + min(x, 0)))
        moved = (slice(max(-y, 0), n_y + min(-y, 0)), slice(max(-x, 0), n_x + min(-x, 0)))
        return correlation(own[common].ravel(), other[moved].ravel())

    def _bins(self, start: int, length: int) -> FloatArray:
        """Return the middle of a frame in bins, float64 (y, x)."""
        samples = self.content.samples(start, length)
        rows = samples[: len(samples) // self.pitch * self.pitch].reshape(-1, self.pitch)
        n_y, n_x = (min(n, MOVED_PX) // BIN_PX for n in rows.shape)
        top, left = ((n - m * BIN_PX) // 2 for n, m in zip(rows.shape, (n_y, n_x), strict=True))
        middle = rows[top : top + n_y * BIN_PX, left : left + n_x * BIN_PX]
        bins = middle.reshape(n_y, BIN_PX, n_x, BIN_PX)
        return np.asarray(bins.mean(axis=(1, 3), dtype=np.float64))

    def _blocks(self, start: int, length: int) -> FloatArray:
        """Return the means of blocks of samples, float64 (block)."""
        samples = self.content.samples(start, length)
        n_rows = len(samples) // self.pitch
        block = min(BLOCK_PX, n_rows // 4, self.pitch // 4)
        if block < 1:
            return np.zeros(0)
        n_y, n_x = n_rows // block, self.pitch // block
        rows = samples[: n_y * block * self.pitch].reshape(n_y, block, self.pitch)
        step = max(1, n_rows // MAX_ROWS)
        cut = rows[:, :: min(step, block), : n_x * block].reshape(n_y, -1, n_x, block)
        return np.asarray(cut.mean(axis=(1, 3), dtype=np.float64).ravel())


def correlation(first: FloatArray, second: FloatArray) -> float:
    """Correlate two arrays, 0 if one is constant or empty."""
    if not first.size:
        return 0.0
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / norm if norm else 0.0


class Shape(NamedTuple):
    """Rows and frames of a file, in samples.

    Parameters
    ----------
    pitch
        Samples from one row to the next.
    period
        Samples from one frame to the next.
    used
        Samples of a frame before its empty end.
    """

    pitch: int
    period: int
    used: int


def shape_of_pictures(
    content: FileBytes, stated: Shape, pitches: list[int], *, whole: bool = True
) -> Shape | None:
    """Find the rows and frames that the pictures of a file have.

    Parameters
    ----------
    content
        The file.
    stated
        Rows and frames according to the header.
    pitches
        Other lengths that rows may have, samples.
    whole
        Whether frames may have another length than the header states.

    Returns
    -------
    Shape or None
        `stated` itself where nothing contradicts it; None if neither rows according to the header
        nor others are alike, so that pictures tell nothing.
    """
    n_frames = content.n_bytes // content.dtype.itemsize // stated.period
    if not n_frames or stated.pitch < 6 * MIN_BLOCKS:
        return None
    n_examined = min(N_EXAMINED, n_frames)
    start = (n_frames - n_examined) // 2 * stated.period
    # Frames that follow each other may be parts of one picture.
    examined = content.samples(start, n_examined * stated.period)
    used = stated.period - _n_empty(examined.reshape(n_examined, -1))
    is_full = used == stated.period
    pictures = [examined] if is_full else list(examined.reshape(n_examined, -1)[:, :used])
    pitch = _pitch_of(pictures, stated.pitch, pitches)
    if pitch is None:
        return None
    period = stated.period
    if whole and is_full:
        period = used = _period_of(Frames(content, pitch, {}), start, period, n_frames)
    return Shape(pitch, period, used)


def _n_empty(pictures: AnyArray) -> int:
    """Count the samples at the end of frames (frame, sample) that have one value, if it is half."""
    n = pictures.shape[1]
    value = pictures[0, -1]
    if (pictures[:, -n // 8 :] != value).any() or (pictures[:, n // 2 :] != value).any():
        return 0
    used = np.flatnonzero((pictures != value).any(axis=0))
    return n - int(used[-1]) - 1 if len(used) else 0


def _pitch_of(pictures: list[AnyArray], stated: int, pitches: list[int]) -> int | None:
    """Return the samples from one row to the next; None if no rows are alike."""

    def measure(pitch: int) -> RowLikeness:
        each = [likeness_of_rows(picture, pitch) for picture in pictures]
        return RowLikeness(*np.median(each, axis=0).tolist())

    as_stated = measure(stated)
    shorter = [pitch for pitch in pitches if pitch < stated and stated % pitch == 0]
    found = [
        pitch
        for pitch in shorter
        if (rows := measure(pitch)).sure > max(ALIKE, as_stated.sure - LOSS)
        # The row after the next is less alike.
        and rows.difference <= as_stated.difference
    ]
    if found:
        return min(found)
    if as_stated.like >= ALIKE:
        return stated
    for pitch in pitches:
        if pitch in shorter:
            continue
        rows = measure(pitch)
        is_clear = rows.difference < as_stated.difference / CLEAR
        is_even = pitch != 2 * stated or all(_is_one_row(picture, pitch) for picture in pictures)
        if is_clear and is_even and rows.sure > max(ALIKE, as_stated.sure + GAIN):
            return pitch
    return stated if as_stated.sure else None


def _period_of(frames: Frames, start: int, stated: int, n_frames: int) -> int:
    """Return the samples from one frame to the next, of a third to three times the stated ones."""
    if n_frames < N_EXAMINED:
        return stated
    starts = [start, *(k * n_frames // N_PAIRS * stated for k in range(N_PAIRS - 1))]

    def likeness(lag: int, length: int, n: int = N_PAIRS) -> float:
        return float(np.median([frames.likeness(at, lag, length) for at in starts[:n]]))

    def is_part(part: int) -> bool:
        least = max(ALIKE, likeness(stated, stated) - LOSS, likeness(part // 2, part) + GAIN)
        return likeness(part, part) > least

    as_stated = likeness(stated, stated, 1)
    for n in (2, 3):
        part, rest = divmod(stated, n)
        if rest or part % frames.pitch or part // frames.pitch < BLOCK_PX:
            continue
        if likeness(part, part, 1) > max(ALIKE, as_stated - LOSS) and is_part(part):
            return part
    if as_stated < 1 - GAIN:
        for n in (2, 3):
            if n_frames % n == 0 and _are_parts(frames, starts, n, stated):
                return n * stated
    return stated


def _are_parts(frames: Frames, starts: list[int], n: int, stated: int) -> bool:
    """Return whether `n` frames, as stated, are the parts of one, whatever the mount does."""
    for measure in (frames.likeness, frames.moved_likeness):
        as_stated, as_parts = (
            float(np.median([measure(at, lag, stated) for at in starts]))
            for lag in (stated, n * stated)
        )
        if as_parts <= max(ALIKE, as_stated + GAIN):
            return False
    return True


def ratio_of_planes(pictures: AnyArray, lags: tuple[int, ...] = (2, 3)) -> float | None:
    """Compare the bytes at even and at odd places.

    Parameters
    ----------
    pictures
        uint8 (part, byte), some parts of a file.
    lags
        Distances of samples of the same colour.

    Returns
    -------
    float or None
        How many times the one plane is as rough as the other, or varies as widely, at least 1; None
        if there is nothing to compare.
    """
    length = pictures.shape[1] // 2 * 2
    sample = pictures[:, :length].reshape(len(pictures), -1, 2)
    if length < 8 or np.array_equal(sample[..., 0], sample[..., 1]):
        return None
    levels = sample.astype(np.int16)
    rough = np.min([_roughness(levels, lag) for lag in lags], axis=0)
    spread = levels.std(axis=(0, 1))
    return float(max((of.max() + LEAST) / (of.min() + LEAST) for of in (rough, spread)))


def _roughness(levels: AnyArray, lag: int) -> FloatArray:
    """Average the differences of levels int16 (part, byte, plane) some bytes apart, per plane."""
    return np.asarray(np.abs(levels[:, lag:] - levels[:, :-lag]).mean(axis=(0, 1)))
