"""Each phase is computed once; a stored result is reused; a failure keeps what was computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from skry_dask.errors import AlignmentError, StoreError
from skry_dask.graph.resources import resources
from skry_dask.options import AlignOptions, QualityOptions
from skry_dask.pipeline.phase_runner import PhaseResult, PhaseRunner
from skry_dask.store.pieces.blobs import GoneError
from skry_dask.store.results import new_places
from skry_dask.store.results.writing import ResultStore
from tests.stores import fail_with_full_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from skry_dask.pipeline.progress import Progress

FRAMES = PhaseResult(
    name="import",
    data=xr.Dataset({"frames": ("frame", np.arange(5))}),
    digest="capture",
    status=None,
    seconds=0.0,
    n_threads=1,
)


class Phases:
    """Stand-ins for phases, which note what they were called with."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def double(self, frames: xr.Dataset, options: AlignOptions) -> xr.Dataset:
        self.calls.append(options.method)
        return xr.Dataset({"doubled": ("frame", da.from_array(2 * frames["frames"].to_numpy()))})

    def total(self, frames: xr.Dataset, doubled: xr.Dataset, options: QualityOptions) -> xr.Dataset:
        self.calls.append("total")
        return (frames["frames"] + doubled["doubled"]).sum().to_dataset(name="total").chunk()

    def fail(self, *_: object) -> xr.Dataset:
        raise AlignmentError("nothing to see")


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "a.skry")


@pytest.fixture
def events() -> list[Progress]:
    return []


@pytest.fixture
def runner(store: ResultStore, events: list[Progress]) -> Iterator[PhaseRunner]:
    with resources(workers=1) as resource:
        yield PhaseRunner(resource, store, events.append, lambda: None)


def run_both(runner: PhaseRunner, phases: Phases, **options: float) -> list[PhaseResult]:
    with runner:
        doubled = runner.run(phases.double, AlignOptions(), FRAMES)
        return [
            doubled, runner.run(phases.total, QualityOptions(**options), FRAMES, doubled)
        ]  # fmt: skip


@pytest.mark.parametrize("n_gone", [1, 2, 3])
def test_a_phase_begins_again_when_another_job_has_deleted_pieces_it_was_built_on(
    n_gone: int, runner: PhaseRunner
) -> None:
    built = []

    def read() -> np.ndarray:
        if len(built) <= n_gone:
            raise GoneError("rows/track/0 of the store was deleted meanwhile: run the job again")
        return np.arange(3)

    def phase(*_: object) -> xr.Dataset:
        built.append(1)
        array = da.from_delayed(dask.delayed(read)(), (3,), int)
        return xr.Dataset({"found": ("frame", array)})

    if n_gone > 2:
        with pytest.raises(StoreError, match="deleted meanwhile"), runner:
            runner.run(phase, AlignOptions(), FRAMES)
        return
    with runner:
        result = runner.run(phase, AlignOptions(), FRAMES)
    assert result.data["found"].to_numpy().tolist() == [0, 1, 2]
    assert len(built) == n_gone + 1


def test_a_phase_runs_on_the_results_before_it_and_is_stored(
    runner: PhaseRunner, store: ResultStore
) -> None:
    doubled, total = run_both(runner, Phases())
    assert (doubled.name, doubled.status) == ("align", "ran")
    assert int(total.data["total"]) == 30
    for result in (doubled, total):
        assert result.data.chunks == {}
        assert result.seconds > 0
        assert result.spent is not None
        xr.testing.assert_identical(store[f"{result.name}/{result.digest}"], result.data)


def test_only_what_depends_on_a_changed_option_runs_again(
    store: ResultStore, events: list[Progress]
) -> None:
    phases = Phases()
    seen = []
    for options in ({}, {}, {"area_size": 60}, {}):
        with resources(workers=1) as resource:
            runner = PhaseRunner(resource, store, events.append, lambda: None)
            results = run_both(runner, phases, **options)
            seen.append([result.status for result in results])
            assert int(results[-1].data["total"]) == 30
    assert seen == [["ran", "ran"], ["reused", "reused"], ["reused", "ran"], ["reused", "reused"]]
    assert phases.calls == ["auto", "total", "total"]


def test_the_digest_depends_on_the_capture_the_phase_its_version_and_all_options_so_far(
    runner: PhaseRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases = Phases()
    with runner:
        other = PhaseResult(
            name="import", data=FRAMES.data, digest="x", status=None, seconds=0, n_threads=1
        )
        digests = [
            runner.run(phases.double, AlignOptions(), FRAMES).digest,
            runner.run(phases.double, AlignOptions(), other).digest,
            runner.run(phases.double, AlignOptions(method="disc"), FRAMES).digest,
        ]
        monkeypatch.setattr(AlignOptions, "version", 99)
        digests.append(runner.run(phases.double, AlignOptions(), FRAMES).digest)
    assert len(set(digests)) == 4


def test_what_was_computed_is_stored_even_if_a_later_phase_fails(
    runner: PhaseRunner, store: ResultStore
) -> None:
    def job() -> None:
        with runner:
            doubled = runner.run(Phases().double, AlignOptions(), FRAMES)
            runner.run(Phases().fail, QualityOptions(), FRAMES, doubled)

    with pytest.raises(AlignmentError, match="nothing to see"):
        job()
    assert list(store) == ["align"]


def test_a_result_that_cannot_be_stored_fails_the_job(
    runner: PhaseRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_places, "flush", fail_with_full_disk)
    with pytest.raises(StoreError, match="No space left"), runner:
        runner.run(Phases().double, AlignOptions(), FRAMES)


def test_what_a_phase_loads_for_itself_is_not_kept(runner: PhaseRunner) -> None:
    lazy = PhaseResult(
        name="import",
        data=FRAMES.data.chunk({"frame": 2}),
        digest="capture",
        status=None,
        seconds=0.0,
        n_threads=1,
    )

    def load(frames: xr.Dataset, _: AlignOptions) -> xr.Dataset:
        return frames.load().sum().chunk()

    with runner:
        runner.run(load, AlignOptions(), lazy)
    assert lazy.data["frames"].chunks is not None
