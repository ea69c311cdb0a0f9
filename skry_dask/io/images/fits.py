"""FITS (standard 4.0) through astropy, which the extra ``fits`` installs.

astropy reads and writes headers; pixels are read from their place in the file, since its own
scaling would make several copies. The first image of a file counts: two axes are one image, three
planes are red, green and blue, and any other third axis counts frames.

*Rows.* FITS stores the bottom row first unless the keyword ROWORDER says TOP-DOWN. Images are
returned with their top row first either way: without TOP-DOWN, rows are turned round.

*Raw colour.* BAYERPAT names the pattern as the maker of the sensor does, from its top left; so it
holds for the images as they are returned, whatever ROWORDER says. Where ROWORDER is missing, Siril
and most programs mean the row that is stored first; that becomes the last one, so the pattern is
turned round too if the height is even. Odd XBAYROFF and YBAYROFF shift it by a column and a row.
(Siril's documentation, "Orientation of FITS images", and its default settings.)
"""

from __future__ import annotations

import math
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.files import fill, reading
from skry_dask.io.images.image_format import Still, check_size, damaged, decoding, rows_per_block

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import FileIO
    from pathlib import Path

    from astropy.io.fits import Header

    from skry_dask.types import AnyArray

_BLOCK = 2880
_MAX_HEADER_BLOCKS = 1000
_MAX_AXES = 999  # FITS standard 4.0, 4.4.1.1
_MAX_PARTS = 100
_REMEDY = "pip install 'skry_dask[fits]'"
_RAW = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_PEOPLE_AND_THINGS = ("instrument", "telescope", "observer")
_PATTERNS = ("RGGB", "GRBG", "GBRG", "BGGR")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")
_HISTORY = "skry_dask metadata, JSON of {} characters:"
_HISTORY_CHARACTERS = 72


class _Layout:
    """Where the first image of a file is, and what its numbers mean."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path, self.size = path, file.seek(0, 2)
        self.header, self.place = _first_image(path, file, self.size)
        get = self._integer
        axes = [get(f"NAXIS{k + 1}") for k in range(get("NAXIS"))]
        while len(axes) > 2 and axes[-1] == 1:
            axes.pop()
        if len(axes) not in (2, 3) or min(axes) < 1:
            raise damaged(path, "FITS", f"its axes are {axes}, not those of an image or a cube")
        self.width, self.height = axes[:2]
        self.channels = 3 if axes[2:] == [3] else 1
        self.raw = np.dtype(_RAW[get("BITPIX")])
        self.scale, self.zero = self._number("BSCALE", 1.0), self._number("BZERO", 0.0)
        self.image_bytes = self.height * self.width * self.channels * self.raw.itemsize
        self.claimed = 1 if len(axes) == 2 or self.channels == 3 else axes[2]
        order = str(self.header.get("ROWORDER", "")).strip().upper()
        self.bottom_up, self.ordered = order != "TOP-DOWN", order in ("TOP-DOWN", "BOTTOM-UP")
        # Of images that are cut off, one is kept, so that its loss is reported.
        found = max(self.size - self.place, 0)
        self.n_images = min(self.claimed, max(1, -(-found // self.image_bytes)))

    def _integer(self, key: str) -> int:
        value = self.header.get(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise damaged(self.path, "FITS", f"its {key} is {value!r}")
        if (key == "BITPIX" and value not in _RAW) or (key == "NAXIS" and not 0 <= value <= 999):
            raise damaged(self.path, "FITS", f"its {key} is {value}")
        return value

    def _number(self, key: str, default: float) -> float:
        value = self.header.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise damaged(self.path, "FITS", f"its {key} is {value!r}")
        return float(value)

    @property
    def unsigned(self) -> bool:
        """Whether these are unsigned integers, stored as signed ones."""
        bits = 8 * self.raw.itemsize
        return self.raw.kind == "i" and bits < 64 and self.zero == 2.0 ** (bits - 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type that holds the values exactly."""
        if self.scale == 1 and self.unsigned:
            return np.dtype(f"u{self.raw.itemsize}")
        if self.scale == 1 and self.zero == 0:
            return self.raw.newbyteorder("=")
        return np.dtype("f4" if self.raw.itemsize <= 2 else "f8")

    @property
    def cfa(self) -> str | None:
        pattern = str(self.header.get("BAYERPAT", "")).strip().upper()
        if pattern not in _PATTERNS or self.channels == 3:
            return None
        swaps = self.header.get("YBAYROFF", 0), self.header.get("XBAYROFF", 0)
        rows, columns = (isinstance(n, int | float) and n % 2 == 1 for n in swaps)
        rows ^= not self.ordered and self.height % 2 == 0
        pattern = pattern[2:] + pattern[:2] if rows else pattern
        return pattern[1] + pattern[0] + pattern[3] + pattern[2] if columns else pattern

    @property
    def time(self) -> int | None:
        text = str(self.header.get("DATE-OBS", "")).strip()
        if self.claimed != 1 or not _TIME.fullmatch(text) or not "1678" <= text[:4] <= "2261":
            return None
        try:
            return int(np.datetime64(text.rstrip("Z"), "ns").astype(np.int64))
        except ValueError:
            return None

    def check(self) -> None:
        """Refuse what would take too much memory."""
        n_values = self.height * self.width * self.channels
        # Data in the file vouch for themselves; the copy may have wider numbers.
        grown = n_values * (self.dtype.itemsize - self.raw.itemsize)
        check_size(self.path, self.size, self.height, self.width, grown)


def inspect(path: Path) -> Still:
    """Read the header of the first image of a FITS file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ReaderError
        astropy is missing, or it is not a FITS file with an image, or damaged.
    """
    with reading(path) as file, decoding(path, "FITS"):
        layout = _Layout(path, file)
        layout.check()
        header, dtype = layout.header, layout.dtype
        attrs: dict[str, str | int | float] = {}
        for name in _PEOPLE_AND_THINGS:
            if text := str(header.get(name.upper()[:8], "")).strip():
                attrs[name] = text
        problems: list[str] = []
        if layout.n_images < layout.claimed:
            problems.append(
                f"The header of {path.name} claims {layout.claimed} frames; {layout.n_images} are "
                f"there."
            )
        needed = layout.place + layout.n_images * layout.image_bytes
        if needed > layout.size:
            problems.append(
                f"{path.name} is cut off: its last image needs the bytes up to {needed}, it has "
                f"{layout.size}."
            )
        return Still(
            format="FITS",
            n_images=layout.n_images,
            height=layout.height,
            width=layout.width,
            channels=layout.channels,
            dtype=dtype.name,
            bits=8 if dtype == np.uint8 else 16,
            cfa=layout.cfa,
            time=layout.time,
            attrs=attrs,
            text=_stored_json(header),
            problems=tuple(problems),
        )


def images(path: Path) -> Iterator[AnyArray | ReaderError]:
    """Read the images of a FITS file.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    (y, x) or (y, x, 3), top row first, native byte order, the type that holds the values exactly;
    for an image that is cut off the error.

    Raises
    ------
    ReaderError
        The header cannot be read.
    """
    with reading(path) as file, decoding(path, "FITS"):
        layout = _Layout(path, file)
        layout.check()
    for number in range(layout.n_images):
        found: AnyArray | ReaderError
        try:
            with reading(path) as file, decoding(path, "FITS"):
                found = _pixels(layout, file, number)
        except ReaderError as error:
            found = error
        yield found


def _pixels(layout: _Layout, file: FileIO, number: int) -> AnyArray:
    height, width, channels = layout.height, layout.width, layout.channels
    start = layout.place + number * layout.image_bytes
    if start + layout.image_bytes > layout.size:
        raise damaged(
            layout.path,
            "FITS",
            f"image {number} needs the bytes up to {start + layout.image_bytes}, the file has "
            f"{layout.size}",
        )
    image: AnyArray = np.empty((height, width, channels), layout.dtype)
    top_first = image[::-1] if layout.bottom_up else image
    for channel in range(channels):
        for rows in rows_per_block(height, width * image.itemsize):
            raw = np.empty((rows.stop - rows.start, width), layout.raw)
            fill(file, start, raw)
            start += raw.nbytes
            top_first[rows, :, channel] = _values(layout, raw)
    return image if channels == 3 else image[..., 0]


def _values(layout: _Layout, raw: AnyArray) -> AnyArray:
    dtype = layout.dtype
    native: AnyArray = raw.astype(raw.dtype.newbyteorder("="))
    if dtype.kind == "u" and raw.dtype.kind == "i":
        # Adding half the range is the same as turning the sign bit.
        return native.view(dtype) ^ dtype.type(1 << (8 * dtype.itemsize - 1))
    if dtype.kind == "f" and (layout.scale != 1 or layout.zero != 0):
        with np.errstate(all="ignore"):
            scaled: AnyArray = native.astype(np.float64) * layout.scale + layout.zero
            return scaled.astype(dtype)
    return native


def _first_image(path: Path, file: FileIO, size: int) -> tuple[Header, int]:
    """Find the first part of a file that is an image: its header, and where its data begin."""
    place = 0
    for _ in range(_MAX_PARTS):
        header, place = _header(path, file, place)
        n_axes = header.get("NAXIS")
        if not isinstance(n_axes, int) or not 0 <= n_axes <= _MAX_AXES:
            raise damaged(path, "FITS", f"NAXIS is {n_axes!r}")
        kind = str(header.get("XTENSION", "IMAGE")).strip()
        if header.get("ZIMAGE") is True:
            raise ReaderError(f"{path} is compressed FITS; unpack it with funpack first")
        if kind == "IMAGE" and n_axes != 0:
            return header, place
        sizes = [header.get(f"NAXIS{k + 1}", 0) for k in range(n_axes)] if n_axes else [0]
        n_bytes = abs(header["BITPIX"]) // 8 * (math.prod(sizes) + header.get("PCOUNT", 0))
        place += -(-n_bytes // _BLOCK) * _BLOCK
        if not 0 <= place < size:
            break
    raise damaged(path, "FITS", "no image is in it")


def _header(path: Path, file: FileIO, place: int) -> tuple[Header, int]:
    """Read one header; returns it and where it ends."""
    fits = _astropy(f"read {path}")
    content = bytearray()
    file.seek(place)
    for _ in range(_MAX_HEADER_BLOCKS):
        block = file.read(_BLOCK)
        if len(block) < _BLOCK:
            break
        content += block
        if any(block[k : k + 8] == b"END     " for k in range(0, _BLOCK, 80)):
            return fits.Header.fromstring(bytes(content)), place + len(content)
    raise damaged(path, "FITS", f"the header at byte {place} has no end")


def _astropy(doing: str, error: type[Exception] = ReaderError) -> Any:
    try:
        from astropy.io import fits
    except ImportError as missing:
        raise error(f"cannot {doing}: FITS takes the package astropy; {_REMEDY}") from missing
    return fits


def _stored_json(header: Header) -> str:
    """Put together what `encode` parted into HISTORY cards."""
    cards = [str(text) for text in header.get("HISTORY", ())]
    for number, text in enumerate(cards):
        if found := re.fullmatch(_HISTORY.format(r"(\d{1,9})"), text):
            # Blanks at the end of a card are not kept.
            joined = "".join(card.ljust(_HISTORY_CHARACTERS) for card in cards[number + 1 :])
            return joined[: int(found[1])]
    return ""


def encode(
    samples: AnyArray, software: str, description: str, metadata: Mapping[str, Any]
) -> bytes:
    """Make a FITS file of an image.

    Parameters
    ----------
    samples
        float32 (y, x) or (y, x, 3), top row first.
    software
        Name and version of the program.
    description
        ASCII, without line breaks; stored in HISTORY.
    metadata
        From which come STACKCNT (``"active_frames"``) and INSTRUME, TELESCOP and OBSERVER
        (``"source_attributes"``).

    Returns
    -------
    The bytes of the file.

    Raises
    ------
    StoreError
        astropy is missing.
    """
    fits = _astropy("write FITS", StoreError)
    header = fits.Header()
    header["ROWORDER"] = ("TOP-DOWN", "the first row stored is the top")
    header["SWCREATE"] = header["CREATOR"] = software
    source = metadata.get("source_attributes")
    for key in _PEOPLE_AND_THINGS:
        if isinstance(source, dict) and (text := str(source.get(key, "")).strip()):
            plain = text.encode("ascii", "replace").decode()
            header[key.upper()[:8]] = re.sub(r"[^ -~]", "?", plain)[:68]
    if isinstance(count := metadata.get("active_frames"), int):
        header["STACKCNT"] = (count, "frames stacked")
    header.add_history(_HISTORY.format(len(description)))
    for start in range(0, len(description), _HISTORY_CHARACTERS):
        header.add_history(description[start : start + _HISTORY_CHARACTERS])
    planes = np.moveaxis(samples, -1, 0) if samples.ndim == 3 else samples
    target = BytesIO()
    fits.PrimaryHDU(np.ascontiguousarray(planes), header).writeto(target)
    return target.getvalue()
