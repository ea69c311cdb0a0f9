"""Noticing that files change while they are read: frames of two captures must not be mixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from skry_dask.capture.identity import FilesIdentity, UrlIdentity
from skry_dask.errors import ReaderError
from skry_dask.io.remote_file import PinnedFile
from skry_dask.store.digest import fingerprint
from skry_dask.store.places.folder import attributes_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from skry_dask.io.remote import Location
    from skry_dask.io.remote_file import FilePath


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesWatch:
    """The state of files when a job began, to be compared later.

    Parameters
    ----------
    files
        The files of a capture.
    states
        Of each file: size, time of its last change (ns), device and inode; and the time at which
        these last changed (ns), or None for a file that cannot be looked at.
    digest
        Their `fingerprint`.
    verify
        Whether it depends on all bytes.
    """

    files: tuple[Path, ...]
    states: tuple[tuple[int, ...] | None, ...]
    digest: str
    verify: bool

    @classmethod
    def begin(cls, files: Sequence[Path], *, verify: bool) -> FilesWatch:
        """Look at files for the first time.

        Raises
        ------
        ReaderError
            If a file cannot be read.
        """
        # Absolute: the working folder may change, and that of a worker is another one.
        files = tuple(path.absolute() for path in files)
        states = tuple(_state(path) for path in files)
        digest = fingerprint(files, verify=verify)
        return cls(files=files, states=states, digest=digest, verify=verify)

    def identity(self) -> FilesIdentity:
        """Return what another process has to see in order to read the same files."""
        digest = fingerprint(self.files) if self.verify else self.digest
        return FilesIdentity(self.files, digest)

    def check(self) -> None:
        """Look at the files again.

        Their content is only compared where nothing but the time of the last change of the inode
        differs, which another name or another owner changes, too.

        Raises
        ------
        ReaderError
            If a file has been written, replaced or removed.
        """
        for path, before in zip(self.files, self.states, strict=True):
            now = _state(path)
            if now == before:
                continue
            if now is None or before is None or now[:-1] != before[:-1] or not self._is_same():
                raise ReaderError(
                    f"{path} has changed while it was read: run the command again when it is "
                    "complete"
                )

    def _is_same(self) -> bool:
        return fingerprint(self.files, verify=self.verify) == self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlWatch:
    """The state of a file at a URL when a job began; see `FilesWatch`.

    Parameters
    ----------
    file
        With the size and version that were seen first, which every request names.
    digest
        Its `fingerprint`.
    """

    file: PinnedFile
    digest: str

    def identity(self) -> UrlIdentity:
        """Return what another process has to see in order to read the same file."""
        return UrlIdentity(self.file)

    def check(self) -> None:
        """Look at the file again.

        Raises
        ------
        ReaderError
            If it has been written, replaced or removed.
        """
        if problem := self.identity().problem():
            raise ReaderError(f"{problem}: it has changed while it was read, run the command again")


def watch_files(files: Sequence[FilePath], *, verify: bool) -> FilesWatch | UrlWatch:
    """Look for the first time at files on this machine, or at one at a URL.

    Raises
    ------
    ReaderError, StoreError
        If a file cannot be read.
    """
    first = files[0]
    if isinstance(first, PinnedFile):
        return UrlWatch(file=first, digest=fingerprint(files, verify=verify))
    return FilesWatch.begin(cast("Sequence[Path]", files), verify=verify)


def check_store(location: Location, digest: str) -> None:
    """Compare the digest of a store with what it was.

    Raises
    ------
    ReaderError
        If the frames of the store have been replaced or removed.
    """
    if attributes_of(location).get("digest") != digest:
        raise ReaderError(f"{location} has changed while it was read: run the command again")


def _state(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (
        status.st_size,
        status.st_mtime_ns,
        status.st_dev,
        status.st_ino,
        status.st_ctime_ns,
    )
