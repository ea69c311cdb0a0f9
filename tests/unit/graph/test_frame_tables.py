"""Small tables of what is known of all frames."""

import dask.array as da
import numpy as np
import pytest
from dask.core import get_dependencies
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.graph import frame_tables
from skry_dask.graph.frame_tables import from_chunks, gathered, map_parts, some_frames, total_of

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=40)
WEIGHT = np.arange(17)[:, None] + np.arange(3)

chunks_of_frames = st.lists(st.integers(1, 9), min_size=1, max_size=17).map(
    lambda sizes: np.diff(np.unique([0, *np.minimum(np.cumsum(sizes), 17), 17])).tolist()
)


def scaled(values, whole):
    return values * whole.sum()


def sixfold(values, parts):
    """Multiply a table by 0 + 1 + 2 + 3, part by part."""
    shared = [da.from_array(np.arange(4), 4)]
    return map_parts(
        scaled, parts, values, shared=shared, shape=(3,), dtype=np.int64, per_frame=True
    )


def summed(values, whole):
    return scaled(values, whole).sum(axis=0, keepdims=True)


@REPEATABLE
@given(chunks_of_frames)
def test_parts_get_their_frames_and_all_of_what_is_shared(sizes):
    values = da.from_array(WEIGHT, (tuple(sizes), 3))
    shared = [da.from_array(np.arange(4), 4)]
    np.testing.assert_array_equal(sixfold(values, sizes).compute(), 6 * WEIGHT)
    one = map_parts(summed, sizes, values, shared=shared, shape=(3,), dtype=np.int64)
    assert one.shape == (len(sizes), 3)
    np.testing.assert_array_equal(total_of(one).compute(), 6 * WEIGHT.sum(axis=0))


@REPEATABLE
@given(chunks_of_frames, st.integers(1, 500))
def test_parts_of_a_table_are_whole_chunks_of_about_so_many_bytes(sizes, n_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_tables, "GATHERED", n_bytes)
        values = da.from_array(WEIGHT, (tuple(sizes), 3))
        parts = gathered(values)
    assert sum(parts) == len(WEIGHT)
    assert min(parts) > 0
    assert set(np.cumsum(parts)) <= set(np.cumsum(sizes))
    assert len(parts) % 2 == 0 or len(parts) == len(sizes)
    if n_bytes <= WEIGHT[0].nbytes:
        assert parts == list(sizes)
    if n_bytes >= WEIGHT.nbytes:
        assert len(parts) <= 2
    each = sixfold(values, parts)
    assert each.chunks[0] == tuple(parts)
    np.testing.assert_array_equal(each.compute(), 6 * WEIGHT)


@pytest.mark.parametrize("sizes", [(3, 0), (0, 3), (2, 0, 1), (0, 0)])
def test_chunks_may_be_empty(sizes):
    tasks = {("table", i, 0): (np.ones, (n, 3), int) for i, n in enumerate(sizes)}
    values = da.Array(tasks, "table", (sizes, (3,)), dtype=int)
    for parts in (gathered(values), list(sizes)):
        found = sixfold(values, parts)
        np.testing.assert_array_equal(found.compute(), np.full((sum(sizes), 3), 6))


def test_a_table_without_columns_is_one_part_or_two():
    assert sum(gathered(da.zeros((17, 0), chunks=(5, 0)))) == 17


@REPEATABLE
@given(chunks_of_frames)
def test_a_function_gets_all_chunks_as_they_are(sizes):
    def heights(chunks, more):
        return np.array([len(chunk) + chunk.sum() for chunk in chunks]) + more["n"]

    values = da.from_array(WEIGHT, (tuple(sizes), 3))
    found = from_chunks(heights, values, {"n": 2}, shape=(len(sizes),), dtype=np.int64)
    parts = np.split(WEIGHT, np.cumsum(sizes)[:-1])
    np.testing.assert_array_equal(found.compute(), [len(p) + p.sum() + 2 for p in parts])


@pytest.mark.parametrize("n", [1, 2, 16, 17, 300])
def test_any_number_of_parts_is_added_up_a_few_at_a_time(n):
    parts = np.random.default_rng(n).integers(-(2**40), 2**40, (n, 2, 3))
    total = total_of(da.from_array(parts, (1, 2, 3)))
    graph = dict(total.__dask_graph__())
    assert max(len(get_dependencies(graph, key)) for key in graph) <= 16
    np.testing.assert_array_equal(total.compute(), parts.sum(axis=0))


@REPEATABLE
@given(chunks_of_frames, st.sets(st.integers(0, 16), min_size=1))
def test_some_frames_are_taken_from_whatever_chunks_they_lie_in(sizes, chosen):
    indices = np.array(sorted(chosen))
    some = some_frames(da.from_array(WEIGHT, (tuple(sizes), 3)), indices)
    assert some.numblocks == (1, 1)
    np.testing.assert_array_equal(some.compute(), WEIGHT[indices])
