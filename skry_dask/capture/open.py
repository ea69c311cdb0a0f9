"""Captures: a video, whatever its format, as a Dataset of lazy frames.

``xarray.open_dataset(path, engine="skry")`` is ``open_capture(path)`` without chunks. Raw video is
read in place; compressed video is decoded once, into a store beside it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import xarray as xr
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from skry_dask.capture.select import select
from skry_dask.capture.source import (
    STORE_SUFFIX,
    as_read,
    attributes,
    decode,
    reader_of,
    sidecar,
    store_of,
)
from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.reader import RawReader
from skry_dask.options import ReadOptions
from skry_dask.store.frames import array_of, chunk_frames, in_place, is_group, open_store
from skry_dask.types import CHANNEL

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    import zarr

    from skry_dask.capture.source import Input
    from skry_dask.options import ByteOrder, Cfa, SelectOptions
    from skry_dask.types import AnyArray, IntArray

log = logging.getLogger(__name__)


def open_capture(
    source: Input,
    read: ReadOptions | None = None,
    selection: SelectOptions | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> xr.Dataset:
    """Open a video, a sequence of images or a store.

    Parameters
    ----------
    source
        A SER file, an AVI file, any video that FFmpeg decodes; a folder of images, a pattern such
        as ``moon/*.png``, a list of images, an image of several pages; a store or its URL.
    read
        How it is read, where it is wrong about itself; see `ReadOptions`.
    selection
        Which frames, and which part of them; see `SelectOptions`.
    store
        Where the frames of compressed videos and of images are kept once they are decoded; by
        default beside them (``moon.mp4`` → ``moon.skry``).
    progress
        Called with the number of frames decoded so far, and how many the file claims to have.

    Returns
    -------
    xarray.Dataset
        ``frames`` uint8 or uint16 (frame, y, x[, channel]), raw, lazy, in chunks of several frames;
        coordinates ``frame`` int64, numbers in the file, ``y`` and ``x`` int64, pixels of the
        file's frames, and ``time`` datetime64[ns] (frame) where the file has it. Attributes:
        ``source``, ``format``, ``bits`` (full scale is ``2**bits - 1``), ``cfa`` where the frames
        are raw colour (the pattern at pixel (0, 0) of the file), ``digest``, ``problems`` and what
        else the file says.

    Raises
    ------
    ReaderError
        If the file cannot be read as a capture.
    OptionsError
        If an option does not fit it.
    StoreError
        If it cannot be decoded into its store.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.open_capture("moon.ser")  # doctest: +SKIP
    """
    return in_chunks(*open_selected(source, read, selection, store, progress))


def open_selected(
    source: Input,
    read: ReadOptions | None = None,
    selection: SelectOptions | None = None,
    store: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> tuple[xr.Dataset, int]:
    """Open a capture, its frames without chunks; with how many had best be read at a time."""
    capture = open_lazily(source, read or ReadOptions(), Path(store) if store else None, progress)
    n_chunk = capture["frames"].encoding["preferred_chunks"]["frame"]
    return select(capture, selection), n_chunk


def in_chunks(capture: xr.Dataset, n_chunk: int) -> xr.Dataset:
    """Give a capture its chunks of frames; a part of a store's shard is read by itself."""
    return capture.assign(frames=capture["frames"].chunk({"frame": n_chunk}))


class SkryBackend(BackendEntrypoint):
    """Captures for ``xarray.open_dataset(path, engine="skry")``."""

    description = "Astronomical videos (SER, AVI, MP4...), image sequences and stores, lazily"
    url = ""

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        byte_order: ByteOrder | None = None,
        cfa: Cfa | None = None,
        bits: int | None = None,
        grey: bool = False,
    ) -> xr.Dataset:
        """Open a capture; see `open_capture` and `ReadOptions`."""
        read = ReadOptions(byte_order=byte_order, cfa=cfa, bits=bits, grey=grey)
        capture = open_lazily(filename_or_obj, read)
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
        self.shape = (info.n_frames or 0, *info.frame_shape)
        self.dtype = np.dtype(info.dtype)

    def __getitem__(self, key: tuple[Any, ...]) -> AnyArray:
        frames, *rest = key
        if isinstance(frames, slice):
            start, stop, step = frames.indices(self.shape[0])
            return self.reader.read(start, max(start, stop))[(slice(None, None, step), *rest)]
        number = int(frames)
        return self.reader.read(number, number + 1)[(0, *rest)]


def open_lazily(
    source: Input,
    read: ReadOptions,
    store: Path | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> xr.Dataset:
    """Open a capture without chunks, decoding it first where that is needed.

    Parameters
    ----------
    source, read, store, progress
        See `open_capture`.

    Returns
    -------
    xarray.Dataset
        As from `open_capture`; frames are read when they are looked at.
    """
    place = store_of(source)
    if place is not None:
        group = open_store(place)
        capture = _from_store(group, {**group.attrs.asdict(), "store": str(place)})
        return _as_read(capture, read)
    reader = reader_of(source, read)
    attrs = attributes(reader)
    if isinstance(reader, RawReader):
        info = reader.info
        numbers = np.arange(info.n_frames or 0) if info.number is None else info.number
        capture = _dataset(_RawFrames(reader), chunk_frames(info), numbers, info.time, attrs)
    else:
        place = store or sidecar(source)
        decode(reader, place, attrs, progress)
        group = open_store(place)
        capture = _from_store(group, {**group.attrs.asdict(), "source": str(reader.path)})
    return _as_read(capture, read)


def _as_read(capture: xr.Dataset, read: ReadOptions) -> xr.Dataset:
    frames = capture["frames"]
    attrs = as_read(capture.attrs, frames.shape[1:], frames.dtype.name, read)
    if read.bits is not None:
        used = int(bits_in_use(frames)).bit_length()
        if used > read.bits:
            attrs["problems"] = [
                *attrs["problems"],
                f"Samples reach {used} bits: with --bits {read.bits} they are brighter than white.",
            ]
    return capture.assign_attrs(attrs)


SAMPLED_FRAMES = 8
"""So many frames, evenly spread, tell which bits samples use."""


def bits_in_use(frames: xr.DataArray) -> int:
    """Look at a few frames: which bits are set in any sample."""
    few = np.unique(np.linspace(0, len(frames) - 1, SAMPLED_FRAMES).astype(int))
    return int(np.bitwise_or.reduce(frames.isel(frame=few).to_numpy(), axis=None))


def _from_store(group: zarr.Group, attrs: dict[str, Any]) -> xr.Dataset:
    frames = array_of(group, "frames")
    time = np.asarray(array_of(group, "time")[:]) if "time" in group else None
    n_chunk = (frames.shards or frames.chunks)[0]
    return _dataset(frames, n_chunk, np.asarray(array_of(group, "frame")[:]), time, attrs)


def _dataset(
    source: _Source, n_chunk: int, numbers: IntArray, time: IntArray | None, attrs: dict[str, Any]
) -> xr.Dataset:
    dims = ("frame", "y", "x", "channel")[: len(source.shape)]
    variable = xr.Variable(
        dims,
        indexing.LazilyIndexedArray(_Frames(source)),
        {"units": "grey level", "long_name": "raw frames"},
    )
    _, *shape = source.shape
    variable.encoding["preferred_chunks"] = {
        "frame": n_chunk,
        **dict(zip(dims[1:], shape, strict=True)),
    }
    coords: dict[str, Any] = {"frame": ("frame", numbers)}
    for dim, length in zip(("y", "x"), shape[:2], strict=True):
        words = {"units": "px", "long_name": f"{dim} in the file's frames"}
        coords[dim] = (dim, np.arange(length), words)
    if len(shape) > 2:
        coords["channel"] = CHANNEL
    if time is not None:
        coords["time"] = ("frame", time.astype("datetime64[ns]"))
    return xr.Dataset({"frames": variable}, coords, attrs)


def as_zarr(
    source: Input,
    read: ReadOptions | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
) -> zarr.Group:
    """Open a capture as a read-only zarr group, for programs that know zarr and not us.

    Parameters
    ----------
    source
        A video, images or a store. Raw video is presented in place, without copying it.
    read
        ``byte_order`` and ``grey`` of `ReadOptions`; the rest does not change frames.
    store
        Where decoded frames are kept; see `open_capture`.

    Returns
    -------
    zarr.Group
        With arrays ``frames`` (frame, y, x[, channel]), ``frame`` and, where it is known, ``time``,
        int64 ns since 1970 UTC.

    Raises
    ------
    ReaderError
        If the file cannot be read as a capture.

    Examples
    --------
    >>> import skry_dask as skry
    >>> frames = skry.as_zarr("moon.ser")["frames"]  # doctest: +SKIP
    """
    place = store_of(source)
    if place is not None:
        return open_store(place)
    reader = reader_of(source, read or ReadOptions())
    if isinstance(reader, RawReader):
        return in_place(reader)
    place = Path(store) if store else sidecar(source)
    decode(reader, place, attributes(reader), None)
    return open_store(place)


def import_capture(
    source: Input,
    store: str | os.PathLike[str],
    read: ReadOptions | None = None,
    *,
    progress: Callable[[int, int | None], None] | None = None,
) -> xr.Dataset:
    """Decode any capture into a compressed store: for a cluster, or for keeping.

    Parameters
    ----------
    source
        The capture.
    store
        The folder to be made. Frames that it already has of the same capture are kept if the file
        has not changed since, and replaced if it has.
    read
        How the capture is read; the store remembers it.
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
    store, read = Path(store), read or ReadOptions()
    if store.exists() and not is_group(store):
        raise StoreError(f"{store} exists and is not a store: give a new name")
    place = store_of(source)
    if place is not None:
        raise ReaderError(f"{place} is a store already: copy the folder to keep it elsewhere")
    reader = reader_of(source, read)
    info = reader.info
    attrs = as_read(attributes(reader), info.frame_shape, info.dtype, read)
    decode(reader, store, attrs, progress)
    return open_capture(store)
