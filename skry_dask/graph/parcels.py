"""Large values of a graph that travel beside it: once, through files, not through the scheduler.

A graph goes to the scheduler, which takes it apart, and from there in parts to workers. Tables and
meshes of some MiB would make both slow, and rows of a table would be copied for each task. So a
graph holds parcels, and slices of tables (`row_tables`). Pickled while a `Sender` is at work, a
parcel becomes the key of a blob in the folder of the results, which workers read; without one it
holds its value.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import threading
from typing import TYPE_CHECKING, Any

import dask
import numpy as np

from skry_dask.errors import StoreError
from skry_dask.graph.task_names import task_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dask.delayed import Delayed

    from skry_dask.store.pieces.blobs import Blobs
    from skry_dask.types import AnyArray

SMALL_BYTES = 2**14
"""Values up to this size, pickled, stay in the graph."""


class Sender:
    """Puts large values of a graph where workers find them.

    Parameters
    ----------
    blobs
        Where; workers see the same.
    prefix
        Of the keys.
    """

    def __init__(self, blobs: Blobs, prefix: str) -> None:
        self.blobs = blobs
        self.prefix = prefix
        self._sent: set[str] = set()
        self._segments: dict[tuple[int, int], tuple[AnyArray, SentValue]] = {}

    def send(self, value: Any) -> SentValue | None:
        """Send a value, or return None if it is small."""
        content = pickle.dumps(value, protocol=5)
        return None if len(content) <= SMALL_BYTES else self._put(content)

    def send_rows(self, table: AnyArray, start: int, n_rows: int) -> SentValue:
        """Send this number of a table's rows, once."""
        key = id(table), start
        if key not in self._segments:
            rows = table[start : start + n_rows]
            content = pickle.dumps(np.ascontiguousarray(rows), protocol=5)
            self._segments[key] = table, self._put(content)  # keeps the table, and so its id
        return self._segments[key][1]

    def _put(self, content: bytes) -> SentValue:
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self._sent:
            self.blobs.put(f"{self.prefix}/{digest}", content)
            self._sent.add(digest)
        return SentValue(self.blobs, self.prefix, digest)

    def delete(self) -> None:
        """Remove what was sent."""
        if self._sent:
            self.blobs.delete(self.prefix)


class _Thread(threading.local):
    """The sender that is at work in a thread, if any."""

    sender: Sender | None = None


_THREAD = _Thread()


def active_sender() -> Sender | None:
    """Return the sender that is at work in this thread."""
    return _THREAD.sender


@contextlib.contextmanager
def sending(sender: Sender | None) -> Iterator[None]:
    """Send parcels that this thread pickles while the context lasts."""
    before, _THREAD.sender = _THREAD.sender, sender
    try:
        yield
    finally:
        _THREAD.sender = before


class SentValue:
    """A value in a blob.

    Parameters
    ----------
    blobs, prefix
        Where.
    digest
        SHA-256 of its content, so that nothing but what was sent is taken for it.
    """

    __slots__ = ("blobs", "digest", "prefix")

    def __init__(self, blobs: Blobs, prefix: str, digest: str) -> None:
        self.blobs = blobs
        self.prefix = prefix
        self.digest = digest

    def open(self) -> Any:
        """Read the value.

        Raises
        ------
        StoreError
            If it is not there any more.
        """
        key = f"{self.prefix}/{self.digest}"
        content = self.blobs.get(key)
        if content is None or hashlib.sha256(content).hexdigest() != self.digest:
            raise StoreError(
                f"{key} is missing where the results are kept: run the same command again"
            )
        return pickle.loads(content)


class Parcel:
    """A value in a graph; see `share`."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def open(self) -> Any:
        """Return the value."""
        return self.value

    def __reduce__(self) -> tuple[Any, ...]:
        sent = None if _THREAD.sender is None else _THREAD.sender.send(self.value)
        if sent is None:
            return Parcel, (self.value,)
        return SentValue, (sent.blobs, sent.prefix, sent.digest)


def share(value: Any) -> Delayed:
    """Make a lazy value that is in the graph once, as it is; a large one travels beside it.

    Parameters
    ----------
    value
        Any value without lazy parts that pickles.
    """
    return dask.delayed(_open, traverse=False)(Parcel(value), dask_key_name=task_name(_open))


def _open(parcel: Parcel | SentValue) -> Any:
    return parcel.open()
