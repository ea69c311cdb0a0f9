"""Options are saved, read back, and give way to flags; images are named by a pattern."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import skry_dask as skry
from skry_dask.pipeline.batch_plan import image_name
from skry_dask.simulation.simulate import write_capture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandLine


def saved(cli: CommandLine, name: str, *flags: object) -> str:
    status, _, err = cli("stack", *flags, "--save-options", name)
    assert status == 0, err
    return (cli.folder / name).read_text()


def test_options_are_saved_and_read_back_and_flags_win_over_them(cli: CommandLine) -> None:
    flags = (
        "--percent",
        15,
        "--points",
        60,
        80,
        "--points",
        80.5,
        95,
        "--table",
        "--bits",
        12,
        "--brightness",
        0.2,
    )
    text = saved(cli, "mine.toml", *flags)
    for line in ("percent = 15.0", "points = [[60.0, 80.0], [80.5, 95.0]]", "table = true"):
        assert line in text.splitlines()
    assert saved(cli, "again.toml", "--options", "mine.toml") == text
    # What a flag says replaces what contradicts it, and nothing else.
    for flag, line, gone in (
        (("--percent", 20), "percent = 20.0", "percent = 15.0"),
        (("--number", 40), "number = 40", "\npercent"),
        (("--percent", "5,20"), "percent = [5.0, 20.0]", "percent = 15.0"),
        (("--choose", "weights"), "percent = 15.0", 'choose = "fragments"'),
        (("--choose", "frames"), "percent = 15.0", 'choose = "fragments"'),
        (("--drizzle", 2), "drop = 0.7", "interpolation"),
        (("--bits", 14), "bits = 14", "bits = 12"),
        (("--method", "disc"), "brightness = 0.2", 'method = "auto"'),
    ):
        changed = saved(cli, "changed.toml", "--options", "mine.toml", *flag)
        assert line in changed.splitlines()
        assert gone not in changed
        assert "table = true" in changed


def test_a_file_of_positions_is_saved_as_positions(cli: CommandLine) -> None:
    (cli.folder / "points.csv").write_text("y,x\n60,80\n")
    text = saved(cli, "mine.toml", "--points-file", "points.csv")
    assert "points = [[60.0, 80.0]]" in text
    (cli.folder / "others.csv").write_text("70,90\n")
    text = saved(cli, "mine.toml", "--options", "mine.toml", "--points-file", "others.csv")
    assert "points = [[70.0, 90.0]]" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[track]\nspacign = 3\n", "has spacign in [track]: did you mean spacing?"),
        ("[trak]\n", "has [trak]: did you mean [track]?"),
        ("[stack]\nversion = 1\n", "has [stack] of version 1, but this program has version"),
        ("[stack]\npercent = 200\n", "percent is 200: it must be above 0 and at most 100"),
        ("[stack\n", "is no TOML"),
        ("", "has no options"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(cli: CommandLine, text: str, words: str) -> None:
    (cli.folder / "mine.toml").write_text(text)
    status, _, err = cli("stack", "a.ser", "--options", "mine.toml")
    assert (status, err.count("\n")) == (2, 1)
    assert words in err
    assert "mine.toml" in err


def test_images_are_named_by_a_pattern(moon_ser: Path, cli: CommandLine) -> None:
    capture = skry.simulate("moon", skry.SimulateOptions(frames=3, height=64, width=64))
    write_capture(cli.folder / "b.ser", capture)
    pattern = "{stem}-p{percent:g}-{spacing}{suffix}"
    flags = ("--name", pattern, "--percent", 12.5, "--output-format", "png8", "--quick", "--json")
    status, out, err = cli("stack", "moon.ser", *flags)
    assert status == 0, err
    assert json.loads(out)["output"] == "moon-p12.5-24.png"
    timed = image_name(cli.folder / "b.ser", "tiff8", "{stem}-{time:%Y%m%d-%H%M}{suffix}")
    assert timed.startswith("b-20")
    for given, words in (
        (("--name", "x{suffix}"), "moon.ser and b.ser would both be stacked into x.tif"),
        (("--name", "{stm}.tif"), "{stm}, which there is not: did you mean {stem}?"),
        (("--name", "{stem}-{percent}.tif"), "{percent}, but no percent is given: give it"),
        (("--name", "{stem"), "name is '{stem': expected '}'"),
        (("--name", "a/{stem}.tif"), "give the folder with --out-dir"),
        (("--name", "{stem}.tif", "-o", "a.tif"), "--output and --name contradict each other"),
    ):
        status, _, err = cli("stack", "moon.ser", "b.ser", *given)
        assert (status, err.count("\n")) == (2, 1)
        assert words in err
