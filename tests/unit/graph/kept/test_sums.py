"""Sums that are kept while a fold runs and after it, and found by the next one."""

from __future__ import annotations

import pickle
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import dask
import dask.threaded
import numpy as np
import pytest

from skry_dask.errors import ReaderError, StoreError
from skry_dask.graph import shared_accumulators
from skry_dask.graph.frame_folds import fold_frames
from skry_dask.graph.frame_parts import FrameNumbers
from skry_dask.graph.kept import sums as kept_sums
from skry_dask.graph.kept.known_sums import Marks, Partial
from skry_dask.graph.kept.sums import N_KEPT, SumKeeper
from skry_dask.graph.shared_accumulators import SharedSum, shared_by_threads
from skry_dask.store.pieces.blobs import FolderBlobs
from skry_dask.store.pieces.sums import list_pieces
from tests.watched_frames import WatchedFrames

if TYPE_CHECKING:
    from collections.abc import Callable

N_FRAMES = 24
VALUES = np.asarray(WatchedFrames(N_FRAMES)).sum(axis=(1, 2), dtype=np.int64)
SELECTION = np.random.default_rng(3).integers(1, 256, (N_FRAMES, 1, 1), np.uint8)


def expected(selection=SELECTION):
    return VALUES @ np.unpackbits(selection[:, 0], axis=1).astype(np.int64)


def add(frames, packed, total):
    bits = np.unpackbits(packed[:, 0], axis=1).astype(np.int64)
    total += frames.sum(axis=(1, 2), dtype=np.int64) @ bits


def add_changes(numbers, wanted, held, frames, total):
    """Each of the eight fragments of a frame adds its sum; only changed frames are read."""
    for i, number in enumerate(numbers):
        change = np.subtract(*(np.unpackbits(one[i, 0]).astype(np.int64) for one in (wanted, held)))
        if change.any():
            total += int(frames[number : number + 1,].sum()) * change


@dataclass
class Failure:
    """Makes a fold fail after some frames, once a condition holds."""

    after: int
    error: type[BaseException] = KeyboardInterrupt
    once: Callable[[], bool] = lambda: True
    n_added: int = 0


FAILURES: dict[str, Failure] = {}
LOCK = threading.Lock()


def failing(frames, function):
    """Let a function fail as `FAILURES` says for these frames."""

    def add_or_fail(of_chunk, *rest):
        from tests.unit.graph.kept import test_sums  # its globals, in the worker too

        failure = test_sums.FAILURES.get(frames.name)
        if failure is not None:
            with test_sums.LOCK:
                if failure.n_added >= failure.after and failure.once():
                    raise failure.error
                failure.n_added += len(of_chunk)
        function(of_chunk, *rest)

    return add_or_fail


class Fold:
    """A fold over frames that count how often they are read."""

    def __init__(self, blobs, selection=SELECTION, *, on_cluster=False, seconds=0.0, key="key"):
        self.frames = WatchedFrames(N_FRAMES)
        self.changed = []
        self.keeper = SumKeeper(
            blobs, "stack", None, lambda: [key], self.check, on_cluster=on_cluster, seconds=seconds
        )
        known = self.keeper.find(
            (8,), SELECTION.shape, selection, lambda bits, known: bits.any(axis=(1, 2)).sum()
        )
        self.lazy = fold_frames(
            failing(self.frames, add if known is None else add_changes),
            self.frames.lazy(2) if known is None else FrameNumbers(np.arange(N_FRAMES), 2),
            selection,
            *([] if known is None else [known.held]),
            shared=[] if known is None else [dask.delayed(self.frames, traverse=False)],
            shape=(8,),
            max_increment=2**20,
            keeper=self.keeper,
        )

    def fail(self, after, error=KeyboardInterrupt, **condition):
        FAILURES[self.frames.name] = Failure(after, error, **condition)

    def check(self):
        if self.changed:
            raise ReaderError("changed")

    @property
    def n_read(self):
        return int((self.frames.watch.reads > 0).sum())

    def compute(self, scheduler="shared"):
        try:
            if scheduler == "shared":
                with shared_by_threads(2) as pool:
                    found = self.lazy.compute(scheduler=dask.threaded.get, pool=pool)
            else:
                found = self.lazy.compute(scheduler=scheduler)
        except KeyboardInterrupt:
            self.keeper.stop(failed=True)
            return None
        self.keeper.stop(failed=False)
        return found


@pytest.fixture
def blobs(tmp_path):
    return FolderBlobs(tmp_path / "pieces")


@pytest.mark.parametrize("scheduler", ["shared", "sync"])
def test_an_interrupted_fold_goes_on_from_what_was_kept(scheduler, blobs):
    for _ in range(3):  # each time after some more frames
        fold = Fold(blobs)
        fold.fail(6)
        assert fold.compute(scheduler) is None
        assert blobs.list("sums")
    last = Fold(blobs)
    n_known = int(last.keeper.known.held.any(axis=(1, 2)).sum())
    assert n_known > 0
    np.testing.assert_array_equal(last.compute(scheduler), expected())
    assert last.n_read == N_FRAMES - n_known
    last.keeper.complete()
    assert len({key.rpartition("/")[0] for key in blobs.list("sums")}) == 1  # the complete sums


@pytest.mark.parametrize("scheduler", ["shared", "sync"])
def test_another_selection_reads_only_frames_that_change(scheduler, blobs):
    first = Fold(blobs)
    np.testing.assert_array_equal(first.compute(scheduler), expected())
    first.keeper.complete()
    other = SELECTION.copy()
    other[[2, 3, 11]] ^= np.uint8([[[7]], [[128]], [[85]]])
    for selection in (other, SELECTION, other):
        fold = Fold(blobs, selection)
        np.testing.assert_array_equal(fold.compute(scheduler), expected(selection))
        assert fold.n_read in (0, 3)
        fold.keeper.complete()
    assert fold.n_read == 0  # the same selection again
    new = np.bitwise_not(SELECTION)
    fold = Fold(blobs, new)  # nothing in common: from the beginning
    assert fold.keeper.known is None
    np.testing.assert_array_equal(fold.compute(scheduler), expected(new))


def test_sums_that_depend_on_something_else_are_not_found(blobs):
    first = Fold(blobs)
    first.compute()
    first.keeper.complete()
    assert Fold(blobs).keeper.known is not None
    assert Fold(blobs, key="other").keeper.known is None


def test_a_selection_that_is_not_known_yet_goes_on_from_what_holds_most(blobs):
    first = Fold(blobs)
    first.compute()
    first.keeper.complete()
    keeper = Fold(blobs).keeper
    known = keeper.find((8,), SELECTION.shape, None, lambda bits, known: 0)
    np.testing.assert_array_equal(known.held, SELECTION)
    np.testing.assert_array_equal(known.load(), expected())
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(known.for_tasks(None))).load(), expected()
    )


def test_only_the_newest_sums_stay(blobs):
    for i in range(N_KEPT + 2):
        selection = SELECTION.copy()
        selection[i] ^= 1
        fold = Fold(blobs, selection)
        fold.compute()
        fold.keeper.complete()
    assert len({key.rpartition("/")[0] for key in blobs.list("sums")}) == N_KEPT
    assert Fold(blobs, selection).keeper.known.held.tolist() == selection.tolist()


def test_a_short_fold_keeps_nothing_before_it_is_complete(blobs, monkeypatch):
    written = []
    monkeypatch.setattr(blobs, "put", lambda key, content: written.append(key))
    monkeypatch.setattr(SumKeeper, "flush", lambda self: None)  # as if it were killed
    for scheduler in ("shared", "sync"):
        fold = Fold(blobs, seconds=10.0)
        fold.fail(20)
        assert fold.compute(scheduler) is None
    assert written == []


def test_an_interrupted_fold_keeps_at_its_end_what_was_added(blobs):
    keeper = Fold(blobs, seconds=10.0).keeper
    about = shared_accumulators.Fold("add", (8,), "int64", 100, N_FRAMES, keeper)
    total, frames = SharedSum(about), np.asarray(WatchedFrames(N_FRAMES))
    for rows in (range(4), range(10, 16)):
        one = slice(rows.start, rows.stop)
        total.add(rows, partial(add, frames[one], SELECTION[one]), Marks(rows, SELECTION[one]))
    assert blobs.list("sums") == []
    keeper.stop(failed=True)
    again = Fold(blobs)
    np.testing.assert_array_equal(again.compute(), expected())
    assert again.n_read == N_FRAMES - 10


def test_keeping_takes_a_twentieth_of_the_time_at_most(blobs, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(kept_sums.time, "monotonic", lambda: clock[0])
    keeper = Fold(blobs, seconds=10.0).keeper
    assert keeper.is_due() is None
    clock[0] = 9.0
    assert keeper.is_due() is None
    clock[0] = 11.0
    assert keeper.is_due() is not None

    def slow(key, content):
        clock[0] += 3.0

    monkeypatch.setattr(blobs, "put", slow)
    keeper.keep(expected(), [Marks(range(2), SELECTION[:2])])  # two blobs: 6 s
    clock[0] += 119.0
    assert keeper.is_due() is None
    clock[0] += 2.0
    assert keeper.is_due() is not None


def test_frames_that_have_changed_leave_no_sums(blobs):
    fold = Fold(blobs)
    fold.fail(9)
    fold.compute()
    again = Fold(blobs)
    assert again.keeper.known is not None
    again.changed.append(True)
    again.fail(5)
    again.compute()
    again.keeper.stop(failed=True)
    assert Fold(blobs).keeper.known is None


def test_a_store_that_cannot_be_written_costs_nothing_but_the_sums(blobs, monkeypatch):
    def full_disk(key, content):
        raise StoreError("no space left")

    monkeypatch.setattr(blobs, "put", full_disk)
    for scheduler in ("shared", "sync"):
        fold = Fold(blobs, on_cluster=scheduler == "sync")
        np.testing.assert_array_equal(fold.compute(scheduler), expected())
        fold.keeper.complete()


def test_a_worker_keeps_what_is_worth_it_and_only_where_it_sees_the_store(blobs, tmp_path):
    def part(seconds):
        return Partial(np.arange(8), [Marks(range(4), SELECTION[:4])], seconds)

    keeper = Fold(blobs, on_cluster=True, seconds=10.0).keeper
    worker = pickle.loads(pickle.dumps(keeper))
    worker.process = "another"
    short, long = part(9.0), part(11.0)
    worker.keep_part(short)
    assert short.kept == []
    worker.keep_part(long)
    assert len(long.kept) == 1
    assert long.seconds == 0
    both = long.plus([short])
    both.seconds = 12.0
    worker.keep_part(both)  # in place of the part
    assert blobs.list(long.kept[0]) == [] or long.kept == both.kept
    subtracting = Partial(
        np.arange(8), [Marks(range(2), SELECTION[:2], np.bitwise_not(SELECTION[:2]))], 99.0
    )
    worker.keep_part(subtracting)
    assert subtracting.kept == []
    elsewhere = pickle.loads(pickle.dumps(worker))
    elsewhere.blobs = FolderBlobs(tmp_path / "not here")
    lost = part(99.0)
    elsewhere.keep_part(lost)
    assert lost.kept == []
    assert not (tmp_path / "not here").exists()


def test_sums_of_a_selection_that_only_a_worker_knows_are_kept(blobs):
    keeper = Fold(blobs, on_cluster=True).keeper
    other = np.bitwise_not(SELECTION)
    for selection in (other, SELECTION):
        keeper.find((8,), SELECTION.shape, None, lambda bits, known: 0)  # forgets the other one
        worker = pickle.loads(pickle.dumps(keeper))
        worker.process = "another"
        worker.finish(expected(selection), [Marks(range(N_FRAMES), selection)])
    keeper.stop(failed=False)
    keeper.complete()
    np.testing.assert_array_equal(Fold(blobs).keeper.known.load(), expected())
    assert Fold(blobs, other).keeper.known is None


def wait_for_running_tasks(worker):
    """Wait until each thread of a worker is free: one fails, and others add up parts meanwhile."""
    n_threads = worker.state.nthreads
    barrier = threading.Barrier(n_threads, timeout=60)
    for waiting in [worker.executors["default"].submit(barrier.wait) for _ in range(n_threads)]:
        waiting.result()


@pytest.mark.cluster
def test_workers_of_a_cluster_keep_parts_and_the_next_job_reads_the_rest(cluster, blobs):
    distributed = pytest.importorskip("distributed")
    with distributed.Client(cluster):
        fold = Fold(blobs, on_cluster=True)
        # Its worker decides when it adds up parts and keeps them.
        keeper = fold.keeper
        fold.fail(2, ZeroDivisionError, once=lambda: bool(list_pieces(blobs, keeper.place)))
        with pytest.raises(ZeroDivisionError):
            fold.lazy.compute()
        wait_for_running_tasks(cluster.workers[0])
        fold.keeper.stop(failed=True)
        again = Fold(blobs, on_cluster=True)
        n_known = int(again.keeper.known.held.any(axis=(1, 2)).sum())
        found = again.lazy.compute()
        again.keeper.stop(failed=False)
        again.keeper.complete()
    np.testing.assert_array_equal(found, expected())
    assert 0 < n_known < N_FRAMES
    assert again.n_read == N_FRAMES - n_known
    np.testing.assert_array_equal(Fold(blobs).keeper.known.held, SELECTION)
