"""Which frames are the best of each column of a table."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from skry_dask.phases.rating.ranking import BLOCK_ENTRIES, column_slices, select_best

NAN = np.nan
REPEATABLE = settings(derandomize=True, deadline=None, max_examples=100)


def test_the_best_frames_are_selected():
    quality = np.array([[1.0, 9.0], [3.0, 7.0], [2.0, 8.0]])
    expected = [[False, True], [True, False], [True, True]]
    np.testing.assert_array_equal(select_best(quality, 2), expected)


def test_of_equal_frames_the_earlier_are_selected():
    quality = np.array([[5.0], [7.0], [5.0], [5.0], [1.0]])
    for number, expected in ((1, [1]), (2, [0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2, 3])):
        np.testing.assert_array_equal(np.flatnonzero(select_best(quality, number)), expected)


def test_frames_that_must_not_be_used_never_are():
    quality = np.array([[NAN, NAN], [2.0, 1.0], [NAN, NAN], [1.0, 1.0]])
    for number in (1, 2, 3, 4, 100):
        selected = select_best(quality, number)
        assert not selected[[0, 2]].any()
        np.testing.assert_array_equal(selected.sum(axis=0), min(number, 2))
    assert not select_best(np.full((3, 2), NAN), 2).any()


@REPEATABLE
@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 0.5, 1.0, -1.0, NAN]), min_size=3, max_size=3),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 10),
)
def test_the_selection_equals_that_of_a_stable_sort(rows, number):
    quality = np.array(rows, np.float32)
    selected = select_best(quality, number)
    for column, taken in zip(quality.T, selected.T, strict=True):
        usable = np.flatnonzero(~np.isnan(column))
        best = usable[np.argsort(-column[usable], kind="stable")][:number]
        np.testing.assert_array_equal(np.flatnonzero(taken), np.sort(best))


def test_the_table_is_not_changed():
    quality = np.array([[3.0, NAN], [1.0, NAN]])
    before = quality.copy()
    select_best(quality, 1)
    np.testing.assert_array_equal(quality, before)


def test_slices_cover_all_columns_in_order_and_are_small():
    for n_frames, n_columns in ((1, 0), (0, 5), (3, 7), (BLOCK_ENTRIES, 3), (1000, 1000)):
        slices = list(column_slices(n_frames, n_columns))
        columns = [i for one in slices for i in range(one.start, one.stop)]
        assert columns == list(range(n_columns))
        for one in slices:
            width = one.stop - one.start
            assert width == 1 or n_frames * width <= BLOCK_ENTRIES
