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
            Called in the thread of the page, once for changes that follow each other at once.
        """
        document = pn.state.curdoc
        if document is None:  # no browser: as in a test
            self.session.signals.subscribe(topic, callback)
            return
        pending = threading.Event()

        def call() -> None:
            pending.clear()
            callback()

        def schedule() -> None:
            if not pending.is_set():
                pending.set()
                document.add_next_tick_callback(call)

        unsubscribe = self.session.signals.subscribe(topic, schedule)
        document.on_session_destroyed(lambda _: unsubscribe())

    def attempt(self, work: Callable[[], Any]) -> bool:
        """Do something; if it fails, say why on the tab. Return whether it did not."""
        try:
            work()
        except SkryError as error:
            self.told.object, self.told.visible = str(error), True
            return False
        self.told.visible = False
        return True
