"""Kriging: weights that predict a smooth field, against plain linear algebra."""

import numpy as np
import pytest

from skry_dask.kernels.field.covariance import unit_covariance
from skry_dask.kernels.field.kriging import kriging_weights, weighted_means

RNG = np.random.default_rng(12)


def naive_correlation(distance, length):
    """Wendland's function, written as in the paper (dimension 2, four times differentiable)."""
    r = np.minimum(distance / (4.32 * length), 1.0)
    return (1 - r) ** 6 * (35 * r**2 + 18 * r + 3) / 3


def naive_weights(target, places, length, noise):
    """Ordinary kriging as one system of equations, with a Lagrange multiplier."""
    n = len(places)
    apart = np.hypot(*np.moveaxis(places[:, None] - places[None], -1, 0))
    system = np.ones((n + 1, n + 1))
    system[:n, :n] = naive_correlation(apart, length) + np.diag(noise)
    system[n, n] = 0
    right = np.ones(n + 1)
    right[:n] = naive_correlation(np.hypot(*(places - target).T), length)
    return np.linalg.solve(system, right)[:n]


@pytest.mark.parametrize("n_near", [1, 2, 7, 24])
def test_weights_solve_the_equations_of_ordinary_kriging(n_near):
    places = RNG.uniform(0, 200, (40, 2))
    targets = RNG.uniform(0, 200, (5, 2))
    noise = RNG.uniform(0.01, 2, 40)
    apart = np.hypot(*np.moveaxis(targets[:, None] - places[None], -1, 0))
    nearest = np.argsort(apart, axis=1)[:, :n_near]
    found = kriging_weights(targets, places, nearest, 50.0, noise)
    for target, near, weights in zip(targets, nearest, found, strict=True):
        expected = naive_weights(target, places[near], 50.0, noise[near])
        np.testing.assert_allclose(weights, expected, atol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_without_noise_a_measured_place_is_its_own_prediction():
    places = np.array([[0.0, 0.0], [0.0, 30.0], [30.0, 0.0], [40.0, 40.0]])
    nearest = np.tile(np.arange(4), (4, 1))
    weights = kriging_weights(places, places, nearest, 40.0, np.full(4, 1e-12))
    np.testing.assert_allclose(weights, np.eye(4), atol=1e-6)


def test_with_nothing_but_noise_all_count_alike():
    places = RNG.uniform(0, 100, (6, 2))
    nearest = np.arange(6)[None]
    weights = kriging_weights(places[:1], places, nearest, 30.0, np.full(6, 1e9))
    np.testing.assert_allclose(weights, 1 / 6, atol=1e-6)


def test_correlation_is_that_of_a_gaussian_near_its_top_and_ends():
    distance = np.array([0.0, 1.0, 10.0, 1e4])
    found = unit_covariance(distance, 50.0)
    assert found[0] == 1
    np.testing.assert_allclose(1 - found[1:3], 1 - np.exp(-(distance[1:3] ** 2) / 5000), rtol=0.05)
    assert found[3] == 0
    np.testing.assert_allclose(found, naive_correlation(distance, 50.0), atol=1e-15)


def test_predictions_are_weighted_sums_and_keep_nan():
    values = RNG.standard_normal((3, 5))
    values[1, 2] = np.nan
    nearest = np.array([[0, 1], [2, 3]])
    weights = np.array([[0.25, 0.75], [0.5, 0.5]])
    found = weighted_means(values, nearest, weights)
    expected = (values[:, nearest] * weights).sum(axis=2)
    np.testing.assert_allclose(found, expected)
    assert np.isnan(found[1, 1])


def test_nothing_gives_nothing():
    none = np.zeros((0, 2))
    assert kriging_weights(none, none, np.zeros((0, 0), np.int64), 1.0, np.zeros(0)).shape == (0, 0)
    assert weighted_means(np.zeros((3, 0)), np.zeros((0, 0), np.int64), none).shape == (
        3,
        0,
    )


def test_covariance_falls_like_a_gaussian():
    distance = np.linspace(0, 300, 61)
    found = unit_covariance(distance, 60.0)
    np.testing.assert_allclose(found, np.exp(-0.5 * (distance / 60) ** 2), atol=0.05)
    assert (np.diff(found) <= 0).all()
