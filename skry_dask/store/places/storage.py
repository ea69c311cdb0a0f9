"""Where zarr reads and writes the files of a store: a folder, or a URL."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dask.system import CPU_COUNT
from zarr.abc.store import OffsetByteRequest, RangeByteRequest
from zarr.storage import LocalStore, WrapperStore

from skry_dask.io.remote_errors import explain_errors

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest, Store
    from zarr.core.buffer import Buffer, BufferPrototype

    from skry_dask.io.remote import Location, RemotePath


N_KEPT = 2 * CPU_COUNT
"""Number of files of a store at a URL that are kept in memory: of frames, 8 MiB each."""


def storage_at(location: Location, *, read_only: bool = True) -> Store:
    """Open the storage of a store or of a group in it.

    Parameters
    ----------
    location
        A folder, or a place at a URL.
    read_only
        Whether it is only read.

    Raises
    ------
    StoreError
        If it is at a URL and obstore is missing, or there are no credentials.
    """
    if isinstance(location, Path):
        return LocalStore(location.absolute(), read_only=read_only)
    return RemoteStorage(location, read_only=read_only)


class RemoteStorage(WrapperStore[Any]):
    """A store at a URL, with our own errors. Pickled, it is a URL: credentials stay where they are.

    Parameters
    ----------
    location
        The folder.
    read_only
        Whether it is only read.
    """

    def __init__(self, location: RemotePath, *, read_only: bool) -> None:
        from zarr.storage import ObjectStore

        if not read_only:
            location.check_writable()
        client = location.client("read" if read_only else "write")
        super().__init__(ObjectStore(client, read_only=read_only))
        self.location = location
        self._whole: OrderedDict[str, asyncio.Task[Buffer | None]] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        return _remote_storage, (self.location, self.read_only)

    def __str__(self) -> str:
        return str(self.location)

    def __repr__(self) -> str:
        return f"RemoteStorage({str(self)!r})"

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a file, or a range of its bytes.

        zarr asks for the frames of a file one by one, which would be a request for each frame, so
        the whole file is read, and kept while others may ask for more of it.
        """
        if byte_range is None or not self.read_only:
            with explain_errors(self.location / key):
                found: Buffer | None = await self._store.get(key, prototype, byte_range)
            return found
        whole = await self._read_whole(key, prototype)
        return whole if whole is None else whole[_slice_of(byte_range, len(whole))]

    async def _read_whole(self, key: str, prototype: BufferPrototype) -> Buffer | None:
        loop = asyncio.get_running_loop()
        task = self._whole.get(key)
        if task is None or task.get_loop() is not loop:
            task = loop.create_task(self.get(key, prototype))
            self._whole[key] = task
            while len(self._whole) > N_KEPT:
                self._whole.popitem(last=False)
        try:
            return await asyncio.shield(task)
        except BaseException:
            self._whole.pop(key, None)
            raise

    async def set(self, key: str, value: Buffer) -> None:
        """Write a file."""
        with explain_errors(self.location / key):
            await self._store.set(key, value)


def _slice_of(byte_range: ByteRequest, size: int) -> slice:
    """Return the range of bytes that a request stands for."""
    if isinstance(byte_range, RangeByteRequest):
        return slice(byte_range.start, byte_range.end)
    if isinstance(byte_range, OffsetByteRequest):
        return slice(byte_range.offset, size)
    return slice(max(size - byte_range.suffix, 0), size)


def _remote_storage(location: RemotePath, read_only: bool) -> RemoteStorage:
    return RemoteStorage(location, read_only=read_only)
