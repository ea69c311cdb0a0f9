"""Length that a Matroska file states."""

from __future__ import annotations

from skry_dask.io.containers.matroska import is_matroska, segment_stop

EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"


def test_the_end_of_the_segment_follows_from_lengths_of_any_number_of_bytes() -> None:
    for length, n_bytes in ((b"\x90", 16), (b"\x40\x90", 144), (b"\x08\x00\x00\x10\x00", 4096)):
        head = EBML + b"\x82ab" + SEGMENT + length
        assert is_matroska(head)
        assert segment_stop(head + bytes(64)) == len(head) + n_bytes


def test_no_end_is_stated_by_unknown_lengths_and_damaged_heads() -> None:
    for head in (
        EBML + b"\x82ab" + SEGMENT + b"\xff",
        EBML + b"\x82ab" + SEGMENT + b"\x01" + b"\xff" * 7,
        EBML + b"\x82ab" + SEGMENT + b"\x00" * 9,
        EBML + b"\x82ab" + SEGMENT,
        EBML + b"\x83ab" + SEGMENT + b"\x90",
        EBML,
    ):
        assert segment_stop(head) is None
    assert not is_matroska(b"RIFF")
