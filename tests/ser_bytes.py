"""SER files put together from their specification."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from skry_dask.io.raw.ser import SerReader

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

HEADER_LAYOUT = "<14siiiiiii40s40s40sqq"
SECOND = 10_000_000
NOW = 638_000_000_000_000_000
"""A time in the year 2022, in units of 100 ns since the year 1."""
UNIX_EPOCH = 621_355_968_000_000_000
BAYER = {8: "RGGB", 9: "GRBG", 10: "GBRG", 11: "BGGR"}
CMY = {16: "CYYM", 17: "YCMY", 18: "YMCY", 19: "MYYC"}


def ser(
    frames: np.ndarray,
    *,
    bits: int = 8,
    flag: int = 0,
    colour: int = 0,
    count: int | None = None,
    file_id: bytes = b"LUCAM-RECORDER",
    texts: tuple[bytes, bytes, bytes] = (b"", b"", b""),
    local: int = 0,
    utc: int = 0,
    stamps: list[int] | None = None,
) -> bytes:
    """A SER file: `flag` states the byte order, `colour` is the ColorID, `stamps` are times."""
    n, height, width = frames.shape[:3]
    header = struct.pack(
        HEADER_LAYOUT, file_id, 0, colour, flag, width, height, bits,
        n if count is None else count, *texts, local, utc,
    )  # fmt: skip
    assert len(header) == 178
    trailer = b"" if stamps is None else struct.pack(f"<{len(stamps)}q", *stamps)
    return header + frames.tobytes() + trailer


def ser_header(width: int, height: int, bits: int, n_frames: int, colour: int = 0) -> bytes:
    """The header of a SER file."""
    return struct.pack(
        HEADER_LAYOUT, b"LUCAM-RECORDER", 0, colour, 0, width, height, bits, n_frames,
        b"", b"", b"", 0, 0,
    )  # fmt: skip


def open_bytes(path: Path, content: bytes) -> SerReader:
    """Write a SER file, a new one each time, and open it."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return SerReader(path)
