"""An optimisation of `fold_frames` for threads of one process: accumulators shared by their tasks.

By its definition, a fold makes an accumulator for each chunk of frames, and adds them up in a tree.
Each accumulator has the size of an image: for 100 chunks, 9 to 12 of them exist at a time, and
clearing and adding them takes as long as 2 frames of each chunk. Threads of one process can do with
one accumulator each, to which they add chunk after chunk, and with one sum of these at the end.

This is safe, because it happens only on threads that the runner has made for one computation, by
`shared_by_threads`; everywhere else tasks return accumulators of their own:

- Other processes, and workers of a cluster, which may lose tasks and run them again, never share.
- A chunk that is added twice, because its task runs twice, counts once.
- A task that fails leaves an accumulator that is partly changed: then there is no sum.
- A sum is taken only when all chunks have been added.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from skry_dask.types import AnyArray, IntArray


@dataclass(frozen=True, slots=True)
class Fold:
    """What is known about the accumulators of a fold.

    Parameters
    ----------
    name
        Unique.
    shape
        Shape of an accumulator.
    dtype
        "int32" or "int64".
    max_frames
        Number of frames that can be added to an accumulator of this dtype without overflow.
    n_frames
        Number of frames to be added.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    max_frames: int
    n_frames: int

    def accumulator(self) -> AnyArray:
        """Allocate an accumulator, all 0."""
        return np.zeros(self.shape, self.dtype)


@dataclass(slots=True)
class _Accumulator:
    array: AnyArray
    n_frames: int = 0


@dataclass(slots=True)
class SharedSum:
    """The accumulators of one fold in this process.

    Parameters
    ----------
    fold
        Which fold.
    """

    fold: Fold
    _idle: list[_Accumulator] = field(default_factory=list)
    _total: IntArray | None = None
    _begun: set[int] = field(default_factory=set)
    _n_added: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, numbers: range, add_to: Callable[[AnyArray], None]) -> None:
        """Add a chunk of frames, unless it has been added before.

        Parameters
        ----------
        numbers
            Which frames these are, as counted from the first of all chunks.
        add_to
            Adds the chunk to the accumulator that it is called with.
        """
        with self._lock:
            if numbers.start in self._begun or not numbers:
                return
            self._begun.add(numbers.start)
            accumulator = self._idle.pop() if self._idle else None
        if accumulator is None:
            accumulator = _Accumulator(self.fold.accumulator())
        if accumulator.n_frames + len(numbers) > self.fold.max_frames:
            with self._lock:
                self._total = self._add(accumulator.array)
            accumulator = _Accumulator(accumulator.array)
            accumulator.array[...] = 0
        add_to(accumulator.array)
        accumulator.n_frames += len(numbers)
        with self._lock:
            self._idle.append(accumulator)
            self._n_added += len(numbers)

    def _add(self, accumulator: AnyArray) -> IntArray:
        if self._total is None:
            return accumulator.astype(np.int64)
        self._total += accumulator
        return self._total

    def take_total(self) -> IntArray:
        """Add up the accumulators: int64, of the fold's shape. They are used up by that.

        Raises
        ------
        RuntimeError
            If not all frames have been added: a task has failed, or the sum has been taken before.
        """
        with self._lock:
            if self._n_added != self.fold.n_frames:
                raise RuntimeError(
                    f"{self._n_added} of {self.fold.n_frames} frames have been added up by "
                    f"{self.fold.name}: compute the result again"
                )
            self._n_added = 0
            if self._total is None and self.fold.dtype == "int64":
                self._total = self._idle.pop().array
            while self._idle:
                self._total = self._add(self._idle.pop().array)
            total, self._total = self._total, None
        return self.fold.accumulator().astype(np.int64) if total is None else total


class _Thread(threading.local):
    """Sums of the computation that a thread belongs to, by name of the fold; None = no sharing."""

    sums: dict[str, SharedSum] | None = None


_THREAD = _Thread()


@contextlib.contextmanager
def shared_by_threads(n_threads: int) -> Iterator[ThreadPoolExecutor]:
    """Start threads that share accumulators with each other, for one computation.

    Parameters
    ----------
    n_threads
        Number of threads, at least 1.
    """
    sums: dict[str, SharedSum] = {}

    def join() -> None:
        _THREAD.sums = sums

    with ThreadPoolExecutor(n_threads, "skry-task", initializer=join) as pool:
        yield pool


def shared_sum(fold: Fold) -> SharedSum | None:
    """Find the sum to which the calling thread can add, or None if it does not share any."""
    sums = _THREAD.sums
    return None if sums is None else sums.setdefault(fold.name, SharedSum(fold))
