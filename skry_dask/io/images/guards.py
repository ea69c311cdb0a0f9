"""Guards against damaged image files: limits on memory, and one kind of error.

A header can claim any size, a few bytes can unpack to gigabytes, and image libraries raise dozens
of kinds of exceptions for bytes that do not fit.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from skry_dask.errors import ReaderError
from skry_dask.io.files import cannot_read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_PIXELS = 2**28
"""Larger images are refused; no camera has as many pixels."""

DEFLATE_RATIO = 1032
"""Highest compression ratio of Deflate (documentation of zlib)."""

MEMORY_BEYOND_FILE = 180_000_000
"""Memory that an image may take beyond the size of its file, bytes."""

BAND_BYTES = 2**21
"""Size of the bands of rows in which images are converted, bytes."""


def check_image_size(path: Path, file_size: int, height: int, width: int, n_bytes: int) -> None:
    """Refuse an image that would take more memory than the size of its file justifies.

    Parameters
    ----------
    path
        The file, for messages.
    file_size
        Size of the file, bytes.
    height, width
        Size of an image as the header states it, px.
    n_bytes
        Memory that decoding takes, including the image that is returned.

    Raises
    ------
    ReaderError
        If there are no pixels, more than `MAX_PIXELS`, or decoding takes more than
        `MEMORY_BEYOND_FILE` beyond the size of the file.
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
    if n_bytes > file_size + MEMORY_BEYOND_FILE:
        raise ReaderError(
            f"{path} claims to have {width} x {height} px, which take {n_bytes} bytes of memory "
            f"though the file has only {file_size}; if it is sound, save it uncompressed (TIFF or "
            f"FITS)"
        )


@contextmanager
def translate_errors(path: Path, format_name: str) -> Iterator[None]:
    """Turn every exception of a library into a `ReaderError`, and ignore its warnings.

    Parameters
    ----------
    path
        The file that is decoded within the block.
    format_name
        Name of its format.

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
            raise ReaderError(
                f"no memory to read {path} ({format_name}); close other programs"
            ) from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno and error.filename:
                raise cannot_read(path, error) from error
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            raise damaged(path, format_name, reason) from error


def damaged(path: Path, format_name: str, reason: str) -> ReaderError:
    """Make the error for a file that does not follow its format.

    Parameters
    ----------
    path
        The file.
    format_name
        Name of its format.
    reason
        What is wrong with it.
    """
    return ReaderError(
        f"{path} cannot be read as {format_name}: {reason}; check that it is complete, or copy it "
        f"again"
    )


def row_bands(height: int, bytes_per_row: int) -> Iterator[slice]:
    """Cut the rows of an image into bands, so that converting it takes little memory.

    Parameters
    ----------
    height
        Number of rows.
    bytes_per_row
        Memory that a row takes while it is converted.

    Yields
    ------
    slice
        Rows of about `BAND_BYTES`, from the top.
    """
    step = max(1, BAND_BYTES // max(bytes_per_row, 1))
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))
