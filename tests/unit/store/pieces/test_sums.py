"""Pieces of sums on disk: they come back as they were, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from skry_dask.errors import StoreError
from skry_dask.store.pieces import sums as sum_pieces
from skry_dask.store.pieces.blobs import FolderBlobs
from skry_dask.store.pieces.sums import (
    add_piece,
    confirm_piece,
    list_pieces,
    name_of,
    read_parts,
    settle_pieces,
    write_piece,
)

HELD = np.arange(12, dtype=np.uint8).reshape(4, 1, 3)


@pytest.fixture
def blobs(tmp_path):
    return FolderBlobs(tmp_path / "pieces")


def read(blobs, piece):
    sums = np.zeros(piece.shape, np.int64)
    add_piece(blobs, piece, sums)
    return sums


def test_sums_come_back_whatever_their_size_and_range(blobs, monkeypatch):
    monkeypatch.setattr(sum_pieces, "PART_BYTES", 8 * 7)
    rng = np.random.default_rng(1)
    for i, (shape, low, high) in enumerate(
        (
            ((3, 5, 4), -(2**62), 2**62),
            ((3, 5, 4), -(2**31), 2**31),
            ((2, 7), 0, 9),
            ((1,), -5, 5),
            ((0, 3), 0, 9),
        )
    ):
        sums = rng.integers(low, high, shape, np.int64)
        held = HELD + np.uint8(i)
        place = write_piece(blobs, "sums/stack/key", sums, held)
        (piece,) = [one for one in list_pieces(blobs, "sums/stack/key") if one.place == place]
        np.testing.assert_array_equal(piece.held, held)
        assert read_parts(blobs, piece) is not None
        np.testing.assert_array_equal(read(blobs, piece), sums)
    newest_last = list_pieces(blobs, "sums")
    assert [int(piece.held.min()) for piece in newest_last] == [0, 1, 2, 3, 4]


def test_sums_of_a_complete_result_are_seen_once_it_is_settled(blobs):
    sums, place = np.arange(3), "sums/stack/key"
    for held in (HELD, HELD + np.uint8(1), HELD + np.uint8(2)):
        write_piece(blobs, place, sums, held, whole=True)
        write_piece(blobs, place, sums, held)
    assert not any(piece.whole for piece in list_pieces(blobs, "sums"))
    confirm_piece(blobs, place, name_of(HELD))
    settle_pieces(blobs, f"{place}:{name_of(HELD + np.uint8(2))}")
    found = list_pieces(blobs, "sums")
    assert [int(piece.held.min()) for piece in found] == [0, 2]
    assert all(piece.whole and read(blobs, piece).tolist() == [0, 1, 2] for piece in found)
    assert len(blobs.list("sums")) == 4
    for label in (f"{place}:{name_of(HELD + np.uint8(1))}", f"{place}:"):  # nothing is left there
        settle_pieces(blobs, label)
    assert len(list_pieces(blobs, "sums")) == 2


def test_a_damaged_piece_is_no_piece(blobs, tmp_path, monkeypatch):
    monkeypatch.setattr(sum_pieces, "PART_BYTES", 8 * 7)
    write_piece(blobs, "sums/stack/key", np.arange(20), HELD)
    (piece,) = list_pieces(blobs, "sums")
    files = [path for path in (tmp_path / "pieces").rglob("*") if path.is_file()]
    assert len(files) == 4
    for path in files:
        content = path.read_bytes()
        for i in np.linspace(0, len(content) - 1, 12).astype(int):
            damaged = bytearray(content)
            damaged[i] ^= 1 << (i % 8)
            path.write_bytes(damaged)
            assert not list_pieces(blobs, "sums") or not read_parts(blobs, piece)
        path.write_bytes(content[:-1])
        assert not list_pieces(blobs, "sums") or not read_parts(blobs, piece)
        path.write_bytes(content)
    assert read_parts(blobs, piece)
    blobs.delete(f"{piece.place}/1")
    with pytest.raises(StoreError, match="run the job again"):
        read(blobs, piece)


def test_a_piece_that_cannot_be_written_leaves_nothing(blobs, monkeypatch):
    put = blobs.put

    def full_disk(key, content):
        if key.endswith("head"):
            raise StoreError("no space left")
        put(key, content)

    monkeypatch.setattr(blobs, "put", full_disk)
    with pytest.raises(StoreError):
        write_piece(blobs, "sums/stack/key", np.arange(20), HELD)
    assert blobs.list("sums") == []
