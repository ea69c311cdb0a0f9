"""Running lazy results on a cluster: only on workers that can do the job, and never for ever."""

from __future__ import annotations

import contextlib
import copy
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skry_dask.errors import ClusterError
from skry_dask.graph.cluster.answers import ask
from skry_dask.graph.cluster.computing import NoWorkersError, compute_arrays
from skry_dask.graph.cluster.kernels import forget_on, prepare_on
from skry_dask.graph.cluster.workers import Workers
from skry_dask.graph.frame_progress import count_on_cluster
from skry_dask.graph.parcels import Sender
from skry_dask.graph.runner import Runner, frame_tasks
from skry_dask.profiling import spent_here, take_passes, total
from skry_dask.store.pieces.blobs import blobs_at
from skry_dask.store.places.folder import PARTIAL
from skry_dask.unfinished import unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import xarray as xr

    from skry_dask.graph.cluster.workers import Input
    from skry_dask.io.remote import Location
    from skry_dask.profiling import Spent


MAX_CHUNKS_PER_TASK = 4
"""Number of chunks of frames on which a task works at most, of 8 MiB each."""

TASKS_PER_THREAD = 8
"""Each thread should have this many tasks in a pass over the frames, so that none waits long."""

SENT = "sent"
"""Name of what holds the large values of a graph while it is computed."""


class ClusterRunner(Runner):
    """Computes lazy results on a cluster.

    Parameters
    ----------
    client
        Connected to the cluster, which has workers.
    wait_workers
        How long to wait for workers where there are none, s; None = some seconds.
    after_compute
        See `Runner`.
    n_processes
        Number of workers, if they are processes of this machine that we have started.
    """

    def __init__(
        self,
        client: Any,
        wait_workers: float | None = None,
        after_compute: Callable[[], None] | None = None,
        n_processes: int = 0,
    ) -> None:
        super().__init__(after_compute=after_compute)
        self.client = client
        self.wait_workers = wait_workers
        self.n_processes = n_processes
        self.asked = Workers(client)

    @property
    def n_threads(self) -> int:
        """Number of threads that run tasks."""
        return sum(self._threads().values())

    @property
    def threads_together(self) -> int:
        """Number of threads that share the memory of one process."""
        return max(self._threads().values(), default=1)

    @property
    def shares_accumulators(self) -> bool:
        """Never: see `shared_accumulators`."""
        return False

    def chunks_per_task(self, n_chunks: int) -> int:
        """Choose how many chunks of frames a task should work on, of this number.

        A task costs scheduler and worker 3 ms and more, 2 ms of them in Python.
        """
        return max(1, min(MAX_CHUNKS_PER_TASK, n_chunks // (TASKS_PER_THREAD * self.n_threads)))

    @property
    def is_cluster(self) -> bool:
        """Whether other processes compute, perhaps on other machines: yes."""
        return True

    @property
    def memory_shares(self) -> int:
        """Number of processes that share the memory of this machine; 0 = they are elsewhere."""
        return self.n_processes + 1 if self.n_processes else 0

    @property
    def sees_store(self) -> bool:
        """Whether all workers see the folder of the results and can write there."""
        return self.asked.sees_store

    @property
    def notes(self) -> list[str]:
        """Which workers were not used, and why."""
        return self.asked.notes

    def for_job(self) -> ClusterRunner:
        """Return a runner for one of several jobs: each asks workers what it needs itself."""
        runner = copy.copy(self)
        runner.asked = Workers(self.client)
        return runner

    def require(
        self, *inputs: Input, store: Location | None = None, samples: Sequence[str] = ()
    ) -> None:
        """Ask all workers whether they see an input, and prepare kernels on them.

        Raises
        ------
        ClusterError
            If none of them can be used.
        """
        self.asked.require(*inputs, store=store)
        if samples:
            prepare_on(self.client, samples)

    def close(self) -> None:
        """Leave the cluster as it was."""
        forget_on(self.client)

    def compute(
        self, result: xr.Dataset, progress: Callable[[int, int], None] | None = None
    ) -> xr.Dataset:
        """Compute a phase's Dataset on workers that can do the job; see `Runner.compute`.

        Workers that have joined are asked first. Where an error comes from a worker that joined
        later and cannot be used, the result is computed again without it.
        """
        self.asked.ask_new()
        while True:
            try:
                computed = self._compute(result, progress)
                break
            except NoWorkersError:
                before = set(self.asked.usable)
                self.asked.ask_new()
                if self.asked.usable.keys() <= before:
                    raise
            except ClusterError:
                raise
            except Exception:
                if not self.asked.ask_new():
                    raise
        if self.after_compute is not None:
            self.after_compute()
        return computed

    def _compute(
        self, result: xr.Dataset, progress: Callable[[int, int], None] | None
    ) -> xr.Dataset:
        # Of a scalar, chunks are an empty tuple.
        lazy = {n: values for n, values in result.data_vars.items() if values.chunks is not None}
        workers = set(self.asked.usable) if self.asked.refused else None
        with contextlib.ExitStack() as during:
            if progress is not None:
                n_tasks = frame_tasks(result)
                during.enter_context(count_on_cluster(self.client, n_tasks, progress))
            arrays = [values.data for values in lazy.values()]
            computed = compute_arrays(
                self.client,
                arrays,
                workers,
                wait=self.wait_workers,
                priority=-(self.number or 0),
                sender=during.enter_context(self._sender()),
            )
        return result.assign(
            {
                name: (values.dims, array, values.attrs)
                for (name, values), array in zip(lazy.items(), computed, strict=True)
            }
        )

    @contextlib.contextmanager
    def _sender(self) -> Iterator[Sender | None]:
        """Send large values of a graph through the folder of the results, if workers see it."""
        store = self.asked.store
        if store is None or not self.sees_store:
            yield None
            return
        name = f"{SENT}{PARTIAL}{uuid.uuid4().hex}"
        sender = Sender(blobs_at(store / name), SENT)
        with unfinished(store / name) if isinstance(store, Path) else contextlib.nullcontext():
            try:
                yield sender
            finally:
                sender.delete()

    def _spent(self) -> dict[str, Spent]:
        """Ask all processes that run tasks what they have spent so far."""
        # Workers may share a process, and then all of them report the same.
        return dict(self._run(spent_here).values())

    def _spent_on(self, passes: list[str]) -> Spent:
        """Ask all processes that run tasks what they have spent on passes over frames."""
        return total(self._run(take_passes, passes).values())

    def _run(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Call a function in each worker that is there; those that fail are left out."""
        workers = sorted(self._threads().keys() & self.asked.usable.keys())
        return ask(
            lambda: self.client.run(function, *arguments, workers=workers, on_error="ignore")
        )

    def _threads(self) -> dict[str, int]:
        found = ask(self.client.nthreads)
        return {name: n for name, n in found.items() if name not in self.asked.refused}
