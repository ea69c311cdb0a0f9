"""Large tables are never in memory as a whole, and come back as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

import skry_dask as skry
from skry_dask.errors import StoreError
from skry_dask.store.results import tables
from skry_dask.store.results.writing import ResultStore
from tests.stores import fail_with_full_disk

if TYPE_CHECKING:
    from pathlib import Path


def lazy_result() -> xr.Dataset:
    """A lazy result with a table of 33 frames and 7 points, computed five frames at a time."""
    values = np.random.default_rng(0).normal(size=(33, 7, 2)).astype(np.float32)
    lazy = da.from_array(values, chunks=(5, -1, -1))
    dims = ("frame", "point", "axis")
    return xr.Dataset(
        {"displacement": (dims, lazy, {"units": "px"}), "points": ((), 7)},
        {"frame": np.arange(4, 37), "axis": ["y", "x"]},
        {"phase": "track"},
    )


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any table is large, and its blocks have ten frames."""
    monkeypatch.setattr(tables, "LARGE_BYTES", 0)
    monkeypatch.setattr(tables, "BLOCK_BYTES", 10 * 7 * 2 * 4)


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """A store that is not there yet."""
    return ResultStore(tmp_path / "a.skry")


def test_tables_are_written_while_they_are_computed_and_read_when_used(store: ResultStore) -> None:
    expected = lazy_result().compute()
    with store.new("track", "abc") as new:
        computed = new.write_tables(lazy_result()).compute()
        assert computed["displacement"].nbytes < 10  # a mark for each block
        assert store.find("track", "abc") is None  # not before it is whole
        new.finish(computed)
    found = store["track/abc"]
    assert not found["displacement"].variable._in_memory
    np.testing.assert_array_equal(found["displacement"][8:13], expected["displacement"][8:13])
    xr.testing.assert_identical(found.compute(), expected)
    xr.testing.assert_identical(store.find("track", "abc").compute(), expected)


def test_tables_that_cannot_be_written_leave_nothing_behind(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zarr.Array, "__setitem__", fail_with_full_disk)
    with (
        pytest.raises(StoreError, match=r"a\.skry.*No space left.*free some space"),
        store.new("track", "abc") as new,
    ):
        new.write_tables(lazy_result()).compute()
    assert not list((store.path / "track").glob("abc*"))


def test_a_damaged_block_makes_the_result_count_as_none(store: ResultStore) -> None:
    store.save("track", "abc", lazy_result().compute())
    assert store.find("track", "abc") is not None
    block = store.path / "track" / "abc" / "displacement" / "c.2.0.0"
    block.write_bytes(block.read_bytes()[:5])
    assert store.find("track", "abc") is None


def test_a_job_whose_tables_go_through_the_store_gives_the_same_bits(
    moon_ser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = skry.run(moon_ser, quick=True)
    again = skry.run(moon_ser, quick=True)
    assert {p["status"] for p in again.attrs["summary"]["phases"].values()} == {"reused"}
    monkeypatch.setattr(tables, "LARGE_BYTES", 2**40)
    in_memory = skry.run(moon_ser, quick=True, store=tmp_path / "memory.skry")
    xr.testing.assert_identical(through.drop_attrs(), in_memory.drop_attrs())
    written, saved = (skry.open_results(tmp_path / name) for name in ("moon.skry", "memory.skry"))
    for phase in ("align", "quality", "track", "stack"):
        xr.testing.assert_identical(written[phase].compute(), saved[phase].compute())
