"""Errors that FFmpeg writes to its log while it decodes.

Of a frame with damaged data FFmpeg makes a picture and reports success; the damage shows in its log
only.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_MESSAGES = 3
_MAX_CHARACTERS = 120

# While errors are collected, PyAV hands those of other threads to Python's logging. Without a
# handler, Python would print them.
logging.getLogger("libav").addHandler(logging.NullHandler())


class _LogLevel:
    """FFmpeg's log level, a setting of the whole process, raised while any thread needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_users = 0
        self._previous: tuple[int | None, bool] = (None, True)

    def acquire(self) -> None:
        import av.logging

        with self._lock:
            self._n_users += 1
            if self._n_users > 1:
                return
            self._previous = av.logging.get_level(), av.logging.get_skip_repeated()
            if self._previous[0] is None or self._previous[0] < av.logging.ERROR:
                av.logging.set_level(av.logging.ERROR)
            av.logging.set_skip_repeated(False)

    def release(self) -> None:
        import av.logging

        with self._lock:
            self._n_users -= 1
            if self._n_users == 0:
                av.logging.set_level(self._previous[0])
                av.logging.set_skip_repeated(self._previous[1])


_LOG_LEVEL = _LogLevel()


@contextmanager
def collect_errors() -> Iterator[list[str]]:
    """Collect the errors that FFmpeg logs in this thread.

    A generator must not yield within the block: errors of its caller would be collected as well.

    Yields
    ------
    list of str
        Empty until the block ends; then at most three different messages, one line each.
    """
    import av.logging

    errors: list[str] = []
    _LOG_LEVEL.acquire()
    try:
        with av.logging.Capture() as log:
            yield errors
    finally:
        _LOG_LEVEL.release()
    messages = (message for level, _, message in log if level <= av.logging.ERROR)
    # A damaged frame may log thousands of messages, most of them the same.
    distinct = dict.fromkeys(" ".join(message.split())[:_MAX_CHARACTERS] for message in messages)
    errors += list(distinct)[:_MAX_MESSAGES]
