"""Running a lazy result: on threads or on a cluster, with progress.

The one place that knows where a graph runs. An active dask client, or the address of a scheduler,
is used; otherwise the scheduler that dask is configured for, otherwise threads.
"""

from __future__ import annotations

import contextlib
import copy
import sys
from typing import TYPE_CHECKING, Any

import dask
import dask.threaded
from dask.system import CPU_COUNT

from skry_dask.errors import OptionsError
from skry_dask.graph.frame_passes import count_tasks
from skry_dask.graph.frame_progress import count_here, count_on_cluster
from skry_dask.graph.shared_accumulators import shared_by_threads
from skry_dask.profiling import Spent, spent_here, take_passes, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import xarray as xr

CONNECT_SECONDS = 10
"""How long to wait for a scheduler to answer."""


@contextlib.contextmanager
def resources(
    scheduler: str | None = None,
    workers: int | None = None,
    after_compute: Callable[[], None] | None = None,
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
    # Asked which way of rechunking is best, dask imports all of distributed (0.2 s). Arrays that
    # are rechunked here are small.
    with dask.config.set({"array.rechunk.method": "tasks"}):
        if scheduler is None:
            runner = Runner(_active_client(), workers, after_compute)
            with dask.config.set(num_workers=runner.workers):
                yield runner
            return
        client = _connect(scheduler)
        with client:
            yield Runner(client, workers, after_compute)


class Runner:
    """Computes lazy results.

    Parameters
    ----------
    client
        Client of a cluster, or None.
    workers
        Number of threads where there is no cluster; None = one per core.
    after_compute
        Called without arguments after each computation, for a program that wants to return freed
        memory to the system before the next one.
    """

    def __init__(
        self,
        client: Any | None = None,
        workers: int | None = None,
        after_compute: Callable[[], None] | None = None,
    ) -> None:
        self.client = client
        self.workers = workers or CPU_COUNT
        self.after_compute = after_compute
        self.number: int | None = None
        """Number of its job among several that run at once; None = its job is alone."""

    def for_one_of_several(self, number: int, after_compute: Callable[[], None]) -> Runner:
        """Make a runner for one of several jobs that run at once on the same threads or cluster.

        Parameters
        ----------
        number
            Number of the job. On a cluster tasks of jobs with smaller numbers come first.
        after_compute
            In place of that of this runner.
        """
        runner = copy.copy(self)
        runner.number, runner.after_compute = number, after_compute
        return runner

    @property
    def n_threads(self) -> int:
        """Number of threads that run tasks."""
        if self.client is None:
            return self.workers
        return sum(self.client.nthreads().values())

    @property
    def threads_together(self) -> int:
        """Number of threads that share the memory of one process."""
        if self.client is None:
            return self.workers
        return max(self.client.nthreads().values(), default=1)

    @property
    def shares_accumulators(self) -> bool:
        """Whether it computes on threads of its own: see `shared_accumulators`."""
        return self.client is None and dask.config.get("scheduler", None) is None

    def measure(
        self, result: xr.Dataset, progress: Callable[[int, int], None] | None = None
    ) -> tuple[xr.Dataset, Spent | None]:
        """Compute a phase's Dataset, and measure what that takes.

        Parameters
        ----------
        result, progress
            As for `compute`.

        Returns
        -------
        The Dataset, and what tasks have spent; None where some ran in processes that cannot be
        asked: workers that were lost, or those of dask's own process scheduler.
        """
        passes = _frame_tasks(result)
        if self.number is None:
            before = self._spent()
            computed = self.compute(result, progress)
            after = self._spent()
            # A worker that joined later has spent all that it has on this.
            spent = total(now.since(before.get(name, Spent())) for name, now in after.items())
        else:
            computed = self.compute(result, progress)
            spent = self._spent_on(list(passes))
        return computed, spent if spent.tasks == sum(passes.values()) else None

    def _spent(self) -> dict[str, Spent]:
        """Ask all processes that run tasks what they have spent so far."""
        if self.client is None:
            return dict([spent_here()])
        # Workers may share a process, and then all of them report the same.
        return dict(self.client.run(spent_here, on_error="ignore").values())

    def _spent_on(self, passes: list[str]) -> Spent:
        """Ask all processes that run tasks what they have spent on passes over frames."""
        if self.client is None:
            return take_passes(passes)
        return total(self.client.run(take_passes, passes, on_error="ignore").values())

    def compute(
        self, result: xr.Dataset, progress: Callable[[int, int], None] | None = None
    ) -> xr.Dataset:
        """Compute a phase's Dataset, with dask's usual optimisation.

        Parameters
        ----------
        result
            Lazy Dataset.
        progress
            Called with the number of finished tasks that work on a chunk of frames, and their
            total, from any thread.
        """
        with contextlib.ExitStack() as during:
            options = during.enter_context(self._scheduler())
            n_tasks = _frame_tasks(result)
            if progress is not None and self.client is not None:
                during.enter_context(count_on_cluster(self.client, n_tasks, progress))
            elif progress is not None:
                during.enter_context(count_here(n_tasks, progress))
            computed = result.compute(**options)
        if self.after_compute is not None:
            self.after_compute()
        return computed

    @contextlib.contextmanager
    def _scheduler(self) -> Iterator[dict[str, Any]]:
        """Options for dask's `compute`: by default, threads that share accumulators."""
        if not self.shares_accumulators:
            in_order = self.client is not None and self.number is not None
            yield {"priority": -(self.number or 0)} if in_order else {}
            return
        with shared_by_threads(self.workers) as pool:
            # Given the name of a scheduler, dask looks for a client: it imports distributed, 0.1 s.
            yield {"scheduler": dask.threaded.get, "pool": pool}


def n_frame_tasks(result: xr.Dataset) -> int:
    """Count the tasks that work on a chunk of frames, in the graph of a lazy Dataset."""
    return sum(_frame_tasks(result).values())


def _frame_tasks(result: xr.Dataset) -> dict[str, int]:
    graph: Any = result.__dask_graph__()  # type: ignore[no-untyped-call]
    return {} if graph is None else count_tasks(graph)


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
