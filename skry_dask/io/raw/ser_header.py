"""Header of a SER file.

Layout after "SER format description, version 3" (Heiko Wilkens and Grischa Hahn, 2014). Many
programs write texts and times carelessly, so nothing here refuses a file: what makes no sense is
left out and reported.
"""

from __future__ import annotations

import struct
from datetime import datetime, timedelta
from typing import NamedTuple

FILE_ID = b"LUCAM-RECORDER"
_LAYOUT = struct.Struct("<14s7i40s40s40s2q")
HEADER_BYTES = _LAYOUT.size

# Meaning of ColorID. One sample per pixel, without a filter array or behind one of red, green and
# blue or of cyan, magenta and yellow; or three samples per pixel in this order.
MONO = {0: "mono"}
BAYER = {8: "RGGB", 9: "GRBG", 10: "GBRG", 11: "BGGR"}
CMY = {16: "CYYM", 17: "YCMY", 18: "YMCY", 19: "MYYC"}
RGB = 100
INTERLEAVED = {RGB: "RGB", 101: "BGR"}
COLOURS = MONO | BAYER | CMY | INTERLEAVED

# Times are counts of 100 ns since 0001-01-01; this is 1970-01-01.
UNIX_EPOCH = 621_355_968_000_000_000
TICKS_PER_SECOND = 10_000_000
MAX_TICKS = UNIX_EPOCH + 230 * 365 * 86400 * TICKS_PER_SECOND  # about the year 2200


class SerHeader(NamedTuple):
    """The 178 bytes of the header: its fields as they are stored, in the order of the file."""

    file_id: bytes
    lu_id: int
    colour_id: int
    little_endian: int
    width: int
    height: int
    bits: int
    n_frames: int
    observer: bytes
    instrument: bytes
    telescope: bytes
    date_local: int
    date_utc: int

    @classmethod
    def parse(cls, head: bytes) -> SerHeader:
        """Parse the first 178 bytes of a file."""
        return cls(*_LAYOUT.unpack(head[:HEADER_BYTES]))

    def pack(self) -> bytes:
        """Return the 178 bytes of the header."""
        return _LAYOUT.pack(*self)

    @property
    def channels(self) -> int:
        """Samples per pixel: 1 or 3."""
        return 3 if self.colour_id in INTERLEAVED else 1

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.width * self.height * self.channels * (1 if self.bits <= 8 else 2)

    @property
    def is_plausible(self) -> bool:
        """Whether size and depth of a frame can be true."""
        return self.width > 0 and self.height > 0 and 8 <= self.bits <= 16


def is_ser(head: bytes, size: int) -> bool:
    """Return whether a file is SER, by its content.

    Some programs write a file identification of their own (``JSOLEX-TRIMMED``). It is accepted if
    the rest of the header agrees exactly with the size of the file.

    Parameters
    ----------
    head
        At least the first 178 bytes of the file, or all if there are fewer.
    size
        Size of the file, bytes.
    """
    if head.startswith(FILE_ID):
        return True
    if len(head) < HEADER_BYTES:
        return False
    header = SerHeader.parse(head)
    if not (header.is_plausible and header.n_frames > 0 and header.colour_id in COLOURS):
        return False
    end = HEADER_BYTES + header.n_frames * header.frame_bytes
    return size in (end, end + 8 * header.n_frames)


def is_date(ticks: int) -> bool:
    """Return whether a date of the header makes sense."""
    return UNIX_EPOCH < ticks <= MAX_TICKS


def header_attributes(header: SerHeader) -> dict[str, str | int | float]:
    """Return the texts and dates of a header that are not empty and make sense.

    Parameters
    ----------
    header
        Header of a SER file.

    Returns
    -------
    dict
        Some of ``observer``, ``instrument``, ``telescope``, ``date_utc`` and ``date_local`` (ISO
        8601).
    """
    attrs: dict[str, str | int | float] = {}
    for name in ("observer", "instrument", "telescope"):
        if text := _decode_text(getattr(header, name)):
            attrs[name] = text
    if is_date(header.date_utc):
        attrs["date_utc"] = f"{_iso(header.date_utc)}Z"
    if is_date(header.date_local):
        attrs["date_local"] = _iso(header.date_local)
    return attrs


def _iso(ticks: int) -> str:
    date = datetime.min + timedelta(microseconds=ticks // 10)
    return date.isoformat(timespec="milliseconds")


def _decode_text(field: bytes) -> str:
    """Decode a field of 40 bytes, in UTF-8 or else Latin-1, that may lack its final NUL."""
    raw = field.split(b"\0", 1)[0]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return "".join(c if c.isprintable() else " " for c in text).strip()


def encode_text(text: str) -> bytes:
    """Encode a text in at most 40 bytes of UTF-8, without half a character at the end.

    Parameters
    ----------
    text
        Any text. SER states no encoding; most programs write ASCII.
    """
    return text.encode("utf-8")[:40].decode("utf-8", "ignore").encode("utf-8")
