"""A capture is decoded into a store once, and never in place of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import skry_dask as skry
from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.raw.ser import write_ser
from skry_dask.options import ReadOptions
from skry_dask.simulation.simulate import write_capture

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(6)


def test_importing_twice_decodes_once(moon_ser: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int | None]] = []
    for _ in range(2):
        skry.import_capture(
            moon_ser, tmp_path / "a.skry", progress=lambda *call: calls.append(call)
        )
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert calls[-1] == (40, 40)


def test_a_store_is_not_imported_into_another(moon_ser: Path, tmp_path: Path) -> None:
    skry.import_capture(moon_ser, tmp_path / "a.skry")
    with pytest.raises(ReaderError, match=r"a\.skry is a store already: copy the folder"):
        skry.import_capture(tmp_path / "a.skry", tmp_path / "b.skry")


def test_importing_over_something_else_is_refused(moon_ser: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("dear")
    with pytest.raises(StoreError, match="not a store"):
        skry.import_capture(moon_ser, tmp_path / "taken")
    assert (tmp_path / "taken" / "letter.txt").read_text() == "dear"


def test_frames_of_another_capture_are_never_replaced(moon_ser: Path, tmp_path: Path) -> None:
    skry.import_capture(moon_ser, tmp_path / "kept.skry")
    other = tmp_path / "other.ser"
    write_capture(other, skry.simulate("moon", skry.SimulateOptions(frames=3, height=40, width=50)))
    with pytest.raises(StoreError, match=r"kept\.skry holds another capture .*moon\.ser"):
        skry.import_capture(other, tmp_path / "kept.skry")
    assert skry.open_capture(tmp_path / "kept.skry").sizes["frame"] == 40


def test_a_capture_that_changes_while_it_is_decoded_is_not_kept(
    moon_ser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skry_dask.store.frames.files.MAX_CHUNK_FRAMES", 16)
    monkeypatch.setattr("skry_dask.store.frames.into_folder.MAX_PARALLEL", 1)

    def change(*_: object) -> None:
        moon_ser.write_bytes(moon_ser.read_bytes()[:-1] + b"1")

    with pytest.raises(ReaderError, match=r"moon\.ser has changed while it was read: run"):
        skry.import_capture(moon_ser, tmp_path / "a.skry", progress=change)
    assert not (tmp_path / "a.skry" / "frames").exists()
    skry.import_capture(moon_ser, tmp_path / "a.skry")


def test_an_import_that_was_killed_early_may_be_repeated(moon_ser: Path, tmp_path: Path) -> None:
    store = tmp_path / "a.skry"
    store.mkdir()
    (store / "zarr.0123456789abcdef.partial").write_text("{")
    assert skry.import_capture(moon_ser, store).sizes["frame"] == 40


def test_a_changed_capture_replaces_its_own_frames(moon_ser: Path, tmp_path: Path) -> None:
    skry.import_capture(moon_ser, tmp_path / "kept.skry")
    moon_ser.write_bytes(moon_ser.read_bytes()[: 178 + 180 * 240 * 30])
    assert skry.import_capture(moon_ser, tmp_path / "kept.skry").sizes["frame"] == 30
    assert not list((tmp_path / "kept.skry").glob("*partial*"))


@pytest.mark.parametrize("colour", ["GBRG", "RGB"])
def test_an_imported_capture_remembers_how_it_was_read(colour: str, tmp_path: Path) -> None:
    shape = (9, 10, 12, 3) if colour == "RGB" else (9, 10, 12)
    frames = RNG.integers(0, 256, shape).astype(np.uint8)
    path, store = tmp_path / "a.ser", tmp_path / "kept.skry"
    in_file, cfa = ("RGB", None) if colour == "RGB" else ("mono", colour)
    write_ser(path, frames, n_frames=9, height=10, width=12, bits=8, colour=in_file)
    imported = skry.import_capture(path, store, ReadOptions(cfa=cfa))
    for capture in (imported, skry.open_capture(store)):
        np.testing.assert_array_equal(capture["frames"], frames)
        assert capture.attrs.get("cfa") == cfa
        assert ("channel" in capture.coords) is (colour == "RGB")


def test_images_are_decoded_once_however_they_are_read(tmp_path: Path) -> None:
    shots = tmp_path / "shots"
    shots.mkdir()
    for i in range(3):
        tifffile.imwrite(shots / f"{i}.tif", np.full((8, 9), i, np.uint8))
    decoded: list[int] = []
    for read in (None, ReadOptions(cfa="RGGB"), None):
        capture = skry.open_capture(shots, read, progress=lambda done, _: decoded.append(done))
        assert capture["frames"].to_numpy()[:, 0, 0].tolist() == [0, 1, 2]
        assert capture.attrs["source"] == str(shots)
    assert decoded == [3]
    assert [path.name for path in tmp_path.iterdir() if path.suffix] == ["shots.skry"]
