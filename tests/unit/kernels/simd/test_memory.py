"""Hints to the processor change no result."""

import numba
import numpy as np

from skry_dask.kernels.simd.memory import prefetch


@numba.njit
def first_after_prefetch(image, at):
    prefetch(image, at)
    return image[0, 0]


def test_a_pixel_that_is_fetched_may_lie_outside_the_array():
    image = np.full((3, 4), 9, np.uint8)
    for at in (-(10**9), -1, 0, 11, 10**9):
        assert first_after_prefetch(image, at) == 9
        prefetch(image, at)
