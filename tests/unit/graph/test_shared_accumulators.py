"""Accumulators that the threads of one computation share: the same sums, or none."""

from __future__ import annotations

import dask
import dask.array as da
import dask.threaded
import numpy as np
import pytest
from dask.optimization import cull
from dask.utils import key_split

from skry_dask.graph.frame_folds import fold_frames
from skry_dask.graph.shared_accumulators import Fold, SharedSum, shared_by_threads, shared_sum

FRAMES = np.random.default_rng(1).integers(0, 255, (12, 3, 4), np.uint8)
FOLD = Fold("fold", shape=(2,), dtype="int32", max_frames=6, n_frames=9)


def add_up(frames, total):
    total += frames.sum(axis=0, dtype=total.dtype)


def lazy_total(function=add_up):
    frames = da.from_array(FRAMES, chunks=(2, -1, -1))
    return fold_frames(function, frames, shape=(3, 4), max_increment=255)


def test_only_threads_made_for_sharing_share():
    assert shared_sum(FOLD) is None
    with shared_by_threads(2) as pool, shared_by_threads(1) as other:
        found = list(pool.map(shared_sum, [FOLD] * 4))
        assert all(one is found[0] for one in found)
        assert other.submit(shared_sum, FOLD).result() is not found[0]
        assert shared_sum(FOLD) is None


def test_a_computation_leaves_nothing_behind():
    total = lazy_total()
    for _ in range(2):
        with shared_by_threads(2) as pool:
            found = total.compute(scheduler=dask.threaded.get, pool=pool)
        np.testing.assert_array_equal(found, FRAMES.sum(axis=0))


def test_tasks_that_run_twice_count_once():
    (total,) = dask.optimize(lazy_total())
    graph = dict(total.__dask_graph__())
    tasks = [key for key in graph if key_split(key) == "add-up"]
    assert len(tasks) == 6

    def compute():
        without_sums, _ = cull(graph, tasks)
        dask.get(without_sums, tasks)
        dask.get(without_sums, tasks[::-1])
        return dask.get(graph, total.__dask_keys__())

    with shared_by_threads(1) as pool:
        ((found,),) = pool.submit(compute).result()
    np.testing.assert_array_equal(found, FRAMES.sum(axis=0))


def test_a_chunk_counts_once():
    total = SharedSum(FOLD)

    def add_one(accumulator):
        accumulator += 1

    for numbers in (range(5), range(5), range(5, 9), range(9, 9), range(5)):
        total.add(numbers, add_one)
    np.testing.assert_array_equal(total.take_total(), [2, 2])


def test_sums_that_would_leave_32_bits_are_taken_out_in_time():
    fold = Fold("fold", shape=(), dtype="int32", max_frames=2, n_frames=9)
    total = SharedSum(fold)
    big = 2**30 - 1
    for i in range(9):
        total.add(range(i, i + 1), lambda accumulator: np.add(accumulator, big, accumulator))
    found = total.take_total()
    assert (found.dtype, found) == (np.int64, 9 * big)


def test_there_is_no_sum_before_all_frames_are_added_and_none_after_it_was_taken():
    total = SharedSum(FOLD)
    total.add(range(5), lambda accumulator: None)
    with pytest.raises(RuntimeError, match="5 of 9 frames"):
        total.take_total()
    total.add(range(5, 9), lambda accumulator: None)
    total.take_total()
    with pytest.raises(RuntimeError, match="0 of 9 frames"):
        total.take_total()


def test_a_task_that_fails_is_what_is_raised_and_the_next_computation_is_right():
    failing = [True]

    def add_up_or_fail(frames, total):
        add_up(frames, total)
        if failing and len(frames) and (frames == FRAMES[4:6]).all():
            failing.clear()
            raise ZeroDivisionError

    total = lazy_total(add_up_or_fail)
    with shared_by_threads(2) as pool:
        with pytest.raises(ZeroDivisionError):
            total.compute(scheduler=dask.threaded.get, pool=pool)
        # What is left of the first attempt cannot be mistaken for a sum.
        with pytest.raises(RuntimeError, match="compute the result again"):
            total.compute(scheduler=dask.threaded.get, pool=pool)
    with shared_by_threads(2) as pool:
        found = total.compute(scheduler=dask.threaded.get, pool=pool)
    np.testing.assert_array_equal(found, FRAMES.sum(axis=0))
