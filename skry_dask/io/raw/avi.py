"""Uncompressed AVI, read in place.

Frames of such files are exact, and each is found at once, so they have a reader of their own; an
AVI with a codec goes to `io.video.ffmpeg`. `io.containers.avi` finds the chunks, `avi_layout` knows
how a frame lies in its chunk.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.atomic import atomic_write, checked_frames
from skry_dask.io.containers.avi import (
    BITFIELDS,
    AviHeader,
    find_video_chunks,
    is_avi,
    read_avi_header,
)
from skry_dask.io.files import (
    as_file,
    check_frame_numbers,
    check_frame_range,
    open_for_reading,
    prefetch,
)
from skry_dask.io.raw.avi_correct import correct_layout
from skry_dask.io.raw.avi_layout import Layout, is_uncompressed, layout_of
from skry_dask.io.raw.bit_fields import BitFields
from skry_dask.io.reader import CaptureInfo

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from typing import BinaryIO

    from skry_dask.io.files import BinaryFile
    from skry_dask.io.remote_file import FilePath, PinnedFile
    from skry_dask.types import AnyArray, Frames, IntArray

MAX_BYTES = 1_900_000_000
"""Longest AVI that is written: many programs take its lengths of 32 bits for signed."""

MAX_CHUNK_SHARE, SECTOR_BYTES = 1.5, 4096
"""Chunks may be longer than a frame by this factor, or a sector, to which some programs align them;
longer ones hold frames of another size or depth."""

_HAS_INDEX, _KEY_FRAME = 0x10, 0x10  # flags of the header and of an index entry


class AviReader:
    """Uncompressed AVI, mono of 8 or 16 bits or RGB; frames can be read in any order.

    Frames that were dropped while recording and frames that are incomplete are left out; the others
    keep their numbers in the file, ``info.number``.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ReaderError
        If it is no such file, or holds no complete frame.
    """

    path: FilePath
    files: tuple[FilePath, ...]
    info: CaptureInfo

    def __init__(self, path: str | os.PathLike[str] | PinnedFile) -> None:
        self.path = as_file(path)
        self.files = (self.path,)
        problems: list[str] = []
        with open_for_reading(self.path) as file:
            size = file.seek(0, 2)
            header = self._read_header(file, size)
            self._layout, self._starts, numbers = self._find_frames(file, size, header, problems)
        layout = self._layout
        codec = layout.name if layout.name != "DIB" else header.codec.strip(" \0")
        self.info = CaptureInfo(
            format=f"AVI {layout.name}",
            n_frames=len(self._starts),
            height=layout.height,
            width=layout.width,
            dtype=layout.dtype.name,
            bits=layout.bits,
            channels=layout.channels,
            # Frames that are missing at the end change no number.
            number=numbers if numbers[-1] >= len(numbers) else None,
            attrs={"codec": codec} | ({} if header.fps is None else {"fps": header.fps}),
            problems=tuple(problems),
        )

    def read(self, start: int, stop: int) -> Frames:
        """Read frames `start` to ``stop - 1``.

        Parameters
        ----------
        start, stop
            Counted from 0; frames that are left out do not count.

        Returns
        -------
        uint8 or uint16 (frame, y, x), or uint8 (frame, y, x, channel)
            Red, green, blue; full range, top row first, native byte order.

        Raises
        ------
        ReaderError
            If the file does not have these frames, or cannot be read.
        """
        check_frame_range(self.path, start, stop, len(self._starts))
        frames = np.empty((stop - start, *self.info.frame_shape), self._layout.dtype)
        with open_for_reading(self.path) as file:
            starts, length = self._starts[start:stop], self._layout.chunk_bytes
            prefetch(file, ((at, at + length) for at in starts.tolist()))
            self._layout.read(file, starts, frames)
        return frames

    def read_part(self, frames: IntArray, rows: range, columns: range) -> Frames:
        """Read the same rows and columns of some frames.

        Parameters
        ----------
        frames
            int64 (frame), counted from 0; frames that are left out do not count.
        rows, columns
            Consecutive ones that a frame has. Whole rows are read.

        Returns
        -------
        As `read`.

        Raises
        ------
        ReaderError
            If the file does not have these frames, or cannot be read.
        """
        check_frame_numbers(self.path, frames, len(self._starts))
        shape = (len(frames), len(rows), len(columns), *self.info.frame_shape[2:])
        part = np.empty(shape, self._layout.dtype)
        with open_for_reading(self.path) as file:
            self._layout.read_part(file, self._starts[frames], rows, columns, part)
        return part

    def _read_header(self, file: BinaryFile, size: int) -> AviHeader:
        file.seek(0)
        head = file.read(12)
        if not is_avi(head):
            raise ReaderError(
                f"{self.path} is not an AVI file: it begins with {head!r}; check that it is the "
                f"right file"
            )
        header = read_avi_header(file, size, self.path)
        if not is_uncompressed(header):
            raise ReaderError(
                f"{self.path} is no uncompressed AVI that can be read in place: its video is "
                f"{header.codec!r} with {header.bits} bits; open it with open_reader()"
            )
        if header.compression == BITFIELDS and not BitFields.of(header.masks, header.bits):
            masks = ", ".join(f"{mask:#x}" for mask in header.masks) or "none"
            raise ReaderError(
                f"{self.path} has pixels of bit fields with {header.bits} bits, but their masks "
                f"are {masks}: convert it to SER, or to AVI of 8 or 24 bits"
            )
        if header.width < 1 or header.height == 0:
            raise ReaderError(
                f"{self.path} has a damaged header: width {header.width}, height "
                f"{header.height}; at least 1 x 1 px can be read, record or copy it again"
            )
        return header

    def _find_frames(
        self, file: BinaryFile, size: int, header: AviHeader, problems: list[str]
    ) -> tuple[Layout, IntArray, IntArray]:
        """Find the complete frames.

        Returns
        -------
        layout
            Layout of the frames.
        starts, numbers
            int64 (frame): first byte in the file, and number in the file.
        """
        starts, lengths, damaged_at = find_video_chunks(file, size, header.stream)
        not_empty = lengths[lengths > 0]
        # All rows of a file are padded or none is; the median ignores damaged chunks.
        usual_length = int(np.median(not_empty)) if not_empty.size else 0
        usual = starts[(lengths == usual_length) & (starts + lengths <= size)]
        layout = layout_of(header, usual_length, problems)
        layout = correct_layout(file, usual, usual_length, layout, problems)
        # A header can state frames of more than 2**63 bytes.
        needed = min(layout.chunk_bytes, size + 1)
        numbers = np.flatnonzero((lengths >= needed) & (starts + needed <= size))
        if not numbers.size:
            raise ReaderError(
                f"{self.path} holds no complete frame of {layout.width} x {layout.height} px in "
                f"{len(lengths)} video chunks of {usual_length} bytes, it needs "
                f"{layout.chunk_bytes}; record or copy it again"
            )
        if usual_length > max(MAX_CHUNK_SHARE * needed, needed + SECTOR_BYTES):
            raise ReaderError(
                f"{self.path} has video chunks of {usual_length} bytes, but its header states "
                f"{layout.width} x {layout.height} px, {header.bits} bits, which need "
                f"{needed}: record or convert it again"
            )
        if n_dropped := len(lengths) - len(not_empty):
            problems.append(
                f"{n_dropped} frames were dropped while recording (empty chunks); the others keep "
                f"their numbers."
            )
        if n_incomplete := len(not_empty) - len(numbers):
            problems.append(
                f"{n_incomplete} frames are incomplete (a chunk too short, or the end of the file) "
                f"and are left out."
            )
        if damaged_at is not None:
            problems.append(
                f"What follows byte {damaged_at} of {size} is no AVI chunk; frames after it cannot "
                f"be found."
            )
        if header.n_frames not in (0, len(lengths)):
            problems.append(
                f"The header claims {header.n_frames} frames; {len(lengths)} are there."
            )
        return layout, starts[numbers], numbers


def write_avi(
    path: str | os.PathLike[str],
    frames: Iterable[AnyArray],
    *,
    n_frames: int,
    height: int,
    width: int,
    fps: float = 30,
) -> None:
    """Write an uncompressed 8-bit mono AVI (Y800 with an index), completely or not at all.

    Parameters
    ----------
    path
        The file to write; replaced if it exists.
    frames
        uint8 arrays (y, x).
    n_frames
        Number of frames.
    height, width
        Size of a frame, px.
    fps
        Frames per second, stored to 0.001.

    Raises
    ------
    StoreError
        If `frames` do not agree with the other arguments, the file would be too long for its format
        (1.9 GB), or it cannot be written.
    """
    if min(n_frames, height, width) < 1 or fps < 0.001:
        raise StoreError(
            f"cannot write {path}: {n_frames} frames of {height} x {width} px, {fps} per second; "
            f"give at least 1 and a positive rate"
        )
    frame_bytes = height * width
    step = 8 + frame_bytes + frame_bytes % 2
    if n_frames * (step + 16) > MAX_BYTES:
        raise StoreError(
            f"cannot write {path}: {n_frames} frames of {height} x {width} px make more than "
            f"1.9 GB, too much for AVI; write a .ser file"
        )
    images = checked_frames(path, frames, n_frames=n_frames, shape=(height, width), dtype="uint8")
    with atomic_write(path) as file:
        file.write(_file_header(n_frames, height, width, fps, step))
        for image in images:
            file.write(struct.pack("<4sI", b"00db", frame_bytes))
            file.write(image.data)
            file.write(bytes(frame_bytes % 2))
        _write_index(file, n_frames, frame_bytes, step)


def _file_header(n_frames: int, height: int, width: int, fps: float, step: int) -> bytes:
    """Make everything that comes before the chunk of the first frame."""
    frame_bytes = height * width
    rate = round(fps * 1000)
    # The height is positive: in Y800 the top row comes first in any case.
    avih = struct.pack(
        "<14I", round(1e6 / fps), round(frame_bytes * fps) & 0xFFFFFFFF, 0, _HAS_INDEX, n_frames,
        0, 1, frame_bytes, width, height, 0, 0, 0, 0,
    )  # fmt: skip
    strh = struct.pack(
        "<4s4sIHHIIIIIIII4H", b"vids", b"Y800", 0, 0, 0, 0, 1000, rate, 0, n_frames, frame_bytes,
        0xFFFFFFFF, 0, 0, 0, min(width, 0xFFFF), min(height, 0xFFFF),
    )  # fmt: skip
    strf = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 8, b"Y800", frame_bytes, 0, 0, 0, 0)
    strl = b"strl" + _chunk(b"strh", strh) + _chunk(b"strf", strf)
    header = _chunk(b"LIST", b"hdrl" + _chunk(b"avih", avih) + _chunk(b"LIST", strl))
    movi = struct.pack("<4sI4s", b"LIST", 4 + n_frames * step, b"movi")
    index_bytes = 8 + 16 * n_frames
    riff_bytes = 4 + len(header) + len(movi) + n_frames * step + index_bytes
    return struct.pack("<4sI4s", b"RIFF", riff_bytes, b"AVI ") + header + movi


def _chunk(fourcc: bytes, content: bytes) -> bytes:
    return fourcc + len(content).to_bytes(4, "little") + content


def _write_index(file: BinaryIO, n_frames: int, frame_bytes: int, step: int) -> None:
    """Write ``idx1``: every frame is a key frame, places count from the word ``movi``."""
    entries = np.zeros(n_frames, [("id", "S4"), ("flags", "<u4"), ("at", "<u4"), ("n", "<u4")])
    entries["id"], entries["flags"], entries["n"] = b"00db", _KEY_FRAME, frame_bytes
    entries["at"] = 4 + step * np.arange(n_frames)
    file.write(struct.pack("<4sI", b"idx1", 16 * n_frames))
    file.write(entries.data)
