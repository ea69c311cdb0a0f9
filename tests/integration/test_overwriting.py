"""An image of another choice of options, or of another capture, is not overwritten silently."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

import skry_dask as skry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandLine

MADE = ("--quick", "--percent", "20", "--sharpen", "auto")


@pytest.mark.parametrize("suffix", [".tif", ".png", ".bmp", ".fits"])
def test_images_of_other_options_are_refused_with_what_differs_and_a_name(
    suffix: str, moon_ser: Path, cli: CommandLine
) -> None:
    image, more = f"moon-stack{suffix}", ("--halves", "--table", "--memory-limit", "4GiB")
    flags = ("moon.ser", "-o", image)
    assert cli("stack", *flags, *MADE)[0] == 0
    before = (cli.folder / image).read_bytes()
    # The same options, and options that do not change the image.
    assert cli("stack", *flags, *MADE, *more)[0] == 0
    for changed, words in (
        (
            ("--quick", "--percent", 30),
            "percent 20.0, now 30.0): give a name that tells them apart",
        ),
        (("--quick", "--percent", 30), "--name '{stem}-percent{percent}{suffix}', or --overwrite"),
        (("--quick",), "(percent 20.0, now not given): give another name with -o, or --overwrite"),
        (("--percent", 20), "(quick on, now off): give another name"),
        ((*MADE, "--frames", "2:30"), "(frames not given, now 2:30)"),
    ):
        status, _, err = cli("stack", *flags, *changed)
        assert (status, err.count("\n"), words in err) == (1, 1, True), err
        assert f"{image} was made with other options" in err
    assert cli("stack", *flags, "--quick", "--percent", 20)[0] == 0
    after = (cli.folder / image).read_bytes()
    assert len(after) <= len(before)
    (cli.folder / f"moon-stack-sharpened{suffix}").unlink()
    assert cli("stack", *flags, "--quick", "--percent", 30, "--overwrite")[0] == 0
    assert (cli.folder / image).read_bytes() != after


def test_what_the_job_chooses_itself_is_no_other_choice(moon_ser: Path, cli: CommandLine) -> None:
    for flags in (("--quick",), ()):
        image = f"a{len(flags)}.png"
        for _ in range(2):
            assert cli("stack", "moon.ser", "-o", image, *flags)[0] == 0
        # What it has chosen becomes the user's choice, though with the same image.
        status, _, err = cli("stack", "moon.ser", "-o", image, *flags, "--choose", "fragments")
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
    # What is named for another capture is replaced.
    skry.run(moon_ser, quick=True, output=cli.folder / "out" / "b-stack.tif")
    (cli.folder / "out" / "mine.tif").write_bytes(b"no image")
    skry.run(moon_ser, quick=True, output=cli.folder / "out" / "mine.tif")
