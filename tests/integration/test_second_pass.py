"""The second pass by default: frames measured against a first stack, and weighted."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
import pytest
import tifffile

import skry_dask as skry
from skry_dask.phases.stacking import changed_fragments
from skry_dask.pipeline import job
from skry_dask.simulation.simulate import write_capture
from tests.integration.test_resume import N_FRAMES, frames_read, stop_at

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
    assert found.attrs["options"]["choose"] == options.get("choose", "weights")
    assert quick.attrs["options"]["choose"] == options.get("choose", "fragments")
    assert found.attrs["summary"]["notes"] == []
    image, other = (result["stack"].to_numpy() for result in (found, quick))
    assert not np.isnan(image).any()
    assert not np.array_equal(image, other)
    assert np.nanmean(np.abs(image - other)) < 0.02


@pytest.fixture
def four_frames_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "frames_per_chunk", lambda *_: 4)


@pytest.mark.usefixtures("four_frames_a_chunk")
def test_an_interrupted_second_pass_measures_the_other_frames_when_it_goes_on(
    moon_file: Path, store: Path, tmp_path: Path
) -> None:
    again = shutil.copytree(store, tmp_path / "s")
    for name in ("refine", "stack", "pieces"):
        shutil.rmtree(again / name)
    with dask.config.set({"skry.flush-seconds": 0}), pytest.raises(KeyboardInterrupt):
        skry.run(moon_file, store=again, progress=stop_at("refine", 3), workers=1)
    found, expected = (skry.run(moon_file, store=place) for place in (again, store))
    read = frames_read(found)
    assert 0 < read["refine"] < read["stack"] == N_FRAMES
    np.testing.assert_array_equal(found["stack"], expected["stack"])
    for name in ("displacement", "weight"):
        refined = (skry.open_results(place)["refine"][name] for place in (again, store))
        np.testing.assert_array_equal(*refined)


def test_excluded_frames_are_subtracted_from_a_weighted_stack(
    moon_file: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changed_fragments, "CALL_NS", 0)  # as for large frames
    again, fresh = (shutil.copytree(store, tmp_path / name) for name in ("again", "fresh"))
    for place in (again, fresh):
        shutil.rmtree(place / "stack")
        shutil.rmtree(place / "pieces")
    skry.run(moon_file, store=again)
    found, expected = (skry.run(moon_file, store=place, exclude="3,17") for place in (again, fresh))
    np.testing.assert_array_equal(found["stack"], expected["stack"])
    assert frames_read(found)["stack"] <= 2
    assert frames_read(expected)["stack"] > 30
    for name in SECOND_PASS:
        assert found.attrs["summary"]["phases"][name]["status"] == "reused"


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
    assert cli(*flags, "--quick", "--overwrite")[0] == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), first)
    status, _, err = cli(*flags, "--choose", "weights", "--overwrite")
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
