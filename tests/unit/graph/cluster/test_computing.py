"""Computing on a cluster ends, whatever becomes of the cluster."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest

from skry_dask.errors import ClusterError, ReaderError
from skry_dask.graph.cluster import computing
from skry_dask.graph.cluster.computing import NoWorkersError, Watch, compute_arrays

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("distributed")


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    from distributed import Client

    with Client(cluster, set_as_default=False) as connected:
        yield connected


class Lost:
    """A client whose results never come."""

    def __init__(self, workers: tuple[str, ...] = (), status: str = "running") -> None:
        self.workers = workers
        self.status = status
        self.cancelled = threading.Event()

    def persist(self, arrays: list[da.Array], **_: Any) -> list[da.Array]:
        self.cancelled.wait()
        return arrays

    def nthreads(self) -> dict[str, int]:
        if self.status == "silent":
            raise OSError
        return dict.fromkeys(self.workers, 1)

    def cancel(self, _: list[Any], force: bool) -> None:
        self.cancelled.set()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(computing, "SILENT_SECONDS", 0.1)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("lost", "error", "words"),
    [
        (Lost(), NoWorkersError, "all workers of the cluster are gone.*run the same command"),
        (Lost(("refused",)), NoWorkersError, "gone"),
        (Lost(("good",), "silent"), ClusterError, "scheduler of the cluster does not answer"),
        (Lost(("good",), "closed"), ClusterError, "scheduler of the cluster does not answer"),
    ],
)
def test_a_lost_cluster_is_one_line(lost: Lost, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        compute_arrays(lost, [da.zeros(3)], {"good"}, wait=0.01)
    assert lost.cancelled.wait(60)


def test_a_cluster_with_workers_is_watched_without_complaint() -> None:
    with Watch(Lost(("good",)), None, 0.01) as watch:
        watch.check()


def test_arrays_come_whole(client: Any) -> None:
    matrix = da.arange(24, chunks=5).reshape(4, 6).rechunk((2, 3))
    (workers,) = client.nthreads()
    found = compute_arrays(client, [matrix, matrix.sum()], {workers})
    assert np.array_equal(found[0], np.arange(24).reshape(4, 6))
    assert found[1] == 276


def fails(block: Any, error: Exception) -> Any:
    raise error


def test_errors_of_tasks_stay_as_they_are(client: Any) -> None:
    lazy = da.zeros(3).map_blocks(fails, ReaderError("moon.ser is torn"), meta=np.zeros(0))
    with pytest.raises(ReaderError, match=r"^moon\.ser is torn$"):
        compute_arrays(client, [lazy])


def test_errors_of_the_cluster_are_put_in_words() -> None:
    from distributed import KilledWorker

    killed = computing._explained(KilledWorker("add_chunk-1", None, 3))
    assert "ended the workers" in str(killed)
    assert "add_chunk-1" in str(killed)
    assert isinstance(killed, ClusterError)
    assert isinstance(computing._explained(CancelledError("key")), ClusterError)
