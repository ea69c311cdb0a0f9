"""TIFF through tifffile; the pages of a file are its images.

Read are grey and RGB of 8 to 16 bits, integers of 32 bits and floating point, in planes or
interleaved, in strips or tiles, in either byte order, uncompressed or compressed: tifffile itself
unpacks Deflate and PackBits, and with the package ``imagecodecs`` LZW and others.
"""

from __future__ import annotations

import logging
import zlib
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.files import open_for_reading
from skry_dask.io.images.camera_raw import camera_raw_error, is_camera_raw_page
from skry_dask.io.images.guards import (
    DEFLATE_RATIO,
    check_image_size,
    damaged,
    translate_errors,
)
from skry_dask.io.images.image_format import (
    ImageFormat,
    ImageHeader,
    ImageKind,
    describe,
    software_name,
)
from skry_dask.io.images.orientation import UPRIGHT, turn, turned, valid_orientation

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from tifffile import TiffFile, TiffPage

    from skry_dask.types import AnyArray

# Classic TIFF and BigTIFF, either byte order.
_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_INVERTED, _GREY, _RGB, _PALETTE = 0, 1, 2, 3  # PhotometricInterpretation
_UNCOMPRESSED, _DEFLATE, _PACKBITS = 1, (8, 32946), 32773  # Compression
_INTEGERS = ("bool", "uint8", "uint16", "uint32", "int8", "int16", "int32")
_FLOATS = ("float16", "float32", "float64")
_MAX_LOG_MESSAGES = 3


class TiffFormat(ImageFormat):
    """TIFF; metadata are stored in ImageDescription of the first page."""

    name = "TIFF"
    suffixes = (".tif", ".tiff")
    kinds: ClassVar[Mapping[ImageKind, str]] = {
        ImageKind.TIFF16: "uint16",
        ImageKind.TIFF8: "uint8",
        ImageKind.TIFF32: "float32",
    }

    def recognises(self, head: bytes) -> bool:
        """Return whether a file starts with a signature of TIFF."""
        return head.startswith(_SIGNATURES)

    def read_header(self, path: Path) -> ImageHeader:
        """Read the headers of all pages."""
        first, n_images, n_truncated = None, 0, 0
        size = path.stat().st_size
        logged: list[str] = []
        with _open_tiff(path, logged) as file:
            if any(is_camera_raw_page(page) for page in islice(_all_pages(file), 1)):
                raise camera_raw_error(path, "TIFF")
            for number, page in enumerate(_walk_pages(file)):
                header = turned(_page_header(path, page, number), _orientation(page))
                first = first or header
                _check_same_kind(path, number, header, first)
                n_images += 1
                n_truncated += _data_stop(page) > size
            n_stated = (file.imagej_metadata or {}).get("images", 1) if file.is_imagej else 1
        if first is None:
            raise damaged(path, self.name, "no image is in it")
        problems = [f"{path.name}: {message}." for message in logged[:_MAX_LOG_MESSAGES]]
        if n_truncated:
            problems.append(
                f"{path.name} is cut off: the data of {n_truncated} of its {n_images} images are "
                f"not all in the file."
            )
        if isinstance(n_stated, int) and n_stated > n_images:
            problems.append(
                f"{path.name} claims to have {n_stated} images in a way that only ImageJ uses; "
                f"only its {n_images} TIFF pages are read."
            )
        return ImageHeader(
            format=self.name,
            n_images=n_images,
            height=first.height,
            width=first.width,
            channels=first.channels,
            dtype=first.dtype,
            bits=first.bits,
            description=first.description,
            problems=tuple(problems),
        )

    def decode(self, path: Path) -> Generator[AnyArray | ReaderError]:
        """Decode the pages, and turn them upright."""
        with open_for_reading(path) as handle:
            size = handle.seek(0, 2)
        with _open_tiff(path, []) as file:
            pages = _walk_pages(file)
            number = 0
            while True:
                image: AnyArray | ReaderError | None
                try:
                    # Does not include the yield: an exception of the caller is not about this file.
                    with translate_errors(path, self.name):
                        page = next(pages, None)
                        image = None
                        if page is not None:
                            stored = _decode_page(path, page, number, size)
                            image = turn(stored, _orientation(page))
                except ReaderError as error:
                    image = error
                if image is None:
                    return
                yield image
                number += 1

    def encode(self, samples: AnyArray, metadata: Mapping[str, Any]) -> bytes:
        """Make a TIFF, uncompressed."""
        import tifffile

        target = BytesIO()
        options: dict[str, Any] = {
            "byteorder": "<",
            "software": software_name(),
            "metadata": None,
            "description": describe(metadata),
        }
        photometric: Any = "rgb" if samples.ndim == 3 else "minisblack"
        tifffile.imwrite(target, samples, photometric=photometric, **options)
        return target.getvalue()


@contextmanager
def _open_tiff(path: Path, logged: list[str]) -> Iterator[TiffFile]:
    """Open a file, and append what tifffile logs to a list instead of printing it."""
    import tifffile

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(" ".join(record.getMessage().split())[:160])

    logger, handler = logging.getLogger("tifffile"), Collector(logging.WARNING)
    with open_for_reading(path):
        pass  # raises our own error if the operating system refuses the file
    logger.addHandler(handler)
    propagate, logger.propagate = logger.propagate, False
    try:
        with translate_errors(path, "TIFF"), tifffile.TiffFile(path) as file:
            yield file
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def _walk_pages(file: TiffFile) -> Iterator[TiffPage]:
    """Yield all pages but the small copies that some programs add as previews."""
    for page in _all_pages(file):
        if not page.is_reduced:
            yield page


def _all_pages(file: TiffFile) -> Iterator[TiffPage]:
    from tifffile import TiffPage

    return (page for page in file.pages if isinstance(page, TiffPage))


def _orientation(page: TiffPage) -> int:
    tag = page.tags.get("Orientation")
    return UPRIGHT if tag is None else valid_orientation(tag.value)


def _page_header(path: Path, page: TiffPage, number: int) -> ImageHeader:
    """Describe a page, or refuse it if its kind is not supported."""
    n_samples, photometric = int(page.samplesperpixel), int(page.photometric)
    if "PhotometricInterpretation" not in page.tags:
        photometric = _RGB if n_samples >= 3 else _GREY
    dtype = "none" if page.dtype is None else page.dtype.name
    bits = int(page.bitspersample)
    is_known = photometric in (_GREY, _INVERTED) and n_samples <= 2
    is_known |= photometric == _RGB and n_samples >= 3
    is_known |= photometric == _PALETTE and n_samples == 1 and dtype in ("uint8", "uint16")
    is_packed = dtype.startswith("uint") and not (8 <= bits <= 16 or bits == 32)
    if not is_known or is_packed or dtype not in (*_INTEGERS, *_FLOATS) or page.imagedepth != 1:
        raise damaged(
            path,
            "TIFF",
            f"page {number} has {n_samples} samples of {bits} bits ({dtype}, photometric "
            f"interpretation {photometric}), which is not supported",
        )
    if page.imagelength < 1 or page.imagewidth < 1:
        raise damaged(
            path,
            "TIFF",
            f"page {number} has width {page.imagewidth}, height {page.imagelength}",
        )
    palette = _read_palette(page) if photometric == _PALETTE else None
    channels = 3 if photometric == _RGB else 1
    if palette is not None:
        channels = 1 if (palette[:, 0] == palette.T).all() else 3
    becomes_uint8 = palette is not None or dtype == "bool"
    return ImageHeader(
        format="TIFF",
        height=int(page.imagelength),
        width=int(page.imagewidth),
        channels=channels,
        dtype="uint8" if becomes_uint8 else dtype,
        bits=8 if becomes_uint8 else min(bits, 16),
        description=page.description if number == 0 else "",
    )


def _check_same_kind(path: Path, number: int, header: ImageHeader, first: ImageHeader) -> None:
    """Refuse a page that differs from the first in size, colour or type."""
    if (header.shape, header.dtype, header.bits) == (first.shape, first.dtype, first.bits):
        return

    def described(page: ImageHeader) -> str:
        colour = "colour" if page.channels == 3 else "grey"
        return f"{page.width} x {page.height} px ({colour}, {page.dtype})"

    raise ReaderError(
        f"page {number} of {path} has {described(header)}, the first {described(first)}; split the "
        f"file"
    )


def _data_stop(page: TiffPage) -> int:
    """Return where the data of a page end in the file, bytes."""
    segments = zip(page.dataoffsets, page.databytecounts, strict=False)
    return max((start + length for start, length in segments), default=0)


def _read_palette(page: TiffPage) -> AnyArray:
    """Return the colours uint8 (entry, 3) of a palette, which are stored in 16 bits."""
    colours: AnyArray = np.asarray(page.colormap).reshape(3, -1).T >> 8
    return colours.astype(np.uint8)


def _decode_page(path: Path, page: TiffPage, number: int, size: int) -> AnyArray:
    header = _page_header(path, page, number)
    n_samples = int(page.samplesperpixel)
    n_bytes = header.height * header.width * n_samples * np.dtype(page.dtype).itemsize
    _check_segments(path, page, number, size, n_bytes)
    stored = page.asarray(squeeze=False, maxworkers=1)  # (plane, depth, y, x, sample)
    image: AnyArray
    if stored.shape[0] == 1:
        image = stored[0, 0, :, :, : header.channels]
    else:
        image = np.moveaxis(stored[: header.channels, 0, :, :, 0], 0, -1)
    if int(page.photometric) == _PALETTE:
        palette = _read_palette(page)
        colours = palette[np.minimum(image[..., 0], len(palette) - 1)]
        return np.ascontiguousarray(colours[..., : header.channels]).reshape(header.shape)
    if image.dtype == bool:
        image = image.astype(np.uint8) * np.uint8(255)
    if int(page.photometric) == _INVERTED and "PhotometricInterpretation" in page.tags:
        if image.dtype.kind != "u":
            raise damaged(path, "TIFF", f"page {number} is inverted {image.dtype} grey")
        image = np.subtract(2**header.bits - 1, image, dtype=image.dtype)
    native = image.dtype.newbyteorder("=")
    return np.ascontiguousarray(image, native).reshape(header.shape)


def _check_segments(path: Path, page: TiffPage, number: int, size: int, n_bytes: int) -> None:
    """Refuse a page whose strips or tiles are not in the file, or unpack to more than stated."""
    height, width = int(page.imagelength), int(page.imagewidth)
    starts, lengths = page.dataoffsets, page.databytecounts
    bits, itemsize = int(page.bitspersample), np.dtype(page.dtype).itemsize
    compression = int(page.compression)
    is_plain = compression == _UNCOMPRESSED
    # Uncompressed data are checked below to be in the file.
    memory = n_bytes if is_plain and bits >= 8 else 2 * n_bytes
    check_image_size(path, size, height, width, memory)
    n_segments = int(np.prod(page.chunked, dtype=object))
    if _data_stop(page) > size or len(starts) != len(lengths) or len(starts) < n_segments:
        raise damaged(path, "TIFF", f"the data of page {number} end too early")
    needed = n_bytes // itemsize * bits // 8
    is_unpacked_by_tifffile = compression in (*_DEFLATE, _PACKBITS)
    ratio = 1 if is_plain else DEFLATE_RATIO
    if sum(lengths) * ratio < needed and (is_plain or is_unpacked_by_tifffile):
        raise damaged(
            path, "TIFF", f"{needed} bytes of page {number} cannot be in {sum(lengths)} bytes"
        )
    if is_plain or find_spec("imagecodecs"):
        return  # imagecodecs unpacks into memory of the right size
    if not is_unpacked_by_tifffile:
        name = getattr(page.compression, "name", f"method {compression}")
        raise ReaderError(
            f"{path} is compressed with {name}; install the package imagecodecs, "
            f"or save it uncompressed"
        )
    # tifffile itself unpacks without a limit.
    max_bytes = int(np.prod(page.chunks)) * itemsize
    for start, length in zip(starts, lengths, strict=True):
        page.parent.filehandle.seek(start)
        packed = page.parent.filehandle.read(length)
        if _unpacks_to_more(packed, compression, max_bytes):
            raise damaged(
                path,
                "TIFF",
                f"a strip or tile of page {number} unpacks to more than {max_bytes} bytes",
            )


def _unpacks_to_more(packed: bytes, compression: int, max_bytes: int) -> bool:
    """Return whether a strip or tile unpacks to more than a number of bytes."""
    if compression in _DEFLATE:
        return len(zlib.decompressobj().decompress(packed, max_bytes + 1)) > max_bytes
    # PackBits: after a code below 128 follow code + 1 literal bytes, after one above 128 a byte
    # that is repeated 257 - code times, and after 128 nothing.
    n_bytes, position = 0, 0
    while position < len(packed) and n_bytes <= max_bytes:
        code = packed[position]
        n_bytes += code + 1 if code < 128 else (257 - code if code > 128 else 0)
        position += code + 2 if code < 128 else (2 if code > 128 else 1)
    return n_bytes > max_bytes
