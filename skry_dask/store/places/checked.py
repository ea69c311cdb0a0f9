"""Stores whose damage is an error: what is missing or changed is never taken for values.

zarr reads a missing chunk as zeros and checks nothing by itself. Here each chunk carries a CRC-32C,
which zarr's codec checks; a missing file is an error; and the group states checksums of the
metadata of its arrays and of its own attributes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from zarr.storage import WrapperStore

from skry_dask.errors import StoreError
from skry_dask.store.digest import SCHEMA, digest_of
from skry_dask.store.places.folder import METADATA as METADATA

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    import zarr
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

SCHEMA_ATTRIBUTE = "skry_schema"
"""Attribute of a sealed group with the version of its layout."""

CHECKSUMS = "checksums"
"""Attribute of a sealed group: for each array's metadata file its checksum."""

CHECKSUM = "checksum"
"""Attribute of a sealed group: digest of all other attributes."""


CODECS = frozenset({"bytes", "blosc", "crc32c", "sharding_indexed", "vlen-utf8"})
"""Names of the codecs with which stores are written; no others are read."""


class DamageError(StoreError):
    """A file of a store is missing, or is not as it was written."""


def sealed(document: bytes, arrays: Mapping[str, bytes]) -> bytes:
    """Add schema and checksums to the attributes of a group.

    Parameters
    ----------
    document
        The group's ``zarr.json``.
    arrays
        For the metadata file of each array, such as ``frames/zarr.json``, its content.

    Returns
    -------
    bytes
        The new ``zarr.json``.
    """
    group = json.loads(document)
    attributes = group["attributes"]
    attributes.pop(CHECKSUM, None)
    attributes[SCHEMA_ATTRIBUTE] = SCHEMA
    attributes[CHECKSUMS] = {name: _checksum(content) for name, content in sorted(arrays.items())}
    attributes[CHECKSUM] = digest_of(attributes)
    return json.dumps(group, indent=2).encode()


def metadata_of_arrays(folder: Path) -> dict[str, bytes]:
    """Read the metadata files of the arrays in the folder of a group."""
    files = sorted(folder.glob(f"*/{METADATA}"))
    return {f"{file.parent.name}/{METADATA}": file.read_bytes() for file in files}


def check_metadata_of_arrays(folder: Path, checksums: Mapping[str, str]) -> None:
    """Compare the metadata files of the arrays of a group with their checksums.

    zarr reads them in tasks at a time: after the first error, it complains of each further one.

    Raises
    ------
    DamageError
        If one has changed or is lost.
    """
    found = {name: _checksum(content) for name, content in metadata_of_arrays(folder).items()}
    for name, stated in checksums.items():
        if found.get(name) != stated:
            raise DamageError(f"{name} has {'changed' if name in found else 'been lost'}")


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


class CheckedStore(WrapperStore[Any]):
    """A store to read from, in which a missing file and changed metadata are errors.

    Parameters
    ----------
    store
        Where the files are.
    """

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self._checksums: dict[str, str] = {}

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a file, or a range of its bytes."""
        return self._checked(key, await self._store.get(key, prototype, byte_range))

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read a file, or a range of its bytes; newer versions of zarr do so where they can."""
        found = self._store.get_sync(key, prototype=prototype, byte_range=byte_range)
        return self._checked(key, found)

    async def get_ranges(
        self,
        key: str,
        byte_ranges: Sequence[ByteRequest | None],
        *,
        prototype: BufferPrototype,
        **_: Any,
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        """Read several ranges of a file; newer versions of zarr do so in shards."""
        found = await asyncio.gather(*(self.get(key, prototype, part) for part in byte_ranges))
        yield list(enumerate(found))

    def _checked(self, key: str, found: Buffer | None) -> Buffer | None:
        """Pass on what was read, if it is whole.

        Raises
        ------
        DamageError
            If a chunk or the metadata of an array is missing, or metadata have changed.
        """
        is_metadata = key.rpartition("/")[2] in (METADATA, ".zarray", ".zgroup", ".zattrs")
        if found is None:
            if not is_metadata or key in self._checksums:
                raise DamageError(f"it has lost the file {key}")
        elif not len(found):  # which zarr takes for a missing chunk of a shard, and so for zeros
            raise DamageError(f"{key} is cut")
        elif key == METADATA:
            self._checksums = checksums_in(found.to_bytes())
        elif key in self._checksums and _checksum(found.to_bytes()) != self._checksums[key]:
            raise DamageError(f"{key} has changed")
        elif is_metadata:
            _check_codecs(key, found.to_bytes())
        return found


def _check_codecs(key: str, document: bytes) -> None:
    """Refuse an array with a codec that no store of ours has; some run code that is in the data.

    Raises
    ------
    StoreError
        If the metadata name such a codec.
    """
    try:
        codecs = list(json.loads(document).get("codecs", ()))
        for codec in codecs:  # grows by those within
            if codec["name"] not in CODECS:
                raise StoreError(
                    f"{key} has the unknown codec {codec['name']!r}: make it again with skry_dask"
                )
            configuration = codec.get("configuration", {})
            codecs += configuration.get("codecs", []) + configuration.get("index_codecs", [])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamageError(f"{key} is damaged") from error


def checksums_in(document: bytes) -> dict[str, str]:
    """Return the checksums that a group states; none if it has another schema.

    Raises
    ------
    DamageError
        If its attributes are not as they were written.
    """
    try:
        attributes = json.loads(document)["attributes"]
        if attributes.get(SCHEMA_ATTRIBUTE) != SCHEMA:
            return {}
        stated = attributes.pop(CHECKSUM)
        checksums: dict[str, str] = attributes[CHECKSUMS]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamageError(f"{METADATA} is damaged") from error
    if stated != digest_of(attributes):
        raise DamageError(f"{METADATA} has changed")
    return checksums


class CheckedArray:
    """A stored array whose damage is one of our errors.

    Parameters
    ----------
    array
        Any shape and dtype.
    where
        What is damaged then, for the message.
    remedy
        What the user can do about it.
    """

    def __init__(self, array: zarr.Array[Any], where: str, remedy: str) -> None:
        self.array = array
        self.where = where
        self.remedy = remedy

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dim."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the values."""
        dtype: np.dtype[Any] = self.array.dtype
        return dtype

    def __getitem__(self, key: Any) -> Any:
        """Read values, by integers, slices and at most one ascending array.

        Raises
        ------
        StoreError
            If a chunk that holds some of them is missing or damaged, or cannot be reached.
        """
        try:
            return self._read(key)
        except DamageError as error:
            raise damaged(self.where, error, self.remedy) from error
        except (StoreError, MemoryError):
            raise
        except Exception as error:  # whatever damaged bytes make zarr and its codecs raise
            raise damaged(self.where, error, self.remedy) from error

    def _read(self, key: Any) -> Any:
        """Read consecutive indices at a time: zarr takes 20 times as long for an array of them."""
        keys = key if isinstance(key, tuple) else (key,)
        dim = next((i for i, k in enumerate(keys) if isinstance(k, np.ndarray)), None)
        if dim is None or not len(keys[dim]):
            return self.array[key]
        axis = sum(not isinstance(k, int | np.integer) for k in keys[:dim])
        runs = np.split(keys[dim], np.flatnonzero(np.diff(keys[dim]) != 1) + 1)
        parts = [
            self.array[(*keys[:dim], slice(int(run[0]), int(run[-1]) + 1), *keys[dim + 1 :])]
            for run in runs
        ]
        return np.concatenate(parts, axis=axis)


def check_schema(where: object, version: object) -> None:
    """Refuse a store that a newer version of this program has written.

    Raises
    ------
    StoreError
        If the version of its layout is higher than ours.
    """
    if isinstance(version, int) and version > SCHEMA:
        raise StoreError(
            f"{where} has schema {version}, this program knows up to {SCHEMA}: install a newer "
            "skry_dask, or give another place with --store"
        )


IMPORT_AGAIN = "delete it and import the capture again"
"""Remedy for a store with damaged frames."""


def damaged(where: object, error: BaseException, remedy: str = IMPORT_AGAIN) -> StoreError:
    """Make the error that says what is damaged, how it showed, and what to do about it."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return StoreError(f"{where} is damaged ({reason}): {remedy}")
