"""Damage: whatever byte of a store changes or file is lost, values are never silently others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask.errors import StoreError
from skry_dask.store.results import tables
from skry_dask.store.results.writing import ResultStore
from tests.stores import IMAGES, INFO, decoded_frames, small_result, write_frames

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLIPS = 14
"""Number of bytes that are flipped in each file."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with frames, of which some chunks are all zeros."""
    path = tmp_path / "moon.skry"
    write_frames(path, INFO, decoded_frames(), {"digest": "d", "source": "moon.mp4", "bits": 12})
    return path


def large_result() -> xr.Dataset:
    """A result with a large table, of which a block is all zeros, and small arrays."""
    table = np.random.default_rng(1).normal(size=(30, 4, 2)).astype(np.float32)
    table[:10] = 0
    lazy = da.from_array(table, chunks=(5, -1, -1))
    return (
        small_result()
        .drop_vars(["offset", "frame"])
        .assign(displacement=(("frame", "point", "axis"), lazy))
    )


def save(store: ResultStore) -> xr.Dataset:
    """Store a result whose table is written block by block, and return it."""
    lazy = large_result()
    with store.new("track", "abc") as new:
        new.finish(new.write_tables(lazy).compute())
    return lazy.compute()


def damaged_files(folder: Path) -> Iterator[str]:
    """Flip bytes in every file of a folder in turn, then cut, empty and remove it."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        where = path.relative_to(folder).as_posix()
        for position in np.unique(np.linspace(0, len(content) - 1, FLIPS).astype(int)):
            flipped = bytearray(content)
            flipped[position] ^= 1 << int(position) % 7
            path.write_bytes(flipped)
            yield f"{where} flipped at {position}"
        for kept in (len(content) // 2, 0):
            path.write_bytes(content[:kept])
            yield f"{where} cut to {kept}"
        path.unlink()
        yield f"{where} removed"
        path.write_bytes(content)


def test_damaged_frames_are_an_error_that_names_what_to_delete(store: Path) -> None:
    whole = skry.open_capture(store).compute()
    n_cases = 0
    for case in damaged_files(store):
        n_cases += 1
        try:
            found = skry.open_capture(store).compute()
        except (StoreError, skry.ReaderError) as error:
            message = str(error)
            assert message.startswith(str(store)), case
            assert "\n" not in message, case
            if (store / "zarr.json").exists():
                assert "delete it and import the capture again" in message or "schema" in message
        else:
            assert found.identical(whole), case  # such as a space in the metadata
            assert case.startswith("zarr.json flipped"), case
    assert n_cases >= 100
    xr.testing.assert_identical(skry.open_capture(store).compute(), whole)


def test_damaged_results_are_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LARGE_BYTES", 500)
    monkeypatch.setattr(tables, "BLOCK_BYTES", 10 * 4 * 2 * 4)
    results = ResultStore(tmp_path / "moon.skry")
    whole = save(results)
    n_cases = 0
    for case in damaged_files(results.path / "track" / "abc"):
        n_cases += 1
        known = len(results.damaged)
        found = results.find("track", "abc")
        if found is None:
            assert len(results.damaged) == known + 1, case
            assert "track is computed again: its result was damaged" in results.damaged[-1]
            save(results)
        else:
            xr.testing.assert_identical(found.compute(), whole)
            assert case.startswith("zarr.json flipped"), case
    assert n_cases >= 60


def test_frames_that_are_all_zeros_are_stored_and_missed(store: Path) -> None:
    black = [
        frame.__class__(i, np.zeros_like(IMAGES[0])) for i, frame in enumerate(decoded_frames())
    ]
    write_frames(store, INFO, black, {"digest": "e", "source": "moon.mp4", "bits": 12})
    assert not skry.open_capture(store)["frames"].to_numpy().any()
    (store / "frames/c/2/0/0").write_bytes(b"")
    with pytest.raises(StoreError, match="delete it and import"):
        skry.open_capture(store)["frames"].compute()


def test_some_frames_of_a_store_are_read_as_if_all_had_been(store: Path) -> None:
    frames = xr.open_dataset(store, engine="skry")["frames"].variable
    whole = frames.to_numpy()
    for key in ([0, 2], [0, 1, 4], [3, 3], [4, 0], []):
        np.testing.assert_array_equal(frames[key].to_numpy(), whole[key])
        some = np.array(key, int)
        np.testing.assert_array_equal(frames[some, 1, 2:5].to_numpy(), whole[some, 1, 2:5])
    np.testing.assert_array_equal(frames[1, [0, 3]].to_numpy(), whole[1][[0, 3]])
