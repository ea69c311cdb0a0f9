"""How much memory a job may use, and how much it has used, on every system."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

import skry_dask as skry
from skry_dask.errors import OptionsError
from skry_dask.pipeline import memory_limit
from skry_dask.pipeline.memory_limit import (
    MIB,
    PeakMemory,
    SharedMemory,
    in_mib,
    machine_limit,
    parse_size,
)

if TYPE_CHECKING:
    from pathlib import Path

GIB = 2**30


def test_sizes_in_words_and_numbers_are_understood() -> None:
    for size, n_bytes in (
        ("2 GB", 2 * 10**9),
        ("2GB", 2 * 10**9),
        ("2GiB", 2 * GIB),
        ("500MB", 500 * 10**6),
        ("500 mb", 500 * 10**6),
        ("1.5G", 1500 * 10**6),
        ("300Ki", 300 * 2**10),
        ("1TiB", 2**40),
        ("1e9", 10**9),
        ("100B", 100),
        ("123456789", 123456789),
        (123456789, 123456789),
        (in_mib(300 * MIB - 1), 300 * MIB),
    ):
        assert parse_size(size) == n_bytes, size


def test_anything_else_is_refused_with_examples_before_the_job_runs(moon_ser: Path) -> None:
    for size in ("", "much", "-5", "0", "0.5", "2XB", "GiB", "inf", "1e999", "2,5 GB", "nan1", -1):
        with pytest.raises(OptionsError, match=r"memory_limit is .* such as 2GiB, '500 MB' or"):
            skry.run(moon_ser, quick=True, memory_limit=size)
    assert not moon_ser.with_suffix(".skry").exists()


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the root of the file system, which has no files of Linux yet."""
    monkeypatch.setattr(memory_limit, "OWN_CGROUPS", tmp_path / "proc" / "cgroup")
    monkeypatch.setattr(memory_limit, "OWN_STATUS", tmp_path / "proc" / "status")
    monkeypatch.setattr(memory_limit, "CGROUP_ROOT", tmp_path / "cgroup")
    return tmp_path


def write_files(system: Path, files: dict[str, str | int]) -> None:
    for name, content in files.items():
        path = system / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


V2 = {"proc/cgroup": "0::/kubepods/pod1/container"}
V1 = {"proc/cgroup": "7:cpu,cpuacct:/x\n4:memory,hugetlb:/docker/42\n0::/"}
LIMITED_CGROUPS: dict[str, dict[str, str | int]] = {
    "own group": V2 | {"cgroup/kubepods/pod1/container/memory.max": 300 * MIB},
    "group above": V2
    | {
        "cgroup/kubepods/pod1/container/memory.max": "max",
        "cgroup/kubepods/pod1/memory.max": 300 * MIB,
        "cgroup/kubepods/memory.max": 900 * MIB,
    },
    "smallest of all": V2
    | {
        "cgroup/kubepods/pod1/container/memory.max": 400 * MIB,
        "cgroup/kubepods/memory.max": 300 * MIB,
    },
    "in a container, group at the root": {
        "proc/cgroup": "0::/",
        "cgroup/memory.max": 300 * MIB,
    },
    "in a container, path of the host": V2 | {"cgroup/memory.max": 300 * MIB},
    "in a container, path that leaves it": {
        "proc/cgroup": "0::/../../other",
        "cgroup/memory.max": 300 * MIB,
    },
    "both versions mounted": {
        "proc/cgroup": "0::/user",
        "cgroup/unified/user/memory.max": 300 * MIB,
    },
    "version 1": V1 | {"cgroup/memory/docker/42/memory.limit_in_bytes": 300 * MIB},
    "version 1, group above": V1
    | {
        "cgroup/memory/docker/42/memory.limit_in_bytes": 9223372036854771712,
        "cgroup/memory/docker/memory.limit_in_bytes": 300 * MIB,
    },
    "version 1, in a container": V1 | {"cgroup/memory/memory.limit_in_bytes": 300 * MIB},
}


@pytest.mark.parametrize("files", LIMITED_CGROUPS.values(), ids=LIMITED_CGROUPS)
def test_the_limit_of_a_container_counts(system: Path, files: dict[str, str | int]) -> None:
    write_files(system, files)
    assert machine_limit() == (300 * MIB, "this container may use", 1)


def test_without_such_a_limit_the_machine_has_all_its_memory(system: Path) -> None:
    whole = machine_limit()  # not Linux
    assert whole.origin == "this machine has"
    assert whole.size > 256 * MIB
    for files in (
        V2 | {"cgroup/kubepods/pod1/container/memory.max": "max"},
        V1 | {"cgroup/memory/memory.limit_in_bytes": 9223372036854771712},
        {"proc/cgroup": "4:cpu:/"},
    ):
        write_files(system, files)
        assert machine_limit() == whole


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "sampled"])
def test_peak_memory_counts_what_has_been_freed(
    recorded: bool, request: pytest.FixtureRequest
) -> None:
    if not recorded:
        request.getfixturevalue("system")
    with PeakMemory() as peak:
        block = np.ones(64 * MIB, np.uint8)
        held = psutil.Process().memory_info().rss
        assert peak.size >= held - MIB > 64 * MIB
        del block
    assert peak.size >= held - MIB


def test_a_peak_that_windows_records_is_taken(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Process:
        class memory_info:
            rss, peak_wset = 5 * MIB, 7 * MIB

    monkeypatch.setattr(memory_limit.psutil, "Process", Process)
    with PeakMemory() as peak:
        assert peak.size == 7 * MIB


def test_jobs_share_memory_in_the_order_in_which_they_ask() -> None:
    memory, running, log = SharedMemory(), [], []
    changed = threading.Condition()

    def job(name: str, size: int, end: threading.Event) -> None:
        with memory.taken(size, limit=100):
            with changed:
                running.append(size)
                log.append((name, sum(running)))
                changed.notify_all()
            end.wait()
            with changed:
                running.remove(size)

    ends, threads = {}, []

    def start(name: str, size: int, *, waits: bool) -> None:
        ends[name] = threading.Event()
        n_log = len(log)
        threads.append(threading.Thread(target=job, args=(name, size, ends[name])))
        threads[-1].start()
        with changed:
            if not waits:
                assert changed.wait_for(lambda: len(log) > n_log, timeout=20)

    def end(name: str, n_begun: int) -> None:
        ends[name].set()
        with changed:
            assert changed.wait_for(lambda: len(log) == n_begun, timeout=20)

    start("a", 60, waits=False)
    start("b", 40, waits=False)
    start("larger than all", 150, waits=True)
    start("small", 10, waits=True)  # which would fit, but was later
    end("a", 2)
    end("b", 3)
    end("larger than all", 4)
    ends["small"].set()
    for thread in threads:
        thread.join()
    assert [name for name, _ in log] == ["a", "b", "larger than all", "small"]
    assert [total for _, total in log] == [60, 100, 150, 10]
