"""PNG (ISO/IEC 15948): up to 8 bits through Pillow, 16 bits through FFmpeg, written here.

Pillow reduces colour of 16 bits to 8 and does not write it. FFmpeg decodes it exactly, but takes an
image whose data end early for complete. Neither limits how much memory the compressed texts of a
file take. So the chunks of a file are checked here, and only those that the image needs are
decoded.

`imagecodecs` would replace the decoder and the writer of 16 bits (50 lines), but none of the
checks, stores no texts, and is a dependency of 26 MB.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from skry_dask.io.files import open_for_reading
from skry_dask.io.images.guards import (
    DEFLATE_RATIO,
    check_image_size,
    damaged,
    row_bands,
    translate_errors,
)
from skry_dask.io.images.image_format import (
    ImageFormat,
    ImageHeader,
    ImageKind,
    describe,
    software_name,
)
from skry_dask.io.images.orientation import UPRIGHT, parse_orientation, turn, turned
from skry_dask.io.images.pillow_pixels import decode_pixels

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from skry_dask.io.files import BinaryFile
    from skry_dask.types import AnyArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_IMAGE_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_MAX_TEXT_BYTES, _MAX_EXIF_BYTES = 2**24, 2**16

# Colour types: grey, colour, palette; with transparency grey and colour.
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_SAMPLES = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGB_ALPHA: 4}
_DEPTHS = {
    _GREY: (1, 2, 4, 8, 16),
    _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _GREY_ALPHA: (8, 16),
    _RGB_ALPHA: (8, 16),
}
_FFMPEG_FORMATS = {1: "gray16be", 2: "ya16be", 3: "rgb48be", 4: "rgba64be"}


class PngFormat(ImageFormat):
    """PNG; metadata are stored as the text "Description"."""

    name = "PNG"
    suffixes = (".png",)
    kinds: ClassVar[Mapping[ImageKind, str]] = {ImageKind.PNG16: "uint16", ImageKind.PNG8: "uint8"}

    def recognises(self, head: bytes) -> bool:
        """Return whether a file starts with the signature of PNG."""
        return head.startswith(_SIGNATURE)

    def read_header(self, path: Path) -> ImageHeader:
        """Read the header and what is stored before the image."""
        with open_for_reading(path) as file:
            size = file.seek(0, 2)
            header = _read_header(path, file, size)
            channels, description = 1 if header.colour_type in (_GREY, _GREY_ALPHA) else 3, ""
            for name, start, length in _walk_chunks(path, file, size):
                if name == b"PLTE":
                    file.seek(start)
                    colours = np.frombuffer(file.read(min(length, 768) // 3 * 3), np.uint8)
                    if header.colour_type == _PALETTE and length:
                        channels = 1 if (colours[::3] == colours.reshape(-1, 3).T).all() else 3
                elif name == b"tEXt" and length <= _MAX_TEXT_BYTES:
                    file.seek(start)
                    keyword, _, text = file.read(length).partition(b"\0")
                    if keyword == b"Description":
                        description = text.decode("latin-1")
                elif name == b"IDAT" and _has_end(file, size):
                    break  # the texts that are written here stand before the image
            orientation = _read_orientation(path, file, size)
        found = ImageHeader(
            format=self.name,
            height=header.height,
            width=header.width,
            channels=channels,
            dtype="uint16" if header.depth == 16 else "uint8",
            bits=16 if header.depth == 16 else 8,
            description=description,
        )
        return turned(found, orientation)

    def decode(self, path: Path) -> Generator[AnyArray]:
        """Decode the image upright; fewer than 8 bits are spread to 8, palettes are looked up."""
        with open_for_reading(path) as file:
            size = file.seek(0, 2)
            header = _read_header(path, file, size)
            orientation = _read_orientation(path, file, size)
            content, compressed = _read_image_chunks(path, file, size)
        with translate_errors(path, self.name):
            if header.depth == 16:
                if not header.is_interlaced:
                    _check_length(path, compressed, header.height * (1 + header.row_bytes))
                del compressed
                pixels = _decode_16_bits(path, content, header)
            else:
                from PIL import Image

                del compressed
                with Image.open(BytesIO(content), formats=(self.name,)) as image:
                    del content
                    pixels = decode_pixels(path, self.name, image)
        yield turn(pixels, orientation)

    def encode(self, samples: AnyArray, metadata: Mapping[str, Any]) -> bytes:
        """Make a PNG."""
        height, width = samples.shape[:2]
        colour_type = _RGB if samples.ndim == 3 else _GREY
        header = struct.pack(">IIBBBBB", width, height, 8 * samples.itemsize, colour_type, 0, 0, 0)
        texts = {"Software": software_name(), "Description": describe(metadata)}
        chunks = [
            _chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + text.encode("latin-1"))
            for keyword, text in texts.items()
        ]
        return b"".join(
            [
                _SIGNATURE,
                _chunk(b"IHDR", header),
                *chunks,
                _chunk(b"IDAT", _compress(samples)),
                _chunk(b"IEND", b""),
            ]
        )


class _Header(NamedTuple):
    """Content of IHDR: size in px, bits per sample, colour type."""

    height: int
    width: int
    depth: int
    colour_type: int
    is_interlaced: bool

    @property
    def n_samples(self) -> int:
        """Samples of a pixel, with transparency."""
        return _SAMPLES[self.colour_type]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row without its filter byte, for 8 bits or more."""
        return self.width * self.n_samples * self.depth // 8


def _read_header(path: Path, file: BinaryFile, size: int) -> _Header:
    """Read IHDR; refuse what takes too much memory, or cannot be in a file of this size."""
    file.seek(0)
    head = file.read(33)
    if len(head) < 33 or head[:8] != _SIGNATURE or head[12:16] != b"IHDR":
        raise damaged(path, "PNG", f"it begins with {head[:16]!r}")
    if zlib.crc32(head[12:29]) != int.from_bytes(head[29:33], "big"):
        raise damaged(path, "PNG", "the checksum of its header is wrong")
    width, height, depth, colour_type, compression, filters, interlace = struct.unpack(
        ">IIBBBBB", head[16:29]
    )
    if depth not in _DEPTHS.get(colour_type, ()) or compression or filters or interlace > 1:
        raise damaged(path, "PNG", f"its header names no known kind: {head[24:29]!r}")
    header = _Header(height, width, depth, colour_type, bool(interlace))
    n_samples = header.n_samples
    if depth == 16:
        pixel_bytes = 2 * n_samples + 2 * (1 if n_samples < 3 else 3)
    else:
        is_grey = n_samples < 3 and colour_type != _PALETTE
        pixel_bytes = (4 if n_samples > 1 else 1) + (1 if is_grey else 3)
    check_image_size(path, size, height, width, size + height * width * pixel_bytes)
    needed = height * width * n_samples * depth // 8
    if needed > DEFLATE_RATIO * size:
        raise damaged(path, "PNG", f"{needed} bytes of picture cannot be packed into {size}")
    return header


def _walk_chunks(path: Path, file: BinaryFile, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk of a file: its name, first byte of its content, and length in bytes."""
    position = len(_SIGNATURE)
    while position + 12 <= size:
        file.seek(position)
        length, name = struct.unpack(">I4s", file.read(8))
        if position + 12 + length > size:
            break
        yield name, position + 8, length
        if name == b"IEND":
            return
        position += 12 + length
    raise damaged(path, "PNG", f"it ends too early, at byte {size}")


def _read_orientation(path: Path, file: BinaryFile, size: int) -> int:
    """Find the orientation in an Exif chunk before the image."""
    for name, start, length in _walk_chunks(path, file, size):
        if name == b"eXIf":
            file.seek(start)
            return parse_orientation(file.read(min(length, _MAX_EXIF_BYTES)))
        if name == b"IDAT":
            break
    return UPRIGHT


def _has_end(file: BinaryFile, size: int) -> bool:
    """Return whether the file ends with IEND: then it is complete, without walking to its end."""
    file.seek(max(size - 12, 0))
    return file.read(8) == b"\0\0\0\0IEND"


def _read_image_chunks(
    path: Path, file: BinaryFile, size: int
) -> tuple[bytearray, list[memoryview]]:
    """Read a PNG without texts, times and profiles.

    Returns
    -------
    content
        A PNG of the chunks that the image needs.
    compressed
        Contents of its IDAT chunks.
    """
    content, compressed = bytearray(_SIGNATURE), []
    for name, start, length in _walk_chunks(path, file, size):
        if name not in _IMAGE_CHUNKS:
            continue
        file.seek(start - 8)
        chunk = memoryview(file.read(length + 12))
        if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            raise damaged(path, "PNG", f"the checksum of its chunk at byte {start - 8} is wrong")
        content += chunk
        if name == b"IDAT":
            compressed.append(chunk[8:-4])
    return content, compressed


def _check_length(path: Path, compressed: list[memoryview], expected: int) -> None:
    """Refuse data that unpack to less than the image: FFmpeg would leave rows undefined."""
    unpacker, n_found = zlib.decompressobj(), 0
    for packed in compressed:
        rest: bytes | memoryview = packed
        while rest and n_found < expected:
            n_found += len(unpacker.decompress(rest, 2**20))
            rest = unpacker.unconsumed_tail
    n_found += len(unpacker.flush(2**10)) if n_found < expected else 0
    if n_found < expected:
        raise damaged(path, "PNG", f"its picture has {n_found} of {expected} bytes")


def _decode_16_bits(path: Path, content: bytearray, header: _Header) -> AnyArray:
    import av

    context = av.CodecContext.create("png", "r")
    context.thread_count = 1
    frames = [*context.decode(av.Packet(bytes(content))), *context.decode(None)]
    if len(frames) != 1 or frames[0].is_corrupt:
        raise damaged(path, "PNG", "its picture cannot be decoded")
    frame, n_samples = frames[0], header.n_samples
    expected = (_FFMPEG_FORMATS[n_samples], header.height, header.width)
    if (frame.format.name, frame.height, frame.width) != expected:
        raise damaged(path, "PNG", f"FFmpeg decodes it as {frame.format.name}")
    plane = frame.planes[0]
    stored = np.ndarray(
        (header.height, header.width, n_samples),
        ">u2",
        buffer=memoryview(plane),
        strides=(plane.line_size, 2 * n_samples, 2),
    )
    visible = stored[..., 0] if n_samples < 3 else stored[..., :3]
    return visible.astype(np.uint16)


def _compress(samples: AnyArray) -> bytearray:
    """Compress an image as IDAT stores it: in each row the differences between neighbours."""
    height, width = samples.shape[:2]
    row_bytes = samples[0].nbytes
    pixel_bytes = row_bytes // width
    stored = samples.astype(samples.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    packer = zlib.compressobj(6)
    packed = bytearray()
    for rows in row_bands(height, row_bytes):
        # The first byte names the filter, 1 ("Sub"): smooth images compress best that way.
        filtered = np.ones((rows.stop - rows.start, row_bytes + 1), np.uint8)
        filtered[:, 1:] = stored[rows]
        filtered[:, 1 + pixel_bytes :] -= stored[rows, :-pixel_bytes]
        packed += packer.compress(filtered.data)
    packed += packer.flush()
    return packed


def _chunk(name: bytes, content: bytes | bytearray) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(name))
    return b"".join([len(content).to_bytes(4, "big"), name, content, checksum.to_bytes(4, "big")])
