"""An interrupted job goes on from what it has measured, and ends with the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask
import pytest
import xarray as xr

import skry_dask as skry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from skry_dask.pipeline.progress import Progress, Report

N_FRAMES, FRAME_BYTES = 40, 180 * 240

SMALL_CHUNKS: dict[str, Any] = {"memory_limit": "300MiB", "workers": 2}


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """Keep every row as soon as it is measured."""
    with dask.config.set({"skry.flush-seconds": 0}):
        yield


@pytest.fixture(scope="module")
def uninterrupted(moon_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a job that nothing has interrupted."""
    store = tmp_path_factory.mktemp("uninterrupted") / "moon.skry"
    skry.run(moon_file, store=store)
    return store


def frames_read(result: xr.Dataset) -> dict[str, float]:
    """Number of frames that each phase of a job has read."""
    phases = result.attrs["summary"]["phases"]
    return {name: phase.get("read_bytes", 0) / FRAME_BYTES for name, phase in phases.items()}


def stop_at(phase: str, done: int) -> Report:
    """Interrupt a job when so many chunks of a phase are done."""

    def report(progress: Progress) -> None:
        if progress.phase == phase and progress.done >= done:
            raise KeyboardInterrupt

    return report


def assert_same_results(store: Path, expected: Path) -> None:
    """Compare all that two stores hold, and look for files that are left over."""
    found, known = skry.open_results(store), skry.open_results(expected)
    assert list(found) == list(known)
    for name in known:
        xr.testing.assert_identical(found[name].load(), known[name].load())
    names = [{path.name for path in place.rglob("*")} for place in (store, expected)]
    assert names[0] == names[1]


def test_rows_of_an_interrupted_phase_are_not_measured_again(
    moon_file: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    for phase, passes in (("quality", 2), ("track", 1)):
        store = tmp_path / f"{phase}.skry"
        with pytest.raises(KeyboardInterrupt):
            skry.run(moon_file, store=store, progress=stop_at(phase, 1), **SMALL_CHUNKS)
        assert (store / "pieces").is_dir()
        read = frames_read(skry.run(moon_file, store=store, **SMALL_CHUNKS))
        assert read[phase] < N_FRAMES * passes
        assert_same_results(store, uninterrupted)
