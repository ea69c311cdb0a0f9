"""Profile of this process: what its threads spend their time on, and how much they read.

Kernels, tasks that work on frames, and whatever reads frames add to it. The cost of a computation
is the difference between the profile after it and before it. Each thread counts for itself, so that
none waits for a lock.

Cost: 0.45 us for each call of a kernel. A job calls 16 kernels per frame: 0.07 % of its time.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
import uuid
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_IMPORT = uuid.uuid4().hex
"""Identifies this process, or the one from which it was forked, among those of a cluster."""


class Spent(NamedTuple):
    """What all threads together have spent.

    Parameters
    ----------
    tasks
        Number of finished tasks that worked on a chunk of frames.
    read_bytes
        Size of the frames that were read, decoded, bytes.
    kernels
        Time in compiled kernels, s.
    reading
        Time in which frames were read and decoded, s.
    compiling
        Time in which kernels were compiled, or loaded where they had been compiled before, s.
    other
        Other time of tasks that work on frames: numpy, scipy, Python, s.
    """

    tasks: int = 0
    read_bytes: int = 0
    kernels: float = 0.0
    reading: float = 0.0
    compiling: float = 0.0
    other: float = 0.0

    def plus(self, more: Spent) -> Spent:
        """Add what others have spent."""
        return Spent._make(a + b for a, b in zip(self, more, strict=True))

    def since(self, before: Spent) -> Spent:
        """Subtract what had been spent before."""
        return Spent._make(a - b for a, b in zip(self, before, strict=True))


class _Counters(threading.local):
    """The counters of one thread."""

    def __init__(self) -> None:
        self.tasks = self.read_bytes = 0
        self.kernels = self.reading = self.compiling = self.other = 0.0
        self.n_compiling = 0
        self.claimed = (0, 0.0)  # bytes and time of reading when the last task ended
        self.looks = False
        with _LOCK:
            _THREADS.append((threading.current_thread(), self.__dict__))


_LOCK = threading.Lock()
_THREADS: list[tuple[threading.Thread, dict[str, float]]] = []
_ENDED = dict.fromkeys(Spent._fields, 0.0)
_OWN = _Counters()

_PASSES: OrderedDict[str, Spent] = OrderedDict()
"""What the tasks of each pass over frames have spent, until that is asked for."""

KEPT_PASSES = 1000
"""Of this many passes it is kept, where nobody asks for it."""


def spent() -> Spent:
    """Add up what all threads of this process have spent so far, ended ones too."""
    with _LOCK:
        running = []
        for thread, counters in _THREADS:
            if thread.is_alive():
                running.append((thread, counters))
            else:
                for name in _ENDED:
                    _ENDED[name] += counters[name]
        _THREADS[:] = running
        totals = {name: _ENDED[name] + sum(own[name] for _, own in running) for name in _ENDED}
    return Spent(int(totals.pop("tasks")), int(totals.pop("read_bytes")), **totals)


def this_process() -> str:
    """Identify this process among those of a cluster, which may have been forked from one."""
    return f"{_IMPORT}-{os.getpid()}"


def spent_here() -> tuple[str, Spent]:
    """Return what this process has spent so far, after its identity: for workers of a cluster."""
    return this_process(), spent()


def take_passes(names: Iterable[str]) -> Spent:
    """Return what the tasks of passes over frames have spent in this process, and forget it.

    For captures that are worked on at once: what each has spent is known by its passes alone. Of a
    capture on its own, kernels outside of passes are known as well, by what `spent` returns.
    """
    with _LOCK:
        return total(_PASSES.pop(name, Spent()) for name in names)


def total(spent: Iterable[Spent]) -> Spent:
    """Add up what several have spent."""
    return functools.reduce(Spent.plus, spent, Spent())


def add_kernel(seconds: float) -> None:
    """Count the time of a call of a kernel, s."""
    _OWN.kernels += seconds


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Count the time in which a call prepares its kernel, and the kernels which that calls."""
    began = time.perf_counter()
    _OWN.n_compiling += 1
    try:
        yield
    finally:
        _OWN.n_compiling -= 1
        if _OWN.n_compiling == 0:
            seconds = time.perf_counter() - began
            _OWN.compiling += seconds
            _OWN.kernels -= seconds  # The call counts its whole time as that of the kernel.


@contextlib.contextmanager
def reading() -> Iterator[Callable[[int], None]]:
    """Count the time in which frames are read; call what this returns with their size in bytes."""
    if _OWN.looks:
        yield _ignore
        return
    began = time.perf_counter()
    before = _OWN.kernels + _OWN.compiling
    yield _add_bytes
    in_kernels = _OWN.kernels + _OWN.compiling - before
    _OWN.reading += time.perf_counter() - began - in_kernels


@contextlib.contextmanager
def looking() -> Iterator[None]:
    """Read frames only to look what they are: that is no part of any phase, and not counted."""
    _OWN.looks = True
    try:
        yield
    finally:
        _OWN.looks = False


def _ignore(_: int) -> None:
    """Count nothing."""


def _add_bytes(n_bytes: int) -> None:
    _OWN.read_bytes += n_bytes


@contextlib.contextmanager
def task(frame_pass: str = "") -> Iterator[None]:
    """Count a task that works on a chunk of frames.

    Parameters
    ----------
    frame_pass
        Name of the pass that it belongs to; what its tasks have spent is kept apart, too.
    """
    began = time.perf_counter()
    before = _own()
    yield
    spent = _own().since(before)
    elsewhere = spent.kernels + spent.reading + spent.compiling
    other = time.perf_counter() - began - elsewhere
    _OWN.other += other
    _OWN.tasks += 1
    # dask reads a chunk for a task just before it, on the same thread.
    n_bytes, seconds = _OWN.claimed
    _OWN.claimed = (_OWN.read_bytes, _OWN.reading)
    if frame_pass:
        spent = Spent(
            tasks=1,
            read_bytes=_OWN.read_bytes - n_bytes,
            kernels=spent.kernels,
            reading=_OWN.reading - seconds,
            compiling=spent.compiling,
            other=other,
        )
        with _LOCK:
            _PASSES[frame_pass] = _PASSES.get(frame_pass, Spent()).plus(spent)
            while len(_PASSES) > KEPT_PASSES:
                _PASSES.popitem(last=False)


def _own() -> Spent:
    """Return what this thread has spent so far."""
    own = _OWN
    return Spent(own.tasks, own.read_bytes, own.kernels, own.reading, own.compiling, own.other)
