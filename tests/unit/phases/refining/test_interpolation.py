"""Values at places between and around scattered points."""

from __future__ import annotations

import numpy as np
import pytest

from skry_dask.phases.refining.interpolation import (
    gaussian_matrix,
    interpolation_matrix,
    nearest_matrix,
)

POINTS = np.random.default_rng(1).uniform(20, 80, (30, 2))
PLACES = np.random.default_rng(2).uniform(0, 100, (50, 2))


def test_planes_are_interpolated_exactly_between_points():
    matrix = interpolation_matrix(POINTS, PLACES)
    inside = (np.abs(PLACES - 50) < 12).all(axis=1)
    assert inside.any()
    np.testing.assert_allclose((matrix @ POINTS)[inside], PLACES[inside], atol=1e-9)


@pytest.mark.parametrize("n_points", [1, 2, 3, 30])
def test_constants_stay_constants_anywhere(n_points):
    for matrix in (
        interpolation_matrix(POINTS[:n_points], PLACES),
        nearest_matrix(POINTS[:n_points], PLACES),
        gaussian_matrix(POINTS[:n_points], 9.0),
    ):
        assert matrix.shape[1] == n_points
        np.testing.assert_allclose(matrix @ np.ones(n_points), 1)


def test_points_keep_their_values():
    np.testing.assert_allclose(
        interpolation_matrix(POINTS, POINTS).toarray(), np.eye(30), atol=1e-9
    )


def test_points_on_a_line_are_points_too():
    line = np.stack([np.arange(5.0), np.full(5, 3.0)], axis=1)
    found = interpolation_matrix(line, np.array([(1.5, 3.0)])) @ line
    np.testing.assert_allclose(found, [(1.5, 3.0)], atol=1e-6)
