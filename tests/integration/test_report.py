"""A report is one file that opens offline, and shows what the job did."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

import skry_dask as skry
from tests.browser import opened_browser, quiet_page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandLine

SEEN = """image => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const samples = context.getImageData(0, 0, canvas.width, canvas.height).data;
    return Math.max(...samples.filter((_, i) => i % 4 < 3));
}"""
"""The brightest sample of an image, as the browser shows it."""


@pytest.fixture
def report(moon_ser: Path, tmp_path: Path, cli: CommandLine) -> str:
    image, steps = tmp_path / "moon.tif", (5, 20)
    skry.run(moon_ser, exclude="3,5:8", percent=40, halves=True, steps=steps, output=image)
    status, out, err = cli("report", "moon.ser")
    assert (status, out, err) == (0, "moon-report.html\n", "")
    return (tmp_path / "moon-report.html").read_text(encoding="utf-8")


def test_a_report_says_what_was_left_out_and_how_the_job_was_done(report: str) -> None:
    assert re.search(r"excluded</td><td>3, 5 to 7 \(4\)</td>", report)
    for words in ("percent</td><td><code>40", "reference points", "zarr</td>", "<td>refine</td>"):
        assert words in report
    for title in ("Ring correlation", "Resolution of regions", "Noise", "Number of frames"):
        assert f">{title}</h3>" in report
    assert re.search(r"<dt>resolution</dt><dd>\d\.\d\d px \(", report)
    assert len(report) < 3e6
    # Nothing is loaded from elsewhere.
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*\"", report)


def test_the_job_itself_writes_its_report_beside_the_image(
    moon_ser: Path, cli: CommandLine
) -> None:
    folder = cli.folder / "out"
    folder.mkdir()
    for output, name in (("a.tif", "a-report.html"), ("moon-stack.tif", "moon-report.html")):
        flags = ("--quick", "--sharpen", "auto", "--report", "-o", folder / output, "--json")
        status, out, err = cli("stack", "moon.ser", *flags)
        assert status == 0, err
        assert str(folder / name) in json.loads(out)["files"]
        text = (folder / name).read_text(encoding="utf-8")
        assert '"title": "sharpened"' in text
        # The same page, made later.
        assert cli("report", "moon.ser", "-o", "later.html")[0] == 0
        later = (cli.folder / "later.html").read_text(encoding="utf-8")
        titles = re.findall(r'"title": "[^"]*"', text)
        assert len(titles) == 4
        assert re.findall(r'"title": "[^"]*"', later) == titles
    status, _, err = cli("stack", "moon.ser", "-o", "no/a.tif", "--report")
    assert (status, err.count("\n")) == (1, 1)


def test_the_newest_job_is_shown_with_what_its_phases_took_when_they_ran(
    moon_ser: Path, cli: CommandLine
) -> None:
    skry.run(moon_ser, quick=True, percent=40)
    skry.run(moon_ser, quick=True, percent=20)
    results = skry.open_results(moon_ser.with_suffix(".skry"))
    assert results["job"].attrs["options"]["stack"]["percent"] == 20
    status = {name: of["status"] for name, of in results["job"].attrs["phases"].items()}
    assert status == dict.fromkeys(("align", "quality", "track", "stack"), "ran")
    again = skry.run(moon_ser, quick=True, percent=40).attrs["summary"]
    assert again["phases"]["stack"]["status"] == "reused"
    assert results["job"].attrs["options"]["stack"]["percent"] == 40
    assert cli("report", "moon.skry", "-o", "by-store.html")[:2] == (0, "by-store.html\n")


def test_what_cannot_be_reported_is_said_before_any_work(moon_ser: Path, cli: CommandLine) -> None:
    for arguments, words in (
        (("none.ser",), "none.ser: there is no such file or folder"),
        (("moon.ser",), "moon.skry"),
        (("moon.ser", "-o", "a.pdf"), "moon.skry"),
    ):
        status, _, err = cli("report", *arguments)
        assert (status, err.count("\n")) == (1, 1)
        assert words in err
    skry.run(moon_ser, quick=True)
    assert "a report is .html" in cli("report", "moon.ser", "-o", "a.pdf")[2]
    moon_ser.rename(moon_ser.with_name("moved.ser"))
    status, _, err = cli("report", "moon.skry")
    assert status == 1
    assert "moon.ser, the capture of this job, is gone: put it back" in err


def test_images_are_compared_by_slider_blink_and_zoom(report: str, tmp_path: Path) -> None:
    with opened_browser() as browser, quiet_page(browser) as page:
        page.goto((tmp_path / "moon-report.html").as_uri())
        page.wait_for_function("document.querySelector('.skry-view').style.aspectRatio !== ''")
        assert all(image.evaluate(SEEN) > 100 for image in page.locator(".skry-view img").all())
        # Every chart has an alternative text, and every image.
        assert all(figure.get_attribute("aria-label") for figure in page.locator("figure").all())
        frame = page.get_by_alt_text("the sharpest one")
        clip = "image => image.style.clipPath"
        before = frame.evaluate(clip)
        page.locator(".skry-view").focus()
        page.keyboard.press("ArrowRight")
        assert page.get_by_label("Where the right image begins").input_value() == "52"
        assert frame.evaluate(clip) != before
        page.keyboard.press("b")
        tag = page.locator(".skry-left")
        shown = tag.inner_text()
        page.wait_for_function(
            "old => document.querySelector('.skry-left').innerText !== old", arg=shown
        )
        page.keyboard.press("b")
        blink = page.get_by_role("button", name="Blink")
        assert blink.get_attribute("aria-pressed") == "false"
        zoom = page.get_by_label("Zoom", exact=True)
        fit = zoom.inner_text()
        page.get_by_role("button", name="Zoom in").click()
        assert zoom.inner_text() != fit
        page.keyboard.press("0")
        page.click("#theme")
        assert page.locator("html").get_attribute("data-theme") == "dark"
