"""Captures that many tests share: small, simulated once, with known truth."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import dask
import pytest
from dask.system import CPU_COUNT

import skry_dask as skry
from skry_dask.simulation.simulate import write_capture
from tests.command_line import CommandLine
from tests.forked_processes import forking, worker_processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import xarray as xr


@pytest.hookimpl(optionalhook=True)  # by pytest-xdist, which benchmarks do without
def pytest_xdist_auto_num_workers() -> int:
    """Run tests in one process more than there are cores: some wait for processes of their own."""
    return CPU_COUNT + 1


MOON = skry.SimulateOptions(frames=40, height=180, width=240, seed=3, drift=(6, -8), jitter=0.4)
PLANET = skry.SimulateOptions(frames=24, height=160, width=180, seed=5, drift=(4, 5), jitter=0.4)


@pytest.fixture(scope="session", autouse=True)
def _signals_end_programs() -> None:
    """Undo that signals are ignored, as a shell has it for what runs in its background."""
    for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def _dask_is_quick_and_quiet() -> Iterator[None]:
    """Processes of dask fork; clusters, which all tests share, look at themselves less often."""
    settings = {
        "multiprocessing.context": forking().get_start_method(),
        # A cluster without work would take 3 % of a core.
        "distributed.admin.tick.interval": "1s",
        "distributed.admin.system-monitor.interval": "10s",
    }
    with dask.config.set(settings):
        yield


@pytest.fixture(scope="session")
def moon() -> xr.Dataset:
    """Forty frames of the Moon with their truth, frames in memory."""
    return skry.simulate("moon", MOON).compute()


@pytest.fixture(scope="session")
def planet() -> xr.Dataset:
    """Twenty-four frames of a planet with their truth, frames in memory."""
    return skry.simulate("planet", PLANET).compute()


@pytest.fixture(scope="session")
def moon_file(moon: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same frames in a SER file, shared by all tests: copy it before running a job on it."""
    path = tmp_path_factory.mktemp("captures") / "moon.ser"
    write_capture(path, moon.chunk({"frame": 16}))
    return path


@pytest.fixture(scope="session")
def two_processes() -> Iterator[str]:
    """Address of a cluster of two workers with one thread each, in processes of their own."""
    with worker_processes() as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def moon_ser(moon_file: Path, tmp_path: Path) -> Path:
    """A copy of the SER file in a folder of its own."""
    path = tmp_path / "moon.ser"
    path.write_bytes(moon_file.read_bytes())
    return path


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """The command line, in a folder of its own."""
    return CommandLine(tmp_path, monkeypatch, capsys)
