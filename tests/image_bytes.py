"""Image files put together from their specifications, byte by byte, with struct and zlib only.

Neither the readers nor their libraries share code with this.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def png_chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG with its checksum."""
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def png(
    samples: np.ndarray,
    depth: int,
    colour_type: int,
    *,
    palette: bytes = b"",
    interlaced: bool = False,
    extra: bytes = b"",
) -> bytes:
    """PNG (ISO/IEC 15948) of samples (y, x, sample); rows use all of the five filters in turn."""
    height, width = samples.shape[:2]

    def filtered(image: np.ndarray) -> bytes:
        if not image.size:
            return b""
        if depth < 8:
            bits = np.unpackbits(image.astype(np.uint8).reshape(len(image), -1, 1), axis=2)
            rows = np.packbits(bits[..., 8 - depth :].reshape(len(image), -1), axis=1)
        else:
            rows = image.astype(f">u{depth // 8}").reshape(len(image), -1).view(np.uint8)
        step = max(1, depth * samples.shape[2] // 8)
        content, above = b"", [0] * rows.shape[1]
        for y, row in enumerate(rows.tolist()):
            left = [0] * step + row[:-step]
            corner = [0] * step + above[:-step]
            predicted = {
                0: [0] * len(row),
                1: left,
                2: above,
                3: [(a + b) // 2 for a, b in zip(left, above, strict=True)],
                4: [paeth(*abc) for abc in zip(left, above, corner, strict=True)],
            }[y % 5]
            content += bytes([y % 5])
            content += bytes((v - g) % 256 for v, g in zip(row, predicted, strict=True))
            above = row
        return content

    passes = [(0, 0, 1, 1)]
    if interlaced:  # Adam7: first column, first row, steps
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4)]
        passes += [(1, 0, 2, 2), (0, 1, 1, 2)]
    pixels = b"".join(filtered(samples[y::dy, x::dx]) for x, y, dx, dy in passes)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, int(interlaced))
    content = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra
    content += png_chunk(b"PLTE", palette) if palette else b""
    packed = zlib.compress(pixels)
    middle = len(packed) // 2
    content += png_chunk(b"IDAT", packed[:middle]) + png_chunk(b"IDAT", packed[middle:])
    return content + png_chunk(b"IEND", b"")


def paeth(left: int, above: int, corner: int) -> int:
    """The predictor of the fifth filter of PNG."""
    estimate = left + above - corner
    return min((left, above, corner), key=lambda value: abs(estimate - value))


def bmp(
    pixels: np.ndarray, bits: int, *, top_down: bool = False, palette: np.ndarray | None = None
) -> bytes:
    """BMP of indices (y, x) with a palette of colours (entry, 3), or of colours (y, x, 3)."""
    height, width = pixels.shape[:2]
    colours = b"" if palette is None else np.pad(palette[:, ::-1], ((0, 0), (0, 1))).tobytes()
    if bits <= 8:
        digits = np.unpackbits(pixels.astype(np.uint8)[..., None], axis=2)[..., 8 - bits :]
        rows = np.packbits(digits.reshape(height, -1), axis=1)
    else:
        rows = pixels[..., ::-1]
        if bits == 32:
            rows = np.pad(rows, ((0, 0), (0, 0), (0, 1)), constant_values=77)
        rows = rows.reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)), constant_values=99)
    content = (rows if top_down else rows[::-1]).astype(np.uint8).tobytes()
    start = 54 + len(colours)
    header = struct.pack("<2sIHHI", b"BM", start + len(content), 0, 0, start)
    header += struct.pack(
        "<IiiHHIIiiII", 40, width, -height if top_down else height, 1, bits, 0, len(content),
        2835, 2835, len(colours) // 4, 0,
    )  # fmt: skip
    return header + colours + content


_TIFF_TYPES = {"H": 3, "I": 4}


def tiff(
    pages: Sequence[np.ndarray],
    *,
    order: str = "<",
    planar: bool = False,
    photometric: int | None = None,
    deflate: bool = False,
    rows_per_strip: int = 4,
    colours: np.ndarray | None = None,
) -> bytes:
    """TIFF 6.0 of pages (y, x) or (y, x, sample), in strips; planar: a strip holds one sample."""
    content = bytearray((b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 42))
    content += bytes(4)
    link = 4  # offset of the field for the place of the next page's directory
    for page in pages:
        samples = page.reshape(*page.shape[:2], -1)
        height, width, n_samples = samples.shape
        planes = [samples[..., k : k + 1] for k in range(n_samples)] if planar else [samples]
        starts, lengths = [], []
        for plane in planes:
            for y in range(0, height, rows_per_strip):
                strip = plane[y : y + rows_per_strip]
                strip = strip.astype(strip.dtype.newbyteorder(order)).tobytes()
                strip = zlib.compress(strip) if deflate else strip
                starts.append(len(content))
                lengths.append(len(strip))
                content += strip + bytes(len(strip) % 2)
        kind = photometric if photometric is not None else (2 if n_samples > 2 else 1)
        extra = n_samples - (3 if kind == 2 else 1)
        tags: list[tuple[int, str, list[int]]] = [
            (256, "I", [width]),
            (257, "I", [height]),
            (258, "H", [8 * page.dtype.itemsize] * n_samples),
            (259, "H", [8 if deflate else 1]),
            (262, "H", [kind]),
            (273, "I", starts),
            (277, "H", [n_samples]),
            (278, "I", [rows_per_strip]),
            (279, "I", lengths),
            (284, "H", [2 if planar else 1]),
            (339, "H", [{"u": 1, "i": 2, "f": 3}[page.dtype.kind]] * n_samples),
        ]
        tags += [(338, "H", [0] * extra)] if extra else []
        tags += [] if colours is None else [(320, "H", colours.T.reshape(-1).tolist())]
        entries = b""
        for tag, code, values in sorted(tags):
            value = struct.pack(f"{order}{len(values)}{code}", *values)
            if len(value) > 4:
                place = len(content)
                content += value + bytes(len(value) % 2)
                value = struct.pack(f"{order}I", place)
            entries += struct.pack(f"{order}HHI", tag, _TIFF_TYPES[code], len(values))
            entries += value.ljust(4, b"\0")
        content[link : link + 4] = struct.pack(f"{order}I", len(content))
        content += struct.pack(f"{order}H", len(tags)) + entries
        link = len(content)
        content += bytes(4)
    return bytes(content)


def fits(data: np.ndarray, cards: dict[str, object] | None = None, *, first: str = "") -> bytes:
    """FITS 4.0 of numbers as they are stored; `cards` follow the mandatory ones."""
    bitpix = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}[data.dtype.str[1:]]
    shape = {f"NAXIS{k + 1}": n for k, n in enumerate(data.shape[::-1])}
    all_cards = {"BITPIX": bitpix, "NAXIS": data.ndim, **shape, **(cards or {})}
    header = first or f"{'SIMPLE':8}= {'T':>20}".ljust(80)
    for key, value in all_cards.items():
        text = f"'{value:8}'".ljust(20) if isinstance(value, str) else f"{value!r:>20}"
        header += f"{key:8}= {text}".ljust(80)
    header += "END".ljust(80)
    header = header.ljust(-(-len(header) // 2880) * 2880)
    content = data.astype(data.dtype.newbyteorder(">")).tobytes() if data.ndim else b""
    return header.encode("ascii") + content.ljust(-(-len(content) // 2880) * 2880, b"\0")
