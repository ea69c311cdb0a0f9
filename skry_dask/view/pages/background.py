"""Work of a tab that takes longer than a page should wait: in a thread, the newest request only."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import panel as pn

from skry_dask.errors import SkryError

if TYPE_CHECKING:
    from collections.abc import Callable


log = logging.getLogger(__name__)


class _Request(NamedTuple):
    work: Callable[[], Any]
    then: Callable[[Any], None]
    failed: Callable[[SkryError], None]


class Background:
    """Does one thing at a time; of what is asked for meanwhile, the newest is done next.

    So a slider can be dragged: values that it has passed already are left out.
    """

    def __init__(self) -> None:
        self._document = pn.state.curdoc
        self._lock = threading.Lock()
        self._next: _Request | None = None
        self._thread: threading.Thread | None = None

    def submit(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        failed: Callable[[SkryError], None],
    ) -> None:
        """Do something in the background.

        Parameters
        ----------
        work
            Called in a thread of its own.
        then
            Called with what it returns, in the thread of the page.
        failed
            Called with the error in its place, in the thread of the page.
        """
        with self._lock:
            self._next = _Request(work, then, failed)
            if self._thread is None:
                self._thread = threading.Thread(target=self._go, name="skry-view-tab", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Wait until nothing is left to do."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _go(self) -> None:
        while True:
            with self._lock:
                request, self._next = self._next, None
                if request is None:
                    self._thread = None
                    return
            try:
                result = request.work()
            except SkryError as error:
                self.tell(request.failed, error)
            except Exception as error:  # a fault of the program: the page goes on
                log.exception("a fault of the program")
                fault = f"a fault of the program ({type(error).__name__}: {error})"
                self.tell(request.failed, SkryError(fault))
            else:
                self.tell(request.then, result)

    def tell(self, callback: Callable[[Any], None], value: Any) -> None:
        """Call a function with a value in the thread of the page: while work goes on, too."""
        if self._document is None:  # no browser: as in a test
            callback(value)
        else:
            self._document.add_next_tick_callback(lambda: callback(value))
