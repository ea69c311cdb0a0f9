"""Files at URLs: object storage and web servers.

The one module that uses obstore, which is imported with the first request. Credentials come from
the environment or from the provider's chain, wherever a request is made: they are in no value that
is stored, sent to workers or shown. What a URL itself holds of them, a password or a signed query,
is left out of its text.

Requests that fail for reasons that pass are repeated for `RETRY_SECONDS`, with growing pauses.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from skry_dask.errors import StoreError
from skry_dask.io.remote_errors import (
    ChangedError,
    error_code,
    explain_errors,
    is_lost,
    status_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

Location: TypeAlias = "Path | RemotePath"
"""Where a file or a folder is: on this machine, or at a URL."""

WRITABLE = {"s3": "S3Store", "s3a": "S3Store", "gs": "GCSStore", "az": "AzureStore"}
"""For each scheme of URLs that can be written the class of obstore."""

STORES = WRITABLE | {"https": "HTTPStore", "http": "HTTPStore"}
"""For each scheme of URLs the class of obstore."""

PREFIXES = ("AWS_", "GOOGLE_", "AZURE_")
"""Beginnings of the names of all environment variables that obstore reads."""

RETRY_SECONDS = 7.0
"""Time from the first try of a request after which it is not tried again."""

TIMEOUTS = {
    "probe": {"timeout": "8s"},
    "read": {"timeout": "120s", "read_timeout": "10s"},
    "write": {"timeout": "60s"},
}
"""Longest times of one try of a request that transfers little; of one that reads, in all and
without a byte; of one that writes, which is 8 MiB at 140 kB/s."""

TRIES = 20
"""Number of times that a request is tried again."""

TRIES_AFTER_LOSS = 4
"""The same where a server has just not answered at all, so that a job ends soon."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.1), timedelta(seconds=2)
"""Pauses between the tries of a request; the first ones double."""


def is_url(name: object) -> bool:
    """Return whether a name is a URL."""
    return isinstance(name, str) and "://" in name


def shown(name: str) -> str:
    """Return a name as it may be shown: of a URL neither a password nor a signed query."""
    if not is_url(name):
        return name
    scheme, _, rest = name.partition("://")
    server, slash, path = rest.partition("/")
    if scheme.lower() not in WRITABLE:  # where they may be part of a name
        server, path = re.split("[?#]", server)[0], re.split("[?#]", path)[0]
    return f"{scheme}://{server.rpartition('@')[2]}{slash}{path}"


def located(name: str | os.PathLike[str] | RemotePath) -> Location:
    """Return the place that a user has named.

    Raises
    ------
    StoreError
        If it is a URL of an unknown kind, or one that has become a path.
    """
    if isinstance(name, RemotePath):
        return name
    text = os.fspath(name)
    if is_url(text):
        return RemotePath(text)
    if scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]+):[\\/](?![\\/])", text):
        raise StoreError(f"{text} is no URL and no path: write {scheme[1]}:// and give it as text")
    return Path(name)


def absolute(place: Location) -> Location:
    """Return a place that is the same in every process, whatever its folder."""
    return place.absolute() if isinstance(place, Path) else place


class FileState(NamedTuple):
    """What a server says about a file.

    Parameters
    ----------
    size
        Bytes.
    version
        Changes with the content: its ETag, or the time of its last change.
    """

    size: int
    version: str


class ListedFile(NamedTuple):
    """A file in a folder.

    Parameters
    ----------
    size
        Bytes.
    written
        When it was written, UTC.
    """

    size: int
    written: datetime


@dataclass(frozen=True, slots=True, repr=False)
class RemotePath:
    """A file or a folder at a URL; as text without passwords and signatures.

    Parameters
    ----------
    url
        Such as ``s3://bucket/night/moon.ser``. A scheme of `STORES`.
    """

    url: str

    def __post_init__(self) -> None:
        if self.scheme not in STORES:
            raise StoreError(
                f"{self} has the unknown scheme {self.scheme}: give a URL of {', '.join(STORES)}"
            )
        if not urlsplit(self.url).netloc:
            raise StoreError(f"{self} names no {'server' if self.is_web else 'bucket'}: add it")

    @property
    def scheme(self) -> str:
        """Such as ``s3``."""
        return self.url.partition("://")[0].lower()

    @property
    def is_web(self) -> bool:
        """Whether it is a file of a web server, which can only be read."""
        return self.scheme not in WRITABLE

    @property
    def key(self) -> str:
        """Its place in the bucket, or on the web server."""
        path = self._split()[1].strip("/")
        return unquote(path) if self.is_web else path

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return Path(self.name).stem

    @property
    def suffix(self) -> str:
        """The last suffix of the name, such as ``.ser``."""
        return Path(self.name).suffix

    @property
    def parent(self) -> RemotePath:
        """The folder that it lies in."""
        return self._with_key(self.key.rpartition("/")[0])

    def with_name(self, name: str) -> RemotePath:
        """Return the file of another name in the same folder."""
        return self.parent / name

    def __truediv__(self, name: str) -> RemotePath:
        return self._with_key(f"{self.key}/{name}".strip("/"))

    def __str__(self) -> str:
        return shown(self.url)

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def _split(self) -> tuple[str, str, str]:
        """Return what is before the path, the path, and the query."""
        if self.is_web:
            parts = urlsplit(self.url)
            return f"{parts.scheme}://{parts.netloc}", parts.path, parts.query
        scheme, _, rest = self.url.partition("://")
        bucket, _, path = rest.partition("/")
        return f"{scheme}://{bucket}", path, ""

    def _with_key(self, key: str) -> RemotePath:
        root, _, query = self._split()
        if not self.is_web:
            return RemotePath(f"{root}/{key}")
        parts = urlsplit(root)
        return RemotePath(urlunsplit((parts.scheme, parts.netloc, f"/{quote(key)}", query, "")))

    # --- requests ---------------------------------------------------------------------------------

    def client(self, purpose: str) -> Any:
        """Return an obstore client whose root is this folder.

        Parameters
        ----------
        purpose
            One of `TIMEOUTS`.

        Raises
        ------
        StoreError
            If obstore is missing, or there are no credentials.
        """
        with explain_errors(self):
            import obstore.store

            kind = getattr(obstore.store, STORES[self.scheme])
            tries = TRIES_AFTER_LOSS if is_lost(self) else TRIES
            return _client(kind, self.url, purpose, tries, _settings())

    def _bucket(self, purpose: str) -> Any:
        return self._with_key("").client(purpose)

    def state(self) -> FileState | None:
        """Ask for size and version of a file; None if there is none."""
        options = {"range": (0, 1)}  # HEAD would not tell a missing bucket from a missing file
        with explain_errors(self):
            try:
                found = _obstore().get(self._bucket("probe"), self.key, options=options)
            except FileNotFoundError as error:
                if error_code(error) == "NoSuchBucket":
                    raise
                return None
            except Exception as error:
                if "416" in status_of(error):  # an empty file has no first byte
                    return FileState(0, "")
                raise
            return _state_of(found.meta)

    def read_bytes(self) -> bytes | None:
        """Read a whole file; None if there is none."""
        with explain_errors(self):
            try:
                return bytes(_obstore().get(self._bucket("read"), self.key).bytes())
            except FileNotFoundError as error:
                if error_code(error) == "NoSuchBucket":
                    raise
                return None

    def read_range(self, start: int, stop: int, version: str | None = None) -> memoryview:
        """Read bytes `start` to ``stop - 1`` of a file; fewer at its end.

        Parameters
        ----------
        start, stop
            Not empty.
        version
            As from `state`: another one is an error.
        """
        options: dict[str, Any] = {"range": (start, stop)}
        if version is not None and version.startswith(('"', "W/")):
            options["if_match"] = version
        with explain_errors(self):
            found = _obstore().get(self._bucket("read"), self.key, options=options)
            if version is not None and _state_of(found.meta).version != version:
                raise ChangedError
            return memoryview(found.bytes())

    def write_bytes(self, content: bytes) -> None:
        """Write a file: whoever reads it gets the old content or the new one."""
        self.check_writable()
        with explain_errors(self):
            _obstore().put(self._bucket("write"), self.key, content)

    def write_new(self, content: bytes) -> bool:
        """Write a file unless there is one; return whether it has this content now."""
        self.check_writable()
        with explain_errors(self):
            options = {"mode": "create", "use_multipart": False}
            try:
                _obstore().put(self._bucket("write"), self.key, content, **options)
            except Exception as error:
                if type(error).__name__ == "AlreadyExistsError":  # also after a lost answer
                    return self.read_bytes() == content
                raise
        return True

    def files(self) -> dict[str, ListedFile]:
        """List the files in a folder and in all folders within, by their names relative to it."""
        prefix = f"{self.key}/" if self.key else ""
        with explain_errors(self):
            batches = _obstore().list(self._bucket("read"), prefix=prefix or None)
            found = {str(meta["path"]): meta for batch in batches for meta in batch}
        return {
            path.removeprefix(prefix): ListedFile(int(meta["size"]), meta["last_modified"])
            for path, meta in sorted(found.items())
        }

    def folders(self) -> list[str]:
        """List the names of the folders in a folder."""
        prefix = f"{self.key}/" if self.key else ""
        with explain_errors(self):
            bucket = self._bucket("probe")
            found = _obstore().list_with_delimiter(bucket, prefix=prefix or None)
        return sorted(str(path).strip("/").rpartition("/")[2] for path in found["common_prefixes"])

    def delete_files(self, names: Sequence[str]) -> None:
        """Delete files of a folder, if they are there."""
        self.check_writable()
        if names:
            with explain_errors(self):
                keys = [f"{self.key}/{name}".strip("/") for name in names]
                _obstore().delete(self._bucket("probe"), keys)

    def check_writable(self) -> None:
        """Refuse what can only be read.

        Raises
        ------
        StoreError
            If it is on a web server.
        """
        if self.is_web:
            raise StoreError(
                f"{self} can only be read: write to {', '.join(f'{s}://' for s in WRITABLE)} or to "
                "a folder"
            )

    def check_folder(self) -> None:
        """Refuse a folder in which nothing can be written, as far as one short request shows.

        Raises
        ------
        StoreError
            If its bucket does not exist or cannot be reached, or credentials are missing or
            refused.
        """
        self.check_writable()
        with explain_errors(self):
            next(iter(_obstore().list(self._bucket("probe"), prefix=self.key or None)), None)


def _obstore() -> Any:
    import obstore

    return obstore


def _state_of(meta: Any) -> FileState:
    return FileState(int(meta["size"]), str(meta["e_tag"] or meta["last_modified"]))


def _settings() -> tuple[tuple[str, str], ...]:
    """Return the environment variables that clients take; others need other clients."""
    return tuple(item for item in os.environ.items() if item[0].startswith(PREFIXES))


@functools.lru_cache(maxsize=64)
def _client(kind: Any, url: str, purpose: str, tries: int, _: tuple[tuple[str, str], ...]) -> Any:
    scheme = url.partition("://")[0].lower()
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
    is_plain = scheme == "http" or (scheme.startswith("s3") and endpoint.startswith("http://"))
    client = {"connect_timeout": "4s", "allow_http": is_plain, **TIMEOUTS[purpose]}
    retries = {
        "max_retries": tries,
        "retry_timeout": timedelta(seconds=RETRY_SECONDS),
        "backoff": {"init_backoff": FIRST_PAUSE, "max_backoff": LONGEST_PAUSE, "base": 2},
    }
    return kind.from_url(url.rstrip("/"), client_options=client, retry_config=retries)
