"""Running a lazy result: on threads or on a cluster, with progress.

The one place that knows where a graph runs. An active dask client, or the address of a scheduler,
is used; otherwise the scheduler that dask is configured for, otherwise threads.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import dask
import dask.threaded
from dask.callbacks import Callback

from skry_dask.errors import OptionsError
from skry_dask.graph.frame_passes import PASS
from skry_dask.heap import trim
from skry_dask.profiling import Spent, spent_here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import xarray as xr

CONNECT_SECONDS = 10
"""How long to wait for a scheduler to answer."""

MANY_TASKS = 100
"""What larger graphs leave behind, which refers to itself, is collected before the next phase."""

POLL_SECONDS = 0.3
"""How often a cluster is asked how far it is."""


@contextlib.contextmanager
def resources(scheduler: str | None = None, workers: int | None = None) -> Iterator[Runner]:
    """Provide what graphs run on, for as long as the context lasts.

    Parameters
    ----------
    scheduler
        Address of a dask scheduler, such as ``tcp://10.0.0.5:8786``.
    workers
        Number of threads where there is no cluster; by default one per core.

    Raises
    ------
    OptionsError
        If the scheduler cannot be reached, ``workers`` is less than 1, or both are given.
    """
    if workers is not None and workers < 1:
        raise OptionsError(f"workers is {workers}: it must be at least 1")
    if workers is not None and scheduler is not None:
        raise OptionsError(
            f"workers {workers} and scheduler {scheduler} contradict each other: a cluster has its "
            "own workers"
        )
    # To choose between ways to rechunk, dask would import all of distributed (0.2 s); arrays that
    # are rechunked here are small.
    with dask.config.set({"array.rechunk.method": "tasks"}):
        if scheduler is None:
            runner = Runner(_active_client(), workers)
            with dask.config.set(num_workers=runner.workers):
                yield runner
            return
        client = _connect(scheduler)
        with client:
            yield Runner(client, workers)


class Runner:
    """Computes lazy results.

    Parameters
    ----------
    client
        Of a cluster, or None.
    workers
        Number of threads where there is no cluster.
    """

    def __init__(self, client: Any | None, workers: int | None) -> None:
        self.client = client
        self.workers = workers or len(os.sched_getaffinity(0))

    @property
    def n_threads(self) -> int:
        """How many threads run tasks."""
        if self.client is None:
            return self.workers
        return sum(self.client.nthreads().values())

    @property
    def threads_together(self) -> int:
        """How many threads share the memory of one process."""
        if self.client is None:
            return self.workers
        return max(self.client.nthreads().values(), default=1)

    def measure(
        self, result: xr.Dataset, progress: Callable[[int, int], None] | None = None
    ) -> tuple[xr.Dataset, Spent | None]:
        """Compute a phase's Dataset, and tell what that took.

        Parameters
        ----------
        result, progress
            As for `compute`.

        Returns
        -------
        The Dataset, and what tasks have spent; None where some ran in processes that cannot be
        asked: workers that are gone, or those of dask's own process scheduler.
        """
        n_tasks = count_passes(result)
        before = self._spent()
        computed = self.compute(result, progress)
        after = self._spent()
        # A worker that came later has spent all that it has on this.
        differences = [now.since(before.get(process, Spent())) for process, now in after.items()]
        total = functools.reduce(Spent.plus, differences, Spent())
        return computed, total if total.tasks == n_tasks else None

    def _spent(self) -> dict[str, Spent]:
        """Ask all processes that run tasks what they have spent so far."""
        if self.client is None:
            return dict([spent_here()])
        # Workers may share a process, and then all tell the same.
        return dict(self.client.run(spent_here, on_error="ignore").values())

    def compute(
        self, result: xr.Dataset, progress: Callable[[int, int], None] | None = None
    ) -> xr.Dataset:
        """Compute a phase's Dataset.

        Parameters
        ----------
        result
            Lazy.
        progress
            Called with the number of chunks of frames done and their total, from any thread.
        """
        n_tasks = count_passes(result)
        # Tasks are as large as they should be: fusing would only hide them from the count.
        options: dict[str, Any] = {"optimize_graph": False}
        if self.client is not None:
            with _polling(self.client, n_tasks, progress):
                return result.compute(**options)
        if dask.config.get("scheduler", None) is None:
            # By its name, dask would first look for a client, importing all of distributed (0.1 s).
            options |= {"scheduler": dask.threaded.get, "num_workers": self.workers}
        with _counting(n_tasks, progress):
            computed = result.compute(**options)
        if n_tasks > MANY_TASKS:
            gc.collect()
        trim()
        return computed


def count_passes(result: xr.Dataset) -> int:
    """Count the tasks that read a chunk of frames."""
    graph: Any = result.__dask_graph__()  # type: ignore[no-untyped-call]
    return sum(_is_pass(key) for key in graph or ())


def _is_pass(key: Any) -> bool:
    # Not `key_split`, which remembers the keys of all graphs.
    return str(key[0] if isinstance(key, tuple) else key).startswith(PASS)


@contextlib.contextmanager
def _counting(total: int, progress: Callable[[int, int], None] | None) -> Iterator[None]:
    """Report tasks of this process as they finish."""
    if progress is None:
        yield
        return
    done = 0

    def count(key: Any, *_: Any) -> None:
        nonlocal done
        if _is_pass(key):
            done += 1
            progress(done, total)

    with Callback(posttask=count):
        yield


@contextlib.contextmanager
def _polling(
    client: Any, total: int, progress: Callable[[int, int], None] | None
) -> Iterator[None]:
    """Ask a cluster from time to time how many tasks have finished."""
    if progress is None:
        yield
        return
    stop = threading.Event()

    def finished() -> int:
        states = client.sync(client.scheduler.get_task_prefix_states)
        return sum(
            counts.get(state, 0)
            for prefix, counts in states.items()
            if prefix.startswith(PASS)
            for state in ("memory", "released", "forgotten")
        )

    def watch() -> None:
        before = finished()
        while not stop.wait(POLL_SECONDS):
            progress(min(finished() - before, total), total)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
    progress(total, total)


def _active_client() -> Any | None:
    """Find the client that the user has made, if any."""
    if "distributed" not in sys.modules:
        return None
    from distributed import default_client

    try:
        return default_client()
    except ValueError:
        return None


def _connect(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise OptionsError(
            f"scheduler is {address!r}, but distributed is not installed: "
            "pip install 'skry_dask[distributed]'"
        ) from error
    try:
        return Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise OptionsError(
            f"scheduler {address!r} cannot be reached ({reason}): start one with 'dask scheduler'"
        ) from error
