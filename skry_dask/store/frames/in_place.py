"""A raw video as a read-only zarr store, without copying it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.storage import MemoryStore, WrapperStore

from skry_dask.store.frames.files import DIMS, FrameLabels, add_coordinates, chunk_frames

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

    from skry_dask.io.reader import RawReader


class InPlaceStore(WrapperStore[MemoryStore]):
    """Metadata and coordinates in memory, chunks of frames read from the video.

    Parameters
    ----------
    memory
        Holds everything but the chunks of ``frames``.
    reader
        Reads the frames.
    n_chunk
        Number of frames per chunk.
    """

    def __init__(self, memory: MemoryStore, reader: RawReader, n_chunk: int) -> None:
        super().__init__(memory)
        self.reader = reader
        self.n_chunk = n_chunk

    def __reduce__(self) -> tuple[Any, ...]:
        return _in_place_store, (self.reader, self.n_chunk)

    @property
    def read_only(self) -> bool:
        """True: nothing is ever written to a video."""
        return True

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse to write."""
        raise ValueError(f"{self.reader.path} is read in place and read-only: import it first")

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read metadata from memory, or a chunk of frames from the video."""
        if not key.startswith("frames/c/") or byte_range is not None:
            return await self._store.get(key, prototype, byte_range)
        start = int(key.split("/")[2]) * self.n_chunk
        stop = min(start + self.n_chunk, self.reader.info.n_frames or 0)
        frames = self.reader.read(start, stop)
        if stop - start < self.n_chunk:
            # The last chunk is padded: zarr's chunks are all of one size.
            short = self.n_chunk - (stop - start)
            frames = np.concatenate([frames, np.zeros((short, *frames.shape[1:]), frames.dtype)])
        return prototype.buffer.from_array_like(frames.reshape(-1).view(np.uint8))


def _in_place_store(reader: RawReader, n_chunk: int) -> InPlaceStore:
    info = reader.info
    memory = MemoryStore()
    group = zarr.create_group(memory)
    n_frames, shape = info.n_frames or 0, info.frame_shape
    group.create_array(
        "frames",
        shape=(n_frames, *shape),
        dtype=info.dtype,
        chunks=(n_chunk, *shape),
        compressors=None,
        filters=None,
        dimension_names=DIMS[: 1 + len(shape)],
    )
    number = np.arange(n_frames) if info.number is None else info.number
    add_coordinates(group, FrameLabels(number, info.time))
    return InPlaceStore(memory, reader, n_chunk)


def in_place(reader: RawReader) -> zarr.Group:
    """Present a raw video as a store.

    Parameters
    ----------
    reader
        Reads the video's frames.

    Returns
    -------
    zarr.Group
        Read-only, with the arrays of a store; pickles as the reader's configuration.
    """
    return zarr.open_group(_in_place_store(reader, chunk_frames(reader.info)), mode="r")
