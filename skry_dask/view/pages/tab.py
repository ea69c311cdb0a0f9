"""What all tabs have in common: they show a session, and follow its changes."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import panel as pn

from skry_dask.errors import SkryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from skry_dask.view.session import ViewSession
    from skry_dask.view.signals import Topic


class Tab(ABC):
    """A tab of the page: one for each browser window that is open.

    Parameters
    ----------
    session
        What it shows.

    Attributes
    ----------
    title
        Words on the tab.
    """

    title: ClassVar[str]

    def __init__(self, session: ViewSession) -> None:
        self.session = session
        self._is_shown = False
        self._waiting: dict[Callable[[], None], None] = {}
        self.told = pn.pane.Alert("", alert_type="danger", visible=False, margin=(4, 8))

    @abstractmethod
    def view(self) -> pn.viewable.Viewable:
        """Build what the tab shows; called once."""

    def on_key(self, key: str) -> None:  # noqa: B027 most tabs have no keys
        """Do what a key means, while the tab is shown: its name, as browsers have it."""

    def follow(self, topic: Topic, callback: Callable[[], None]) -> None:
        """Call a function after changes of the session, until the browser window is closed.

        Parameters
        ----------
        topic
            What changes.
        callback
            Called in the thread of the page, once for changes that follow each other at once; while
            another tab is shown, once when this one is shown again.
        """
        document = pn.state.curdoc
        if document is None:  # no browser: as in a test
            self.session.signals.subscribe(topic, callback)
            return
        pending = threading.Event()

        def call() -> None:
            pending.clear()
            if self._is_shown:
                callback()
            else:
                self._waiting[callback] = None

        def schedule() -> None:
            if not pending.is_set():
                pending.set()
                document.add_next_tick_callback(call)

        unsubscribe = self.session.signals.subscribe(topic, schedule)
        document.on_session_destroyed(lambda _: unsubscribe())

    def set_shown(self, is_shown: bool) -> None:
        """Say whether the tab is shown now; what has changed meanwhile is caught up with."""
        self._is_shown = is_shown
        while is_shown and self._waiting:
            callback = next(iter(self._waiting))
            del self._waiting[callback]
            callback()

    def attempt(self, work: Callable[[], Any]) -> bool:
        """Do something; if it fails, say why on the tab. Return whether it did not."""
        try:
            work()
        except SkryError as error:
            self.told.object, self.told.visible = str(error), True
            return False
        self.told.visible = False
        return True
