"""Who wants to know of changes: callbacks by topic."""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Topic(StrEnum):
    """What changes in a session."""

    OPTIONS = "options"
    """Any option of the job, the choice of frames, positions and the region included."""

    RUN = "run"
    """How far a job is."""

    RESULTS = "results"
    """What phases have given."""


class Signals:
    """Callbacks that are called when something changes, from whichever thread changes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[Topic, list[Callable[[], None]]] = {topic: [] for topic in Topic}

    def subscribe(self, topic: Topic, callback: Callable[[], None]) -> Callable[[], None]:
        """Call a function at each change, until the function that is returned is called."""
        with self._lock:
            self._callbacks[topic].append(callback)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._callbacks[topic]:
                    self._callbacks[topic].remove(callback)

        return unsubscribe

    def tell(self, topic: Topic) -> None:
        """Say that something has changed."""
        with self._lock:
            callbacks = list(self._callbacks[topic])
        for callback in callbacks:
            callback()
