"""How the bytes of an uncompressed AVI chunk become a frame.

Two kinds are in use. A DIB is Microsoft's bitmap: indices into a palette, or blue, green, red (and
with 32 bits a byte without meaning); bottom row first unless the height is negative; rows padded to
4 bytes. A plane is grey values of 8 or 16 bits with a name of its own (Y800, Y16...): top row first
whatever the sign of the height, rows padded by some programs and not by others.

FFmpeg converts a palette's greys through YUV, which is wrong by up to 1; here the palette is looked
up, so the values are exact. Names other than Y800 it does not read at all.

Where the bytes are the frame, they are read straight into it; everything else goes through a block
of rows of about 256 KiB, which stays in the processor's cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.io.files import fill
from skry_dask.io.lookup_table import look_up

if TYPE_CHECKING:
    from io import FileIO

    from numpy.typing import NDArray

    from skry_dask.io.containers.riff import AviHeader
    from skry_dask.types import AnyArray, Frames, IntArray

_BITMAPS = (b"\0\0\0\0", b"DIB ", b"RAW ")
_BITMAP_BITS = (8, 24, 32)
# Names of planes, and the bytes of a sample.
_PLANES = {b"Y800": 1, b"Y8  ": 1, b"Y8\0\0": 1, b"GREY": 1, b"Y16 ": 2, b"Y1\0\x10": 2}
_BLOCK_BYTES = 1 << 18


def is_uncompressed(header: AviHeader) -> bool:
    """Say whether a video stream's frames are laid out in a way known here.

    Parameters
    ----------
    header
        What `read_avi_header` found.

    Returns
    -------
    True for bitmaps of 8, 24 and 32 bits and for planes of 8 and 16; bitmaps of 16 bits, YUV and
    codecs take a decoder.
    """
    if header.compression in _PLANES:
        return True
    return header.compression in _BITMAPS and header.bits in _BITMAP_BITS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """Where the samples of a frame are in its chunk.

    Parameters
    ----------
    name
        What the layout is called, for people.
    height, width
        Size of a frame, px.
    pixel_bytes
        Bytes of a pixel as stored, 1 to 4: an index or grey value, a grey value of 16 bits
        (little-endian), or blue, green, red and, with 4, a byte that is ignored.
    stride
        Bytes from one row to the next.
    bottom_up
        Whether the bottom row comes first.
    palette
        uint8 (value) or (value, channel): the grey value, or red, green and blue, of each of 256
        indices; None where samples mean themselves.
    """

    name: str
    height: int
    width: int
    pixel_bytes: int
    stride: int
    bottom_up: bool = False
    palette: NDArray[np.uint8] | None = None

    @property
    def channels(self) -> int:
        """1, or 3: red, green, blue."""
        of_colours = self.palette is not None and self.palette.ndim == 2
        return 3 if of_colours or self.pixel_bytes > 2 else 1

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """Type of a sample: uint8 or uint16, native byte order."""
        return np.dtype(np.uint16) if self.pixel_bytes == 2 else np.dtype(np.uint8)

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a complete chunk."""
        return self.stride * self.height

    def read(self, file: FileIO, places: IntArray, frames: Frames) -> None:
        """Read frames.

        Parameters
        ----------
        file
            An unbuffered file.
        places
            int64 (frame): where their chunks' contents begin, bytes.
        frames
            C-contiguous (frame, y, x) or (frame, y, x, channel) of `dtype` and `channels`, filled.

        Raises
        ------
        ReaderError
            The file ends before the last of them.
        """
        direct = self._is_direct
        block = self._block()
        for frame, place in zip(frames, places.tolist(), strict=True):
            if direct:
                fill(file, place, frame)
                continue
            target = frame[::-1] if self.bottom_up else frame
            for first in range(0, self.height, len(block)):
                rows = block[: self.height - first]
                fill(file, place + first * self.stride, rows)
                self._unpack(rows, target[first : first + len(rows)])

    @property
    def _is_direct(self) -> bool:
        """Whether a chunk's bytes are the frame's."""
        as_stored = self.pixel_bytes <= 2 and self.palette is None and not self.bottom_up
        # A byte is a byte in any order.
        native = self.pixel_bytes == 1 or np.dtype("<u2").isnative
        return as_stored and native and self.stride == self.width * self.pixel_bytes

    def _block(self) -> NDArray[np.uint8]:
        n_rows = 0 if self._is_direct else min(self.height, max(1, _BLOCK_BYTES // self.stride))
        return np.empty((n_rows, self.stride), np.uint8)

    def _unpack(self, stored: NDArray[np.uint8], target: AnyArray) -> None:
        """Convert rows: uint8 (y, byte) as stored to (y, x) or (y, x, channel)."""
        samples = stored[:, : self.width * self.pixel_bytes]
        if self.pixel_bytes == 2:
            target[...] = samples.view("<u2")
        elif self.pixel_bytes > 2:
            # Channel by channel: runs of three bytes take numpy five times as long.
            for channel in range(3):
                target[..., channel] = samples[:, 2 - channel :: self.pixel_bytes]
        elif self.palette is None:
            target[...] = samples
        elif self.palette.ndim == 1:
            target[...] = look_up(self.palette, samples)
        else:
            for channel in range(3):
                target[..., channel] = look_up(self.palette[:, channel], samples)


def layout_of(header: AviHeader, chunk_bytes: int, problems: list[str]) -> Layout:
    """Find the layout of a stream's frames.

    Parameters
    ----------
    header
        Of a stream that `is_uncompressed` accepts, with a width and a height.
    chunk_bytes
        What is usual in this file: says whether rows are padded, which the header does not.
    problems
        What is wrong is appended, one sentence each.
    """
    is_bitmap = header.compression in _BITMAPS
    pixel_bytes = header.bits // 8 if is_bitmap else _PLANES[header.compression]
    height, row_bytes = abs(header.height), header.width * pixel_bytes
    padded = (row_bytes + 3) // 4 * 4
    indexed = is_bitmap and pixel_bytes == 1
    return Layout(
        name="DIB" if is_bitmap else "Y16" if pixel_bytes == 2 else header.fourcc.strip(" \0"),
        height=height,
        width=header.width,
        pixel_bytes=pixel_bytes,
        stride=padded if chunk_bytes >= padded * height else row_bytes,
        bottom_up=is_bitmap and header.height > 0,
        palette=_palette(header.palette, problems) if indexed else None,
    )


def _palette(stored: bytes, problems: list[str]) -> NDArray[np.uint8] | None:
    """Return the grey value (256) or colour (256, 3) of each index; None where they are the same.

    Indices beyond the end of a short palette are taken as grey values.
    """
    colours = np.frombuffer(stored, np.uint8).reshape(-1, 4)[:256, 2::-1]
    if not colours.size:
        return None
    if not colours.any():
        problems.append(
            "The palette is black throughout; the stored values are taken as grey values."
        )
        return None
    palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    palette[: len(colours)] = colours
    if (palette != palette[:, :1]).any():
        return palette
    greys = np.ascontiguousarray(palette[:, 0])
    return None if (greys == np.arange(256)).all() else greys
