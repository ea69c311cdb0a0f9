"""``skry stack --percent 5,15,30``: an image of each, from one pass over the frames."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import skry_dask as skry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandLine

FILES = """
moon-stack-p10.tif moon-stack-p10-even.tif moon-stack-p10-odd.tif moon-stack-p10-sharpened.tif
moon-stack-p42.5.tif moon-stack-p42.5-even.tif moon-stack-p42.5-odd.tif
moon-stack-p42.5-sharpened.tif moon-stack_composite.tif moon-stack_frames.csv moon-stack_points.csv
moon-stack_frame_quality.csv moon-stack_frame_quality.txt moon-stack-steps.csv moon-stack-steps.png
moon-report.html
"""


def test_all_that_is_made_of_a_stack_is_made_of_each(moon_ser: Path, cli: CommandLine) -> None:
    flags = ("--halves", "--sharpen", "auto", "--table", "--composite", "--steps", "5,10")
    flags += ("--report",)
    status, out, err = cli("stack", "moon.ser", "--percent", "42.5,10", *flags, "--json")
    assert status == 0, err
    summary = json.loads(out)
    written = {path.name for path in cli.folder.iterdir()} - {"moon.ser", "moon.skry"}
    assert written == set(FILES.split())
    assert {*summary["files"], *(one["output"] for one in summary["stacks"])} == written
    assert summary["output"] == "moon-stack-p10.tif"
    for one, percent in zip(summary["stacks"], (10.0, 42.5), strict=True):
        assert one["percent"] == percent
        alone = skry.run(moon_ser, percent=percent, halves=True, output=f"{percent}.fits")
        of_alone = alone.attrs["summary"]
        assert alone.attrs["options"]["choose"] == "weights"
        for name in ("averaged", "noise", "resolution", "seeing"):
            assert one[name] == of_alone[name]
        with tifffile.TiffFile(one["output"]) as file:
            about = json.loads(file.pages.first.description)
            image = file.asarray()
        assert about["options"]["stack"]["percent"] == percent
        assert about["averaged"] == one["averaged"]
        np.testing.assert_allclose(image, alone["stack"].clip(0, 1) * 65535, atol=0.51)
        header = (cli.folder / f"{percent}.fits").read_bytes()[:5760].decode("ascii", "replace")
        assert f"STACKCNT= {round(one['averaged']['mean']):20d}" in header
    report = (cli.folder / "moon-report.html").read_text(encoding="utf-8")
    for words in (
        "<dt>42.5 %: frames averaged per pixel</dt>",
        '"title": "stack of 42.5 %"',
        '"title": "stack of 10 %"',
        '"title": "sharpened, 10 %"',
        '"title": "sharpened, 42.5 %"',
    ):
        assert words in re.sub(r"\s+", " ", report)
    table = (cli.folder / "moon-stack_frames.csv").read_text().splitlines()[0]
    assert table.endswith("fragments,fragments_p10,fragments_p42.5")
    status, out, err = cli("stack", "moon.ser", "--percent", "10,42.5", *flags)
    assert "moon-stack-p10.tif and 1 more: up to date, " in out
    assert "  moon-stack-p42.5.tif: 42.5 %, " in out


def test_images_of_percentages_are_named_by_a_pattern_or_get_an_end(
    moon_ser: Path, cli: CommandLine
) -> None:
    for flags, names in (
        (("-o", "a.png"), ["a-p10.png", "a-p40.png"]),
        (("-o", "{percent:03.0f}-b.tif"), ["010-b.tif", "040-b.tif"]),
        (("--name", "{percent}_{stem}{suffix}"), ["10_moon.tif", "40_moon.tif"]),
        (("--name", "{stem}-c{suffix}"), ["moon-c-p10.tif", "moon-c-p40.tif"]),
    ):
        status, out, err = cli(
            "stack", "moon.ser", "--percent", "10,40", "--quick", *flags, "--json"
        )
        assert status == 0, err
        assert [one["output"] for one in json.loads(out)["stacks"]] == names
        assert all((cli.folder / name).is_file() for name in names)
    for line, words in (
        ("stack moon.ser --percent 10,10.2 -o a{percent:.0f}.tif", "a10.tif to 10 and to 10.2"),
        ("stack moon.ser --percent 10,20 -o a{percent:d}.tif --store no/a", "no folder"),
        ("stack moon.ser --percent 10.5,20 -o a{percent:d}.tif", "cannot be filled in: "),
        ("stack moon.ser -o a{percent}.tif", "but no percent is given: give --percent"),
        ("stack moon.ser --percent 5,x", "percent is '5,x': it must be a number, or up to 30"),
        ("timelapse moon.ser -o a.mp4 --percent 5,10", "percent is 5, 10: a movie is made of one"),
    ):
        status, _, err = cli(*line.split())
        assert (status, err.count("\n"), words in err) == (1 if "no/" in line else 2, 1, True), err


def test_in_python_a_stack_has_a_dim_of_percentages(moon_file: Path, tmp_path: Path) -> None:
    found = skry.run(moon_file, quick=True, store=tmp_path / "a.skry", percent=(10, 40))
    assert found["stack"].dims == ("percent", "y", "x")
    again = skry.open_results(tmp_path / "a.skry")["stack"]
    np.testing.assert_array_equal(again["stack"].sel(percent=40), found["stack"].sel(percent=40))
    assert found.attrs["options"]["percent"] == pytest.approx((10, 40))
