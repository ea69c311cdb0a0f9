"""Blobs: small files that keep unfinished work, by name, each whole or not at all.

A key is a path of names, such as ``rows/track/0123abcd/7f2e``. Its names are the same on every file
system: lower-case letters, digits, ``_``, ``-`` and inner dots, none that Windows reserves. Each
blob carries a SHA-256 over its key and content, so a blob that is damaged, cut short or renamed is
taken for one that does not exist. Therefore a blob needs no flush to the disk: what a crash of the
machine leaves of it is recognised, and costs only the work that it held.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from skry_dask.errors import StoreError
from skry_dask.io.atomic import explain_write_errors
from skry_dask.io.locks import open_locked, release
from skry_dask.unfinished import unfinished

if TYPE_CHECKING:
    import builtins

    from skry_dask.io.remote import Location, RemotePath

LEFTOVER_SECONDS = 24 * 3600
"""Age at which a temporary file on Windows is taken for that of a killed process."""

ATTEMPTS = 5
"""How often a blob is written whose folder others delete meanwhile."""

_MAGIC = b"skryblob1"
_SEAL_BYTES = len(_MAGIC) + hashlib.sha256().digest_size
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,62}[a-z0-9_-])?")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


class GoneError(StoreError):
    """A blob on which work was built is gone by now, or damaged: the work has to begin again."""


class Blobs(Protocol):
    """Where blobs are kept. Instances travel to the workers of a cluster, so they pickle."""

    def get(self, key: str) -> bytes | None:
        """Return the content of a blob; None if there is none, or it is damaged."""

    def put(self, key: str, content: bytes) -> None:
        """Write a blob, or replace it: whoever reads it gets the old content or the new one.

        Raises
        ------
        StoreError
            If it cannot be written.
        """

    def list(self, prefix: str) -> list[str]:
        """List the keys that begin with the names of a prefix, sorted; damaged blobs too."""

    def sweep(self) -> None:
        """Remove what processes have left that were killed while they wrote a blob."""

    def delete(self, prefix: str) -> None:
        """Delete all blobs whose keys begin with the names of a prefix, and what is left of others.

        A blob that cannot be deleted stays.
        """


def check_key(key: str) -> str:
    """Return a key, or a prefix of one, if every file system can have it.

    Raises
    ------
    StoreError
        If it cannot be a key.
    """
    for name in key.split("/"):
        if not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
            raise StoreError(
                f"{key!r} cannot be the key of a blob, because of {name!r}: use 1 to 64 lower-case "
                "letters, digits, '_', '-' and inner dots, and no name that Windows reserves"
            )
    return key


def seal_blob(key: str, content: bytes) -> bytes:
    """Put the checksum of a blob before its content."""
    return b"".join([_MAGIC, _checksum(key, content), content])


def unseal_blob(key: str, sealed: bytes) -> bytes | None:
    """Return the content of a blob as `seal_blob` made it; None if it is damaged."""
    content = sealed[_SEAL_BYTES:]
    if sealed[:_SEAL_BYTES] != _MAGIC + _checksum(key, content):
        return None
    return content


def _checksum(key: str, content: bytes) -> bytes:
    hashed = hashlib.sha256(key.encode() + b"\n")
    hashed.update(content)
    return hashed.digest()


class FolderBlobs:
    """Blobs in a folder on a local disk, made when the first is written and gone with the last.

    Parameters
    ----------
    folder
        Holds nothing but blobs.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     blobs = FolderBlobs(Path(folder) / "blobs")
    ...     blobs.put("rows/track/0", b"content")
    ...     blobs.get("rows/track/0"), blobs.list("rows"), blobs.get("rows/track/1")
    (b'content', ['rows/track/0'], None)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> bytes | None:
        """Return the content of a blob; None if there is none, or it is damaged."""
        try:
            sealed = self._path(key).read_bytes()
        except OSError:  # what cannot be read helps no one
            return None
        return unseal_blob(key, sealed)

    def put(self, key: str, content: bytes) -> None:
        """Write a blob, or replace it; see `Blobs.put`."""
        path = self._path(key)
        # Beside the blob, so that it is deleted with the other blobs if this process is killed.
        temporary = path.with_name(f".{secrets.token_hex(8)}")
        sealed = seal_blob(key, content)
        with explain_write_errors(self.folder), unfinished(temporary):
            for _ in range(ATTEMPTS - 1):
                # Another thread or process may delete the folder, empty or with all in it.
                with contextlib.suppress(FileNotFoundError):
                    self._write(path, temporary, sealed)
                    return
            self._write(path, temporary, sealed)

    def _write(self, path: Path, temporary: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as at_end:
            try:
                # Windows would lock this process out, too.
                handle = None if sys.platform == "win32" else open_locked(temporary)
                if handle is not None:
                    at_end.callback(os.close, handle)
                temporary.write_bytes(content)
                temporary.replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise

    def sweep(self) -> None:
        """Remove the temporary files of processes that were killed while they wrote a blob."""
        left: builtins.list[Path] = []
        with contextlib.suppress(OSError):  # another process removes folders meanwhile
            left.extend(self.folder.rglob(".*"))
        for path in left:
            with contextlib.suppress(OSError):  # it is being written, or gone
                if sys.platform == "win32":
                    if path.stat().st_mtime < time.time() - LEFTOVER_SECONDS:
                        path.unlink()
                elif (handle := open_locked(path)) is not None:
                    release(path, handle)
                    self._remove_empty(path)

    def list(self, prefix: str) -> builtins.list[str]:
        """List the keys that begin with the names of a prefix, sorted; damaged blobs too."""
        place = self._path(prefix)
        files = [place, *place.rglob("*")]
        keys = [path.relative_to(self.folder).as_posix() for path in files if path.is_file()]
        return sorted(key for key in keys if not key.rpartition("/")[2].startswith("."))

    def delete(self, prefix: str) -> None:
        """Delete all blobs whose keys begin with the names of a prefix; see `Blobs.delete`."""
        place = self._path(prefix)
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        with contextlib.suppress(OSError):
            place.unlink(missing_ok=True)
        self._remove_empty(place)

    def _remove_empty(self, path: Path) -> None:
        """Remove the folders above a path that are empty now."""
        with contextlib.suppress(OSError):  # the first folder that is not empty
            for folder in path.parents:
                folder.rmdir()
                if folder == self.folder:
                    break

    def _path(self, key: str) -> Path:
        return self.folder.joinpath(*check_key(key).split("/"))


class UrlBlobs:
    """Blobs in a folder at a URL, where each file is whole or not there by itself.

    Parameters
    ----------
    folder
        Holds nothing but blobs.
    """

    def __init__(self, folder: RemotePath) -> None:
        self.folder = folder

    def get(self, key: str) -> bytes | None:
        """Return the content of a blob; None if there is none, or it is damaged."""
        sealed = (self.folder / check_key(key)).read_bytes()
        return None if sealed is None else unseal_blob(key, sealed)

    def put(self, key: str, content: bytes) -> None:
        """Write a blob, or replace it; see `Blobs.put`."""
        (self.folder / check_key(key)).write_bytes(seal_blob(key, content))

    def list(self, prefix: str) -> builtins.list[str]:
        """List the keys that begin with the names of a prefix, sorted; damaged blobs too."""
        keys = [f"{prefix}/{name}" for name in (self.folder / check_key(prefix)).files()]
        if (self.folder / prefix).state() is not None:
            keys.append(prefix)
        return sorted(keys)

    def sweep(self) -> None:
        """Do nothing: what is not written whole is not there."""

    def delete(self, prefix: str) -> None:
        """Delete all blobs whose keys begin with the names of a prefix; see `Blobs.delete`."""
        with contextlib.suppress(StoreError):
            self.folder.delete_files(self.list(prefix))


def blobs_at(folder: Location) -> Blobs:
    """Return the blobs in a folder, or in one at a URL."""
    return FolderBlobs(folder) if isinstance(folder, Path) else UrlBlobs(folder)
