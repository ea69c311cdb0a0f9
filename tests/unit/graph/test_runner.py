"""Graphs run where the user said, and report how far they are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import dask
import pytest

import skry_dask as skry
from skry_dask.errors import OptionsError
from skry_dask.graph import runner
from skry_dask.graph.runner import n_frame_tasks, resources
from skry_dask.pipeline.run import run

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from skry_dask.pipeline.progress import Progress


def test_progress_counts_every_chunk_of_frames(moon: xr.Dataset) -> None:
    events: list[tuple[int, int]] = []
    alignment = skry.align(moon.chunk({"frame": 8}))
    assert n_frame_tasks(alignment) == 5
    with resources(workers=2) as runner:
        runner.compute(alignment, lambda done, total: events.append((done, total)))
    assert events == [(i, 5) for i in range(1, 6)]


def test_a_job_reports_each_phase_to_its_end(moon_ser: Path) -> None:
    events: list[Progress] = []
    run(moon_ser, progress=events.append)
    last = {event.phase: event for event in events}
    assert list(last) == ["align", "quality", "track", "stack"]
    assert all(event.done == event.total > 0 for event in last.values())


def test_the_scheduler_that_dask_is_configured_for_is_respected(moon: xr.Dataset) -> None:
    alignment = skry.align(moon.chunk({"frame": 8}))
    used = []

    def get(dsk: object, keys: object, **options: object) -> object:
        used.append(options)
        return dask.get(dsk, keys)

    with dask.config.set(scheduler=get), resources() as runner:
        runner.compute(alignment)
    assert len(used) == 1


@pytest.mark.parametrize("workers", [0, -2])
def test_a_number_of_workers_below_1_is_refused(workers: int) -> None:
    with pytest.raises(OptionsError, match=f"workers is {workers}"), resources(workers=workers):
        pass


def test_workers_of_a_cluster_are_its_own() -> None:
    with pytest.raises(OptionsError, match="contradict"), resources("tcp://127.0.0.1:1", 2):
        pass


def test_a_scheduler_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(runner, "CONNECT_SECONDS", 1)
    with (
        pytest.raises(OptionsError, match=r"tcp://127\.0\.0\.1:1.*cannot be reached"),
        resources("tcp://127.0.0.1:1"),
    ):
        pass


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(OptionsError, match=r"skry_dask\[distributed\]"),
        resources("tcp://127.0.0.1:1"),
    ):
        pass


@pytest.mark.cluster
def test_a_job_on_a_cluster_reports_progress_and_gives_the_same_bits(moon_ser: Path) -> None:
    distributed = pytest.importorskip("distributed")
    here = run(moon_ser, store=moon_ser.with_name("here.skry"))
    events: list[Progress] = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as cluster:
        there = run(
            moon_ser,
            store=moon_ser.with_name("there.skry"),
            scheduler=cluster.scheduler_address,
            progress=events.append,
        )
    assert here["stack"].to_numpy().tobytes() == there["stack"].to_numpy().tobytes()
    last = {event.phase: event for event in events}
    assert all(event.done == event.total > 0 for event in last.values())
    assert list(last) == ["align", "quality", "track", "stack"]


@pytest.mark.cluster
def test_an_active_client_is_used(moon: xr.Dataset) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
        resources() as runner,
    ):
        assert runner.client is client
        assert runner.compute(skry.align(moon.chunk({"frame": 20}))).chunks == {}
