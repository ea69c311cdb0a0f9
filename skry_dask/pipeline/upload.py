"""Files for URLs: written on this machine, then uploaded."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from skry_dask.io.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.io.remote import Location, RemotePath


@contextlib.contextmanager
def to_write(place: Location) -> Iterator[Path]:
    """Provide the path at which to write a file; one for a URL is uploaded at the end.

    Raises
    ------
    StoreError
        If it cannot be uploaded.
    """
    if isinstance(place, Path):
        yield place
        return
    with temporary_folder() as folder:
        yield folder / place.name
        upload(folder / place.name, place)


def upload(path: Path, place: RemotePath) -> bool:
    """Write a local file to a URL, unless it is there already; return whether it was not.

    Raises
    ------
    StoreError
        If it cannot be uploaded.
    """
    content = path.read_bytes()
    found = place.state()
    if found is not None and found.size == len(content) and place.read_bytes() == content:
        return False
    place.write_bytes(content)
    return True
