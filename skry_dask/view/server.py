"""The server of the page: on this machine only, for one session, until Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import socket
from typing import TYPE_CHECKING

from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from panel.io.application import build_applications
from panel.io.server import get_static_routes
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from skry_dask.errors import SkryError
from skry_dask.view.guard import Address, Guard
from skry_dask.view.pages.page import page_of

if TYPE_CHECKING:
    from skry_dask.view.session import ViewSession

HOST = "127.0.0.1"
"""The server listens to this machine only."""

TOKEN_BYTES = 24
"""Length of the random token."""


def listen(port: int = 0) -> socket.socket:
    """Take a port of this machine, before any work.

    Parameters
    ----------
    port
        Its number; 0 = any that is free.

    Raises
    ------
    SkryError
        If the port is in use, or not allowed.
    """
    listening = socket.socket()
    try:
        if os.name != "nt":  # where it would take a port that is in use
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "is in use" if in_use else f"cannot be used ({error})"
        raise SkryError(
            f"port {port} {reason}: give another --port, or leave it out for one that is free"
        ) from error
    listening.setblocking(False)
    return listening


class ViewServer:
    """Serves the page of a session.

    To be made and run in one thread; `stop` may be called by any.

    Parameters
    ----------
    session
        What the page shows.
    listening
        From `listen`.
    """

    def __init__(self, session: ViewSession, listening: socket.socket) -> None:
        self.address = Address(HOST, listening.getsockname()[1], secrets.token_urlsafe(TOKEN_BYTES))
        asyncio.set_event_loop(asyncio.new_event_loop())
        self._loop = IOLoop.current()
        pages = build_applications(
            {"/": lambda: page_of(session)}, title=f"{session.name} · skry view"
        )
        inside = BokehTornado(
            pages,
            extra_websocket_origins=list(self.address.origins),
            # Scripts of Panel's own components; nothing is loaded from elsewhere.
            extra_patterns=get_static_routes({}),
            include_cookies=[],
            include_headers=[],
        )
        http = HTTPServer(Guard(inside, self.address))
        http.add_sockets([listening])
        self._server = BaseServer(self._loop, inside, http)

    @property
    def url(self) -> str:
        """The address of the page, with its token."""
        return self.address.url

    def run(self) -> None:
        """Serve until `stop` is called, or Ctrl-C."""
        self._server.start()
        try:
            self._loop.start()
        finally:
            self._server.stop(wait=False)
            self._loop.close()

    def stop(self) -> None:
        """End `run`."""
        self._loop.add_callback(self._loop.stop)
