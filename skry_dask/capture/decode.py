"""Decoding a capture into a store, once; after an interruption, from where it was.

Compressed videos and images have to be decoded from their beginning; raw videos are imported the
same way on request.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from skry_dask.errors import StoreError
from skry_dask.io.reader import DecodedFrame, RawReader
from skry_dask.store.digest import SCHEMA
from skry_dask.store.frames.files import chunk_frames
from skry_dask.store.frames.importing import write_frames
from skry_dask.store.frames.into_url import drop_leftovers, import_into
from skry_dask.store.frames.open import is_store, open_store
from skry_dask.store.places.checked import SCHEMA_ATTRIBUTE
from skry_dask.store.places.folder import attributes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from skry_dask.io.reader import VideoReader
    from skry_dask.io.remote import Location

    Report: TypeAlias = Callable[[int, int | None], None]
    """Called with the number of frames decoded so far, and the number that the file claims."""

log = logging.getLogger(__name__)


def decode(
    reader: RawReader | VideoReader,
    store: Location,
    attrs: dict[str, Any],
    report: Report | None,
    check_unchanged: Callable[[], None],
) -> bool:
    """Write the frames of a capture into a store, unless the store has them already.

    Parameters
    ----------
    reader
        Reader of the capture.
    store
        Folder of the store.
    attrs
        Attributes of the capture, among them ``source`` and ``digest``.
    report
        Called after each chunk of frames.
    check_unchanged
        Called after the last frame, before anything is kept: raises `ReaderError` if the capture
        has changed.

    Returns
    -------
    bool
        Whether frames were decoded now; False if the store had them.

    Raises
    ------
    StoreError
        If the store has frames of another capture, or cannot be written.
    ReaderError
        If no frame can be decoded, or the capture has changed meanwhile.
    """
    if _has_frames_of(store, attrs):
        drop_leftovers(store)
        return False
    claimed = reader.info.n_frames
    progress = (lambda done: report(done, claimed)) if report else None

    def frames_from(number: int) -> Iterator[DecodedFrame]:
        yield from _frames_from(reader, number)
        check_unchanged()

    with import_into(store) as place:
        if _has_frames_of(store, attrs):  # another process has just imported them
            return False
        write_frames(place, reader.info, frames_from, attrs, progress)
    return True


def _has_frames_of(store: Location, attrs: dict[str, Any]) -> bool:
    """Return whether a store has the frames of a capture, in its present state.

    Raises
    ------
    StoreError
        If the store has frames of another capture: they are not replaced.
    """
    if not is_store(store):
        return False
    stored = attributes_of(store)
    if stored.get(SCHEMA_ATTRIBUTE) not in range(1, SCHEMA):
        stored = dict(open_store(store).attrs)
        if stored.get("digest") == attrs["digest"]:
            return True
    # The same name: an earlier state of the capture, or written by an older version.
    if Path(str(stored.get("source"))).name != Path(attrs["source"]).name:
        raise StoreError(f"{store} holds another capture ({stored.get('source')}): give a new name")
    return False


def _frames_from(reader: RawReader | VideoReader, number: int) -> Iterator[DecodedFrame]:
    """Decode a frame and all that follow."""
    if isinstance(reader, RawReader):
        return _in_sequence(reader, number)
    if number and not reader.random_access:
        log.info(
            "%s is decoded from its beginning, because frames depend on those before them",
            reader.path,
        )
    return reader.decode(number)


def _in_sequence(reader: RawReader, number: int) -> Iterator[DecodedFrame]:
    """Read a raw video from a frame to its end, a chunk at a time."""
    info = reader.info
    n_frames, n_chunk = info.n_frames or 0, chunk_frames(info)
    numbers = np.arange(n_frames) if info.number is None else info.number
    first = int(np.searchsorted(numbers, number))
    for start in range(first, n_frames, n_chunk):
        images = reader.read(start, min(start + n_chunk, n_frames))
        for i, image in enumerate(images, start):
            time = None if info.time is None else int(info.time[i])
            yield DecodedFrame(int(numbers[i]), image, time)
