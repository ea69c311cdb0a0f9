"""Rows of tables that need not be measured again, and passes that read only the other frames.

A row of a table depends on a frame, on the rows of other tables along it, and on what all rows
share. Its *row key* is a hash of the frame's number and of the rows along. Rows with the same keys,
from an earlier result or an interrupted run, are taken as they are when the graph is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import dask
import numpy as np

from skry_dask.graph.frame_progress import frame_task
from skry_dask.graph.row_tasks import row_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import dask.array as da
    from numpy.typing import DTypeLike

    from skry_dask.graph.frame_passes import FrameSource
    from skry_dask.graph.row_tasks import Rows, Shared
    from skry_dask.types import AnyArray, BoolArray, Frames, IntArray

NO_KEY = 0
"""Key of a row that is the same for every frame, because the frame is not measured."""

BLOCK_BYTES = 2**18
"""Approximate size of the blocks of rows that are all known, bytes."""

_MISSING, _BLANK = -1, -2


class RowKeeper(Protocol):
    """Keeps rows while they are measured, for the case that the job is interrupted."""

    def add(self, keys: AnyArray, rows: AnyArray) -> None:
        """Keep rows (row, ...) under their keys, uint64 (row)."""
        ...


class RowSource(Protocol):
    """A table that holds known rows: in memory, or read when it is used."""

    def read(self, rows: IntArray) -> AnyArray:
        """Read rows by their positions, int64 (row), ascending."""
        ...


class ArrayRows(NamedTuple):
    """Known rows in memory: (row, ...)."""

    rows: AnyArray

    def read(self, rows: IntArray) -> AnyArray:
        """Take rows by their positions."""
        taken: AnyArray = self.rows[rows]
        return taken


class KeptRows(NamedTuple):
    """What `map_frames` needs to know of rows from before, and to keep rows for later.

    Parameters
    ----------
    keys
        uint64 (frame): keys of the rows, `NO_KEY` for frames that are not measured.
    known
        Rows that are known already, in `RowsOfBlock`; None: all are measured.
    missing
        bool (frame), whether a row has to be measured.
    keeper
        Keeps rows that are measured.
    """

    keys: AnyArray
    known: KnownRows | None
    missing: BoolArray
    keeper: RowKeeper


def row_keys(numbers: IntArray, along: Sequence[AnyArray], measured: BoolArray) -> AnyArray:
    """Compute the keys of rows: 64-bit hashes that are the same on every machine.

    Parameters
    ----------
    numbers
        int64 (frame), numbers of the frames.
    along
        float64 or int64 (frame, ...), the rows along each frame.
    measured
        bool (frame), whether the frame is measured.

    Returns
    -------
    uint64 (frame), `NO_KEY` where it is not measured.
    """
    columns = [np.asarray(numbers, np.int64), *along]
    keys = np.zeros(len(numbers), np.uint64)
    for column in columns:
        if column.dtype not in (np.float64, np.int64):
            raise TypeError(f"rows along frames are {column.dtype}: give float64 or int64")
        # Sums of 0.0 turn -0.0 into 0.0, which means the same.
        words = np.ascontiguousarray(column + 0).view(np.uint64).reshape(len(numbers), -1)
        for word in words.T:
            keys = _mix(keys ^ word)
    return np.where(measured, np.maximum(keys, 1), NO_KEY).astype(np.uint64)


def _mix(words: AnyArray) -> AnyArray:
    """Scatter the bits of uint64 words, so that every bit depends on every other: splitmix64.

    (G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA
    2014.)
    """
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: AnyArray = words ^ (words >> np.uint64(31))
    return mixed


class KnownRows:
    """Rows of a table that are known before it is computed.

    Parameters
    ----------
    keys
        uint64 (frame), from `row_keys`.
    blank
        Value of the rows of frames that are not measured.
    travels
        Whether a source is read when rows are taken, so that these travel with the tasks that need
        them, in place of the source.
    """

    def __init__(
        self,
        keys: AnyArray,
        blank: float,
        travels: Callable[[RowSource], bool] = lambda _: False,
    ) -> None:
        self.keys = keys
        self.blank = blank
        self.travels = travels
        self.sources: list[RowSource] = []
        self.which = np.where(keys == NO_KEY, _BLANK, _MISSING)
        self.row = np.zeros(len(keys), np.int64)

    @property
    def missing(self) -> BoolArray:
        """Whether each row has to be measured: bool (frame)."""
        return np.asarray(self.which == _MISSING)

    @property
    def n_found(self) -> int:
        """Number of rows that have been found."""
        return int((self.which >= 0).sum())

    def add(self, keys: AnyArray, source: RowSource) -> None:
        """Take the rows that are still missing from a source.

        Parameters
        ----------
        keys
            uint64 (row): keys of the source's rows.
        source
            The rows.
        """
        wanted = np.flatnonzero(self.missing)
        order = np.argsort(keys, kind="stable")
        place = np.searchsorted(keys, self.keys[wanted], sorter=order).clip(0, len(keys) - 1)
        rows = order[place] if len(keys) else place
        found = keys[rows] == self.keys[wanted] if len(keys) else np.zeros(len(wanted), bool)
        if found.any():
            self.which[wanted[found]] = len(self.sources)
            self.row[wanted[found]] = rows[found]
            self.sources.append(source)

    def __getitem__(self, rows: slice) -> RowsOfBlock:
        """Take the rows of a block of frames, with the sources that hold some."""
        which, row = self.which[rows].copy(), self.row[rows].copy()
        sources: list[RowSource] = []
        for old in np.unique(which[which >= 0]).tolist():
            at = np.flatnonzero(which == old)
            source = self.sources[old]
            if self.travels(source):
                at = at[np.argsort(row[at], kind="stable")]
                source = ArrayRows(source.read(row[at]))
                row[at] = np.arange(len(at))
            which[at] = len(sources)
            sources.append(source)
        return RowsOfBlock(sources, which, row, self.blank)


class RowsOfBlock(NamedTuple):
    """Known rows of a block of frames, which are read when they are used.

    Parameters
    ----------
    sources
        Tables that hold some.
    which, row
        int64 (frame): position of the table among the sources, and of the row in it.
    blank
        Value of the rows of frames that are not measured.
    """

    sources: Sequence[RowSource]
    which: IntArray
    row: IntArray
    blank: float

    def fill(self, out: AnyArray) -> IntArray:
        """Write the known rows into an array (frame, ...); return the positions of the others."""
        for i in np.unique(self.which[self.which >= 0]).tolist():
            at = np.flatnonzero(self.which == i)
            at = at[np.argsort(self.row[at], kind="stable")]
            out[at] = self.sources[i].read(self.row[at])
        if (self.which == _BLANK).any():  # which some dtypes do not have
            out[self.which == _BLANK] = self.blank
        return np.flatnonzero(self.which == _MISSING)


class _RowsByBlock:
    """Known rows of each block, taken when the graph is built: some are to travel with it."""

    def __init__(self, known: KnownRows, sizes: Sequence[int]) -> None:
        borders = pairwise(np.cumsum([0, *sizes]).tolist())
        self.blocks = {start: known[start:stop] for start, stop in borders}

    def __getitem__(self, rows: slice) -> RowsOfBlock:
        return self.blocks[rows.start]


def map_missing_frames(
    function: Callable[..., AnyArray],
    frames: FrameSource,
    along: Sequence[Rows],
    shared: Sequence[Shared],
    kept: KeptRows,
    *,
    name: str,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    has_developer: bool,
) -> tuple[da.Array, int]:
    """Build the tasks of a pass some of whose rows are known: only the other frames are read.

    Parameters
    ----------
    function, along, shared, shape, dtype
        As for `map_frames`; the last shared value is the developer if there is one. The tables
        along are in memory.
    frames
        The frames, which tasks read run by run.
    kept
        With known rows.
    name
        Name of the pass, unique.
    has_developer
        Whether frames are turned to grey.

    Returns
    -------
    See `row_tasks`.
    """
    row_bytes = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
    sizes = _block_sizes(kept.missing, frames.frames.chunks[0], BLOCK_BYTES // row_bytes)
    known = () if kept.known is None else _RowsByBlock(kept.known, sizes)
    return row_tasks(
        _MissingFrames(
            function, name, kept.keeper, shape, np.dtype(dtype), len(along), has_developer
        ),
        sizes,
        (range(len(frames)), known, kept.keys, *along),
        [dask.delayed(frames, traverse=False), *shared] if kept.missing.any() else (),
        name=name,
        shape=shape,
        dtype=dtype,
    )


def _block_sizes(missing: BoolArray, chunks: Sequence[int], n_rows: int) -> list[int]:
    """Divide frames into blocks: chunks with frames to read, and longer ones without.

    Parameters
    ----------
    missing
        bool (frame), whether a frame is read.
    chunks
        Number of frames in each chunk.
    n_rows
        Number of rows in a block without frames to read; it consists of whole chunks.
    """
    sizes: list[int] = []
    joins = False
    for start, stop in pairwise(np.cumsum([0, *chunks]).tolist()):
        is_known = not missing[start:stop].any()
        if is_known and joins and sizes[-1] + stop - start <= n_rows:
            sizes[-1] += stop - start
        else:
            sizes.append(stop - start)
        joins = is_known
    return sizes


@dataclass(frozen=True, slots=True)
class _MissingFrames:
    """The task of a pass some of whose rows are known; see `map_missing_frames`."""

    function: Callable[..., AnyArray]
    frame_pass: str
    keeper: RowKeeper
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    n_along: int
    has_developer: bool

    def __call__(
        self, numbers: range, known: RowsOfBlock, keys: AnyArray, *arguments: Any
    ) -> AnyArray:
        """Return the rows of a block; tables along it, frames and shared values follow."""
        with frame_task(self.frame_pass):
            rows = np.empty((len(numbers), *self.shape), self.dtype)
            missing = known.fill(rows)
            if len(missing):
                along, (source, *shared) = arguments[: self.n_along], arguments[self.n_along :]
                frames = _read(source, numbers[0] + missing)
                if self.has_developer:
                    *shared, developer = shared
                    frames = developer.grey(frames)
                measured = self.function(frames, *(table[missing] for table in along), *shared)
                self.keeper.add(keys[missing], measured)
                rows[missing] = measured
            return rows


def _read(source: FrameSource, numbers: IntArray) -> Frames:
    """Read frames by their positions, ascending, each run of consecutive ones at once."""
    runs = [source[start:stop] for start, stop in _runs(numbers)]
    return runs[0] if len(runs) == 1 else np.concatenate(runs)


def _runs(numbers: IntArray) -> Iterator[tuple[int, int]]:
    borders = np.flatnonzero(np.diff(numbers) != 1) + 1
    for run in np.split(numbers, borders):
        yield int(run[0]), int(run[-1]) + 1
