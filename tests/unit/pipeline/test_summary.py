"""What a job says about itself: figures, notes, and the making of its image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

import skry_dask as skry
from skry_dask.io.raw.ser import write_ser
from skry_dask.pipeline.summary import is_colourless

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

RNG = np.random.default_rng(4)


def test_a_summary_is_json_and_has_the_figures_of_the_job(moon_ser: Path, tmp_path: Path) -> None:
    result = skry.run(moon_ser, output=tmp_path / "moon.tif", table=True)
    summary = result.attrs["summary"]
    assert json.loads(json.dumps(summary)) == summary
    assert summary["input"] == str(moon_ser)
    assert summary["output"] == str(tmp_path / "moon.tif")
    assert summary["store"] == str(tmp_path / "moon.skry")
    assert summary["files"] == [
        str(tmp_path / name)
        for name in (
            "moon_frame_quality.txt",
            "moon_frame_quality.csv",
            "moon_frames.csv",
            "moon_points.csv",
        )
    ]
    assert (summary["frames"], summary["active_frames"], summary["notes"]) == (40, 40, [])
    assert summary["image"] == dict(zip(("height", "width"), result["stack"].shape, strict=True))
    assert summary["region"].items() >= summary["image"].items()
    names = ["align", "quality", "track", "first_stack", "refine", "stack"]
    assert list(summary["phases"]) == names
    seconds = [phase["seconds"] for phase in summary["phases"].values()]
    assert 0 < sum(seconds) <= summary["seconds"]
    assert summary["peak_memory_mib"] > 50


def test_an_image_says_how_it_was_made(moon_ser: Path, tmp_path: Path) -> None:
    result = skry.run(moon_ser, output=tmp_path / "moon.tif", percent=25.0, frames="2:38")
    summary = result.attrs["summary"]
    with tifffile.TiffFile(tmp_path / "moon.tif") as file:
        about = json.loads(file.pages[0].description)
    assert about["software"].startswith("skry_dask ")
    assert about["source"] == "moon.ser"
    assert about["options"]["stack"]["percent"] == 25
    assert about["options"]["select"]["frames"] == "2:38"
    assert about["digest"] == summary["phases"]["stack"]["digest"]
    for name in ("frames", "active_frames", "region", "points"):
        assert about[name] == summary[name]
    assert "problems" not in about["source_attributes"]


def test_notes_say_what_the_user_should_know(
    moon: xr.Dataset, moon_ser: Path, tmp_path: Path
) -> None:
    frames = moon["frames"].to_numpy().copy()
    frames[7] = 0
    dim = frames // 2
    dim[20] = frames[20]
    path = tmp_path / "cloudy.ser"
    twelve_bits = dim.astype(np.uint16) * 15
    write_ser(path, twelve_bits, n_frames=40, height=180, width=240, bits=16)
    path.write_bytes(path.read_bytes()[: 178 + 180 * 240 * 2 * 35])  # the disk was full
    notes = skry.run(path, align_channels=True, quick=True).attrs["summary"]["notes"]
    for words in (
        "The header claims 40 frames; 35 complete ones are there",
        "1 frame is left out: 1 nothing to see",
        "1 frame is over 2 times as bright as most: --exclude 20 leaves it out, ",
        "align_channels has nothing to align: the stack is grey",
        "of 65535: if the camera has 12 bits, --bits 12 makes them full scale",
    ):
        assert any(words in note for note in notes), (words, notes)


def test_a_job_without_points_says_that_seeing_stays(moon_ser: Path) -> None:
    summary = skry.run(moon_ser, structure=4.0).attrs["summary"]
    assert summary["points"] == 0
    assert any("no reference point could be placed" in note for note in summary["notes"])


@pytest.mark.parametrize(
    ("colours", "colourless"),
    [([1, 1, 1], True), ([0.9, 1, 0.9], False), ([1, 1, 0.99], True), (None, False)],
)
def test_an_image_of_one_hue_is_colourless(colours: list[float] | None, colourless: bool) -> None:
    grey = RNG.random((30, 40))
    grey[0, 0] = np.nan
    image = grey if colours is None else grey[..., None] * np.array(colours)
    assert is_colourless(image) is colourless


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"frames": "0:24"}, None),
        ({"frames": "0:24", "number": 2}, "only 2 of the 4 frames that it takes are stacked"),
        ({"frames": "0:24", "exclude": "1:24:2"}, "none of the frames stacked is odd"),
    ],
)
def test_half_stacks_tell_noise_and_resolution(
    moon_file: Path, tmp_path: Path, choices: dict[str, Any], words: str | None
) -> None:
    store, image = tmp_path / "moon.skry", tmp_path / "moon.tif"
    result = skry.run(
        moon_file,
        store=store,
        output=image,
        quick=True,
        halves=True,
        choose="frames",
        pixel_scale=0.2,
        **choices,
    )
    summary = result.attrs["summary"]
    names = [str(tmp_path / f"moon-{half}.tif") for half in ("even", "odd")]
    assert summary["files"] == names
    even = tifffile.imread(names[0]) / 65535
    np.testing.assert_allclose(even, result["half_stack"][0].fillna(0).clip(0, 1), atol=1e-5)
    with tifffile.TiffFile(image) as file:
        about = json.loads(file.pages[0].description)
    if words is None:
        resolution = summary["resolution"]
        assert 0.05 < resolution["half"] < resolution["seventh"] <= 0.5
        assert summary["noise"] == pytest.approx(float(result["noise"].median()), rel=0.01)
        assert (about["noise"], about["resolution"]) == (summary["noise"], resolution)
        assert about.get("seeing") == summary["seeing"]
        in_arcsec = summary["resolution_arcsec"]
        assert in_arcsec["half"] == pytest.approx(0.2 / resolution["half"], abs=1e-4)
        assert about["resolution_arcsec"] == in_arcsec
    else:
        assert (summary["noise"], summary["resolution"]) == (None, None)
        assert f"noise and resolution are not known: {words}" in summary["notes"]
        assert "noise" not in about
    assert about["pixel_scale"] == summary["pixel_scale"] == 0.2
