"""BMP, Windows' bitmap, through Pillow: palettes, grey of 8 bits, colour of 24 and 32 bits.

BMP has no field for metadata, but its header says where the pixels begin. What lies between the
header (or palette) and the pixels is skipped by readers: that is where metadata are stored.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar

from skry_dask.io.files import open_for_reading
from skry_dask.io.images.guards import check_image_size, damaged, translate_errors
from skry_dask.io.images.image_format import (
    ImageFormat,
    ImageHeader,
    ImageKind,
    describe,
    parse_description,
)
from skry_dask.io.images.pillow_pixels import (
    count_channels,
    decode_pixels,
    memory_bytes,
    open_image,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from skry_dask.types import AnyArray

_HEADER_BYTES = 54
# Sizes of the header's second half, by which its versions are told apart.
_INFO_HEADER_BYTES = (12, 40, 52, 56, 64, 108, 124)
_RUN_LENGTH_COMPRESSIONS = (1, 2)
_SIZE_AT, _PIXELS_AT = slice(2, 6), slice(10, 14)
_MAX_DESCRIPTION_BYTES = 2**20


class BmpFormat(ImageFormat):
    """BMP; metadata are stored between header and pixels."""

    name = "BMP"
    suffixes = (".bmp", ".dib")
    kinds: ClassVar[Mapping[ImageKind, str]] = {ImageKind.BMP: "uint8"}

    def recognises(self, head: bytes) -> bool:
        """Return whether a file starts with a BMP header; the letters BM alone prove nothing."""
        return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _INFO_HEADER_BYTES

    def read_header(self, path: Path) -> ImageHeader:
        """Read the header."""
        with open_for_reading(path) as file:
            head = file.read(_HEADER_BYTES)
            size = file.seek(0, 2)
        with translate_errors(path, self.name), open_image(path, self.name) as image:
            channels = count_channels(path, self.name, image)
            n_bytes = memory_bytes(image, channels)
            check_image_size(path, size, image.height, image.width, n_bytes)
            _check_length(path, head, size, image.height, image.width)
            description = _read_description(path, head)
            return ImageHeader(
                format=self.name,
                height=image.height,
                width=image.width,
                channels=channels,
                dtype="uint8",
                bits=8,
                description=description,
            )

    def decode(self, path: Path) -> Generator[AnyArray]:
        """Decode the image."""
        self.read_header(path)
        with translate_errors(path, self.name), open_image(path, self.name) as image:
            pixels = decode_pixels(path, self.name, image)
        yield pixels

    def encode(self, samples: AnyArray, metadata: Mapping[str, Any]) -> bytes:
        """Make a BMP: grey of 8 bits with a palette, or colour of 24 bits."""
        from PIL import Image

        target = BytesIO()
        Image.fromarray(samples).save(target, self.name)
        return _with_description(target.getvalue(), describe(metadata).encode())


def _with_description(content: bytes, text: bytes) -> bytes:
    """Put a text between header and pixels; both stay aligned to 4 bytes."""
    start = int.from_bytes(content[_PIXELS_AT], "little")
    text += b" " * (-len(text) % 4)
    moved = bytearray(content[:start] + text + content[start:])
    moved[_SIZE_AT] = len(moved).to_bytes(4, "little")
    moved[_PIXELS_AT] = (start + len(text)).to_bytes(4, "little")
    return bytes(moved)


def _read_description(path: Path, head: bytes) -> str:
    """Read the text between header and pixels: empty for files of other programs."""
    stop = int.from_bytes(head[_PIXELS_AT], "little")
    palette_bytes = 4 * 2**8 if int.from_bytes(head[28:30], "little") == 8 else 0
    start = _HEADER_BYTES + palette_bytes  # as `encode` writes it
    with open_for_reading(path) as file:
        file.seek(start)
        text = file.read(max(min(stop - start, _MAX_DESCRIPTION_BYTES), 0))
    described = text.decode("ascii", "replace").rstrip()
    return described if parse_description(described) else ""


def _check_length(path: Path, head: bytes, size: int, height: int, width: int) -> None:
    """Refuse a file that is too short for its pixels, before memory is allocated for them."""
    start = int.from_bytes(head[10:14], "little")
    is_first_version = head[14] == _INFO_HEADER_BYTES[0]
    bits = int.from_bytes(head[24:26] if is_first_version else head[28:30], "little")
    compression = 0 if is_first_version else int.from_bytes(head[30:34], "little")
    if compression in _RUN_LENGTH_COMPRESSIONS:
        needed = height * width // 128  # two bytes of a run are at most 255 pixels
    else:
        needed = (width * bits + 31) // 32 * 4 * height  # rows are padded to 4 bytes
    if start + needed > size:
        raise damaged(path, "BMP", f"its pixels take {needed} bytes from {start} on, it has {size}")
