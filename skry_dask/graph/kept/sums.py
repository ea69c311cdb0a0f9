"""Sums over frames from earlier runs, which a fold continues, and that it keeps for later ones.

Sums of integers are exact, and each fragment of each frame adds to them by itself. So sums that
hold other fragments than wanted become the wanted ones, to the bit, by adding those that are
missing and subtracting those that are too many. That serves for two things:

- While a fold runs, what has been added is kept now and then. A job that was interrupted goes on
  from there.
- The sums of a complete result are kept. Another percentage, or a few excluded frames, change few
  fragments.

What the sums hold is a *selection*: uint8 (frame, ...), a bit for each fragment. All else that they
depend on is in their key. Keeping sums takes at most 1 / `SHARE` of the time of a fold.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import SkryError, StoreError
from skry_dask.graph.kept.known_sums import KnownSums
from skry_dask.profiling import this_process
from skry_dask.store.content import digest_of_content
from skry_dask.store.pieces.sums import (
    SUMS,
    delete_parts,
    forget_unconfirmed,
    list_pieces,
    name_of,
    settle_pieces,
    unconfirmed,
    write_piece,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from skry_dask.graph.frame_parts import FrameParts
    from skry_dask.graph.kept.known_sums import Marks, Partial
    from skry_dask.graph.shared_accumulators import SharedSum
    from skry_dask.store.pieces.blobs import Blobs
    from skry_dask.store.pieces.sums import SumPiece
    from skry_dask.types import AnyArray, IntArray

log = logging.getLogger(__name__)

SAVE_SECONDS = 10.0
"""Time from the beginning of a fold, or from the last time, until its sums are kept, s."""

SHARE = 20
"""At least this many times as long as keeping the sums has taken goes by before the next time."""

SAVED_PER_SECOND = 2**28
"""Rate at which sums are kept, where it has not been measured: bytes per second."""

N_KEPT = 3
"""Number of pieces of a phase that stay when its result is complete: the newest."""

_TOKEN = "job"


class SumKeeper:
    """Finds and keeps the sums of one fold; it travels to the tasks.

    A worker of a cluster that does not see the store keeps nothing.

    Parameters
    ----------
    blobs
        Where sums are kept.
    phase
        Name of the phase.
    frames
        The frames, to read those that change.
    depends
        Returns all that the sums depend on but the selection; see `digest_of_content`. Called when
        it is needed, which takes some milliseconds.
    check_unchanged
        Called before sums are kept, in the process where this is made: raises `SkryError` if their
        frames may have changed.
    on_cluster
        Whether workers of a cluster run the tasks.
    sees_store
        Whether whatever runs the tasks can read the store.
    seconds
        See `SAVE_SECONDS`.
    """

    def __init__(
        self,
        blobs: Blobs,
        phase: str,
        frames: FrameParts,
        depends: Callable[[], Sequence[Any]],
        check_unchanged: Callable[[], None],
        *,
        on_cluster: bool = False,
        sees_store: bool = True,
        seconds: float = SAVE_SECONDS,
    ) -> None:
        self.blobs = blobs
        self.prefix = f"{SUMS}/{phase}"
        self.seconds = seconds
        self.frames = frames
        self.known: KnownSums | None = None
        self.closed = False
        self.name = secrets.token_hex(8)
        self.process = this_process()
        self.n_frames = 0
        self.whole = ""
        self._depends = depends
        self._check_unchanged: Callable[[], None] | None = check_unchanged
        self._place: str | None = None
        self._due = 0.0
        self._kept: list[str] = []
        self._writer: threading.Thread | None = None
        self._shared: SharedSum | None = None
        self._on_cluster = on_cluster
        self._sees_store = sees_store

    def __dask_tokenize__(self) -> str:
        return self.name

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what only this process can do, or needs."""
        only_here = ("_depends", "_check_unchanged", "_writer", "_shared", "known", "frames")
        return self.__dict__ | dict.fromkeys(only_here) | {"_place": self.place}

    @property
    def place(self) -> str:
        """First names of the keys of all pieces that depend on the same."""
        if self._place is None:
            self._place = f"{self.prefix}/{digest_of_content(*self._depends())}"
        return self._place

    @property
    def label(self) -> str:
        """By what `settle_pieces` knows the sums of the complete result."""
        if self._on_cluster and not self.whole:  # a worker knows what it has selected
            found = unconfirmed(self.blobs, self.place)
            self.whole = found[0] if len(found) == 1 else ""
        return f"{self.place}:{self.whole}"

    @property
    def to_add(self) -> KnownSums | None:
        """The known sums, as whatever runs the tasks can read them."""
        if self.known is None:
            return None
        from_store = self._on_cluster and self._sees_store
        return self.known.for_tasks(self.blobs if from_store else None)

    @property
    def _token(self) -> str:
        """Key of the blob by which workers see that they reach the store."""
        return f"{self.prefix}/{_TOKEN}.{self.name}"

    # --- before the fold ---------------------------------------------------------------------

    def find(
        self,
        shape: tuple[int, ...],
        selection_shape: tuple[int, ...],
        wanted: AnyArray | None,
        cost: Callable[[AnyArray, bool], float],
    ) -> KnownSums | None:
        """Find known sums from which the wanted ones follow for less than from none.

        Parameters
        ----------
        shape
            Shape of the sums.
        selection_shape
            Shape of the selection.
        wanted
            uint8 (frame, ...): the selection; None if it is not known yet.
        cost
            Estimates what adding or subtracting a selection costs, in any unit; called with the
            selection, and whether that is done to the sums of another result.
        """
        self.n_frames = selection_shape[0]
        self.whole = "" if wanted is None else name_of(wanted)
        if self._on_cluster:
            self._announce()
            forget_unconfirmed(self.blobs, self.place)
        if not self.blobs.list(self.prefix):
            return None
        pieces = [
            piece
            for piece in list_pieces(self.blobs, self.place)
            if piece.shape == shape and piece.held.shape == selection_shape
        ]
        best, least = None, np.inf if wanted is None else cost(wanted, False)
        for first in reversed(pieces):
            chosen, held = _with_others(first, pieces)
            needed = -_n_bits(held) if wanted is None else cost(wanted ^ held, first.whole)
            known = KnownSums.of(self.blobs, chosen, held) if needed < least else None
            if known is not None:
                best, least = known, needed
        self.known = best
        return best

    def _announce(self) -> None:
        """Let the workers of a cluster see that they reach the store."""
        try:
            self.blobs.put(self._token, b"")
        except StoreError as error:
            self._give_up(error)

    # --- while it runs -----------------------------------------------------------------------

    def is_due(self) -> float | None:
        """Return the time since when the sums should be kept, s of the clock; None = not yet."""
        now = time.monotonic()
        if not self._due:
            self._due = now + self.seconds
        return self._due if now >= self._due and not self.closed else None

    def keep(self, sums: IntArray, marks: Sequence[Marks]) -> None:
        """Keep what has been added to the known sums, together with these.

        Parameters
        ----------
        sums
            int64, the known ones and all frames of the marks.
        marks
            What was added.
        """
        began = time.monotonic()
        before = self._kept
        self._kept = self._write(sums, self._selection(marks, self.known))
        self._delete(set(before) - set(self._kept))
        now = time.monotonic()
        self._due = now + max(self.seconds, SHARE * (now - began))

    def keep_part(self, part: Partial) -> None:
        """Keep an accumulator without the known sums, if it is worth it."""
        worth = max(self.seconds, SHARE * part.sums.nbytes / SAVED_PER_SECOND)
        if self.closed or part.seconds < worth or not all(mark.only_adds for mark in part.marks):
            return
        if not self._reaches_store():
            self.closed = True
            return
        added = [mark._replace(wanted=mark.added) for mark in part.marks]
        kept = self._write(part.sums.astype(np.int64, copy=False), self._selection(added))
        if kept:
            self._delete(set(part.kept) - set(kept))
            part.kept, part.seconds = kept, 0.0

    def finish(self, sums: IntArray, marks: Sequence[Marks]) -> None:
        """Keep the complete sums, which nobody changes; beside the tasks where that is possible."""
        if self.closed or not marks:
            return
        selection = self._selection(marks)
        self.whole = name_of(selection)

        def write() -> None:
            self._write(sums, selection, whole=True)

        if self.process == this_process() and not self._on_cluster:
            self._writer = threading.Thread(target=write, name="skry-sums")
            self._writer.start()
        elif self._reaches_store():
            write()

    def _selection(self, marks: Sequence[Marks], known: KnownSums | None = None) -> AnyArray:
        """Put together what sums hold: uint8 (frame, ...)."""
        if known is not None:
            held = known.held.copy()
        else:
            held = np.zeros((self.n_frames, *marks[0].wanted.shape[1:]), np.uint8)
        for mark in marks:
            held[mark.numbers.start : mark.numbers.stop] = mark.wanted
        return held

    def _write(self, sums: IntArray, held: AnyArray, *, whole: bool = False) -> list[str]:
        try:
            if self._check_unchanged is not None and not whole:
                self._check_unchanged()
            return [write_piece(self.blobs, self.place, sums, held, whole=whole)]
        except StoreError as error:
            self._give_up(error)
        except SkryError:  # with which the job will end
            self.closed = True
            self._delete(self._kept)
        return []

    def _delete(self, places: Iterable[str]) -> None:
        for place in places:
            self.blobs.delete(place)

    def _reaches_store(self) -> bool:
        return self.process == this_process() or self.blobs.get(self._token) is not None

    def _give_up(self, error: StoreError) -> None:
        """Go on without keeping sums: they only save time."""
        log.info("no sums are kept: %s", error)
        self.closed = True

    def share(self, shared: SharedSum) -> None:
        """Note where the threads of this process add up the sums."""
        self._shared = shared

    def flush(self) -> None:
        """Keep what the threads of this process have added up, at once."""
        if self._shared is not None and not self.closed:
            self._shared.keep_now()

    # --- after it ----------------------------------------------------------------------------

    def stop(self, *, failed: bool) -> None:
        """Keep nothing more, because the fold has ended.

        Parameters
        ----------
        failed
            Whether it has failed. What has been added up is kept then, unless frames have changed.
        """
        if failed:
            self.flush()
        self.closed, self._shared = True, None
        if self._on_cluster:
            self.blobs.delete(self._token)
        if failed:
            self._forget_if_changed()

    def _forget_if_changed(self) -> None:
        """Delete what was kept of frames that have changed, and sums of no complete result."""
        if self._writer is not None:
            self._writer.join()
        try:
            if self._check_unchanged is not None:
                self._check_unchanged()
        except SkryError:
            if self.blobs.list(self.prefix):
                delete_parts(self.blobs, self.place)

    def complete(self) -> None:
        """Delete what was kept while the fold ran, because its result is complete."""
        if self._writer is not None:
            self._writer.join()
        try:
            settle_pieces(self.blobs, self.label)
        except StoreError as error:
            self._give_up(error)
        pieces = list_pieces(self.blobs, self.prefix)
        self._delete(piece.place for piece in pieces[:-N_KEPT])
        names = [(key, key.rpartition("/")[2]) for key in self.blobs.list(self.prefix)]
        # Tokens of jobs that were killed. The workers of one that still runs keep nothing more.
        self._delete(key for key, name in names if name.startswith(f"{_TOKEN}."))


def _with_others(first: SumPiece, pieces: list[SumPiece]) -> tuple[list[SumPiece], AnyArray]:
    """Add to a piece the others that have nothing in common with it, or with each other.

    Returns
    -------
    The pieces, and the selection that they hold together.
    """
    held, chosen = first.held.copy(), [first]
    if not first.whole:
        for piece in sorted(pieces, key=lambda piece: -_n_bits(piece.held)):
            if not (piece.whole or (piece.held & held).any()):
                held |= piece.held
                chosen.append(piece)
    return chosen, held


def _n_bits(selection: AnyArray) -> int:
    return int(np.bitwise_count(selection).sum())
