"""The zarr schema: frames and phase results, and how they get to disk without half-written states.

A store is a zarr v3 group with ``frames`` (frame, y, x), ``frame`` (their numbers in the file),
``time`` where it is known, and one group per phase result, ``<phase>/<digest>``. A raw video is
presented as the same group *in place*: metadata in memory, chunks read from the video on demand.

Whatever is written gets a temporary name, is flushed to the disk and renamed; a result counts only
with its mark ``complete``, which is written last. This is the only module that imports zarr.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import time
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec
from zarr.storage import LocalStore, MemoryStore, WrapperStore

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.atomic import writing
from skry_dask.types import AXIS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

    from skry_dask.io.reader import CaptureInfo, DecodedFrame, RawReader

log = logging.getLogger(__name__)

SCHEMA = 1
"""Version of the layout described above."""

CHUNK_BYTES = 2**23
"""Chunks of frames are about this large, between the following numbers of frames."""

MIN_CHUNK_FRAMES, MAX_CHUNK_FRAMES = 4, 64

COMPLETE, COORDS = "complete", "coordinate_names"
PARTIAL = ".partial-"


def chunk_frames(info: CaptureInfo) -> int:
    """How many frames make a chunk: one task's worth."""
    size = info.height * info.width * np.dtype(info.dtype).itemsize
    return int(np.clip(CHUNK_BYTES // max(size, 1), MIN_CHUNK_FRAMES, MAX_CHUNK_FRAMES))


def digest_of(*parts: Any) -> str:
    """SHA-256 over canonical JSON, 32 hexadecimal digits: the same in every process."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def fingerprint(path: Path) -> str:
    """Digest of a file's size, date of change, beginning and end.

    Raises
    ------
    ReaderError
        If it cannot be read.
    """
    try:
        status = path.stat()
        with path.open("rb") as file:
            head = file.read(2**16)
            file.seek(max(0, status.st_size - 2**16))
            tail = file.read(2**16)
    except OSError as error:
        raise ReaderError(f"{path} cannot be read ({error.strerror}): check the file") from error
    contents = hashlib.sha256(head + tail).hexdigest()
    return digest_of(SCHEMA, status.st_size, status.st_mtime_ns, contents)


# --- frames ----------------------------------------------------------------------------------


class InPlaceStore(WrapperStore[MemoryStore]):
    """A raw video as a read-only zarr store: metadata in memory, frames from the video itself.

    Parameters
    ----------
    memory
        Holds everything but the chunks of ``frames``.
    reader
        Where these come from.
    n_chunk
        Frames per chunk.
    """

    def __init__(self, memory: MemoryStore, reader: RawReader, n_chunk: int) -> None:
        super().__init__(memory)
        self.reader = reader
        self.n_chunk = n_chunk

    def __reduce__(self) -> tuple[Any, ...]:
        return _in_place_store, (self.reader, self.n_chunk)

    @property
    def read_only(self) -> bool:
        """Nothing is ever written to a video."""
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
    shape = (info.n_frames or 0, info.height, info.width)
    group.create_array(
        "frames",
        shape=shape,
        dtype=info.dtype,
        chunks=(n_chunk, info.height, info.width),
        compressors=None,
        filters=None,
        dimension_names=("frame", "y", "x"),
    )
    _add_coordinates(group, np.arange(shape[0]), info.time)
    return InPlaceStore(memory, reader, n_chunk)


def in_place(reader: RawReader) -> zarr.Group:
    """Present a raw video as a store without copying it."""
    return zarr.open_group(_in_place_store(reader, chunk_frames(reader.info)), mode="r")


def _add_coordinates(group: zarr.Group, numbers: Any, time: Any) -> None:
    """Write the frames' numbers and, where known, times (int64 ns since 1970 UTC)."""
    known = {"frame": numbers} if time is None else {"frame": numbers, "time": time}
    for name in {"frame", "time"} & set(group.array_keys()):
        del group[name]  # of frames that were here before
    for name, values in known.items():
        array = group.create_array(
            name, data=np.asarray(values, np.int64), dimension_names=("frame",)
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
    """Write a capture's frames into a store, completely or not at all.

    Parameters
    ----------
    path
        The store; phase results that it already holds stay.
    info
        Of the source.
    frames
        In the order of the file; entries without an image are counted as problems.
    attrs
        Of the capture; ``problems`` is added to. They are written last and mark the store as whole.
    progress
        Called with the number of frames decoded so far.

    Raises
    ------
    StoreError
        If the store cannot be written.
    ReaderError
        If there is not one frame.
    """
    with writing(path):
        path.mkdir(parents=False, exist_ok=True)
        _sweep(path)
        group = zarr.open_group(LocalStore(path), mode="a")
        temporary = f"frames{PARTIAL}{uuid.uuid4().hex}"
        try:
            numbers, times, problems = _fill(group, temporary, info, frames, progress)
            if not numbers:
                raise ReaderError(
                    f"{attrs.get('source', path)}: not one frame could be decoded"
                    f"{' (' + problems[0] + ')' if problems else ''}: convert it to SER"
                )
            _flush(path / temporary)
            if _attributes(path).get("digest") == attrs.get("digest", ""):
                return  # another process was as fast, and others may be reading its frames
            _replace(path / temporary, path / "frames")
        finally:
            shutil.rmtree(path / temporary, ignore_errors=True)
        _add_coordinates(group, numbers, times)
        all_problems = [*attrs.get("problems", ()), *problems]
        group.attrs.put({**attrs, "problems": all_problems, "skry_schema": SCHEMA})
        _flush(path / "zarr.json")


def _fill(
    group: zarr.Group,
    name: str,
    info: CaptureInfo,
    frames: Iterable[DecodedFrame],
    progress: Callable[[int], None] | None,
) -> tuple[list[int], list[int] | None, list[str]]:
    """Write images shard by shard; returns frame numbers, times and problems."""
    n_shard = chunk_frames(info)
    size = (info.height, info.width)
    # By default zarr compares every chunk with the fill value: 328 against 2047 MB/s.
    array = group.create_array(
        name,
        shape=(0, *size),
        dtype=info.dtype,
        chunks=(1, *size),
        shards=(n_shard, *size),
        compressors=BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),
        dimension_names=("frame", "y", "x"),
        config={"write_empty_chunks": True},
    )
    numbers: list[int] = []
    times: list[int] = []
    problems: list[str] = []
    waiting: list[Any] = []

    def write() -> None:
        done = array.shape[0]
        array.resize((done + len(waiting), *size))
        array[done:] = np.stack(waiting)
        waiting.clear()

    for frame in frames:
        if frame.image is None:
            problems.append(f"frame {frame.number} is skipped: {frame.problem}")
            continue
        waiting.append(frame.image)
        numbers.append(frame.number)
        if frame.time is not None:
            times.append(frame.time)
        if len(waiting) == n_shard:
            write()
            if progress:
                progress(len(numbers))
    if waiting:
        write()
    return numbers, times if len(times) == len(numbers) else None, problems


def is_store(path: Path) -> bool:
    """Tell whether a path is a store with all of its frames."""
    return "skry_schema" in _attributes(path) and (path / "frames").is_dir()


def _attributes(group: Path) -> dict[str, Any]:
    """Attributes of a zarr group, without opening it; none where there is no such group."""
    try:
        metadata = json.loads((group / "zarr.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return metadata.get("attributes", {}) if isinstance(metadata, dict) else {}


def _is_complete(result: Path) -> bool:
    return bool(_attributes(result).get(COMPLETE))


def open_store(path: Path) -> zarr.Group:
    """Open a store for reading.

    Raises
    ------
    StoreError
        If it is of another version, or damaged.
    """
    try:
        group = zarr.open_group(LocalStore(path, read_only=True), mode="r")
        version = group.attrs["skry_schema"]
    except (OSError, KeyError, ValueError) as error:
        raise StoreError(f"{path} is not a store: import the capture again") from error
    if version != SCHEMA:
        raise StoreError(
            f"{path} has schema {version}, this program knows {SCHEMA}: import the capture again"
        )
    frames = array_of(group, "frames")
    # To zarr a missing shard is a black one.
    n_shards = -(-frames.shape[0] // (frames.shards or frames.chunks)[0])
    missing = [i for i in range(n_shards) if not (path / f"frames/c/{i}/0/0").is_file()]
    if missing:
        raise StoreError(
            f"{path} has lost {len(missing)} of its {n_shards} pieces of frames (frames/c/"
            f"{missing[0]}/0/0): delete it and import the capture again"
        )
    return group


def array_of(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """Open an array of a store.

    Raises
    ------
    StoreError
        If it is missing.
    """
    found = group.get(name)
    if not isinstance(found, zarr.Array):
        raise StoreError(f"{group.store_path} has no array {name}: import the capture again")
    return found


def is_group(path: Path) -> bool:
    """Tell whether a path is a zarr group: a store with frames, with results, or with both."""
    return (path / "zarr.json").is_file()


# --- phase results ---------------------------------------------------------------------------


class ResultStore:
    """Results of phases in a store, by digest.

    Parameters
    ----------
    path
        The store; made when the first result is saved.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, phase: str, digest: str) -> xr.Dataset | None:
        """Open a complete result, or None where there is none."""
        place = self.path / phase / digest
        if not _is_complete(place):
            return None
        try:
            return _read_result(place)
        except Exception as error:  # whatever a damaged file makes zarr and its codecs raise
            log.warning("%s is damaged (%s): computing it again", place, error)
            shutil.rmtree(place, ignore_errors=True)
            return None

    def save(self, phase: str, digest: str, result: xr.Dataset) -> None:
        """Write a result; whoever looks meanwhile finds none or the whole.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        place = self.path / phase / digest
        temporary = place.with_name(f"{digest}{PARTIAL}{uuid.uuid4().hex}")
        with writing(self.path):
            self.path.mkdir(exist_ok=True)
            _sweep(self.path / phase)
            zarr.open_group(LocalStore(self.path), path=phase, mode="a")
            try:
                _write_result(temporary, result)
                _flush(temporary)
                with contextlib.suppress(FileExistsError):
                    _rename_new(temporary, place)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)


def _read_result(place: Path) -> xr.Dataset:
    group = zarr.open_group(LocalStore(place, read_only=True), mode="r")
    variables = {
        name: xr.Variable(_dims(array), array[...], dict(array.attrs))
        for name, array in group.arrays()
    }
    attrs = group.attrs.asdict()
    del attrs[COMPLETE]
    coords = attrs.pop(COORDS)
    result = xr.Dataset(variables, attrs=attrs).set_coords(coords)
    return result.assign_coords(axis=AXIS) if "axis" in result.dims else result


def _dims(array: zarr.Array[Any]) -> tuple[Any, ...]:
    return getattr(array.metadata, "dimension_names", None) or ()


def _write_result(place: Path, result: xr.Dataset) -> None:
    """Write a computed Dataset as a zarr group, its mark last.

    With plain zarr: ``Dataset.to_zarr`` takes three times as long.
    """
    group = zarr.create_group(LocalStore(place))
    # zarr v3 has no stable format for text: the axis labels are put back by `find`.
    stored = result.drop_vars("axis", errors="ignore")
    for name, values in stored.variables.items():
        array = group.create_array(
            str(name), data=values.to_numpy(), dimension_names=[str(dim) for dim in values.dims]
        )
        array.attrs.put(values.attrs)
    coords = sorted(str(name) for name in stored.coords)
    group.attrs.put({**result.attrs, COORDS: coords, COMPLETE: True})


def _replace(temporary: Path, place: Path) -> None:
    """Put a folder in place of another, of which there is always one or the other."""
    aside = place.with_name(f"{place.name}{PARTIAL}{uuid.uuid4().hex}")
    if place.exists():
        place.rename(aside)
    temporary.rename(place)
    shutil.rmtree(aside, ignore_errors=True)


def _rename_new(temporary: Path, place: Path) -> None:
    """Rename a folder to its final name, in place of an incomplete one if there is one."""
    if place.exists() and not _is_complete(place):
        shutil.rmtree(place)
    try:
        temporary.rename(place)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(place) from error  # another process was as fast
        raise


def _sweep(folder: Path) -> None:
    """Remove what an interrupted run of more than a day ago left behind."""
    for leftover in folder.glob(f"*{PARTIAL}*"):
        with contextlib.suppress(OSError):
            if leftover.stat().st_mtime < time.time() - 86400:
                shutil.rmtree(leftover, ignore_errors=True)


def _flush(path: Path) -> None:
    """Make sure that a file, or all files of a folder, are on the disk."""
    files: Sequence[Path] = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
