"""JPEG through Pillow, for reading only: a lossy format is no place for a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skry_dask.io.files import open_for_reading
from skry_dask.io.images.guards import check_image_size, translate_errors
from skry_dask.io.images.image_format import ImageFormat, ImageHeader
from skry_dask.io.images.orientation import UPRIGHT, parse_orientation, turn, turned
from skry_dask.io.images.pillow_pixels import (
    count_channels,
    decode_pixels,
    memory_bytes,
    open_image,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from PIL.Image import Image as PillowImage

    from skry_dask.types import AnyArray

_END = b"\xff\xd9"
# Some cameras store a little after the end of the picture.
_TAIL_BYTES = 1 << 16


class JpegFormat(ImageFormat):
    """JPEG."""

    name = "JPEG"
    suffixes = (".jpg", ".jpeg")

    def recognises(self, head: bytes) -> bool:
        """Return whether a file starts as JPEG."""
        return head.startswith(b"\xff\xd8\xff")

    def read_header(self, path: Path) -> ImageHeader:
        """Read the header; a file that was cut off has a problem."""
        with open_for_reading(path) as file:
            size = file.seek(0, 2)
        with translate_errors(path, self.name), open_image(path, self.name) as image:
            channels = count_channels(path, self.name, image)
            n_bytes = memory_bytes(image, channels)
            check_image_size(path, size, image.height, image.width, n_bytes)
            header = ImageHeader(
                format=self.name,
                height=image.height,
                width=image.width,
                channels=channels,
                dtype="uint8",
                bits=8,
                problems=() if _has_end(path, size) else (f"{path.name} is cut off.",),
            )
            return turned(header, _orientation(image))

    def decode(self, path: Path) -> Generator[AnyArray]:
        """Decode the image, and turn it upright."""
        self.read_header(path)
        with translate_errors(path, self.name), open_image(path, self.name) as image:
            pixels = turn(decode_pixels(path, self.name, image), _orientation(image))
        yield pixels

    def encode(self, samples: AnyArray, metadata: Mapping[str, Any]) -> bytes:
        """Not available."""
        raise NotImplementedError("JPEG files are only read")


def _orientation(image: PillowImage) -> int:
    exif = image.info.get("exif")
    return parse_orientation(exif) if isinstance(exif, bytes) else UPRIGHT


def _has_end(path: Path, size: int) -> bool:
    """Return whether the marker of the end of the picture is in the file."""
    with open_for_reading(path) as file:
        file.seek(max(size - _TAIL_BYTES, 0))
        return _END in file.read(_TAIL_BYTES)
