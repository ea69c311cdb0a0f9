"""Places for new results, which count once they are whole."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from skry_dask.errors import StoreError
from skry_dask.io.atomic import explain_write_errors
from skry_dask.store.places.folder import flush, is_complete, rename_new, temporary_name
from skry_dask.store.places.locks import job_folder
from skry_dask.store.places.places import remove
from skry_dask.unfinished import unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from skry_dask.io.remote import Location, RemotePath


def new_place(
    store: Location, place: Location, *, is_exclusive: bool
) -> AbstractContextManager[Location]:
    """Provide where to write a result that is found at its place once the context is left.

    Parameters
    ----------
    store
        The store, for messages.
    place
        Where the result is going to be.
    is_exclusive
        Whether no other process writes this result.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    if not isinstance(place, Path):
        return _new_at_url(place)
    temporary = job_folder(place) if is_exclusive else temporary_name(place)
    return _new_folder(store, place, temporary)


@contextlib.contextmanager
def _new_folder(store: Location, place: Path, temporary: Path) -> Iterator[Path]:
    """Provide a folder that gets its name at the end of the context, unless there is an error."""
    with explain_write_errors(store):
        shutil.rmtree(temporary, ignore_errors=True)
    with unfinished(temporary):
        try:
            with explain_write_errors(store):
                temporary.mkdir()
            yield temporary
            with explain_write_errors(store):
                flush(temporary)
                with contextlib.suppress(FileExistsError):
                    rename_new(temporary, place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _new_at_url(place: RemotePath) -> Iterator[RemotePath]:
    """Provide a place at a URL, without what an interrupted job has left there.

    What is written there counts with its metadata. Another job may write the same result at the
    same time: the files are the same.
    """
    if not is_complete(place):
        remove(place)
    try:
        yield place
    except BaseException:
        with contextlib.suppress(StoreError):
            if not is_complete(place):
                remove(place)
        raise
