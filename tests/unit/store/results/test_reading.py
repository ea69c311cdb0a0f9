"""Stored results are found by phase and by digest, and are as they were when they were computed."""

from __future__ import annotations

import gc
import re
from typing import TYPE_CHECKING

import pytest
import xarray as xr

import skry_dask as skry
from skry_dask.errors import StoreError
from skry_dask.store.results.writing import ResultStore
from tests.stores import small_result

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def results(tmp_path: Path) -> skry.Results:
    """Two alignments and a quality, which was written between them."""
    store = ResultStore(tmp_path / "moon.skry")
    for phase, digest, start, method in (
        ("align", "abc1", 0, "anchors"),
        ("quality", "abd2", 1, "none"),
        ("align", "abe3", 2, "disc"),
    ):
        result = small_result(start).assign_attrs(options={"method": method, "size": 32})
        store.save(phase, digest, result)
    return skry.open_results(tmp_path / "moon.skry")


def test_a_phase_has_its_newest_result(results: skry.Results) -> None:
    assert results["align"].attrs["options"]["method"] == "disc"
    assert float(results["quality"]["offset"][0, 0]) == 1
    assert list(results) == ["quality", "align"]  # as they were written
    assert len(results) == 2


def test_a_digest_or_its_beginning_finds_one_result(results: skry.Results) -> None:
    for key in ("align/abc1", "align/abc"):
        xr.testing.assert_equal(results[key], small_result(0))
    assert "align/abe3" in results
    assert "align/abd2" not in results
    assert results.get("align/abd2") is None


def test_a_list_shows_what_there_is_and_in_which_options_results_differ(
    results: skry.Results,
) -> None:
    lines = repr(results).splitlines()
    assert "moon.skry, from the oldest to the newest:" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["align/abc1", "quality/abd2", "align/abe3"]
    assert lines[1].endswith("UTC  method=anchors")
    assert lines[2].endswith("UTC")
    assert [entry.key for entry in results.entries] == [line.split()[0] for line in lines[1:]]


def test_what_is_not_there_is_told_with_what_is(results: skry.Results, tmp_path: Path) -> None:
    for key, words in (
        ("trak", "has no result of 'trak': it has quality, align"),
        ("align/abx", "has no result align/abx: choose one of align/abc1, align/abe3"),
        ("align/ab", "has 2 results align/ab: choose one of align/abc1, align/abe3"),
    ):
        with pytest.raises(StoreError, match=re.escape(words)):
            results[key]
    metadata = tmp_path / "moon.skry" / "align" / "abc1" / "zarr.json"
    for damaged in ("{", metadata.read_text().replace('"written": "', '"written": "x')):
        metadata.write_text(damaged)
        assert [entry.key for entry in results.entries] == ["quality/abd2", "align/abe3"]


def test_the_time_of_writing_is_recorded_and_not_that_of_files(
    results: skry.Results, tmp_path: Path
) -> None:
    (tmp_path / "moon.skry" / "align" / "abc1" / "zarr.json").touch()
    assert results["align"].attrs["options"]["method"] == "disc"


def test_a_damaged_result_is_an_error_and_stays_where_it_is(
    results: skry.Results, tmp_path: Path
) -> None:
    place = tmp_path / "moon.skry" / "quality" / "abd2"
    (place / "offset" / "c.0.0").unlink()
    with pytest.raises(StoreError, match=r"quality/abd2 of .*moon\.skry is damaged \(it has"):
        results["quality"]
    assert place.is_dir()


def test_results_are_opened_by_the_capture_too(results: skry.Results, tmp_path: Path) -> None:
    assert skry.open_results(tmp_path / "moon.ser").path == results.path
    with pytest.raises(StoreError, match=r"sun.ser is not a store .*no sun.skry beside it: run a"):
        skry.open_results(tmp_path / "sun.ser")


def test_an_unknown_name_is_refused_with_the_nearest_and_those_that_exist(
    results: skry.Results,
) -> None:
    with pytest.raises(StoreError, match="no result of 'qualty': did you mean 'quality'"):
        results["qualty"]
    with pytest.raises(StoreError, match=r"no result of 'zzz': it has .*quality") as caught:
        results["zzz"]
    assert isinstance(caught.value, KeyError)


def test_results_show_their_names_in_a_notebook(results: skry.Results) -> None:
    assert results._ipython_key_completions_() == list(results)
    page = results._repr_html_()
    assert all(f"<td>{entry.phase}</td>" in page for entry in results.entries)


def test_a_store_that_has_only_frames_says_so(moon_ser: Path, tmp_path: Path) -> None:
    skry.import_capture(moon_ser, tmp_path / "frames.skry")
    results = skry.open_results(tmp_path / "frames.skry")
    assert list(results) == []
    assert repr(results).endswith("frames.skry, none")
    with pytest.raises(StoreError, match="no results yet, run a job first"):
        results["stack"]


def test_results_of_a_job_have_their_labels_however_they_are_opened(moon_ser: Path) -> None:
    job = skry.run(moon_ser, align_channels=False)
    results = skry.open_results(moon_ser.with_suffix(".skry"))
    assert list(results) == [
        "survey",
        "reference",
        "align",
        "quality",
        "track",
        "first_stack",
        "refine",
        "stack",
        "job",
    ]
    xr.testing.assert_equal(results["stack"], job)
    for phase, table in (("align", "offset"), ("track", "displacement"), ("quality", "centre")):
        for opened in (
            results[phase],
            xr.open_zarr(results[phase].encoding["source"], consolidated=False),
        ):
            if table in opened:
                assert opened[table].coords["axis"].to_numpy().tolist() == ["y", "x"]
                assert opened[table].sel(axis="y").ndim == opened[table].ndim - 1


def test_channels_have_their_labels(moon_ser: Path) -> None:
    skry.run(moon_ser, quick=True, cfa="RGGB")
    stack = skry.open_results(moon_ser.with_suffix(".skry"))["stack"]["stack"]
    assert stack.coords["channel"].to_numpy().tolist() == ["red", "green", "blue"]
    assert stack.sel(channel="green").shape == stack.shape[:2]


def test_damage_in_several_arrays_is_one_error_and_nothing_else_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = ResultStore(tmp_path / "a.skry")
    store.save("align", "d", small_result())
    for path in (tmp_path / "a.skry" / "align" / "d").glob("*/zarr.json"):
        path.write_bytes(path.read_bytes()[:-9])
    assert store.find("align", "d") is None
    gc.collect()  # asyncio complains when a task is freed
    assert caplog.messages == []
