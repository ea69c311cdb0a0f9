"""A cluster that does not answer, or has no workers, is one line with a remedy."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import pytest

from skry_dask.errors import ClusterError, OptionsError
from skry_dask.graph.cluster import connection
from skry_dask.graph.resources import resources

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where something listens and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_scheduler_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 1)
    with (
        pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:1'.*start one with 'dask scheduler"),
        resources("tcp://127.0.0.1:1"),
    ):
        pass


def test_a_port_that_never_answers_is_one_line(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.2)
    with (
        pytest.raises(ClusterError, match=r"does not answer within.*check address"),
        resources(f"tcp://127.0.0.1:{silent_port}"),
    ):
        pass


def test_another_service_at_that_port_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")

    def connect(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 3.07 EiB")  # the length that HTTP/1.1 begins with

    monkeypatch.setattr(distributed, "Client", connect)
    with (
        pytest.raises(ClusterError, match=r"'10\.0\.0\.5:80' is no dask scheduler.*check address"),
        resources("10.0.0.5:80"),
    ):
        pass


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(OptionsError, match=r"skry_dask\[distributed\]"),
        resources("tcp://127.0.0.1:1"),
    ):
        pass


class NoWorkers:
    """A client of a cluster without workers."""

    class scheduler:
        address = "tcp://10.0.0.5:8786"

    def nthreads(self) -> dict[str, int]:
        return {}

    def wait_for_workers(self, n: int, timeout: float) -> None:
        raise TimeoutError


def test_a_cluster_without_workers_is_one_line() -> None:
    remedy = r"no workers after 5 s: start some with 'dask worker tcp://10\.0\.0\.5:8786'"
    with pytest.raises(ClusterError, match=remedy):
        connection.wait_for_workers(NoWorkers(), None)
    with pytest.raises(ClusterError, match=r"after 90 s.*--wait-workers"):
        connection.wait_for_workers(NoWorkers(), 90)
