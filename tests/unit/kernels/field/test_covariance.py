"""The covariance model of a smooth field, and sums for an estimate of it."""

import numpy as np

from skry_dask.kernels.field import covariance
from skry_dask.kernels.field.covariance import distances, pair_products, unit_covariance
from tests import reference

_kernels = reference.both_ways(covariance)


def test_the_covariance_resembles_a_gaussian_and_ends():
    distance = np.array([0.0, 1.0, 10.0, 1e4])
    found = unit_covariance(distance, 50.0)
    assert found[0] == 1
    np.testing.assert_allclose(1 - found[1:3], 1 - np.exp(-(distance[1:3] ** 2) / 5000), rtol=0.05)
    assert found[3] == 0
    distance = np.linspace(0, 300, 61)
    found = unit_covariance(distance, 60.0)
    np.testing.assert_allclose(found, np.exp(-0.5 * (distance / 60) ** 2), atol=0.05)
    assert (np.diff(found) <= 0).all()


def test_the_covariance_is_the_published_function():
    distance = np.linspace(0, 400, 23).reshape(1, 23)
    expected = reference.unit_covariance(distance, 50.0)
    np.testing.assert_allclose(unit_covariance(distance, 50.0), expected, atol=1e-15)


def test_distances_are_those_of_all_pairs():
    points, others = np.array([(0.0, 0.0), (3.0, 4.0)]), np.array([(0.0, 0.0), (6.0, 8.0)])
    assert distances(points, others).tolist() == [[0, 10], [5, 5]]


def test_products_of_pairs_are_summed_over_frames():
    values = np.random.default_rng(1).normal(size=(7, 5))
    pairs = np.array([(0, 1), (3, 3), (4, 0)])
    expected = [(values[:, a] * values[:, b]).sum() for a, b in pairs]
    np.testing.assert_allclose(pair_products(values, pairs), expected, rtol=1e-12)
    assert pair_products(values[:0], pairs).tolist() == [0, 0, 0]
    assert pair_products(values, pairs[:0]).shape == (0,)
