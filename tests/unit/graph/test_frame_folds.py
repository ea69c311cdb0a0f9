"""Sums over all frames."""

from __future__ import annotations

import threading
import weakref

import dask
import dask.array as da
import dask.threaded
import numpy as np
import pytest
from dask.core import get_dependencies
from dask.utils import key_split
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.graph import shared_accumulators
from skry_dask.graph.frame_folds import (
    MAX_RUN,
    MIN_FRAMES,
    SPLIT_EVERY,
    accumulators_alive,
    dtype_of_sums,
    fold_frames,
    runs_of_chunks,
)
from skry_dask.graph.frame_parts import FrameNumbers
from skry_dask.graph.shared_accumulators import shared_by_threads
from tests.watched_frames import WatchedFrames

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=40)
N_FRAMES = 17
FRAMES = np.asarray(WatchedFrames(N_FRAMES))
WEIGHT = np.arange(N_FRAMES)[:, None] + np.arange(3)
MAX_INCREMENT = 4 * 5 * 255 * int(WEIGHT.max()) + 7

chunk_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=N_FRAMES).map(
    lambda sizes: np.diff(np.unique([0, *np.minimum(np.cumsum(sizes), 17), 17])).tolist()
)


def add_weighed(frames, weight, offset, total):
    total += (frames.sum(axis=(1, 2), dtype=np.int64)[:, None] * weight + offset).sum(axis=0)


def add_up(frames, total):
    total += frames.sum(axis=0, dtype=total.dtype)


def compute_shared(lazy, n_threads=2):
    """Compute as the runner does: on threads that share accumulators."""
    with shared_by_threads(n_threads) as pool:
        return lazy.compute(scheduler=dask.threaded.get, pool=pool)


@REPEATABLE
@given(chunk_sizes, st.booleans())
def test_a_fold_gives_what_a_plain_loop_gives_for_any_chunks(sizes, lazily):
    expected = (FRAMES.sum(axis=(1, 2), dtype=np.int64)[:, None] * WEIGHT + 7).sum(axis=0)
    weight = da.from_array(WEIGHT, chunks=(4, 2)) if lazily else WEIGHT
    total = fold_frames(
        add_weighed,
        da.from_array(FRAMES, chunks=(tuple(sizes), -1, -1)),
        weight,
        shared=[dask.delayed(7)],
        shape=(3,),
        max_increment=MAX_INCREMENT,
    )
    assert (total.shape, total.dtype) == ((3,), np.int64)
    np.testing.assert_array_equal(total.compute(scheduler="sync"), expected)
    np.testing.assert_array_equal(compute_shared(total), expected)


@REPEATABLE
@given(chunk_sizes, st.integers(1, 34), st.integers(-2, 2), st.sampled_from([-1, 1]))
def test_sums_are_exact_where_they_just_fit_half_the_memory_and_where_they_do_not(
    sizes, n_frames, more, sign
):
    max_increment = 2**31 // n_frames + more
    dtypes = set()

    def add_most(frames, total):
        dtypes.add(total.dtype)
        for _ in frames:
            total += sign * max_increment

    lazy = da.from_array(FRAMES, chunks=(tuple(sizes), -1, -1))
    total = fold_frames(add_most, lazy, shape=(2,), max_increment=max_increment)
    for found in (total.compute(scheduler="sync"), compute_shared(total)):
        np.testing.assert_array_equal(found, 17 * sign * max_increment)
        assert found.dtype == np.int64
    assert dtypes == {dtype_of_sums(sizes, max_increment)}


def test_accumulators_take_half_the_memory_exactly_where_some_frames_fit():
    for sizes, n_frames in (
        ([1], 1),
        ([1, 20, 1], 22),  # all
        ([1, 20, 20], MIN_FRAMES),
        ([2] * 100, MIN_FRAMES),
        ([50, 60, 50], 60),  # the largest chunk
    ):
        assert dtype_of_sums(sizes, (2**31 - 1) // n_frames) == np.int32
        assert dtype_of_sums(sizes, -(-(2**31) // n_frames)) == np.int64
    assert dtype_of_sums([], 2**40) == np.int32  # nothing is added


def test_chunks_without_frames_add_nothing():
    frames = da.concatenate([da.from_array(FRAMES[:0]), da.from_array(FRAMES), da.zeros((0, 4, 5))])
    total = fold_frames(add_up, frames.astype("u1"), shape=(4, 5), max_increment=255)
    for found in (total.compute(scheduler="sync"), compute_shared(total)):
        np.testing.assert_array_equal(found, FRAMES.sum(axis=0))
    nothing = fold_frames(add_up, frames[:0].astype("u1"), shape=(4, 5), max_increment=255)
    for found in (nothing.compute(scheduler="sync"), compute_shared(nothing)):
        np.testing.assert_array_equal(found, np.zeros((4, 5)))


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_a_fold_has_the_same_bits_on_each_scheduler(scheduler):
    frames = da.from_array(FRAMES, chunks=(3, -1, -1))
    total = fold_frames(add_up, frames, shape=(4, 5), max_increment=255)
    for _ in range(2):  # as often as one likes
        found = total.compute(scheduler=scheduler)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, FRAMES.sum(axis=0))


@pytest.mark.cluster
def test_a_fold_has_the_same_bits_on_a_cluster(cluster):
    distributed = pytest.importorskip("distributed")
    frames = da.from_array(FRAMES, chunks=(3, -1, -1))
    total = fold_frames(add_up, frames, shape=(4, 5), max_increment=255)
    with distributed.Client(cluster):
        found = total.compute()
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, FRAMES.sum(axis=0))


def test_building_a_graph_depends_on_no_settings_and_leaves_nothing_behind():
    frames = da.from_array(FRAMES, chunks=(3, -1, -1))
    n_threads = threading.active_count()
    kinds = []
    for scheduler in (None, "sync", "processes", dask.get):
        with dask.config.set(scheduler=scheduler):
            settings_before = str(dask.config.config)
            total = fold_frames(add_up, frames, shape=(4, 5), max_increment=255)
            assert str(dask.config.config) == settings_before
        kinds.append(sorted(key_split(key) for key in total.__dask_graph__()))
    assert all(kind == kinds[0] for kind in kinds)
    assert threading.active_count() == n_threads


def test_no_accumulator_waits_for_all_others():
    frames = da.zeros((6400, 2, 2), chunks=(16, -1, -1), dtype=np.uint8)
    total = fold_frames(add_up, frames, shape=(2, 2), max_increment=255)
    graph = dict(dask.optimize(total)[0].__dask_graph__())
    needs = {key: get_dependencies(graph, key) for key in graph}
    assert max(map(len, needs.values())) <= SPLIT_EVERY
    depth: dict[object, int] = {}

    def depth_of(key):
        depth[key] = 1 + max((depth.get(k) or depth_of(k) for k in needs[key]), default=0)
        return depth[key]

    assert max(map(depth_of, graph)) <= 10  # 400 sums, one after the other, would be 400


# --- accumulators in memory --------------------------------------------------------------------


class Watched(np.ndarray):
    """An array that can be asked whether it still exists."""


@pytest.fixture
def accumulators(monkeypatch):
    """Accumulators that are made from now on, as weak references."""
    made = []

    def zeros(shape, dtype):
        array = np.ndarray(shape, dtype).view(Watched)
        array[...] = 0
        made.append(weakref.ref(array))
        return array

    monkeypatch.setattr(shared_accumulators.np, "zeros", zeros)
    return made


def most_alive(made, compute, n_frames):
    """Compute a fold over chunks of one frame; count the accumulators that exist at a time."""
    lock, counts = threading.Lock(), []

    def fold(frames, total):
        add_up(frames, total)
        with lock:
            counts.append(sum(one() is not None for one in made))

    frames = da.zeros((n_frames, 2, 2), chunks=(1, -1, -1), dtype=np.uint8)
    total = fold_frames(fold, frames, shape=(2, 2), max_increment=255)
    assert made == []  # building a graph allocates nothing
    compute(total)
    return max(counts)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_runners_threads_have_one_accumulator_each(workers, accumulators):
    n_frames = 200
    alive = most_alive(accumulators, lambda lazy: compute_shared(lazy, workers), n_frames)
    assert alive <= workers
    assert alive < accumulators_alive(workers, n_frames, shared=True)  # one is for their sum
    assert len(accumulators) <= workers


@pytest.mark.parametrize("workers", [1, 2])
def test_a_plain_reduction_has_a_few_accumulators_at_a_time(workers, accumulators):
    def compute(lazy):
        return lazy.compute(scheduler="threads", num_workers=workers)

    n_tasks = len(runs_of_chunks([1] * 200, 200))
    n_alive = accumulators_alive(workers, n_tasks, shared=False)
    assert most_alive(accumulators, compute, 200) <= n_alive <= 13
    assert len(accumulators) == n_tasks == 67


def test_a_task_adds_a_run_of_chunks_that_its_accumulator_can_hold():
    for sizes, max_frames, expected in (
        ([16] * 64, 10**6, [1] * 64),
        ([16] * 130, 10**6, [2] * 65),
        ([16] * 10_000, 10**6, [MAX_RUN] * 625),
        ([16] * 10_000, 100, [6] * 1666 + [4]),
        ([16] * 130, 16, [1] * 130),
        ([16] * 130, 1, [1] * 130),  # each chunk fits by itself, whatever the bound says
        ([], 10, []),
    ):
        runs = runs_of_chunks(sizes, max_frames)
        assert [len(run) for run in runs] == expected
        assert [size for run in runs for size in run] == sizes


def test_many_chunks_have_the_sum_of_few_and_each_is_read_once_and_freed_before_the_next():
    frames = WatchedFrames(600)
    weight = np.arange(600)[:, None] + np.arange(3)
    expected = (np.asarray(frames).sum(axis=(1, 2), dtype=np.int64)[:, None] * weight + 7).sum(0)
    for lazily in (False, True):
        total = fold_frames(
            add_weighed,
            frames.lazy(3),
            da.from_array(weight, chunks=(41, 2)) if lazily else weight,
            shared=[dask.delayed(7)],
            shape=(3,),
            max_increment=4 * 5 * 255 * 700,
        )
        for compute in (lambda lazy: lazy.compute(scheduler="sync"), compute_shared):
            frames.watch.reads[:] = frames.watch.most_alive = 0
            np.testing.assert_array_equal(compute(total), expected)
            assert (frames.watch.reads == 1).all()
            assert frames.watch.most_alive <= 2  # one for each thread


@pytest.mark.parametrize("n_chunk", [1, 3, 500])
def test_tasks_that_read_their_frames_get_the_numbers_of_these(n_chunk):
    def add_numbers(numbers, weight, total):
        total += (numbers * weight).sum()

    numbers, weight = np.arange(3, 1203, 3), np.arange(400) % 7
    total = fold_frames(
        add_numbers, FrameNumbers(numbers, n_chunk), weight, shape=(1,), max_increment=10**4
    )
    expected = [(numbers * weight).sum()]
    assert total.compute(scheduler="sync") == expected
    assert compute_shared(total) == expected
