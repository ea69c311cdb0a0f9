"""Passes over the frames: what they give, what they read, and how much is in memory."""

from __future__ import annotations

from collections import Counter

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from dask.core import get_dependencies
from dask.utils import key_split
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.graph import frame_tables
from skry_dask.graph.frame_folds import fold_frames
from skry_dask.graph.frame_passes import FrameSource, count_tasks, map_frames, own_copy
from skry_dask.graph.frame_tables import from_all_chunks, table_blocks
from tests.watched_frames import WatchedFrames

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=40)
N_FRAMES = 17
FRAMES = np.asarray(WatchedFrames(N_FRAMES))
WEIGHT = np.arange(N_FRAMES)[:, None] + np.arange(3)


def weigh(frames, weight, offset):
    """One vector per frame."""
    return frames.sum(axis=(1, 2), dtype=np.int64)[:, None] * weight + offset


def brightest(frames):
    return frames.max(axis=(1, 2))


def add_up(frames, total):
    total += frames.sum(axis=0, dtype=total.dtype)


chunk_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=N_FRAMES).map(
    lambda sizes: np.diff(np.unique([0, *np.minimum(np.cumsum(sizes), 17), 17])).tolist()
)


def ways_to_frames():
    """Frames after what users do to them, and the same frames in memory."""
    lazy = WatchedFrames(N_FRAMES).lazy(4)
    opened = xr.Dataset({"frames": (("frame", "y", "x"), FRAMES)}).chunk({"frame": 4})
    return {
        "as opened": (lazy, FRAMES),
        "in memory": (opened["frames"].data, FRAMES),
        "inverted": (255 - lazy, 255 - FRAMES),
        "sliced": (lazy[2:15], FRAMES[2:15]),
        "every second": (lazy[::2], FRAMES[::2]),
        "chosen": (lazy[[1, 3, 4, 16]], FRAMES[[1, 3, 4, 16]]),
        "cropped": (lazy[:, 1:, :3], FRAMES[:, 1:, :3]),
        "rechunked": (da.from_array(FRAMES, (4, 2, 3)).rechunk((5, -1, -1)), FRAMES),
        "random": (da.random.default_rng(1).integers(0, 255, (9, 4, 5), "u1", chunks=(2, 4, 5)),)
        * 2,
    }


@pytest.mark.parametrize("way", ways_to_frames())
def test_passes_lead_through_whatever_was_done_to_the_frames(way):
    lazy, expected = ways_to_frames()[way]
    found = map_frames(brightest, lazy, dtype=np.uint8)
    total = fold_frames(add_up, lazy, shape=lazy.shape[1:], max_increment=255)
    copied = own_copy(lazy)
    assert copied.chunks == lazy.chunks
    found, total, copied, expected = dask.compute(found, total, copied, expected, scheduler="sync")
    np.testing.assert_array_equal(copied, expected)
    np.testing.assert_array_equal(found, expected.max(axis=(1, 2)))
    np.testing.assert_array_equal(total, expected.sum(axis=0))


@REPEATABLE
@given(chunk_sizes, st.booleans())
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
    assert mapped.chunks == (table_blocks(mapped), (3,))
    assert set(np.cumsum(mapped.chunks[0])) <= set(np.cumsum(sizes))
    assert mapped.dtype == np.int64
    np.testing.assert_array_equal(mapped.compute(scheduler="sync"), expected)


def test_what_is_shared_may_be_made_by_other_tasks_or_passes():
    lazy = WatchedFrames(N_FRAMES).lazy()
    darkest = map_frames(lambda f: f.min(axis=(1, 2)), lazy, dtype=np.uint8).min()
    offset = map_frames(brightest, lazy, dtype=np.uint8).max()
    found = map_frames(
        lambda f, low, high: f.max(axis=(1, 2)) - low + high,
        lazy,
        shared=[darkest, offset],
        dtype=np.uint8,
    )
    expected = FRAMES.max(axis=(1, 2)) - FRAMES.min() + FRAMES.max()
    np.testing.assert_array_equal(found.compute(scheduler="sync"), expected)


def test_functions_may_return_arrays_without_further_dims_and_empty_ones():
    lazy = da.from_array(FRAMES, chunks=(5, -1, -1))
    nothing = map_frames(lambda f: np.zeros((len(f), 0)), lazy, shape=(0,), dtype=float)
    assert nothing.compute(scheduler="sync").shape == (17, 0)
    records = np.dtype([("y", "f8"), ("reason", "u1")])
    found = map_frames(lambda f: np.zeros(len(f), records), lazy, dtype=records)
    assert found["reason"].compute(scheduler="sync").dtype == np.uint8


# --- what is read ------------------------------------------------------------------------------


def test_each_frame_is_read_once_per_pass_and_only_when_computed(two_threads):
    frames = WatchedFrames(N_FRAMES)
    lazy = frames.lazy((3, 1, 6, 7))
    mapped = map_frames(brightest, lazy, dtype=np.uint8)
    total = fold_frames(add_up, lazy, shape=(4, 5), max_increment=255)
    np.testing.assert_array_equal(frames.watch.reads, 0)
    # Results that are used several times, and results of both passes at once.
    low, high, total = dask.compute(mapped.min(), mapped.max(), total)
    assert (low, high) == (FRAMES.max(axis=(1, 2)).min(), FRAMES.max())
    np.testing.assert_array_equal(total, FRAMES.sum(axis=0))
    np.testing.assert_array_equal(frames.watch.reads, 2)


def test_a_slice_of_the_results_reads_the_table_blocks_it_needs(monkeypatch):
    frames = WatchedFrames(N_FRAMES)
    monkeypatch.setattr(frame_tables, "BLOCK_BYTES", 5)  # a row is a byte
    mapped = map_frames(brightest, frames.lazy(5), dtype=np.uint8)
    np.testing.assert_array_equal(mapped[6:9].compute(scheduler="sync"), FRAMES[6:9].max((1, 2)))
    np.testing.assert_array_equal(np.flatnonzero(frames.watch.reads), np.arange(5, 10))


def test_single_frames_are_read_alone():
    frames = WatchedFrames(N_FRAMES)
    source = FrameSource(frames.lazy())
    assert (source.shape, source.dtype, len(source)) == ((17, 4, 5), np.uint8, 17)
    np.testing.assert_array_equal(frames.watch.reads, 0)
    for index in (0, 6, 16):
        np.testing.assert_array_equal(source[index : index + 1], FRAMES[index : index + 1])
        np.testing.assert_array_equal(source[index], FRAMES[index])
    np.testing.assert_array_equal(np.flatnonzero(frames.watch.reads), [0, 6, 16])


def test_single_frames_are_those_of_what_was_done_to_the_frames():
    for way, (lazy, expected) in ways_to_frames().items():
        source, expected = FrameSource(lazy), np.asarray(expected)
        for index in range(len(lazy)):
            np.testing.assert_array_equal(source[index], expected[index], way)


# --- what is in memory -------------------------------------------------------------------------


def two_passes(lazy):
    """A pass that needs all results of another one, over 100 chunks."""
    first = map_frames(brightest, lazy, dtype=np.uint8)
    highest = from_all_chunks(lambda chunks: max(map(np.max, chunks)), first, shape=(), dtype="u1")
    return map_frames(lambda f, high: high - brightest(f), lazy, shared=[highest], dtype=np.uint8)


@pytest.mark.parametrize("way", ["as opened", "sliced"])
def test_two_passes_over_100_chunks_hold_a_few_of_them_at_a_time(two_threads, way):
    frames = WatchedFrames(800)
    lazy = frames.lazy(8)
    found = two_passes(lazy if way == "as opened" else lazy[4:-4])
    expected = np.asarray(frames)[slice(None) if way == "as opened" else slice(4, -4)]
    brightness = expected.max(axis=(1, 2))
    np.testing.assert_array_equal(found.compute(), brightness.max() - brightness)
    assert frames.watch.most_alive <= 4
    assert frames.watch.reads.max() == 2


# --- the graph ---------------------------------------------------------------------------------


def test_reading_and_working_are_one_task_after_dasks_own_optimisation():
    lazy = WatchedFrames(800).lazy(8)
    first = map_frames(
        weigh, lazy, np.ones((800, 3)), shared=[dask.delayed(0)], shape=(3,), dtype=int
    )
    total = fold_frames(add_up, lazy, shape=(4, 5), max_increment=255)
    optimised = dask.optimize(first, total)
    for result, name in zip(optimised, ("weigh", "add-up"), strict=True):
        names = Counter(key_split(key) for key in result.__dask_graph__())
        readers = [n for n in names if n.startswith(("watched", "frames", "getter"))]
        assert readers == []
        assert names[name] == 100


def test_a_pass_has_a_few_tasks_per_chunk():
    lazy = WatchedFrames(800).lazy(8)
    mapped = map_frames(weigh, lazy, WEIGHT.repeat(48, 0)[:800], shape=(3,), dtype=int)
    total = fold_frames(add_up, lazy, shape=(4, 5), max_increment=255)
    for result in (mapped, total):
        (optimised,) = dask.optimize(result)
        assert len(dict(optimised.__dask_graph__())) <= 240


def test_tasks_that_work_on_a_chunk_are_counted_by_pass():
    lazy = WatchedFrames(N_FRAMES).lazy(5)
    mapped = map_frames(brightest, lazy[1:], dtype=np.uint8)
    assert list(count_tasks(mapped.__dask_graph__()).values()) == [4]
    total = fold_frames(
        lambda f, high, total: None, lazy, shared=[mapped.max()], shape=(4, 5), max_increment=255
    )
    counts = count_tasks(total.__dask_graph__())
    assert sorted((key_split(name), n) for name, n in counts.items()) == [
        ("brightest", 4),
        ("lambda", 4),
    ]
    assert count_tasks((lazy + 1).__dask_graph__()) == {}


def test_all_chunks_depend_on_the_same_few_entries_of_the_graph():
    # dask collects all of them for each task, to put tasks in order.
    n_roots = []
    for n_frames in (80, 800):
        lazy = WatchedFrames(n_frames).lazy(8)
        scale = map_frames(brightest, lazy, dtype=np.uint8).max()
        along = np.ones((n_frames, 3))
        mapped = map_frames(weigh, lazy, along, shared=[scale], shape=(3,), dtype=int)
        (optimised,) = dask.optimize(mapped)
        graph = dict(optimised.__dask_graph__())
        n_roots.append(sum(not get_dependencies(graph, key) for key in graph))
    assert n_roots[0] == n_roots[1] < 10
