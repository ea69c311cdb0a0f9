"""Processes that fork from one that has imported the package and loaded its kernels.

A process that starts afresh keeps its core busy for 2 s before its first task. Windows cannot fork.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
from typing import TYPE_CHECKING, Any

import dask
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

IMPORTED = ["distributed", "tests.prepared_process"]
"""Modules that are imported once, before processes fork."""


def forking() -> Any:
    """Return the context of `multiprocessing` that starts processes in the shortest time."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


@contextlib.contextmanager
def worker_processes(n_workers: int = 2, **options: Any) -> Iterator[Any]:
    """Start a cluster of workers with one thread each, in processes of their own.

    Parameters
    ----------
    n_workers
        Number of workers.
    options
        Of `distributed.LocalCluster`.
    """
    distributed = pytest.importorskip("distributed")
    method = forking().get_start_method()
    if method == "forkserver":
        from multiprocessing import forkserver

        forkserver.ensure_running()  # before distributed chooses other modules
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": method}),
        distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            **options,
        ) as cluster,
    ):
        yield cluster
