"""Displacements at scattered points: outliers, and gaps."""

from itertools import pairwise

import numpy as np
from scipy.spatial import Delaunay

from skry_dask.kernels.field import median, neighbours
from tests import reference

_kernels = reference.both_ways(neighbours, median)
CHAIN = [[1], [0, 2], [1, 3], [2, 4], [3]]


def flatten(groups):
    """Convert neighbour lists to index and entries."""
    first = np.cumsum([0, *map(len, groups)])
    return first, np.array([j for group in groups for j in group], np.int64)


def neighbours_of_random_points(n, seed):
    points = np.random.default_rng(seed).uniform(size=(n, 2))
    first, entries = Delaunay(points).vertex_neighbor_vertices
    return [sorted(entries[a:b].tolist()) for a, b in pairwise(first)]


def reject_outliers(field, *rest):
    """Reject those of one frame."""
    return neighbours.reject_outliers(field[None], *rest)[0]


def fill_gaps(field, valid, *rest):
    """Fill those of one frame."""
    return neighbours.fill_gaps(field[None], valid[None], *rest)[0]


# --- outliers --------------------------------------------------------------------------------


def test_outliers_are_found_by_the_median_of_their_neighbours():
    for seed in range(4):
        rng = np.random.default_rng(seed)
        groups = neighbours_of_random_points(40, seed)
        field = rng.normal(size=(40, 2))
        field[rng.integers(0, 40, 6)] += 10
        field[rng.integers(0, 40, 6)] = np.nan
        found = reject_outliers(field, *flatten(groups), 1.5)
        np.testing.assert_array_equal(found, reference.reject_outliers(field, groups, 1.5))
        assert 0 < found.sum() < np.isfinite(field[:, 0]).sum()


def test_a_vector_is_rejected_if_it_exceeds_the_tolerance():
    groups = neighbours_of_random_points(30, 1)
    field = np.tile([1.0, -2.0], (30, 1))
    field[7] += [1.6, 0.0]
    valid = reject_outliers(field, *flatten(groups), 1.5)
    assert np.flatnonzero(~valid).tolist() == [7]
    field[7] -= [0.2, 0.0]
    assert reject_outliers(field, *flatten(groups), 1.5).all()


def test_points_with_fewer_than_two_measured_neighbours_are_accepted():
    field = np.array([(9.0, 9.0), (0.0, 0.0), (np.nan, np.nan), (5.0, 5.0), (-5.0, 5.0)])
    valid = reject_outliers(field, *flatten(CHAIN), 0.1)
    assert valid.tolist() == [True, True, False, True, True]


def test_points_without_a_vector_are_not_valid():
    assert not reject_outliers(np.full((5, 2), np.nan), *flatten(CHAIN), 1.0).any()


# --- gaps ------------------------------------------------------------------------------------


def test_gaps_are_filled_with_means_of_neighbours():
    for seed in range(4):
        rng = np.random.default_rng(seed)
        groups = neighbours_of_random_points(40, seed)
        field, valid = rng.normal(size=(40, 2)), rng.random(40) < 0.2
        field[~valid & (rng.random(40) < 0.5)] = np.nan
        found = fill_gaps(field, valid, *flatten(groups))
        np.testing.assert_allclose(found, reference.fill_gaps(field, valid, groups), rtol=1e-12)
        np.testing.assert_array_equal(found[valid], field[valid])


def test_gaps_are_filled_ring_by_ring():
    field = np.array([(2.0, 4.0), *[(np.nan, np.nan)] * 3, (8.0, 0.0)])
    found = fill_gaps(field, np.isfinite(field[:, 0]), *flatten(CHAIN))
    assert found.tolist() == [[2, 4], [2, 4], [5, 2], [8, 0], [8, 0]]


def test_points_to_which_no_path_leads_have_no_displacement():
    field = np.array([(np.nan, np.nan), (np.nan, np.nan), (3.0, 3.0)])
    found = fill_gaps(field, np.array([False, False, True]), *flatten([[1], [0], []]))
    assert found.tolist() == [[0, 0], [0, 0], [3, 3]]


def test_filling_changes_neither_argument():
    field, valid = np.array([(np.nan, np.nan), (1.0, 1.0)]), np.array([False, True])
    fill_gaps(field, valid, *flatten([[1], [0]]))
    assert np.isnan(field[0]).all()
    assert valid.tolist() == [False, True]


# --- both ------------------------------------------------------------------------------------


def test_there_may_be_no_point_or_one():
    nobody, alone = flatten([]), flatten([[]])
    assert reject_outliers(np.empty((0, 2)), *nobody, 1.0).shape == (0,)
    assert fill_gaps(np.empty((0, 2)), np.empty(0, bool), *nobody).shape == (0, 2)
    assert reject_outliers(np.ones((1, 2)), *alone, 1.0).all()
    assert fill_gaps(np.ones((1, 2)), np.array([False]), *alone).tolist() == [[0, 0]]


def test_strided_fields_give_the_results_of_their_copies():
    groups = flatten(neighbours_of_random_points(20, 3))
    field = (np.random.default_rng(4).normal(size=(20, 4)) * 3)[:, ::2]
    valid = reject_outliers(field, *groups, 0.5)
    np.testing.assert_array_equal(valid, reject_outliers(field.copy(), *groups, 0.5))
    expected = fill_gaps(field.copy(), valid, *groups)
    np.testing.assert_array_equal(fill_gaps(field, valid, *groups), expected)


def test_frames_do_not_affect_each_other():
    groups = flatten(neighbours_of_random_points(30, 5))
    fields = np.random.default_rng(6).normal(size=(4, 30, 2)) * 2
    fields[1, 3:9], fields[2] = np.nan, np.nan
    valid = neighbours.reject_outliers(fields, *groups, 0.5)
    np.testing.assert_array_equal(valid, [reject_outliers(one, *groups, 0.5) for one in fields])
    expected = [fill_gaps(*one, *groups) for one in zip(fields, valid, strict=True)]
    np.testing.assert_array_equal(neighbours.fill_gaps(fields, valid, *groups), expected)
