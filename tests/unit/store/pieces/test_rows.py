"""Rows are gathered and written as pieces, by processes that see the store."""

from __future__ import annotations

import errno
import pickle
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import ReaderError, StoreError
from skry_dask.store.pieces import rows as row_pieces
from skry_dask.store.pieces.blobs import FolderBlobs
from skry_dask.store.pieces.rows import (
    RowKeeper,
    RowPiece,
    delete_pieces,
    list_pieces,
    new_name,
    read_piece,
)

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.types import AnyArray

PLACE = "rows/track/0123"
RECORD = np.dtype([("y", "f8"), ("reason", "u1")])


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "pieces")


def keeper(blobs: FolderBlobs, seconds: float = 1000.0) -> RowKeeper:
    return RowKeeper(blobs, PLACE, lambda: {"frames": "abc"}, seconds, lambda: None)


def rows(*keys: int) -> tuple[AnyArray, AnyArray]:
    return np.array(keys, np.uint64), np.array(keys, np.int16)[:, None] * [1, 2]


def found(blobs: FolderBlobs) -> dict[int, list[int]]:
    """All rows of all pieces by their keys."""
    pieces = [read_piece(blobs, key) for key in list_pieces(blobs, PLACE)]
    assert all(piece is not None and piece.about == {"frames": "abc"} for piece in pieces)
    return {
        k: r for p in pieces if p for k, r in zip(p.keys.tolist(), p.rows.tolist(), strict=True)
    }


def test_pieces_are_read_as_they_were_written() -> None:
    for table in (np.arange(6, dtype=np.int16).reshape(3, 2), np.ones(3, RECORD), np.zeros((3, 0))):
        piece = RowPiece({"a": 1}, np.arange(3, dtype=np.uint64), table)
        again = RowPiece.from_bytes(piece.to_bytes())
        assert again.about == piece.about
        for a, b in zip(again[1:], piece[1:], strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def test_a_job_that_ends_soon_writes_nothing(blobs: FolderBlobs) -> None:
    gathers = keeper(blobs)
    gathers.add(*rows(1, 2))
    gathers.close()
    gathers.add(*rows(3))
    gathers.flush()
    assert not blobs.folder.exists()


def test_rows_are_written_at_an_interruption_and_when_it_is_time(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathers = keeper(blobs)
    gathers.add(*rows(1, 0, 2))  # 0: a row that need not be kept
    gathers.add(*rows(3))
    gathers.flush()
    assert found(blobs) == {1: [1, 2], 2: [2, 4], 3: [3, 6]}
    gathers.flush()  # nothing new
    assert len(list_pieces(blobs, PLACE)) == 1
    keeper(blobs, seconds=0.0).add(*rows(4))
    assert len(list_pieces(blobs, PLACE)) == 2
    monkeypatch.setattr(row_pieces, "PIECE_BYTES", 20)
    gathers.add(*rows(5))
    assert len(list_pieces(blobs, PLACE)) == 2
    gathers.add(*rows(6))  # 32 bytes
    assert set(found(blobs)) == {1, 2, 3, 4, 5, 6}


def test_finishing_deletes_pieces_and_old_ones_of_the_phase(blobs: FolderBlobs) -> None:
    keeper(blobs, 0.0).add(*rows(1))
    young, old = f"rows/track/4567/{new_name()}", "rows/track/89ab/5f000000-0123"
    for key in (young, old, "rows/track/89ab/job.5f000000-45", "rows/align/1/5f000000-01"):
        blobs.put(key, b"")
    delete_pieces(blobs, PLACE)
    assert blobs.list("rows") == ["rows/align/1/5f000000-01", young]


def test_rows_of_frames_that_have_changed_are_not_kept(blobs: FolderBlobs) -> None:
    def changed() -> None:
        raise ReaderError("moon.ser has changed")

    keeper(blobs, seconds=0.0).add(*rows(1))
    gathers = RowKeeper(blobs, PLACE, dict, 0.0, changed)
    gathers.add(*rows(2))
    assert gathers.closed
    assert not blobs.folder.exists()


def test_another_process_keeps_rows_only_where_it_sees_the_store(
    blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = keeper(blobs, seconds=0.0)
    client.announce()
    assert list_pieces(blobs, PLACE) == []
    elsewhere = pickle.loads(pickle.dumps(client))
    monkeypatch.setattr(row_pieces, "this_process", lambda: "another")
    elsewhere.blobs = FolderBlobs(tmp_path / "not here" / "pieces")
    elsewhere.add(*rows(1))
    assert not (tmp_path / "not here").exists()
    worker = pickle.loads(pickle.dumps(client))
    worker.add(*rows(2))
    assert found(blobs) == {2: [2, 4]}
    client.finish()
    worker.add(*rows(3))  # a task that ran twice
    assert not blobs.folder.exists()


def test_a_store_that_cannot_be_written_does_not_stop_the_job(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("cannot write: no space left") from OSError(errno.ENOSPC)

    gathers = keeper(blobs, seconds=0.0)
    monkeypatch.setattr(FolderBlobs, "put", full)
    gathers.announce()
    gathers.add(*rows(1))
    assert gathers.closed


def test_threads_gather_at_once_and_no_row_is_lost(blobs: FolderBlobs) -> None:
    gathers = keeper(blobs, seconds=0.0)
    start = threading.Barrier(4)

    def work(first: int) -> None:
        start.wait()
        for i in range(first, first + 10):
            gathers.add(*rows(i))

    threads = [threading.Thread(target=work, args=(1 + 10 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gathers.flush()
    assert set(found(blobs)) == set(range(1, 41))
