"""Folders and files that are gone in the end, also when a signal ends the process."""

from __future__ import annotations

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from skry_dask.errors import ReaderError
from skry_dask.unfinished import unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.io.remote import Location


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Provide a folder that is removed at the end, also when a signal ends the process."""
    with TemporaryDirectory(prefix="skry-") as folder, unfinished(folder):
        yield Path(folder)


@contextlib.contextmanager
def on_this_machine(place: Location) -> Iterator[Path]:
    """Provide a local file; one at a URL is downloaded while the context lasts.

    Raises
    ------
    ReaderError
        If there is no such file at the URL.
    """
    if isinstance(place, Path):
        yield place
        return
    content = place.read_bytes()
    if content is None:
        raise ReaderError(f"{place}: there is no such file: check the URL")
    with temporary_folder() as folder:
        path = folder / place.name
        path.write_bytes(content)
        yield path
