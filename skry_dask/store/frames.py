"""Frames in zarr: a video presented in place, decoded frames on disk, a store opened anywhere."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import zarr
from zarr.codecs import BloscCodec
from zarr.storage import LocalStore, MemoryStore, WrapperStore

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.atomic import writing
from skry_dask.store.digest import SCHEMA
from skry_dask.store.folder import PARTIAL, attributes_of, flush, replace, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zarr.abc.store import ByteRequest, Store
    from zarr.core.buffer import Buffer, BufferPrototype

    from skry_dask.io.reader import CaptureInfo, DecodedFrame, RawReader

Location: TypeAlias = Path | str
"""Where a store is: a folder, or the URL of one that is kept elsewhere."""

CHUNK_BYTES = 2**23
"""Chunks of frames are about this large, between the following numbers of frames."""

MIN_CHUNK_FRAMES, MAX_CHUNK_FRAMES = 2, 64

MAX_PROBLEMS = 100
"""Of a video with more damaged frames than this the first ones are listed, the rest counted."""

DIMS = ("frame", "y", "x", "channel")


def chunk_frames(info: CaptureInfo) -> int:
    """How many frames make a chunk: one task's worth."""
    size = info.height * info.width * info.channels * np.dtype(info.dtype).itemsize
    return int(np.clip(CHUNK_BYTES // max(size, 1), MIN_CHUNK_FRAMES, MAX_CHUNK_FRAMES))


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
    numbers = np.arange(n_frames) if info.number is None else info.number
    _add_coordinates(group, numbers, info.time)
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
        sweep(path)
        group = zarr.open_group(LocalStore(path), mode="a")
        temporary = f"frames{PARTIAL}{uuid.uuid4().hex}"
        try:
            numbers, times, problems = _fill(group, temporary, info, frames, progress)
            if not numbers:
                raise ReaderError(
                    f"{attrs.get('source', path)}: not one frame could be decoded"
                    f"{' (' + problems[0] + ')' if problems else ''}: convert it to SER"
                )
            flush(path / temporary)
            if attributes_of(path).get("digest") == attrs.get("digest", ""):
                return  # another process was as fast, and others may be reading its frames
            replace(path / temporary, path / "frames")
        finally:
            shutil.rmtree(path / temporary, ignore_errors=True)
        _add_coordinates(group, numbers, times)
        all_problems = [*attrs.get("problems", ()), *problems]
        group.attrs.put({**attrs, "problems": all_problems, "skry_schema": SCHEMA})
        flush(path / "zarr.json")


def _fill(
    group: zarr.Group,
    name: str,
    info: CaptureInfo,
    frames: Iterable[DecodedFrame],
    progress: Callable[[int], None] | None,
) -> tuple[list[int], list[int] | None, list[str]]:
    """Write images shard by shard; returns frame numbers, times and problems."""
    n_shard = chunk_frames(info)
    size = info.frame_shape
    # By default zarr compares every chunk with the fill value: 328 against 2047 MB/s.
    array = group.create_array(
        name,
        shape=(0, *size),
        dtype=info.dtype,
        chunks=(1, *size),
        shards=(n_shard, *size),
        compressors=BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),
        dimension_names=DIMS[: 1 + len(size)],
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
        if frame.problem:
            problems.append(f"frame {frame.number}: {frame.problem}")
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
        if progress:
            progress(len(numbers))
    return numbers, times if len(times) == len(numbers) else None, _first(problems)


def _first(problems: list[str]) -> list[str]:
    """List the first problems and count the rest."""
    more = len(problems) - MAX_PROBLEMS
    if more <= 0:
        return problems
    return [*problems[:MAX_PROBLEMS], f"{more} more frames have problems, unlisted"]


def is_store(path: Path) -> bool:
    """Tell whether a path is a store with all of its frames."""
    return "skry_schema" in attributes_of(path) and (path / "frames").is_dir()


class _RemoteStore(WrapperStore[Any]):
    """A store elsewhere: what fails is told in our words.

    A missing piece of frames is an error too: to zarr it is a black one.
    """

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a piece."""
        try:
            found = await self._store.get(key, prototype, byte_range)
        except Exception as error:  # obstore has its own for each service
            raise StoreError(
                f"{key} of {self._store} cannot be read ({_first_line(error)}): check the "
                "connection, and that the server allows to read parts of files"
            ) from error
        if found is None and key.startswith("frames/c/"):
            raise StoreError(
                f"{self._store} has lost a piece of its frames ({key}): import the capture again"
            )
        return found


def _storage(location: Location) -> Store:
    """Open what a store is kept in, read-only."""
    if isinstance(location, Path):
        return LocalStore(location, read_only=True)
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


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def is_url(source: object) -> bool:
    """Tell whether a source is the URL of a store."""
    return isinstance(source, str) and "://" in source


def open_store(location: Location) -> zarr.Group:
    """Open a store for reading.

    Parameters
    ----------
    location
        A folder, or a URL such as ``s3://bucket/moon.skry``.

    Raises
    ------
    StoreError
        If it is no store, of another version, damaged, or cannot be reached.
    """
    storage = _storage(location)
    try:
        group = zarr.open_group(storage, mode="r")
        version = group.attrs["skry_schema"]
    except StoreError:
        raise
    except (OSError, KeyError, ValueError) as error:
        raise StoreError(f"{location} is not a store: import the capture again") from error
    if version != SCHEMA:
        raise StoreError(
            f"{location} has schema {version}, this program knows {SCHEMA}: import the capture "
            "again"
        )
    if isinstance(location, Path):
        _check_whole(location, array_of(group, "frames"))
    return group


def _check_whole(path: Path, frames: zarr.Array[Any]) -> None:
    """Refuse a store that has lost pieces: to zarr a missing shard is a black one."""
    n_shards = -(-frames.shape[0] // (frames.shards or frames.chunks)[0])
    rest = "/0" * (frames.ndim - 1)
    missing = [i for i in range(n_shards) if not (path / f"frames/c/{i}{rest}").is_file()]
    if missing:
        raise StoreError(
            f"{path} has lost {len(missing)} of its {n_shards} pieces of frames (frames/c/"
            f"{missing[0]}{rest}): delete it and import the capture again"
        )


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
