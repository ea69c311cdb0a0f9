"""TIFF through tifffile; the pages of a file are its images.

Grey and RGB, 8 to 16 bits, integers of 32 bits and floating point, planes one after the other or
interleaved, either byte order, in strips or tiles, uncompressed or compressed as tifffile can:
Deflate and PackBits by itself, LZW and others with the package ``imagecodecs``.
"""

from __future__ import annotations

import logging
import zlib
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.files import reading
from skry_dask.io.images.image_format import DEFLATE_RATIO, Still, check_size, damaged, decoding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tifffile import TiffFile, TiffPage

    from skry_dask.types import AnyArray

_GREY, _INVERTED, _RGB, _PALETTE = 1, 0, 2, 3  # PhotometricInterpretation
_PLAIN, _DEFLATE, _PACKBITS = 1, (8, 32946), 32773  # Compression
_DTYPES = ("bool", "uint8", "uint16", "uint32", "int8", "int16", "int32")
_FLOATS = ("float16", "float32", "float64")


def inspect(path: Path) -> Still:
    """Read the headers of all pages.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ReaderError
        Not a TIFF, a damaged one, of a kind that is not supported, or its pages differ.
    """
    still, n_images, n_cut = None, 0, 0
    size = path.stat().st_size
    complaints: list[str] = []
    with _opened(path, complaints) as file:
        for number, page in enumerate(_pages(file)):
            found = _describe(path, page, number)
            still = still or found
            if (found.shape, found.dtype, found.bits) != (still.shape, still.dtype, still.bits):
                raise ReaderError(
                    f"page {number} of {path} has {found.width} x {found.height} px "
                    f"({_colour(found)}, {found.dtype}), the first {still.width} x "
                    f"{still.height} px ({_colour(still)}, {still.dtype}); split the file"
                )
            n_images += 1
            n_cut += _end(page) > size
        claimed = (file.imagej_metadata or {}).get("images", 1) if file.is_imagej else 1
    if still is None:
        raise damaged(path, "TIFF", "no image is in it")
    problems = [f"{path.name}: {text}." for text in complaints[:3]]
    if n_cut:
        problems.append(
            f"{path.name} is cut off: the data of {n_cut} of its {n_images} images are not all in "
            f"the file."
        )
    if isinstance(claimed, int) and claimed > n_images:
        problems.append(
            f"{path.name} claims to have {claimed} images in ImageJ's own way; only its "
            f"{n_images} TIFF pages are read."
        )
    return Still(
        format="TIFF",
        n_images=n_images,
        height=still.height,
        width=still.width,
        channels=still.channels,
        dtype=still.dtype,
        bits=still.bits,
        text=still.text,
        problems=tuple(problems),
    )


def images(path: Path) -> Iterator[AnyArray | ReaderError]:
    """Decode the pages of a TIFF.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    (y, x) or (y, x, 3) of the type that is stored, native byte order; for a page that cannot be
    decoded the error.

    Raises
    ------
    ReaderError
        The file cannot be read any further.
    """
    with reading(path) as handle:
        size = handle.seek(0, 2)
    with _opened(path, []) as file:
        pages = _pages(file)
        number = 0
        while True:
            found: AnyArray | ReaderError | None
            try:
                # Not around the yield: what the caller raises is not about this file.
                with decoding(path, "TIFF"):
                    page = next(pages, None)
                    found = None if page is None else _pixels(path, page, number, size)
            except ReaderError as error:
                found = error
            if found is None:
                return
            yield found
            number += 1


@contextmanager
def _opened(path: Path, complaints: list[str]) -> Iterator[TiffFile]:
    """Open a file; what tifffile logs about it is collected, and nothing is printed."""
    import tifffile

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            complaints.append(" ".join(record.getMessage().split())[:160])

    logger, handler = logging.getLogger("tifffile"), Collect(logging.WARNING)
    with reading(path):
        pass  # says in our words what the operating system refuses
    logger.addHandler(handler)
    propagates, logger.propagate = logger.propagate, False
    try:
        with decoding(path, "TIFF"), tifffile.TiffFile(path) as file:
            yield file
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


def _pages(file: TiffFile) -> Iterator[TiffPage]:
    """Yield pages without the small copies that some programs add for previews."""
    from tifffile import TiffPage

    for page in file.pages:
        if isinstance(page, TiffPage) and not page.is_reduced:
            yield page


def _describe(path: Path, page: TiffPage, number: int) -> Still:
    """Tell what a page holds, or refuse it."""
    samples, kind = int(page.samplesperpixel), int(page.photometric)
    if "PhotometricInterpretation" not in page.tags:
        kind = _RGB if samples >= 3 else _GREY
    dtype = "none" if page.dtype is None else page.dtype.name
    bits = int(page.bitspersample)
    known_kind = kind in (_GREY, _INVERTED) and samples <= 2
    known_kind |= kind == _RGB and samples >= 3
    known_kind |= kind == _PALETTE and samples == 1 and dtype in ("uint8", "uint16")
    packed = dtype.startswith("uint") and not (8 <= bits <= 16 or bits == 32)
    if not known_kind or packed or dtype not in (*_DTYPES, *_FLOATS) or page.imagedepth != 1:
        raise damaged(
            path,
            "TIFF",
            f"page {number} has {samples} samples of {bits} bits ({dtype}, photometric "
            f"interpretation {kind}), which is not supported",
        )
    colours = _colours(page) if kind == _PALETTE else None
    channels = 3 if kind == _RGB else 1
    if colours is not None:
        channels = 1 if (colours[:, 0] == colours.T).all() else 3
    byte_like = colours is not None or dtype == "bool"
    return Still(
        format="TIFF",
        height=int(page.imagelength),
        width=int(page.imagewidth),
        channels=channels,
        dtype="uint8" if byte_like else dtype,
        bits=8 if byte_like else min(bits, 16),
        text=page.description if number == 0 else "",
    )


def _colour(still: Still) -> str:
    return "colour" if still.channels == 3 else "grey"


def _end(page: TiffPage) -> int:
    """Return where the data of a page end in the file, bytes."""
    parts = zip(page.dataoffsets, page.databytecounts, strict=False)
    return max((start + length for start, length in parts), default=0)


def _colours(page: TiffPage) -> AnyArray:
    """Return the colours uint8 (entry, 3) of a palette, which has 16 bits per colour."""
    colours: AnyArray = np.asarray(page.colormap).reshape(3, -1).T >> 8
    return colours.astype(np.uint8)


def _pixels(path: Path, page: TiffPage, number: int, size: int) -> AnyArray:
    still = _describe(path, page, number)
    samples = int(page.samplesperpixel)
    n_bytes = still.height * still.width * samples * np.dtype(page.dtype).itemsize
    _check_segments(path, page, number, size, n_bytes)
    # (plane, depth, y, x, sample), whatever of them the page has.
    stored = page.asarray(squeeze=False, maxworkers=1)
    image: AnyArray
    if stored.shape[0] == 1:
        image = stored[0, 0, :, :, : still.channels]
    else:
        image = np.moveaxis(stored[: still.channels, 0, :, :, 0], 0, -1)
    if int(page.photometric) == _PALETTE:
        colours = _colours(page)
        found = colours[np.minimum(image[..., 0], len(colours) - 1)]
        return np.ascontiguousarray(found[..., : still.channels]).reshape(still.shape)
    if image.dtype == bool:
        image = image.astype(np.uint8) * np.uint8(255)
    if int(page.photometric) == _INVERTED and "PhotometricInterpretation" in page.tags:
        if image.dtype.kind != "u":
            raise damaged(path, "TIFF", f"page {number} is inverted {image.dtype} grey")
        image = np.subtract(2**still.bits - 1, image, dtype=image.dtype)
    native = image.dtype.newbyteorder("=")
    return np.ascontiguousarray(image, native).reshape(still.shape)


def _check_segments(path: Path, page: TiffPage, number: int, size: int, n_bytes: int) -> None:
    """Refuse a page whose strips or tiles are not in the file, or unpack to more than it claims."""
    height, width = int(page.imagelength), int(page.imagewidth)
    starts, lengths = page.dataoffsets, page.databytecounts
    bits, itemsize = int(page.bitspersample), np.dtype(page.dtype).itemsize
    compression = int(page.compression)
    plain = compression == _PLAIN
    # Uncompressed data vouch for themselves, as far as they are in the file.
    check_size(path, size, height, width, n_bytes if plain and bits >= 8 else 2 * n_bytes)
    n_segments = int(np.prod(page.chunked, dtype=object))
    if _end(page) > size or len(starts) != len(lengths) or len(starts) < n_segments:
        raise damaged(path, "TIFF", f"the data of page {number} end too early")
    needed = n_bytes // itemsize * bits // 8
    known = compression in (*_DEFLATE, _PACKBITS)
    if sum(lengths) * (1 if plain else DEFLATE_RATIO) < needed and (plain or known):
        raise damaged(
            path, "TIFF", f"{needed} bytes of page {number} cannot be in {sum(lengths)} bytes"
        )
    if plain or find_spec("imagecodecs"):
        return  # imagecodecs unpacks into memory of the right size
    if not known:
        name = getattr(page.compression, "name", f"method {compression}")
        raise ReaderError(
            f"{path} is compressed with {name}; install the package imagecodecs, "
            f"or save it uncompressed"
        )
    # tifffile's own decoders unpack without a limit.
    segment = int(np.prod(page.chunks)) * itemsize
    for start, length in zip(starts, lengths, strict=True):
        page.parent.filehandle.seek(start)
        packed = page.parent.filehandle.read(length)
        if _unpacks_beyond(packed, compression, segment):
            raise damaged(
                path, "TIFF", f"a part of page {number} unpacks to more than {segment} bytes"
            )


def _unpacks_beyond(packed: bytes, compression: int, limit: int) -> bool:
    if compression in _DEFLATE:
        return len(zlib.decompressobj().decompress(packed, limit + 1)) > limit
    found, place = 0, 0
    while place < len(packed) and found <= limit:
        code = packed[place]
        found += code + 1 if code < 128 else (257 - code if code > 128 else 0)
        place += code + 2 if code < 128 else (2 if code > 128 else 1)
    return found > limit


def encode(samples: AnyArray, software: str, description: str) -> bytes:
    """Make a TIFF of an image.

    Parameters
    ----------
    samples
        uint16 or float32 (y, x) or (y, x, 3).
    software
        Name and version of the program.
    description
        ASCII.

    Returns
    -------
    The bytes of the file.
    """
    import tifffile

    target = BytesIO()
    options: dict[str, Any] = {"byteorder": "<", "software": software, "metadata": None}
    tifffile.imwrite(
        target,
        samples,
        photometric="rgb" if samples.ndim == 3 else "minisblack",
        description=description,
        **options,
    )
    return target.getvalue()
