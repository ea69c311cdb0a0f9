"""Sums of how far between pixels fragments lie."""

import numpy as np

from skry_dask.kernels.stacking import subpixel_phase
from skry_dask.kernels.stacking.subpixel_phase import add_subpixel_variance
from tests import reference

_kernels = reference.both_ways(subpixel_phase)
UNITS = 2.0**20


def sums(function, *arrays):
    out = np.zeros((2, 2), np.int64)
    function(*arrays, UNITS, out)
    return out


def test_sums_equal_those_of_numpy():
    rng = np.random.default_rng(3)
    motion = rng.normal(scale=50, size=(6, 9, 2))
    motion[2, 4] = np.nan
    triangles, n_pixels = rng.integers(0, 9, (20, 3)), rng.integers(0, 900, 20)
    selected = rng.uniform(size=(6, 20)) < 0.4
    for step in (1, 2):  # contiguous and strided
        arrays = motion[::step], triangles, n_pixels, selected[::step]
        expected = sums(reference.add_subpixel_variance, *arrays)
        assert expected.all()
        np.testing.assert_array_equal(sums(add_subpixel_variance, *arrays), expected)


def test_fragments_that_are_not_selected_add_nothing():
    motion = np.full((2, 3, 2), 0.5)
    triangles, n_pixels = np.array([[0, 1, 2]]), np.array([7])
    for n_frames, selected in ((2, False), (0, True)):
        arrays = motion[:n_frames], triangles, n_pixels, np.full((n_frames, 1), selected)
        assert not sums(add_subpixel_variance, *arrays).any()
