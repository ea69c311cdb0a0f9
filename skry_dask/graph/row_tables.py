"""Tables along the frames whose rows do not travel in a graph.

A graph holds slices of them. A table in memory travels beside it in blobs of several tasks' rows,
where a `Sender` is at work; of a table in a store, tasks read their rows.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import xarray as xr

from skry_dask.graph.parcels import active_sender
from skry_dask.store.results.tables import is_large

if TYPE_CHECKING:
    from skry_dask.graph.parcels import Sender, SentValue
    from skry_dask.types import AnyArray

LARGE_BYTES = 2**14
"""Tables in memory up to this size are put into the graph."""

SEGMENT_BYTES = 2**20
"""Approximate size of the blobs in which rows of a table are sent."""

KEPT_SEGMENTS = 4
"""Number of blobs of tables that a process keeps: neighbouring tasks need the same."""


class AnyRows(Protocol):
    """A table, or rows of it, wherever they are; ``np.asarray`` gives the values."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dim."""
        ...

    def __getitem__(self, key: Any, /) -> Any: ...


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

    def __reduce__(self) -> tuple[Any, ...]:
        sender = active_sender()
        if sender is None:
            return Table, (self.values,)
        n_segments = -(-len(self.values) // self.n_rows)
        segments = [self.send_segment(sender, i) for i in range(n_segments)]
        return SentTable, (segments, self.n_rows, self.values.shape)

    def send_segment(self, sender: Sender, i: int) -> SentValue:
        """Send the rows of a blob, once."""
        return sender.send_rows(self.values, i * self.n_rows, self.n_rows)


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
        values, sender = self.table.values, active_sender()
        start, stop, _ = self.rows.indices(len(values))
        if sender is None or start >= stop:
            return np.asarray, (values[start:stop],)
        first = start // self.table.n_rows
        segments = [
            self.table.send_segment(sender, i)
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


class SentTable:
    """A table in blobs, whose slices are `SentRows`.

    Parameters
    ----------
    segments
        All parts of the table.
    n_rows
        Number of rows in each of them but the last one.
    shape
        Of the table.
    """

    __slots__ = ("n_rows", "segments", "shape")

    def __init__(self, segments: list[SentValue], n_rows: int, shape: tuple[int, ...]) -> None:
        self.segments = segments
        self.n_rows = n_rows
        self.shape = shape

    def __getitem__(self, rows: slice) -> SentRows:
        start, stop, _ = rows.indices(self.shape[0])
        first = min(start // self.n_rows, len(self.segments) - 1)
        last = max(first, (stop - 1) // self.n_rows)
        before = first * self.n_rows
        return SentRows(self.segments[first : last + 1], start - before, stop - before)

    def __reduce__(self) -> tuple[Any, ...]:
        return SentTable, (self.segments, self.n_rows, self.shape)


class StoredTable:
    """A table in a store, whose slices are read when they are used.

    A slice of the variable would do as well, but with 400 bytes for each task of a graph.

    Parameters
    ----------
    values
        (row, ...)
    """

    __slots__ = ("values",)

    def __init__(self, values: xr.Variable) -> None:
        self.values = values

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dim."""
        return self.values.shape

    def __getitem__(self, rows: Any) -> Any:
        """Take rows: those of a slice as `StoredRows`, others as a variable."""
        return StoredRows(self.values, rows) if isinstance(rows, slice) else self.values[rows]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """Read the table."""
        return np.asarray(self.values, dtype)


class StoredRows:
    """Rows of a `StoredTable`; ``np.asarray`` reads them.

    Parameters
    ----------
    values, rows
        Which.
    """

    __slots__ = ("rows", "values")

    def __init__(self, values: xr.Variable, rows: slice) -> None:
        self.values = values
        self.rows = rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dim."""
        start, stop, _ = self.rows.indices(len(self.values))
        return (max(stop - start, 0), *self.values.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """Read the rows."""
        return np.asarray(self.values[self.rows], dtype)

    def __getitem__(self, rows: Any) -> AnyArray:
        return np.asarray(self)[rows]

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredRows, (self.values, self.rows)


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
    """Return rows as a task gets them: those of a table as an array, all others as they are."""
    return np.asarray(rows) if isinstance(rows, TableRows | SentRows | StoredRows) else rows


def as_table(values: Any) -> Any:
    """Let no value of a table be in a graph, unless it is small.

    Parameters
    ----------
    values
        Whatever has rows (row, ...).

    Returns
    -------
    A `Table` in place of a large array in memory, a `StoredTable` in place of a large variable that
    is read when it is used; anything else as it is, and variables as arrays.
    """
    if isinstance(values, xr.Variable):
        if is_large(values) and not _is_in_memory(values):
            return StoredTable(values)
        values = values.to_numpy()
    if isinstance(values, np.ndarray) and values.nbytes > LARGE_BYTES:
        return Table(values)
    return values


def _is_in_memory(values: xr.Variable) -> bool:
    """Whether values have been read: their first row is then at the same place each time."""
    return bool(np.shares_memory(values[:1].to_numpy(), values[:1].to_numpy()))
