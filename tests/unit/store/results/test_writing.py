"""Writing results: all of a result or nothing, and what is damaged is computed again."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.errors import ContainsGroupError

import skry_dask as skry
from skry_dask.errors import StoreError
from skry_dask.store.places.locks import job_folder
from skry_dask.store.results import new_places, tables
from skry_dask.store.results import writing as result_store
from skry_dask.store.results.writing import ResultStore
from tests.stores import fail_with_full_disk, small_result

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """A store that is not there yet."""
    return ResultStore(tmp_path / "a.skry")


def test_results_come_back_as_they_were(store: ResultStore) -> None:
    assert store.find("align", "abc") is None
    store.save("align", "abc", small_result())
    xr.testing.assert_identical(store.find("align", "abc"), small_result())
    store.save("align", "abc", small_result())  # a second process that was as fast
    assert [p.name for p in (store.path / "align").iterdir() if p.is_dir()] == ["abc"]


def test_values_of_any_size_come_back(store: ResultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (result_store, tables):
        monkeypatch.setattr(module, "WHOLE_BYTES", 40)
    store.save("align", "abc", small_result())
    xr.testing.assert_identical(store.find("align", "abc"), small_result())


def test_a_result_without_its_mark_does_not_count(store: ResultStore) -> None:
    place = store.path / "align" / "abc"
    place.parent.mkdir(parents=True)
    zarr.create_group(place).create_array("offset", data=np.zeros(2))
    assert store.find("align", "abc") is None
    assert store.entries == []
    store.save("align", "abc", small_result())
    assert store.find("align", "abc") is not None


def test_a_result_that_is_being_written_is_not_listed(store: ResultStore) -> None:
    with store.new("align", "abc") as new:
        new.finish(small_result())
        assert store.entries == []
    assert [entry.key for entry in store.entries] == ["align/abc"]


def damage(store: ResultStore, name: str, kept_bytes: int | None) -> None:
    path = store.path / "align" / "abc" / name
    content = path.read_bytes()
    path.unlink()
    if kept_bytes is not None:
        path.write_bytes(content[:kept_bytes])


@pytest.mark.parametrize(
    ("name", "kept_bytes"),
    [
        ("offset/c.0.0", None),
        ("offset/zarr.json", None),
        ("axis/c.0", None),
        ("offset/c.0.0", 5),
        ("offset/zarr.json", 5),
        ("zarr.json", 5),
    ],
)
def test_a_damaged_result_counts_as_none_and_is_replaced(
    store: ResultStore, name: str, kept_bytes: int | None
) -> None:
    store.save("align", "abc", small_result())
    damage(store, name, kept_bytes)
    assert store.find("align", "abc") is None
    store.save("align", "abc", small_result())
    xr.testing.assert_identical(store.find("align", "abc"), small_result())


def test_a_full_disk_is_told_and_leaves_nothing_behind(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_places, "flush", fail_with_full_disk)
    with pytest.raises(StoreError, match=r"a\.skry.*No space left.*free some space"):
        store.save("align", "abc", small_result())
    assert not list((store.path / "align").glob("abc*"))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="make the folder first"):
        ResultStore(tmp_path / "no" / "a.skry").save("align", "abc", small_result())


def test_leftovers_of_interrupted_runs_are_removed(store: ResultStore) -> None:
    store.save("align", "abc", small_result())
    old = store.path / "align" / "abd.partial-1"
    old.mkdir()
    os.utime(old, (0, 0))
    store.save("align", "abd", small_result())
    assert not old.exists()


def test_what_killed_processes_leave_is_removed_and_what_others_write_stays(
    store: ResultStore,
) -> None:
    with store.exclusive("align", "a"), store.new("align", "a") as new:
        dead = job_folder(store.path / "align" / "b")
        dead.mkdir()
        (dead / "zarr.json").write_text("{}")
        (dead.parent / "b.lock").touch()
        (dead.parent / "c.lock").touch()  # its folder was not made yet, or is renamed
        store.sweep()
        left = {path.name for path in dead.parent.iterdir()}
        assert left == {"zarr.json", new.folder.name, "a.lock"}
        new.finish(small_result())
    assert {path.name for path in dead.parent.iterdir()} == {"zarr.json", "a"}


def test_another_process_may_begin_the_store_at_the_same_time(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = zarr.open_group

    def begun_twice(*arguments: Any, **named: Any) -> Any:
        begin(*arguments, **named)
        raise ContainsGroupError("a group exists")

    with monkeypatch.context() as patch:
        patch.setattr(zarr, "open_group", begun_twice)
        store.save("align", "abc", small_result())
    xr.testing.assert_identical(store.find("align", "abc"), small_result())


def test_results_join_frames_in_a_store_and_frames_join_results(
    moon_ser: Path, store: ResultStore
) -> None:
    store.save("align", "abc", small_result())
    skry.import_capture(moon_ser, store.path)
    store.save("align", "abd", small_result())
    assert [entry.digest for entry in store.entries] == ["abc", "abd"]
    assert skry.open_capture(store.path).sizes["frame"] == 40


def test_a_job_may_run_in_the_event_loop_of_a_notebook(
    moon_ser: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LARGE_BYTES", 1)

    async def cell() -> xr.Dataset:
        return skry.run(moon_ser, quick=True)

    phases = asyncio.run(cell()).attrs["summary"]["phases"]
    assert {about["status"] for about in phases.values()} == {"ran"}
    results = skry.open_results(moon_ser.with_suffix(".skry"))
    assert all(f"{phase}/{about['digest']}" in results for phase, about in phases.items())


def test_a_result_of_a_newer_version_is_refused_and_stays(store: ResultStore) -> None:
    store.save("align", "abc", small_result())
    zarr.open_group(store.path / "align" / "abc", mode="a").attrs["skry_schema"] = 99
    with pytest.raises(StoreError, match=r"schema 99.*install a newer skry_dask"):
        store.find("align", "abc")
    assert (store.path / "align" / "abc").is_dir()
