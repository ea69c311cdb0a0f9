"""Places at URLs: their parts, and that nothing secret is shown."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from skry_dask.errors import StoreError
from skry_dask.io import remote
from skry_dask.io.remote import RemotePath, located, shown
from skry_dask.io.remote_errors import UnreachableError, explain_errors

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("moon.ser", "moon.ser"),
        ("s3://bucket/night/moon.ser", "s3://bucket/night/moon.ser"),
        ("s3://bucket/what?.ser", "s3://bucket/what?.ser"),
        ("https://user:secret@host:80/a/moon.ser", "https://host:80/a/moon.ser"),
        ("https://host/moon.ser?X-Amz-Signature=secret#secret", "https://host/moon.ser"),
        ("https://host?sig=secret", "https://host"),
        ("s3://key:secret@bucket/moon.ser", "s3://bucket/moon.ser"),
        ("ftp://user:secret@host/moon.ser", "ftp://host/moon.ser"),
    ],
)
def test_neither_passwords_nor_signatures_are_shown(name: str, text: str) -> None:
    assert shown(name) == text
    if "://" not in name:
        return
    with pytest.raises(StoreError) as caught, explain_errors(located(name)):  # type: ignore[arg-type]
        raise RuntimeError(f"GET {name} of the key AKIA1")
    assert "secret" not in f"{caught.value!r}"
    assert "AKIA1" not in str(caught.value)
    assert text in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            "400 Bad Request: <Code>ExpiredToken</Code>",
            "have expired; get new .*AWS_SESSION_TOKEN$",
        ),
        ("403 Forbidden: <Code>RequestExpired</Code>", "refused .*; check that the credentials"),
        (
            "403 Forbidden: <Code>AccessDenied</Code>",
            r"refused \(AccessDenied\); check",
        ),
        ("404 Not Found: <Code>NoSuchBucket</Code>", "bucket does not exist; check its name"),
    ],
)
def test_what_a_service_refuses_is_told_with_a_remedy(answer: str, words: str) -> None:
    with pytest.raises(UnreachableError, match=words), explain_errors(RemotePath("s3://bucket/a")):
        raise OSError(f"Error after 0 retries, status code: {answer}")


def test_parts_of_a_url_are_those_of_a_path() -> None:
    for url in ("s3://bucket/a b/moon.tar.skry", "https://host/a%20b/moon.tar.skry?sig=1"):
        place = RemotePath(url)
        assert (place.name, place.stem, place.suffix) == ("moon.tar.skry", "moon.tar", ".skry")
        assert place.key == "a b/moon.tar.skry"
        assert (place.parent / "x.ser").key == "a b/x.ser"
        assert place.with_name("y").name == "y"
        assert (place / "c/0").key == "a b/moon.tar.skry/c/0"
        assert pickle.loads(pickle.dumps(place)) == place
    assert (RemotePath("https://host/a.ser?sig=1").parent / "b c").url == "https://host/b%20c?sig=1"
    assert RemotePath("s3://bucket").parent.key == ""


def test_a_url_never_becomes_a_folder() -> None:
    assert located("moon.skry") == Path("moon.skry")
    assert located("C:\\moon.skry") == Path("C:\\moon.skry")
    assert located("s3://bucket/moon.skry") == RemotePath("s3://bucket/moon.skry")
    for name, words in (
        (Path("s3://bucket/moon.skry"), "no URL and no path: write s3:// and give it as text"),
        ("gs:/bucket/moon.skry", "no URL and no path: write gs:// and give it as text"),
        ("ftp://host/moon.skry", "unknown scheme ftp: give a URL of s3"),
        ("s3:///moon.skry", "names no bucket"),
        ("https:///moon.skry", "names no server"),
    ):
        with pytest.raises(StoreError, match=words):
            located(name)


def test_a_web_server_is_only_read() -> None:
    place = RemotePath("https://host/moon.tif")
    for write in (place.check_folder, lambda: place.write_bytes(b""), place.check_writable):
        with pytest.raises(StoreError, match=r"can only be read: write to s3://, .*or to a folder"):
            write()


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Iterator[RemotePath]:
    """A bucket of a server that is not there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(remote, "TRIES", 1)
    monkeypatch.setattr(remote, "TRIES_AFTER_LOSS", 1)
    yield RemotePath("s3://bucket/moon.skry")
    remote._client.cache_clear()


def test_a_server_that_is_gone_is_told(gone: RemotePath) -> None:
    for ask in (gone.state, gone.read_bytes, gone.files, gone.folders, gone.check_folder):
        with pytest.raises(UnreachableError, match=r"does not answer; check the address"):
            ask()
