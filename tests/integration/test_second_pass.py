"""The second pass by default: frames measured against a first stack, and weighted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

import skry_dask as skry
from skry_dask.simulation.simulate import write_capture

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from tests.command_line import CommandLine

SECOND_PASS = {"first_stack", "refine"}


@pytest.fixture(scope="module")
def store(moon_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of all phases, of which tests stack again."""
    store = tmp_path_factory.mktemp("second") / "moon.skry"
    skry.run(moon_file, store=store)
    return store


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"drizzle": 1.5},
        {"canvas": "union"},
        {"normalise": True},
        {"percent": 30},
        {"choose": "frames"},
    ],
    ids=str,
)
def test_every_kind_of_stack_takes_what_the_second_pass_has_measured(
    options: dict[str, Any], moon_file: Path, store: Path
) -> None:
    found = skry.run(moon_file, store=store, **options)
    quick = skry.run(moon_file, store=store, quick=True, **options)
    phases = found.attrs["summary"]["phases"]
    assert phases.keys() - quick.attrs["summary"]["phases"].keys() >= SECOND_PASS
    assert {phases[name]["status"] for name in SECOND_PASS} == {"reused"}
    cut = options.keys() & {"percent", "choose"}
    assert found.attrs["options"]["choose"] == (
        options.get("choose", "fragments") if cut else "weights"
    )
    assert quick.attrs["options"]["choose"] == options.get("choose", "fragments")
    assert found.attrs["summary"]["notes"] == []
    image, other = (result["stack"].to_numpy() for result in (found, quick))
    assert np.isnan(image).mean() < 0.01  # corners of a union
    assert not np.array_equal(image, other)
    assert np.nanmean(np.abs(image - other)) < 0.02


def test_raw_colour_is_weighted_too(moon: xr.Dataset, tmp_path: Path, cli: CommandLine) -> None:
    write_capture(tmp_path / "raw.ser", moon.isel(frame=slice(16)).chunk({"frame": 8}))
    summary, image = cli.stack("raw.ser", "--cfa", "RGGB", quick=False)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        about = json.loads(file.pages[0].description)
    assert about["options"]["stack"]["choose"] == "weights"
    assert summary["phases"].keys() >= SECOND_PASS
    assert image.ndim == 3


def test_a_capture_that_is_too_short_is_stacked_in_one_pass_which_the_summary_says(
    moon_file: Path, tmp_path: Path, cli: CommandLine
) -> None:
    flags = ("stack", moon_file, "--store", "s.skry", "--frames", ":4", "-o", "out.tif")
    status, out, _ = cli(*flags)
    assert (status, out.count("note: no second pass: ")) == (0, 1)
    first = tifffile.imread(tmp_path / "out.tif")
    assert cli(*flags, "--quick")[0] == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), first)
    status, _, err = cli(*flags, "--choose", "weights")
    assert (status, err.count("\n")) == (2, 1)
    assert "choose is 'weights', but there are none (" in err


def test_points_that_no_frame_weighs_at_are_told_in_the_summary(
    moon_file: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(*arguments: Any, **pieces: Any) -> xr.Dataset:
        refined = skry.refine(*arguments, **pieces)
        return refined.assign(weight=refined["weight"] * (refined["point"] > 1))

    monkeypatch.setattr("skry_dask.pipeline.run.refine", blind)
    monkeypatch.setattr(skry.RefineOptions, "version", 99)
    (note,) = skry.run(moon_file, store=store).attrs["summary"]["notes"]
    assert note.startswith("all frames count alike at 2 of ")
