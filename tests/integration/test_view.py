"""``skry view``: the page shows a capture and its job, and sets what ``skry stack`` reads."""

from __future__ import annotations

import http.client
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.options import Options
from skry_dask.view.running import JOB_THREAD
from skry_dask.view.session import ViewSession
from skry_dask.view.signals import Topic
from tests.browser import opened_browser
from tests.view_pages import BRIGHTEST, click_until, drag, draw_until, opened, place_on, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from skry_dask.view.server import ViewServer
    from tests.command_line import CommandLine


OPTIONS = Options.of(quick=True, percent=100)


@pytest.fixture(autouse=True)
def _options_as_at_first(request: pytest.FixtureRequest) -> None:
    if "session" in request.fixturenames:
        request.getfixturevalue("session").choices.take(OPTIONS)


@pytest.fixture(scope="module")
def session(moon_file: Path, tmp_path_factory: pytest.TempPathFactory) -> ViewSession:
    folder = tmp_path_factory.mktemp("page")
    path = folder / "moon.ser"
    path.write_bytes(moon_file.read_bytes())
    session = ViewSession(path, options=OPTIONS, out_dir=folder)
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


def test_a_frame_that_cannot_be_read_is_said_on_the_page(
    server: ViewServer, browser: Browser, session: ViewSession
) -> None:
    file = Path(session.name)
    with opened(browser, server, "Frames") as page:
        page.locator("#frame").wait_for()
        file.rename(file.with_suffix(".gone"))
        try:
            page.keyboard.press("End")
            page.get_by_text("moon.ser: No such file").wait_for()
        finally:
            file.with_suffix(".gone").rename(file)
        page.keyboard.press("Home")
        assert page.locator("#frame").evaluate(BRIGHTEST) > 100


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


def test_a_frame_switched_off_by_mouse_is_gone_after_the_next_run(
    server: ViewServer, browser: Browser, session: ViewSession
) -> None:
    assert session.shown.stacked is not None
    assert session.shown.stacked["fragments"][10] > 0
    quality = session.quality()
    with opened(browser, server, "Quality") as page:
        page.mouse.click(*place_on(page, "graph", 10, quality[10]))
        page.get_by_text("39 of 40 frames are stacked").wait_for()
        draw_until(page, "graph", ((19.5, 1.01), (23.5, 0.97)), "35 of 40 frames are stacked")
        assert session.options.select.exclude == "10,20:24"
        page.get_by_text("switch on", exact=True).click()
        page.get_by_text("to switch on what is there").wait_for()
        page.mouse.click(*place_on(page, "graph", 21, quality[21]))
        page.get_by_text("36 of 40 frames are stacked").wait_for()
        page.get_by_text("Run", exact=True).first.click()
        page.locator("#state", has_text="have changed").wait_for()
        page.get_by_role("button", name="Run", exact=True).click()
        page.locator("#state", has_text="done in", has_not_text="have changed").wait_for()
        assert page.locator("#stack").evaluate(BRIGHTEST) > 100
    fragments = session.shown.stacked["fragments"].to_numpy()
    assert (fragments[[10, 20, 22, 23]] == 0).all()
    assert fragments[21] > 0


def test_positions_placed_by_mouse_are_in_the_options_that_the_command_line_reads(
    server: ViewServer, browser: Browser, session: ViewSession, cli: CommandLine
) -> None:
    with opened(browser, server, "Reference") as page:
        for n, (x, y) in enumerate(((100, 60), (150, 60), (150, 110), (120, 110)), 1):
            place = place_on(page, "positions", x, y)
            click_until(page, place, f" {n} reference points")
        assert max(canvas.evaluate(BRIGHTEST) for canvas in page.locator("canvas").all()) > 100
        click_until(page, place, "3 reference points", "Backspace")
        drag(page, place_on(page, "positions", 150, 60), place_on(page, "positions", 160, 70))
        page.get_by_text("anchors", exact=True).click()
        page.get_by_text("Click to place an anchor").wait_for()
        click_until(page, place_on(page, "positions", 110, 90), "1 anchors")
        page.get_by_text("region", exact=True).click()
        page.get_by_text("Draw a box").wait_for()
        corners = ((40, 20), (220, 160))
        draw_until(page, "positions", corners, "region: y 20 x 40, 140 high, 180 wide")
        page.get_by_text("Run", exact=True).first.click()
        page.get_by_role("button", name="Save options").click()
        page.get_by_text("does the same job").wait_for()
    points = np.array(session.choices.points)
    np.testing.assert_allclose(points, [(60, 100), (70, 160), (110, 150)], atol=1)
    saved = session.folders.out / "moon.toml"
    status, _, err = cli(
        "stack", session.name, "--options", saved, "--store", "other.skry", "-o", "a.tif"
    )
    assert status == 0, err
    tracked = skry.open_results("other.skry")["track"]
    np.testing.assert_allclose(tracked["position"], points - (20, 40), atol=0.01)


def test_sliders_say_what_they_mean_and_a_job_is_cancelled(
    server: ViewServer, browser: Browser, session: ViewSession
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        if threading.current_thread().name == JOB_THREAD and session.state.phase == "stack":
            began.set()
            go_on.wait(60)

    with opened(browser, server, "Run") as page:
        page.locator("select").first.select_option("whole frames")
        page.locator("#taken", has_text="40 of 40 frames").wait_for()
        page.get_by_role("slider").first.focus()
        page.keyboard.press("Home")
        page.locator("#taken", has_text="1 of 40 frames").wait_for()
        release = session.signals.subscribe(Topic.RUN, hold)
        page.get_by_role("button", name="Run", exact=True).click()
        assert began.wait(60)
        page.get_by_role("button", name="Cancel").click()
        page.locator("#state", has_text="ending").wait_for()
        go_on.set()
        page.locator("#state", has_text="cancelled").wait_for()
        release()
        page.get_by_role("button", name="Run", exact=True).click()
        page.locator("#state", has_text="done in", has_not_text="have changed").wait_for()
        page.get_by_role("button", name="Save image").click()
        page.get_by_text("The image is written").wait_for()
    assert session.wait(60)
    assert session.state.error is None
    assert (session.folders.out / "moon-stack.tif").is_file()


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
