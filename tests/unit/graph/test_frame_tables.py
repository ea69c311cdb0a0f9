"""Small tables with a row per frame."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
from dask.core import get_dependencies
from dask.utils import key_split
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.graph import frame_tables
from skry_dask.graph.frame_tables import (
    SPLIT_EVERY,
    call_each,
    from_all_chunks,
    map_table,
    rows_at,
    table_blocks,
    total_of,
)
from skry_dask.graph.row_tasks import only_chunk

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=40)
N_FRAMES = 17
TABLE = np.arange(N_FRAMES)[:, None] + np.arange(3)

chunk_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=N_FRAMES).map(
    lambda sizes: np.diff(np.unique([0, *np.minimum(np.cumsum(sizes), 17), 17])).tolist()
)


def scale(values, factors):
    return values * factors.sum()


def scale_and_sum(values, factors):
    return scale(values, factors).sum(axis=0, keepdims=True)


def sixfold(values, blocks):
    """Multiply a table by 0 + 1 + 2 + 3, block by block."""
    factors = da.from_array(np.arange(4), 4)
    return map_table(scale, values, sizes=blocks, shared=[factors], shape=(3,), dtype=np.int64)


@REPEATABLE
@given(chunk_sizes)
def test_blocks_get_their_rows_and_all_that_is_shared(sizes):
    values = da.from_array(TABLE, (tuple(sizes), 3))
    np.testing.assert_array_equal(sixfold(values, sizes).compute(), 6 * TABLE)
    factors = da.from_array(np.arange(4), 4)
    sums = map_table(
        scale_and_sum, values, shared=[factors], shape=(3,), dtype=np.int64, reduces=True
    )
    assert sums.shape == (len(sizes), 3)
    np.testing.assert_array_equal(total_of(sums).compute(), 6 * TABLE.sum(axis=0))


@REPEATABLE
@given(chunk_sizes, chunk_sizes)
def test_tables_in_any_chunks_and_in_memory_are_taken_together(sizes, blocks):
    def difference(one, other, numbers, factor):
        return (one - other).sum(axis=1) + factor * np.array(numbers)

    lazy = da.from_array(2 * TABLE, (tuple(sizes), 2))
    found = map_table(
        difference,
        lazy,
        TABLE,
        range(17),
        sizes=blocks,
        shared=[dask.delayed(10)],
        dtype=np.int64,
    )
    assert found.chunks == (tuple(blocks),)
    np.testing.assert_array_equal(found.compute(), TABLE.sum(axis=1) + 10 * np.arange(17))


@REPEATABLE
@given(chunk_sizes, st.integers(1, 500))
def test_table_blocks_are_whole_chunks_of_about_the_size_wanted(sizes, n_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_tables, "BLOCK_BYTES", n_bytes)
        values = da.from_array(TABLE, (tuple(sizes), 3))
        blocks = table_blocks(values)
    assert sum(blocks) == len(TABLE)
    assert min(blocks) > 0
    assert set(np.cumsum(blocks)) <= set(np.cumsum(sizes))
    assert len(blocks) % 2 == 0 or len(blocks) == len(sizes)
    if n_bytes <= TABLE[0].nbytes:
        assert blocks == tuple(sizes)
    if n_bytes >= TABLE.nbytes:
        assert len(blocks) <= 2
    found = sixfold(values, blocks)
    assert found.chunks[0] == blocks
    np.testing.assert_array_equal(found.compute(), 6 * TABLE)


def test_chunks_may_be_empty():
    for sizes in ((3, 0), (0, 3), (2, 0, 1), (0, 0)):
        tasks = {("table", i, 0): (np.ones, (n, 3), int) for i, n in enumerate(sizes)}
        values = da.Array(tasks, "table", (sizes, (3,)), dtype=int)
        for blocks in (table_blocks(values), sizes):
            found = sixfold(values, blocks)
            np.testing.assert_array_equal(found.compute(), np.full((sum(sizes), 3), 6))


def test_a_table_without_columns_is_one_block_or_two():
    assert sum(table_blocks(da.zeros((17, 0), chunks=(5, 0)))) == 17


@REPEATABLE
@given(chunk_sizes)
def test_a_function_gets_all_chunks_as_they_are(sizes):
    def heights(chunks, more):
        return np.array([len(chunk) + chunk.sum() for chunk in chunks]) + more["n"]

    values = da.from_array(TABLE, (tuple(sizes), 3))
    found = from_all_chunks(heights, values, {"n": 2}, shape=(len(sizes),), dtype=np.int64)
    chunks = np.split(TABLE, np.cumsum(sizes)[:-1])
    np.testing.assert_array_equal(found.compute(), [len(c) + c.sum() + 2 for c in chunks])


@REPEATABLE
@given(chunk_sizes, st.sets(st.integers(0, 16), min_size=1))
def test_rows_are_taken_from_whatever_chunks_they_lie_in(sizes, chosen):
    indices = np.array(sorted(chosen))
    rows = rows_at(da.from_array(TABLE, (tuple(sizes), 3)), indices)
    assert rows.numblocks == (1, 1)
    np.testing.assert_array_equal(rows.compute(), TABLE[indices])


def test_any_number_of_blocks_is_added_up_a_few_at_a_time():
    for n in (1, 2, 16, 17, 300):
        blocks = np.random.default_rng(n).integers(-(2**40), 2**40, (n, 2, 3))
        total = total_of(da.from_array(blocks, (1, 2, 3)))
        graph = dict(total.__dask_graph__())
        assert max(len(get_dependencies(graph, key)) for key in graph) <= SPLIT_EVERY
        np.testing.assert_array_equal(total.compute(), blocks.sum(axis=0))
        positive = total_of(da.from_array(blocks > 0, (7, 2, 3)))
        np.testing.assert_array_equal(positive.compute(), (blocks > 0).sum(axis=0))


# --- calls -------------------------------------------------------------------------------------


def joined(one, other, *own):
    return one, other, own


def test_calls_get_what_is_shared_and_what_is_theirs():
    shared = [dask.delayed(["a"], traverse=False), dask.delayed("b")]
    for n in (1, 5, 100):
        # Tuples and names are values here, not tasks and keys.
        items = [((len, i), "b") for i in range(n)]
        assert call_each(joined, shared, items).compute() == [(["a"], "b", item) for item in items]


def test_many_calls_share_tasks():
    items = [(np.arange(i),) for i in range(130)]
    lazy = call_each(len, [], items)
    assert lazy.compute(scheduler="sync") == list(range(130))
    assert sum(key_split(key) == "len" for key in lazy.__dask_graph__()) <= 64


def test_calls_of_calls_run_once():
    ran = []

    def call(name, *_):
        ran.append(name)
        return name

    first = call_each(call, [], [("a",), ("b",)])
    second = call_each(lambda names, i: names[i], [first], [(0,), (1,)])
    both = dask.delayed(lambda *lists: lists)(first, second)
    assert both.compute(scheduler="sync") == (["a", "b"], ["a", "b"])
    assert sorted(ran) == ["a", "b"]


def test_the_only_chunk_of_an_array_is_computed_once_for_all_that_use_it():
    ran = []

    def make(values):
        ran.append(len(values))
        return values + 1

    array = da.from_array(np.arange(3)).map_blocks(make, dtype=int, meta=np.empty(0, int))
    table = map_table(
        lambda rows, values: rows + values.sum(),
        np.arange(2),
        sizes=(1, 1),
        shared=[array],
        dtype=int,
    )
    again = da.from_delayed(dask.delayed(np.sum)(only_chunk(array)), (), int)
    found, total, values = dask.compute(table, again, array, scheduler="sync")
    assert (found.tolist(), int(total), values.tolist()) == ([6, 7], 6, [1, 2, 3])
    assert ran == [3]


def test_tasks_bear_the_names_of_functions():
    names = {key_split(key) for key in call_each(joined, [], [(1, 2)]).__dask_graph__()}
    assert "joined" in names
