"""Sources: what a user names as a capture, resolved once into a value.

`resolve` looks at the input and returns a `Source` of one of three kinds. A `StoreSource` has its
frames in a store. A `RawSource` is a video whose frames lie at fixed places in its file. An
`EncodedSource`, a compressed video or images, must be decoded into a store first. Whoever holds the
value need not ask again which of them it is.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from skry_dask.capture.decode import decode
from skry_dask.capture.equal_channels import use_equal_channels
from skry_dask.capture.header import Header, header_of_reader, header_of_store
from skry_dask.capture.hidden_mosaic import use_hidden_mosaic
from skry_dask.capture.inputs import check_input, first_name, includes, sidecar
from skry_dask.capture.lazy_frames import LazyFrames, correct_attributes, correct_capture
from skry_dask.capture.unchanged import FilesWatch, UrlWatch, check_store, watch_files
from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.reader import RawReader
from skry_dask.io.registry import open_reader
from skry_dask.io.remote import RemotePath, is_url
from skry_dask.io.remote_file import PinnedFile, pin
from skry_dask.options import ReadOptions
from skry_dask.store.frames.in_place import in_place
from skry_dask.store.frames.open import (
    STORE_SUFFIX,
    is_group,
    is_store,
    is_zarr_2,
    open_store,
)
from skry_dask.store.frames.open import attributes_of_capture as attributes_of
from skry_dask.store.places.checked import IMPORT_AGAIN, METADATA
from skry_dask.store.results.owner import Owner

if TYPE_CHECKING:
    import xarray as xr
    import zarr

    from skry_dask.capture.decode import Report
    from skry_dask.capture.identity import Identity
    from skry_dask.capture.inputs import Input
    from skry_dask.io.reader import VideoReader
    from skry_dask.io.remote import Location


class OpenedCapture(NamedTuple):
    """A capture that has just been opened.

    Parameters
    ----------
    capture
        As from `open_capture`, but ``frames`` are not a dask array yet: they have no chunks.
    n_chunk
        Number of frames that are best read at a time.
    decoded
        Whether frames were decoded just now; None where they need not be.
    identity
        What another process has to see in order to read the same frames.
    """

    capture: xr.Dataset
    n_chunk: int
    decoded: bool | None
    identity: Identity


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source(ABC):
    """A source of frames: what it is, where its results go and how it is opened.

    Parameters
    ----------
    given
        What the user named.
    read
        How the user wants it to be read.
    header
        What the file or store says about itself.
    """

    given: Input
    read: ReadOptions
    header: Header

    random_access: ClassVar[bool] = True
    """Whether frames can be read in any order at once, without decoding all of them first."""

    @property
    def name(self) -> str:
        """The source in words: what the user named, of several images the first."""
        return first_name(self.given)

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the capture, corrected by the user's `ReadOptions`.

        Raises
        ------
        OptionsError
            If the frames cannot be read that way.
        """
        header = self.header
        return correct_attributes(header.attrs, header.frame_shape, header.dtype, self.read)

    @property
    def digest(self) -> str:
        """Digest of the capture: its content and how it is read."""
        return str(self.attrs["digest"])

    @property
    def owner(self) -> Owner:
        """The capture as the owner of a store."""
        return Owner(str(self.attrs["source"]), self.digest)

    @property
    def home(self) -> Path | None:
        """Where results go by default; None where that cannot be written, such as at a URL."""
        return sidecar(self.given)

    @property
    def store_name(self) -> str:
        """Name of a store that belongs to the source, wherever it is: ``moon.skry``."""
        return sidecar(self.given).name

    def includes(self, path: Path) -> bool:
        """Return whether a file is one of the source's, or would be if it existed.

        Parameters
        ----------
        path
            A file that may not exist yet.
        """
        return includes(self.given, path)

    def open(self, store: Location | None = None, report: Report | None = None) -> OpenedCapture:
        """Open the frames lazily, decoding them first where that is needed.

        Parameters
        ----------
        store
            Where decoded frames go; by default `home`.
        report
            Called while frames are decoded.

        Raises
        ------
        ReaderError, OptionsError, StoreError
            See `open_capture`.
        """
        frames, attrs, decoded = self._open(store, report)
        capture = correct_capture(frames.dataset(attrs), self.read)
        if self.read.cfa is None:
            capture = use_hidden_mosaic(capture)
        return OpenedCapture(use_equal_channels(capture), frames.n_chunk, decoded, frames.identity)

    @abstractmethod
    def check_unchanged(self) -> None:
        """Look again at what frames are read from; to be called after they were read.

        Raises
        ------
        ReaderError
            If it has changed since the source was resolved.
        """

    @abstractmethod
    def _open(
        self, store: Location | None, report: Report | None
    ) -> tuple[LazyFrames, dict[str, Any], bool | None]:
        """Return the frames, their attributes, and `OpenedCapture.decoded`."""

    @abstractmethod
    def as_group(self, store: Location | None = None) -> zarr.Group:
        """Present the frames as a read-only zarr group; see `as_zarr`."""

    @abstractmethod
    def import_into(self, store: Location, report: Report | None = None) -> None:
        """Decode the frames into a store; see `import_capture`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoreSource(Source):
    """Frames in a store of our own, in a folder or at a URL.

    Parameters
    ----------
    location
        Folder or URL of the store.
    group
        The store, opened for reading.
    """

    location: Location
    group: zarr.Group

    @property
    def home(self) -> Path | None:
        """The store itself; None at a URL."""
        return self.location if isinstance(self.location, Path) else None

    def _open(
        self, store: Location | None, report: Report | None
    ) -> tuple[LazyFrames, dict[str, Any], bool | None]:
        return LazyFrames.of_store(self.group, self.location), self.header.attrs, None

    def check_unchanged(self) -> None:
        """Compare the store's digest, which an import changes."""
        check_store(self.location, self.header.attrs["digest"])

    def as_group(self, store: Location | None = None) -> zarr.Group:
        """Return the store."""
        return self.group

    def import_into(self, store: Location, report: Report | None = None) -> None:
        """Refuse: the frames are in a store already."""
        raise ReaderError(
            f"{self.location} is a store already: copy the folder to keep it elsewhere"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawSource(Source):
    """A raw video: frames at fixed places in a file, read in place.

    Parameters
    ----------
    reader
        Reads any frames, without an open handle.
    watch
        State of the file at first.
    """

    reader: RawReader
    watch: FilesWatch | UrlWatch

    @property
    def home(self) -> Path | None:
        """The store beside the file; None at a URL."""
        return sidecar(self.given) if isinstance(self.reader.path, Path) else None

    def check_unchanged(self) -> None:
        """Look at the file again."""
        self.watch.check()

    def _open(
        self, store: Location | None, report: Report | None
    ) -> tuple[LazyFrames, dict[str, Any], bool | None]:
        frames = LazyFrames.of_raw_video(self.reader, self.watch.identity())
        return frames, self.header.attrs, None

    def as_group(self, store: Location | None = None) -> zarr.Group:
        """Present the video as a store without copying it."""
        return in_place(self.reader)

    def import_into(self, store: Location, report: Report | None = None) -> None:
        """Compress the frames into a store."""
        decode(self.reader, store, self.attrs, report, self.watch.check)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedSource(Source):
    """A compressed video, or images: decoded once into a store, which is then read.

    Parameters
    ----------
    reader
        Decodes the frames from first to last.
    watch
        State of the files before anything was read; compared when they are decoded.
    """

    reader: VideoReader
    watch: FilesWatch

    random_access: ClassVar[bool] = False

    def check_unchanged(self) -> None:
        """Do nothing: frames are decoded already, and the files were looked at again then."""

    def _open(
        self, store: Location | None, report: Report | None
    ) -> tuple[LazyFrames, dict[str, Any], bool | None]:
        store = store or sidecar(self.given)
        _ = self.attrs  # refuses options that do not fit, before anything is decoded
        # Stored as the file has them: with other options they need not be decoded again.
        decoded = decode(self.reader, store, self.header.attrs, report, self.watch.check)
        group = open_store(store)
        attrs = {**attributes_of(group), "source": self.header.attrs["source"]}
        return LazyFrames.of_store(group, store), attrs, decoded

    def as_group(self, store: Location | None = None) -> zarr.Group:
        """Decode the frames into a store and return that."""
        store = store or sidecar(self.given)
        decode(self.reader, store, self.header.attrs, None, self.watch.check)
        return open_store(store)

    def import_into(self, store: Location, report: Report | None = None) -> None:
        """Decode the frames into a store."""
        decode(self.reader, store, self.attrs, report, self.watch.check)


def resolve(given: Input, read: ReadOptions | None = None) -> Source:
    """Find out what an input is; reads its header, and no frame.

    Parameters
    ----------
    given
        A video, a folder, pattern or list of images, a store or its URL.
    read
        How it is to be read; see `ReadOptions`.

    Raises
    ------
    ReaderError
        If it cannot be read as a capture.
    StoreError
        If it is a store that is damaged or cannot be reached.
    """
    check_input(given)
    read = read or ReadOptions()
    file = _file_at_url(given)
    location = None if file else _store_location(given)
    if location is not None:
        group = open_store(location)
        return StoreSource(
            given=given,
            read=read,
            header=header_of_store(group, location),
            location=location,
            group=group,
        )
    order: Any = None if read.byte_order is None else read.byte_order.value
    if not isinstance(given, str | os.PathLike):
        given = tuple(given)
    reader = open_reader(file or given, byte_order=order, grey=read.grey)
    watch = watch_files(reader.files, verify=read.verify)
    header = header_of_reader(reader, watch.digest, given)
    if isinstance(reader, RawReader):
        return RawSource(given=given, read=read, header=header, reader=reader, watch=watch)
    files = cast("FilesWatch", watch)
    return EncodedSource(given=given, read=read, header=header, reader=reader, watch=files)


def _file_at_url(given: Input) -> PinnedFile | None:
    """Return the file of a URL; None if it is a store, or nothing, or no URL.

    Raises
    ------
    ReaderError
        If there is nothing where its suffix says that there is a video.
    """
    if not (isinstance(given, str) and is_url(given)):
        return None
    place = RemotePath(given)
    suffix = place.suffix.lower()
    if suffix in (STORE_SUFFIX, ".zarr"):
        return None
    is_video = suffix in (".ser", ".avi")
    if not is_video and (place / METADATA).state() is not None:
        return None
    file = pin(place)
    if is_video and file is None:
        raise ReaderError(f"{place}: there is no such file; check the URL")
    return file


def _store_location(given: Input) -> Location | None:
    """Return the folder or URL of a store with frames, or None for anything else.

    Raises
    ------
    ReaderError
        If it is a store without frames.
    StoreError
        If it is a store whose metadata are damaged, or an import that was interrupted.
    """
    if isinstance(given, str) and is_url(given):
        return RemotePath(given)
    if not isinstance(given, str | os.PathLike):
        return None
    path = Path(given)
    if is_store(path):
        return path
    if (path / "frames").is_dir() and (path / METADATA).is_file():
        raise StoreError(f"{path} is damaged or not complete: {IMPORT_AGAIN}")
    if is_zarr_2(path):
        raise StoreError(
            f"{path} is a store of zarr format 2, which may run code that is in it: stores are of "
            "format 3, import the capture again"
        )
    if is_group(path):
        raise ReaderError(f"{path} holds results, no frames: give the video that they belong to")
    return None
