"""An S3-compatible server on this machine, and a proxy that makes its answers fail."""

from __future__ import annotations

import http.client
import http.server
import logging
import random
import re
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "test-secret"}


class Server:
    """moto's server of S3, which keeps its buckets in memory."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.address = self._server.get_host_and_port()

    def use(self, monkeypatch: pytest.MonkeyPatch, port: int | None = None) -> None:
        """Make it the server of ``s3://`` in this process and in those that it starts."""
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port or self.address[1]}")

    def objects(self, bucket: str) -> list[str]:
        """List the keys of a bucket."""
        connection = http.client.HTTPConnection(*self.address)
        connection.request("GET", f"/{bucket}")
        listed = connection.getresponse().read().decode()
        connection.close()
        return re.findall("<Key>(.*?)</Key>", listed)

    def make_bucket(self, name: str) -> None:
        """Make an empty bucket."""
        connection = http.client.HTTPConnection(*self.address)
        connection.request("PUT", f"/{name}")
        connection.getresponse().read()
        connection.close()

    def stop(self) -> None:
        """End it."""
        self._server.stop()


class Proxy(http.server.ThreadingHTTPServer):
    """Passes requests on, and counts them; some are answered with an error instead.

    Parameters
    ----------
    address
        Of the server behind it.
    failing
        Fraction of the requests that fail: with status 500 or 503, or without any answer.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], failing: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address, self.failing = address, failing
        self.random = random.Random(0)
        self.requests: list[str] = []
        self.n_failed = 0
        self.is_gone = False
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def stop(self) -> None:
        """End it."""
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients leave when they like."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        proxy = self.server
        proxy.requests.append(f"{self.command} {self.path}")
        if proxy.is_gone:
            self.close_connection = True
            return
        if proxy.random.random() < proxy.failing:
            proxy.n_failed += 1
            self._answer(proxy.random.choice((500, 503)), {}, b"")
            return
        connection = http.client.HTTPConnection(*proxy.address)
        headers: dict[str, Any] = dict(self.headers.items())
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        kept = ("Content-Type", "ETag", "Last-Modified", "Content-Range", "Content-Length")
        names = {name: value for name in kept if (value := answer.headers.get(name))}
        self._answer(answer.status, names, content)
        connection.close()

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on
