"""What an image format has to provide: a module with two functions.

``inspect(path)`` reads the header and tells what is in the file, as a `Still`. ``images(path)``
yields its images one after the other, as they are stored: top row first, channels last, red, green,
blue, without transparency. An image that cannot be decoded comes as the `ReaderError` that says
why, so that one bad page does not end a capture.

A header can claim any size, and a few bytes can unpack to gigabytes. So every module calls
`check_size` with the memory that its decoder is going to take, before it decodes.
"""

from __future__ import annotations

import json
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from skry_dask.errors import ReaderError
from skry_dask.io.files import cannot_read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_PIXELS = 2**28
"""Larger images are refused: no camera has as many pixels."""

DEFLATE_RATIO = 1032
"""No data unpack to more than so many times their length (zlib's documentation)."""

SPARE_BYTES = 180_000_000
"""Memory that an image may take beyond the size of its file."""

BLOCK_BYTES = 2**21
"""Work on parts of an image goes in blocks of rows of about this size, so that it costs no memory
that grows with the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """What the header of an image file says.

    Parameters
    ----------
    format
        ``"PNG"``, ``"TIFF"``...
    n_images
        Number of images in the file.
    height, width
        Of each, px.
    channels
        1, or 3: red, green, blue.
    dtype
        Of the values as they are stored: ``"uint8"``, ``"uint16"``, ``"int16"``, ``"float32"``...
    bits
        Depth of unsigned integers: the value of white is ``2**bits - 1``.
    cfa
        Colour filter array, see `CaptureInfo`.
    time
        When it was taken, ns since 1970-01-01 UTC, or None.
    attrs
        What else is known, JSON-compatible.
    text
        What a program wrote into it as its description.
    problems
        What is wrong with the file though it can be read, one sentence each.
    """

    format: str
    n_images: int = 1
    height: int
    width: int
    channels: int
    dtype: str
    bits: int
    cfa: str | None = None
    time: int | None = None
    attrs: dict[str, str | int | float] = field(default_factory=dict)
    text: str = ""
    problems: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an image: (y, x), or (y, x, channel) with three channels."""
        return (self.height, self.width, *((3,) if self.channels == 3 else ()))


def check_size(path: Path, size: int, height: int, width: int, n_bytes: int) -> None:
    """Refuse an image that would take more memory than its file justifies.

    Parameters
    ----------
    path
        The file, for the message.
    size
        Of the file, bytes.
    height, width
        What its header claims, px.
    n_bytes
        Memory that decoding takes, with the image that is returned.

    Raises
    ------
    ReaderError
        No pixels, more than ``2**28``, or more than `SPARE_BYTES` beyond the file's size.
    """
    if height < 1 or width < 1:
        raise ReaderError(
            f"{path} has a damaged header: width {width}, height {height}; record or copy it again"
        )
    if height * width > MAX_PIXELS:
        raise ReaderError(
            f"{path} claims to have {width} x {height} px; at most {MAX_PIXELS} px can be read, "
            f"check the file or cut it"
        )
    if n_bytes > size + SPARE_BYTES:
        raise ReaderError(
            f"{path} claims to have {width} x {height} px, which take {n_bytes} bytes of memory "
            f"though the file has only {size}; if it is sound, save it uncompressed (TIFF or FITS)"
        )


@contextmanager
def decoding(path: Path, name: str) -> Iterator[None]:
    """Turn whatever a library says of a damaged file into one error of ours.

    Libraries raise dozens of kinds of exceptions for bytes that do not fit, and warn of some.

    Parameters
    ----------
    path
        The file.
    name
        Of its format.

    Raises
    ------
    ReaderError
        In place of any other exception.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except ReaderError:
            raise
        except MemoryError as error:
            raise ReaderError(f"no memory to read {path} ({name}); close other programs") from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno and error.filename:
                raise cannot_read(path, error) from error
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            raise damaged(path, name, reason) from error


def damaged(path: Path, name: str, reason: str) -> ReaderError:
    """Say that a file is not what it should be.

    Parameters
    ----------
    path
        The file.
    name
        Of its format.
    reason
        What is wrong with it.
    """
    return ReaderError(
        f"{path} cannot be read as {name}: {reason}; check that it is complete, or copy it again"
    )


def metadata_of(text: str) -> dict[str, Any]:
    """Read what `write_image` stored as a description.

    Parameters
    ----------
    text
        A description of any origin.

    Returns
    -------
    dict, empty for the description of another program.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def rows_per_block(height: int, bytes_per_row: int) -> Iterator[slice]:
    """Part the rows of an image into blocks.

    Parameters
    ----------
    height
        Number of rows.
    bytes_per_row
        Of what is worked on.

    Yields
    ------
    slice of rows, from the top.
    """
    step = max(1, BLOCK_BYTES // max(bytes_per_row, 1))
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))
