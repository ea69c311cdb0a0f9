"""The boxes of MP4 files."""

from __future__ import annotations

import io
import struct

import pytest

from skry_dask.io.containers.mp4 import has_index, implausible_sample_count, is_mp4, walk_boxes


def box(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def table(name: bytes, n_samples: int, size: int = 100) -> bytes:
    fields = (0, n_samples) if name == b"trun" else (0, size, n_samples)
    return box(name, struct.pack(f">{len(fields)}I", *fields))


def track(n_samples: int, handler: bytes = b"vide", name: bytes = b"stsz") -> bytes:
    handled = box(b"hdlr", bytes(8) + handler + bytes(12))
    other = box(b"hdlr", bytes(8) + b"url " + bytes(12))  # of the data, within QuickTime's minf
    inner = box(b"minf", other + box(b"stbl", table(name, n_samples)))
    return box(b"trak", box(b"mdia", handled + inner))


def names(content: bytes) -> list[bytes]:
    return [found.name for found in walk_boxes(io.BytesIO(content), len(content))]  # type: ignore[arg-type]


def claimed(content: bytes, size: int | None = None) -> int | None:
    return implausible_sample_count(io.BytesIO(content), size or len(content))  # type: ignore[arg-type]


def test_boxes_are_found_at_every_depth_in_their_order() -> None:
    content = box(b"ftyp", b"qt  ") + box(b"moov", track(3)) + box(b"mdat", b"moovmoov")
    expected = [b"ftyp", b"moov", b"trak", b"mdia", b"hdlr", b"minf", b"hdlr", b"stbl", b"stsz"]
    assert names(content) == [*expected, b"mdat"]
    found = {b.name: b for b in walk_boxes(io.BytesIO(content), len(content))}  # type: ignore[arg-type]
    assert found[b"stsz"].parent == b"stbl"
    assert content[found[b"mdat"].start : found[b"mdat"].stop] == b"moovmoov"


def test_lengths_of_64_bits_and_to_the_end_of_the_file() -> None:
    long = struct.pack(">I4sQ", 1, b"mdat", 24) + bytes(8)
    assert names(long + box(b"free")) == [b"mdat", b"free"]
    assert names(box(b"ftyp") + struct.pack(">I4s", 0, b"mdat") + bytes(100)) == [b"ftyp", b"mdat"]


@pytest.mark.parametrize("length", [2, 7])
def test_after_a_length_that_cannot_be_the_holding_box_ends(length: int) -> None:
    damaged = struct.pack(">I4s", length, b"trak") + bytes(20)
    assert names(box(b"moov", damaged) + box(b"free")) == [b"moov", b"free"]


def test_a_box_may_claim_to_go_beyond_the_end() -> None:
    damaged = struct.pack(">I4s", 2**32 - 1, b"trak")
    assert names(box(b"moov", damaged) + box(b"free")) == [b"moov", b"trak", b"free"]


def test_boxes_deeper_than_any_file_has_are_not_gone_through() -> None:
    content = b""
    for _ in range(1000):
        content = box(b"moov", content)
    assert len(names(content)) < 10


def test_what_is_an_mp4_and_whether_it_has_an_index() -> None:
    whole = box(b"ftyp", b"mp42") + box(b"mdat", b"moov") + box(b"moov")
    assert is_mp4(whole)
    assert not is_mp4(b"RIFF\0\0\0\0AVI ")
    assert not is_mp4(b"")
    for cut, expected in ((len(whole), True), (len(whole) - 1, False), (20, False), (9, False)):
        assert has_index(io.BytesIO(whole[:cut]), cut) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [b"stsz", b"stz2", b"trun"])
def test_a_million_samples_are_believed_and_more_of_a_large_file(name: bytes) -> None:
    few, many = (box(b"moov", track(n, name=name)) for n in (1 << 20, (1 << 20) + 1))
    assert claimed(few) is None
    assert claimed(many) == (1 << 20) + 1
    assert claimed(many, size=1 << 27) is None


def test_sound_has_a_sample_for_each_byte() -> None:
    content = box(b"moov", track(20_000_000, b"soun"))
    assert claimed(content, size=30_000_000) is None
    assert claimed(content, size=19_000_000) == 20_000_000
    # The video after it is not taken for sound.
    both = box(b"moov", track(5, b"soun") + track(20_000_000))
    assert claimed(both, size=30_000_000) == 20_000_000


def test_fragments_count_together() -> None:
    content = b"".join(box(b"moof", box(b"traf", table(b"trun", 400_000))) for _ in range(4))
    assert claimed(box(b"ftyp") + content) == 1_200_000
