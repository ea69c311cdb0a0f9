"""Pieces of tables: rows that a phase has measured, kept while it runs.

Rows of finished tasks are gathered in each process, and written as a blob now and then: `seconds`
after the first, or when they fill `PIECE_BYTES`. A job that ends before writes none. A job that is
killed loses what its processes had gathered since.
"""

from __future__ import annotations

import functools
import io
import json
import logging
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skry_dask.errors import SkryError, StoreError
from skry_dask.profiling import this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from skry_dask.store.pieces.blobs import Blobs
    from skry_dask.types import AnyArray

log = logging.getLogger(__name__)

ROWS = "rows"
"""First name in the keys of pieces."""

PIECE_BYTES = 2**23
"""Size of the rows at which a piece is written, bytes."""

IDLE_SECONDS = 60.0
"""Time after which a process forgets rows that it has gathered for a job that runs elsewhere."""

OLD_SECONDS = 24 * 3600
"""Age from which pieces of jobs that were never finished are deleted."""

CACHED_PIECES = 4
"""Number of pieces that a process keeps in memory when it reads them."""


class RowPiece(NamedTuple):
    """Rows of a table.

    Parameters
    ----------
    about
        What the rows belong to; JSON-compatible.
    keys
        uint64 (row), see `graph.kept_rows.row_keys`.
    rows
        (row, ...)
    """

    about: dict[str, Any]
    keys: AnyArray
    rows: AnyArray

    def to_bytes(self) -> bytes:
        """Write the piece as bytes."""
        out = io.BytesIO()
        out.write(json.dumps(self.about).encode() + b"\n")
        np.save(out, self.keys, allow_pickle=False)
        np.save(out, self.rows, allow_pickle=False)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> RowPiece:
        """Read what `to_bytes` has written."""
        file = io.BytesIO(content)
        about = json.loads(file.readline())
        return cls(about, *(np.load(file, allow_pickle=False) for _ in range(2)))


def read_piece(blobs: Blobs, key: str) -> RowPiece | None:
    """Read a piece; None if it is damaged or gone."""
    blobs_of_store: Any = blobs  # instances are hashable, which the protocol does not say
    return _read_piece(blobs_of_store, key)


@functools.lru_cache(CACHED_PIECES)
def _read_piece(blobs: Blobs, key: str) -> RowPiece | None:
    content = blobs.get(key)
    return None if content is None else RowPiece.from_bytes(content)


def list_pieces(blobs: Blobs, place: str) -> list[str]:
    """List the keys of the pieces below a prefix, oldest first."""
    keys = [key for key in blobs.list(place) if not _name(key).startswith(_TOKEN)]
    return sorted(keys, key=_written)


def delete_pieces(blobs: Blobs, place: str) -> None:
    """Delete the pieces at a place, and old ones of the same phase that nobody has finished."""
    blobs.delete(place)
    phase = place.rpartition("/")[0]
    newest: dict[str, int] = {}
    for key in blobs.list(phase):
        other = key.rpartition("/")[0]
        newest[other] = max(newest.get(other, 0), _written(key))
    for other, written in newest.items():
        if written < time.time() - OLD_SECONDS:
            blobs.delete(other)


def new_name() -> str:
    """Name a new piece, by the time and at random."""
    return f"{int(time.time()):x}-{secrets.token_hex(6)}"


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _written(key: str) -> int:
    """Return when a piece was written, s since 1970; 0 where its name does not say."""
    digits = _name(key).removeprefix(_TOKEN).partition("-")[0]
    try:
        return int(digits, 16)
    except ValueError:
        return 0


_TOKEN = "job."
"""Beginning of the name of a blob by which workers see whether they reach the store."""


class RowKeeper:
    """Gathers rows of one table in each process that measures some, and writes them as pieces.

    It travels to workers. A worker that does not see the store, which other workers and the client
    share, keeps none.

    Parameters
    ----------
    blobs
        Where pieces are kept.
    place
        Prefix of their keys.
    about
        Called when a piece is written, or the keeper travels; see `RowPiece`.
    seconds
        Time from the first row that is gathered to the writing of a piece, s.
    check_unchanged
        Called before rows are written, in the process where this is made: raises `SkryError` if
        their frames may have changed while they were measured.
    """

    def __init__(
        self,
        blobs: Blobs,
        place: str,
        about: Callable[[], dict[str, Any]],
        seconds: float,
        check_unchanged: Callable[[], None],
    ) -> None:
        self.blobs = blobs
        self.place = place
        self.about: Callable[[], dict[str, Any]] | dict[str, Any] = about
        self.seconds = seconds
        self.token = f"{place}/{_TOKEN}{new_name()}"
        self.closed = False
        self.process = this_process()
        self.check_unchanged: Callable[[], None] | None = check_unchanged

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what only this process can do."""
        about = self.about() if callable(self.about) else self.about
        return self.__dict__ | {"about": about, "check_unchanged": None}

    def announce(self) -> None:
        """Let the workers of a cluster see that they reach the store."""
        try:
            self.blobs.put(self.token, b"")
        except StoreError as error:
            self._give_up(error)

    def add(self, keys: AnyArray, rows: AnyArray) -> None:
        """Gather rows, and write those that have been gathered if it is time.

        Parameters
        ----------
        keys
            uint64 (row); 0 for rows that need not be kept.
        rows
            (row, ...), not changed any more.
        """
        if not self.closed:
            gathered = _gathered(self.token).add(keys, rows, self.seconds)
            self._write(gathered)

    def flush(self) -> None:
        """Write what this process has gathered."""
        if not self.closed:
            self._write(_gathered(self.token).take())

    def close(self) -> None:
        """Forget what this process has gathered, and gather no more."""
        self.closed = True
        with _LOCK:
            _GATHERED.pop(self.token, None)

    def finish(self) -> None:
        """Delete all pieces, because the table is complete."""
        self.close()
        delete_pieces(self.blobs, self.place)
        _read_piece.cache_clear()

    def _write(self, gathered: Sequence[tuple[AnyArray, AnyArray]]) -> None:
        if not gathered:
            return
        if self.process != this_process() and self.blobs.get(self.token) is None:
            self.close()
            return
        try:
            about = self.about() if callable(self.about) else self.about
            if self.check_unchanged is not None:
                self.check_unchanged()
        except SkryError:  # which the job will end with
            self.finish()
            return
        keys, rows = (np.concatenate(parts) for parts in zip(*gathered, strict=True))
        piece = RowPiece(about, keys[keys != 0], rows[keys != 0])
        if not len(piece.keys):
            return
        try:
            self.blobs.put(f"{self.place}/{new_name()}", piece.to_bytes())
        except StoreError as error:
            self._give_up(error)

    def _give_up(self, error: StoreError) -> None:
        """Go on without pieces: they only save time if the job is interrupted."""
        log.info("no pieces are kept: %s", error)
        self.close()


class _Gathered:
    """Rows that this process has gathered for one table."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.parts: list[tuple[AnyArray, AnyArray]] = []
        self.n_bytes = 0
        self.since = self.used = time.monotonic()

    def add(
        self, keys: AnyArray, rows: AnyArray, seconds: float
    ) -> list[tuple[AnyArray, AnyArray]]:
        """Add rows; return those to write now."""
        with self.lock:
            self.used = time.monotonic()
            if not self.parts:
                self.since = self.used
            self.parts.append((keys, rows))
            self.n_bytes += rows.nbytes
            is_time = self.used - self.since >= seconds or self.n_bytes >= PIECE_BYTES
            return self._take() if is_time else []

    def take(self) -> list[tuple[AnyArray, AnyArray]]:
        """Return all rows, and forget them."""
        with self.lock:
            return self._take()

    def _take(self) -> list[tuple[AnyArray, AnyArray]]:
        parts, self.parts, self.n_bytes = self.parts, [], 0
        return parts


_LOCK = threading.Lock()
_GATHERED: dict[str, _Gathered] = {}


def _gathered(token: str) -> _Gathered:
    """Find what this process has gathered for a table; forget that of others which are idle."""
    found = _GATHERED.get(token)
    if found is None:
        with _LOCK:
            limit = time.monotonic() - IDLE_SECONDS
            for other in [name for name, rows in _GATHERED.items() if rows.used < limit]:
                del _GATHERED[other]
            found = _GATHERED.setdefault(token, _Gathered())
    return found
