"""Where the results of a job are kept: chosen, beside the input, or beside the output."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple

from skry_dask.errors import StoreError
from skry_dask.io.remote import RemotePath
from skry_dask.store.frames.open import is_group
from skry_dask.store.places.folder import is_leftover
from skry_dask.store.results.owner import owner_of
from skry_dask.store.results.room import can_write_in

if TYPE_CHECKING:
    from skry_dask.capture.source import Source
    from skry_dask.io.remote import Location
    from skry_dask.pipeline.outputs import Outputs


class ResultsPlace(NamedTuple):
    """Where the results of a job are kept.

    Parameters
    ----------
    store
        Folder of the store; need not exist yet.
    note
        Why results do not go where they are expected, or None.
    """

    store: Location
    note: str | None = None


def place_of_results(source: Source, outputs: Outputs, store: Location | None) -> ResultsPlace:
    """Choose the store: the user's, the source's own, or one beside the output.

    Parameters
    ----------
    source
        The capture.
    outputs
        The files to write.
    store
        The user's choice, or None.

    Raises
    ------
    StoreError
        If the place is taken by something else, has no folder, or holds an output.
    """
    place = _default_place(source, outputs) if store is None else _chosen_place(store, source)
    for path in outputs.paths:
        if _lies_in(path, place.store):
            raise StoreError(f"{path} lies in the store {place.store}: give another name with -o")
    return place


def _lies_in(path: Location, folder: Location) -> bool:
    if isinstance(path, Path) and isinstance(folder, Path):
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    return f"{path}/".startswith(f"{folder}/")


def _chosen_place(store: Location, source: Source) -> ResultsPlace:
    if isinstance(store, RemotePath):
        store.check_folder()
        _check_owner(store, source)
        return ResultsPlace(store)
    if os.path.lexists(store) and not (is_group(store) or is_leftover(store)):
        is_broken = store.is_symlink() and not os.path.exists(store)  # noqa: PTH110 never raises
        what = "is a link that leads nowhere" if is_broken else "exists and is not a store"
        raise StoreError(f"{store} {what}: give another place with --store")
    _check_owner(store, source)
    folder = store.absolute().parent
    if not folder.is_dir():
        raise StoreError(f"{store}: there is no folder {folder}: create it first")
    if not store.exists() and not can_write_in(folder):
        raise StoreError(f"{store}: folder {folder} is read-only: give another place with --store")
    return ResultsPlace(store)


def _check_owner(store: Location, source: Source) -> None:
    owner = owner_of(store)
    if owner is not None and not owner.is_same(source.owner):
        raise StoreError(
            f"{store} belongs to another capture ({owner.source}): give another place with --store"
        )


def _default_place(source: Source, outputs: Outputs) -> ResultsPlace:
    image = outputs.image
    beside_output = image.absolute().parent if isinstance(image, Path) else Path.cwd()
    home = source.home
    if home is None:
        store = beside_output / source.store_name
        return ResultsPlace(
            store, f"{source.name} is not on this machine: results are kept in {store}"
        )
    folder = home.absolute().parent
    if folder.is_dir() and not can_write_in(home if home.exists() else folder):
        store = beside_output / home.name
        _check_namesake(store, folder, source)
        return ResultsPlace(store, f"{folder} is read-only: results are kept in {store}")
    _check_namesake(home, folder, source)
    return ResultsPlace(home)


def _check_namesake(store: Path, folder: Path, source: Source) -> None:
    """Refuse the store of another file with another suffix, such as that of a capture's stack."""
    owner = owner_of(store)
    if owner is None or owner.digest == source.owner.digest:
        return
    name = PurePath(owner.source).name
    if name != PurePath(source.owner.source).name and (folder / name).is_file():
        raise StoreError(
            f"{store} has the results of {name}: give another place for those of {source.name} "
            "with --store"
        )
