"""A cluster of processes on this machine, for one job: no thread waits for another's Python."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import dask

from skry_dask.errors import ClusterError
from skry_dask.graph.cluster.answers import within

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 60
"""How long to wait for the processes to start; it takes 2 s where nothing else runs."""

CLOSE_SECONDS = 10
"""How long to wait for the processes to end."""

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "BLOSC_NTHREADS": "1",
    "ZARR_THREADING__MAX_WORKERS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**26),
    "MALLOC_TRIM_THRESHOLD_": str(2**27),
}
"""Environment of workers: tasks use the cores, so libraries need no threads of their own; and freed
chunks of frames stay with the process, because the system clears pages that it hands out."""

CONFIG: dict[str, Any] = {
    "distributed.nanny.pre-spawn-environ": ENVIRONMENT,
    # Tasks take 20 ms and an answer of the scheduler up to 10: with two tasks waiting at a worker
    # the whole job takes 0.8 of the time that it takes with none. They hold no frames yet.
    "distributed.scheduler.worker-saturation": 3.0,
    # Looking at all stacks 100 times a second takes time from tasks.
    "distributed.worker.profile.enabled": False,
}


@contextlib.contextmanager
def local_client(n_processes: int, n_threads: int) -> Iterator[Any]:
    """Start a cluster on this machine, and connect to it, for as long as the context lasts.

    Workers have no memory limit of their own: the job is cut to fit, and a worker that pauses near
    a limit would hold it up.

    Parameters
    ----------
    n_processes
        Number of workers.
    n_threads
        Number of threads of each.

    Raises
    ------
    ClusterError
        If it does not start.
    """
    from distributed import Client, LocalCluster

    def start() -> Any:
        return LocalCluster(
            n_workers=n_processes,
            threads_per_worker=n_threads,
            processes=True,
            memory_limit=0,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        )

    with dask.config.set(CONFIG):
        try:
            cluster = within(START_SECONDS, start)
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ClusterError(
                f"{n_processes} processes cannot be started ({reason}): give fewer --processes, or "
                "none; a Python script needs if __name__ == '__main__'"
            ) from error
        try:
            with Client(cluster, set_as_default=False) as client:
                yield client
        finally:
            with contextlib.suppress(Exception):
                within(CLOSE_SECONDS, cluster.close)
