"""Opening stores: what is damaged, of another version or out of reach is refused in words."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

import skry_dask as skry
from skry_dask.errors import StoreError
from skry_dask.store.places.checked import sealed
from tests.stores import IMAGES, INFO, decoded_frames, write_frames
from tests.web_server import Ranges, WholeFiles, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with 150 frames in three shards."""
    path = tmp_path / "moon.skry"
    attrs = {"digest": "d", "format": "test", "source": "moon.mp4", "bits": 12}
    write_frames(path, INFO, decoded_frames(), attrs)
    return path


def test_a_store_of_another_schema_is_refused(store: Path) -> None:
    zarr.open_group(store, mode="a").attrs["skry_schema"] = 99
    with pytest.raises(StoreError, match="schema 99"):
        skry.open_capture(store)


def test_a_store_that_lost_frames_is_not_taken_for_black(store: Path) -> None:
    (store / "frames" / "c" / "1" / "0" / "0").unlink()
    with pytest.raises(StoreError, match=r"has lost 1 of its 3 files of frames \(frames/c/1/0/0\)"):
        skry.open_capture(store)


@pytest.mark.parametrize("name", ["frames", "frame"])
def test_a_store_that_lost_an_array_is_refused(store: Path, name: str) -> None:
    (store / name / "zarr.json").unlink()
    with pytest.raises(StoreError, match=rf"lost the file {name}/zarr\.json.*delete it and import"):
        skry.open_capture(store)


# --- at a URL ------------------------------------------------------------------------------------


@pytest.fixture(params=[Ranges])
def url(store: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The folder of the store over HTTP on the loopback interface."""
    with serving(store.parent, request.param) as url:
        yield url


def test_a_store_is_read_from_its_url(store: Path, url: str) -> None:
    capture = skry.open_capture(f"{url}/moon.skry")
    np.testing.assert_array_equal(capture["frames"], IMAGES)
    assert capture.attrs["digest"] == "d"


def test_a_file_that_a_remote_store_has_lost_is_an_error(store: Path, url: str) -> None:
    (store / "frames/c/1/0/0").unlink()
    capture = skry.open_capture(f"{url}/moon.skry")
    with pytest.raises(
        StoreError, match=r"has lost the file frames/c/1/0/0\): delete it and import"
    ):
        capture["frames"].compute()


@pytest.mark.parametrize("url", [WholeFiles], indirect=True)
def test_a_server_that_ignores_ranges_of_bytes_sends_whole_files(url: str) -> None:
    capture = skry.open_capture(f"{url}/moon.skry")
    np.testing.assert_array_equal(capture["frames"][100:103], IMAGES[100:103])


def test_a_url_without_a_store_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="not a store"):
        skry.open_capture(f"{url}/nothing.skry")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(StoreError, match=r"pip install 'skry_dask\[cloud\]'"):
        skry.open_capture("s3://bucket/moon.skry")


def test_a_codec_that_no_store_of_ours_has_is_refused(store: Path) -> None:
    for codecs in ([{"name": "numcodecs.pickle"}], [{"name": "sharding_indexed"}]):
        if codecs[0]["name"] == "sharding_indexed":
            codecs[0]["configuration"] = {"codecs": [{"name": "numcodecs.pickle"}]}
        path = store / "frame" / "zarr.json"
        metadata = json.loads(path.read_bytes())
        path.write_text(json.dumps({**metadata, "codecs": codecs}))
        arrays = {
            f"{name}/zarr.json": (store / name / "zarr.json").read_bytes()
            for name in ("frames", "frame", "time")
        }
        (store / "zarr.json").write_bytes(sealed((store / "zarr.json").read_bytes(), arrays))
        with pytest.raises(StoreError, match=r"unknown codec 'numcodecs.pickle': make it again"):
            skry.open_capture(store)


def test_a_store_of_zarr_format_2_is_refused(tmp_path: Path, url: str) -> None:
    zarr.create_group(tmp_path / "old.skry", zarr_format=2)
    for location in (tmp_path / "old.skry", f"{url}/old.skry"):
        with pytest.raises(StoreError, match=r"format 3.*import the capture again"):
            skry.open_capture(location)
