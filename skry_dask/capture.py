"""Captures: a video, whatever its format, as a Dataset of lazy frames.

``open_capture(path)`` and ``xarray.open_dataset(path, engine="skry")`` are the same. Raw video is
read in place; compressed video is decoded once, into a store beside it.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import xarray as xr
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io import open_reader
from skry_dask.io.reader import DecodedFrame, RawReader
from skry_dask.store import (
    array_of,
    chunk_frames,
    fingerprint,
    in_place,
    is_group,
    is_store,
    open_store,
    write_frames,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import zarr

    from skry_dask.io.reader import CaptureInfo, VideoReader
    from skry_dask.types import AnyArray, IntArray

log = logging.getLogger(__name__)

STORE_SUFFIX = ".skry"


def open_capture(
    path: str | os.PathLike[str],
    *,
    store: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> xr.Dataset:
    """Open a video or a store.

    Parameters
    ----------
    path
        A SER file, an AVI file, any video that FFmpeg decodes, or a store.
    store
        Where the frames of a compressed video are kept once they are decoded; by default beside
        the video (``moon.mp4`` → ``moon.skry``).
    progress
        Called with the number of frames decoded so far, and how many the file claims to have.

    Returns
    -------
    xarray.Dataset
        ``frames`` uint8 or uint16 (frame, y, x), lazy, in chunks of several frames; coordinates
        ``frame`` int64, numbers in the file, and ``time`` datetime64[ns] (frame) where the file
        has it. Attributes: ``source``, ``format``, ``bits`` (full scale is ``2**bits - 1``),
        ``digest``, ``problems`` and what else the file says.

    Raises
    ------
    ReaderError
        If the file cannot be read as a capture.
    StoreError
        If a compressed video cannot be decoded into its store.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.open_capture("moon.ser")  # doctest: +SKIP
    """
    capture = _open(Path(path), Path(store) if store else None, progress)
    n_chunk = capture["frames"].encoding["preferred_chunks"]["frame"]
    return capture.assign(frames=capture["frames"].chunk({"frame": n_chunk}))


class SkryBackend(BackendEntrypoint):
    """Captures for ``xarray.open_dataset(path, engine="skry")``."""

    description = "Astronomical videos (SER, AVI, MP4...) and their stores, lazily"
    url = ""

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
    ) -> xr.Dataset:
        """Open a capture; see `open_capture`."""
        capture = _open(Path(filename_or_obj), None, None)
        dropped = (
            [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        )
        return capture.drop_vars(dropped, errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Claim what only this engine reads."""
        return str(filename_or_obj).lower().endswith((".ser", ".avi", STORE_SUFFIX))


class _Frames(BackendArray):
    """Frames as xarray indexes them."""

    def __init__(self, source: _Source) -> None:
        self.source = source
        self.shape = source.shape
        self.dtype = source.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> AnyArray:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self.source.__getitem__
        )


class _Source(Protocol):
    """What frames are read from: a zarr array, or a raw video."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __getitem__(self, key: tuple[Any, ...]) -> Any: ...


class _RawFrames:
    """Frames of a raw video, read straight into the array that is returned.

    16 frames of 840 x 612 take 1.9 ms; through the in-place zarr store, which `as_zarr` gives, 2.9
    ms, and a single frame as long as its whole chunk.
    """

    def __init__(self, reader: RawReader) -> None:
        info = reader.info
        self.reader = reader
        self.shape = (info.n_frames or 0, info.height, info.width)
        self.dtype = np.dtype(info.dtype)

    def __getitem__(self, key: tuple[Any, ...]) -> AnyArray:
        frames, *rest = key
        if isinstance(frames, slice):
            start, stop, step = frames.indices(self.shape[0])
            return self.reader.read(start, max(start, stop))[(slice(None, None, step), *rest)]
        number = int(frames)
        return self.reader.read(number, number + 1)[(0, *rest)]


def _open(
    path: Path, store: Path | None, progress: Callable[[int, int | None], None] | None
) -> xr.Dataset:
    """Open a capture without chunks, decoding it first where that is needed."""
    if is_store(path):
        group = open_store(path)
        return _from_store(group, {**group.attrs.asdict(), "store": str(path)})
    if is_group(path):
        raise ReaderError(f"{path} holds results, no frames: give the video that they belong to")
    reader = open_reader(path)
    if isinstance(reader, RawReader):
        info = reader.info
        numbers = np.arange(info.n_frames or 0)
        attrs = attributes(info, path)
        return _dataset(_RawFrames(reader), chunk_frames(info), numbers, info.time, attrs)
    place = store or sidecar(path)
    decode(reader, place, progress)
    group = open_store(place)
    return _from_store(group, {**group.attrs.asdict(), "source": str(path)})


def _from_store(group: zarr.Group, attrs: dict[str, Any]) -> xr.Dataset:
    frames = array_of(group, "frames")
    time = np.asarray(array_of(group, "time")[:]) if "time" in group else None
    n_chunk = (frames.shards or frames.chunks)[0]
    return _dataset(frames, n_chunk, np.asarray(array_of(group, "frame")[:]), time, attrs)


def _dataset(
    source: _Source, n_chunk: int, numbers: IntArray, time: IntArray | None, attrs: dict[str, Any]
) -> xr.Dataset:
    variable = xr.Variable(
        ("frame", "y", "x"),
        indexing.LazilyIndexedArray(_Frames(source)),
        {"units": "grey level", "long_name": "raw frames"},
    )
    _, height, width = source.shape
    variable.encoding["preferred_chunks"] = {"frame": n_chunk, "y": height, "x": width}
    coords: dict[str, Any] = {"frame": ("frame", numbers)}
    if time is not None:
        coords["time"] = ("frame", time.astype("datetime64[ns]"))
    return xr.Dataset({"frames": variable}, coords, attrs)


def as_zarr(
    path: str | os.PathLike[str], *, store: str | os.PathLike[str] | None = None
) -> zarr.Group:
    """Open a capture as a read-only zarr group, for programs that know zarr and not us.

    Parameters
    ----------
    path
        A video or a store. Raw video is presented in place, without copying it.
    store
        Where the frames of a compressed video are kept; see `open_capture`.

    Returns
    -------
    zarr.Group
        With arrays ``frames`` (frame, y, x), ``frame`` and, where it is known, ``time``, int64 ns
        since 1970 UTC.

    Raises
    ------
    ReaderError
        If the file cannot be read as a capture.

    Examples
    --------
    >>> import skry_dask as skry
    >>> frames = skry.as_zarr("moon.ser")["frames"]  # doctest: +SKIP
    """
    path = Path(path)
    if is_store(path):
        return open_store(path)
    reader = open_reader(path)
    if isinstance(reader, RawReader):
        return in_place(reader)
    place = Path(store) if store else sidecar(path)
    decode(reader, place, None)
    return open_store(place)


def decode(
    reader: VideoReader, place: Path, progress: Callable[[int, int | None], None] | None
) -> None:
    """Decode a video into a store, unless the store has it already."""
    attrs = attributes(reader.info, reader.path)
    if _has_already(place, attrs):
        return
    claimed = reader.info.n_frames
    report = (lambda done: progress(done, claimed)) if progress else None
    write_frames(place, reader.info, reader.decode(), attrs, report)


def _has_already(store: Path, attrs: dict[str, Any]) -> bool:
    """Tell whether a store has the frames of a capture.

    Raises
    ------
    StoreError
        If it has those of another capture, which are not replaced.
    """
    if not is_store(store):
        return False
    kept = open_store(store).attrs
    if kept.get("digest") == attrs["digest"]:
        return True
    if Path(str(kept.get("source"))).name != Path(attrs["source"]).name:
        raise StoreError(f"{store} holds another capture ({kept.get('source')}): give a new name")
    return False


def import_capture(
    path: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    progress: Callable[[int, int | None], None] | None = None,
) -> xr.Dataset:
    """Decode any capture into a compressed store: for a cluster, or for keeping.

    Parameters
    ----------
    path
        The capture.
    store
        The folder to be made. Frames that it already has of the same capture are kept if the file
        has not changed since, and replaced if it has.
    progress
        Called with the number of frames done so far, and of how many.

    Returns
    -------
    xarray.Dataset
        The new store, opened; see `open_capture`.

    Raises
    ------
    ReaderError
        If the capture cannot be read.
    StoreError
        If the store holds another capture, is something else, or cannot be written.
    """
    path, store = Path(path), Path(store)
    if store.exists() and not is_group(store):
        raise StoreError(f"{store} exists and is not a store: give a new name")
    if is_store(path):
        raise ReaderError(f"{path} is a store already: copy the folder to keep it elsewhere")
    reader = open_reader(path)
    if isinstance(reader, RawReader):
        attrs = attributes(reader.info, path)
        if not _has_already(store, attrs):
            n_frames = reader.info.n_frames
            report = (lambda done: progress(done, n_frames)) if progress else None
            write_frames(store, reader.info, _in_sequence(reader), attrs, report)
    else:
        decode(reader, store, progress)
    return open_capture(store)


def inspect_capture(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Tell what is in a file without decoding it.

    Parameters
    ----------
    path
        A video or a store.

    Returns
    -------
    dict, JSON-compatible
        ``source``, ``format``, ``frames`` (for compressed video what its header claims, or None),
        ``width``, ``height``, ``dtype``, ``bits``, ``first_time`` and ``last_time`` where known,
        what else the file says, and ``problems``.

    Raises
    ------
    ReaderError
        If the file cannot be read as a capture.
    """
    path = Path(path)
    if is_store(path):
        capture = open_capture(path)
        n_frames: int | None
        n_frames, height, width = capture["frames"].shape
        dtype, attrs = capture["frames"].dtype.name, dict(capture.attrs)
        time = capture["time"].to_numpy() if "time" in capture.coords else None
    else:
        info = open_reader(path).info
        n_frames = info.n_frames
        height, width, dtype = info.height, info.width, info.dtype
        attrs = attributes(info, path)
        time = None if info.time is None else info.time.astype("datetime64[ns]")
    found: dict[str, Any] = {"source": str(path), "format": attrs.pop("format")}
    found |= {"frames": n_frames, "width": width, "height": height, "dtype": dtype}
    found |= {"bits": attrs.pop("bits")}
    if time is not None and len(time):
        found |= {"first_time": str(time[0]), "last_time": str(time[-1])}
    return found | {k: v for k, v in attrs.items() if k not in found}


def _in_sequence(reader: RawReader) -> Iterator[DecodedFrame]:
    """Read a raw video from its beginning to its end, a chunk at a time."""
    info = reader.info
    step = chunk_frames(info)
    for start in range(0, info.n_frames or 0, step):
        images = reader.read(start, min(start + step, info.n_frames or 0))
        for number, image in enumerate(images, start):
            time = None if info.time is None else int(info.time[number])
            yield DecodedFrame(number, image, time)


def attributes(info: CaptureInfo, path: Path) -> dict[str, Any]:
    """Collect what is known of a file as the attributes of its Dataset."""
    return {
        "source": str(path),
        "format": info.format,
        "bits": info.bits,
        "digest": fingerprint(path),
        "problems": list(info.problems),
        **info.attrs,
    }


def sidecar(path: Path) -> Path:
    """Name the store beside a video: ``moon.ser`` → ``moon.skry``."""
    return path.with_name(f"{path.stem}{STORE_SUFFIX}")


def can_write_in(folder: Path) -> bool:
    """Tell whether a folder takes new files; one without any write permission bit is left alone."""
    try:
        return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)
    except OSError:
        return False
