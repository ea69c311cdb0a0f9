"""Calls that must end: a scheduler or a worker that never answers must not hold up a job."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Generic, TypeVar

from skry_dask.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")

ANSWER_SECONDS = 60
"""How long to wait for a scheduler and its workers; importing the package keeps workers busy."""

SCHEDULER_LOST = (
    "the scheduler of the cluster does not answer any more: start it again, and run the same "
    "command again, which continues"
)


class Call(Generic[Value]):
    """A call that runs in a thread of its own, which is left behind if it never ends.

    Parameters
    ----------
    function
        Called without arguments.
    """

    def __init__(self, function: Callable[[], Value]) -> None:
        self._function = function
        self._done = threading.Event()
        self._value: Value | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="skry-call", daemon=True).start()

    def _run(self) -> None:
        try:
            self._value = self._function()
        except BaseException as error:  # raised again where the result is taken
            self._error = error
        self._done.set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the call; return whether it has ended."""
        return self._done.wait(seconds)

    @property
    def result(self) -> Value:
        """What the call returned; what it raised is raised here. Only once it has ended."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]


def within(seconds: float, function: Callable[[], Value]) -> Value:
    """Call a function that should answer soon.

    Parameters
    ----------
    seconds
        How long to wait for it.
    function
        Called without arguments, in a thread of its own.

    Raises
    ------
    TimeoutError
        If it takes longer.

    Examples
    --------
    >>> within(10, lambda: 1 + 1)
    2
    """
    call = Call(function)
    if not call.wait(seconds):
        raise TimeoutError(f"no answer for {seconds:g} s")
    return call.result


def ask(function: Callable[[], Value]) -> Value:
    """Call a function that asks a cluster which has answered before.

    Raises
    ------
    ClusterError
        If it does not answer any more.
    """
    try:
        return within(ANSWER_SECONDS, function)
    except (OSError, CancelledError) as error:  # timeouts too
        raise ClusterError(SCHEDULER_LOST) from error
