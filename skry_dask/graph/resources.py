"""What graphs run on: a cluster, or threads of this process.

An active dask client, or the address of a scheduler, is used; otherwise the scheduler that dask is
configured for, otherwise threads.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import dask

from skry_dask.errors import OptionsError
from skry_dask.graph.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def resources(
    scheduler: str | None = None,
    workers: int | None = None,
    after_compute: Callable[[], None] | None = None,
    *,
    wait_workers: float | None = None,
) -> Iterator[Runner]:
    """Provide what graphs run on, for as long as the context lasts.

    Parameters
    ----------
    scheduler
        Address of a dask scheduler, such as ``tcp://10.0.0.5:8786``.
    workers
        Number of threads where there is no cluster; by default one per core.
    after_compute
        See `Runner`.
    wait_workers
        How long to wait for workers of a cluster that has none, s; by default 5 s at first, and
        10 s when all are lost.

    Raises
    ------
    OptionsError
        If a number is out of range, or they contradict each other.
    ClusterError
        If the scheduler cannot be reached, or has no workers that can be used.
    """
    _check(scheduler, workers, wait_workers)
    # Asked which way of rechunking is best, dask imports all of distributed (0.2 s). Arrays that
    # are rechunked here are small.
    with dask.config.set({"array.rechunk.method": "tasks"}), contextlib.ExitStack() as during:
        runner = None
        if scheduler is not None or "distributed" in sys.modules:
            runner = _on_cluster(scheduler, wait_workers, after_compute, during)
        if runner is None:
            runner = Runner(workers, after_compute)
        with dask.config.set(num_workers=runner.workers):
            yield runner


def _check(scheduler: str | None, workers: int | None, wait_workers: float | None) -> None:
    """Refuse numbers out of range, and choices that contradict each other."""
    if workers is not None and workers < 1:
        raise OptionsError(f"workers is {workers}: it must be at least 1")
    if wait_workers is not None and wait_workers < 0:
        raise OptionsError(f"wait_workers is {wait_workers:g} s: it must be at least 0")
    if workers is not None and scheduler is not None:
        raise OptionsError(
            f"workers {workers} and scheduler {scheduler} contradict each other: a cluster has its "
            "own workers"
        )


def _on_cluster(
    scheduler: str | None,
    wait_workers: float | None,
    after_compute: Callable[[], None] | None,
    during: contextlib.ExitStack,
) -> Runner | None:
    """Use the scheduler, or the active client; None where there is neither."""
    from skry_dask.graph.cluster.connection import (
        active_client,
        close,
        connect,
        wait_for_workers,
    )

    if scheduler is None:
        client = active_client()
        if client is None:
            return None
    else:
        client = connect(scheduler)
        during.callback(close, client)
    from skry_dask.graph.cluster.runner import ClusterRunner

    wait_for_workers(client, wait_workers)
    runner = ClusterRunner(client, wait_workers, after_compute)
    runner.require()
    return runner
