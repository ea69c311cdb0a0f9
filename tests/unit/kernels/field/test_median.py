"""Medians of a few values."""

import numpy as np

from skry_dask.kernels.field import median
from skry_dask.kernels.field.median import median_displacements
from tests import reference

_kernels = reference.both_ways(median)


def test_the_median_is_taken_along_each_axis_over_valid_displacements_only():
    for n in (1, 2, 3, 8, 25):
        rng = np.random.default_rng(n)
        displacements = rng.normal(size=(2 * n, 2))
        valid = np.zeros(2 * n, bool)
        valid[rng.permutation(2 * n)[:n]] = True
        displacements[~valid] = np.nan
        before = displacements.copy()
        found = median_displacements(displacements[None], valid[None])
        expected = np.median(displacements[valid], axis=0)
        np.testing.assert_allclose(found, expected[None], rtol=1e-15)
        np.testing.assert_array_equal(displacements, before)


def test_a_frame_without_valid_displacements_has_no_median():
    displacements = np.arange(12.0).reshape(2, 3, 2)
    valid = np.array([[True, False, True], [False, False, False]])
    expected = [[2.0, 3.0], [np.nan, np.nan]]
    np.testing.assert_array_equal(median_displacements(displacements, valid), expected)


def test_the_median_of_equal_displacements_is_that_displacement():
    displacements = np.tile([1.5, -2.5], (1, 6, 1))
    found = median_displacements(displacements, np.ones((1, 6), bool))
    np.testing.assert_array_equal(found, [[1.5, -2.5]])
