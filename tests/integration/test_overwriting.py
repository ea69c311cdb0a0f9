"""An image of another choice of options, or of another capture, is not overwritten silently."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

import skry_dask as skry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandLine

MADE = ("--quick", "--percent", "20", "--sharpen", "auto")


@pytest.mark.parametrize("kind", ["tiff8", "png16", "bmp", "fits"])
def test_images_of_other_options_are_refused_with_what_differs_and_a_name(
    kind: str, moon_ser: Path, cli: CommandLine
) -> None:
    flags, more = (
        ("moon.ser", "--output-format", kind),
        ("--halves", "--memory-limit", "4GiB", "--pixel-scale", 0.2),
    )
    assert cli("stack", *flags, *MADE)[0] == 0
    (image,) = cli.folder.glob("moon-stack.*")
    # The same options, and options that do not change the image.
    assert cli("stack", *flags, *MADE, *more)[0] == 0
    before = image.read_bytes()
    apart = "give a name that tells them apart, such as --name '{stem}-percent{percent}{suffix}'"
    for changed, words in (
        (("--quick", "--percent", 30), f"(percent 20.0, now 30.0): {apart}, or --overwrite"),
        (("--quick",), "(percent 20.0, now not given): give another name with -o, or --overwrite"),
        (("--percent", 20), "(quick on, now off): give another name"),
        ((*MADE, "--frames", "2:30"), "(frames not given, now 2:30)"),
    ):
        status, _, err = cli("stack", *flags, *changed)
        assert (status, err.count("\n"), words in err) == (1, 1, True), err
        assert f"{image.name} was made with other options" in err
    assert image.read_bytes() == before
    assert cli("stack", *flags, "--quick", "--percent", 30, "--overwrite", "--json")[0] == 0
    assert image.read_bytes() != before


def test_what_the_job_chooses_itself_is_no_other_choice(moon_ser: Path, cli: CommandLine) -> None:
    for flags in (("--quick",), ()):
        name = ("--name", f"a{len(flags)}.png", "--output-format", "png8")
        for _ in range(2):
            assert cli("stack", "moon.ser", *name, *flags)[0] == 0
        # What it has chosen becomes the user's choice, though with the same image.
        status, _, err = cli("stack", "moon.ser", *name, *flags, "--choose", "fragments")
        assert (status, "choose not given, now fragments" in err) == (1, True), err


def test_of_many_captures_none_is_stacked_where_an_image_would_be_lost(
    moon_ser: Path, cli: CommandLine
) -> None:
    shutil.copy(moon_ser, cli.folder / "b.ser")
    assert cli("stack", "b.ser", "--quick", "--out-dir", "out")[0] == 0
    status, _, err = cli("stack", "moon.ser", "b.ser", "--out-dir", "out", "--percent", 10)
    assert (status, err.count("\n")) == (1, 1)
    assert "b-stack.tif was made with other options (quick on, now off; percent" in err
    assert not (cli.folder / "out" / "moon-stack.tif").exists()


def test_an_image_that_the_user_names_is_replaced_with_a_note(
    moon_ser: Path, cli: CommandLine
) -> None:
    shutil.copy(moon_ser, cli.folder / "b.ser")
    image = cli.folder / "a.png"
    image.write_bytes(b"no image")
    for source, flags, note in (
        ("moon.ser", (), None),
        ("moon.ser", (), None),
        ("moon.ser", ("--number", 3), "it was made with other options (number not given, now 3)"),
        ("b.ser", ("--number", 3), "it was made of moon.ser"),
        ("b.ser", ("--overwrite",), None),
    ):
        before = image.read_bytes()
        status, out, err = cli("stack", source, "--quick", "-o", "a.png", *flags, "--json")
        assert status == 0, err
        expected = [] if note is None else [f"a.png is replaced: {note}"]
        assert json.loads(out)["notes"] == expected
        assert (image.read_bytes() != before) == (before == b"no image" or bool(flags))
    found = skry.run(moon_ser, quick=True, output=image)
    assert found.attrs["summary"]["notes"] == [f"{image} is replaced: it was made of b.ser"]
