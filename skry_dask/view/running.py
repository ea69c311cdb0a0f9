"""A job that runs in a thread of its own, with progress, and that can be cancelled."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from skry_dask.errors import SkryError
from skry_dask.pipeline.run import run_part, run_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from skry_dask.pipeline.job import JobRequest
    from skry_dask.pipeline.phase_runner import PhaseResult
    from skry_dask.pipeline.progress import Progress

log = logging.getLogger(__name__)

JOB_THREAD = "skry-view-job"
"""Name of the thread in which a job runs."""

LAST = "stack"
"""The last phase of a whole job."""


class _CancelledError(SkryError):
    """The user has cancelled the job."""


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a job is.

    Parameters
    ----------
    running
        Whether one runs now.
    phase
        Name of the phase that runs, or ran last.
    done, total
        See `Progress`.
    finished
        Phases of the job that have a result: their names and "ran" or "reused".
    seconds
        What the job took, or takes so far.
    summary
        `Summary` of a whole job that is done, as a dict.
    error
        Why the job failed, or None.
    cancelled
        Whether it was cancelled; it may be running still, until its next chunk of frames.
    """

    running: bool = False
    phase: str = ""
    done: int = 0
    total: int | None = None
    finished: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0
    summary: dict[str, Any] | None = None
    error: str | None = None
    cancelled: bool = False


class JobThread:
    """Runs one job at a time.

    Parameters
    ----------
    on_change
        Called when the state has changed, from any thread.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._state = RunState()

    @property
    def state(self) -> RunState:
        """How far the job is."""
        return self._state

    def start(self, request: JobRequest, last: str = LAST) -> None:
        """Start a job.

        Parameters
        ----------
        request
            The job; its ``progress`` and ``on_phase`` are called, too.
        last
            The last phase to run.

        Raises
        ------
        SkryError
            If another one runs.
        """
        with self._lock:
            if self._state.running:
                raise SkryError("a job is running already: cancel it first, or wait for its end")
            self._stop.clear()
            self._state = RunState(running=True)
        self._thread = threading.Thread(
            target=self._work, args=(request, last), name=JOB_THREAD, daemon=True
        )
        self._on_change()
        self._thread.start()

    def cancel(self) -> None:
        """End the job at its next chunk of frames; what is finished is kept."""
        self._stop.set()
        if self._state.running:
            self._change(cancelled=True)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end of the job; return whether it has ended."""
        if self._thread is not None:
            self._thread.join(seconds)
        return not self._state.running

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self._state = replace(self._state, **changes)
        self._on_change()

    def _work(self, request: JobRequest, last: str) -> None:
        began = time.perf_counter()
        watched = self._watched(request, began)

        def work() -> dict[str, Any]:
            if last == LAST:
                return {"summary": run_request(watched).attrs["summary"]}
            run_part(watched, last)
            return {}

        ended = {"cancelled": False, **_outcome(work)}
        self._change(running=False, seconds=time.perf_counter() - began, **ended)

    def _watched(self, request: JobRequest, began: float) -> JobRequest:
        """Note how far a job is, and end it when it has been cancelled."""

        def check() -> None:
            if self._stop.is_set():
                raise _CancelledError

        def progress(event: Progress) -> None:
            check()
            if request.progress is not None:
                request.progress(event)
            seconds = time.perf_counter() - began
            self._change(phase=event.phase, done=event.done, total=event.total, seconds=seconds)

        def on_phase(result: PhaseResult) -> None:
            if request.on_phase is not None:
                request.on_phase(result)
            if result.status is not None:
                told = (*self._state.finished, (result.name, result.status))
                self._change(finished=told, phase=result.name)
            check()

        return replace(request, progress=progress, on_phase=on_phase)


def _outcome(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Work, and return what became of it: fields of `RunState`."""
    try:
        return work()
    except _CancelledError:
        return {"cancelled": True}
    except SkryError as error:
        return {"error": str(error)}
    except Exception as error:  # a fault of the program: the page goes on
        log.exception("a fault of the program")
        return {"error": f"a fault of the program ({type(error).__name__}: {error})"}
