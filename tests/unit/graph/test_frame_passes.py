"""Passes over the frames."""

import threading
import weakref

import dask
import dask.array as da
import dask.threaded
import numpy as np
import pytest
from dask.core import get_dependencies
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.graph import frame_passes
from skry_dask.graph.frame_passes import (
    PASS,
    accumulators_alive,
    call_each,
    dtype_of_sums,
    fold_frames,
    frame_chunks,
    map_frames,
    single_frames,
)

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=40)
FRAMES = np.random.default_rng(1).integers(0, 255, (17, 4, 5), np.uint8)
WEIGHT = np.arange(17)[:, None] + np.arange(3)
MOST = 4 * 5 * 255 * int(WEIGHT.max()) + 7


class Film:
    """Frames that count how often each of them is read."""

    shape, dtype, ndim = FRAMES.shape, FRAMES.dtype, FRAMES.ndim

    def __init__(self):
        self.reads = np.zeros(len(FRAMES), int)

    def __getitem__(self, key):
        self.reads[key[0]] += 1
        return FRAMES[key]

    def lazy(self, sizes=(5, 5, 7)):
        meta = np.empty((0, 0, 0), self.dtype)
        chunks = (tuple(sizes), -1, -1)
        return da.from_array(self, chunks=chunks, asarray=False, lock=True, meta=meta)


def weigh(frames, weight, offset):
    """One vector per frame."""
    return frames.sum(axis=(1, 2), dtype=np.int64)[:, None] * weight + offset


def add_up(frames, weight, offset, total):
    total += weigh(frames, weight, offset).sum(axis=0)


chunks_of_frames = st.lists(st.integers(1, 9), min_size=1, max_size=17).map(
    lambda sizes: np.diff(np.unique([0, *np.minimum(np.cumsum(sizes), 17), 17])).tolist()
)


# --- each frame --------------------------------------------------------------------------------


@REPEATABLE
@given(chunks_of_frames, st.booleans())
def test_a_mapped_function_gives_what_a_plain_loop_gives_for_any_chunks(sizes, lazily):
    expected = np.concatenate([weigh(FRAMES[i : i + 1], WEIGHT[i : i + 1], 7) for i in range(17)])
    weight = da.from_array(WEIGHT, chunks=(4, 2)) if lazily else WEIGHT
    mapped = map_frames(
        weigh,
        da.from_array(FRAMES, chunks=(tuple(sizes), -1, -1)),
        weight,
        shared=[dask.delayed(7)],
        shape=(3,),
        dtype=np.int64,
    )
    assert mapped.chunks == (tuple(sizes), (3,))
    assert mapped.dtype == np.int64
    np.testing.assert_array_equal(mapped.compute(scheduler="sync"), expected)


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_each_frame_is_read_exactly_once_and_only_when_computed(scheduler):
    film = Film()
    mapped = map_frames(
        weigh, film.lazy(), WEIGHT, shared=[dask.delayed(0)], shape=(3,), dtype=np.int64
    )
    np.testing.assert_array_equal(film.reads, 0)
    mapped.compute(scheduler=scheduler)
    np.testing.assert_array_equal(film.reads, 1)


def test_the_results_of_a_pass_can_be_used_twice_for_one_reading():
    film = Film()
    mapped = map_frames(lambda f: f.max(axis=(1, 2)), film.lazy(), dtype=np.uint8)
    low, high = dask.compute(mapped.min(), mapped.max(), scheduler="sync")
    assert (low, high) == (FRAMES.max(axis=(1, 2)).min(), FRAMES.max())
    np.testing.assert_array_equal(film.reads, 1)


def test_a_slice_of_the_results_reads_the_chunks_it_needs():
    film = Film()
    mapped = map_frames(lambda f: f.max(axis=(1, 2)), film.lazy(), dtype=np.uint8)
    np.testing.assert_array_equal(mapped[6:9].compute(scheduler="sync"), FRAMES[6:9].max((1, 2)))
    np.testing.assert_array_equal(np.flatnonzero(film.reads), np.arange(5, 10))


def test_frames_are_hidden_from_the_graph_so_that_no_two_tasks_share_them():
    lazy = da.from_array(FRAMES, chunks=(5, -1, -1))
    both = [map_frames(lambda f: f.max(axis=(1, 2)), lazy, dtype=np.uint8) for _ in range(2)]
    keys = set().union(*(optimized.__dask_graph__() for optimized in dask.optimize(*both)))
    assert not any(lazy.name in str(key) for key in keys)
    assert sum(key[0].startswith(PASS) for key in keys) == 2 * 4


def test_functions_may_return_arrays_without_further_dims_and_empty_ones():
    lazy = da.from_array(FRAMES, chunks=(5, -1, -1))
    nothing = map_frames(lambda f: np.zeros((len(f), 0)), lazy, shape=(0,), dtype=float)
    assert nothing.compute(scheduler="sync").shape == (17, 0)
    records = np.dtype([("y", "f8"), ("reason", "u1")])
    found = map_frames(lambda f: np.zeros(len(f), records), lazy, dtype=records)
    assert found["reason"].compute(scheduler="sync").dtype == np.uint8


# --- all frames --------------------------------------------------------------------------------


@REPEATABLE
@given(chunks_of_frames, st.booleans())
def test_a_fold_gives_what_a_plain_loop_gives_for_any_chunks(sizes, lazily):
    expected = weigh(FRAMES, WEIGHT, 7).sum(axis=0)
    weight = da.from_array(WEIGHT, chunks=(4, 2)) if lazily else WEIGHT
    total = fold_frames(
        add_up,
        da.from_array(FRAMES, chunks=(tuple(sizes), -1, -1)),
        weight,
        shared=[dask.delayed(7)],
        shape=(3,),
        most=MOST,
    )
    assert total.shape == (3,)
    np.testing.assert_array_equal(total.compute(scheduler="sync"), expected)


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_a_fold_reads_each_frame_exactly_once_and_only_when_computed(scheduler):
    film = Film()
    total = fold_frames(
        add_up,
        film.lazy((1,) * 17),
        WEIGHT,
        shared=[dask.delayed(0)],
        shape=(3,),
        most=MOST,
    )
    np.testing.assert_array_equal(film.reads, 0)
    total.compute(scheduler=scheduler)
    np.testing.assert_array_equal(film.reads, 1)


@REPEATABLE
@given(chunks_of_frames, st.integers(1, 34), st.integers(-2, 2), st.sampled_from([-1, 1]))
def test_sums_are_exact_where_they_just_fit_half_the_memory_and_where_they_do_not(
    sizes, n_frames, more, sign
):
    most = 2**31 // n_frames + more
    dtypes = set()

    def add_most(frames, total):
        dtypes.add(total.dtype)
        for _ in frames:
            total += sign * most

    lazy = da.from_array(FRAMES, chunks=(tuple(sizes), -1, -1))
    total = fold_frames(add_most, lazy, shape=(2,), most=most)
    assert total.dtype == np.int64
    np.testing.assert_array_equal(total.compute(scheduler="sync"), 17 * sign * most)
    assert dtypes == {dtype_of_sums(sizes, most)}


@pytest.mark.parametrize(("n_frames", "n_task"), [(8, 1), (9, 2), (160, 20), (6400, 32)])
def test_a_task_takes_half_the_memory_exactly_where_its_frames_fit(n_frames, n_task):
    sizes = [1] * n_frames
    assert dtype_of_sums(sizes, (2**31 - 1) // n_task) == np.int32
    assert dtype_of_sums(sizes, -(-(2**31) // n_task)) == np.int64
    assert dtype_of_sums([], 2**40) == np.int32  # nothing is added


def test_a_fold_can_be_computed_twice():
    total = fold_frames(
        lambda frames, total: np.add(total, frames.sum(dtype=np.int64), out=total),
        da.from_array(FRAMES, chunks=(3, -1, -1)),
        shape=(2, 2),
        most=20 * 255,
    )
    for _ in range(2):
        np.testing.assert_array_equal(total.compute(scheduler="sync"), FRAMES.sum())


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("n_frames", [1, 40, 2000])
def test_each_thread_has_one_accumulator(workers, n_frames, monkeypatch):
    made = []

    class Watched(np.ndarray):
        """An array that can be asked whether it still exists."""

    def watched(shape, dtype):
        array = np.ndarray(shape, dtype).view(Watched)
        array[...] = 0
        made.append(weakref.ref(array))
        return array

    def fold(frames, total):
        add_pixels(frames, total)
        with lock:
            most.append(sum(one() is not None for one in made))

    lock, most = threading.Lock(), []
    frames = da.zeros((n_frames, 2, 2), chunks=(1, -1, -1), dtype=np.uint8)
    with dask.config.set(num_workers=workers):
        total = fold_frames(fold, frames, shape=(3,), most=MOST)
        monkeypatch.setattr(frame_passes.np, "zeros", watched)
        total.compute(scheduler=dask.threaded.get, num_workers=workers)
    assert max(most) <= accumulators_alive(workers)
    assert len(made) == 1 + min(n_frames, max(8, n_frames // 32))


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_a_fold_does_not_depend_on_where_its_tasks_run(scheduler):
    frames = da.from_array(FRAMES, chunks=(3, -1, -1))
    total = fold_frames(add_pixels, frames, shape=(2, 2), most=20 * 255)
    np.testing.assert_array_equal(total.compute(scheduler=scheduler), FRAMES.sum())


def add_pixels(frames, total):
    total += frames.sum(dtype=np.int64)


def test_a_cluster_does_not_wait_for_one_running_sum():
    frames = da.zeros((6400, 2, 2), chunks=(1, -1, -1), dtype=np.uint8)
    with dask.config.set(scheduler="dask.distributed"):
        graph = dict(fold_frames(add_up, frames, shape=(3,), most=MOST).__dask_graph__())
    needs = {key: get_dependencies(graph, key) for key in graph}
    assert not any(needs[key] for key in graph if key[0].startswith(PASS))
    depth = {}

    def depth_of(key):
        depth[key] = 1 + max((depth.get(k) or depth_of(k) for k in needs[key]), default=0)
        return depth[key]

    assert max(map(depth_of, graph)) <= 32  # 200 sums, one after the other, would be 201


@pytest.mark.parametrize("n", [0, 1, 5])
def test_calls_get_what_is_shared_and_what_is_theirs(n):
    def joined(one, other, *own):
        return one, other, own

    shared = [dask.delayed(["a"], traverse=False), dask.delayed("b")]
    # Tuples and names are values here, not tasks and keys.
    items = [((len, i), "b") for i in range(n)]
    found = call_each(joined, shared, items)
    assert dask.delayed(tuple)(found).compute() == tuple((["a"], "b", item) for item in items)


# --- recipes -----------------------------------------------------------------------------------


@REPEATABLE
@given(chunks_of_frames)
def test_recipes_read_one_chunk_each(sizes):
    film = Film()
    chunks = frame_chunks(film.lazy(sizes))
    np.testing.assert_array_equal(film.reads, 0)
    edges = np.cumsum([0, *sizes])
    assert len(chunks) == len(sizes)
    for chunk, start, stop in zip(chunks, edges[:-1], edges[1:], strict=True):
        film.reads[:] = 0
        np.testing.assert_array_equal(chunk.read(), FRAMES[start:stop])
        np.testing.assert_array_equal(np.flatnonzero(film.reads), np.arange(start, stop))


def test_single_frames_are_read_alone():
    film = Film()
    numbers = np.array([0, 6, 16])
    recipes = single_frames(film.lazy(), numbers)
    np.testing.assert_array_equal(film.reads, 0)
    for number, recipe in zip(numbers, recipes, strict=True):
        np.testing.assert_array_equal(recipe.read(), FRAMES[number : number + 1])
    np.testing.assert_array_equal(np.flatnonzero(film.reads), numbers)


def test_recipes_lead_through_whatever_was_done_to_the_frames():
    lazy = 255 - da.from_array(FRAMES, chunks=(4, 2, 3))[2:15].rechunk((5, -1, -1))
    read = np.concatenate([chunk.read() for chunk in frame_chunks(lazy)])
    np.testing.assert_array_equal(read, 255 - FRAMES[2:15])
