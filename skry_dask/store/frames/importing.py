"""Importing frames into a store, from where an earlier import was interrupted.

Shards are written to a place of their own until all of them are there. Each one that is finished,
and all before it, has a record in a journal: its frames, its checksum, and where decoding goes on
after it. The records are bound to the content of the capture and to the layout of the store, so
what an import of anything else has left is not continued. A resumed import gives the same files,
byte for byte.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.remote_errors import UnreachableError
from skry_dask.store.digest import SCHEMA, digest_of
from skry_dask.store.frames.files import (
    FrameLabels,
    ShardEncoder,
    chunk_frames,
    metadata_files,
    shard_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from skry_dask.io.reader import CaptureInfo, DecodedFrame
    from skry_dask.store.pieces.blobs import Blobs
    from skry_dask.types import Frames

log = logging.getLogger(__name__)

MAX_PROBLEMS = 100
"""Number of damaged frames that are listed; more are counted."""


class ImportPlace(Protocol):
    """Where an import keeps its files until they are a store.

    `journal` keeps its records. `n_parallel` is the number of shards that are compressed and
    written at a time. `name` is that of the store, for messages.
    """

    name: str
    journal: Blobs
    n_parallel: int

    def put(self, key: str, content: bytes) -> None:
        """Write a file of the store, such as ``frames/c/0/0/0``; called from several threads.

        Raises
        ------
        StoreError
            If it cannot be written.
        """

    def has(self, key: str, size: int, checksum: int) -> bool:
        """Return whether a file is there as it was written: its size and CRC-32 are these."""

    def is_ready(self, digest: str) -> bool:
        """Return whether all files are there, with the capture's digest: see `publish`."""

    def publish(self) -> None:
        """Make the files a store, in place of frames that were there before.

        Called when all files are there, ``zarr.json`` written last. If it is interrupted, there is
        no store, and the next import, for which `is_ready` is true then, calls it again.

        Raises
        ------
        StoreError
            If that is impossible.
        """

    def drop(self) -> bool:
        """Remove all files and records; return whether there were any."""


class _Shard(NamedTuple):
    """What is known about a finished shard."""

    numbers: list[int]
    """Numbers of its frames."""

    times: list[int]
    """Their times, ns, as far as they are known."""

    problems: list[str]
    """Problems of its frames, and of frames without an image before them."""

    damaged: list[int]
    """Numbers of those of its frames that may be damaged."""

    next: int
    """Number of the frame at which decoding goes on."""

    size: int
    """Size of its file, bytes."""

    checksum: int
    """CRC-32 of its file."""


def write_frames(
    place: ImportPlace,
    info: CaptureInfo,
    decode: Callable[[int], Iterable[DecodedFrame]],
    attrs: dict[str, Any],
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write a capture's frames into a store.

    Parameters
    ----------
    place
        Where the store is going to be. If an error is raised, it is dropped.
    info
        What the file says about its frames.
    decode
        Called with the number of a frame; returns it and all that follow, in the order of the file.
        Entries without an image are counted as problems.
    attrs
        Attributes of the capture; problems of frames are added to ``problems``.
    progress
        Called with the number of frames that are in the store so far.

    Returns
    -------
    int
        Number of frames that were there already, from an interrupted import.

    Raises
    ------
    StoreError
        If the store cannot be written.
    ReaderError
        If no frame has an image, or whatever decoding raises.
    """
    digest = attrs.get("digest", "")
    if place.is_ready(digest):
        place.publish()
        return -1
    n_shard = chunk_frames(info)
    about = digest_of(SCHEMA, _Shard._fields, digest, info.frame_shape, info.dtype, n_shard)
    try:
        writing = _Writing(place, info, n_shard, about)
        n_before = writing.n_frames
        if not n_before and place.drop():
            log.info("%s: an unfinished import of something else is dropped", place.name)
        elif n_before:
            log.info("%s: %d frames are there from an interrupted import", place.name, n_before)
            if progress:
                progress(n_before)
        problems = writing.write(decode(writing.next_number), progress)
        numbers = [number for shard in writing.shards for number in shard.numbers]
        times = [time for shard in writing.shards for time in shard.times]
        damaged = [number for shard in writing.shards for number in shard.damaged]
        if not numbers:
            raise ReaderError(
                f"{attrs.get('source', place.name)}: not one frame could be decoded"
                f"{' (' + problems[0] + ')' if problems else ''}: convert it to SER"
            )
        attrs = {**attrs, "problems": [*attrs.get("problems", ()), *_shortened(problems)]}
        has_times = len(times) == len(numbers)
        labels = FrameLabels(numbers, times if has_times else None, damaged)
        files = metadata_files(info, n_shard, labels, attrs)
        for key, content in files.items():
            place.put(key, content)
        place.publish()
    except UnreachableError:
        raise  # the next import goes on from here
    except (ReaderError, StoreError, MemoryError):
        place.drop()
        raise
    return n_before


class _Writing:
    """The shards of an import: those that are finished, and those that are being written."""

    def __init__(self, place: ImportPlace, info: CaptureInfo, n_shard: int, about: str) -> None:
        self.place = place
        self.info = info
        self.about = about
        self.encoder = ShardEncoder(info, n_shard)
        self.shards = list(_finished_shards(place, info, about))
        self._in_flight: deque[Future[_Shard]] = deque()

    @property
    def n_frames(self) -> int:
        """Number of frames in finished shards."""
        return sum(len(shard.numbers) for shard in self.shards)

    @property
    def next_number(self) -> int:
        """Number of the frame at which decoding goes on."""
        return self.shards[-1].next if self.shards else 0

    def write(
        self, frames: Iterable[DecodedFrame], progress: Callable[[int], None] | None
    ) -> list[str]:
        """Write the shards that are not finished; return the problems of all frames."""
        images: list[Frames] = []
        shard = _new_shard()
        with ThreadPoolExecutor(self.place.n_parallel, "skry-import") as pool:

            def begin() -> None:
                if len(self._in_flight) >= self.place.n_parallel:
                    self._finish_oldest(progress)
                number = len(self.shards) + len(self._in_flight)
                self._in_flight.append(pool.submit(self._write_shard, number, images, shard))

            try:
                for frame in frames:
                    if frame.image is None:
                        shard.problems.append(f"frame {frame.number} is skipped: {frame.problem}")
                        continue
                    if frame.problem:
                        shard.problems.append(f"frame {frame.number}: {frame.problem}")
                        shard.damaged.append(frame.number)
                    images.append(frame.image)
                    shard.numbers.append(frame.number)
                    if frame.time is not None:
                        shard.times.append(frame.time)
                    if len(images) == self.encoder.n_shard:
                        begin()
                        images, shard = [], _new_shard()
                if images:
                    begin()
                    shard = _new_shard()
                while self._in_flight:
                    self._finish_oldest(progress)
            finally:
                pool.shutdown(cancel_futures=True)
        return [problem for each in (*self.shards, shard) for problem in each.problems]

    def _write_shard(self, number: int, images: list[Frames], shard: _Shard) -> _Shard:
        content = self.encoder.encode(images)
        self.place.put(shard_key(number, self.info), content)
        return shard._replace(
            next=shard.numbers[-1] + 1, size=len(content), checksum=zlib.crc32(content)
        )

    def _finish_oldest(self, progress: Callable[[int], None] | None) -> None:
        """Wait for the first shard that is not finished, and record it."""
        shard = self._in_flight.popleft().result()
        record = json.dumps([self.about, *shard], separators=(",", ":"))
        self.place.journal.put(_record_key(len(self.shards)), record.encode())
        self.shards.append(shard)
        if progress:
            progress(self.n_frames)


def _new_shard() -> _Shard:
    return _Shard(numbers=[], times=[], problems=[], damaged=[], next=0, size=0, checksum=0)


def _record_key(number: int) -> str:
    return f"shards/{number:06d}"


def _finished_shards(place: ImportPlace, info: CaptureInfo, about: str) -> Iterator[_Shard]:
    """Read the journal up to the first shard that is missing, damaged or of another import."""
    number = 0
    while True:
        record = place.journal.get(_record_key(number))
        if record is None:
            return
        bound_to, *values = json.loads(record)
        if bound_to != about:
            return
        shard = _Shard(*values)
        if not place.has(shard_key(number, info), shard.size, shard.checksum):
            return
        yield shard
        number += 1


def _shortened(problems: list[str]) -> list[str]:
    """List the first problems and count the others."""
    n_others = len(problems) - MAX_PROBLEMS
    if n_others <= 0:
        return problems
    return [*problems[:MAX_PROBLEMS], f"{n_others} more frames have problems, unlisted"]
