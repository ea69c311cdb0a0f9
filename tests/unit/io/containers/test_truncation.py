"""Videos that state a longer length than their files have."""

from __future__ import annotations

import io
import struct

from skry_dask.io.containers.truncation import count_missing_bytes


def missing(content: bytes, size: int | None = None) -> int:
    """Missing bytes of a file that ends at `size`."""
    content = content[:size]
    return count_missing_bytes(io.BytesIO(content), len(content))  # type: ignore[arg-type]


def riff(kind: bytes, n_bytes: int, stated: int | None = None) -> bytes:
    stated = n_bytes + 4 if stated is None else stated
    return b"RIFF" + struct.pack("<I", stated) + kind + b"\xff" * n_bytes


def box(name: bytes, n_bytes: int, stated: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + n_bytes if stated is None else stated, name) + bytes(n_bytes)


def matroska(n_bytes: int, stated: bytes | None = None) -> bytes:
    header = b"\x1a\x45\xdf\xa3\x84abcd"
    length = bytes([0x08]) + n_bytes.to_bytes(4, "big") if stated is None else stated
    return header + b"\x18\x53\x80\x67" + length + bytes(n_bytes)


def test_a_file_that_was_cut_off_misses_what_its_lengths_state() -> None:
    for content in (
        riff(b"AVI ", 1000),
        riff(b"AVI ", 1000) + riff(b"AVIX", 2000),
        box(b"ftyp", 20) + box(b"mdat", 3000),
        box(b"ftyp", 20) + struct.pack(">I4sQ", 1, b"mdat", 16 + 3000) + bytes(3000),
        matroska(3000),
    ):
        assert missing(content) == 0
        assert missing(content, len(content) - 300) == 300
        assert missing(content + bytes(50)) == 0


def test_a_few_bytes_too_many_in_a_length_are_no_damage() -> None:
    for content in (riff(b"AVI ", 1000), box(b"ftyp", 20) + box(b"mdat", 3000), matroska(3000)):
        assert missing(content, len(content) - 64) == 0
        assert missing(content, len(content) - 66) == 66


def test_lengths_that_a_recorder_has_not_written_yet_state_nothing() -> None:
    for content in (
        riff(b"AVI ", 1000, stated=0),
        riff(b"AVI ", 1000, stated=2**32 - 1),
        riff(b"AVI ", 1000) + riff(b"AVIX", 2000, stated=0),
        box(b"ftyp", 20) + box(b"mdat", 3000, stated=0),
        box(b"ftyp", 20) + box(b"mdat", 3000, stated=7),
        matroska(3000, stated=b"\x01" + b"\xff" * 7),
        b"another kind of video" * 9,
        b"",
    ):
        assert missing(content) == 0
