"""The chunks of an AVI file.

An AVI file is a RIFF file: chunks of (FourCC, length, bytes), some of which hold chunks themselves
(Microsoft, "AVI RIFF File Reference", and the OpenDML extensions 1.02 of 1996 for files over 2 GB).

Capture programs crash, and then write neither lengths nor index; others write wrong ones. So the
lengths of lists and the index are not used: the walk steps *into* every list and *over* every other
chunk, which finds the frames of all RIFFs of a file, finished or not. It costs one seek and one
read of 12 bytes per frame (0.2 s for 100 000 frames in the page cache).
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.errors import ReaderError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path

    from skry_dask.types import IntArray

_LISTS = (b"RIFF", b"LIST")
_STREAM_HEADER_BYTES = 56
_FORMAT_BYTES = 124 + 256 * 4  # the longest header of a bitmap (BITMAPV5HEADER) and its palette


class Chunk(NamedTuple):
    """One chunk; of a list its beginning, of a place that is no chunk only `start`.

    Parameters
    ----------
    identifier
        FourCC, or empty where the bytes are no chunk.
    start, length
        Place of the content in the file, bytes. `length` may reach beyond the end of the file.
    kind
        FourCC of a list's content, else empty.
    """

    identifier: bytes
    start: int
    length: int
    kind: bytes = b""


def walk(file: FileIO, size: int) -> Iterator[Chunk]:
    """Go through all chunks, in the order of the file.

    Parameters
    ----------
    file
        A RIFF file.
    size
        Its size, bytes.

    Yields
    ------
    Chunk. A chunk without identifier is the last one: nothing can be found after it.
    """
    position, odd = 0, False
    while position + 8 <= size:
        file.seek(position)
        head = file.read(12)
        if not _is_fourcc(head[:4]) and odd:
            # Chunks of odd length are padded, but not by every program.
            position -= 1
            file.seek(position)
            head = file.read(12)
        identifier, length = head[:4], int.from_bytes(head[4:8], "little")
        if not _is_fourcc(identifier):
            yield Chunk(b"", position, 0)
            return
        if identifier in _LISTS:
            yield Chunk(identifier, position + 12, length, head[8:12])
            position, odd = position + 12, False
        else:
            yield Chunk(identifier, position + 8, length)
            odd = bool(length % 2)
            position += 8 + length + odd


def _is_fourcc(identifier: bytes) -> bool:
    return (
        len(identifier) == 4 and identifier.isascii() and identifier.decode("ascii").isprintable()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AviHeader:
    """What an AVI file says of its first video stream.

    Parameters
    ----------
    stream
        Number of the stream; its chunks are named after it.
    compression
        FourCC of the codec, or four zero bytes: none.
    bits
        Bits per pixel.
    width, height
        Size of a frame, px; a negative height means that the top row comes first.
    palette
        Colours as (blue, green, red, unused), as many as there are.
    fps
        Frames per second, or None.
    n_frames
        What the header claims; often wrong.
    """

    stream: int
    compression: bytes
    bits: int
    width: int
    height: int
    palette: bytes
    fps: float | None
    n_frames: int

    @property
    def fourcc(self) -> str:
        """The codec's name for people."""
        return self.compression.decode("latin-1") if any(self.compression) else "uncompressed"


def is_avi(head: bytes) -> bool:
    """Say whether a file that begins so is an AVI file."""
    return head[:4] == b"RIFF" and head[8:12] == b"AVI "


def read_avi_header(file: FileIO, size: int, path: Path) -> AviHeader:
    """Find the first video stream and its format.

    Parameters
    ----------
    file
        The file.
    size
        Its size, bytes.
    path
        Its name, for messages.

    Raises
    ------
    ReaderError
        There is no video stream, or no complete description of it.
    """
    stream, description = -1, b""
    for chunk in walk(file, size):
        if not chunk.identifier or chunk.kind == b"movi":
            break
        if chunk.identifier == b"strh":
            stream += 1
            description = _content(file, chunk, _STREAM_HEADER_BYTES)
        elif chunk.identifier == b"strf" and description[:4] == b"vids":
            header = _stream_format(stream, description, _content(file, chunk, _FORMAT_BYTES))
            if header is not None:
                return header
            break
    raise ReaderError(
        f"{path} is an AVI file without a description of a video stream: its header is damaged, "
        f"or it holds sound only; record or copy it again"
    )


def _content(file: FileIO, chunk: Chunk, most: int) -> bytes:
    file.seek(chunk.start)
    return file.read(min(chunk.length, most))


def _stream_format(stream: int, description: bytes, content: bytes) -> AviHeader | None:
    if len(description) < 36 or len(content) < 40:
        return None

    def number(source: bytes, at: int) -> int:
        return int.from_bytes(source[at : at + 4], "little", signed=True)

    scale, rate = number(description, 20), number(description, 24)
    n_colours = number(content, 32) or 256
    palette = content[max(number(content, 0), 40) :]
    return AviHeader(
        stream=stream,
        compression=content[16:20],
        bits=int.from_bytes(content[14:16], "little"),
        width=number(content, 4),
        height=number(content, 8),
        palette=palette[: 4 * max(0, min(n_colours, len(palette) // 4))],
        fps=rate / scale if rate > 0 and scale > 0 else None,
        n_frames=number(description, 32),
    )


def find_frames(file: FileIO, size: int, stream: int) -> tuple[IntArray, IntArray, int | None]:
    """Find the chunks of a video stream in all RIFFs of a file.

    Parameters
    ----------
    file
        The file.
    size
        Its size, bytes.
    stream
        Number of the stream.

    Returns
    -------
    starts, lengths
        int64 (chunk), bytes; in the order of the file.
    damaged
        Where the file stops making sense, bytes; None if it does not.
    """
    names = (b"%02ddb" % stream, b"%02ddc" % stream)
    # Not lists: a chunk has at least 8 bytes, a pair of Python's numbers about 80.
    starts, lengths = array("q"), array("q")
    damaged = None
    for chunk in walk(file, size):
        if chunk.identifier in names:
            starts.append(chunk.start)
            lengths.append(chunk.length)
        elif not chunk.identifier:
            damaged = chunk.start
    return np.frombuffer(starts, np.int64), np.frombuffer(lengths, np.int64), damaged
