"""What a job took is counted where it is spent."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import dask
import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask import profiling
from skry_dask.cli.terminal import describe_job
from skry_dask.graph.resources import resources
from skry_dask.graph.runner import Runner
from skry_dask.kernels.compilation.decorators import kernel
from skry_dask.pipeline.phase_figures import profile
from skry_dask.pipeline.run import run
from skry_dask.pipeline.summary import UNKNOWN
from skry_dask.profiling import Spent

if TYPE_CHECKING:
    from pathlib import Path


def busy(values):
    out = 0
    for _ in range(2000):
        for value in values:
            out = (out * 31 + value) % 1000003
    return out


def test_calls_of_kernels_are_counted_in_every_thread() -> None:
    counted = kernel("i8[::1]")(busy)
    values = np.arange(1000)
    before = profiling.spent()
    counted(values)
    first = profiling.spent().since(before)
    assert first.compiling > 0
    assert first.kernels > 0
    began = time.perf_counter()
    threads = [threading.Thread(target=counted, args=(values,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - began
    more = profiling.spent().since(before).since(first)
    assert more.compiling == pytest.approx(0)
    assert 0 < more.kernels <= 3 * wall


def test_threads_that_have_ended_are_counted_but_not_kept() -> None:
    before, n_threads = profiling.spent(), len(profiling._THREADS)
    for _ in range(5):
        thread = threading.Thread(target=profiling.add_kernel, args=(0.5,))
        thread.start()
        thread.join()
    assert profiling.spent().since(before).kernels == pytest.approx(2.5)
    assert profiling.spent().since(before).kernels == pytest.approx(2.5)
    assert len(profiling._THREADS) <= n_threads


def test_a_task_is_split_into_reading_kernels_and_the_rest() -> None:
    counted = kernel("i8[::1]")(busy)
    counted(np.arange(3))
    before = profiling.spent()
    began = time.perf_counter()
    with profiling.task():
        with profiling.reading() as add_bytes:
            add_bytes(np.zeros(1000, np.uint8).nbytes)
        counted(np.arange(1000))
        sum(range(100000))
    wall = time.perf_counter() - began
    spent = profiling.spent().since(before)
    assert (spent.tasks, spent.read_bytes) == (1, 1000)
    assert min(spent.reading, spent.kernels, spent.other) > 0
    assert spent.reading + spent.kernels + spent.compiling + spent.other <= wall


def test_a_phase_tells_how_many_bytes_it_read(moon: xr.Dataset, moon_ser: Path) -> None:
    capture = xr.open_dataset(moon_ser, engine="skry").chunk({"frame": 8})
    alignment = skry.align(capture).compute()
    with resources(workers=2) as runner:
        quality, spent = runner.measure(skry.estimate_quality(capture, alignment))
    assert quality.chunks == {}
    assert spent is not None
    assert spent.read_bytes == 2 * moon["frames"].nbytes  # quality, then the images
    assert spent.tasks == 10
    assert spent.kernels > 0


def test_the_time_of_all_threads_is_split_up() -> None:
    figures = profile(Spent(7, 12345, 2.0, 0.5, 0.25, 1.0), n_frames=300, seconds=3.0, n_threads=2)
    assert figures["frames_per_second"] == 100
    assert figures["read_bytes"] == 12345
    assert figures["kernel_share"] == pytest.approx(1 / 3, abs=1e-3)
    assert figures["thread_seconds"] == {
        "kernels": 2.0, "reading": 0.5, "compiling": 0.25, "other": 1.0, "outside": 2.25
    }  # fmt: skip


def test_a_job_says_what_its_phases_took_in_figures_and_in_words(moon_ser: Path) -> None:
    summary = run(moon_ser, output=moon_ser.with_suffix(".tif"), quick=True).attrs["summary"]
    for phase in summary["phases"].values():
        assert phase["frames_per_second"] == pytest.approx(40 / phase["seconds"], rel=0.05)
        assert phase["read_bytes"] >= 40 * 180 * 240
        spent = phase["thread_seconds"]
        assert sum(spent.values()) == pytest.approx(phase["seconds"] * phase["threads"], abs=0.01)
        assert 0 < phase["kernel_share"] < 1
    _, seconds, rates, shares, *_ = describe_job(summary).splitlines()
    begin = [line.partition(":")[0].strip() for line in (seconds, rates, shares)]
    assert begin == ["seconds", "frames/s", "in kernels"]
    for name, phase in summary["phases"].items():
        assert f" {name} {phase['seconds']:.1f}" in seconds
        assert f" {name} {phase['frames_per_second']:.0f}" in rates
        assert f" {name} {phase['kernel_share']:.0%}" in shares
    n_read = sum(phase["read_bytes"] for phase in summary["phases"].values())
    assert rates.endswith(f"; {n_read / 1e6:.0f} MB read")
    again = run(moon_ser, output=moon_ser.with_suffix(".tif"), quick=True).attrs["summary"]
    assert not any("kernel_share" in phase for phase in again["phases"].values())
    assert "frames/s" not in describe_job(again)


def test_tasks_in_processes_that_cannot_be_asked_are_not_guessed(moon: xr.Dataset) -> None:
    alignment = skry.align(moon.chunk({"frame": 20}))
    with dask.config.set(scheduler="processes", num_workers=1), resources() as runner:
        _, spent = runner.measure(alignment)
    assert spent is None


def test_a_phase_without_figures_is_explained(
    moon_ser: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Runner, "measure", lambda self, *a: (self.compute(*a), None))
    summary = run(moon_ser, output=moon_ser.with_suffix(".tif"), quick=True).attrs["summary"]
    assert not any("kernel_share" in phase for phase in summary["phases"].values())
    assert len([note for note in summary["notes"] if UNKNOWN in note]) == 4
    assert "frames/s" not in describe_job(summary)


@pytest.mark.cluster
def test_workers_of_a_cluster_are_asked(moon_ser: Path, two_processes: str) -> None:
    summary = run(moon_ser, scheduler=two_processes).attrs["summary"]
    for phase in summary["phases"].values():
        assert phase["threads"] == 2
        assert phase["read_bytes"] >= 40 * 180 * 240
        assert phase["kernel_share"] > 0
