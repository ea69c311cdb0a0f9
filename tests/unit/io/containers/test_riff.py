"""Chunks of RIFF files, put together from the specification."""

from __future__ import annotations

import io
import struct

from skry_dask.io.containers.riff import Chunk, walk_chunks


def chunk(fourcc: bytes, content: bytes = b"", *, padded: bool = True) -> bytes:
    padding = bytes(len(content) % 2) if padded else b""
    return fourcc + struct.pack("<I", len(content)) + content + padding


def walk(content: bytes, **options: object) -> list[Chunk]:
    return list(walk_chunks(io.BytesIO(content), len(content), **options))  # type: ignore[arg-type]


def test_lists_are_entered_and_come_before_their_chunks() -> None:
    inner = chunk(b"LIST", b"movi" + chunk(b"00db", b"pixels"))
    content = chunk(b"RIFF", b"AVI " + inner) + chunk(b"RIFF", b"AVIX")
    found = walk(content)
    assert [found.fourcc for found in found] == [b"RIFF", b"LIST", b"00db", b"RIFF"]
    assert [found.list_type for found in found] == [b"AVI ", b"movi", b"", b"AVIX"]
    frame = found[2]
    assert content[frame.start : frame.stop] == b"pixels"
    assert [found.stop for found in found] == [len(content) - 12, 38, 38, len(content)]


def test_lists_that_are_not_entered_are_stepped_over_by_their_length() -> None:
    content = chunk(b"RIFF", b"AVI " + chunk(b"JUNK", b"odd")) + chunk(b"RIFF", b"AVIX")
    assert [found.list_type for found in walk(content, enter=())] == [b"AVI ", b"AVIX"]


def test_lengths_of_lists_do_not_matter_if_they_are_entered() -> None:
    content = bytearray(chunk(b"RIFF", b"AVI " + chunk(b"LIST", b"movi" + chunk(b"00db", b"ab"))))
    content[4:8] = content[16:20] = bytes(4)
    assert [found.fourcc for found in walk(bytes(content))] == [b"RIFF", b"LIST", b"00db"]


def test_chunks_of_odd_length_may_be_padded_or_not() -> None:
    for padded in (True, False):
        content = chunk(b"00db", b"odd", padded=padded) + chunk(b"00dc", b"even")
        assert [found.fourcc for found in walk(content)] == [b"00db", b"00dc"]


def test_the_walk_ends_where_the_bytes_are_no_chunk() -> None:
    content = chunk(b"00db", b"ab") + b"\xff" * 20
    assert walk(content)[-1] == Chunk(b"", 10, 0)
    assert walk(chunk(b"00db", b"ab") + b"short")[-1].fourcc == b"00db"
