"""PNG (ISO/IEC 15948): images of 8 bits and less through Pillow, of 16 bits through FFmpeg.

Pillow reduces colour of 16 bits to 8; FFmpeg's decoder gives the samples as they are. But it takes
a picture whose data end early for complete, and neither of the two bounds how far the texts of a
file unpack. So the file's parts are read here, their checksums compared, and what the picture does
not need is left out. Writing is here too: Pillow writes no colour of 16 bits.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.io.files import reading
from skry_dask.io.images.image_format import (
    DEFLATE_RATIO,
    Still,
    check_size,
    damaged,
    decoding,
    rows_per_block,
)
from skry_dask.io.images.pillow import pixels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path

    from skry_dask.types import AnyArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type; 4 and 6 have transparency
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_MAX_TEXT_BYTES = 2**24


def inspect(path: Path) -> Still:
    """Read a PNG's header.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ReaderError
        Not a PNG, or one that is damaged or was cut off.
    """
    with reading(path) as file:
        size = file.seek(0, 2)
        height, width, depth, kind, _ = _header(path, file)
        _check(path, size, height, width, depth, kind)
        channels, text = 3 if kind in (2, 3, 6) else 1, ""
        for name, start, length in _chunks(path, file, size):
            if name == b"PLTE":
                file.seek(start)
                colours = np.frombuffer(file.read(min(length, 768) // 3 * 3), np.uint8)
                if kind == 3 and length:
                    channels = 1 if (colours[::3] == colours.reshape(-1, 3).T).all() else 3
            elif name == b"tEXt" and length <= _MAX_TEXT_BYTES:
                file.seek(start)
                keyword, _, value = file.read(length).partition(b"\0")
                text = value.decode("latin-1") if keyword == b"Description" else text
            elif name == b"IDAT" and _ends(file, size):
                break  # what we write stands before the picture
    return Still(
        format="PNG",
        height=height,
        width=width,
        channels=channels,
        dtype="uint16" if depth == 16 else "uint8",
        bits=16 if depth == 16 else 8,
        text=text,
    )


def images(path: Path) -> Iterator[AnyArray]:
    """Decode a PNG.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    uint8 or uint16 (y, x) or (y, x, 3); fewer than 8 bits are spread to 8, palettes looked up.

    Raises
    ------
    ReaderError
        It is damaged.
    """
    with reading(path) as file:
        size = file.seek(0, 2)
        height, width, depth, kind, interlaced = _header(path, file)
        _check(path, size, height, width, depth, kind)
        content = _picture(path, file, size)
    with decoding(path, "PNG"):
        if depth == 16:
            if not interlaced:
                _check_length(path, content, height * (1 + 2 * width * _SAMPLES[kind]))
            yield _decode_16(path, content, (height, width, _SAMPLES[kind]))
            return
        from PIL import Image

        with Image.open(BytesIO(content), formats=("PNG",)) as image:
            del content
            yield pixels(path, "PNG", image)


def _header(path: Path, file: FileIO) -> tuple[int, int, int, int, bool]:
    """Return height and width, px, bits per sample, colour type, and whether it is interlaced."""
    file.seek(0)
    head = file.read(33)
    if len(head) < 33 or head[:8] != SIGNATURE or head[12:16] != b"IHDR":
        raise damaged(path, "PNG", f"it begins with {head[:16]!r}")
    if zlib.crc32(head[12:29]) != int.from_bytes(head[29:33], "big"):
        raise damaged(path, "PNG", "the checksum of its header is wrong")
    width, height, depth, kind, method, filters, interlace = struct.unpack(">IIBBBBB", head[16:29])
    if depth not in _DEPTHS.get(kind, ()) or method or filters or interlace > 1:
        raise damaged(path, "PNG", f"its header names no known kind: {head[24:29]!r}")
    return height, width, depth, kind, bool(interlace)


def _check(path: Path, size: int, height: int, width: int, depth: int, kind: int) -> None:
    """Refuse what would take too much memory, or cannot be in a file of this size."""
    samples = _SAMPLES[kind]
    if depth == 16:
        per_pixel = 2 * samples + 2 * (1 if samples < 3 else 3)
    else:
        per_pixel = (4 if samples > 1 else 1) + (1 if samples < 3 and kind != 3 else 3)
    check_size(path, size, height, width, size + height * width * per_pixel)
    needed = height * width * samples * depth // 8
    if needed > DEFLATE_RATIO * size:
        raise damaged(path, "PNG", f"{needed} bytes of picture cannot be packed into {size}")


def _chunks(path: Path, file: FileIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, place and length of the content, bytes, of each part of a file."""
    place = 8
    while place + 12 <= size:
        file.seek(place)
        length, name = struct.unpack(">I4s", file.read(8))
        if place + 12 + length > size:
            break
        yield name, place + 8, length
        if name == b"IEND":
            return
        place += 12 + length
    raise damaged(path, "PNG", f"it ends too early, at byte {size}")


def _ends(file: FileIO, size: int) -> bool:
    """Tell whether a file's last part is the end of a PNG: then its parts need not be counted."""
    file.seek(max(size - 12, 0))
    return file.read(8) == b"\0\0\0\0IEND"


def _picture(path: Path, file: FileIO, size: int) -> bytearray:
    """Read what the picture needs of a file: a PNG without texts, times and profiles."""
    content = bytearray(SIGNATURE)
    for name, start, length in _chunks(path, file, size):
        if name not in _NEEDED:
            continue
        file.seek(start - 8)
        chunk = file.read(length + 12)
        if zlib.crc32(memoryview(chunk)[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            raise damaged(path, "PNG", f"the checksum of its part at byte {start - 8} is wrong")
        content += chunk
    return content


def _check_length(path: Path, content: bytearray, expected: int) -> None:
    """Refuse data that unpack to less than the picture: FFmpeg would leave the rest as it is."""
    unpack, found, place = zlib.decompressobj(), 0, 8
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        if content[place + 4 : place + 8] == b"IDAT":
            packed: bytes = bytes(content[place + 8 : place + 8 + length])
            while packed and found < expected:
                found += len(unpack.decompress(packed, 2**20))
                packed = unpack.unconsumed_tail
        place += length + 12
    found += len(unpack.flush(2**10)) if found < expected else 0
    if found < expected:
        raise damaged(path, "PNG", f"its picture has {found} of {expected} bytes")


def _decode_16(path: Path, content: bytearray, shape: tuple[int, int, int]) -> AnyArray:
    import av

    height, width, samples = shape
    context = av.CodecContext.create("png", "r")
    context.thread_count = 1
    frames = [*context.decode(av.Packet(bytes(content))), *context.decode(None)]
    if len(frames) != 1 or frames[0].is_corrupt:
        raise damaged(path, "PNG", "its picture cannot be decoded")
    frame = frames[0]
    name = {1: "gray16be", 2: "ya16be", 3: "rgb48be", 4: "rgba64be"}[samples]
    if (frame.format.name, frame.height, frame.width) != (name, height, width):
        raise damaged(path, "PNG", f"FFmpeg decodes it as {frame.format.name}")
    plane = frame.planes[0]
    stored = np.ndarray(
        shape,
        ">u2",
        buffer=memoryview(plane),
        strides=(plane.line_size, 2 * samples, 2),
    )
    return stored[..., 0].astype(np.uint16) if samples < 3 else stored[..., :3].astype(np.uint16)


def encode(samples: AnyArray, texts: dict[str, str]) -> bytes:
    """Make a PNG of an image.

    Parameters
    ----------
    samples
        uint8 or uint16 (y, x) or (y, x, 3).
    texts
        Keyword and text, Latin-1; stored before the picture.

    Returns
    -------
    The bytes of the file.
    """
    height, width = samples.shape[:2]
    kind = 2 if samples.ndim == 3 else 0
    header = struct.pack(">IIBBBBB", width, height, 8 * samples.itemsize, kind, 0, 0, 0)
    parts = [SIGNATURE, _chunk(b"IHDR", header)]
    parts += [
        _chunk(b"tEXt", key.encode("latin-1") + b"\0" + text.encode("latin-1"))
        for key, text in texts.items()
    ]
    row = np.dtype(samples.dtype).itemsize * samples[0].size
    pixel = row // width
    rows = samples.astype(samples.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    pack = zlib.compressobj(6)
    packed = bytearray()
    for block in rows_per_block(height, row):
        # Filter 1: each byte less that of the pixel to its left, which smooth images like.
        filtered = np.ones((block.stop - block.start, row + 1), np.uint8)
        filtered[:, 1:] = rows[block]
        filtered[:, 1 + pixel :] -= rows[block, :-pixel]
        packed += pack.compress(filtered.data)
    packed += pack.flush()
    return b"".join([*parts, _chunk(b"IDAT", bytes(packed)), _chunk(b"IEND", b"")])


def _chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(content, zlib.crc32(name))
    return b"".join([len(content).to_bytes(4, "big"), name, content, crc.to_bytes(4, "big")])
