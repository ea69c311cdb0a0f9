"""Header and video chunks of an AVI file.

An AVI file is a RIFF file; one of more than 2 GB consists of several (OpenDML extensions 1.02,
1996).

Capture programs that crash leave lengths of lists and the index unwritten, and others write wrong
ones. Neither is used here: the walk enters every list, whatever its length, and visits every chunk.
That finds the frames of finished and unfinished files alike.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.containers.riff import walk_chunks

if TYPE_CHECKING:
    from skry_dask.io.containers.riff import Chunk
    from skry_dask.io.files import BinaryFile
    from skry_dask.io.remote_file import FilePath
    from skry_dask.types import IntArray

BITFIELDS = b"\3\0\0\0"
"""Compression of an uncompressed video whose pixels are taken apart by masks."""

_STREAM_HEADER_BYTES = 56
# The longest bitmap header (BITMAPV5HEADER) and its palette.
_STREAM_FORMAT_BYTES = 124 + 256 * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AviHeader:
    """Format of the first video stream of an AVI file.

    Parameters
    ----------
    stream
        Number of the stream, by which its chunks are named.
    compression
        FourCC of the codec; four zero bytes mean uncompressed.
    bits
        Bits per pixel.
    width, height
        Size of a frame, px; a negative height means that the top row comes first.
    palette
        Colours as (blue, green, red, unused) bytes; may have fewer than 256 entries.
    masks
        Bits of red, green and blue in a pixel, if the compression is `BITFIELDS`; else empty.
    fps
        Frames per second, or None.
    n_frames
        Frame count that the header states; often wrong.
    """

    stream: int
    compression: bytes
    bits: int
    width: int
    height: int
    palette: bytes
    masks: tuple[int, ...]
    fps: float | None
    n_frames: int

    @property
    def codec(self) -> str:
        """Name of the codec for messages: its FourCC, "bit fields" or "uncompressed"."""
        if self.compression == BITFIELDS:
            return "bit fields"
        return self.compression.decode("latin-1") if any(self.compression) else "uncompressed"


def is_avi(head: bytes) -> bool:
    """Return whether a file is an AVI file.

    Parameters
    ----------
    head
        At least the first 12 bytes of the file.
    """
    return head[:4] == b"RIFF" and head[8:12] == b"AVI "


def read_avi_header(file: BinaryFile, size: int, path: FilePath) -> AviHeader:
    """Read the format of the first video stream.

    Parameters
    ----------
    file
        The AVI file.
    size
        Size of the file, bytes.
    path
        Path of the file, for messages.

    Raises
    ------
    ReaderError
        If there is no video stream, or its description is not complete.
    """
    stream, stream_header = -1, b""
    for chunk in walk_chunks(file, size):
        if not chunk.fourcc or chunk.list_type == b"movi":
            break
        if chunk.fourcc == b"strh":
            stream += 1
            stream_header = _read_content(file, chunk, _STREAM_HEADER_BYTES)
        elif chunk.fourcc == b"strf" and stream_header[:4] == b"vids":
            stream_format = _read_content(file, chunk, _STREAM_FORMAT_BYTES)
            header = _parse_stream(stream, stream_header, stream_format)
            if header is not None:
                return header
            break
    raise ReaderError(
        f"{path} is an AVI file without a description of a video stream: its header is damaged, "
        f"or it holds sound only; record or copy it again"
    )


def _read_content(file: BinaryFile, chunk: Chunk, max_bytes: int) -> bytes:
    file.seek(chunk.start)
    return file.read(min(chunk.length, max_bytes))


def _parse_stream(stream: int, stream_header: bytes, stream_format: bytes) -> AviHeader | None:
    """Parse the content of ``strh`` and of ``strf``, a BITMAPINFO; None if one is too short."""
    if len(stream_header) < 36 or len(stream_format) < 40:
        return None

    def int32(source: bytes, offset: int) -> int:
        return int.from_bytes(source[offset : offset + 4], "little", signed=True)

    scale, rate = int32(stream_header, 20), int32(stream_header, 24)
    n_colours = int32(stream_format, 32) or 256
    palette = stream_format[max(int32(stream_format, 0), 40) :]
    compression, masks = stream_format[16:20], stream_format[40:52]
    has_masks = compression == BITFIELDS and len(masks) == 12
    return AviHeader(
        stream=stream,
        compression=compression,
        bits=int.from_bytes(stream_format[14:16], "little"),
        width=int32(stream_format, 4),
        height=int32(stream_format, 8),
        palette=palette[: 4 * max(0, min(n_colours, len(palette) // 4))],
        masks=struct.unpack("<3I", masks) if has_masks else (),
        fps=rate / scale if rate > 0 and scale > 0 else None,
        n_frames=int32(stream_header, 32),
    )


def find_video_chunks(
    file: BinaryFile, size: int, stream: int
) -> tuple[IntArray, IntArray, int | None]:
    """Find the chunks of a video stream, in all RIFFs of a file.

    Parameters
    ----------
    file
        The AVI file.
    size
        Size of the file, bytes.
    stream
        Number of the stream.

    Returns
    -------
    starts, lengths
        int64 (chunk): first byte of the content in the file and its stated length, bytes; in the
        order of the file.
    damaged_at
        Byte from which on the file holds no chunks, or None if it holds them to its end.
    """
    fourccs = (b"%02ddb" % stream, b"%02ddc" % stream)
    # 8 bytes for each number; a list of Python integers takes about 40.
    starts, lengths = array("q"), array("q")
    damaged_at = None
    for chunk in walk_chunks(file, size):
        if chunk.fourcc in fourccs:
            starts.append(chunk.start)
            lengths.append(chunk.length)
        elif not chunk.fourcc:
            damaged_at = chunk.start
    return np.frombuffer(starts, np.int64), np.frombuffer(lengths, np.int64), damaged_at
