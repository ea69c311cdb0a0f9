"""Stores, images and results on object storage: the same bits as in folders, whatever fails."""

from __future__ import annotations

import pickle
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

import skry_dask as skry
from skry_dask.capture.source import resolve
from skry_dask.errors import SkryError, StoreError
from skry_dask.io import remote, remote_errors
from skry_dask.io.images.write import write_image
from skry_dask.io.raw.avi import write_avi
from skry_dask.io.remote import RemotePath
from skry_dask.store.pieces.blobs import UrlBlobs
from skry_dask.store.places.folder import IMPORT
from skry_dask.store.places.storage import storage_at
from skry_dask.store.results import tables
from tests.filter_images import Filter, disc, through
from tests.forked_processes import worker_processes
from tests.object_storage import CREDENTIALS, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command_line import CommandLine

DEADLINE = 15.0
"""Longest time until an error is told, s."""


@pytest.fixture(scope="module")
def one_server() -> Iterator[Server]:
    """A server, the same for all tests."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def server(
    one_server: Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """The server, with an empty bucket named after the test."""
    monkeypatch.setattr(remote, "FIRST_PAUSE", timedelta(milliseconds=2))
    monkeypatch.setattr(remote_errors, "LOST_SECONDS", 1.0)
    one_server.use(monkeypatch)
    one_server.begin(bucket_of(request))
    yield one_server
    remote._client.cache_clear()


@pytest.fixture
def bucket(server: Server, request: pytest.FixtureRequest) -> str:
    """URL of the bucket."""
    return f"s3://{bucket_of(request)}"


def bucket_of(request: pytest.FixtureRequest) -> str:
    return request.node.name.split("[")[0].replace("_", "-")[:60].strip("-")


def test_results_and_images_on_object_storage_are_those_of_a_folder_and_without_secrets(
    moon_ser: Path, tmp_path: Path, cli: CommandLine, bucket: str, server: Server
) -> None:
    local = skry.run(moon_ser, quick=True, output=tmp_path / "moon.tif", table=True)
    server.failing = 0.25
    flags = ("--store", f"{bucket}/moon.skry", "-o", f"{bucket}/out/moon.tif", "--table")
    status, _, err = cli("stack", moon_ser, "--quick", *flags)
    assert status == 0, err
    assert server.n_failed > 10
    results = skry.open_results(f"{bucket}/moon.skry")
    np.testing.assert_array_equal(results["stack"]["stack"], local["stack"])
    for name in ("moon.tif", "moon_points.csv", "moon_frames.csv"):
        content = RemotePath(f"{bucket}/out/{name}").read_bytes()
        assert content == (tmp_path / name).read_bytes(), name
    assert [path.name for path in tmp_path.iterdir() if ":" in path.name] == []
    server.failing = 0.0
    server.requests.clear()
    again = skry.run(
        moon_ser, quick=True, store=f"{bucket}/moon.skry", output=f"{bucket}/out/moon.tif"
    )
    phases = again.attrs["summary"]["phases"].values()
    assert {phase["status"] for phase in phases} == {"reused"}
    assert not [request for request in server.requests if request.startswith("PUT")]
    storage = storage_at(RemotePath(f"{bucket}/moon.skry"))
    kept = [
        pickle.dumps(storage),
        pickle.dumps(zarr.open_group(storage, mode="r")),
        pickle.dumps(again),
    ]
    names = RemotePath(bucket).files()
    kept += [RemotePath(f"{bucket}/{name}").read_bytes() or b"" for name in names]
    for secret in CREDENTIALS.values():
        assert not any(secret.encode() in content for content in kept)


def test_a_movie_of_stacks_at_urls_is_that_of_files(
    tmp_path: Path, cli: CommandLine, bucket: str
) -> None:
    names = [f"stack-{i}.png" for i in range(3)]
    for i, name in enumerate(names):
        image = through(disc((48, 64), 15.0, (24.0, 32.0)), Filter(shift=(i, -i)))
        write_image(tmp_path / name, image, kind="png16", metadata={})
        RemotePath(f"{bucket}/{name}").write_bytes((tmp_path / name).read_bytes())
    for output in ("m.gif", "m-%d.png"):
        urls = [f"{bucket}/{name}" for name in names]
        status, out, err = cli("timelapse", *urls, "-o", f"{bucket}/out/{output}")
        assert status == 0, err
        assert f"{bucket}/out/{output}: 3 pictures" in out
        assert cli("timelapse", *(tmp_path / name for name in names), "-o", output)[0] == 0
    for name in ("m.gif", "m-1.png", "m-3.png"):
        content = RemotePath(f"{bucket}/out/{name}").read_bytes()
        assert content == (cli.folder / name).read_bytes()
    status, out, _ = cli("timelapse", *urls[:2], "-o", f"{bucket}/out/m-%d.png")
    assert "m-3.png and those after it are of an earlier movie" in out
    status, _, err = cli("timelapse", *urls, "-o", f"{bucket}/stack-%d.png")
    assert (status, err.count("\n")) == (1, 1)
    assert "stack-1.png would be overwritten by the movie" in err


def test_a_damaged_result_on_object_storage_is_computed_again(
    moon_ser: Path, bucket: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LARGE_BYTES", 1000)  # tasks write tables themselves
    place = f"{bucket}/moon.skry"
    first = skry.run(moon_ser, quick=True, store=place)
    name = next(name for name in RemotePath(place).files() if name.endswith("/stack/c.0.0"))
    content = RemotePath(f"{place}/{name}").read_bytes() or b""
    RemotePath(f"{place}/{name}").write_bytes(content[:-1])
    again = skry.run(moon_ser, quick=True, store=place)
    statuses = {k: v["status"] for k, v in again.attrs["summary"]["phases"].items()}
    assert (statuses["track"], statuses["stack"]) == ("reused", "ran")
    np.testing.assert_array_equal(again["stack"], first["stack"])
    RemotePath(place).delete_files([name])
    with pytest.raises(StoreError, match="has lost the file"):
        skry.open_results(place)["stack"].load()


def test_an_import_goes_on_where_the_server_left_it(
    moon_ser: Path, bucket: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skry_dask.store.frames.files.CHUNK_BYTES", 2**14)
    place = f"{bucket}/moon.skry"

    def leave(done: int, _: int | None) -> None:
        if done > 10:
            server.is_gone = True

    began = time.perf_counter()
    with pytest.raises(StoreError, match=r"cannot be reached: the server does not answer"):
        skry.import_capture(moon_ser, place, progress=leave)
    assert time.perf_counter() - began < DEADLINE
    server.is_gone = False
    with pytest.raises(StoreError, match="not a store"):
        skry.open_capture(place)
    n_finished = len(UrlBlobs(RemotePath(place) / IMPORT).list("shards"))
    finished = {f"frames/c/{i}/0/0" for i in range(n_finished)}
    server.requests.clear()
    server.failing = 0.2
    capture = skry.import_capture(moon_ser, place)
    np.testing.assert_array_equal(capture["frames"], skry.open_capture(moon_ser)["frames"])
    puts = [r.split("moon.skry/")[1] for r in server.requests if r.startswith("PUT") and "/c/" in r]
    assert finished
    assert not finished & set(puts)
    assert not [name for name in RemotePath(place).files() if name.startswith(IMPORT)]


def test_two_imports_do_not_mix_their_frames(moon_ser: Path, tmp_path: Path, bucket: str) -> None:
    place = f"{bucket}/moon.skry"
    shard = RemotePath(place) / "frames/c/0/0/0"
    UrlBlobs(RemotePath(place) / IMPORT).put("shards/000000", b'["another", [], [], [], 0, 0, 0]')
    for words in ("another import has written into .* s ago: wait",):
        with pytest.raises(StoreError, match=words):
            skry.import_capture(moon_ser, place)
    RemotePath(place).delete_files(list(RemotePath(place).files()))
    assert shard.write_new(b"frames")
    assert shard.write_new(b"frames")  # the answer to the first may have been lost
    assert not shard.write_new(b"other frames")
    skry.import_capture(moon_ser, place)
    moon_ser.write_bytes(moon_ser.read_bytes()[:-5000])  # an earlier state of the capture
    again = skry.import_capture(moon_ser, place)
    np.testing.assert_array_equal(again["frames"], skry.open_capture(moon_ser)["frames"])


def test_a_raw_video_at_a_url_is_read_in_place_by_few_requests(
    moon_ser: Path, tmp_path: Path, bucket: str, server: Server
) -> None:
    frames = skry.open_capture(moon_ser)["frames"].to_numpy()
    n_frames, height, width = frames.shape
    avi = tmp_path / "moon.avi"
    write_avi(avi, frames, n_frames=n_frames, height=height, width=width, fps=25.0)
    for local, n_headers in ((moon_ser, 8), (avi, n_frames + 16)):
        url = f"{bucket}/{local.name}"
        RemotePath(url).write_bytes(local.read_bytes())
        server.failing = 0.1
        source = resolve(url)
        assert source.digest == resolve(local).digest
        assert len(server.requests) - server.n_failed < n_headers + 128 + 16
        assert source.home is None
        capture = skry.open_capture(url)
        server.failing = 0.0
        server.requests.clear()
        np.testing.assert_array_equal(capture["frames"], frames)
        assert len(server.requests) <= capture["frames"].data.npartitions * 5
        part = capture["frames"][3:9, 10:20, 5:15]
        np.testing.assert_array_equal(part, frames[3:9, 10:20, 5:15])
        RemotePath(url).write_bytes(local.read_bytes()[:-1] + b"?")
        with pytest.raises(SkryError, match="has changed while it was read"):
            capture["frames"].compute()
        with pytest.raises(SkryError, match="has changed while it was read"):
            source.check_unchanged()
        server.requests.clear()
        server.n_failed = 0
    with pytest.raises(SkryError, match="there is no such file; check the URL"):
        resolve(f"{bucket}/none.ser")
    RemotePath(f"{bucket}/moon.txt").write_bytes(b"Dear diary")
    with pytest.raises(SkryError, match="no SER and no uncompressed AVI"):
        resolve(f"{bucket}/moon.txt")


@pytest.mark.cluster
def test_two_workers_stack_a_store_and_a_raw_video_on_object_storage(
    moon_ser: Path, bucket: str, server: Server
) -> None:
    from distributed import Client

    expected = skry.run(moon_ser, quick=True)["stack"]
    place, video = f"{bucket}/moon.skry", f"{bucket}/moon.ser"
    skry.import_capture(moon_ser, place)
    RemotePath(video).write_bytes(moon_ser.read_bytes())
    server.failing = 0.2
    with worker_processes(env=server.environment) as cluster, Client(cluster):
        for source in (place, video):
            store = place if source == place else moon_ser.parent / "results.skry"
            result = skry.run(source, quick=True, store=store)
            np.testing.assert_array_equal(result["stack"], expected)
    assert server.n_failed > 20
    assert not [path.name for path in moon_ser.parent.iterdir() if ":" in path.name]


def test_a_server_that_is_gone_ends_a_job_at_its_next_request(
    moon_ser: Path, bucket: str, server: Server
) -> None:
    def leave(progress: skry.Progress) -> None:
        server.is_gone = server.is_gone or progress.phase == "track"

    place = f"{bucket}/moon.skry"
    began = time.perf_counter()
    with pytest.raises(StoreError, match=r"cannot be reached: the server does not answer"):
        skry.run(moon_ser, quick=True, store=place, progress=leave)
    assert time.perf_counter() - began < DEADLINE
    server.is_gone = False
    again = skry.run(moon_ser, quick=True, store=place)
    np.testing.assert_array_equal(again["stack"], skry.run(moon_ser, quick=True)["stack"])


def test_what_cannot_be_reached_is_one_line_and_a_remedy(
    moon_ser: Path, cli: CommandLine, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (
        ("stack", moon_ser, "--store", "s3://no-such-bucket/a.skry", "-o", "moon.tif"),
        ("stack", moon_ser, "-o", "s3://no-such-bucket/moon.tif"),
        ("import", moon_ser, "s3://no-such-bucket/moon.skry"),
        ("info", "s3://no-such-bucket/moon.skry"),
    ):
        status, out, err = cli(*command)
        assert (status, out, len(err.splitlines())) == (1, "", 1)
        assert "the bucket does not exist; check its name" in err
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-without-its-secret")
    status, _, err = cli("info", "s3://bucket/moon.skry")
    assert (status, len(err.splitlines())) == (1, 1)
    assert "no credentials are found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in err


def test_blobs_at_a_url_are_whole_or_not_there(bucket: str, server: Server) -> None:
    folder = RemotePath(f"{bucket}/moon.skry/pieces")
    blobs = pickle.loads(pickle.dumps(UrlBlobs(folder)))
    for key in ("rows/track/a", "rows/track/b", "rows/tracks/c", "sums/d"):
        blobs.put(key, key.encode())
    blobs.put("sums/d", b"replaced")
    assert blobs.list("rows/track") == ["rows/track/a", "rows/track/b"]
    assert (blobs.get("sums/d"), blobs.get("sums/e")) == (b"replaced", None)
    (folder / "rows/track/b").write_bytes((folder / "rows/track/a").read_bytes() or b"")
    (folder / "sums/d").write_bytes(b"cut")
    assert (blobs.get("rows/track/b"), blobs.get("sums/d")) == (None, None)
    blobs.delete("rows/track")
    assert (blobs.list("rows"), blobs.list("sums")) == (["rows/tracks/c"], ["sums/d"])
    server.failing = 1.0
    with pytest.raises(StoreError, match=r"the server answers 50. .*; try again later"):
        blobs.put("sums/d", b"")
