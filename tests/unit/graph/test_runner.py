"""Graphs run where the user said, and report how far they are."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from dask.system import CPU_COUNT

import skry_dask as skry
from skry_dask.errors import OptionsError
from skry_dask.graph.frame_passes import map_frames
from skry_dask.graph.resources import resources
from skry_dask.graph.runner import Runner, n_frame_tasks
from skry_dask.pipeline.run import run
from tests.watched_frames import WatchedFrames

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.pipeline.progress import Progress
    from skry_dask.types import Frames


def test_progress_counts_every_chunk_of_frames(two_threads: str) -> None:
    frames = WatchedFrames(40)
    lazy = frames.lazy(8)
    passes = [map_frames(brightest, lazy, dtype=np.uint8) for _ in range(2)]
    result = xr.Dataset({f"pass{i}": ("frame", made) for i, made in enumerate(passes)})
    events: list[tuple[int, int]] = []
    assert n_frame_tasks(result) == 10
    with resources() as runner:
        runner.compute(result, lambda done, total: events.append((done, total)))
    done = [event[0] for event in events]
    assert done == sorted(set(done))
    assert events[-1] == (10, 10)
    if two_threads == "threads":  # the last events of a cluster may arrive after its results
        assert done == list(range(1, 11))


def test_progress_ends_where_tasks_cannot_be_watched() -> None:
    frames = da.zeros((8, 4, 5), np.uint8, chunks=(4, -1, -1))
    lazy = map_frames(brightest, frames, dtype=np.uint8)
    events: list[tuple[int, int]] = []
    with dask.config.set(scheduler="processes", num_workers=1), resources() as runner:
        runner.compute(xr.Dataset({"made": ("frame", lazy)}), lambda *event: events.append(event))
    assert events == [(2, 2)]


def brightest(frames: Frames) -> Frames:
    return frames.max(axis=(1, 2))


def test_the_program_is_called_after_each_computation() -> None:
    lazy = xr.Dataset({"zeros": ("x", da.zeros(3))})
    calls: list[str] = []
    with resources(after_compute=lambda: calls.append("after")) as runner:
        assert calls == []
        runner.compute(lazy)
        assert calls == ["after"]
        runner.measure(lazy)
    assert calls == ["after", "after"]


def test_threads_of_a_computation_end_with_it() -> None:
    lazy = xr.Dataset({"zeros": ("x", da.zeros(300, chunks=1) + 1)})
    before = threading.active_count()
    with resources(workers=3) as runner:
        runner.compute(lazy)
        assert threading.active_count() == before


def test_there_are_as_many_threads_as_dask_counts_cores() -> None:
    assert Runner().n_threads == Runner().threads_together == CPU_COUNT
    assert Runner(workers=3).n_threads == 3


def test_accumulators_are_shared_on_threads_of_the_runner_alone(two_threads: str) -> None:
    with resources() as runner:
        assert not runner.shares_accumulators  # dask's threads, or those of a worker
    if two_threads == "threads":
        with dask.config.set(scheduler=None), resources() as runner:
            assert runner.shares_accumulators


def test_a_job_reports_each_phase_to_its_end(moon_ser: Path) -> None:
    events: list[Progress] = []
    run(moon_ser, progress=events.append)
    last = {event.phase: event for event in events}
    assert list(last) == ["align", "quality", "track", "first_stack", "refine", "stack"]
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


@pytest.mark.parametrize("choice", [{"workers": 2}, {"processes": 2}])
def test_workers_of_a_cluster_are_its_own(choice: dict[str, int]) -> None:
    with (
        pytest.raises(OptionsError, match="contradict"),
        resources("tcp://127.0.0.1:1", **choice),  # type: ignore[arg-type]
    ):
        pass


def test_numbers_of_processes_and_seconds_out_of_range_are_refused() -> None:
    with pytest.raises(OptionsError, match="processes is 0"), resources(processes=0):
        pass
    with pytest.raises(OptionsError, match="wait_workers is -1 s"), resources(wait_workers=-1):
        pass


@pytest.mark.cluster
def test_an_active_client_is_used(moon: xr.Dataset, two_processes: str) -> None:
    from distributed import Client

    with Client(two_processes) as client, resources() as runner:
        assert runner.client is client
        assert runner.compute(skry.align(moon.chunk({"frame": 20}))).chunks == {}
