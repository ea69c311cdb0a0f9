"""What tasks of a fold add, and sums that are known before it begins."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.store.pieces.sums import add_piece, read_parts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skry_dask.store.pieces.blobs import Blobs
    from skry_dask.store.pieces.sums import Parts, SumPiece
    from skry_dask.types import AnyArray, IntArray


class Marks(NamedTuple):
    """What a task has done with a chunk of frames.

    Parameters
    ----------
    numbers
        Indices of the frames.
    wanted
        uint8 (frame, ...): the selection that the sums hold of them now.
    held
        uint8 (frame, ...): the selection that known sums hold of them; None = nothing.
    """

    numbers: range
    wanted: AnyArray
    held: AnyArray | None = None

    @property
    def only_adds(self) -> bool:
        """Whether nothing was subtracted."""
        return self.held is None or not (self.held & ~self.wanted).any()

    @property
    def added(self) -> AnyArray:
        """The selection that was added."""
        return self.wanted if self.held is None else self.wanted & ~self.held


@dataclass(slots=True, eq=False)
class Partial:
    """An accumulator on its way to the sum, and what it holds.

    Parameters
    ----------
    sums
        int32 or int64.
    marks
        What it holds.
    seconds
        Time that it took, as far as it has not been kept yet, s.
    kept
        Places of the pieces that hold parts of it.
    """

    sums: AnyArray
    marks: list[Marks]
    seconds: float
    kept: list[str] = field(default_factory=list)

    def __sizeof__(self) -> int:
        """Return the number of bytes, which schedulers ask for."""
        return int(self.sums.nbytes) + sum(mark.wanted.nbytes for mark in self.marks)

    def plus(self, others: Iterable[Partial]) -> Partial:
        """Add up accumulators."""
        total = replace(self, sums=self.sums.astype(np.int64))
        for other in others:
            total.sums += other.sums
            total.marks = total.marks + other.marks
            total.seconds += other.seconds
            total.kept = total.kept + other.kept
        return total


@dataclass(frozen=True, slots=True, eq=False)
class KnownSums:
    """Sums that are known before a fold begins.

    Parameters
    ----------
    parts
        Where they are read from: blobs of a store, or a copy in memory, compressed.
    pieces
        Disjoint pieces, which are added up.
    held
        uint8 (frame, ...): the selection that they hold together.
    """

    parts: Parts
    pieces: tuple[SumPiece, ...]
    held: AnyArray

    @classmethod
    def of(cls, blobs: Blobs, pieces: list[SumPiece], held: AnyArray) -> KnownSums | None:
        """Read pieces, so that it does not matter who deletes them; None if one is damaged."""
        parts: dict[str, bytes] = {}
        for piece in pieces:
            found = read_parts(blobs, piece)
            if found is None:
                return None
            parts |= found
        return cls(parts, tuple(pieces), held)

    def __dask_tokenize__(self) -> list[str]:
        return [piece.place for piece in self.pieces]

    def load(self) -> IntArray:
        """Add up the pieces: int64, a new array.

        Raises
        ------
        StoreError
            If they are read from a store, and one was damaged or deleted since it was found.
        """
        sums = np.zeros(self.pieces[0].shape, np.int64)
        for piece in self.pieces:
            add_piece(self.parts, piece, sums)
        return sums

    def for_tasks(self, blobs: Blobs | None) -> KnownSums:
        """Leave out what tasks do not need; they read the pieces from blobs, if these are given."""
        pieces = tuple(replace(piece, held=piece.held[:0]) for piece in self.pieces)
        return KnownSums(self.parts if blobs is None else blobs, pieces, self.held[:0])
