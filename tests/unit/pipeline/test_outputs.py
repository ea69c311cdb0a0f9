"""Where images, tables and results go; what cannot be written is refused before a job runs."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import skry_dask as skry
from skry_dask.capture.source import resolve
from skry_dask.errors import OptionsError, StoreError
from skry_dask.options.tone import ToneOptions
from skry_dask.pipeline.outputs import Outputs, brightness_scale
from skry_dask.pipeline.results_place import ResultsPlace, place_of_results
from tests.stores import INFO, decoded_frames, write_frames

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

posix = pytest.mark.skipif(os.name != "posix", reason="permissions of folders tell nothing there")


def test_other_files_are_named_after_the_image(tmp_path: Path) -> None:
    outputs = Outputs(image=tmp_path / "moon.png", halves=True, composite=True, table=True)
    assert [path.name for path in outputs.paths] == [
        "moon.png",
        "moon-even.png",
        "moon-odd.png",
        "moon_composite.png",
        "moon_frame_quality.txt",
        "moon_frame_quality.csv",
        "moon_frames.csv",
        "moon_points.csv",
    ]
    assert Outputs(halves=True).paths == []


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.tif").mkdir()
    for outputs, kind, words in (
        (Outputs(composite=True), OptionsError, "go beside the output, and"),
        (Outputs(table=True), OptionsError, "go beside the output, and"),
        (
            Outputs(stretch=ToneOptions(stretch="5,98")),
            OptionsError,
            "a stretch changes it: give an output",
        ),
        (Outputs(image=tmp_path / "a.jpg"), OptionsError, "'.jpg', which names no image format"),
        (Outputs(image=tmp_path / "no" / "a.tif"), StoreError, "create it first"),
        (Outputs(image=tmp_path / "folder.tif"), StoreError, "folder.tif is a folder: give"),
    ):
        with pytest.raises(kind, match=re.escape(words)):
            outputs.check()
    with pytest.raises(OptionsError, match=r"suffix \.jpg, but output_format is png8"):
        Outputs(image=tmp_path / "a.jpg", kind="png8").check()
    Outputs(image=tmp_path / "a.unknown", kind="png8").check()


def test_what_the_job_reads_is_not_overwritten(moon_ser: Path, tmp_path: Path) -> None:
    dark = tmp_path / "dark.tif"
    dark.touch()
    source = resolve(moon_ser)
    for image, words in (("moon.ser", "is the input, or would be"), ("dark.tif", "is read in")):
        with pytest.raises(StoreError, match=words):
            Outputs(image=tmp_path / image, kind="tiff16").check_inputs(source, None, dark)
    Outputs(image=tmp_path / "moon.tif").check_inputs(source, None, dark, tmp_path / "none.csv")
    (tmp_path / "link.tif").hardlink_to(dark)
    with pytest.raises(StoreError, match="is read in this job"):
        Outputs(image=tmp_path / "link.tif").check_inputs(source, str(dark))


def test_results_go_where_the_user_says_or_beside_the_input(moon_ser: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    image = Outputs(image=out / "moon.tif")
    source = resolve(moon_ser)
    assert place_of_results(source, image, None) == ResultsPlace(tmp_path / "moon.skry")
    assert place_of_results(source, image, out / "mine.skry") == ResultsPlace(out / "mine.skry")
    skry.import_capture(moon_ser, out / "kept.skry")
    kept = resolve(out / "kept.skry")
    assert place_of_results(kept, Outputs(), None) == ResultsPlace(out / "kept.skry")


@posix
def test_of_a_read_only_folder_results_go_beside_the_output_and_no_image_goes_there(
    moon_ser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, here = tmp_path / "out", tmp_path / "here"
    for folder in (out, here):
        folder.mkdir()
    monkeypatch.chdir(here)
    image, source = Outputs(image=out / "moon.tif"), resolve(moon_ser)
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(StoreError, match="is read-only: give another place with -o"):
            Outputs(image=tmp_path / "a.tif").check()
        note = f"{tmp_path} is read-only: results are kept in "
        for outputs, store in ((image, out / "moon.skry"), (Outputs(), here / "moon.skry")):
            assert place_of_results(source, outputs, None) == ResultsPlace(store, f"{note}{store}")
    finally:
        tmp_path.chmod(0o755)


def test_results_of_a_store_at_a_url_go_beside_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skry_dask.capture import source as sources

    attrs = {"digest": "d", "format": "test", "source": "moon.mp4", "bits": 12}
    write_frames(tmp_path / "a.skry", INFO, decoded_frames(), attrs)
    opened = resolve(tmp_path / "a.skry").as_group()
    monkeypatch.setattr(sources, "open_store", lambda _: opened)
    source = resolve("s3://bucket/moon.skry")
    place = place_of_results(source, Outputs(image=tmp_path / "out.tif"), None)
    assert place.store == tmp_path / "moon.skry"
    assert place.note == (
        f"s3://bucket/moon.skry is not on this machine: results are kept in {place.store}"
    )


def test_a_store_that_cannot_be_is_refused(moon_ser: Path, tmp_path: Path) -> None:
    source = resolve(moon_ser)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("something else")
    skry.import_capture(moon_ser, tmp_path / "kept.skry")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "astray").symlink_to("nothing")
    inside = Outputs(image=tmp_path / "kept.skry" / "a.tif")
    for outputs, store, words in (
        (Outputs(), tmp_path / "taken", "taken exists and is not a store"),
        (Outputs(), tmp_path / "no" / "a.skry", "there is no folder"),
        (Outputs(), tmp_path / "loop", "leads nowhere: give another place with --store"),
        (Outputs(), tmp_path / "astray", "leads nowhere: give another place with --store"),
        (Outputs(), tmp_path / "loop" / "a.skry", "there is no folder"),
        (inside, tmp_path / "kept.skry", "lies in the store"),
    ):
        with pytest.raises(StoreError, match=words):
            place_of_results(source, outputs, store)


def test_every_image_of_a_batch_has_the_same_scale(moon: xr.Dataset, tmp_path: Path) -> None:
    assert "is grey level 255 of the capture" in brightness_scale(moon)
    dark = np.full(moon["frames"].shape[1:], 0.02, np.float32)
    tifffile.imwrite(tmp_path / "dark.tif", dark)
    options = skry.CalibrationOptions(dark=os.fspath(tmp_path / "dark.tif"))
    calibrated = skry.calibrate(moon.chunk({"frame": 20}), options)
    assert "is grey level 255 above the dark of the capture" in brightness_scale(calibrated)
