"""Layout of a frame in its chunk of an uncompressed AVI.

Two kinds are in use. A DIB is Microsoft's bitmap: palette indices, or blue, green, red and, with 32
bits, a byte that is ignored, or pixels of 16 or 32 bits with masks (`bit_fields`); bottom row first
unless the height is negative; rows padded to 4 bytes. A plane is grey values of 8 or 16 bits with a
FourCC of its own (Y800, Y16...): top row first whatever the sign of the height, rows padded by some
programs and not by others.

FFmpeg converts a grey palette through YUV, which is wrong by up to 1, and does not read FourCCs
other than Y800. Here palettes are looked up, so that values are exact.

If the bytes are those of the frame, they are read straight into it. Otherwise rows are read in
bands of about 256 KiB, which stay in the processor's cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.io.containers.avi import BITFIELDS
from skry_dask.io.files import prefetch, read_into
from skry_dask.io.lookup_table import look_up
from skry_dask.io.raw.bit_fields import BitFields

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skry_dask.io.containers.avi import AviHeader
    from skry_dask.io.files import BinaryFile
    from skry_dask.types import AnyArray, Frames, IntArray

_DIB_FOURCCS = (b"\0\0\0\0", b"DIB ", b"RAW ")
_DIB_BITS = (8, 24, 32)
_BIT_FIELD_BITS = (16, 32)
# Bytes of a sample, by the FourCC of a plane.
_PLANES = {b"Y800": 1, b"Y8  ": 1, b"Y8\0\0": 1, b"GREY": 1, b"Y16 ": 2, b"Y1\0\x10": 2}
_BAND_BYTES = 1 << 18


def is_uncompressed(header: AviHeader) -> bool:
    """Return whether the layout of the frames of a video is known here.

    Parameters
    ----------
    header
        Header of the video.

    Returns
    -------
    bool
        True for DIBs of 8, 24 and 32 bits, for those of 16 and 32 bits with masks, and for planes
        of 8 and 16 bits. Other DIBs, YUV and codecs take a decoder.
    """
    if header.compression in _PLANES:
        return True
    if header.compression == BITFIELDS:
        return header.bits in _BIT_FIELD_BITS
    return header.compression in _DIB_FOURCCS and header.bits in _DIB_BITS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """Places of the samples of a frame in its chunk.

    Parameters
    ----------
    name
        Name of the layout, for people.
    height, width
        Size of a frame, px.
    pixel_bytes
        Bytes of a stored pixel: 1 for an index or grey value; 2 for a grey value of 16 bits
        (little-endian); 3 for blue, green, red; 4 for these and a byte that is ignored; 2 or 4 for
        bit fields.
    stride
        Bytes from one row to the next.
    bottom_up
        Whether the bottom row comes first.
    palette
        uint8 (256) or (256, 3): grey value, or red, green and blue, of each index; None if samples
        are grey values themselves.
    fields
        Places of the colours in a pixel, if they are bit fields.
    big_endian
        Whether the high byte of a grey value of 16 bits comes first.
    """

    name: str
    height: int
    width: int
    pixel_bytes: int
    stride: int
    bottom_up: bool = False
    palette: NDArray[np.uint8] | None = None
    fields: BitFields | None = None
    big_endian: bool = False

    @property
    def channels(self) -> int:
        """1, or 3: red, green, blue."""
        if self.fields is not None:
            return self.fields.channels
        has_colours = self.palette is not None and self.palette.ndim == 2
        return 3 if has_colours or self.pixel_bytes > 2 else 1

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """Type of a sample: uint8 or uint16, native byte order."""
        return np.dtype(np.uint16) if self.bits > 8 else np.dtype(np.uint8)

    @property
    def bits(self) -> int:
        """Depth of the samples: ``2**bits - 1`` is white."""
        if self.fields is not None:
            return self.fields.bits
        return 16 if self.pixel_bytes == 2 else 8

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a complete chunk."""
        return self.stride * self.height

    def read(self, file: BinaryFile, starts: IntArray, frames: Frames) -> None:
        """Read frames into an array.

        Parameters
        ----------
        file
            An unbuffered file.
        starts
            int64 (frame): first byte of the content of each chunk.
        frames
            C-contiguous (frame, y, x) or (frame, y, x, channel) of `dtype` and `channels`.

        Raises
        ------
        ReaderError
            If the file ends before the last of them.
        """
        is_stored_as_is = self._is_stored_as_is
        band = self._make_band()
        for frame, start in zip(frames, starts.tolist(), strict=True):
            if is_stored_as_is:
                read_into(file, start, frame)
                continue
            as_stored = frame[::-1] if self.bottom_up else frame
            for first in range(0, self.height, len(band)):
                rows = band[: self.height - first]
                read_into(file, start + first * self.stride, rows)
                pixels = rows[:, : self.width * self.pixel_bytes]
                self._convert(pixels, as_stored[first : first + len(rows)])

    @property
    def _is_stored_as_is(self) -> bool:
        """Whether the bytes of a chunk are those of the frame."""
        is_plain = self.pixel_bytes <= 2 and self.palette is None and not self.bottom_up
        is_plain = is_plain and self.fields is None
        is_native = self.pixel_bytes == 1 or self._grey.isnative
        return is_plain and is_native and self.stride == self.width * self.pixel_bytes

    @property
    def _grey(self) -> np.dtype[np.uint16]:
        """Type of grey values of 16 bits as they are stored."""
        return np.dtype(">u2" if self.big_endian else "<u2")

    def _make_band(self) -> NDArray[np.uint8]:
        """Allocate a band of rows, empty if none is needed."""
        max_rows = max(1, _BAND_BYTES // self.stride)
        n_rows = 0 if self._is_stored_as_is else min(self.height, max_rows)
        return np.empty((n_rows, self.stride), np.uint8)

    def read_part(
        self, file: BinaryFile, starts: IntArray, rows: range, columns: range, part: Frames
    ) -> None:
        """Read the same rows and columns of some frames into an array.

        Parameters
        ----------
        file, starts
            As for `read`.
        rows, columns
            Consecutive ones that a frame has.
        part
            (frame, y, x) or (frame, y, x, channel), as large.

        Raises
        ------
        ReaderError
            If the file ends before the last of them.
        """
        stored = np.empty((len(rows), self.stride), np.uint8)
        first = self.height - rows.stop if self.bottom_up else rows.start
        at = columns.start * self.pixel_bytes
        offsets = (starts + first * self.stride).tolist()
        prefetch(file, ((offset, offset + stored.nbytes) for offset in offsets))
        for target, offset in zip(part, offsets, strict=True):
            read_into(file, offset, stored)
            as_stored = target[::-1] if self.bottom_up else target
            self._convert(stored[:, at : at + len(columns) * self.pixel_bytes], as_stored)

    def _convert(self, samples: NDArray[np.uint8], target: AnyArray) -> None:
        """Convert stored pixels, uint8 (y, byte), to (y, x) or (y, x, channel)."""
        if self.fields is not None:
            self.fields.convert(samples.view(f"<u{self.pixel_bytes}"), target)
        elif self.pixel_bytes == 2:
            target[...] = samples.view(self._grey)
        elif self.pixel_bytes > 2:
            # One channel at a time: copying runs of three bytes takes NumPy five times as long.
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
    """Return the layout of the frames of a video.

    Parameters
    ----------
    header
        Header of a video that `is_uncompressed` accepts, with a width and a height.
    chunk_bytes
        Usual length of a chunk in this file, which shows whether rows are padded; the header does
        not say.
    problems
        What is wrong with the file is appended, one sentence each.
    """
    is_dib = header.compression in (*_DIB_FOURCCS, BITFIELDS)
    pixel_bytes = header.bits // 8 if is_dib else _PLANES[header.compression]
    height, row_bytes = abs(header.height), header.width * pixel_bytes
    padded_bytes = (row_bytes + 3) // 4 * 4
    has_palette = is_dib and pixel_bytes == 1
    return Layout(
        name="DIB" if is_dib else "Y16" if pixel_bytes == 2 else header.codec.strip(" \0"),
        height=height,
        width=header.width,
        pixel_bytes=pixel_bytes,
        stride=padded_bytes if chunk_bytes >= padded_bytes * height else row_bytes,
        bottom_up=is_dib and header.height > 0,
        palette=_parse_palette(header.palette, problems) if has_palette else None,
        fields=BitFields.of(header.masks, header.bits) if header.masks else None,
    )


def _parse_palette(stored: bytes, problems: list[str]) -> NDArray[np.uint8] | None:
    """Return the grey value (256) or colour (256, 3) of each index; None if they are the indices.

    Indices beyond the end of a short palette are taken for grey values.
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
