"""Who may see the page: whoever has the token of its address, and nobody else.

Every request passes here before anything else sees it: pages, scripts and the websocket alike. The
first one has the token in its address; a cookie takes its place for all later ones, so that the
token stays neither in the address bar nor in links.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tornado.routing import Router
from tornado.web import Application, RequestHandler

if TYPE_CHECKING:
    from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest

TOKEN = "token"
"""Name of the token in the address."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens.

    Parameters
    ----------
    host
        Such as "127.0.0.1".
    port
        Its number.
    token
        Random text that whoever may see the page has.
    """

    host: str
    port: int
    token: str

    @property
    def origins(self) -> tuple[str, ...]:
        """Names under which a browser may ask for the page."""
        return tuple(f"{host}:{self.port}" for host in (self.host, "localhost"))

    @property
    def url(self) -> str:
        """The address with the token."""
        return f"http://{self.host}:{self.port}/?{TOKEN}={self.token}"

    @property
    def cookie(self) -> str:
        """Name of the cookie, of which a browser has one for all ports of a machine."""
        return f"skry-view-{self.port}"

    def knows(self, token: str) -> bool:
        """Return whether a token is the right one; takes as long for any wrong one."""
        return hmac.compare_digest(token.encode(), self.token.encode())


class Guard(Router):
    """Lets requests with the token pass.

    Parameters
    ----------
    inside
        Answers requests that may pass.
    address
        Where the server listens, and the token.
    """

    def __init__(self, inside: Application, address: Address) -> None:
        self._inside = inside
        self._address = address
        self._gate = Application()

    def find_handler(self, request: HTTPServerRequest, **_: object) -> HTTPMessageDelegate | None:
        """Find what answers a request."""
        given = request.query_arguments.get(TOKEN, [])
        # A page elsewhere whose name leads to this machine sends its own name.
        if request.headers.get("Host", "") in self._address.origins:
            if any(self._address.knows(token.decode("utf-8", "replace")) for token in given):
                return self._answer(request, _Admission, address=self._address)
            cookie = request.cookies.get(self._address.cookie)
            if cookie is not None and self._address.knows(cookie.value):
                return self._inside.find_handler(request)
        return self._answer(request, _Refusal)

    def _answer(
        self, request: HTTPServerRequest, handler: type[RequestHandler], **settings: Address
    ) -> HTTPMessageDelegate:
        return self._gate.get_handler_delegate(request, handler, settings)


class _Admission(RequestHandler):
    """Gives the cookie to whoever has the token, and leads on to the page."""

    def initialize(self, address: Address) -> None:
        self.address = address

    def get(self) -> None:
        address = self.address
        self.set_cookie(address.cookie, address.token, httponly=True, samesite="Strict")
        self.set_header("Referrer-Policy", "no-referrer")
        self.redirect("/")


class _Refusal(RequestHandler):
    """Refuses all requests."""

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("403: open the address that skry view printed, with its token\n")
