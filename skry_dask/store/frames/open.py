"""Opening a store with frames, in a folder or at a URL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from skry_dask.errors import StoreError
from skry_dask.store.digest import SCHEMA
from skry_dask.store.places.checked import (
    CHECKSUM,
    CHECKSUMS,
    IMPORT_AGAIN,
    METADATA,
    SCHEMA_ATTRIBUTE,
    CheckedArray,
    CheckedStore,
    DamageError,
    check_schema,
    damaged,
)
from skry_dask.store.places.folder import attributes_of
from skry_dask.store.places.storage import storage_at

if TYPE_CHECKING:
    from skry_dask.io.remote import Location
    from skry_dask.types import AnyArray

STORE_SUFFIX = ".skry"
"""Suffix that stores get by default."""


def is_group(path: Path) -> bool:
    """Return whether a folder is a zarr group: a store with frames, with results, or with both."""
    return (path / "zarr.json").is_file()


def is_zarr_2(path: Path) -> bool:
    """Return whether a folder is a group or an array of zarr format 2, which is not read."""
    return any((path / name).is_file() for name in (".zgroup", ".zarray"))


def is_store(place: Location) -> bool:
    """Return whether a place is a store with all of its frames."""
    if SCHEMA_ATTRIBUTE not in attributes_of(place):
        return False
    return not isinstance(place, Path) or (place / "frames").is_dir()


def open_store(location: Location) -> zarr.Group:
    """Open a store for reading.

    Parameters
    ----------
    location
        A folder, or a URL such as ``s3://bucket/moon.skry``.

    Raises
    ------
    StoreError
        If it is not a store, has another version, is damaged, or cannot be reached.
    """
    storage = CheckedStore(storage_at(location))
    try:
        group = zarr.open_group(storage, mode="r", zarr_format=3, use_consolidated=False)
        version = group.attrs[SCHEMA_ATTRIBUTE]
    except DamageError as error:
        raise damaged(location, error) from error
    except StoreError:
        raise
    except (FileNotFoundError, KeyError) as error:
        if not isinstance(location, Path):
            (location / METADATA).state()  # says if the bucket does not exist
        raise StoreError(
            f"{location} is not a store of this program, which are in zarr format 3: import the "
            "capture again"
        ) from error
    except Exception as error:  # whatever damaged metadata make zarr raise
        raise damaged(location, error) from error
    check_schema(location, version)
    if version != SCHEMA:
        raise StoreError(
            f"{location} has schema {version}, this program knows {SCHEMA}: import the capture "
            "again"
        )
    if isinstance(location, Path):
        _check_shards(location, array_of(group, "frames", location))
    return group


def array_of(group: zarr.Group, name: str, location: Location) -> zarr.Array[Any]:
    """Open an array of a store.

    Parameters
    ----------
    group
        The store.
    name
        Name of the array.
    location
        Where the store is, for messages.

    Raises
    ------
    StoreError
        If the store lacks it, or its metadata are damaged.
    """
    try:
        found = group.get(name)
    except DamageError as error:
        raise damaged(location, error) from error
    except StoreError:
        raise
    except Exception as error:  # whatever damaged metadata make zarr raise
        raise damaged(location, error) from error
    if not isinstance(found, zarr.Array):
        raise damaged(location, StoreError(f"it has no array {name}"))
    return found


def attributes_of_capture(group: zarr.Group) -> dict[str, Any]:
    """Return the attributes of a store without those of its seal."""
    return {k: v for k, v in group.attrs.asdict().items() if k not in (CHECKSUM, CHECKSUMS)}


def read_labels(group: zarr.Group, name: str, location: Location) -> AnyArray:
    """Read the number or the time of each frame of a store.

    Raises
    ------
    StoreError
        If the store lacks them, or they are damaged.
    """
    array = array_of(group, name, location)
    values: AnyArray = np.asarray(CheckedArray(array, str(location), IMPORT_AGAIN)[:])
    return values


def read_known(group: zarr.Group, name: str, location: Location) -> AnyArray | None:
    """Read what a store may know of each frame, or return None if it does not.

    Parameters
    ----------
    group
        The store.
    name
        "time", or "damaged": whether the frame may be damaged.
    location
        Where the store is, for messages.

    Raises
    ------
    StoreError
        If that is damaged.
    """
    checksums: Any = group.attrs[CHECKSUMS]
    return read_labels(group, name, location) if f"{name}/{METADATA}" in checksums else None


def _check_shards(path: Path, frames: zarr.Array[Any]) -> None:
    """Refuse a store that has lost files of frames, which zarr would take for black frames."""
    n_shards = -(-frames.shape[0] // (frames.shards or frames.chunks)[0])
    rest = "/0" * (frames.ndim - 1)
    missing = [i for i in range(n_shards) if not (path / f"frames/c/{i}{rest}").is_file()]
    if missing:
        raise StoreError(
            f"{path} has lost {len(missing)} of its {n_shards} files of frames (frames/c/"
            f"{missing[0]}{rest}): delete it and import the capture again"
        )
