"""Progress of passes over frames: each task that has worked on a chunk of frames is counted.

In this process tasks are counted by the profile, which dask's callback looks at after each task. On
a cluster, workers log an event for each of them, which the scheduler forwards to the client.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any

from dask.callbacks import Callback

from skry_dask import profiling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOPIC = "skry-frame-tasks"
"""Topic of the events that workers log."""


@contextlib.contextmanager
def frame_task(frame_pass: str) -> Iterator[None]:
    """Count a task that works on a chunk of frames, when it is done.

    Parameters
    ----------
    frame_pass
        Name of the pass that it belongs to.
    """
    with profiling.task():
        yield
    worker = _worker()
    if worker is not None:
        worker.log_event(TOPIC, frame_pass)


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
def count_here(total: int, progress: Callable[[int, int], None]) -> Iterator[None]:
    """Report tasks that finish in this process while the context lasts.

    Parameters
    ----------
    total
        Number of tasks to expect.
    progress
        Called with the number of finished tasks and the total after each of them. Tasks of dask's
        process scheduler are reported at the end, all together.
    """
    before = profiling.spent().tasks
    reported = 0

    def report(*_: Any) -> None:
        nonlocal reported
        while reported < min(profiling.spent().tasks - before, total):
            reported += 1
            progress(reported, total)

    with Callback(posttask=report):
        yield
    if reported < total:
        progress(total, total)


@contextlib.contextmanager
def count_on_cluster(
    client: Any, n_tasks: dict[str, int], progress: Callable[[int, int], None]
) -> Iterator[None]:
    """Report tasks that finish on a cluster while the context lasts.

    Parameters
    ----------
    client
        Connected to the cluster.
    n_tasks
        Number of tasks to expect, by pass; events of other passes are left alone.
    progress
        As for `count_here`; called from the client's thread. A task that a lost worker had finished
        counts once more when it runs again, but never beyond the total.
    """
    total, done = sum(n_tasks.values()), 0
    lock = threading.Lock()

    def count(event: tuple[float, str]) -> None:
        nonlocal done
        with lock:
            if event[1] in n_tasks and done < total:
                done += 1
                progress(done, total)

    client.subscribe_topic(TOPIC, count)
    try:
        yield
    finally:
        client.unsubscribe_topic(TOPIC)
    with lock:  # The last events may still be on their way.
        if done < total:
            done = total
            progress(total, total)
