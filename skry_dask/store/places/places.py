"""What stores do with the files of a group, in a folder as at a URL.

A folder appears at its place by a rename. Object storage has no rename, but each file appears
there as a whole: what makes a group count, its metadata, is written last.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from skry_dask.io.remote import RemotePath
from skry_dask.store.places.folder import FRAMES, IMPORT, METADATA, PARTIAL, ensure_group, new_group

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from skry_dask.io.remote import Location

N_REQUESTS = 8
"""Number of files that are written to a URL at a time."""


NO_GROUPS = (FRAMES, "frame", "time", "damaged", "pieces", IMPORT)
"""Folders of a store that are no groups."""


def groups_in(place: Location) -> list[Location]:
    """List the places of the groups in a group, finished ones only."""
    if isinstance(place, Path):
        folders = (metadata.parent for metadata in place.glob(f"*/{METADATA}"))
        return [folder for folder in folders if PARTIAL not in folder.name]
    return [place / name for name in place.folders() if name not in NO_GROUPS]


def files_of_arrays(place: Location) -> list[str]:
    """List the files of the arrays in a group, by their names relative to it."""
    if isinstance(place, Path):
        files = (path for path in place.glob("*/**/*") if path.is_file())
        return [path.relative_to(place).as_posix() for path in files]
    return [name for name in place.files() if "/" in name]


def write_files(place: Location, files: Mapping[str, bytes]) -> None:
    """Write files of a group."""
    if isinstance(place, Path):
        for name, content in files.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return
    with ThreadPoolExecutor(N_REQUESTS, "skry-put") as pool:
        list(pool.map(lambda item: (place / item[0]).write_bytes(item[1]), files.items()))


def read_files(place: Location, names: list[str]) -> dict[str, bytes]:
    """Read files of a group, those that are there."""
    if isinstance(place, Path):
        return {name: (place / name).read_bytes() for name in names}
    with ThreadPoolExecutor(N_REQUESTS, "skry-get") as pool:
        found = pool.map(lambda name: (place / name).read_bytes(), names)
        contents = dict(zip(names, found, strict=True))
    return {name: content for name, content in contents.items() if content is not None}


def remove(place: Location) -> None:
    """Remove a group and all that is in it; at a URL first what makes it count, its metadata."""
    if isinstance(place, Path):
        shutil.rmtree(place, ignore_errors=True)
        return
    names = place.files()
    place.delete_files([name for name in names if name == METADATA])
    place.delete_files([name for name in names if name != METADATA])


def make_group(place: Location, attributes: dict[str, Any] | None = None) -> None:
    """Make a place a group with attributes, if it is none yet."""
    if isinstance(place, Path):
        ensure_group(place, attributes)
    elif isinstance(place, RemotePath) and (place / METADATA).state() is None:
        (place / METADATA).write_bytes(new_group(attributes or {}))
