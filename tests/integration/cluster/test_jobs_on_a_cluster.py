"""Whole jobs on worker processes: the same bits as on threads, and never another video."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
import psutil
import pytest

import skry_dask as skry
from skry_dask.errors import ClusterError, StoreError
from skry_dask.simulation.simulate import write_capture
from skry_dask.store.results.writing import ResultStore

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.pipeline.progress import Progress

pytestmark = pytest.mark.cluster

PHASES = ["align", "quality", "track", "first_stack", "refine", "stack"]


@pytest.fixture
def address(two_processes: str) -> str:
    return two_processes


@pytest.fixture(scope="module")
def on_threads(moon_file: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The image that threads of this process make."""
    store = tmp_path_factory.mktemp("here") / "here.skry"
    return bits(skry.run(moon_file, store=store))


@pytest.fixture(scope="module")
def quick_on_threads(moon_file: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The same without the second pass."""
    store = tmp_path_factory.mktemp("here") / "here.skry"
    return bits(skry.run(moon_file, store=store, quick=True))


def bits(result: Any) -> bytes:
    return result["stack"].to_numpy().tobytes()


def test_a_job_gives_the_same_bits_and_reports_progress(
    address: str, moon_ser: Path, on_threads: bytes
) -> None:
    events: list[Progress] = []
    result = skry.run(moon_ser, scheduler=address, progress=events.append)
    assert bits(result) == on_threads
    last = {event.phase: event for event in events}
    assert all(event.done == event.total > 0 for event in last.values())
    assert list(last) == PHASES


def test_a_relative_name_means_the_file_here(
    address: str,
    moon_ser: Path,
    quick_on_threads: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from distributed import Client

    other = tmp_path / "other"
    other.mkdir()
    options = skry.SimulateOptions(frames=40, height=180, width=240, seed=8)
    write_capture(other / "moon.ser", skry.simulate("moon", options))
    monkeypatch.chdir(moon_ser.parent)
    with Client(address, set_as_default=False) as client:
        before = client.run(os.getcwd)
        client.run(os.chdir, str(other))
        try:
            assert bits(skry.run("moon.ser", scheduler=address, quick=True)) == quick_on_threads
        finally:
            client.run(os.chdir, next(iter(before.values())))


def see_nothing(self: object) -> str:
    return "it is in another building"


def test_a_worker_that_does_not_see_the_input_is_named_and_not_used(
    address: str, moon_ser: Path, quick_on_threads: bytes
) -> None:
    from distributed import Client

    from skry_dask.capture.identity import FilesIdentity

    def blind(see: Any = see_nothing) -> Any:
        seen, FilesIdentity.problem = FilesIdentity.problem, see
        return seen

    with Client(address, set_as_default=False) as client:
        first, second = sorted(client.nthreads())
        seen = client.run(blind, workers=[first])[first]
        try:
            result = skry.run(moon_ser, scheduler=address, quick=True)
            assert bits(result) == quick_on_threads
            (note,) = [n for n in result.attrs["summary"]["notes"] if "not used" in n]
            assert f"1 worker was not used, {first}: it is in another building" in note
            client.run(blind, workers=[second])
            with pytest.raises(ClusterError, match=f"no worker can be used: {first}.*{second}"):
                skry.run(moon_ser, scheduler=address, store=moon_ser.with_name("new.skry"))
        finally:
            client.run(blind, seen)


def test_rows_that_workers_have_measured_are_not_measured_again(
    address: str,
    moon_ser: Path,
    quick_on_threads: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(store: ResultStore, phase: str, *arguments: Any) -> None:
        if phase == "track":
            raise StoreError("no space left")
        save(store, phase, *arguments)

    save = ResultStore.save
    monkeypatch.setattr(ResultStore, "save", full)
    with dask.config.set({"skry.flush-seconds": 0}):
        with pytest.raises(StoreError, match="no space left"):
            skry.run(moon_ser, scheduler=address, store=tmp_path / "s", quick=True)
        monkeypatch.undo()
        result = skry.run(moon_ser, scheduler=address, store=tmp_path / "s", quick=True)
    phases = result.attrs["summary"]["phases"]
    assert (phases["track"]["status"], phases["track"]["read_bytes"]) == ("ran", 0)
    assert bits(result) == quick_on_threads
    assert not (tmp_path / "s" / "pieces" / "rows").exists()


def kill_a_worker(address: str) -> None:
    """Kill a worker like the system does when memory ends."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
def test_a_worker_killed_in_each_phase_changes_no_bit(
    address: str, moon_ser: Path, on_threads: bytes
) -> None:
    killers: dict[str, threading.Thread] = {}

    def kill_once(event: Progress) -> None:
        if event.phase not in killers:
            killers[event.phase] = threading.Thread(target=kill_a_worker, args=(address,))
            killers[event.phase].start()

    result = skry.run(moon_ser, scheduler=address, progress=kill_once)
    assert bits(result) == on_threads
    for killer in killers.values():
        killer.join()
    assert set(killers) >= set(PHASES)


def test_processes_of_this_machine_end_with_the_job(
    moon_ser: Path, quick_on_threads: bytes
) -> None:
    before = workers_of_this_process()
    with dask.config.set({"distributed.worker.multiprocessing-method": "spawn"}):
        result = skry.run(moon_ser, processes=1, workers=2, memory_limit="3GiB", quick=True)
    assert bits(result) == quick_on_threads
    assert workers_of_this_process() <= before


def workers_of_this_process() -> set[int]:
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if "spawn_main" in " ".join(child.cmdline())}


def test_an_active_client_is_used_and_stays_open(
    address: str, moon_ser: Path, quick_on_threads: bytes
) -> None:
    from distributed import Client

    with Client(address) as client:
        assert bits(skry.run(moon_ser, quick=True)) == quick_on_threads
        assert client.submit(np.sqrt, 4).result() == 2
