"""The files of a store with frames: shards of compressed frames, their numbers and times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.storage import MemoryStore

from skry_dask.store.places.checked import METADATA, sealed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarr.core.buffer import Buffer

    from skry_dask.io.reader import CaptureInfo
    from skry_dask.types import AnyArray, Frames, IntArray

CHUNK_BYTES = 2**23
"""Size that chunks of frames should have, within the bounds on their number of frames."""

MIN_CHUNK_FRAMES = 2
"""Smallest number of frames per chunk."""

MAX_CHUNK_FRAMES = 64
"""Largest number of frames per chunk."""

LOSSLESS = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")
"""Compression of frames, each with a checksum of its own."""

DIMS = ("frame", "y", "x", "channel")


def chunk_frames(info: CaptureInfo) -> int:
    """Choose the number of frames per chunk, which one task reads.

    Parameters
    ----------
    info
        Of the capture: shape and dtype of a frame count.
    """
    size = info.height * info.width * info.channels * np.dtype(info.dtype).itemsize
    return int(np.clip(CHUNK_BYTES // max(size, 1), MIN_CHUNK_FRAMES, MAX_CHUNK_FRAMES))


class FrameLabels(NamedTuple):
    """What is known of each frame of a store.

    Parameters
    ----------
    number
        Number of each frame in the file.
    time
        ns since 1970-01-01 UTC, or None where it is not known.
    damaged
        Numbers of frames that may be damaged.
    """

    number: IntArray | Sequence[int]
    time: IntArray | Sequence[int] | None = None
    damaged: Sequence[int] = ()


def add_coordinates(group: zarr.Group, labels: FrameLabels) -> None:
    """Write the coordinates of the frames of a store.

    Parameters
    ----------
    group
        The store, open for writing, without coordinates.
    labels
        Of its frames; ``time`` and ``damaged`` bool (frame) are written where there are any.
    """
    known: dict[str, AnyArray] = {"frame": np.asarray(labels.number, np.int64)}
    if labels.time is not None:
        known["time"] = np.asarray(labels.time, np.int64)
    if len(labels.damaged):
        known["damaged"] = np.isin(labels.number, labels.damaged)
    for name, values in known.items():
        array = group.create_array(
            name,
            data=values,
            dimension_names=("frame",),
            compressors=(LOSSLESS, Crc32cCodec()),
            config={"write_empty_chunks": True},
        )
        if name == "time":
            array.attrs.update({"units": "nanoseconds since 1970-01-01", "calendar": "standard"})


def frames_array(
    store: MemoryStore, info: CaptureInfo, n_frames: int, n_shard: int
) -> zarr.Array[Any]:
    """Create the array of the frames of a store, in memory.

    Parameters
    ----------
    store
        Gets its files.
    info
        What the file says about its frames.
    n_frames
        Number of frames.
    n_shard
        Number of frames per shard, which is one file.
    """
    shape = info.frame_shape
    return zarr.create_array(
        store,
        name="frames",
        shape=(n_frames, *shape),
        dtype=info.dtype,
        chunks=(1, *shape),
        shards=(n_shard, *shape),
        compressors=(LOSSLESS, Crc32cCodec()),
        dimension_names=DIMS[: 1 + len(shape)],
        # Chunks of zeros too, so that a missing chunk is always damage. By default zarr compares
        # every chunk with the fill value: 328 in place of 2047 MB/s.
        config={"write_empty_chunks": True},
    )


def shard_key(number: int, info: CaptureInfo) -> str:
    """Name the file of a shard within the store."""
    return "/".join(["frames/c", str(number), *("0" for _ in info.frame_shape)])


class ShardEncoder:
    """Makes the files of shards, in memory; from several threads at a time.

    Parameters
    ----------
    info
        What the file says about its frames.
    n_shard
        Number of frames per shard.
    """

    def __init__(self, info: CaptureInfo, n_shard: int) -> None:
        self.info = info
        self.n_shard = n_shard

    def encode(self, images: Sequence[Frames]) -> bytes:
        """Compress the images of a shard, of which the last of a store has fewer than the others.

        Parameters
        ----------
        images
            Each uint8 or uint16 (y, x[, channel]).
        """
        files: dict[str, Buffer] = {}
        array = frames_array(MemoryStore(files), self.info, len(images), self.n_shard)
        array[:] = np.stack(images)
        return files[shard_key(0, self.info)].to_bytes()


def metadata_files(
    info: CaptureInfo,
    n_shard: int,
    labels: FrameLabels,
    attrs: dict[str, Any],
) -> dict[str, bytes]:
    """Make all files of a store but the shards of its frames.

    Parameters
    ----------
    info
        What the file says about its frames.
    n_shard
        Number of frames per shard.
    labels
        Of all frames.
    attrs
        Attributes of the capture.

    Returns
    -------
    dict
        Content by name; the last one makes the others a store.
    """
    files: dict[str, Buffer] = {}
    store = MemoryStore(files)
    group = zarr.create_group(store, attributes=attrs)
    frames_array(store, info, len(labels.number), n_shard)
    add_coordinates(group, labels)
    contents = {name: files[name].to_bytes() for name in sorted(files)}
    document = contents.pop(METADATA)
    arrays = {k: v for k, v in contents.items() if k.endswith(f"/{METADATA}")}
    return {**contents, METADATA: sealed(document, arrays)}
