"""Reading a file at a URL by ranges of its bytes, as the readers of raw video read local ones.

Every request costs some 30 ms, whatever its size, so the beginning of the file is read at once,
long reads are divided among a few requests at a time, and what a reader is going to ask for is
fetched ahead: see `RemoteFile.prefetch`. Each request names the version of the file that was seen
first, so a file that changes is an error and never a mixture.
"""

from __future__ import annotations

import bisect
import functools
import io
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from skry_dask.errors import ReaderError
from skry_dask.io.remote import RemotePath

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

N_REQUESTS = 8
"""Number of requests at a time in one process, besides those of its threads."""

REQUEST_BYTES = 2**21
"""Largest size of a request: a longer read is several."""

HEAD_BYTES = 2**16
"""Number of bytes at the beginning of a file that are read at once: headers."""

GAP_BYTES = 2**15
"""Ranges that are this close are fetched by one request."""

N_AHEAD = 128
"""Number of short reads at equal distances, such as headers of chunks, that are fetched ahead."""


@dataclass(frozen=True, slots=True, repr=False)
class PinnedFile(RemotePath):
    """A file at a URL in the state in which it was seen first.

    Parameters
    ----------
    url
        Its URL.
    size
        Bytes.
    version
        See `FileState`.
    """

    size: int
    version: str

    def absolute(self) -> PinnedFile:
        """Return the file: a URL depends on no folder."""
        return self

    def open(self) -> RemoteFile:
        """Open the file for reading."""
        return RemoteFile(self)


FilePath: TypeAlias = Path | PinnedFile
"""A file on this machine, or at a URL."""


def pin(place: RemotePath) -> PinnedFile | None:
    """Look at a file for the first time; None if there is none."""
    state = place.state()
    return None if state is None else PinnedFile(place.url, state.size, state.version)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(N_REQUESTS, "skry-range")


@functools.lru_cache(maxsize=16)
def _head(file: PinnedFile) -> bytes:
    return bytes(file.read_range(0, min(HEAD_BYTES, file.size), file.version)) if file.size else b""


class RemoteFile(io.RawIOBase):
    """A file at a URL, opened for reading.

    Parameters
    ----------
    file
        In the state that it must have.
    """

    def __init__(self, file: PinnedFile) -> None:
        super().__init__()
        self.file = file
        self.name = str(file)
        self._position = 0
        self._starts: list[int] = []
        self._ahead: list[memoryview] = []
        self._last, self._step, self._n_steps = 0, 0, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a byte."""
        self._position = offset + (0, self._position, self.file.size)[whence]
        return self._position

    def tell(self) -> int:
        """Return the byte at which the next read begins."""
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Read at most so many bytes."""
        left = max(self.file.size - self._position, 0)
        content = bytearray(left if size < 0 else min(size, left))
        self.readinto(content)
        return bytes(content)

    def readinto(self, target: Any) -> int:
        """Fill a buffer; fewer bytes are read at the end of the file."""
        view = memoryview(target).cast("B")
        start = self._position
        stop = min(start + len(view), self.file.size)
        if stop <= start:
            return 0
        known = self._known(start, stop)
        if known is None and stop - start <= GAP_BYTES:
            self._follow(start, stop)
            known = self._known(start, stop)
        if known is not None:
            view[: stop - start] = known
        else:
            parts = _parts([(start, stop)])
            for (first, last), content in zip(parts, self._fetch(parts), strict=True):
                view[first - start : last - start] = content
        self._position = stop
        return stop - start

    def prefetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Fetch ranges of bytes that are going to be read, several at a time.

        Parameters
        ----------
        ranges
            First byte and end of each, increasing. They take the place of those fetched before.
        """
        inside = [(start, min(stop, self.file.size)) for start, stop in ranges]
        parts = _parts([(start, stop) for start, stop in inside if start < stop])
        contents = self._fetch(parts)
        joined: list[tuple[int, list[memoryview]]] = []
        end = -1
        for (start, stop), content in zip(parts, contents, strict=True):
            if start != end:
                joined.append((start, []))
            joined[-1][1].append(content)
            end = stop
        self._starts = [start for start, _ in joined]
        self._ahead = [
            pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces)) for _, pieces in joined
        ]

    def _known(self, start: int, stop: int) -> memoryview | None:
        """Return bytes that have been fetched, or None."""
        i = bisect.bisect_right(self._starts, start) - 1
        if i >= 0 and stop - self._starts[i] <= len(self._ahead[i]):
            return self._ahead[i][start - self._starts[i] : stop - self._starts[i]]
        if stop <= min(HEAD_BYTES, self.file.size):
            return memoryview(_head(self.file))[start:stop]
        return None

    def _follow(self, start: int, stop: int) -> None:
        """Fetch a short range, and those that follow it at the distance of the last ones."""
        step, length = start - self._last, stop - start
        self._n_steps = self._n_steps + 1 if step == self._step else 0
        self._last, self._step = start, step
        count = N_AHEAD if self._n_steps >= 2 and step > length else 1
        starts = range(start, min(start + count * max(step, 1), self.file.size), max(step, 1))
        ranges = [(at, min(at + length, self.file.size)) for at in starts] or [(start, stop)]
        self._starts = [first for first, _ in ranges]
        self._ahead = self._fetch(ranges)
        self._last = self._starts[-1]

    def _fetch(self, ranges: Sequence[tuple[int, int]]) -> list[memoryview]:
        def read(of: tuple[int, int]) -> memoryview:
            content = self.file.read_range(*of, self.file.version)
            if len(content) != of[1] - of[0]:
                raise ReaderError(f"{self.name} has changed while it was read: run it again")
            return content

        if len(ranges) == 1:
            return [read(ranges[0])]
        return list(_pool().map(read, ranges))


def _parts(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges that are close, then divide long ones into requests of equal size."""
    joined: list[tuple[int, int]] = []
    for start, stop in ranges:
        if joined and start - joined[-1][1] <= GAP_BYTES:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    parts = []
    for start, stop in joined:
        n = -(-(stop - start) // REQUEST_BYTES)
        edges = [start + (stop - start) * i // n for i in range(n + 1)]
        parts += list(itertools.pairwise(edges))
    return parts
