"""The mean of a field over an area, from some of its values."""

import numpy as np
import pytest

from skry_dask.kernels.field import block_kriging
from skry_dask.kernels.field.block_kriging import area_means, invert_positive_definite
from skry_dask.kernels.field.covariance import distances, unit_covariance
from tests import reference

_kernels = reference.both_ways(block_kriging)
NOISE = 0.1


def covariances(places, area, length):
    """Covariance between places, and of each place with the mean of an area."""
    own = unit_covariance(distances(places, places), length) + NOISE * np.eye(len(places))
    return own, unit_covariance(distances(places, area), length).mean(axis=1)


def grid(*axes):
    return np.stack(np.meshgrid(*axes), -1).reshape(-1, 2).astype(float)


def test_the_mean_solves_the_kriging_system_of_the_valid_values():
    rng = np.random.default_rng(2)
    places, area = rng.uniform(0, 200, (20, 2)), rng.uniform(0, 200, (30, 2))
    own, toward = covariances(places, area, 40.0)
    for n_missing in (0, 1, 8, 19):
        values, valid = rng.normal(size=(20, 2)), np.ones(20, bool)
        valid[rng.permutation(20)[:n_missing]] = False
        n = int(valid.sum())
        system = np.ones((n + 1, n + 1))
        system[:n, :n], system[n, n] = own[np.ix_(valid, valid)], 0
        weights = np.linalg.solve(system, [*toward[valid], 1.0])[:n]
        expected = weights @ values[valid]
        values[~valid] = np.nan
        inverse = invert_positive_definite(own)
        found = area_means(values[None], valid[None], inverse, toward)
        np.testing.assert_allclose(found, expected[None], atol=1e-10)


def test_inverses_are_those_of_numpy_and_the_matrix_stays():
    for n in (0, 1, 7):
        root = np.random.default_rng(3).normal(size=(n, n + 2))
        matrix = root @ root.T + np.eye(n)
        before = matrix.copy()
        inverse = invert_positive_definite(matrix)
        np.testing.assert_allclose(inverse, np.linalg.inv(matrix), atol=1e-12)
        np.testing.assert_array_equal(matrix, before)


def test_each_frame_has_the_mean_of_its_own_valid_values():
    rng = np.random.default_rng(8)
    places = rng.uniform(0, 100, (12, 2))
    own, toward = covariances(places, rng.uniform(0, 100, (30, 2)), 40.0)
    inverse = invert_positive_definite(own)
    values, valid = rng.normal(size=(4, 12, 2)), rng.random((4, 12)) < 0.6
    valid[2] = False
    means = area_means(values, valid, inverse, toward)
    assert np.isnan(means[2]).all()
    for i in (0, 1, 3):
        one = slice(i, i + 1)
        np.testing.assert_array_equal(
            area_means(values[one], valid[one], inverse, toward)[0], means[i]
        )


def test_the_mean_of_a_slope_is_right_although_values_are_uneven_and_missing():
    # Half of the area has four times as many values; their plain mean would lie at x = 68.
    dense = grid(np.arange(10, 200, 10), np.arange(5, 100, 10))
    places = np.concatenate([dense, grid(np.arange(10, 200, 20), np.arange(110, 200, 20))])
    own, toward = covariances(places, grid(np.arange(0, 201, 10), np.arange(0, 201, 10)), 60.0)
    valid = np.ones(len(places), bool)
    valid[::7] = False
    inverse = invert_positive_definite(own)
    (mean,) = area_means(places[None], valid[None], inverse, toward)
    assert mean == pytest.approx((100, 100), abs=4)
    assert places[valid].mean(axis=0)[1] < 72
