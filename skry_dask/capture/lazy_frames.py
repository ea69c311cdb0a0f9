"""Frames of a raw video or of a store as a labelled Dataset whose frames are read when used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from skry_dask.capture.identity import (
    FilesIdentity,
    Identity,
    StoreIdentity,
    UrlIdentity,
    remember,
    require_same,
)
from skry_dask.capture.samples import sampled_numbers
from skry_dask.errors import OptionsError
from skry_dask.graph.datasets import DAMAGED
from skry_dask.io.remote import absolute
from skry_dask.options import Cfa, as_json
from skry_dask.profiling import reading
from skry_dask.store.digest import digest_of
from skry_dask.store.frames.files import chunk_frames
from skry_dask.store.frames.open import array_of, read_known, read_labels
from skry_dask.store.places.checked import IMPORT_AGAIN, CheckedArray
from skry_dask.store.places.lazy_array import lazy_array
from skry_dask.types import CHANNEL

if TYPE_CHECKING:
    import zarr

    from skry_dask.io.reader import RawReader
    from skry_dask.io.remote import Location
    from skry_dask.options import ReadOptions
    from skry_dask.store.places.lazy_array import ArrayOnDisk
    from skry_dask.types import AnyArray, BoolArray, IntArray

SAMPLED_FRAMES = 8
"""Number of evenly spaced frames in which `bits_in_use` looks."""


class LazyFrames(NamedTuple):
    """Frames that have not been read yet, and what is known about them.

    Parameters
    ----------
    array
        uint8 or uint16 (frame, y, x[, channel]), read when indexed.
    n_chunk
        Number of frames that are best read at a time.
    number
        int64 (frame), number of each frame in the file.
    time
        int64 (frame), ns since 1970-01-01 UTC, or None.
    identity
        What another process has to see in order to read the same frames.
    damaged
        bool (frame), whether it may be damaged, as the decoder says; None: it does not.
    """

    array: ArrayOnDisk
    n_chunk: int
    number: IntArray
    time: IntArray | None
    identity: Identity
    damaged: BoolArray | None = None

    @classmethod
    def of_raw_video(cls, reader: RawReader, identity: FilesIdentity | UrlIdentity) -> LazyFrames:
        """Take the frames of a raw video, in place."""
        info = reader.info
        number = np.arange(info.n_frames or 0) if info.number is None else info.number
        return cls(_RawFrames(reader), chunk_frames(info), number, info.time, identity)

    @classmethod
    def of_store(cls, group: zarr.Group, location: Location) -> LazyFrames:
        """Take the frames of a store.

        Parameters
        ----------
        group
            The store.
        location
            Where it is, for messages.

        Raises
        ------
        StoreError
            If the store lacks an array, or it is damaged; reading damaged frames raises it, too.
        """
        frames = array_of(group, "frames", location)
        number = read_labels(group, "frame", location)
        time, damaged = (read_known(group, name, location) for name in ("time", DAMAGED))
        checked = CheckedArray(frames, str(location), IMPORT_AGAIN)
        identity = StoreIdentity(absolute(location), str(group.attrs.get("digest", "")))
        return cls(checked, (frames.shards or frames.chunks)[0], number, time, identity, damaged)

    def dataset(self, attrs: dict[str, Any]) -> xr.Dataset:
        """Label the frames with dims, coordinates and units; see `open_capture`."""
        dims = ("frame", "y", "x", "channel")[: len(self.array.shape)]
        _, *shape = self.array.shape
        frames = xr.Variable(
            dims,
            lazy_array(_CheckedReads(self.array, self.identity)),
            {"units": "grey level", "long_name": "raw frames"},
            {"preferred_chunks": dict(zip(dims, (self.n_chunk, *shape), strict=True))},
        )
        coords: dict[str, Any] = {"frame": ("frame", self.number)}
        for dim, length in zip(("y", "x"), shape[:2], strict=True):
            about = {"units": "px", "long_name": f"{dim} in the file's frames"}
            coords[dim] = (dim, np.arange(length), about)
        if len(shape) > 2:
            coords["channel"] = CHANNEL
        if self.time is not None:
            coords["time"] = ("frame", self.time.astype("datetime64[ns]"))
        if self.damaged is not None:
            coords[DAMAGED] = ("frame", self.damaged)
        return xr.Dataset({"frames": frames}, coords, attrs)


class _CheckedReads:
    """Frames whose reading is counted in the profile, and which no other input can replace."""

    def __init__(self, array: ArrayOnDisk, identity: Identity) -> None:
        self.array = array
        self.identity = identity
        self.shape = array.shape
        self.dtype = array.dtype
        remember(identity)

    def __getitem__(self, key: tuple[Any, ...]) -> AnyArray:
        require_same(self.identity)
        with reading() as add_bytes:
            frames: AnyArray = self.array[key]
            add_bytes(frames.nbytes)
        return frames


class _RawFrames:
    """Frames of a raw video, read straight into the array that is returned.

    Reading 16 frames of 840 x 612 px takes 1.9 ms. Through the in-place zarr store of `as_zarr` it
    takes 2.9 ms, and a single frame takes as long as its whole chunk. Of frames of which some rows
    are wanted, no others are read.
    """

    def __init__(self, reader: RawReader) -> None:
        info = reader.info
        self.reader = reader
        self.shape = (info.n_frames or 0, *info.frame_shape)
        self.dtype = np.dtype(info.dtype)

    def __getitem__(self, key: tuple[Any, ...]) -> AnyArray:
        frames, *inside = key
        n_frames, *shape = self.shape
        rows, columns = (_consecutive(k, n) for k, n in zip(inside[:2], shape[:2], strict=True))
        if isinstance(frames, slice) and (rows is None or len(rows) == shape[0]):
            start, stop, step = frames.indices(n_frames)
            whole = self.reader.read(start, max(start, stop))
            return whole[(slice(None, None, step), *inside)]
        numbers = np.arange(n_frames)[frames]
        part = self.reader.read_part(
            np.atleast_1d(numbers), rows or range(shape[0]), columns or range(shape[1])
        )
        for axis, known in enumerate((rows, columns)):
            if known:
                inside[axis] = slice(None)
        return part[(slice(None) if numbers.ndim else 0, *inside)]


def _consecutive(key: Any, n: int) -> range | None:
    """Return the consecutive indices that a slice takes, or None for any other key."""
    indices = range(*key.indices(n)) if isinstance(key, slice) else range(0)
    return indices if indices and indices.step == 1 else None


def correct_attributes(
    attrs: dict[str, Any], frame_shape: tuple[int, ...], dtype: str, read: ReadOptions
) -> dict[str, Any]:
    """Correct what a file says about itself by what the user knows better.

    Parameters
    ----------
    attrs
        Attributes of the capture, as the file has them.
    frame_shape
        (y, x[, channel]), px.
    dtype
        ``"uint8"`` or ``"uint16"``.
    read
        See `ReadOptions`.

    Returns
    -------
    dict
        Corrected attributes. Another reading gets another digest; default options change nothing.

    Raises
    ------
    OptionsError
        If such frames cannot be read that way.
    """
    attrs, where = dict(attrs), attrs.get("source", "the capture")
    if read.cfa is not None:
        if len(frame_shape) > 2 and read.cfa is not Cfa.NONE:
            raise OptionsError(
                f"cfa is {read.cfa}, but {where} has colour channels already: leave --cfa out"
            )
        attrs["cfa"] = read.cfa.value
    if read.bits is not None:
        deepest = 8 * np.dtype(dtype).itemsize
        if read.bits > deepest:
            raise OptionsError(
                f"bits is {read.bits}, but {where} has samples of {deepest} bits: give at most "
                f"{deepest}"
            )
        attrs |= {"header_bits": attrs["bits"], "bits": read.bits}
    if read.grey:
        attrs["grey"] = 1
    if read.pixel_scale is not None:
        attrs["pixel_scale"] = read.pixel_scale
    # The digest of the file depends on ``verify`` already; the scale changes no frame.
    apart = ("verify", "pixel_scale")
    given = {k: v for k, v in as_json(read).items() if v not in (None, False) and k not in apart}
    if given:
        attrs["digest"] = digest_of(attrs["digest"], "read", read.version, given)
    return attrs


def correct_capture(capture: xr.Dataset, read: ReadOptions) -> xr.Dataset:
    """Correct the attributes of a capture, and note where its samples contradict the user.

    Reads a few frames if ``bits`` is given.

    Parameters
    ----------
    capture
        As from `LazyFrames.dataset`.
    read
        See `ReadOptions`.

    Raises
    ------
    OptionsError
        If the frames cannot be read that way.
    """
    frames = capture["frames"]
    attrs = correct_attributes(capture.attrs, frames.shape[1:], frames.dtype.name, read)
    if read.bits is not None:
        used = bits_in_use(frames).bit_length()
        if used > read.bits:
            attrs["problems"] = [
                *attrs["problems"],
                f"Samples reach {used} bits: with --bits {read.bits} they are brighter than white.",
            ]
    return capture.assign_attrs(attrs)


def bits_in_use(frames: xr.DataArray) -> int:
    """Combine the samples of a few frames by bitwise or: the bits that are set in any of them.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x[, channel]).
    """
    few = sampled_numbers(len(frames), SAMPLED_FRAMES)
    return int(np.bitwise_or.reduce(frames.isel(frame=few).to_numpy(), axis=None))
