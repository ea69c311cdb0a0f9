"""Writing decoded frames into a store: completely or not at all."""

from __future__ import annotations

import contextlib
import json
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.storage import LocalStore

from skry_dask.errors import ReaderError
from skry_dask.io.atomic import atomic_write, explain_write_errors
from skry_dask.store.checked import METADATA, metadata_of_arrays, sealed
from skry_dask.store.folder import attributes_of, flush, replace, sweep, temporary_name
from skry_dask.unfinished import unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from skry_dask.io.reader import CaptureInfo, DecodedFrame
    from skry_dask.types import Frames, IntArray

CHUNK_BYTES = 2**23
"""Size that chunks of frames should have, within the bounds on their number of frames."""

MIN_CHUNK_FRAMES = 2
"""Smallest number of frames per chunk."""

MAX_CHUNK_FRAMES = 64
"""Largest number of frames per chunk."""

MAX_PROBLEMS = 100
"""Number of damaged frames that are listed; more are counted."""

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


def add_coordinates(
    group: zarr.Group, number: IntArray | Sequence[int], time: IntArray | Sequence[int] | None
) -> None:
    """Write the coordinates of the frames of a store, in place of those it may have.

    Parameters
    ----------
    group
        The store, open for writing.
    number
        Number of each frame in the file.
    time
        ns since 1970-01-01 UTC, or None where it is not known.
    """
    known = {"frame": number} if time is None else {"frame": number, "time": time}
    if time is None and "time" in group:
        del group["time"]
    for name, values in known.items():
        array = group.create_array(
            name,
            data=np.asarray(values, np.int64),
            dimension_names=("frame",),
            overwrite=True,
            compressors=(LOSSLESS, Crc32cCodec()),
            config={"write_empty_chunks": True},
        )
        if name == "time":
            array.attrs.update({"units": "nanoseconds since 1970-01-01", "calendar": "standard"})


def write_frames(
    path: Path,
    info: CaptureInfo,
    frames: Iterable[DecodedFrame],
    attrs: dict[str, Any],
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write a capture's frames into a store.

    Parameters
    ----------
    path
        Folder of the store; phase results that it already holds stay.
    info
        What the file says about its frames.
    frames
        In the order of the file; entries without an image are counted as problems.
    attrs
        Attributes of the capture; problems of frames are added to ``problems``. They are written
        last, and mark the store as whole.
    progress
        Called with the number of frames decoded so far.

    Raises
    ------
    StoreError
        If the store cannot be written.
    ReaderError
        If no frame has an image.
    """
    with explain_write_errors(path):
        path.mkdir(parents=False, exist_ok=True)
        sweep(path)
        _remove_damaged_metadata(path)
        group = zarr.open_group(LocalStore(path), mode="a")
        temporary = temporary_name(path / "frames")
        with contextlib.ExitStack() as partial:
            partial.enter_context(unfinished(temporary))
            partial.callback(shutil.rmtree, temporary, ignore_errors=True)
            written = _write_shards(group, temporary.name, info, frames, progress)
            problems = _shortened(written.problems)
            if not written.numbers:
                raise ReaderError(
                    f"{attrs.get('source', path)}: not one frame could be decoded"
                    f"{' (' + problems[0] + ')' if problems else ''}: convert it to SER"
                )
            flush(temporary)
            if attributes_of(path).get("digest") == attrs.get("digest", ""):
                return  # another process was as fast, and others may be reading its frames
            # From here to the seal this is no store: new frames never go with the old digest.
            group.attrs.put({})
            replace(temporary, path / "frames")
        has_times = len(written.times) == len(written.numbers)
        add_coordinates(group, written.numbers, written.times if has_times else None)
        all_problems = [*attrs.get("problems", ()), *problems]
        group.attrs.put({**attrs, "problems": all_problems})
        _seal(path)


def _remove_damaged_metadata(path: Path) -> None:
    """Remove the metadata of a store that cannot be read, so that it can be written anew."""
    metadata = path / METADATA
    with contextlib.suppress(FileNotFoundError):
        try:
            is_group = json.loads(metadata.read_bytes())["node_type"] == "group"
        except (ValueError, KeyError, TypeError):
            is_group = False
        if not is_group:
            metadata.unlink()


def _seal(path: Path) -> None:
    """Mark a store as whole, with the checksums of its metadata."""
    arrays = {
        name: content
        for name, content in metadata_of_arrays(path).items()
        if name.split("/")[0] in ("frames", "frame", "time")
    }
    with atomic_write(path / METADATA) as file:
        file.write(sealed((path / METADATA).read_bytes(), arrays))


class _Written(NamedTuple):
    """What is known about the frames that have been written."""

    numbers: list[int]
    times: list[int]
    problems: list[str]


def _write_shards(
    group: zarr.Group,
    name: str,
    info: CaptureInfo,
    frames: Iterable[DecodedFrame],
    progress: Callable[[int], None] | None,
) -> _Written:
    """Write images shard by shard into a new array of a group."""
    n_shard, shape = chunk_frames(info), info.frame_shape
    array = group.create_array(
        name,
        shape=(0, *shape),
        dtype=info.dtype,
        chunks=(1, *shape),
        shards=(n_shard, *shape),
        compressors=(LOSSLESS, Crc32cCodec()),
        dimension_names=DIMS[: 1 + len(shape)],
        # Chunks of zeros too, so that a missing chunk is always damage. By default zarr compares
        # every chunk with the fill value: 328 in place of 2047 MB/s.
        config={"write_empty_chunks": True},
    )
    written = _Written([], [], [])
    shard: list[Frames] = []

    def write_shard() -> None:
        start = array.shape[0]
        array.resize((start + len(shard), *shape))
        array[start:] = np.stack(shard)
        shard.clear()
        if progress:
            progress(len(written.numbers))

    for frame in frames:
        if frame.image is None:
            written.problems.append(f"frame {frame.number} is skipped: {frame.problem}")
            continue
        if frame.problem:
            written.problems.append(f"frame {frame.number}: {frame.problem}")
        shard.append(frame.image)
        written.numbers.append(frame.number)
        if frame.time is not None:
            written.times.append(frame.time)
        if len(shard) == n_shard:
            write_shard()
    if shard:
        write_shard()
    return written


def _shortened(problems: list[str]) -> list[str]:
    """List the first problems and count the others."""
    n_others = len(problems) - MAX_PROBLEMS
    if n_others <= 0:
        return problems
    return [*problems[:MAX_PROBLEMS], f"{n_others} more frames have problems, unlisted"]
