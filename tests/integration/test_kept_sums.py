"""Stacks that go on from sums of earlier ones: the same bits, and only changed frames are read."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
import pytest

import skry_dask as skry
from skry_dask.capture.open import open_capture
from skry_dask.capture.select import select
from skry_dask.phases.stacking import changed_fragments
from skry_dask.phases.stacking.stack_plan import StackPlan
from skry_dask.pipeline import job
from tests.integration.test_resume import frames_read, stop_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import xarray as xr

N_FRAMES = 40


@pytest.fixture(scope="module")
def measured(moon_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all phases but the stack, and with nothing kept for it."""
    store = tmp_path_factory.mktemp("measured") / "moon.skry"
    skry.run(moon_file, quick=True, store=store)
    shutil.rmtree(store / "stack")
    shutil.rmtree(store / "pieces" / "sums" / "stack")
    return store


@pytest.fixture(scope="module")
def fresh_stack(
    moon_file: Path, measured: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., xr.Dataset]:
    """Stack with some options, from the beginning; once for each options."""

    @functools.cache
    def stack(**options: Any) -> xr.Dataset:
        store = tmp_path_factory.mktemp("fresh") / "moon.skry"
        return skry.run(moon_file, quick=True, store=copy_of(measured, store), **options)

    return stack


@pytest.fixture
def calls_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes of small frames are worth it, like those of large ones."""
    monkeypatch.setattr(changed_fragments, "CALL_NS", 0)


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Any]:
    """A cluster of two workers of one thread, in this process."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as local:
        yield local


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read four frames at a time, as where memory is short."""
    monkeypatch.setattr(job, "frames_per_chunk", lambda *_: 4)


def copy_of(store: Path, place: Path) -> Path:
    return shutil.copytree(store, place, dirs_exist_ok=True)


def assert_same_stack(found: xr.Dataset, expected: xr.Dataset) -> None:
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name].to_numpy(), expected[name].to_numpy())


def selection(moon_file: Path, store: Path, exclude: str | None = None, **options: Any) -> Any:
    """Which fragments of which frames a stack takes: bool (frame, fragment)."""
    results = skry.open_results(store)
    capture = select(open_capture(moon_file), skry.SelectOptions(exclude=exclude))
    chosen = skry.StackOptions(**options)
    inputs = (results["align"], results["quality"], results["track"])
    return StackPlan.of(capture, *inputs, chosen).select(chosen)


@contextlib.contextmanager
def scheduler_of(kind: str, cluster: Any) -> Iterator[None]:
    """Let jobs run on threads, in the main thread, or on a cluster."""
    if kind == "cluster":
        from distributed import Client

        with Client(cluster):
            yield
    else:
        with dask.config.set(scheduler="sync" if kind == "sync" else None):
            yield


@pytest.mark.usefixtures("calls_cost_nothing")
@pytest.mark.parametrize(
    "kind", ["threads", "sync", pytest.param("cluster", marks=pytest.mark.cluster)]
)
def test_another_percentage_or_excluded_frames_read_only_frames_that_change(
    kind: str,
    moon_file: Path,
    measured: Path,
    fresh_stack: Callable[..., xr.Dataset],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    store = copy_of(measured, tmp_path / "moon.skry")
    cluster = request.getfixturevalue("two_workers") if kind == "cluster" else None
    selections: list[Any] = []
    with scheduler_of(kind, cluster):
        for choices in (
            {"percent": 30.0},
            {"percent": 32.5},
            {"percent": 27.5},
            {"percent": 27.5, "exclude": "3,17,30"},
            {"percent": 27.5},
        ):
            found = skry.run(moon_file, quick=True, store=store, **choices)
            assert_same_stack(found, fresh_stack(**choices))
            selections.append(selection(moon_file, store, **choices))
            if found.attrs["summary"]["phases"]["stack"]["status"] == "ran":
                # The sums of any earlier stack may be the nearest ones.
                changed = [(selections[-1] ^ one).any(axis=1).sum() for one in selections[:-1]]
                assert frames_read(found)["stack"] in (changed or [N_FRAMES])
            assert frames_read(found)["quality"] == 0  # its images have sums, too


@pytest.mark.usefixtures("calls_cost_nothing")
@pytest.mark.parametrize(
    "options",
    [
        {"drizzle": 1.5, "halves": True},
        {"canvas": "union", "normalise": True, "interpolation": "lanczos3"},
    ],
    ids=" ".join,
)
def test_sums_of_each_kind_of_stack_go_on_to_the_same_bits(
    options: dict[str, Any],
    moon_file: Path,
    measured: Path,
    fresh_stack: Callable[..., xr.Dataset],
    tmp_path: Path,
) -> None:
    store = copy_of(measured, tmp_path / "moon.skry")
    for choice in (
        {"percent": 30},
        {"choose": "frames"},
        {"min_quality": 0.6},
        {"percent": (20, 50)},
        {"percent": (20, 45)},
    ):
        found = skry.run(moon_file, quick=True, store=store, **options, **choice)
        assert_same_stack(found, fresh_stack(**options, **choice))


def test_a_pass_that_costs_less_than_the_changes_is_run_afresh(
    moon_file: Path, measured: Path, tmp_path: Path
) -> None:
    store = copy_of(measured, tmp_path / "moon.skry")
    skry.run(moon_file, quick=True, store=store, percent=5)
    assert (
        frames_read(skry.run(moon_file, quick=True, store=store, percent=90))["stack"] == N_FRAMES
    )


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("phase", "percent"), [("quality", 100), ("stack", 100), ("stack", (40, 100))]
)
def test_an_interrupted_pass_goes_on_from_its_sums(
    phase: str,
    percent: Any,
    moon_file: Path,
    measured: Path,
    fresh_stack: Callable[..., xr.Dataset],
    tmp_path: Path,
) -> None:
    store = copy_of(measured, tmp_path / "moon.skry")
    if phase == "quality":
        shutil.rmtree(store / "quality")
        shutil.rmtree(store / "pieces")
    n_tasks = 5 if phase == "stack" else 40 // 4 + 5  # of 4 frames; quality has two passes
    with (
        dask.config.set({"skry.flush-seconds": 0}),
        pytest.raises(KeyboardInterrupt),
    ):
        skry.run(
            moon_file, quick=True, store=store, percent=percent, progress=stop_at(phase, n_tasks)
        )
    assert list((store / "pieces" / "sums" / phase).rglob("head"))
    found = skry.run(moon_file, quick=True, store=store, percent=percent)
    assert 0 < frames_read(found)[phase] < N_FRAMES
    assert_same_stack(found, fresh_stack(percent=percent))
    kept = list((store / "pieces" / "sums" / phase).rglob("head"))
    assert len(kept) == 1  # of the complete result


KILLED = """
import os, signal, sys
import dask, skry_dask as skry
from skry_dask.pipeline import job
job.frames_per_chunk = lambda *_: 4
def report(progress):
    if progress.phase == "stack" and progress.done >= 5:
        os.kill(os.getpid(), signal.SIGKILL)
dask.config.set({"skry.flush-seconds": 0})
skry.run(sys.argv[1], quick=True, store=sys.argv[2], progress=report, workers=1, percent=100)
"""


def test_a_killed_job_goes_on_from_its_sums(
    moon_file: Path, measured: Path, fresh_stack: Callable[..., xr.Dataset], tmp_path: Path
) -> None:
    store = copy_of(measured, tmp_path / "moon.skry")
    command = [sys.executable, "-c", KILLED, str(moon_file), str(store)]
    done = subprocess.run(command, env=os.environ.copy(), check=False)
    assert done.returncode == -getattr(signal, "SIGKILL", 9)
    found = skry.run(moon_file, quick=True, store=store, percent=100)
    assert 0 < frames_read(found)["stack"] < N_FRAMES
    assert_same_stack(found, fresh_stack(percent=100))
    assert len(list((store / "pieces" / "sums" / "stack").rglob("head"))) == 1
