"""Opening a store with frames, in a folder or at a URL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import zarr
from zarr.storage import LocalStore, WrapperStore

from skry_dask.errors import StoreError
from skry_dask.store.checked import (
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
from skry_dask.store.digest import SCHEMA
from skry_dask.store.folder import attributes_of

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest, Store
    from zarr.core.buffer import Buffer, BufferPrototype

    from skry_dask.types import AnyArray

Location: TypeAlias = Path | str
"""Where a store is: a folder, or a URL."""

STORE_SUFFIX = ".skry"
"""Suffix that stores get by default."""


def is_url(name: object) -> bool:
    """Return whether a name is the URL of a store."""
    return isinstance(name, str) and "://" in name


def is_group(path: Path) -> bool:
    """Return whether a folder is a zarr group: a store with frames, with results, or with both."""
    return (path / "zarr.json").is_file()


def is_zarr_2(path: Path) -> bool:
    """Return whether a folder is a group or an array of zarr format 2, which is not read."""
    return any((path / name).is_file() for name in (".zgroup", ".zarray"))


def is_store(path: Path) -> bool:
    """Return whether a folder is a store with all of its frames."""
    return SCHEMA_ATTRIBUTE in attributes_of(path) and (path / "frames").is_dir()


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
    storage = CheckedStore(_storage(location))
    try:
        group = zarr.open_group(storage, mode="r", zarr_format=3, use_consolidated=False)
        version = group.attrs[SCHEMA_ATTRIBUTE]
    except DamageError as error:
        raise damaged(location, error) from error
    except StoreError:
        raise
    except (FileNotFoundError, KeyError) as error:
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


def read_times(group: zarr.Group, location: Location) -> AnyArray | None:
    """Read the time of each frame of a store, or return None if it has none.

    Raises
    ------
    StoreError
        If they are damaged.
    """
    checksums: Any = group.attrs[CHECKSUMS]
    return read_labels(group, "time", location) if f"time/{METADATA}" in checksums else None


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


def _storage(location: Location) -> Store:
    """Open the storage of a store, a folder or a URL, read-only."""
    if isinstance(location, Path):
        return LocalStore(location.absolute(), read_only=True)
    try:
        from obstore.store import from_url
        from zarr.storage import ObjectStore
    except ImportError as error:
        raise StoreError(
            f"{location} is a URL, which needs obstore: pip install 'skry_dask[cloud]'"
        ) from error
    options: Any = {"allow_http": True} if location.startswith("http://") else None
    try:
        return _RemoteStore(ObjectStore(from_url(location, client_options=options), read_only=True))
    except Exception as error:  # obstore has its own for each service
        raise StoreError(f"{location} cannot be opened ({_first_line(error)})") from error


class _RemoteStore(WrapperStore[Any]):
    """A store at a URL, with our own errors."""

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a file, or a range of its bytes."""
        try:
            found: Buffer | None = await self._store.get(key, prototype, byte_range)
        except Exception as error:  # obstore has its own for each service
            raise StoreError(
                f"{key} of {self._store} cannot be read ({_first_line(error)}): check the "
                "connection, and that the server allows reading parts of files"
            ) from error
        return found


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
