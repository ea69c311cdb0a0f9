"""Workers that would compute something else are named and not used."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from skry_dask.errors import ClusterError
from skry_dask.graph.cluster.versions import PACKAGES, differences, package_digest
from skry_dask.graph.cluster.workers import Needs, Report, Workers, report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HERE = {"host": {"python": "3.11.7.final.0"}, "packages": dict.fromkeys(PACKAGES, "1.0")}


def having(**packages: str | None) -> dict[str, Any]:
    return {**HERE, "packages": {**HERE["packages"], **packages}}


class Cluster:
    """Answers like a client of a cluster."""

    def __init__(self, **workers: Any) -> None:
        self.workers = workers
        self.reports: dict[str, Any] = {}
        self.scheduler: dict[str, Any] = HERE
        self.mark: Path | None = None

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.workers, 1)

    def get_versions(self, packages: list[str]) -> dict[str, Any]:
        workers = {name: said for name, said in self.workers.items() if said is not None}
        return {"client": HERE, "scheduler": self.scheduler, "workers": workers}

    def run(self, _: Callable[..., Any], needs: Needs, workers: list[str], on_error: str) -> Any:
        self.mark = needs.mark
        return {name: self.reports.get(name, Report("", True)) for name in workers}


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (HERE, ""),
        (having(numpy="2.0"), "numpy 2.0 (here 1.0)"),
        (having(skry_dask=None, numba=None), "no skry_dask, no numba"),
        ({**HERE, "host": {"python": "3.11.9.final.0"}}, ""),
        ({**HERE, "host": {"python": "3.13.1.final.0"}}, "Python 3.13 (here 3.11)"),
        (None, "no version that it could tell"),
    ],
)
def test_differences_of_versions_are_named(other: Any, words: str) -> None:
    assert differences(HERE, other) == words


def test_workers_that_differ_are_named_and_not_used(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster(good=HERE, old=having(numba="0.9"), lost=None, other=HERE, strange=HERE)
    cluster.reports = {
        "other": Report("/data/moon.ser has another content", True),
        "strange": RuntimeError("first line\nsecond line"),
    }
    workers = Workers(cluster)
    with caplog.at_level(logging.WARNING):
        workers.require(store=None)
    assert list(workers.usable) == ["good"]
    assert workers.refused == {
        "old": "it has numba 0.9 (here 1.0)",
        "lost": "it has no version that it could tell",
        "other": "/data/moon.ser has another content",
        "strange": "it cannot say what it sees (first line)",
    }
    assert len(caplog.records) == 4
    (note,) = workers.notes
    assert "4 workers were not used" in note
    assert "and 1 more" in note


def test_a_worker_that_joins_is_asked_before_it_is_used() -> None:
    cluster = Cluster(good=HERE)
    workers = Workers(cluster)
    workers.require()
    cluster.workers |= {"good2": HERE, "old": having(dask="0.1")}
    assert workers.ask_new()
    assert set(workers.usable) == {"good", "good2"}
    assert not workers.ask_new()
    del cluster.workers["good"]
    workers.ask_new()
    assert set(workers.usable) == {"good2"}


def test_a_job_without_a_usable_worker_does_not_start() -> None:
    cluster = Cluster(old=having(zarr="2.0"))
    with pytest.raises(ClusterError, match=r"no worker can be used: old: it has zarr 2\.0.*pip"):
        Workers(cluster).require()
    cluster.scheduler = having(skry_dask=None)
    with pytest.raises(ClusterError, match="the scheduler has no skry_dask: install"):
        Workers(cluster).require()


class Seen:
    def __init__(self, problem: str) -> None:
        self.words = problem

    def problem(self) -> str:
        return self.words


def test_a_worker_says_what_it_sees(tmp_path: Path) -> None:
    digest = package_digest()
    mark = tmp_path / "mark"
    assert report(Needs("another", (), mark)).problem.startswith("it has other sources")
    assert report(Needs(digest, (Seen(""), Seen("it is dark")))) == Report("it is dark", False)
    assert report(Needs(digest, (), mark)) == Report("", False)
    mark.touch()
    assert report(Needs(digest, (Seen(""),), mark)) == Report("", True)


def test_a_store_that_all_workers_see_is_required_of_those_that_join(tmp_path: Path) -> None:
    cluster = Cluster(first=HERE, second=HERE)
    cluster.reports["second"] = Report("", False)
    workers = Workers(cluster)
    workers.require(store=tmp_path / "moon.skry")
    assert not workers.sees_store
    assert cluster.mark is not None
    assert cluster.mark.parent == tmp_path / "moon.skry"
    assert not (tmp_path / "moon.skry").exists()
    del cluster.workers["second"]
    workers.require(store=tmp_path / "moon.skry")
    assert workers.sees_store
    cluster.workers["second"] = HERE
    assert workers.ask_new()
    assert "does not see the store" in workers.refused["second"]
    assert workers.sees_store
