"""The kernels that clean displacement fields."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial import Delaunay

from skry_dask.kernels.field import neighbours as kernels
from tests import reference


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(kernels, monkeypatch)


def neighbourhood(groups):
    """Neighbour lists as the kernels want them."""
    first = np.cumsum([0, *map(len, groups)])
    return first, np.array([j for group in groups for j in group], np.int64)


def scattered(n, seed):
    """Neighbour lists of random points."""
    points = np.random.default_rng(seed).uniform(size=(n, 2))
    first, entries = Delaunay(points).vertex_neighbor_vertices
    return [sorted(entries[a:b].tolist()) for a, b in pairwise(first)]


def reject_outliers(field, *rest):
    """Find those of one frame."""
    return kernels.reject_outliers(field[None], *rest)[0]


def fill_gaps(field, valid, *rest):
    """Fill those of one frame."""
    return kernels.fill_gaps(field[None], valid[None], *rest)[0]


CHAIN = [[1], [0, 2], [1, 3], [2, 4], [3]]


# --- outliers --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_outliers_are_those_of_the_twin(seed):
    rng = np.random.default_rng(seed)
    groups = scattered(40, seed)
    field = rng.normal(size=(40, 2))
    field[rng.integers(0, 40, 6)] += 10
    field[rng.integers(0, 40, 6)] = np.nan
    expected = reference.reject_outliers(field, groups, 1.5)
    found = reject_outliers(field, *neighbourhood(groups), 1.5)
    np.testing.assert_array_equal(found, expected)
    assert 0 < found.sum() < np.isfinite(field[:, 0]).sum()


def test_a_vector_unlike_its_agreeing_neighbours_is_rejected():
    groups = scattered(30, 1)
    field = np.tile([1.0, -2.0], (30, 1))
    field[7] += [1.6, 0.0]
    valid = reject_outliers(field, *neighbourhood(groups), 1.5)
    np.testing.assert_array_equal(np.flatnonzero(~valid), [7])
    field[7] -= [0.2, 0.0]
    assert reject_outliers(field, *neighbourhood(groups), 1.5).all()


def test_points_without_two_usable_neighbours_are_taken_as_they_are():
    field = np.array([(9.0, 9.0), (0.0, 0.0), (np.nan, np.nan), (5.0, 5.0), (-5.0, 5.0)])
    valid = reject_outliers(field, *neighbourhood(CHAIN), 0.1)
    np.testing.assert_array_equal(valid, [True, True, False, True, True])


def test_nothing_measured_leaves_nothing_valid():
    valid = reject_outliers(np.full((5, 2), np.nan), *neighbourhood(CHAIN), 1.0)
    assert not valid.any()


# --- gaps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_gaps_are_filled_like_the_twin_fills_them(seed):
    rng = np.random.default_rng(seed)
    groups = scattered(40, seed)
    field = rng.normal(size=(40, 2))
    valid = rng.random(40) < 0.2
    field[~valid & (rng.random(40) < 0.5)] = np.nan
    found = fill_gaps(field, valid, *neighbourhood(groups))
    np.testing.assert_allclose(found, reference.fill_gaps(field, valid, groups), rtol=1e-12)
    np.testing.assert_array_equal(found[valid], field[valid])


def test_gaps_are_filled_ring_by_ring():
    field = np.array([(2.0, 4.0), *[(np.nan, np.nan)] * 3, (8.0, 0.0)])
    found = fill_gaps(field, np.isfinite(field[:, 0]), *neighbourhood(CHAIN))
    np.testing.assert_array_equal(found, [(2, 4), (2, 4), (5, 2), (8, 0), (8, 0)])


def test_points_that_nothing_leads_to_stay_where_they_are():
    field = np.array([(np.nan, np.nan), (np.nan, np.nan), (3.0, 3.0)])
    valid = np.array([False, False, True])
    found = fill_gaps(field, valid, *neighbourhood([[1], [0], []]))
    np.testing.assert_array_equal(found, [(0, 0), (0, 0), (3, 3)])


def test_neither_argument_of_filling_is_changed():
    field = np.array([(np.nan, np.nan), (1.0, 1.0)])
    valid = np.array([False, True])
    fill_gaps(field, valid, *neighbourhood([[1], [0]]))
    assert np.isnan(field[0]).all()
    np.testing.assert_array_equal(valid, [False, True])


# --- both ------------------------------------------------------------------------------------


def test_no_points_and_one_point():
    nothing = neighbourhood([])
    assert reject_outliers(np.empty((0, 2)), *nothing, 1.0).shape == (0,)
    assert fill_gaps(np.empty((0, 2)), np.empty(0, bool), *nothing).shape == (0, 2)
    alone = neighbourhood([[]])
    assert reject_outliers(np.ones((1, 2)), *alone, 1.0).all()
    np.testing.assert_array_equal(fill_gaps(np.ones((1, 2)), np.array([False]), *alone), [(0, 0)])


def test_strided_fields_give_the_same():
    groups = neighbourhood(scattered(20, 3))
    both = np.random.default_rng(4).normal(size=(20, 4)) * 3
    field = both[:, ::2]
    valid = reject_outliers(field, *groups, 0.5)
    np.testing.assert_array_equal(valid, reject_outliers(field.copy(), *groups, 0.5))
    np.testing.assert_array_equal(
        fill_gaps(field, valid, *groups), fill_gaps(field.copy(), valid, *groups)
    )


def test_frames_are_looked_at_one_by_one():
    groups = neighbourhood(scattered(30, 5))
    fields = np.random.default_rng(6).normal(size=(4, 30, 2)) * 2
    fields[1, 3:9] = np.nan
    fields[2] = np.nan
    valid = kernels.reject_outliers(fields, *groups, 0.5)
    np.testing.assert_array_equal(valid, [reject_outliers(one, *groups, 0.5) for one in fields])
    expected = [fill_gaps(*one, *groups) for one in zip(fields, valid, strict=True)]
    np.testing.assert_array_equal(kernels.fill_gaps(fields, valid, *groups), expected)
