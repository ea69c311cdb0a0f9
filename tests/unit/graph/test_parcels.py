"""Large values travel beside a graph, once; what comes out is what went in."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import StoreError
from skry_dask.graph import parcels
from skry_dask.graph.parcels import Parcel, Sender, Table, as_table, opened, sending, share
from skry_dask.store.pieces.blobs import FolderBlobs

if TYPE_CHECKING:
    from pathlib import Path

VALUES = np.random.default_rng(3).random((50_000, 8))
"""3.2 MB, so four blobs."""


@pytest.fixture
def sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sender:
    monkeypatch.setattr(parcels, "_SEGMENTS", type(parcels._SEGMENTS)())
    return Sender(FolderBlobs(tmp_path / "sent"), "sent")


def sent(value: object, sender: Sender | None) -> bytes:
    with sending(sender):
        return pickle.dumps(value)


def test_a_shared_value_is_in_the_graph_or_beside_it(sender: Sender) -> None:
    assert np.array_equal(share(VALUES).compute(), VALUES)
    parcel = Parcel(VALUES)
    for message, limit in ((sent(parcel, None), VALUES.nbytes + 500), (sent(parcel, sender), 500)):
        assert len(message) < limit
        assert np.array_equal(pickle.loads(message).open(), VALUES)
    assert pickle.loads(sent(Parcel({"a": 1}), sender)).open() == {"a": 1}
    assert len(sender.blobs.list("sent")) == 1


@pytest.mark.parametrize("rows", [slice(0, 16), slice(13_100, 13_120), slice(49_990, 50_000)])
def test_rows_of_a_large_table_are_in_the_graph_or_beside_it(sender: Sender, rows: slice) -> None:
    table = as_table(VALUES)
    assert np.array_equal(opened(table[rows]), VALUES[rows])
    inside = pickle.loads(sent(table[rows], None))
    message = sent(table[rows], sender)
    beside = pickle.loads(pickle.dumps(pickle.loads(message)))
    assert len(message) < 1000
    for found in (inside, beside):
        assert np.array_equal(opened(found), VALUES[rows])
        assert np.array_equal(found[2:4], VALUES[rows][2:4])


def test_a_table_is_sent_once_and_removed(sender: Sender, tmp_path: Path) -> None:
    table = Table(VALUES)
    sent([table[i : i + 100] for i in range(0, len(VALUES), 100)], sender)
    assert len(sender.blobs.list("sent")) == 4
    sender.delete()
    assert not list(tmp_path.iterdir())


def test_a_small_array_stays_as_it_is() -> None:
    assert as_table(VALUES[:10]) is not VALUES
    assert isinstance(as_table(VALUES[:10]), np.ndarray)


def test_what_was_not_sent_is_not_taken_for_it(sender: Sender) -> None:
    message = sent(Parcel(VALUES), sender)
    (key,) = sender.blobs.list("sent")
    sender.blobs.put(key, pickle.dumps("something else"))
    with pytest.raises(StoreError, match="is missing where the results are kept"):
        pickle.loads(message).open()
