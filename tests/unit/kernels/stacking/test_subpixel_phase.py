"""What interpolation blurs by, summed over fragments."""

import numpy as np
import pytest

from skry_dask.kernels.stacking.subpixel_phase import add_subpixel_variance
from tests import reference

STEPS = 2.0**20


def sums(motion, triangles, pixels, chosen, function=add_subpixel_variance):
    out = np.zeros((2, 2), np.int64)
    function(motion, triangles, pixels, chosen, STEPS, out)
    return out


@pytest.mark.parametrize("strided", [False, True])
def test_sums_equal_those_of_the_naive_twin(strided):
    rng = np.random.default_rng(3)
    motion = rng.normal(scale=50, size=(6, 9, 2))
    motion[2, 4] = np.nan
    triangles = rng.integers(0, 9, (20, 3))
    pixels = rng.integers(0, 900, 20)
    chosen = rng.uniform(size=(6, 20)) < 0.4
    if strided:
        motion, chosen = motion[::2], chosen[::2]
    expected = sums(motion, triangles, pixels, chosen, reference.add_subpixel_variance)
    assert expected.all()
    np.testing.assert_array_equal(sums(motion, triangles, pixels, chosen), expected)
    python = add_subpixel_variance.py_func
    np.testing.assert_array_equal(sums(motion, triangles, pixels, chosen, python), expected)


def test_nothing_chosen_adds_nothing():
    motion = np.full((2, 3, 2), 0.5)
    triangles, pixels = np.array([[0, 1, 2]]), np.array([7])
    np.testing.assert_array_equal(sums(motion, triangles, pixels, np.zeros((2, 1), bool)), 0)
    none = motion[:0], triangles, pixels, np.ones((0, 1), bool)
    np.testing.assert_array_equal(sums(*none), 0)
