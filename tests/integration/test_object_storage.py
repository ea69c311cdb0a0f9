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
from skry_dask.errors import StoreError
from skry_dask.io import remote, remote_errors
from skry_dask.io.remote import RemotePath
from skry_dask.store.blobs import UrlBlobs
from skry_dask.store.folder import IMPORT
from skry_dask.store.storage import storage_at
from tests.object_storage import CREDENTIALS, Proxy, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command_line import CommandLine

DEADLINE = 15.0
"""Longest time until an error is told, s."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server, the same for all tests."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def proxy(
    server: Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Proxy]:
    """The way to the server, with an empty bucket named after the test."""
    monkeypatch.setattr(remote, "FIRST_PAUSE", timedelta(milliseconds=2))
    monkeypatch.setattr(remote_errors, "LOST_SECONDS", 1.0)
    proxy = Proxy(server.address)
    server.use(monkeypatch, proxy.port)
    server.make_bucket(bucket_of(request))
    yield proxy
    proxy.stop()
    remote._client.cache_clear()


@pytest.fixture
def bucket(proxy: Proxy, request: pytest.FixtureRequest) -> str:
    """URL of the bucket."""
    return f"s3://{bucket_of(request)}"


def bucket_of(request: pytest.FixtureRequest) -> str:
    return request.node.name.split("[")[0].replace("_", "-")[:60].strip("-")


def test_results_and_images_on_object_storage_are_those_of_a_folder(
    moon_ser: Path, tmp_path: Path, cli: CommandLine, bucket: str, proxy: Proxy
) -> None:
    local = skry.run(moon_ser, output=tmp_path / "moon.tif", table=True)
    proxy.failing = 0.25
    flags = ("--store", f"{bucket}/moon.skry", "-o", f"{bucket}/out/moon.tif", "--table")
    status, _, err = cli("stack", moon_ser, *flags)
    assert status == 0, err
    assert proxy.n_failed > 10
    results = skry.open_results(f"{bucket}/moon.skry")
    np.testing.assert_array_equal(results["stack"]["stack"], local["stack"])
    for name in ("moon.tif", "moon_points.csv", "moon_frame_quality.csv"):
        content = RemotePath(f"{bucket}/out/{name}").read_bytes()
        assert content == (tmp_path / name).read_bytes(), name
    assert [path.name for path in tmp_path.iterdir() if ":" in path.name] == []
    proxy.failing = 0.0
    proxy.requests.clear()
    again = skry.run(moon_ser, store=f"{bucket}/moon.skry", output=f"{bucket}/out/moon.tif")
    phases = again.attrs["summary"]["phases"].values()
    assert {phase["status"] for phase in phases} == {"reused"}
    assert not [request for request in proxy.requests if request.startswith("PUT")]


def test_a_damaged_result_on_object_storage_is_computed_again(
    moon_ser: Path, bucket: str, proxy: Proxy
) -> None:
    place = f"{bucket}/moon.skry"
    first = skry.run(moon_ser, store=place)
    name = next(name for name in RemotePath(place).files() if name.endswith("/stack/c.0.0"))
    for damage in (lambda content: content[:-1], lambda _: None):
        content = RemotePath(f"{place}/{name}").read_bytes()
        changed = damage(content)
        if changed is None:
            RemotePath(place).delete_files([name])
        else:
            RemotePath(f"{place}/{name}").write_bytes(changed)
        again = skry.run(moon_ser, store=place)
        statuses = {k: v["status"] for k, v in again.attrs["summary"]["phases"].items()}
        assert (statuses["track"], statuses["stack"]) == ("reused", "ran")
        np.testing.assert_array_equal(again["stack"], first["stack"])


def test_an_import_goes_on_where_the_server_left_it(
    moon_ser: Path, bucket: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skry_dask.store.frames.CHUNK_BYTES", 2**14)
    place = f"{bucket}/moon.skry"

    def leave(done: int, _: int | None) -> None:
        if done > 10:
            proxy.is_gone = True

    began = time.perf_counter()
    with pytest.raises(StoreError, match=r"cannot be reached: the server does not answer"):
        skry.import_capture(moon_ser, place, progress=leave)
    assert time.perf_counter() - began < DEADLINE
    proxy.is_gone = False
    with pytest.raises(StoreError, match="not a store"):
        skry.open_capture(place)
    n_finished = len(UrlBlobs(RemotePath(place) / IMPORT).list("shards"))
    finished = {f"frames/c/{i}/0/0" for i in range(n_finished)}
    proxy.requests.clear()
    proxy.failing = 0.2
    capture = skry.import_capture(moon_ser, place)
    np.testing.assert_array_equal(capture["frames"], skry.open_capture(moon_ser)["frames"])
    puts = [r.split("moon.skry/")[1] for r in proxy.requests if r.startswith("PUT") and "/c/" in r]
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


@pytest.mark.cluster
def test_a_store_on_object_storage_is_stacked_by_two_workers(
    moon_ser: Path, bucket: str, proxy: Proxy
) -> None:
    from distributed import Client, LocalCluster

    expected = skry.run(moon_ser)["stack"]
    place = f"{bucket}/moon.skry"
    skry.import_capture(moon_ser, place)
    proxy.failing = 0.2
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        result = skry.run(place, store=place)
    np.testing.assert_array_equal(result["stack"], expected)
    assert proxy.n_failed > 10


def test_a_server_that_is_gone_ends_a_job_at_its_next_request(
    moon_ser: Path, bucket: str, proxy: Proxy
) -> None:
    def leave(progress: skry.Progress) -> None:
        proxy.is_gone = proxy.is_gone or progress.phase == "track"

    place = f"{bucket}/moon.skry"
    began = time.perf_counter()
    with pytest.raises(StoreError, match=r"cannot be reached: the server does not answer"):
        skry.run(moon_ser, store=place, progress=leave)
    assert time.perf_counter() - began < DEADLINE
    proxy.is_gone = False
    again = skry.run(moon_ser, store=place)
    np.testing.assert_array_equal(again["stack"], skry.run(moon_ser)["stack"])


def test_what_cannot_be_reached_is_one_line_and_a_remedy(
    moon_ser: Path, cli: CommandLine, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
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


def test_credentials_stay_where_they_are(moon_ser: Path, bucket: str) -> None:
    place = f"{bucket}/moon.skry"
    capture = skry.import_capture(moon_ser, place)
    result = skry.run(place, store=place, output=f"{bucket}/moon.tif")
    storage = storage_at(RemotePath(place))
    group = zarr.open_group(storage, mode="r")
    kept = [pickle.dumps(capture), pickle.dumps(storage), pickle.dumps(group)]
    kept += [pickle.dumps(result.attrs)]
    names = RemotePath(bucket).files()
    kept += [RemotePath(f"{bucket}/{name}").read_bytes() or b"" for name in names]
    for secret in CREDENTIALS.values():
        assert not any(secret.encode() in content for content in kept)
