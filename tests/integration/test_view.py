"""``skry view``: the page shows a capture and its job, and sets what ``skry stack`` reads."""

from __future__ import annotations

import http.client
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from skry_dask.options import Options
from skry_dask.view.session import ViewSession
from tests.browser import opened_browser
from tests.view_pages import BRIGHTEST, opened, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from skry_dask.view.server import ViewServer
    from tests.command_line import CommandLine


@pytest.fixture(scope="module")
def session(moon_file: Path, tmp_path_factory: pytest.TempPathFactory) -> ViewSession:
    folder = tmp_path_factory.mktemp("page")
    path = folder / "moon.ser"
    path.write_bytes(moon_file.read_bytes())
    session = ViewSession(path, options=Options.of(quick=True), out_dir=folder)
    session.run()
    assert session.wait(60)
    return session


@pytest.fixture(scope="module")
def server(session: ViewSession) -> Iterator[ViewServer]:
    with served(session) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened_browser() as browser:
        yield browser


def status_of(server: ViewServer, path: str, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.address.port, timeout=10)
    connection.request("GET", path, headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_nothing_is_shown_without_the_token(server: ViewServer) -> None:
    right = f"{server.address.cookie}={server.address.token}"
    wrong = f"{server.address.cookie}={server.address.token[:-1]}"
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OTAxMjM0NQ==",
    }
    own = f"http://127.0.0.1:{server.address.port}"
    for path in ("/", "/ws", "/static/js/bokeh.min.js", "/?token=wrong", "/none", "/metadata"):
        assert status_of(server, path) == 403, path
        assert status_of(server, path, Cookie=wrong) == 403, path
    assert status_of(server, "/ws", **upgrade, Origin=own) == 403
    assert status_of(server, "/", Cookie=right) == 200
    # A page elsewhere cannot use the browser of who has the token.
    assert status_of(server, "/", Cookie=right, Host="elsewhere.example") == 403
    elsewhere = status_of(server, "/ws", **upgrade, Cookie=right, Origin="http://elsewhere.example")
    assert elsewhere == 403


def test_a_second_browser_without_the_token_gets_403(server: ViewServer, browser: Browser) -> None:
    with opened(browser, server, "Frames") as page:
        assert "token" not in page.url
        page.reload()
        assert page.locator("#frame").evaluate(BRIGHTEST) > 100
        second = browser.new_context().new_page()
        response = second.goto(page.url)
        assert response is not None
        assert response.status == 403
        second.context.close()


def test_frames_are_stepped_through_and_switched_off_by_keys(
    server: ViewServer, browser: Browser, session: ViewSession
) -> None:
    with opened(browser, server, "Frames") as page:
        picture = page.locator("#frame")
        assert picture.evaluate(BRIGHTEST) > 100
        assert str(picture.get_attribute("alt")).startswith("Frame 0, quality 0.")
        for key, words in (
            ("ArrowRight", "Frame 1, "),
            ("End", "Frame 39, "),
            ("PageUp", "Frame 29, "),
            ("s", "stabilised"),
            ("x", "excluded"),
        ):
            page.keyboard.press(key)
            page.locator(f'#frame[alt*="{words}"]').wait_for()
        assert session.options.select.exclude == "29"
        page.keyboard.press("x")
        page.locator('#frame[alt*="active"]').wait_for()
        assert session.options.select.exclude is None
        page.keyboard.press("q")
        page.keyboard.press("Home")
        page.locator('#frame[alt*="quality 1.000"]').wait_for()
        assert picture.evaluate(BRIGHTEST) > 100


def test_two_windows_show_the_same_choice(
    server: ViewServer, browser: Browser, session: ViewSession
) -> None:
    with opened(browser, server, "Frames") as page, opened(browser, server, "Frames") as other:
        page.locator("#frame").wait_for()
        other.locator("#frame").wait_for()
        page.locator("input[type=checkbox]").uncheck()
        other.locator('#frame[alt*="excluded"]').wait_for()
        page.locator("input[type=checkbox]").check()
        other.locator('#frame[alt*="active"]').wait_for()
    assert session.options.select.exclude is None


def test_a_port_in_use_is_said_before_any_work(moon_ser: Path, cli: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, out, err = cli("view", "none.ser", "--port", port, "--no-open")
    assert (status, out) == (1, "")
    assert err.startswith(f"skry: port {port} is in use: give another --port, or leave it out")
    assert err.count("\n") == 1
    assert not moon_ser.with_suffix(".skry").exists()


def test_without_panel_one_line_says_how_to_install_it(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("skry_dask.view")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "panel", None)
    status, _, err = cli("view", "moon.ser")
    assert (status, err) == (
        1,
        "skry: skry view needs panel, which is not installed: pip install 'skry_dask[view]'\n",
    )
