"""What makes an input the same: a process that reads frames must see the same content as this one.

A worker of a cluster may have another file under the same name, or none. So frames that travel
carry an identity, and a process that gets them looks at the input once before it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from skry_dask.errors import ReaderError, SkryError
from skry_dask.io.remote import RemotePath
from skry_dask.io.remote_file import PinnedFile, pin
from skry_dask.store.digest import fingerprint
from skry_dask.store.places.folder import attributes_of

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.io.remote import Location


@dataclass(frozen=True, slots=True)
class FilesIdentity:
    """Files and their content.

    Parameters
    ----------
    files
        Absolute paths.
    digest
        Their `fingerprint`, by samples.
    """

    files: tuple[Path, ...]
    digest: str

    def problem(self) -> str:
        """Say in words what this process sees instead of these files; empty if it sees them."""
        missing = next((path for path in self.files if not path.exists()), None)
        if missing is not None:
            return f"there is no file {missing}"
        try:
            same = fingerprint(self.files) == self.digest
        except SkryError as error:
            return str(error)
        return "" if same else f"{self.files[0]} has another content"


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """A store of frames and its digest.

    Parameters
    ----------
    location
        Absolute path or URL.
    digest
        Attribute of the store.
    """

    location: Location
    digest: str

    def problem(self) -> str:
        """Say in words what this process sees instead of the store; empty if it sees it."""
        try:
            found = attributes_of(self.location).get("digest")
        except SkryError as error:
            return str(error)
        if found is None:
            return f"there is no store {self.location}"
        return "" if found == self.digest else f"{self.location} holds other frames"


@dataclass(frozen=True, slots=True)
class UrlIdentity:
    """A file at a URL, of a size and version.

    Parameters
    ----------
    file
        As it was seen first.
    """

    file: PinnedFile

    def problem(self) -> str:
        """Say in words what this process sees instead of the file; empty if it sees it."""
        try:
            found = pin(RemotePath(self.file.url))
        except SkryError as error:
            return str(error)
        if found is None:
            return f"there is no file {self.file}"
        return "" if found == self.file else f"{self.file} has another content"


Identity: TypeAlias = FilesIdentity | StoreIdentity | UrlIdentity

_SEEN: set[Identity] = set()
"""Inputs that this process has seen."""


def remember(identity: Identity) -> None:
    """Note that this process has seen an input, because it opened it."""
    _SEEN.add(identity)


def require_same(identity: Identity) -> None:
    """Make sure, once in each process, that it sees the same input as the one that opened it.

    Raises
    ------
    ReaderError
        If it does not.
    """
    if identity in _SEEN:
        return
    problem = identity.problem()
    if problem:
        raise ReaderError(
            f"a process that reads frames does not see the input ({problem}): give it the same "
            "files at the same place, or import the capture into a store that all of them see"
        )
    _SEEN.add(identity)
