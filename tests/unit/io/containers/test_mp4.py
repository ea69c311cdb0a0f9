"""Boxes of MP4 files, put together from the specification."""

from __future__ import annotations

import io
import struct

from skry_dask.io.containers.mp4 import (
    has_index,
    implausible_sample_count,
    is_mp4,
    walk_boxes,
)


def box(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def sample_table(name: bytes, n_samples: int) -> bytes:
    fields = (0, n_samples) if name == b"trun" else (0, 100, n_samples)
    return box(name, struct.pack(f">{len(fields)}I", *fields))


def track(n_samples: int, handler: bytes = b"vide", table: bytes = b"stsz") -> bytes:
    media_handler = box(b"hdlr", bytes(8) + handler + bytes(12))
    # QuickTime has another handler, of the data, in minf.
    data_handler = box(b"hdlr", bytes(8) + b"url " + bytes(12))
    media = box(b"minf", data_handler + box(b"stbl", sample_table(table, n_samples)))
    return box(b"trak", box(b"mdia", media_handler + media))


def names(content: bytes, **options: int) -> list[bytes]:
    boxes = walk_boxes(io.BytesIO(content), len(content), **options)  # type: ignore[arg-type]
    return [found.name for found in boxes]


def claimed(content: bytes, size: int | None = None) -> int | None:
    file = io.BytesIO(content)
    return implausible_sample_count(file, size or len(content))  # type: ignore[arg-type]


def test_boxes_are_found_at_every_depth_in_their_order() -> None:
    content = box(b"ftyp", b"qt  ") + box(b"moov", track(3)) + box(b"mdat", b"moovmoov")
    inner = [b"trak", b"mdia", b"hdlr", b"minf", b"hdlr", b"stbl", b"stsz"]
    assert names(content) == [b"ftyp", b"moov", *inner, b"mdat"]
    assert names(content, max_depth=1) == [b"ftyp", b"moov", b"mdat"]
    boxes = walk_boxes(io.BytesIO(content), len(content))  # type: ignore[arg-type]
    found = {found.name: found for found in boxes}
    assert found[b"stsz"].parent == b"stbl"
    assert content[found[b"mdat"].start : found[b"mdat"].stop] == b"moovmoov"


def test_lengths_of_64_bits_and_to_the_end_of_the_file() -> None:
    long = struct.pack(">I4sQ", 1, b"mdat", 24) + bytes(8)
    assert names(long + box(b"free")) == [b"mdat", b"free"]
    assert names(box(b"ftyp") + struct.pack(">I4s", 0, b"mdat") + bytes(100)) == [b"ftyp", b"mdat"]


def test_an_impossible_length_ends_the_box_around_it() -> None:
    for length in (2, 7):
        damaged = struct.pack(">I4s", length, b"trak") + bytes(20)
        assert names(box(b"moov", damaged) + box(b"free")) == [b"moov", b"free"]
    beyond_the_end = struct.pack(">I4s", 2**32 - 1, b"trak")
    assert names(box(b"moov", beyond_the_end) + box(b"free")) == [b"moov", b"trak", b"free"]


def test_boxes_nested_deeper_than_in_any_real_file_are_not_visited() -> None:
    content = b""
    for _ in range(1000):
        content = box(b"moov", content)
    assert len(names(content)) < 10


def test_mp4_and_its_index_are_recognised() -> None:
    whole = box(b"ftyp", b"mp42") + box(b"mdat", b"moov") + box(b"moov")
    assert is_mp4(whole)
    assert not is_mp4(b"RIFF\0\0\0\0AVI ")
    assert not is_mp4(b"")
    for length, expected in ((len(whole), True), (len(whole) - 1, False), (20, False), (9, False)):
        assert has_index(io.BytesIO(whole[:length]), length) == expected  # type: ignore[arg-type]


def test_a_million_samples_are_plausible_and_more_in_a_large_file() -> None:
    for table in (b"stsz", b"stz2", b"trun"):
        few, many = (box(b"moov", track(n, table=table)) for n in (1 << 20, (1 << 20) + 1))
        assert claimed(few) is None
        assert claimed(many) == (1 << 20) + 1
        assert claimed(many, size=1 << 27) is None


def test_sound_may_have_a_sample_for_each_byte() -> None:
    sound = box(b"moov", track(20_000_000, b"soun"))
    assert claimed(sound, size=30_000_000) is None
    assert claimed(sound, size=19_000_000) == 20_000_000
    # A video after it is not taken for sound.
    both = box(b"moov", track(5, b"soun") + track(20_000_000))
    assert claimed(both, size=30_000_000) == 20_000_000


def test_samples_of_fragments_are_added() -> None:
    fragment = box(b"moof", box(b"traf", sample_table(b"trun", 400_000)))
    assert claimed(box(b"ftyp") + 4 * fragment) == 1_200_000
