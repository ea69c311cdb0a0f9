"""Opening stores: what is damaged, of another version or out of reach is refused in words."""

from __future__ import annotations

import functools
import http.server
import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

import skry_dask as skry
from skry_dask.errors import StoreError
from skry_dask.store.checked import sealed
from tests.stores import IMAGES, INFO, decoded_frames, write_frames

if TYPE_CHECKING:
    from collections.abc import Iterator


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


class _Silent(http.server.SimpleHTTPRequestHandler):
    """Python's own server, which ignores ranges of bytes."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class _Ranges(_Silent):
    """A server that knows ranges of bytes."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range")
        if wanted is None or not path.is_file():
            super().do_GET()
            return
        content = path.read_bytes()
        first, last = wanted.removeprefix("bytes=").split("-")
        start = int(first) if first else len(content) - int(last)
        stop = min(int(last) + 1, len(content)) if first and last else len(content)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        self.wfile.write(content[start:stop])


@pytest.fixture(params=[_Ranges])
def url(store: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The folder of the store over HTTP on the loopback interface."""
    handler = functools.partial(request.param, directory=str(store.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


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


@pytest.mark.parametrize("url", [_Silent], indirect=True)
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
