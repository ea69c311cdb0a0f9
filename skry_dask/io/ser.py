"""SER: raw video of planetary cameras, read in place.

A header of 178 bytes, frames without padding, then optionally one time stamp per frame. The layout
is that of "SER format description, version 3" (Heiko Wilkens and Grischa Hahn, 2014). Where capture
programs depart from it (byte order, frame counts, time stamps), what they write wins.

`SerReader` reads a frame with one seek and one read: no index, no memory besides the result.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.atomic import atomic_write, checked_frames
from skry_dask.io.files import check_range, fill, reading
from skry_dask.io.reader import CaptureInfo
from skry_dask.io.ser_header import (
    COLOURS,
    FILE_ID,
    HEADER_BYTES,
    MONO,
    UNIX_EPOCH,
    SerHeader,
    describe,
    is_ser,
    read_times,
    text_field,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from io import FileIO

    from skry_dask.types import AnyArray, Frames

_UINT16 = {"little": np.dtype("<u2"), "big": np.dtype(">u2")}
_SAMPLED_FRAMES = 5
_SAMPLED_ROWS = 256


class SerReader:
    """Mono SER video of 8 to 16 bits, any number of frames in any order.

    Parameters
    ----------
    path
        The file.
    byte_order
        How samples of 16 bits are stored, where it is known; by default what the header and the
        picture say.

    Raises
    ------
    ReaderError
        Not a SER file, a colour video, or no complete frame in it.
    """

    path: Path
    files: tuple[Path, ...]
    info: CaptureInfo

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        byte_order: Literal["little", "big"] | None = None,
    ) -> None:
        self.path = Path(path)
        self.files = (self.path,)
        problems: list[str] = []
        with reading(self.path) as file:
            size = file.seek(0, 2)
            header = self._header(file, size, problems)
            n_frames = _count_frames(header, size, problems)
            if not n_frames:
                raise ReaderError(
                    f"{self.path} holds no complete frame: it has {size} bytes, one frame needs "
                    f"{HEADER_BYTES + header.frame_bytes}; record or copy it again"
                )
            self._frame_bytes = header.frame_bytes
            self._shape = (header.height, header.width)
            self._stored = np.dtype("u1" if header.bits <= 8 else "<u2")
            if header.bits > 8:
                self._stored = self._sample_type(file, header, n_frames, byte_order, problems)
            time = read_times(file, header, n_frames, size, problems)
        self.info = CaptureInfo(
            format="SER",
            n_frames=n_frames,
            height=header.height,
            width=header.width,
            dtype=self._stored.newbyteorder("native").name,
            bits=header.bits,
            time=time,
            attrs=describe(header),
            problems=tuple(problems),
        )

    def read(self, start: int, stop: int) -> Frames:
        """Read frames `start` to ``stop - 1``.

        Parameters
        ----------
        start, stop
            Frame numbers, counted from 0.

        Returns
        -------
        uint8 or uint16 (frame, y, x), raw samples in [0, 2**bits - 1], native byte order.

        Raises
        ------
        ReaderError
            The file does not have these frames, or cannot be read.
        """
        check_range(self.path, start, stop, self.info.n_frames or 0)
        frames = np.empty((stop - start, *self._shape), self._stored)
        with reading(self.path) as file:
            fill(file, HEADER_BYTES + start * self._frame_bytes, frames)
        if not frames.dtype.isnative:
            frames = frames.byteswap(inplace=True).view(frames.dtype.newbyteorder("native"))
        return frames

    def _header(self, file: FileIO, size: int, problems: list[str]) -> SerHeader:
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
        if header.colour_id in COLOURS:
            raise ReaderError(
                f"{self.path} is a colour video (ColorID {header.colour_id}, "
                f"{COLOURS[header.colour_id]}): colour raw video is not supported yet; "
                f"convert it to mono"
            )
        if header.colour_id != MONO:
            raise ReaderError(
                f"{self.path} has the unknown ColorID {header.colour_id}; 0 (mono) can be read, "
                f"convert it to mono"
            )
        if not header.plausible:
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
        return header

    def _sample_type(
        self,
        file: FileIO,
        header: SerHeader,
        n_frames: int,
        byte_order: Literal["little", "big"] | None,
        problems: list[str],
    ) -> np.dtype[np.uint16]:
        if byte_order is None and header.little_endian == 0:
            byte_order = "little"
        if byte_order is None or header.bits < 16:
            bright = self._brightest(file, n_frames)
            byte_order = byte_order or _byte_order(header, bright, problems)
            _check_depth(bright.view(_UINT16[byte_order]), header.bits, problems)
        return _UINT16[byte_order]

    def _brightest(self, file: FileIO, n_frames: int) -> AnyArray:
        """Return the frame with most light of a few spread over the file, as stored."""
        best, most = None, -1
        for number in np.unique(np.linspace(0, n_frames - 1, _SAMPLED_FRAMES).astype(int)):
            frame = np.empty(self._shape, self._stored)
            fill(file, HEADER_BYTES + int(number) * self._frame_bytes, frame)
            # The sum of all bytes says "bright" without knowing their order.
            light = int(frame.view(np.uint8).sum(dtype=np.uint64))
            if light > most:
                best, most = frame, light
        return np.asarray(best)


def _count_frames(header: SerHeader, size: int, problems: list[str]) -> int:
    present = max(size - HEADER_BYTES, 0) // header.frame_bytes
    if header.n_frames <= 0:
        problems.append(
            f"The header claims {header.n_frames} frames; the file has room for {present}, which "
            f"are read."
        )
        return present
    if header.n_frames > present:
        problems.append(
            f"The header claims {header.n_frames} frames; {present} complete ones are there and "
            f"are read."
        )
    return min(header.n_frames, present)


def _byte_order(
    header: SerHeader, bright: AnyArray, problems: list[str]
) -> Literal["little", "big"]:
    """Tell from the picture how samples are stored, where the flag is not 0.

    The specification says that 1 means little-endian. Nearly every program writes little-endian
    samples with 0, and some took the field for "is big-endian" and write 1 with big-endian ones. So
    0 is clear, and 1 is decided by the picture: with its bytes swapped a picture is noise.
    """
    rows = bright[:: max(1, len(bright) // _SAMPLED_ROWS)]
    little, big = (_roughness(rows.view(order)) for order in ("<u2", ">u2"))
    # Where one byte of all samples is zero, either order gives the same picture.
    planes = rows.view(np.uint8).reshape(-1, 2)
    chosen: Literal["little", "big"] = "big" if big < little and planes.any(0).all() else "little"
    problems.append(
        f"The header's byte order flag is {header.little_endian}, which programs use for either "
        f"order; {chosen}-endian gives the smoother picture and is used."
    )
    return chosen


def _roughness(rows: AnyArray) -> float:
    return float(np.abs(np.diff(rows.astype(np.int32), axis=1)).sum(dtype=np.float64))


def _check_depth(bright: AnyArray, bits: int, problems: list[str]) -> None:
    brightest = int(bright.max())
    if brightest >= 2**bits:
        problems.append(
            f"The header states {bits} bits, but samples reach {brightest}: brightness is scaled "
            f"wrongly."
        )


def write_ser(
    path: str | os.PathLike[str],
    frames: Iterable[AnyArray],
    *,
    n_frames: int,
    height: int,
    width: int,
    bits: int,
    time: AnyArray | None = None,
    observer: str = "",
    instrument: str = "",
    telescope: str = "",
) -> None:
    """Write a mono SER video, completely or not at all.

    Parameters
    ----------
    path
        The file to write; replaced if it is there.
    frames
        Arrays (y, x), uint8 for 8 bits, else uint16, samples in [0, 2**bits - 1].
    n_frames
        How many there are.
    height, width
        Size of a frame, px.
    bits
        Depth, 8 to 16.
    time
        int64 (frame), ns since 1970-01-01 UTC; stored to 100 ns.
    observer, instrument, telescope
        For the header; the first 40 bytes are kept.

    Raises
    ------
    StoreError
        A value does not fit the format or the other ones, or the file cannot be written.
    """
    if not 8 <= bits <= 16:
        raise StoreError(f"cannot write {path} with {bits} bits: SER holds 8 to 16")
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
    # Flag 0 with little-endian samples is what nearly every program writes and expects.
    header = SerHeader(
        file_id=FILE_ID,
        lu_id=0,
        colour_id=MONO,
        little_endian=0,
        width=width,
        height=height,
        bits=bits,
        n_frames=n_frames,
        observer=text_field(observer),
        instrument=text_field(instrument),
        telescope=text_field(telescope),
        date_local=date,
        date_utc=date,
    )
    dtype = "uint8" if bits == 8 else "uint16"
    images = checked_frames(path, frames, n_frames=n_frames, shape=(height, width), dtype=dtype)
    with atomic_write(path) as file:
        file.write(header.pack())
        for image in images:
            file.write(image.astype(image.dtype.newbyteorder("<"), copy=False).data)
        file.write(ticks.astype("<i8").data)
