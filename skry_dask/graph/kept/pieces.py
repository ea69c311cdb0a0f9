"""What a phase finds of earlier runs when its graph is built, and keeps for later ones.

A phase tells what its rows depend on; `Pieces` looks for rows of the same in complete results of
the phase and in pieces of interrupted runs, and keeps the rows that are measured now. Likewise for
the sums over frames of a phase, see `kept.sums`.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import dask
import numpy as np
import xarray as xr

from skry_dask.errors import StoreError
from skry_dask.graph.datasets import variable
from skry_dask.graph.frame_parts import FrameParts
from skry_dask.graph.kept.rows import KeptRows, KnownRows, row_keys
from skry_dask.graph.kept.sums import SAVE_SECONDS, SumKeeper
from skry_dask.store.content import digest_of_content
from skry_dask.store.pieces.blobs import GoneError
from skry_dask.store.pieces.rows import ROWS, RowKeeper, list_pieces, read_piece
from skry_dask.store.pieces.sums import SUMS, settle_pieces
from skry_dask.store.results.tables import is_large
from skry_dask.unfinished import saving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import DTypeLike

    from skry_dask.graph.kept.rows import RowSource
    from skry_dask.store.pieces.blobs import Blobs
    from skry_dask.store.results.writing import ResultStore
    from skry_dask.types import AnyArray, BoolArray, IntArray

log = logging.getLogger(__name__)

ROW_KEY = "row_key"
"""Variable of a stored result: uint64 (frame), see `row_keys`."""

FRAMES = "frames"
"""Entry of the attribute ``rows`` of a stored result: see `SameFrames.about`."""

FLUSH_SECONDS = 5.0
"""Default of the dask setting ``skry.flush-seconds``: how long rows are gathered, s."""


class Pieces:
    """Rows and sums of one phase in one job, from before and for later.

    Parameters
    ----------
    store
        Keeps the results of phases.
    blobs
        Keep pieces.
    phase
        Name of the phase.
    frames
        The frames that the phase measures, whatever the selection.
    check_unchanged
        Called before rows are kept: raises `SkryError` if their frames may have changed.
    inputs
        Digests of the inputs of the phase.
    on_cluster
        Whether workers of a cluster run the tasks.
    sees_store
        Whether whatever runs the tasks can read the store.
    """

    def __init__(
        self,
        store: ResultStore,
        blobs: Blobs,
        phase: str,
        frames: SameFrames,
        check_unchanged: Callable[[], None],
        inputs: Sequence[str] = (),
        *,
        on_cluster: bool = False,
        sees_store: bool = True,
    ) -> None:
        self.store = store
        self.blobs = blobs
        self.phase = phase
        self.frames = frames
        self.check_unchanged = check_unchanged
        self.on_cluster = on_cluster
        self.sees_store = sees_store
        self.inputs = tuple(inputs)
        self._during = contextlib.ExitStack()
        self._table: _Table | None = None
        self._sums: SumKeeper | None = None

    def sums(self, capture: xr.Dataset, depends: Callable[[], Sequence[Any]]) -> SumKeeper:
        """Prepare to find the sums of the phase, and to keep them.

        Parameters
        ----------
        capture
            As for `rows`.
        depends
            Returns whatever else the sums depend on, but the selection of what is added up; see
            `digest_of_content`.
        """
        frames = [self.frames.digest, capture["frame"].to_numpy(), _pixels(capture)]
        self._sums = SumKeeper(
            self.blobs,
            self.phase,
            FrameParts.of(capture),
            lambda: [self.phase, *frames, *depends()],
            self.check_unchanged,
            on_cluster=self.on_cluster,
            sees_store=self.sees_store,
            seconds=float(dask.config.get("skry.flush-seconds", SAVE_SECONDS)),
        )
        return self._sums

    def rows(
        self,
        capture: xr.Dataset,
        along: Sequence[AnyArray],
        measured: BoolArray,
        depends: Sequence[Any],
        *,
        stored: Callable[[xr.Dataset], Table],
        blank: float,
        shape: tuple[int, ...],
        dtype: DTypeLike,
    ) -> KeptRows:
        """Look for rows of the phase's table that are known, and prepare to keep the others.

        Parameters
        ----------
        capture
            With the numbers of the frames that are selected, and of their rows and columns.
        along
            float64 or int64 (frame, ...): tables of which a row depends on its frame's rows.
        measured
            bool (frame), whether the frame is measured.
        depends
            Whatever else the rows depend on; see `digest_of_content`.
        stored
            Takes the table from a stored result of the phase.
        blank
            Value of the rows of frames that are not measured.
        shape, dtype
            Dims of the table after the first, and its data type.
        """
        pixels = _pixels(capture)
        kind = [str(np.dtype(dtype).descr), list(shape)]
        key = digest_of_content(self.phase, list(depends), pixels, kind)
        keys = row_keys(capture["frame"].to_numpy(), along, measured)
        seconds = float(dask.config.get("skry.flush-seconds", FLUSH_SECONDS))
        place, frames = f"{ROWS}/{self.phase}/{key}", self.frames
        keeper = RowKeeper(self.blobs, place, lambda: frames.about, seconds, self.check_unchanged)
        self._table = _Table(key, keys, keeper)
        known = KnownRows(keys, blank, self._travels)
        for known_keys, source in self._known(key, place, stored):
            known.add(known_keys, source)
            if not known.missing.any():
                break
        if self.on_cluster:
            keeper.announce()
        if not known.n_found:
            return KeptRows(keys, None, known.missing, keeper)
        n_missing = int(known.missing.sum())
        log.info("%s: %d rows are known, %d are measured", self.phase, known.n_found, n_missing)
        return KeptRows(keys, known, known.missing, keeper)

    def _travels(self, source: RowSource) -> bool:
        """Whether the rows of a source are sent to workers: they lack the store, or it is small."""
        if not self.sees_store:
            return True
        return self.on_cluster and isinstance(source, TableRows) and source.is_in_memory

    def _known(
        self, key: str, place: str, stored: Callable[[xr.Dataset], Table]
    ) -> Iterator[tuple[AnyArray, RowSource]]:
        """Find known rows with the same rows key: their keys, and where they are."""
        for result in self.store.with_rows(self.phase, key):
            if self.frames.begin_with(result.attrs[ROWS][FRAMES]):
                yield result[ROW_KEY].to_numpy(), TableRows(stored(result))
        for piece_key in list_pieces(self.blobs, place):
            piece = read_piece(self.blobs, piece_key)
            if piece is not None and self.frames.begin_with(piece.about):
                yield piece.keys, PieceRows(self.blobs, piece_key)

    def label(self, result: xr.Dataset) -> xr.Dataset:
        """Add to the result of the phase by what its rows are known later; reads frames."""
        if self._sums is not None:
            result = result.assign_attrs({SUMS: self._sums.label})
        if self._table is None:
            return result
        words = "hash of all that the measurement of the frame depends on, but for what rows share"
        keys = variable(("frame",), self._table.keys, "1", words)
        about = {"key": self._table.key, FRAMES: self.frames.about}
        return result.assign({ROW_KEY: keys}).assign_attrs({ROWS: about})

    def __enter__(self) -> Pieces:
        if self._table is not None:
            self._during.enter_context(saving(self._table.keeper.flush))
        if self._sums is not None:
            self._during.enter_context(saving(self._sums.flush))
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        """Gather no more rows; keep those gathered if the phase does not go on."""
        self._during.close()
        if self._table is not None:
            if failed:
                self._table.keeper.flush()
            self._table.keeper.close()
        if self._sums is not None:
            self._sums.stop(failed=failed is not None)

    def finish(self) -> None:
        """Delete the pieces of the phase, because its result is complete."""
        if self._table is not None:
            self._table.keeper.finish()
        if self._sums is not None:
            self._sums.complete()


def delete_pieces_of(result: xr.Dataset, blobs: Blobs, phase: str) -> None:
    """Delete the pieces of a complete result, for a job that was killed before it did."""
    rows = result.attrs.get(ROWS)
    if isinstance(rows, dict):
        blobs.delete(f"{ROWS}/{phase}/{rows['key']}")
    sums = result.attrs.get(SUMS)
    if isinstance(sums, str):
        with contextlib.suppress(StoreError):  # sums only save time
            settle_pieces(blobs, sums)


class _Table(NamedTuple):
    """The table of a phase: the digest of what all rows share, their keys, what keeps them."""

    key: str
    keys: AnyArray
    keeper: RowKeeper


class SameFrames(Protocol):
    """The frames of a capture, which knows them again."""

    @property
    def digest(self) -> str:
        """Digest of the capture, whatever the selection of frames."""
        ...

    @property
    def about(self) -> dict[str, Any]:
        """What a later run needs to know them again; JSON-compatible."""
        ...

    def begin_with(self, about: dict[str, Any]) -> bool:
        """Return whether these are the frames that an earlier run has seen, or begin with them."""
        ...


class Table(Protocol):
    """A table in memory, or one whose rows are read when they are used."""

    def __getitem__(self, rows: slice, /) -> Any: ...


class TableRows(NamedTuple):
    """Rows of a table of a stored result."""

    table: Table

    @property
    def is_in_memory(self) -> bool:
        """Whether the table has been read already: all are but large ones of stored results."""
        return not (isinstance(self.table, xr.Variable) and is_large(self.table))

    def read(self, rows: IntArray) -> AnyArray:
        """Read rows by their positions, ascending."""
        first = int(rows[0])
        found = np.asarray(self.table[first : int(rows[-1]) + 1])
        whole: AnyArray = found if len(found) == len(rows) else found[rows - first]
        return whole


class PieceRows(NamedTuple):
    """Rows of a piece, which is read when they are used."""

    blobs: Blobs
    key: str

    def read(self, rows: IntArray) -> AnyArray:
        """Read rows by their positions.

        Raises
        ------
        GoneError
            If the piece has been damaged or deleted since the graph was built.
        """
        piece = read_piece(self.blobs, self.key)
        if piece is None:
            raise GoneError(f"{self.key} of the store was deleted meanwhile: run the job again")
        taken: AnyArray = piece.rows[rows]
        return taken


def _pixels(capture: xr.Dataset) -> list[AnyArray]:
    """List the rows and columns of the file's frames that a capture has."""
    return [capture[dim].to_numpy() for dim in ("y", "x") if dim in capture.coords]
