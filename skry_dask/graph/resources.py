"""What graphs run on: a cluster, or threads of this process.

An active dask client, or the address of a scheduler, is used; otherwise the scheduler that dask is
configured for, otherwise threads.
"""

from __future__ import annotations

import contextlib
import sys
from numbers import Integral
from typing import TYPE_CHECKING, Any

import dask

from skry_dask.errors import OptionsError
from skry_dask.graph.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from skry_dask.graph.cluster.runner import ClusterRunner

RESTART_SECONDS = 60
"""How long to wait for processes of this machine once all have ended: they start again, in 3 s
where nothing else runs."""


@contextlib.contextmanager
def resources(
    scheduler: str | None = None,
    workers: int | None = None,
    after_compute: Callable[[], None] | None = None,
    *,
    processes: int | None = None,
    wait_workers: float | None = None,
) -> Iterator[Runner]:
    """Provide what graphs run on, for as long as the context lasts.

    Parameters
    ----------
    scheduler
        Address of a dask scheduler, such as ``tcp://10.0.0.5:8786``.
    workers
        Number of threads where there is no cluster, by default one per core; with ``processes``
        of each process, by default one.
    after_compute
        See `Runner`.
    processes
        Number of processes of a cluster on this machine, which is closed at the end.
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
    _check(scheduler, workers, processes, wait_workers)
    # Asked which way of rechunking is best, dask imports all of distributed (0.2 s). Arrays that
    # are rechunked here are small.
    with dask.config.set({"array.rechunk.method": "tasks"}), contextlib.ExitStack() as during:
        runner: Runner | None = None
        client = None
        if processes is not None:
            client = _start_processes(processes, workers or 1, during)
        elif scheduler is not None or "distributed" in sys.modules:
            client = _client(scheduler, during)
        if client is not None:
            runner = _on_cluster(client, wait_workers, after_compute, processes or 0)
            during.callback(runner.close)
        if runner is None:
            runner = Runner(workers, after_compute)
        with dask.config.set(num_workers=runner.workers):
            yield runner


def _check(
    scheduler: str | None, workers: int | None, processes: int | None, wait_workers: float | None
) -> None:
    """Refuse numbers out of range, and choices that contradict each other."""
    for name, number in (("workers", workers), ("processes", processes)):
        if number is not None and not (isinstance(number, Integral) and number >= 1):
            raise OptionsError(f"{name} is {number!r}: it must be a whole number, at least 1")
        if number is not None and scheduler is not None:
            raise OptionsError(
                f"{name} {number} and scheduler {scheduler} contradict each other: a cluster has "
                "its own workers"
            )
    if wait_workers is not None and wait_workers < 0:
        raise OptionsError(f"wait_workers is {wait_workers:g} s: it must be at least 0")


def _start_processes(processes: int, threads: int, during: contextlib.ExitStack) -> Any:
    try:
        from skry_dask.graph.cluster.local import local_client

        return during.enter_context(local_client(processes, threads))
    except ImportError as error:
        raise OptionsError(
            f"processes is {processes}, but distributed is not installed: "
            "pip install 'skry_dask[distributed]'"
        ) from error


def _client(scheduler: str | None, during: contextlib.ExitStack) -> Any | None:
    """Connect to a scheduler, or take the active client, if there is one."""
    from skry_dask.graph.cluster.connection import active_client, close, connect

    if scheduler is None:
        return active_client()
    client = connect(scheduler)
    during.callback(close, client)
    return client


def _on_cluster(
    client: Any,
    wait_workers: float | None,
    after_compute: Callable[[], None] | None,
    n_processes: int,
) -> ClusterRunner:
    from skry_dask.graph.cluster.connection import wait_for_workers
    from skry_dask.graph.cluster.runner import ClusterRunner

    wait_for_workers(client, wait_workers)
    if n_processes and wait_workers is None:
        wait_workers = RESTART_SECONDS
    runner = ClusterRunner(client, wait_workers, after_compute, n_processes)
    runner.require()
    return runner
