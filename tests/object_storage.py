"""An S3-compatible server on this machine, whose answers can be made to fail."""

from __future__ import annotations

import http.client
import logging
import random
import socket
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pytest

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "test-secret"}

ERRORS = ("500 Internal Server Error", "503 Service Unavailable")


class Server:
    """moto's server of S3, which keeps its buckets in memory and counts requests.

    `failing` is the fraction of the requests that are answered with status 500 or 503; while it
    `is_gone`, it answers none.
    """

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.random = random.Random(0)
        self.failing, self.is_gone, self.n_failed = 0.0, False, 0
        self.requests: list[str] = []

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        is_failing = self.random.random() < self.failing
        if self.is_gone or is_failing:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if self.is_gone:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionError
        if is_failing:
            self.n_failed += 1
            start(self.random.choice(ERRORS), [("Content-Length", "0")])
            return []
        return self._app(environ, start)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make it the server of ``s3://``."""
        endpoint = f"http://127.0.0.1:{self._server.server_port}"
        return {**CREDENTIALS, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": endpoint}

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make it the server of ``s3://`` in this process and in those that it starts."""
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

    def begin(self, bucket: str) -> None:
        """Answer all requests from now on, and make an empty bucket."""
        self.failing, self.is_gone, self.n_failed = 0.0, False, 0
        connection = http.client.HTTPConnection("127.0.0.1", self._server.server_port)
        connection.request("PUT", f"/{bucket}")
        connection.getresponse().read()
        connection.close()
        self.requests.clear()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
