"""Large values travel beside a graph, once; what comes out is what went in."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import StoreError
from skry_dask.graph.parcels import Parcel, Sender, sending, share
from skry_dask.store.pieces.blobs import FolderBlobs

if TYPE_CHECKING:
    from pathlib import Path

VALUES = np.random.default_rng(3).random((50_000, 8))


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
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


def test_what_was_not_sent_is_not_taken_for_it(sender: Sender) -> None:
    message = sent(Parcel(VALUES), sender)
    (key,) = sender.blobs.list("sent")
    sender.blobs.put(key, pickle.dumps("something else"))
    with pytest.raises(StoreError, match="is missing where the results are kept"):
        pickle.loads(message).open()
