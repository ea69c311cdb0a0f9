"""SER, raw video of planetary cameras, read in place.

A header of 178 bytes, frames without padding, then optionally one time stamp for each frame ("SER
format description, version 3", Heiko Wilkens and Grischa Hahn, 2014). Where capture programs depart
from it (byte order, frame count, time stamps), what they write is followed.

Frames are read with one seek and one read: no index, and no memory besides the result. Bytes are
swapped, and blue, green, red reordered, in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.atomic import atomic_write, checked_frames
from skry_dask.io.files import (
    as_file,
    check_frame_numbers,
    check_frame_range,
    open_for_reading,
    prefetch,
    read_into,
)
from skry_dask.io.raw.ser_correct import find_layout
from skry_dask.io.raw.ser_header import (
    BAYER,
    CMY,
    COLOURS,
    FILE_ID,
    HEADER_BYTES,
    INTERLEAVED,
    MONO,
    UNIX_EPOCH,
    SerHeader,
    encode_text,
    header_attributes,
    is_ser,
)
from skry_dask.io.raw.ser_samples import UINT16, detect_byte_order
from skry_dask.io.raw.ser_times import read_times
from skry_dask.io.reader import CaptureInfo

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from skry_dask.io.files import BinaryFile
    from skry_dask.io.raw.ser_layout import SerLayout
    from skry_dask.io.raw.ser_samples import ByteOrder
    from skry_dask.io.remote_file import FilePath, PinnedFile
    from skry_dask.types import AnyArray, Frames, IntArray

_PIXELS_PER_SWAP = 1 << 15
# ColorIDs that `write_ser` can write.
_COLOUR_IDS = {name: number for number, name in (MONO | BAYER).items()} | {"RGB": 100}


class SerReader:
    """SER video of 8 to 16 bits, mono, raw colour or RGB; frames can be read in any order.

    Raw colour behind a filter array of red, green and blue is returned as it is stored, with its
    pattern in ``info.cfa``. Behind one of cyan, magenta and yellow it is taken for mono, with a
    problem.

    Parameters
    ----------
    path
        The file.
    byte_order
        Byte order of 16-bit samples, if it is known; by default, header and picture decide.

    Raises
    ------
    ReaderError
        If it is no SER file, its ColorID is unknown, or it holds no complete frame.
    """

    path: FilePath
    files: tuple[FilePath, ...]
    info: CaptureInfo

    def __init__(
        self, path: str | os.PathLike[str] | PinnedFile, *, byte_order: ByteOrder | None = None
    ) -> None:
        self.path = as_file(path)
        self.files = (self.path,)
        problems: list[str] = []
        with open_for_reading(self.path) as file:
            size = file.seek(0, 2)
            header = self._read_header(file, size, problems)
            layout = find_layout(self.path, file, header, size, problems)
            if not layout.n_frames:
                raise ReaderError(
                    f"{self.path} holds no complete frame: it has {size} bytes, one frame needs "
                    f"{HEADER_BYTES + header.frame_bytes}; record or copy it again"
                )
            header = layout.header
            self._frame_bytes, self._row_px = layout.frame_bytes, layout.row_px
            self._row_bytes, self._frame_rows = layout.row_bytes, layout.frame_rows
            self._stored_dtype, used_bits = self._find_dtype(file, layout, byte_order, problems)
            time = read_times(file, layout, size, problems)
        self._is_bgr = INTERLEAVED.get(header.colour_id) == "BGR"
        self.info = CaptureInfo(
            format="SER",
            n_frames=layout.n_frames,
            height=header.height,
            width=header.width,
            dtype=self._stored_dtype.newbyteorder("native").name,
            bits=header.bits,
            channels=header.channels,
            cfa=BAYER.get(header.colour_id),
            time=time,
            attrs=header_attributes(header) | used_bits,
            problems=tuple(problems),
        )

    def read(self, start: int, stop: int) -> Frames:
        """Read frames `start` to ``stop - 1``.

        Parameters
        ----------
        start, stop
            Counted from 0.

        Returns
        -------
        uint8 or uint16 (frame, y, x) or (frame, y, x, channel)
            Red, green, blue; samples as stored, in [0, 2**bits - 1]; native byte order.

        Raises
        ------
        ReaderError
            If the file does not have these frames, or cannot be read.
        """
        check_frame_range(self.path, start, stop, self.info.n_frames or 0)
        height, width, *channels = self.info.frame_shape
        stored_shape = (stop - start, self._frame_rows, self._row_px, *channels)
        frames = np.empty(stored_shape, self._stored_dtype)
        with open_for_reading(self.path) as file:
            read_into(file, HEADER_BYTES + start * self._frame_bytes, frames)
        if (height, width) != (self._frame_rows, self._row_px):
            frames = np.ascontiguousarray(frames[:, :height, :width])
        return self._in_native_order(frames)

    def read_part(self, frames: IntArray, rows: range, columns: range) -> Frames:
        """Read the same rows and columns of some frames.

        Parameters
        ----------
        frames
            int64 (frame), counted from 0.
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
        check_frame_numbers(self.path, frames, self.info.n_frames or 0)
        _, _, *channels = self.info.frame_shape
        band = np.empty((len(rows), self._row_px, *channels), self._stored_dtype)
        part = np.empty((len(frames), len(rows), len(columns), *channels), self._stored_dtype)
        first = HEADER_BYTES + rows.start * self._row_bytes
        with open_for_reading(self.path) as file:
            starts = (first + number * self._frame_bytes for number in frames.tolist())
            prefetch(file, ((start, start + band.nbytes) for start in starts))
            for number, target in zip(frames.tolist(), part, strict=True):
                read_into(file, first + number * self._frame_bytes, band)
                target[...] = band[:, columns.start : columns.stop]
        return self._in_native_order(part)

    def _in_native_order(self, frames: Frames) -> Frames:
        """Convert samples as they are stored: native byte order; red, green, blue."""
        if not frames.dtype.isnative:
            frames = frames.byteswap(inplace=True).view(frames.dtype.newbyteorder("native"))
        if self._is_bgr:
            _swap_red_and_blue(frames)
        return frames

    def _read_header(self, file: BinaryFile, size: int, problems: list[str]) -> SerHeader:
        file.seek(0)
        head = file.read(HEADER_BYTES)
        if not is_ser(head, size):
            raise ReaderError(
                f"{self.path} is not a SER file: it begins with {head[:14]!r}, not with "
                f"{FILE_ID!r}; check that it is the right file"
            )
        if len(head) < HEADER_BYTES:
            raise ReaderError(
                f"{self.path} ends within its header: {len(head)} of {HEADER_BYTES} bytes are "
                f"there; record or copy it again"
            )
        header = SerHeader.parse(head)
        if header.colour_id not in COLOURS:
            known = ", ".join(f"{number} {name}" for number, name in COLOURS.items())
            raise ReaderError(
                f"{self.path} has the unknown ColorID {header.colour_id}; known are {known}: "
                f"convert it to one of them, or record or copy it again"
            )
        if not header.is_plausible:
            raise ReaderError(
                f"{self.path} has a damaged header: width {header.width}, height {header.height}, "
                f"{header.bits} bits; 8 to 16 bits and at least 1 x 1 px can be read, record or "
                f"copy it again"
            )
        if not head.startswith(FILE_ID):
            problems.append(
                f"The file begins with {head[:14]!r}, not with {FILE_ID!r}; its size fits a SER "
                f"file, so it is read as one."
            )
        if header.colour_id in CMY:
            problems.append(
                f"The ColorID is {header.colour_id} ({CMY[header.colour_id]}): colours behind a "
                f"filter array of cyan, magenta and yellow are not restored, frames are read as "
                f"mono."
            )
        return header

    def _find_dtype(
        self,
        file: BinaryFile,
        layout: SerLayout,
        byte_order: ByteOrder | None,
        problems: list[str],
    ) -> tuple[np.dtype[np.unsignedinteger[Any]], dict[str, int]]:
        """Return the type of samples as they are stored, and which of their bits are used."""
        header = layout.header
        if header.bits <= 8:
            return np.dtype(np.uint8), {}

        def read_frame(number: int) -> AnyArray:
            samples = np.empty((header.height, layout.row_px, header.channels), np.uint16)
            read_into(file, HEADER_BYTES + number * layout.frame_bytes, samples)
            return samples[:, : header.width]

        order, used_bits = detect_byte_order(
            header, layout.n_frames, read_frame, byte_order, problems
        )
        return UINT16[order], used_bits


def _swap_red_and_blue(frames: Frames) -> None:
    """Exchange the first and the last channel of (frame, y, x, channel), in place.

    In runs of pixels that stay in the processor's cache and take little memory: 16 frames of
    1280 x 960 px x 8 bit take 21 ms, all at once 32.
    """
    pixels = frames.reshape(-1, 3)
    for first in range(0, len(pixels), _PIXELS_PER_SWAP):
        run = pixels[first : first + _PIXELS_PER_SWAP]
        blue = run[:, 0].copy()
        run[:, 0] = run[:, 2]
        run[:, 2] = blue


def write_ser(
    path: str | os.PathLike[str],
    frames: Iterable[AnyArray],
    *,
    n_frames: int,
    height: int,
    width: int,
    bits: int,
    colour: str = "mono",
    time: AnyArray | None = None,
    observer: str = "",
    instrument: str = "",
    telescope: str = "",
) -> None:
    """Write a SER video, completely or not at all.

    Parameters
    ----------
    path
        The file to write; replaced if it exists.
    frames
        Arrays (y, x), or (y, x, channel) of red, green and blue; uint8 for 8 bits, else uint16;
        samples in [0, 2**bits - 1].
    n_frames
        Number of frames.
    height, width
        Size of a frame, px.
    bits
        Depth, 8 to 16.
    colour
        ``"mono"``; for raw colour the pattern of its filter array, ``"RGGB"``, ``"GRBG"``,
        ``"GBRG"`` or ``"BGGR"``; or ``"RGB"``, three samples per pixel.
    time
        int64 (frame), ns since 1970-01-01 UTC; stored to 100 ns.
    observer, instrument, telescope
        Texts of the header; the first 40 bytes are stored.

    Raises
    ------
    StoreError
        If an argument is not allowed in the format or does not agree with the others, or the file
        cannot be written.
    """
    if not 8 <= bits <= 16:
        raise StoreError(f"cannot write {path} with {bits} bits: SER holds 8 to 16")
    if colour not in _COLOUR_IDS:
        raise StoreError(
            f"cannot write {path} with the colour {colour!r}; give one of {', '.join(_COLOUR_IDS)}"
        )
    if min(n_frames, height, width) < 1:
        raise StoreError(
            f"cannot write {path}: {n_frames} frames of {height} x {width} px; give at least 1"
        )
    ticks = np.zeros(0, np.int64)
    if time is not None:
        if time.shape != (n_frames,):
            raise StoreError(
                f"cannot write {path}: time has the shape {time.shape}; give ({n_frames},)"
            )
        ticks = time.astype(np.int64) // 100 + UNIX_EPOCH
    date = int(ticks[0]) if ticks.size else 0
    # Nearly every program writes and expects flag 0 with little-endian samples.
    header = SerHeader(
        file_id=FILE_ID,
        lu_id=0,
        colour_id=_COLOUR_IDS[colour],
        little_endian=0,
        width=width,
        height=height,
        bits=bits,
        n_frames=n_frames,
        observer=encode_text(observer),
        instrument=encode_text(instrument),
        telescope=encode_text(telescope),
        date_local=date,
        date_utc=date,
    )
    dtype = "uint8" if bits == 8 else "uint16"
    shape = (height, width, 3) if colour == "RGB" else (height, width)
    images = checked_frames(path, frames, n_frames=n_frames, shape=shape, dtype=dtype)
    with atomic_write(path) as file:
        file.write(header.pack())
        for image in images:
            file.write(image.astype(image.dtype.newbyteorder("<"), copy=False).data)
        file.write(ticks.astype("<i8").data)
