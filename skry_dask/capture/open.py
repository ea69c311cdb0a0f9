"""Captures: a video of any format as a Dataset of lazy frames.

``xarray.open_dataset(path, engine="skry")`` is ``open_capture(path)`` without chunks. Raw video is
read in place; compressed video is decoded once, into a store beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xarray.backends import BackendEntrypoint

from skry_dask.capture.select import select
from skry_dask.capture.source import resolve
from skry_dask.errors import StoreError
from skry_dask.graph.frame_parts import remember_unread
from skry_dask.io.remote import located
from skry_dask.notebook import decoding_shown
from skry_dask.options import ReadOptions, SelectOptions
from skry_dask.options.given import options_of, options_of_several
from skry_dask.store.frames.open import STORE_SUFFIX, is_group
from skry_dask.store.places.folder import is_leftover
from skry_dask.store.results.room import can_write_in

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    import xarray as xr
    import zarr

    from skry_dask.capture.decode import Report
    from skry_dask.capture.inputs import Input
    from skry_dask.capture.source import Source
    from skry_dask.io.remote import RemotePath
    from skry_dask.options import ByteOrder, Cfa


def open_capture(
    source: Input,
    read: ReadOptions | None = None,
    selection: SelectOptions | None = None,
    *,
    store: str | os.PathLike[str] | RemotePath | None = None,
    progress: Report | None = None,
    **choices: Any,
) -> xr.Dataset:
    """Open a video, a sequence of images or a store.

    Parameters
    ----------
    source
        A SER file, an AVI file, any video that FFmpeg decodes; a folder of images, a pattern such
        as ``moon/*.png``, a list of images, an image of several pages; a store; the URL of a store,
        or of a SER or uncompressed AVI file.
    read
        Corrects what the file says about itself; see `ReadOptions`.
    selection
        Which frames, and which rectangle of them; see `SelectOptions`.
    store
        Where the frames of compressed videos and of images are kept once they are decoded; by
        default beside them (``moon.mp4`` → ``moon.skry``).
    progress
        Called with the number of frames decoded so far, and the number that the file claims; by
        default a bar is shown in a notebook, and nothing elsewhere.
    **choices
        Options of `ReadOptions` and `SelectOptions` by name, such as ``grey=True`` or
        ``frames="100:900"``. They win over ``read`` and ``selection``.

    Returns
    -------
    xarray.Dataset
        ``frames`` uint8 or uint16 (frame, y, x[, channel]), grey levels, raw, lazy, in chunks of
        several frames; coordinates ``frame`` int64, numbers in the file, ``y`` and ``x`` int64,
        pixels of the file's frames, ``channel`` (red, green, blue) and ``time`` datetime64[ns]
        (frame) where the file has them, and ``damaged`` bool (frame) where the decoder says that
        frames may be damaged. Attributes: ``source``, ``format``, ``bits`` (full scale is
        ``2**bits - 1``), ``cfa`` where the frames are raw colour (the pattern at pixel (0, 0) of
        the file; recognised by its mesh where the file says nothing), ``digest``,
        ``problems``, and whatever else the file says.

    Raises
    ------
    ReaderError
        If the file cannot be read as a capture.
    OptionsError
        If an option does not fit the capture.
    StoreError
        If the capture cannot be decoded into its store.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.open_capture("moon.ser", frames="2:10")
    >>> capture["frames"].shape, capture["frames"].dtype
    ((8, 160, 200), dtype('uint8'))
    """
    read, selection = options_of_several(
        (ReadOptions, read), (SelectOptions, selection), choices=choices, function="open_capture"
    )
    with decoding_shown(progress) as report:
        return open_source(resolve(source, read), selection, store, report)


def open_source(
    source: Source,
    selection: SelectOptions | None = None,
    store: str | os.PathLike[str] | RemotePath | None = None,
    progress: Report | None = None,
) -> xr.Dataset:
    """Open a source that is resolved already; see `open_capture`."""
    opened = source.open(None if store is None else located(store), progress)
    return in_chunks(select(opened.capture, selection), opened.n_chunk)


def in_chunks(capture: xr.Dataset, n_chunk: int) -> xr.Dataset:
    """Make the frames a dask array with chunks of ``n_chunk`` frames.

    Chunks need not be those of a store: a few frames of a shard are read without the rest.
    """
    frames = capture["frames"]
    chunked = remember_unread(frames.chunk({"frame": n_chunk}), frames.variable)
    return capture.assign(frames=chunked)


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
        capture = resolve(filename_or_obj, read).open().capture
        names = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return capture.drop_vars(names, errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Claim the suffixes that no other engine reads."""
        return str(filename_or_obj).lower().endswith((".ser", ".avi", STORE_SUFFIX))


def as_zarr(
    source: Input,
    read: ReadOptions | None = None,
    *,
    store: str | os.PathLike[str] | RemotePath | None = None,
    **choices: Any,
) -> zarr.Group:
    """Open a capture as a read-only zarr group, for programs that know zarr and not skry_dask.

    Parameters
    ----------
    source
        A video, images or a store. Raw video is presented in place, without copying it.
    read
        ``byte_order`` and ``grey`` of `ReadOptions`; the others do not change frames.
    store
        Where decoded frames are kept; see `open_capture`.
    **choices
        Options of `ReadOptions` by name, such as ``grey=True``. They win over ``read``.

    Returns
    -------
    zarr.Group
        Arrays ``frames`` uint8 or uint16 (frame, y, x[, channel]), ``frame`` int64, numbers in the
        file, and, where it is known, ``time`` int64, ns since 1970-01-01 UTC.

    Raises
    ------
    ReaderError
        If the file cannot be read as a capture.
    StoreError
        If the capture cannot be decoded into its store.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.as_zarr("moon.ser")["frames"].shape
    (16, 160, 200)
    """
    read = options_of(ReadOptions, read, choices, "as_zarr")
    return resolve(source, read).as_group(None if store is None else located(store))


def import_capture(
    source: Input,
    store: str | os.PathLike[str] | RemotePath,
    read: ReadOptions | None = None,
    *,
    progress: Report | None = None,
    **choices: Any,
) -> xr.Dataset:
    """Decode any capture into a compressed store: for a cluster, or for keeping.

    Parameters
    ----------
    source
        A video, or a folder, pattern or list of images.
    store
        The folder to make, or its URL, such as ``s3://bucket/moon.skry``. If it has frames of the
        same capture, they are kept where the file has not changed since, and replaced where it has.
    read
        How the capture is read; the store remembers it.
    progress
        Called with the number of frames decoded so far, and the number that the file claims; by
        default a bar is shown in a notebook, and nothing elsewhere.
    **choices
        Options of `ReadOptions` by name, such as ``grey=True``. They win over ``read``.

    Returns
    -------
    xarray.Dataset
        The new store, opened; see `open_capture`.

    Raises
    ------
    ReaderError
        If the capture cannot be read, or is a store already.
    StoreError
        If the store holds another capture, is something else, or cannot be written.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.import_capture("moon.ser", "frames.skry")
    >>> capture.sizes["frame"]
    16
    """
    read = options_of(ReadOptions, read, choices, "import_capture")
    place = located(store)
    if not isinstance(place, Path):
        place.check_folder()
    elif not place.exists() and place.parent.is_dir() and not can_write_in(place.parent):
        raise StoreError(f"{place}: folder {place.parent} is read-only: give another place")
    elif place.exists() and not is_group(place) and not is_leftover(place):
        raise StoreError(f"{place} exists and is not a store: give a new name")
    with decoding_shown(progress) as report:
        resolve(source, read).import_into(place, report)
    return open_capture(place if isinstance(place, Path) else place.url)
