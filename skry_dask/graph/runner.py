"""Running a lazy result in this process, with progress: on threads.

Where dask is configured for another scheduler, that is used. For clusters see `graph.cluster`, and
`graph.resources` for the choice.
"""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any

import dask
import dask.threaded
from dask.system import CPU_COUNT

from skry_dask.graph.frame_passes import count_tasks
from skry_dask.graph.frame_progress import count_here
from skry_dask.graph.shared_accumulators import shared_by_threads
from skry_dask.profiling import Spent, spent_here, take_passes, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import xarray as xr

    from skry_dask.io.remote import Location


class Runner:
    """Computes lazy results on threads.

    Parameters
    ----------
    workers
        Number of threads; None = one per core.
    after_compute
        Called without arguments after each computation, for a program that wants to return freed
        memory to the system before the next one.
    """

    def __init__(
        self,
        workers: int | None = None,
        after_compute: Callable[[], None] | None = None,
    ) -> None:
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
        return self.workers

    @property
    def threads_together(self) -> int:
        """Number of threads that share the memory of one process."""
        return self.workers

    @property
    def shares_accumulators(self) -> bool:
        """Whether it computes on threads of its own: see `shared_accumulators`."""
        return dask.config.get("scheduler", None) is None

    def chunks_per_task(self, n_chunks: int) -> int:
        """Choose how many chunks of frames a task should work on, of this number: 1."""
        return 1

    @property
    def is_cluster(self) -> bool:
        """Whether other processes compute, perhaps on other machines."""
        return False

    @property
    def memory_shares(self) -> int:
        """Number of processes that share the memory of this machine; 0 = they are elsewhere."""
        return 1

    @property
    def sees_store(self) -> bool:
        """Whether whatever computes sees the folder of the results and can write there."""
        return True

    @property
    def notes(self) -> list[str]:
        """What the user should know about what computed."""
        return []

    def for_job(self) -> Runner:
        """Return a runner for one of several jobs, which may run at the same time."""
        return self

    def require(
        self, *inputs: Any, store: Location | None = None, samples: Sequence[str] = ()
    ) -> None:
        """Make sure that whatever computes sees an input, and has the kernels for its pixels.

        Parameters
        ----------
        inputs
            See `skry_dask.graph.cluster.workers.Input`.
        store
            Folder of the results.
        samples
            Types of the pixels, such as "u1".
        """

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
        passes = frame_tasks(result)
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
        return dict([spent_here()])

    def _spent_on(self, passes: list[str]) -> Spent:
        """Ask all processes that run tasks what they have spent on passes over frames."""
        return take_passes(passes)

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
            if progress is not None:
                during.enter_context(count_here(frame_tasks(result), progress))
            computed = result.compute(**options)
        if self.after_compute is not None:
            self.after_compute()
        return computed

    @contextlib.contextmanager
    def _scheduler(self) -> Iterator[dict[str, Any]]:
        """Options for dask's `compute`: by default, threads that share accumulators."""
        if not self.shares_accumulators:
            yield {}
            return
        with shared_by_threads(self.workers) as pool:
            # Given the name of a scheduler, dask looks for a client: it imports distributed, 0.1 s.
            yield {"scheduler": dask.threaded.get, "pool": pool}


def n_frame_tasks(result: xr.Dataset) -> int:
    """Count the tasks that work on a chunk of frames, in the graph of a lazy Dataset."""
    return sum(frame_tasks(result).values())


def frame_tasks(result: xr.Dataset) -> dict[str, int]:
    """Count the tasks that work on a chunk of frames by the name of their pass."""
    graph: Any = result.__dask_graph__()  # type: ignore[no-untyped-call]
    return {} if graph is None else count_tasks(graph)
