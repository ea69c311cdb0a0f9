"""Widgets in a browser: their ES modules, with the widget in Python behind them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import skry_dask as skry
from tests.browser import opened_browser, quiet_page
from tests.small_captures import capture_of, texture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

ADDRESS = "http://widget.test/"
"""Nothing is there: all that the page asks for is answered by the test."""

PAGE = """<!doctype html><html><head><meta charset="utf-8"><link rel="icon" href="data:,">
<style>:root { color-scheme: light dark; }</style><style>CSS</style></head>
<body><div id="root" style="max-width: 800px"></div><script type="module">
import widget from "./widget.js";
// Keeps state as the model of a notebook does; Python answers changes with what they change.
const listeners = new Map();
let state = {}, changed = {};
const unpacked = value => Array.isArray(value) ? value.map(unpacked)
  : value && typeof value === "object"
    ? ("base64" in value
      ? new DataView(Uint8Array.from(atob(value.base64), c => c.charCodeAt(0)).buffer)
      : Object.fromEntries(Object.entries(value).map(([k, v]) => [k, unpacked(v)])))
    : value;
const take = news => {
  const names = Object.keys(news);
  for (const name of names) state[name] = unpacked(news[name]);
  for (const name of names) (listeners.get("change:" + name) || new Set()).forEach(f => f());
};
const model = {
  get: name => state[name],
  set: (name, value) => { state[name] = value; changed[name] = value; },
  save_changes: async () => {
    const sent = changed;
    changed = {};
    take(JSON.parse(await window.toPython(JSON.stringify(sent))));
  },
  on: (name, f) => listeners.set(name, (listeners.get(name) || new Set()).add(f)),
  off: (name, f) => listeners.get(name)?.delete(f),
};
take(JSON.parse(await window.toPython("{}")));
window.end = await widget.render({ model, el: document.getElementById("root") });
window.take = take;
document.body.dataset.ready = "1";
</script></body></html>"""


def packed(value: Any) -> Any:
    """Make JSON of values, bytes included."""
    if isinstance(value, bytes | memoryview):
        return {"base64": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, list):
        return [packed(one) for one in value]
    if isinstance(value, dict):
        return {name: packed(one) for name, one in value.items()}
    return value


def open_widget(page: Page, widget: Any) -> None:
    """Show a widget in a page; each change goes to Python, and what that changes comes back."""
    names = [name for name in widget.trait_names(sync=True) if not name.startswith("_")]
    names = [n for n in names if n not in ("layout", "comm", "tabbable", "tooltip")]
    known: dict[str, Any] = {}

    def to_python(sent: str) -> str:
        changes = json.loads(sent)
        known.update(changes)
        for name, value in changes.items():
            setattr(widget, name, value)
        now = {name: packed(getattr(widget, name)) for name in names}
        news = {name: value for name, value in now.items() if known.get(name) != value}
        known.update(news)
        return json.dumps(news)

    page.expose_function("toPython", to_python)
    answers = {
        ADDRESS: ("text/html", PAGE.replace("CSS", str(widget._css))),
        f"{ADDRESS}widget.js": ("text/javascript", str(widget._esm)),
    }

    def answer(route: Any) -> None:
        kind, body = answers[route.request.url]
        route.fulfill(status=200, content_type=f"{kind}; charset=utf-8", body=body)

    page.route(f"{ADDRESS}**", answer)
    page.goto(ADDRESS)
    page.wait_for_selector("body[data-ready]")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with opened_browser() as browser:
        yield browser


def test_images_are_compared_by_slider_blink_and_zoom(chromium: Any) -> None:
    scene = texture(60, 80)
    images = {"stack": scene, "frame": 0.5 * scene, "composite": 0.8 * scene}
    widget = skry.compare_images(images)
    with quiet_page(chromium) as page:
        open_widget(page, widget)
        page.wait_for_function("document.querySelector('.skry-view').style.aspectRatio !== ''")
        view = page.get_by_role("group")
        view.focus()
        view.press("ArrowRight")
        page.wait_for_function("document.querySelector('.skry-tag.skry-left').innerText == 'stack'")
        assert widget.split == 52
        stack = page.get_by_alt_text("stack")
        assert stack.evaluate("image => image.naturalWidth") == 80
        assert "inset" in stack.evaluate("image => image.style.clipPath")
        page.get_by_label("Right image", exact=True).select_option("frame")
        page.get_by_role("button", name="Blink").click()
        assert (widget.right, widget.blinking) == ("frame", True)
        for title in ("stack", "frame"):
            page.wait_for_function(
                "t => document.querySelector('.skry-tag.skry-left').innerText == t", arg=title
            )
        view.press("b")
        assert not widget.blinking
        for _ in range(12):
            page.get_by_role("button", name="Zoom in").click()
        # One pixel of the image fills 32 of the screen.
        assert page.get_by_label("Zoom", exact=True).inner_text() == "3200 %"
        page.get_by_role("button", name="1:1").click()
        view.press("0")
        # Python changes what is shown, too.
        widget.left = "composite"
        page.evaluate("take({left: 'composite'})")
        assert page.locator(".skry-tag.skry-left").inner_text() == "composite"
        page.evaluate("end()")
        assert page.locator("#root *").count() == 0


def test_frames_are_browsed_by_slider_keys_graph_and_order(chromium: Any) -> None:
    scene = 30 + 150 * texture(60, 80)
    frames = np.array([scene * (1 - 0.1 * i) for i in range(5)]).astype(np.uint8)
    capture = capture_of(frames)
    quality = capture[[]].assign(frame_quality=("frame", [0.2, 0.6, 1.0, 0.4, np.nan]))
    quality = quality.assign_attrs(options={})
    browser = skry.browse_frames(capture, quality=quality)
    with quiet_page(chromium) as page:
        open_widget(page, browser)
        view, caption = page.get_by_role("group"), page.locator(".skry-caption")
        page.wait_for_function("document.querySelector('.skry-view').style.aspectRatio !== ''")
        view.focus()
        view.press("End")
        page.wait_for_function(
            "document.querySelector('.skry-caption').innerText.startsWith('frame 4')"
        )
        view.press("ArrowLeft")
        page.wait_for_function(
            "document.querySelector('.skry-caption').innerText.startsWith('frame 3')"
        )
        assert "quality 40 %" in caption.inner_text()
        assert page.get_by_label("Position", exact=True).inner_text() == "4 / 5"
        page.get_by_label("Order of frames").select_option("quality")
        page.wait_for_function("document.querySelector('output').innerText == '3 / 5'")
        assert browser.frame == 3
        # The graph has a line; a click at its left goes to the best frame.
        graph = page.locator("canvas")
        drawn = "g => g.getContext('2d').getImageData(0, 0, g.width, g.height).data.some(v => v)"
        assert graph.evaluate(drawn)
        graph.click(position={"x": 4, "y": 30})
        page.wait_for_function(
            "document.querySelector('.skry-caption').innerText.startsWith('frame 2')"
        )
        view.press(" ")
        page.wait_for_function("document.querySelector('output').innerText == '3 / 5'")
        view.press(" ")
        assert not page.get_by_label("stabilised").is_visible()
        page.evaluate("end()")
        assert page.locator("#root *").count() == 0
