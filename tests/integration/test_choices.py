"""Choices of the user, from the command line to the image."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from scipy import ndimage

import skry_dask as skry
from skry_dask.io.raw.ser import write_ser
from tests.processes import complaints

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from skry_dask.types import AnyArray, IntArray
    from tests.command_line import CommandLine

RAN, REUSED = "ran", "reused"


def statuses(summary: dict[str, dict[str, dict[str, str]]]) -> list[str]:
    return [summary["phases"][name]["status"] for name in ("align", "quality", "track", "stack")]


def fragments(folder: Path) -> IntArray:
    """Number of fragments taken from each frame, from the table beside the image."""
    with (folder / "out_frames.csv").open() as table:
        return np.array([int(row["fragments"]) for row in csv.DictReader(table)])


# --- points and anchors --------------------------------------------------------------------------


def test_points_placed_automatically_can_be_edited_and_given_back(
    moon_ser: Path, tmp_path: Path, cli: CommandLine
) -> None:
    first, image = cli.stack("moon.ser", "--table")
    table = tmp_path / "out_points.csv"
    placed = skry.read_positions(table)
    assert len(placed) == first["points"] > 10
    mine = table.rename(tmp_path / "mine.csv")
    again, same = cli.stack("moon.ser", "--points-file", mine)
    assert statuses(again) == [REUSED, REUSED, RAN, RAN]
    np.testing.assert_array_equal(same, image)
    lines = mine.read_text().splitlines()
    mine.write_text("\n".join(["# without the last five", *lines[:-5]]))
    fewer, other = cli.stack("moon.ser", "--points-file", mine)
    assert fewer["points"] == len(placed) - 5
    assert (other != image).any()


def test_positions_count_and_not_the_file_they_come_from(
    moon_ser: Path, tmp_path: Path, cli: CommandLine
) -> None:
    (tmp_path / "one.csv").write_text("y,x\n60,80\n90.5,120\n")
    (tmp_path / "two.txt").write_text("60 80  # the same\n90.5 120")
    summary, image = cli.stack("moon.ser", "--points-file", "one.csv")
    assert summary["points"] == 2
    flags = ("--points", 60, 80, "--points", 90.5, 120)
    for same in (("--points-file", "two.txt"), flags):
        again, other = cli.stack("moon.ser", *same)
        assert statuses(again) == [REUSED] * 4
        np.testing.assert_array_equal(other, image)
    in_python = skry.run(moon_ser, quick=True, points=[(60, 80), (90.5, 120)])
    assert statuses(in_python.attrs["summary"]) == [REUSED] * 4
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert "[60.0, 80.0], [90.5, 120.0]" in file.pages[0].description
    (tmp_path / "one.csv").write_text("y,x\n60,80\n90.5,121\n")
    changed, _ = cli.stack("moon.ser", "--points-file", "one.csv")
    assert statuses(changed) == [REUSED, REUSED, RAN, RAN]


def test_anchors_come_from_flags_files_and_python_alike(
    moon: xr.Dataset, moon_ser: Path, tmp_path: Path, cli: CommandLine
) -> None:
    places = [(y, x) for y in (50, 90, 130) for x in (60, 120, 180)]
    (tmp_path / "anchors.csv").write_text("\n".join(f"{y};{x}" for y, x in places))
    summary, _ = cli.stack("moon.ser", "--anchors-file", "anchors.csv")
    assert summary["active_frames"] == 40
    flags = [word for y, x in places for word in ("--anchors", y, x)]
    assert statuses(cli.stack("moon.ser", *flags)[0]) == [REUSED] * 4
    options = skry.AlignOptions(anchors=skry.read_positions(tmp_path / "anchors.csv"))
    offset = skry.align(skry.open_capture(moon_ser), options)["offset"].to_numpy()
    off = offset - moon["offset"].to_numpy() - moon["shift"].to_numpy().mean(axis=(1, 2))
    # Mean of nine anchors; the seeing moves each by 2.2 px rms.
    assert np.sqrt(((off - np.median(off, axis=0)) ** 2).sum(axis=1).mean()) < 1.5


# --- which fragments are averaged ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "n_frames"),
    [
        (("--percent", 25), 10),
        (("--number", 7), 7),
        (("--min-quality", 1), 1),
        (("--min-quality", 0), 40),
    ],
)
def test_one_set_of_frames_or_each_triangles_own(
    moon_ser: Path, tmp_path: Path, cli: CommandLine, flags: tuple[object, ...], n_frames: int
) -> None:
    cli.stack("moon.ser", "--table", *flags, "--choose", "frames")
    whole = fragments(tmp_path)
    n_triangles = whole.max()
    np.testing.assert_array_equal(
        np.sort(whole)[::-1], [n_triangles] * n_frames + [0] * (40 - n_frames)
    )
    summary, image = cli.stack("moon.ser", "--table", *flags, "--choose", "fragments")
    assert statuses(summary) == [REUSED, REUSED, REUSED, RAN]
    assert fragments(tmp_path).sum() == n_frames * n_triangles
    assert image.shape == tuple(summary["image"].values())


def test_frames_under_cloud_are_evened_out_on_demand(
    moon: xr.Dataset, tmp_path: Path, cli: CommandLine
) -> None:
    clear = moon["frames"].to_numpy()
    light = np.where(np.arange(40) % 2, 1.0, 0.85)
    cloudy = np.rint(clear * light[:, None, None]).astype(np.uint8)
    images: dict[str, AnyArray] = {}
    for name, frames in (("clear", clear), ("cloudy", cloudy)):
        n_frames, height, width = frames.shape
        write_ser(
            tmp_path / f"{name}.ser", frames, n_frames=n_frames, height=height, width=width, bits=8
        )
    images["clear"] = cli.stack("clear.ser", "--number", 8)[1]
    images["as it is"] = cli.stack("cloudy.ser", "--number", 8)[1]
    summary, images["even"] = cli.stack("cloudy.ser", "--number", 8, "--normalise")
    assert statuses(summary) == [REUSED, REUSED, REUSED, RAN]

    def patches(image: AnyArray) -> float:
        """Relative deviation of the local brightness from that of a clear night."""
        wide, clear = (ndimage.gaussian_filter(i, 6) for i in (image, images["clear"]))
        light = (wide / clear)[clear > 0.2]
        return float(light.std() / light.mean())

    assert patches(images["even"]) < 0.6 * patches(images["as it is"])


# --- options that are refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--points", 900, 60), r"point \(900, 60\): .* y from \d+ to \d+, x from \d+ to \d+"),
        (("--points-file", "far.csv"), r"point \(60, -900\): .* y from \d+ to \d+, x from"),
        (
            ("--anchors", 50, 60, "--anchors", -5, 60),
            r"anchor \(-5, 60\) .* below 180, x below 240",
        ),
        (("--anchors-file", "far.csv"), r"anchor \(60, -900\) .* y must be below 180"),
        (("--search-radius", 181), r"search_radius is 181: it must be from 2 to 180, .*240 x 180"),
        (("--search-radius", 201), r"search_radius is 201: it must be from 2 to 200"),
        (("--roi", "0,0,100,100", "--block-size", 128), r"block_size is 128: .* from 8 to \d\d,"),
        (("--percent", 0), r"percent is 0\.0: it must be above 0 and at most 100"),
        (("--number", 5, "--min-quality", 0.5), r"number 5 and min_quality 0\.5 contradict"),
        (("--points", 50, 60, "--points-file", "far.csv"), r"points \(1 given\) and points_file"),
        (("--points-file", "bad.csv"), r"bad\.csv, line 3 is '60 x': it must be y, x in px"),
    ],
)
def test_refused_options_are_one_line_with_value_and_range(
    moon_ser: Path, tmp_path: Path, cli: CommandLine, flags: tuple[object, ...], words: str
) -> None:
    (tmp_path / "far.csv").write_text("60,80\n60,-900\n")
    (tmp_path / "bad.csv").write_text("y,x\n60,80\n60,x\n")
    status, out, err = cli("stack", "moon.ser", "-o", "out.tif", *flags)
    said = complaints(err)
    assert (status, out, len(said)) == (2, "", 1)
    assert re.search(words, said[0]), err
    assert not (tmp_path / "out.tif").exists()
