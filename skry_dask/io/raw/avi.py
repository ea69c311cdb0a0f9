"""Uncompressed AVI, read in place.

Such files are exact, and any frame is found at once, so they get a reader of their own; every AVI
with a codec goes to `io.video.ffmpeg`. `avi_layout` knows how a frame lies in its chunk, `riff`
finds the chunks.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.atomic import atomic_write, checked_frames
from skry_dask.io.containers.riff import AviHeader, find_frames, is_avi, read_avi_header
from skry_dask.io.files import check_range, reading
from skry_dask.io.raw.avi_layout import Layout, is_uncompressed, layout_of
from skry_dask.io.reader import CaptureInfo

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from io import FileIO
    from typing import BinaryIO

    from skry_dask.types import AnyArray, Frames, IntArray

__all__ = ["AviReader", "is_uncompressed", "write_avi"]

# Lengths within an AVI 1.0 file have 32 bits, and many programs take them for signed.
MAX_BYTES = 1_900_000_000


class AviReader:
    """Uncompressed AVI, mono of 8 or 16 bits or RGB; any number of frames in any order.

    Frames that were dropped while recording and frames that are incomplete are left out; the others
    keep their numbers in the file, ``info.number``.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ReaderError
        Not such a file, or no complete frame in it.
    """

    path: Path
    files: tuple[Path, ...]
    info: CaptureInfo

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.files = (self.path,)
        problems: list[str] = []
        with reading(self.path) as file:
            size = file.seek(0, 2)
            header = self._header(file, size)
            self._layout, self._starts, numbers = self._find(file, size, header, problems)
        layout = self._layout
        codec = layout.name if layout.name != "DIB" else header.fourcc.strip(" \0")
        self.info = CaptureInfo(
            format=f"AVI {layout.name}",
            n_frames=len(self._starts),
            height=layout.height,
            width=layout.width,
            dtype=layout.dtype.name,
            bits=8 * layout.dtype.itemsize,
            channels=layout.channels,
            # Frames missing at the end change no number.
            number=numbers if numbers[-1] >= len(numbers) else None,
            attrs={"codec": codec} | ({} if header.fps is None else {"fps": header.fps}),
            problems=tuple(problems),
        )

    def read(self, start: int, stop: int) -> Frames:
        """Read frames `start` to ``stop - 1``.

        Parameters
        ----------
        start, stop
            Frame numbers, counted from 0; frames that are left out have none.

        Returns
        -------
        uint8 or uint16 (frame, y, x), or uint8 (frame, y, x, channel) with channels red, green and
        blue; full range, top row first, native byte order.

        Raises
        ------
        ReaderError
            The file does not have these frames, or cannot be read.
        """
        check_range(self.path, start, stop, len(self._starts))
        frames = np.empty((stop - start, *self.info.frame_shape), self._layout.dtype)
        with reading(self.path) as file:
            self._layout.read(file, self._starts[start:stop], frames)
        return frames

    def _header(self, file: FileIO, size: int) -> AviHeader:
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
                f"{header.fourcc!r} with {header.bits} bits; open it with open_reader()"
            )
        if header.width < 1 or header.height == 0:
            raise ReaderError(
                f"{self.path} has a damaged header: width {header.width}, height "
                f"{header.height}; at least 1 x 1 px can be read, record or copy it again"
            )
        return header

    def _find(
        self, file: FileIO, size: int, header: AviHeader, problems: list[str]
    ) -> tuple[Layout, IntArray, IntArray]:
        """Find complete frames.

        Returns the layout, and int64 (frame) places in the file, bytes, and numbers in the file.
        """
        starts, lengths, damaged = find_frames(file, size, header.stream)
        full = lengths[lengths > 0]
        # One file is either padded or not; a damaged chunk does not decide it.
        layout = layout_of(header, int(np.median(full)) if full.size else 0, problems)
        # A header can claim a frame of more than 2**63 bytes.
        needed = min(layout.chunk_bytes, size + 1)
        numbers = np.flatnonzero((lengths >= needed) & (starts + needed <= size))
        if not numbers.size:
            raise ReaderError(
                f"{self.path} holds no complete frame of {layout.width} x {layout.height} px in "
                f"{len(lengths)} video chunks; record or copy it again"
            )
        n_empty = len(lengths) - len(full)
        if n_empty:
            problems.append(
                f"{n_empty} frames were dropped while recording (empty chunks); the others keep "
                f"their numbers."
            )
        if n_broken := len(full) - len(numbers):
            problems.append(
                f"{n_broken} frames are incomplete (a chunk too short, or the end of the file) "
                f"and are left out."
            )
        if damaged is not None:
            problems.append(
                f"What follows byte {damaged} of {size} is no AVI chunk; frames after it cannot be "
                f"found."
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
        The file to write; replaced if it is there.
    frames
        uint8 arrays (y, x).
    n_frames
        How many there are.
    height, width
        Size of a frame, px.
    fps
        Frames per second, kept to 0.001.

    Raises
    ------
    StoreError
        A value does not fit the other ones, the file would be too long for its format (1.9 GB), or
        it cannot be written.
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
        file.write(_avi_header(n_frames, height, width, fps, step))
        for image in images:
            file.write(struct.pack("<4sI", b"00db", frame_bytes))
            file.write(image.data)
            file.write(bytes(frame_bytes % 2))
        _write_index(file, n_frames, frame_bytes, step)


def _avi_header(n_frames: int, height: int, width: int, fps: float, step: int) -> bytes:
    """Everything before the first frame's chunk."""
    frame_bytes = height * width
    rate = round(fps * 1000)
    # dwFlags 0x10: the file has an index. Top row first needs no negative height in a Y800.
    avih = struct.pack(
        "<14I", round(1e6 / fps), round(frame_bytes * fps) & 0xFFFFFFFF, 0, 0x10, n_frames, 0, 1,
        frame_bytes, width, height, 0, 0, 0, 0,
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


def _chunk(identifier: bytes, content: bytes) -> bytes:
    return identifier + len(content).to_bytes(4, "little") + content


def _write_index(file: BinaryIO, n_frames: int, frame_bytes: int, step: int) -> None:
    """Write idx1: every frame a key frame, places counted from the word ``movi``."""
    entries = np.zeros(n_frames, [("id", "S4"), ("flags", "<u4"), ("at", "<u4"), ("n", "<u4")])
    entries["id"], entries["flags"], entries["n"] = b"00db", 0x10, frame_bytes
    entries["at"] = 4 + step * np.arange(n_frames)
    file.write(struct.pack("<4sI", b"idx1", 16 * n_frames))
    file.write(entries.data)
