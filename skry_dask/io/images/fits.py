"""FITS (standard 4.0) through astropy, which the extra ``fits`` installs.

astropy parses and writes headers. Pixels are read from their place in the file, because the scaling
of astropy makes several copies. The first image of a file is taken: with two axes it is one image,
with three planes red, green and blue; any other third axis counts frames.

*Rows.* FITS stores the bottom row first unless the keyword ROWORDER is TOP-DOWN. Images are
returned with their top row first in both cases.

*Raw colour.* BAYERPAT is the pattern at the top left of the sensor, as its maker states it. So it
holds for images as they are returned, whatever ROWORDER is. Without ROWORDER, Siril and most other
programs mean the first row that is stored, which becomes the last one: if the height is even, the
two rows of the pattern are exchanged. An odd XBAYROFF or YBAYROFF shifts the pattern by a column or
a row (documentation of Siril, "Orientation of FITS images").
"""

from __future__ import annotations

import math
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.files import read_into
from skry_dask.io.images.guards import check_image_size, damaged, row_bands, translate_errors
from skry_dask.io.images.gzip_file import open_unpacked, unpacked_head
from skry_dask.io.images.image_format import (
    ImageFormat,
    ImageHeader,
    ImageKind,
    describe,
    software_name,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from astropy.io.fits import Header

    from skry_dask.io.files import BinaryFile
    from skry_dask.types import AnyArray

_BLOCK_BYTES = 2880
_MAX_HEADER_BLOCKS = 1000
_MAX_AXES = 999  # FITS standard 4.0, 4.4.1.1
_MAX_UNITS = 100
_REMEDY = "pip install 'skry_dask[fits]'"
_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}  # by BITPIX
_TEXT_KEYWORDS = {"instrument": "INSTRUME", "telescope": "TELESCOP", "observer": "OBSERVER"}
_SCALE_KEYWORDS = ("SECPIX", "SECPIX1", "PIXSCALE", "SCALE")
_TIME_KEYWORDS = {"first": "DATE-OBS", "middle": "DATE-AVG", "last": "DATE-END"}
_PATTERNS = ("RGGB", "GRBG", "GBRG", "BGGR")
_NO_PATTERN = ("NONE", "MONO", "N/A")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")
_HISTORY_TITLE = "skry_dask metadata, JSON of {} characters:"
_HISTORY_CHARACTERS = 72


class FitsFormat(ImageFormat):
    """FITS; metadata are stored in HISTORY and, where there is one, in the usual keyword."""

    name = "FITS"
    suffixes = (".fits", ".fit", ".fts")
    kinds: ClassVar[Mapping[ImageKind, str]] = {ImageKind.FITS: "float32"}

    def recognises(self, head: bytes) -> bool:
        """Return whether a file starts with the first keyword of FITS, perhaps packed by gzip."""
        return unpacked_head(head).startswith(b"SIMPLE  =")

    def read_header(self, path: Path) -> ImageHeader:
        """Read the header of the first image."""
        with translate_errors(path, self.name), open_unpacked(path) as file:
            layout = _Layout(path, file)
            layout.check_size()
            dtype = layout.dtype
            attributes: dict[str, str | int | float] = {
                name: text
                for name, keyword in _TEXT_KEYWORDS.items()
                if (text := str(layout.header.get(keyword, "")).strip())
            }
            if (scale := _pixel_scale(layout.header)) is not None:
                attributes["pixel_scale"] = scale
            return ImageHeader(
                format=self.name,
                n_images=layout.n_images,
                height=layout.height,
                width=layout.width,
                channels=layout.channels,
                dtype=dtype.name,
                bits=8 if dtype == np.uint8 else 16,
                cfa=layout.cfa,
                time=layout.time,
                attrs=attributes,
                description=_read_history(layout.header),
                problems=layout.problems,
            )

    def decode(self, path: Path) -> Generator[AnyArray | ReaderError]:
        """Read the images; values have the type that holds them exactly."""
        with translate_errors(path, self.name), open_unpacked(path) as file:
            layout = _Layout(path, file)
            layout.check_size()
        for number in range(layout.n_images):
            image: AnyArray | ReaderError
            try:
                with translate_errors(path, self.name), open_unpacked(path) as file:
                    image = _read_pixels(layout, file, number)
            except ReaderError as error:
                image = error
            yield image

    def encode(self, samples: AnyArray, metadata: Mapping[str, Any]) -> bytes:
        """Make a FITS file, top row first.

        ``"mean"`` of ``"averaged"`` becomes STACKCNT, rounded; ``"time"`` becomes DATE-OBS,
        DATE-AVG and DATE-END; ``"pixel_scale"`` SECPIX; instrument, telescope and observer in
        ``"source_attributes"`` become INSTRUME, TELESCOP and OBSERVER.
        """
        fits = _import_fits("write FITS", StoreError)
        header = fits.Header()
        header["ROWORDER"] = ("TOP-DOWN", "the first row stored is the top")
        header["SWCREATE"] = header["CREATOR"] = software_name()
        source = metadata.get("source_attributes")
        for name, keyword in _TEXT_KEYWORDS.items():
            if isinstance(source, dict) and (text := str(source.get(name, "")).strip()):
                ascii_text = text.encode("ascii", "replace").decode()
                header[keyword] = re.sub(r"[^ -~]", "?", ascii_text)[:68]
        if isinstance(scale := metadata.get("pixel_scale"), int | float):
            header["SECPIX"] = (scale, "arcsec per pixel")
        averaged = metadata.get("averaged")
        if isinstance(averaged, dict) and "mean" in averaged:
            header["STACKCNT"] = (round(averaged["mean"]), "frames averaged at a pixel, mean")
        time = metadata.get("time")
        for name, keyword in _TIME_KEYWORDS.items():
            if isinstance(time, dict) and name in time:
                header[keyword] = (str(time[name]).rstrip("Z"), "UTC")
        _write_history(header, describe(metadata))
        planes = np.moveaxis(samples, -1, 0) if samples.ndim == 3 else samples
        target = BytesIO()
        fits.PrimaryHDU(np.ascontiguousarray(planes), header).writeto(target)
        return target.getvalue()


class _Layout:
    """Place of the first image of a file, and the meaning of its numbers."""

    def __init__(self, path: Path, file: BinaryFile) -> None:
        self.path, self.size = path, file.seek(0, 2)
        self.header, self.start = _find_first_image(path, file, self.size)
        axes = [self._integer(f"NAXIS{k + 1}") for k in range(self._integer("NAXIS"))]
        while len(axes) > 2 and axes[-1] == 1:
            axes.pop()
        if len(axes) not in (2, 3) or min(axes) < 1:
            raise damaged(path, "FITS", f"its axes are {axes}, not those of an image or a cube")
        self.width, self.height = axes[:2]
        self.channels = 3 if axes[2:] == [3] else 1
        self.stored_dtype = np.dtype(_DTYPES[self._integer("BITPIX")])
        self.scale, self.zero = self._number("BSCALE", 1.0), self._number("BZERO", 0.0)
        self.image_bytes = self.height * self.width * self.channels * self.stored_dtype.itemsize
        self.n_stated = 1 if len(axes) == 2 or self.channels == 3 else axes[2]
        row_order = str(self.header.get("ROWORDER", "")).strip().upper()
        self.is_bottom_up = row_order != "TOP-DOWN"
        self.states_row_order = row_order in ("TOP-DOWN", "BOTTOM-UP")
        # An image that is cut off counts, so that its loss is reported.
        n_bytes = max(self.size - self.start, 0)
        self.n_images = min(self.n_stated, max(1, -(-n_bytes // self.image_bytes)))

    def _integer(self, keyword: str) -> int:
        value = self.header.get(keyword)
        if isinstance(value, bool) or not isinstance(value, int):
            raise damaged(self.path, "FITS", f"its {keyword} is {value!r}")
        if (keyword == "BITPIX" and value not in _DTYPES) or (
            keyword == "NAXIS" and not 0 <= value <= _MAX_AXES
        ):
            raise damaged(self.path, "FITS", f"its {keyword} is {value}")
        return value

    def _number(self, keyword: str, default: float) -> float:
        value = self.header.get(keyword, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise damaged(self.path, "FITS", f"its {keyword} is {value!r}")
        return float(value)

    @property
    def is_unsigned(self) -> bool:
        """Whether values are unsigned integers, which FITS stores less half of their range."""
        bits = 8 * self.stored_dtype.itemsize
        return self.stored_dtype.kind == "i" and bits < 64 and self.zero == 2.0 ** (bits - 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type that holds the values exactly."""
        if self.scale == 1 and self.is_unsigned:
            return np.dtype(f"u{self.stored_dtype.itemsize}")
        if self.scale == 1 and self.zero == 0:
            return self.stored_dtype.newbyteorder("=")
        return np.dtype("f4" if self.stored_dtype.itemsize <= 2 else "f8")

    @property
    def stated_pattern(self) -> str:
        """BAYERPAT as the file has it, in capitals; empty where it says that there is none."""
        pattern = str(self.header.get("BAYERPAT", "")).strip().upper()
        return "" if pattern in _NO_PATTERN else pattern

    @property
    def cfa(self) -> str | None:
        """Colour filter array at the first pixel of the images as they are returned."""
        pattern = self.stated_pattern
        if pattern not in _PATTERNS or self.channels == 3:
            return None
        offsets = self.header.get("YBAYROFF", 0), self.header.get("XBAYROFF", 0)
        swap_rows, swap_columns = (isinstance(n, int | float) and n % 2 == 1 for n in offsets)
        swap_rows ^= not self.states_row_order and self.height % 2 == 0
        if swap_rows:
            pattern = pattern[2:] + pattern[:2]
        if swap_columns:
            pattern = pattern[1] + pattern[0] + pattern[3] + pattern[2]
        return pattern

    @property
    def time(self) -> int | None:
        """DATE-OBS of a single image, ns since 1970-01-01 UTC."""
        text = str(self.header.get("DATE-OBS", "")).strip()
        if self.n_stated != 1 or not _DATE.fullmatch(text) or not "1678" <= text[:4] <= "2261":
            return None
        try:
            return int(np.datetime64(text.rstrip("Z"), "ns").astype(np.int64))
        except ValueError:
            return None

    @property
    def problems(self) -> tuple[str, ...]:
        """Images that the header states and the file does not have; an unknown filter array."""
        problems = []
        if self.stated_pattern and self.stated_pattern not in _PATTERNS and self.channels == 1:
            problems.append(
                f"BAYERPAT of {self.path.name} is {self.stated_pattern[:80]}, which cannot be "
                f"developed: its raw colour is read as mono (known are {', '.join(_PATTERNS)}, "
                f"--cfa states one)."
            )
        if self.n_images < self.n_stated:
            problems.append(
                f"The header of {self.path.name} claims {self.n_stated} frames; {self.n_images} "
                f"are there."
            )
        stop = self.start + self.n_images * self.image_bytes
        if stop > self.size:
            problems.append(
                f"{self.path.name} is cut off: its last image needs the bytes up to {stop}, it has "
                f"{self.size}."
            )
        return tuple(problems)

    def check_size(self) -> None:
        """Refuse images that would take too much memory."""
        n_values = self.height * self.width * self.channels
        # The stored values are in the file; converted ones may be wider.
        n_bytes = n_values * (self.dtype.itemsize - self.stored_dtype.itemsize)
        check_image_size(self.path, self.size, self.height, self.width, n_bytes)


def _read_pixels(layout: _Layout, file: BinaryFile, number: int) -> AnyArray:
    """Read an image, in bands of rows."""
    height, width, channels = layout.height, layout.width, layout.channels
    start = layout.start + number * layout.image_bytes
    stop = start + layout.image_bytes
    if stop > layout.size:
        raise damaged(
            layout.path,
            "FITS",
            f"image {number} needs the bytes up to {stop}, the file has {layout.size}",
        )
    image: AnyArray = np.empty((height, width, channels), layout.dtype)
    as_stored = image[::-1] if layout.is_bottom_up else image
    for channel in range(channels):
        for rows in row_bands(height, width * image.itemsize):
            band = np.empty((rows.stop - rows.start, width), layout.stored_dtype)
            read_into(file, start, band)
            start += band.nbytes
            as_stored[rows, :, channel] = _to_values(layout, band)
    return image if channels == 3 else image[..., 0]


def _to_values(layout: _Layout, stored: AnyArray) -> AnyArray:
    """Convert stored numbers to values: value = stored number * BSCALE + BZERO."""
    dtype = layout.dtype
    native: AnyArray = stored.astype(stored.dtype.newbyteorder("="))
    if dtype.kind == "u" and stored.dtype.kind == "i":
        # Adding half of the range inverts the sign bit.
        return native.view(dtype) ^ dtype.type(1 << (8 * dtype.itemsize - 1))
    if dtype.kind == "f" and (layout.scale != 1 or layout.zero != 0):
        with np.errstate(all="ignore"):
            scaled: AnyArray = native.astype(np.float64) * layout.scale + layout.zero
            return scaled.astype(dtype)
    return native


def _pixel_scale(header: Header) -> float | None:
    """Find the angle of a pixel, arcsec; None where the header does not say it.

    Programs write the angle itself (SECPIX and its like), an angle per axis in degrees (CDELT1), or
    the size of pixels and the focal length.
    """

    def number(keyword: str) -> float:
        try:
            value = abs(float(header.get(keyword, 0)))
        except (TypeError, ValueError):
            return 0.0
        return value if np.isfinite(value) else 0.0

    for keyword in _SCALE_KEYWORDS:
        if number(keyword):
            return number(keyword)
    in_degrees = str(header.get("CTYPE1", "")).strip().upper().startswith(("RA", "DEC"))
    if in_degrees and number("CDELT1"):
        return 3600 * number("CDELT1")
    if number("FOCALLEN") and number("XPIXSZ"):  # mm and um
        return float(np.rad2deg(np.arctan(1e-3 * number("XPIXSZ") / number("FOCALLEN"))) * 3600)
    return None


def _find_first_image(path: Path, file: BinaryFile, size: int) -> tuple[Header, int]:
    """Return the header of the first unit of a file that is an image, and where its data start."""
    position = 0
    for _ in range(_MAX_UNITS):
        header, position = _read_cards(path, file, position)
        n_axes = header.get("NAXIS")
        if not isinstance(n_axes, int) or not 0 <= n_axes <= _MAX_AXES:
            raise damaged(path, "FITS", f"NAXIS is {n_axes!r}")
        if header.get("ZIMAGE") is True:
            raise ReaderError(f"{path} is compressed FITS; unpack it with funpack first")
        if str(header.get("XTENSION", "IMAGE")).strip() == "IMAGE" and n_axes != 0:
            return header, position
        axes = [header.get(f"NAXIS{k + 1}", 0) for k in range(n_axes)] if n_axes else [0]
        n_bytes = abs(header["BITPIX"]) // 8 * (math.prod(axes) + header.get("PCOUNT", 0))
        position += -(-n_bytes // _BLOCK_BYTES) * _BLOCK_BYTES
        if not 0 <= position < size:
            break
    raise damaged(path, "FITS", "no image is in it")


def _read_cards(path: Path, file: BinaryFile, position: int) -> tuple[Header, int]:
    """Read a header; return it and where it ends."""
    fits = _import_fits(f"read {path}", ReaderError)
    content = bytearray()
    file.seek(position)
    for _ in range(_MAX_HEADER_BLOCKS):
        block = file.read(_BLOCK_BYTES)
        if len(block) < _BLOCK_BYTES:
            break
        content += block
        if any(block[k : k + 8] == b"END     " for k in range(0, _BLOCK_BYTES, 80)):
            return fits.Header.fromstring(bytes(content)), position + len(content)
    raise damaged(path, "FITS", f"the header at byte {position} has no end")


def _import_fits(purpose: str, error: type[Exception]) -> Any:
    """Import astropy, or say how to install it."""
    try:
        from astropy.io import fits
    except ImportError as missing:
        raise error(f"cannot {purpose}: FITS takes the package astropy; {_REMEDY}") from missing
    return fits


def _write_history(header: Header, description: str) -> None:
    """Store a description in HISTORY cards, after a title that states its length."""
    header.add_history(_HISTORY_TITLE.format(len(description)))
    for start in range(0, len(description), _HISTORY_CHARACTERS):
        header.add_history(description[start : start + _HISTORY_CHARACTERS])


def _read_history(header: Header) -> str:
    """Return the description that `_write_history` stored, or an empty text."""
    cards = [str(text) for text in header.get("HISTORY", ())]
    for number, text in enumerate(cards):
        if title := re.fullmatch(_HISTORY_TITLE.format(r"(\d{1,9})"), text):
            # Blanks at the end of a card are not stored.
            joined = "".join(card.ljust(_HISTORY_CHARACTERS) for card in cards[number + 1 :])
            return joined[: int(title[1])]
    return ""
