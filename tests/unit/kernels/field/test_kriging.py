"""Kriging: weights that predict a smooth field, against plain linear algebra."""

import numpy as np

from skry_dask.kernels.field import kriging
from skry_dask.kernels.field.covariance import distances
from skry_dask.kernels.field.kriging import kriging_weights, weighted_means
from tests import reference

_kernels = reference.both_ways(kriging)


def expected_weights(target, places, length, noise):
    """Solve ordinary kriging as one system of equations, with a Lagrange multiplier."""
    n = len(places)
    system, right = np.ones((n + 1, n + 1)), np.ones(n + 1)
    apart = distances(places, places)
    system[:n, :n] = reference.unit_covariance(apart, length) + np.diag(noise)
    system[n, n] = 0
    right[:n] = reference.unit_covariance(distances(places, target[None])[:, 0], length)
    return np.linalg.solve(system, right)[:n]


def test_weights_solve_the_equations_of_ordinary_kriging():
    rng = np.random.default_rng(12)
    places, targets = rng.uniform(0, 200, (40, 2)), rng.uniform(0, 200, (5, 2))
    noise = rng.uniform(0.01, 2, 40)
    for n in (1, 2, 7, 24):
        nearest = np.argsort(distances(targets, places), axis=1)[:, :n]
        found = kriging_weights(targets, places, nearest, 50.0, noise)
        for target, near, weights in zip(targets, nearest, found, strict=True):
            expected = expected_weights(target, places[near], 50.0, noise[near])
            np.testing.assert_allclose(weights, expected, atol=1e-9)
        np.testing.assert_allclose(found.sum(axis=1), 1)


def test_without_noise_the_value_at_a_place_predicts_itself():
    places = np.array([[0.0, 0.0], [0.0, 30.0], [30.0, 0.0], [40.0, 40.0]])
    nearest = np.tile(np.arange(4), (4, 1))
    weights = kriging_weights(places, places, nearest, 40.0, np.full(4, 1e-12))
    np.testing.assert_allclose(weights, np.eye(4), atol=1e-6)


def test_values_that_are_mostly_noise_have_equal_weights():
    places = np.random.default_rng(1).uniform(0, 100, (6, 2))
    weights = kriging_weights(places[:1], places, np.arange(6)[None], 30.0, np.full(6, 1e9))
    np.testing.assert_allclose(weights, 1 / 6, atol=1e-6)


def test_means_are_weighted_and_keep_nan():
    values = np.random.default_rng(2).standard_normal((3, 5))
    values[1, 2] = np.nan
    nearest, weights = np.array([[0, 1], [2, 3]]), np.array([[0.25, 0.75], [0.5, 0.5]])
    found = weighted_means(values, nearest, weights)
    np.testing.assert_allclose(found, (values[:, nearest] * weights).sum(axis=2))
    assert np.isnan(found[1, 1])
    strided = np.repeat(values, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(weighted_means(strided, nearest, weights), found)


def test_no_targets_and_no_neighbours_give_empty_results():
    none, nobody = np.zeros((0, 2)), np.zeros((0, 0), np.int64)
    assert kriging_weights(none, none, nobody, 1.0, np.zeros(0)).shape == (0, 0)
    assert weighted_means(np.zeros((3, 0)), nobody, none).shape == (3, 0)
