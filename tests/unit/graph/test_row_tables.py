"""Rows of large tables travel beside a graph or are read from the store; they are the same rows."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr

from skry_dask.graph import row_tables
from skry_dask.graph.parcels import Sender, sending
from skry_dask.graph.row_tables import StoredTable, Table, as_table, opened
from skry_dask.store.pieces.blobs import FolderBlobs
from skry_dask.store.results.writing import ResultStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VALUES = np.random.default_rng(3).random((80_000, 8))
"""5.1 MB: five blobs, and large for a store."""


@pytest.fixture
def sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sender:
    monkeypatch.setattr(row_tables, "_SEGMENTS", type(row_tables._SEGMENTS)())
    return Sender(FolderBlobs(tmp_path / "sent"), "sent")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> xr.Variable:
    """The values as a result in a store has them: read when they are used."""
    store = ResultStore(tmp_path_factory.mktemp("stored") / "moon.skry")
    store.save("track", "0", xr.Dataset({"values": (("frame", "axis"), VALUES)}))
    return store["track/0"]["values"].variable


def sent(value: object, sender: Sender | None) -> bytes:
    with sending(sender):
        return pickle.dumps(value)


def test_tables_that_are_in_memory_travel_and_those_in_a_store_are_read(
    stored: xr.Variable,
) -> None:
    in_memory = xr.Variable(stored.dims, VALUES)
    for values, kind in ((VALUES, Table), (in_memory, Table), (stored, StoredTable)):
        table = as_table(values)
        assert type(table) is kind
        assert np.array_equal(table, VALUES)
    for small in (VALUES[:10], in_memory[:10]):
        assert isinstance(as_table(small), np.ndarray)


@pytest.mark.parametrize("rows", [slice(0, 16), slice(13_100, 13_120), slice(79_990, 80_000)])
@pytest.mark.parametrize("place", ["memory", "store"])
def test_no_value_of_large_tables_is_in_a_graph(
    place: str, rows: slice, sender: Sender, stored: xr.Variable
) -> None:
    table = as_table(VALUES if place == "memory" else stored)
    assert np.array_equal(opened(table[rows]), VALUES[rows])
    inside = pickle.loads(sent(table[rows], None))
    message, whole = sent(table[rows], sender), sent(table, sender)
    beside = pickle.loads(pickle.dumps(pickle.loads(message)))
    cut_later = pickle.loads(pickle.dumps(pickle.loads(whole)))[rows]
    assert max(len(message), len(whole)) < 5000
    for found in (inside, beside, cut_later):
        assert np.array_equal(opened(found), VALUES[rows])
        assert np.array_equal(found[2:4], VALUES[rows][2:4])


@pytest.mark.parametrize(
    "as_sent",
    [lambda table: [table[i : i + 100] for i in range(0, len(VALUES), 100)], lambda table: table],
)
def test_a_table_is_sent_once_and_removed(
    as_sent: Callable[[Table], Any], sender: Sender, tmp_path: Path
) -> None:
    message = as_sent(Table(VALUES))
    sent(message, sender)
    sent(message, sender)
    assert len(sender.blobs.list("sent")) == 5
    sender.delete()
    assert not list(tmp_path.iterdir())
