"""Computing on a cluster without hanging: lost workers and a lost scheduler end in one line.

The graph is submitted, and its results are collected, in a thread of their own, so that this one
can look at the cluster meanwhile.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from skry_dask.errors import ClusterError
from skry_dask.graph.cluster.answers import SCHEDULER_LOST, Call
from skry_dask.graph.parcels import sending

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import dask.array as da

    from skry_dask.graph.parcels import Sender
    from skry_dask.types import AnyArray

LOOK_SECONDS = 1.0
"""How often to look whether there are workers."""

SILENT_SECONDS = 60
"""A scheduler that has not answered for this long is taken for lost; taking a large graph apart
keeps it busy for seconds."""

LOST_SECONDS = 10
"""How long to wait for workers once there are none; a nanny restarts one in about 3 s."""


class NoWorkersError(ClusterError):
    """All workers that could be used are gone."""


class Watch:
    """Looks at a cluster in the background for as long as the context lasts.

    Parameters
    ----------
    client
        Connected to the cluster.
    workers
        Addresses of the workers that may be used; None = all.
    wait
        How long to wait for workers once there are none, s.
    """

    def __init__(self, client: Any, workers: Collection[str] | None, wait: float) -> None:
        self.client = client
        self.workers = workers
        self.wait = wait
        self._answered = self._had_workers = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="skry-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def _look(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                present = self.client.nthreads().keys()
            except Exception:  # whatever a lost connection raises: no answer
                continue
            self._answered = time.monotonic()
            if present if self.workers is None else present & set(self.workers):
                self._had_workers = self._answered

    def check(self) -> None:
        """Look at what has been seen.

        Raises
        ------
        NoWorkersError
            If there are no workers any more.
        ClusterError
            If the scheduler does not answer any more.
        """
        now = time.monotonic()
        if self.client.status == "closed" or now - self._answered > SILENT_SECONDS:
            raise ClusterError(SCHEDULER_LOST)
        if self._answered - self._had_workers > self.wait:
            raise NoWorkersError(
                f"all workers of the cluster are gone for {self.wait:g} s (ended, out of memory or "
                "out of time?): start workers, and run the same command again, which continues"
            )


def compute_arrays(
    client: Any,
    arrays: Sequence[da.Array],
    workers: Collection[str] | None = None,
    *,
    wait: float | None = None,
    priority: int = 0,
    sender: Sender | None = None,
) -> list[AnyArray]:
    """Compute dask arrays on a cluster, with dask's usual optimisation.

    Parameters
    ----------
    client
        Connected to the cluster.
    arrays
        Lazy.
    workers
        Addresses of the workers that may be used; None = all. Tasks of a graph for some workers are
        not queued by the scheduler, so workers hold more of them.
    wait
        How long to wait for workers once there are none, s; None = `LOST_SECONDS`.
    priority
        Tasks with a higher one come first.
    sender
        Sends large values of the graph beside it; None = they are in the graph.

    Raises
    ------
    NoWorkersError, ClusterError
        See `Watch.check`; also if a task ended several workers.
    """
    held: list[Any] = []

    def collect() -> list[AnyArray]:
        from distributed import futures_of

        restricted = {} if workers is None else {"workers": sorted(workers)}
        with sending(sender):
            submitted = client.persist(list(arrays), priority=priority, **restricted)
        futures = [futures_of(array) for array in submitted]
        held.extend(future for of_array in futures for future in of_array)
        found = client.gather(futures)
        return [
            _assembled(array, {future.key: value for future, value in zip(f, v, strict=True)})
            for array, f, v in zip(submitted, futures, found, strict=True)
        ]

    with Watch(client, workers, LOST_SECONDS if wait is None else wait) as watch:
        call = Call(collect)
        try:
            while not call.wait(LOOK_SECONDS):
                watch.check()
            return call.result
        except Exception as error:
            raise _explained(error) from error
        finally:
            if not call.wait(0):
                Call(lambda: client.cancel(held, force=True))


def _assembled(array: da.Array, values: dict[Any, Any]) -> AnyArray:
    """Put the chunks of a computed array together."""
    finish, arguments = array.__dask_postcompute__()
    return finish(_nested(array.__dask_keys__(), values.__getitem__), *arguments)


def _nested(keys: Any, value_of: Callable[[Any], Any]) -> Any:
    if isinstance(keys, list):
        return [_nested(key, value_of) for key in keys]
    return value_of(keys)


def _explained(error: Exception) -> Exception:
    """Put errors of the cluster in words; those of tasks stay as they are."""
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    if isinstance(error, KilledWorker):
        return ClusterError(
            f"a task ended the workers that ran it, one after the other ({error.task}): most often "
            "they have too little memory: give workers more of it, fewer threads each, or a "
            "smaller --memory-limit"
        )
    if isinstance(error, CancelledError | CommClosedError):
        return ClusterError(SCHEDULER_LOST)
    return error
