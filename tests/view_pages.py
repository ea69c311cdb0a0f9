"""The page of a session, served by this process and driven in a headless browser."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from skry_dask.view.server import ViewServer, listen
from tests.browser import quiet_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from skry_dask.view.session import ViewSession

BRIGHTEST = """picture => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [
        picture.naturalWidth || picture.width, picture.naturalHeight || picture.height
    ];
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const samples = context.getImageData(0, 0, canvas.width, canvas.height).data;
    let most = 0;
    for (let i = 0; i < samples.length; i++) if (i % 4 < 3 && samples[i] > most) most = samples[i];
    return most;
}"""
"""The brightest sample of an image or a canvas, as the browser shows it."""


@contextlib.contextmanager
def served(session: ViewSession) -> Iterator[ViewServer]:
    """Serve the page of a session in a thread."""
    ready: Future[ViewServer] = Future()

    def serve() -> None:
        try:
            server = ViewServer(session, listen())
        except BaseException as error:
            ready.set_exception(error)
            raise
        ready.set_result(server)
        server.run()

    thread = threading.Thread(target=serve, name="served-page")
    thread.start()
    server = ready.result(60)
    try:
        yield server
    finally:
        session.cancel()
        session.wait(60)
        server.stop()
        thread.join(60)


@contextlib.contextmanager
def opened(browser: Browser, server: ViewServer, tab: str) -> Iterator[Page]:
    """Open the page on one of its tabs; its console must stay without errors."""
    with quiet_page(browser) as page:
        elsewhere: list[str] = []
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((f"http://127.0.0.1:{server.address.port}", "data:"))
                or request.url.startswith("blob:")
                else elsewhere.append(request.url)
            ),
        )
        page.goto(server.url)
        page.get_by_text(tab, exact=True).click()
        yield page
        assert elsewhere == []
