"""Each of several computations that run at once counts its own tasks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from skry_dask import profiling
from skry_dask.graph.frame_passes import map_frames
from skry_dask.graph.resources import resources

if TYPE_CHECKING:
    from skry_dask.graph.runner import Runner
    from skry_dask.types import Frames

SIZES = (24, 40)
"""Number of frames of each of two captures."""


def brightest(frames: Frames) -> Frames:
    return frames.max(axis=(1, 2))


def compute_two(
    runner: Runner, both: threading.Barrier | None
) -> list[tuple[list[tuple[int, int]], profiling.Spent | None]]:
    """Compute two results at once; the progress and the profile of each.

    With a barrier, each waits in the middle until the other is there.
    """

    def compute(number: int) -> tuple[list[tuple[int, int]], profiling.Spent | None]:
        events: list[tuple[int, int]] = []

        def progress(done: int, total: int) -> None:
            events.append((done, total))
            if both is not None and done == 2:
                both.wait()

        frames = da.zeros((SIZES[number], 4, 5), np.uint8, chunks=(4, -1, -1))
        lazy = xr.Dataset({"made": ("frame", map_frames(brightest, frames, dtype=np.uint8))})
        own = runner.for_one_of_several(number, lambda: None)
        _, spent = own.measure(lazy, progress)
        return events, spent

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(compute, range(2)))


def test_computations_in_one_process_count_their_own_tasks() -> None:
    with resources(workers=2) as runner:
        found = compute_two(runner, threading.Barrier(2, timeout=20))
    for (events, spent), n_frames in zip(found, SIZES, strict=True):
        n_tasks = n_frames // 4
        assert events == [(done, n_tasks) for done in range(1, n_tasks + 1)]
        assert spent is not None
        assert spent.tasks == n_tasks


@pytest.mark.cluster
def test_computations_on_one_cluster_count_their_own_tasks() -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster),
        resources() as runner,
    ):
        found = compute_two(runner, None)
        found += compute_two(runner, None)  # the first to end has not ended events for the other
    for (events, spent), n_frames in zip(found, 2 * SIZES, strict=True):
        n_tasks = n_frames // 4
        assert events[-1] == (n_tasks, n_tasks)
        assert [done for done, _ in events] == sorted({done for done, _ in events})
        assert spent is not None
        assert spent.tasks == n_tasks


def test_the_profile_of_passes_that_nobody_asks_for_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(profiling, "KEPT_PASSES", 2)
    for name in ("a", "b", "b", "c"):
        with profiling.task(name):
            profiling.add_kernel(0.0)
    assert profiling.take_passes(["a"]).tasks == 0
    assert profiling.take_passes(["b", "c"]).tasks == 3
    assert profiling.take_passes(["b", "c"]).tasks == 0
