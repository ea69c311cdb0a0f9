"""What tasks of a fold add, and sums that are known before it begins."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skry_dask.store.sum_pieces import add_piece

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skry_dask.store.blobs import Blobs
    from skry_dask.store.sum_pieces import SumPiece
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
    blobs
        Where they are read from.
    pieces
        Disjoint pieces, which are added up.
    held
        uint8 (frame, ...): the selection that they hold together.
    """

    blobs: Blobs
    pieces: tuple[SumPiece, ...]
    held: AnyArray

    def __dask_tokenize__(self) -> list[str]:
        return [piece.place for piece in self.pieces]

    def load(self) -> IntArray:
        """Read the sums: int64, a new array.

        Raises
        ------
        StoreError
            If a piece was damaged or deleted since it was found.
        """
        sums = np.zeros(self.pieces[0].shape, np.int64)
        for piece in self.pieces:
            add_piece(self.blobs, piece, sums)
        return sums

    def in_memory(self) -> KnownSums:
        """Take the content of the blobs along, for workers that do not see the store."""
        keys = [f"{piece.place}/{i}" for piece in self.pieces for i in range(piece.n_parts)]
        without_held = tuple(replace(piece, held=piece.held[:0]) for piece in self.pieces)
        contents: Any = _Contents({key: self.blobs.get(key) for key in keys})
        return KnownSums(contents, without_held, self.held[:0])


class _Contents(dict[str, "bytes | None"]):
    """Blobs in memory, to read."""
