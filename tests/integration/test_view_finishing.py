"""Tabs of ``skry view`` for what comes after the stack: sharpening, and stacks compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.io.images.read import read_image
from skry_dask.options import Options
from skry_dask.view.pages.sharpening import SharpenTab
from skry_dask.view.pages.tabs import TABS
from skry_dask.view.session import ViewSession
from tests.browser import opened_browser
from tests.view_pages import BRIGHTEST, opened, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from skry_dask.view.server import ViewServer


@pytest.fixture(scope="module")
def session(moon_file: Path, tmp_path_factory: pytest.TempPathFactory) -> ViewSession:
    folder = tmp_path_factory.mktemp("page")
    path = folder / "moon.ser"
    path.write_bytes(moon_file.read_bytes())
    session = ViewSession(path, options=Options.of(quick=True, percent=40), out_dir=folder)
    session.save_image()
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


def test_a_stack_is_sharpened_by_sliders_on_a_crop_and_saved_with_its_options(
    server: ViewServer, browser: Browser, session: ViewSession
) -> None:
    with opened(browser, server, "Sharpen") as page:
        sharpened = page.get_by_alt_text("sharpened", exact=True)
        sharpened.wait_for()
        page.get_by_text("128 px").click()
        page.wait_for_function("image => image.naturalWidth == 128", arg=sharpened.element_handle())
        assert sharpened.evaluate(BRIGHTEST) > 100
        seen = sharpened.get_attribute("src")
        page.get_by_label("Method").select_option("wavelets")
        page.get_by_text("gain, 32 px").wait_for()
        page.wait_for_function(
            "([image, old]) => image.src != old", arg=[sharpened.element_handle(), seen]
        )
        # A slider by keys, then the crop.
        for change in (
            lambda: page.locator(".noUi-handle").first.press("End"),
            lambda: page.get_by_role("group", name="The stack;").press("ArrowLeft"),
        ):
            seen = sharpened.get_attribute("src")
            change()
            page.wait_for_function(
                "([image, old]) => image.src != old", arg=[sharpened.element_handle(), seen]
            )
        page.get_by_role("button", name="Apply to all").click()
        page.wait_for_function("image => image.naturalWidth > 200", arg=sharpened.element_handle())
        page.keyboard.press("b")
        page.locator("button[aria-pressed=true]").wait_for()
        page.get_by_label("Image", exact=True).fill("../moon.tif")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("lies outside the folders of this page").wait_for()
        for name in ("moon.ser", "moon-stack.tif", "sharp.tif"):
            page.get_by_label("Image", exact=True).fill(name)
            page.get_by_role("button", name="Save").click()
            words = {"moon.ser": "has the suffix '.ser'", "moon-stack.tif": "is read in this job"}
            page.get_by_text(words.get(name, "sharp.tif and ")).wait_for()
    folder = session.folders.out
    image = read_image(folder / "sharp.tif")
    assert image.metadata["sharpened_from"] == "moon-stack.tif"
    stack = session.shown.stacked
    assert stack is not None
    options = skry.SharpenOptions(method="wavelets", gains=(8.0, 3.5, 2.5, 1.5, 1.0, 1.0))
    expected = skry.sharpen(stack["stack"].to_numpy(), options)
    np.testing.assert_allclose(image.data / 65535, expected.clip(0, 1), atol=1e-4)
    assert 'method = "wavelets"' in next(folder.glob("*.toml")).read_text()


def test_stacks_of_several_percentages_are_compared_and_one_is_chosen(
    server: ViewServer, browser: Browser, session: ViewSession
) -> None:
    store = skry.open_results(session.store)
    before = store["job"].attrs["options"]
    with opened(browser, server, "Stacks") as page:
        page.get_by_label("Percentages").fill("10, 20, nine")
        page.get_by_role("button", name="Stack these").click()
        page.get_by_text("it must be a number, or up to").wait_for()
        page.get_by_label("Percentages").fill("10, 80")
        page.get_by_role("button", name="Stack these").click()
        page.get_by_text("3 stacks, from one pass").wait_for()
        choices = page.get_by_label("Right image", exact=True).locator("option")
        choices.nth(2).wait_for(state="attached")
        titles = choices.all_inner_texts()
        assert [title.split(":")[0] for title in titles] == ["10 %", "40 %", "80 %"]
        assert "4 frames per pixel" in titles[0]
        images = page.locator(".skry-view img")
        images.nth(2).wait_for(state="attached")
        assert [image.evaluate(BRIGHTEST) > 100 for image in images.all()] == [True] * 3
        page.keyboard.press("b")
        page.locator("button[aria-pressed=true]").wait_for()
        page.get_by_text("beside each other").click()
        page.locator(".stacks figure").nth(2).wait_for()
        assert not page.locator(".skry-view").is_visible()
        page.get_by_text("over each other").click()
        page.get_by_label("Right image", exact=True).select_option(titles[2])
        page.get_by_role("button", name="Choose the right one").click()
        page.get_by_text("The next job stacks 80 %.").wait_for()
    assert session.options.stack.percent == 80
    # The newest job stays what it was.
    assert store["job"].attrs["options"] == before
    session.choices.change(percent=40.0)


def test_the_growing_stack_is_played(
    server: ViewServer, browser: Browser, session: ViewSession
) -> None:
    stack = session.shown.stacked
    assert stack is not None
    with opened(browser, server, "Stacks") as page:
        page.get_by_text("best first").click()
        page.get_by_role("button", name="Show how the stack grows").click()
        page.get_by_text("pictures of how the stack grows").wait_for()
        picture = page.locator("#growing")
        assert picture.evaluate(BRIGHTEST) > 100
        assert str(picture.get_attribute("alt")).endswith("; 1 stacked so far")
        page.locator("body").press("ArrowRight")
        page.locator('#growing[alt$="; 2 stacked so far"]').wait_for()
        # Before the first one comes the last one, the stack itself.
        for _ in range(2):
            page.locator("body").press("ArrowLeft")
        n_stacked = int((stack["fragments"] > 0).sum())
        page.locator(f'#growing[alt$="; {n_stacked} stacked so far"]').wait_for()


def test_a_job_of_several_percentages_is_shown_by_its_largest(session: ViewSession) -> None:
    session.choices.change(percent=(10.0, 40.0))
    session.run()
    assert session.wait(60)
    tabs = {kind.title: kind(session) for kind in TABS}
    assert all(tab.view() is not None for tab in tabs.values())
    stacked = session.shown.stacked
    assert stacked is not None
    assert [one.percent for one in session.shown.stacks] == [10, 40]
    sharpening = tabs["Sharpen"]
    assert isinstance(sharpening, SharpenTab)
    assert sharpening.trial is not None
    np.testing.assert_array_equal(sharpening.trial.image, stacked["stack"])
    taken = session.taken()
    assert taken is not None
    assert taken.fragments == int(stacked["fragments"].sum())
