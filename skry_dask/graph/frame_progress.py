"""Progress of passes over frames: each task that has worked on a chunk of frames is counted.

Tasks name their pass, and each computation counts those of its own passes, so that several can run
at once. In this process tasks count themselves; on a cluster, workers log an event for each of
them, which the scheduler forwards to the client.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from skry_dask import profiling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOPIC = "skry-frame-tasks"
"""Topic of the events that workers log."""

_LOCK = threading.Lock()
_COUNTS: dict[str, _Count] = {}
"""Whatever counts the tasks of a pass, by name of the pass."""

_SUBSCRIBERS: Counter[str] = Counter()
"""Number of computations that follow the events of a cluster, by identity of the client."""


class _Count:
    """Counts the finished tasks of a computation.

    Parameters
    ----------
    total
        Number of tasks to expect.
    progress
        Called with the number of finished tasks and the total.
    """

    def __init__(self, total: int, progress: Callable[[int, int], None]) -> None:
        self.total, self.progress = total, progress
        self.done = 0
        self.lock = threading.Lock()

    def one(self) -> None:
        """Count a task; more than the total, which ran twice, are left out."""
        with self.lock:
            if self.done < self.total:
                self.done += 1
                self.progress(self.done, self.total)

    def rest(self) -> None:
        """Count what is missing at the end: it could not be watched, or is still on its way."""
        with self.lock:
            if self.done < self.total:
                self.done = self.total
                self.progress(self.done, self.total)


@contextlib.contextmanager
def frame_task(frame_pass: str) -> Iterator[None]:
    """Count a task that works on a chunk of frames, when it is done.

    Parameters
    ----------
    frame_pass
        Name of the pass that it belongs to.
    """
    with profiling.task(frame_pass):
        yield
    worker = _worker()
    if worker is not None:
        worker.log_event(TOPIC, frame_pass)
    else:
        _count(frame_pass)


def _count(frame_pass: str) -> None:
    count = _COUNTS.get(frame_pass)
    if count is not None:
        count.one()


def _worker() -> Any | None:
    """Find the worker of a cluster that runs the calling task."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return get_worker()
    except ValueError:
        return None


@contextlib.contextmanager
def count_here(n_tasks: dict[str, int], progress: Callable[[int, int], None]) -> Iterator[None]:
    """Report tasks that finish in this process while the context lasts.

    Parameters
    ----------
    n_tasks
        Number of tasks to expect, by pass.
    progress
        Called with the number of finished tasks and the total after each of them, from the thread
        that ran it. Tasks of dask's process scheduler are reported at the end, all together.
    """
    count = _Count(sum(n_tasks.values()), progress)
    _COUNTS.update(dict.fromkeys(n_tasks, count))
    try:
        yield
    finally:
        for frame_pass in n_tasks:
            del _COUNTS[frame_pass]
    count.rest()


@contextlib.contextmanager
def count_on_cluster(
    client: Any, n_tasks: dict[str, int], progress: Callable[[int, int], None]
) -> Iterator[None]:
    """Report tasks that finish on a cluster while the context lasts.

    Parameters
    ----------
    client
        Connected to the cluster. It has one handler for a topic, which all computations share.
    n_tasks
        Number of tasks to expect, by pass.
    progress
        As for `count_here`; called from the client's thread. A task that a lost worker had finished
        counts once more when it runs again, but never beyond the total.
    """
    with count_here(n_tasks, progress):
        with _LOCK:
            _SUBSCRIBERS[client.id] += 1
            if _SUBSCRIBERS[client.id] == 1:
                client.subscribe_topic(TOPIC, lambda event: _count(event[1]))
        try:
            yield
        finally:
            with _LOCK:
                _SUBSCRIBERS[client.id] -= 1
                if not _SUBSCRIBERS[client.id]:
                    del _SUBSCRIBERS[client.id]
                    client.unsubscribe_topic(TOPIC)
