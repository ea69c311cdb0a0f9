"""An input is resolved once: what it is, what it is called, where its results go."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import skry_dask as skry
from skry_dask.capture.source import EncodedSource, RawSource, StoreSource, resolve
from skry_dask.errors import OptionsError, ReaderError, SkryError
from skry_dask.options import ReadOptions
from tests.web_server import WholeFiles, serving

if TYPE_CHECKING:
    from pathlib import Path


def images(folder: Path, n_images: int = 3) -> list[str]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"moon_{i}.tif" for i in range(n_images)]
    for i, path in enumerate(paths):
        tifffile.imwrite(path, np.full((8, 9), i, np.uint8))
    return [str(path) for path in paths]


def test_each_kind_of_input_says_what_it_is(moon_ser: Path, tmp_path: Path) -> None:
    store, shots = tmp_path / "kept.skry", tmp_path / "shots"
    skry.import_capture(moon_ser, store)
    names = images(shots)
    for given, kind, random_access, home, name in (
        (moon_ser, RawSource, True, tmp_path / "moon.skry", str(moon_ser)),
        (store, StoreSource, True, store, str(store)),
        (shots, EncodedSource, False, tmp_path / "shots.skry", str(shots)),
        (names, EncodedSource, False, shots / "moon_0.skry", names[0]),
        (f"{shots}/moon_*.tif", EncodedSource, False, shots / "moon.skry", f"{shots}/moon_*.tif"),
    ):
        source = resolve(given)
        assert type(source) is kind
        assert (source.random_access, source.home, source.name) == (random_access, home, name)
        assert source.digest == skry.open_capture(given).attrs["digest"]
        # Only a source that must be decoded has a phase for it.
        assert source.open().decoded is (None if random_access else False)


def test_a_header_is_known_before_anything_is_decoded(tmp_path: Path) -> None:
    source = resolve(images(tmp_path), ReadOptions(cfa="RGGB"))
    assert (source.header.n_frames, source.header.frame_shape) == (3, (8, 9))
    assert source.header.dtype == "uint8"
    assert "cfa" not in source.header.attrs
    assert source.attrs["cfa"] == "RGGB"
    assert list(tmp_path.glob("*.skry")) == []


def test_options_that_do_not_fit_are_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    source = resolve(images(tmp_path), ReadOptions(bits=12))
    with pytest.raises(OptionsError, match=r"bits is 12, but .* has samples of 8 bits"):
        source.open()
    assert list(tmp_path.glob("*.skry")) == []


def test_a_source_travels_to_other_processes(moon_ser: Path, tmp_path: Path) -> None:
    skry.import_capture(moon_ser, tmp_path / "kept.skry")
    for given in (moon_ser, tmp_path / "kept.skry", images(tmp_path / "shots")):
        source = pickle.loads(pickle.dumps(resolve(given)))
        expected = skry.open_capture(given)["frames"][1].to_numpy()
        np.testing.assert_array_equal(source.open().capture["frames"][1], expected)


def test_results_without_frames_are_no_capture(moon_ser: Path, tmp_path: Path) -> None:
    skry.run(moon_ser, quick=True, store=tmp_path / "results.skry")
    with pytest.raises(ReaderError, match="holds results, no frames: give the video"):
        resolve(tmp_path / "results.skry")


def test_files_of_the_input_and_files_that_would_be_are_told_from_others(
    moon_ser: Path, tmp_path: Path
) -> None:
    shots = tmp_path / "shots"
    names = images(shots)
    if os.name == "posix":  # on Windows, links take a permission
        (tmp_path / "link").symlink_to(shots, target_is_directory=True)
        links = ["link/new.tif", "link/moon_2.tif"]
        assert all(resolve(shots).includes(tmp_path / name) for name in links)
        assert resolve(names).includes(tmp_path / "link/moon_2.tif")
    for given, inside, outside in (
        (moon_ser, ["moon.ser"], ["moon.tif", "shots/moon_0.tif"]),
        (shots, ["shots/moon_0.tif", "shots/new.tif"], ["new.tif", "no/new.tif"]),
        (names, ["shots/moon_2.tif"], ["shots/new.tif"]),
        (f"{shots}/*.tif", ["shots/moon_2.tif", "shots/new.tif"], ["shots/new.png", "moon_2.tif"]),
    ):
        source = resolve(given)
        assert all(source.includes(tmp_path / name) for name in inside), given
        assert not any(source.includes(tmp_path / name) for name in outside), given


def test_a_raw_video_is_read_in_place_from_a_web_server(moon_ser: Path, tmp_path: Path) -> None:
    frames = skry.open_capture(moon_ser)["frames"].to_numpy()
    with serving(tmp_path) as url:
        capture = skry.open_capture(f"{url}/moon.ser?X-Amz-Signature=secret")
        assert capture.attrs["source"] == f"{url}/moon.ser"
        assert capture.attrs["digest"] == resolve(moon_ser).digest
        np.testing.assert_array_equal(capture["frames"][5:9], frames[5:9])
        source = resolve(f"{url}/moon.ser", ReadOptions(verify=True))
        assert source.digest == resolve(moon_ser, ReadOptions(verify=True)).digest
        os.utime(moon_ser, (1, 1))
        with pytest.raises(SkryError, match="has changed while it was read"):
            capture["frames"].compute()
    with serving(tmp_path, WholeFiles) as url, pytest.raises(SkryError, match="whole files only"):
        resolve(f"{url}/moon.ser")
