"""The page of a session, served by this process and driven in a headless browser."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from skry_dask.view.server import ViewServer, listen
from tests.browser import quiet_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from skry_dask.view.session import ViewSession

BRIGHTEST = """async picture => {
    if (picture.decode) await picture.decode().catch(() => {});
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

PLACE = """([name, x, y]) => {
    const named = [...Bokeh.documents[0].all_models].filter(model => model.name === name);
    const views = named.map(model => Bokeh.index.find_one(model));
    const view = views.find(view => view?.frame && view.el.isConnected);
    if (!view) return null;
    const box = view.canvas_view.el.getBoundingClientRect();
    const place = [
        box.left + view.frame.x_scale.compute(x), box.top + view.frame.y_scale.compute(y)
    ];
    return place.every(Number.isFinite) && box.width > 0 ? place : null;
}"""
"""Where a figure shows a position: x and y on the window, px."""


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
        assert not elsewhere, elsewhere


def place_on(page: Page, figure: str, x: float, y: float) -> tuple[float, float]:
    """Find where a figure shows a position, when it is drawn: x and y on the window, px."""
    found = page.wait_for_function(PLACE, arg=[figure, x, y]).json_value()
    return float(found[0]), float(found[1])


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press the mouse at one place, and let it go at another."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up()


def draw_until(
    page: Page, figure: str, corners: tuple[tuple[float, float], tuple[float, float]], words: str
) -> None:
    """Draw a box between two positions of a figure, x and y, until the page says something.

    The figure may take up its tool for boxes, or its place on the page, after the page says so.
    """
    shown = page.get_by_text(words)
    for _ in range(20):
        drag(page, *(place_on(page, figure, x, y) for x, y in corners))
        with contextlib.suppress(PlaywrightTimeoutError):
            shown.wait_for(timeout=1500)
            return
    raise AssertionError(f"the page does not say {words!r}")


def click_until(page: Page, place: tuple[float, float], words: str, key: str = "") -> None:
    """Click, and press a key, until the page says something.

    A click right after another is half a double one, which figures take for nothing.
    """
    shown = page.get_by_text(words)
    for _ in range(20):
        page.mouse.click(*place)
        if key:
            page.keyboard.press(key)
        with contextlib.suppress(PlaywrightTimeoutError):
            shown.wait_for(timeout=1500)
            return
    raise AssertionError(f"the page does not say {words!r}")
