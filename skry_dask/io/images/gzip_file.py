"""Files packed with gzip (RFC 1952), as FITS often is: unpacked into memory.

What is packed can be a thousand times as long, so more than an image may take is refused.
"""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

from skry_dask.errors import ReaderError
from skry_dask.io.files import open_for_reading
from skry_dask.io.images.guards import MEMORY_BEYOND_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from skry_dask.io.files import BinaryFile

_SIGNATURE = b"\x1f\x8b\x08"
_GZIP_WINDOW = 31  # of zlib: 2**15 bytes, with the header of gzip


class _Unpacked(BytesIO):
    """Content of a packed file, with its name for messages."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def unpacked_head(head: bytes) -> bytes:
    """Unpack how a file begins; a file that is not packed begins as it is.

    Parameters
    ----------
    head
        Its first bytes.
    """
    if not head.startswith(_SIGNATURE):
        return head
    try:
        return zlib.decompressobj(_GZIP_WINDOW).decompress(head, 2 * len(head))
    except zlib.error:
        return b""


@contextmanager
def open_unpacked(path: Path) -> Iterator[BinaryFile]:
    """Open a file for reading, unpacked if it is packed; one that is cut off ends early.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ReaderError
        If it cannot be read, is damaged, or unpacks to more than an image may take.
    """
    with open_for_reading(path) as file:
        if file.read(len(_SIGNATURE)) != _SIGNATURE:
            yield file
            return
        file.seek(0)
        packed = file.read()
    unpacker, max_bytes = zlib.decompressobj(_GZIP_WINDOW), len(packed) + MEMORY_BEYOND_FILE
    try:
        content = unpacker.decompress(packed, max_bytes)
    except zlib.error as error:
        raise ReaderError(f"{path} cannot be unpacked ({error}): copy it again") from error
    if unpacker.unconsumed_tail:
        raise ReaderError(
            f"{path} unpacks to more than {max_bytes} bytes, too much to be read packed: unpack it "
            f"with gunzip"
        )
    yield _Unpacked(content, str(path))
