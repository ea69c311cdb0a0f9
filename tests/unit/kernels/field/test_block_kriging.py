"""Means of a field from what was found of it: see also `test_registration`."""

import numpy as np
import pytest

from skry_dask.kernels.field import block_kriging
from skry_dask.kernels.field.block_kriging import area_means, invert_positive_definite
from skry_dask.kernels.field.covariance import distances, unit_covariance
from tests import reference


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(block_kriging, monkeypatch)


def kriged(places, area, length, found, values):
    """Solve the ordinary kriging system of the values found, by numpy."""
    own = unit_covariance(distances(places, places), length) + 0.1 * np.eye(len(places))
    toward = unit_covariance(distances(places, area), length).mean(axis=1)
    n = int(found.sum())
    system = np.ones((n + 1, n + 1))
    system[:n, :n], system[n, n] = own[np.ix_(found, found)], 0
    return np.linalg.solve(system, [*toward[found], 1.0])[:n] @ values[found], own, toward


@pytest.mark.parametrize("missing", [0, 1, 8, 19])
def test_the_mean_is_that_of_the_whole_system(missing):
    rng = np.random.default_rng(2)
    places, area = rng.uniform(0, 200, (20, 2)), rng.uniform(0, 200, (30, 2))
    values, found = rng.normal(size=(20, 2)), np.ones(20, bool)
    found[rng.permutation(20)[:missing]] = False
    expected, own, toward = kriged(places, area, 40.0, found, values)
    values[~found] = np.nan
    np.testing.assert_allclose(
        area_means(values[None], found[None], invert_positive_definite(own), toward)[0],
        expected,
        atol=1e-10,
    )


@pytest.mark.parametrize("n", [0, 1, 7])
def test_inverses_are_those_of_numpy(n):
    part = np.random.default_rng(3).normal(size=(n, n + 2))
    matrix = part @ part.T + np.eye(n)
    before = matrix.copy()
    np.testing.assert_allclose(invert_positive_definite(matrix), np.linalg.inv(matrix), atol=1e-12)
    np.testing.assert_array_equal(matrix, before)


def test_each_frame_has_the_mean_of_what_was_found_in_it():
    rng = np.random.default_rng(8)
    places = rng.uniform(0, 100, (12, 2))
    own = unit_covariance(distances(places, places), 40.0) + 0.1 * np.eye(12)
    toward = unit_covariance(distances(places, rng.uniform(0, 100, (30, 2))), 40.0).mean(axis=1)
    values = rng.normal(size=(4, 12, 2))
    found = rng.random((4, 12)) < 0.6
    found[2] = False
    means = area_means(values, found, invert_positive_definite(own), toward)
    assert np.isnan(means[2]).all()
    for i in (0, 1, 3):
        (alone,) = area_means(
            values[i : i + 1], found[i : i + 1], invert_positive_definite(own), toward
        )
        np.testing.assert_array_equal(means[i], alone)


def test_a_field_that_changes_evenly_has_its_mean_although_values_are_uneven_and_missing():
    # Half of the area has four times as many values; their plain mean would lie at x = 68.
    dense = np.stack(np.meshgrid(np.arange(10, 200, 10), np.arange(5, 100, 10)), -1).reshape(-1, 2)
    sparse = np.stack(np.meshgrid(np.arange(10, 200, 20), np.arange(110, 200, 20)), -1)
    places = np.concatenate([dense, sparse.reshape(-1, 2)]).astype(float)
    area = np.stack(np.meshgrid(np.arange(0, 201, 10.0), np.arange(0, 201, 10.0)), -1)
    own = unit_covariance(distances(places, places), 60.0) + 0.1 * np.eye(len(places))
    toward = unit_covariance(distances(places, area.reshape(-1, 2)), 60.0).mean(axis=1)
    found = np.ones(len(places), bool)
    found[::7] = False
    (mean,) = area_means(places[None], found[None], invert_positive_definite(own), toward)
    assert mean == pytest.approx((100, 100), abs=4)
    assert places[found].mean(axis=0)[1] < 72
