"""Large values of a graph that travel beside it: once, through files, not through the scheduler.

A graph goes to the scheduler, which takes it apart, and from there in parts to workers. Tables and
meshes of some MiB would make both slow, and rows of a table would be copied for each task. So a
graph holds parcels. Pickled while a `Sender` is at work, a parcel becomes the key of a blob in the
folder of the results, which workers read; without one it holds its value.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import threading
from collections import OrderedDict
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

LARGE_BYTES = 2**17
"""Rows of a table in memory up to this size are put into the graph."""

SEGMENT_BYTES = 2**20
"""Approximate size of the blobs in which rows of a table are sent."""

KEPT_SEGMENTS = 4
"""Number of blobs of tables that a process keeps: neighbouring tasks need the same."""


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
        self._segments: dict[tuple[int, int], tuple[Table, SentValue]] = {}

    def send(self, value: Any) -> SentValue | None:
        """Send a value, or return None if it is small."""
        content = pickle.dumps(value, protocol=5)
        return None if len(content) <= SMALL_BYTES else self._put(content)

    def send_segment(self, table: Table, i: int) -> SentValue:
        """Send a part of a table, once."""
        key = id(table), i
        if key not in self._segments:
            rows = table.values[i * table.n_rows : (i + 1) * table.n_rows]
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


class Table:
    """A table in memory whose slices travel beside a graph, in blobs of several tasks' rows.

    Parameters
    ----------
    values
        (row, ...)
    """

    def __init__(self, values: AnyArray) -> None:
        self.values = values
        self.n_rows = max(1, SEGMENT_BYTES // max(1, values[:1].nbytes))
        """Number of rows in a blob."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dim."""
        return self.values.shape

    def __getitem__(self, rows: Any) -> Any:
        """Take rows: those of a slice as `TableRows`, others as an array."""
        return TableRows(self, rows) if isinstance(rows, slice) else self.values[rows]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """Return the table."""
        return self.values if dtype is None else self.values.astype(dtype)


class TableRows:
    """Rows of a `Table`; ``np.asarray`` gives them.

    Parameters
    ----------
    table, rows
        Which.
    """

    __slots__ = ("rows", "table")

    def __init__(self, table: Table, rows: slice) -> None:
        self.table = table
        self.rows = rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dim."""
        return self.table.values[self.rows].shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """Return the rows."""
        rows = self.table.values[self.rows]
        return rows if dtype is None else rows.astype(dtype)

    def __getitem__(self, rows: Any) -> AnyArray:
        return np.asarray(self)[rows]

    def __reduce__(self) -> tuple[Any, ...]:
        values, sender = self.table.values, _THREAD.sender
        start, stop, _ = self.rows.indices(len(values))
        if sender is None or start >= stop:
            return np.asarray, (values[start:stop],)
        first = start // self.table.n_rows
        segments = [
            sender.send_segment(self.table, i)
            for i in range(first, (stop - 1) // self.table.n_rows + 1)
        ]
        before = first * self.table.n_rows
        return SentRows, (segments, start - before, stop - before)


class SentRows:
    """Rows of a table in blobs; ``np.asarray`` gives them.

    Parameters
    ----------
    segments
        Consecutive parts of the table.
    start, stop
        Rows of these parts together.
    """

    __slots__ = ("segments", "start", "stop")

    def __init__(self, segments: list[SentValue], start: int, stop: int) -> None:
        self.segments = segments
        self.start = start
        self.stop = stop

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """Read the rows."""
        parts = [_segment(sent) for sent in self.segments]
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
        rows: AnyArray = whole[self.start : self.stop]
        return rows if dtype is None else rows.astype(dtype)

    def __getitem__(self, rows: Any) -> AnyArray:
        return np.asarray(self)[rows]

    def __reduce__(self) -> tuple[Any, ...]:
        return SentRows, (self.segments, self.start, self.stop)


_LOCK = threading.Lock()
_SEGMENTS: OrderedDict[str, AnyArray] = OrderedDict()


def _segment(sent: SentValue) -> AnyArray:
    """Read a part of a table, or take it from the last ones that were read."""
    with _LOCK:
        found = _SEGMENTS.get(sent.digest)
    if found is None:
        found = sent.open()
    with _LOCK:
        _SEGMENTS[sent.digest] = found
        _SEGMENTS.move_to_end(sent.digest)
        while len(_SEGMENTS) > KEPT_SEGMENTS:
            _SEGMENTS.popitem(last=False)
    return found


def opened(rows: Any) -> Any:
    """Return rows as a task gets them: those of a `Table` as an array, all others as they are."""
    return np.asarray(rows) if isinstance(rows, TableRows | SentRows) else rows


def as_table(values: Any) -> Any:
    """Let the rows of a large array travel beside the graph; leave all other rows as they are."""
    if isinstance(values, np.ndarray) and values.nbytes > LARGE_BYTES:
        return Table(values)
    return values
