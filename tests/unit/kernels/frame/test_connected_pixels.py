"""Connected pixels, numbered object by object."""

import numpy as np
from scipy import ndimage

from skry_dask.kernels.frame import connected_pixels
from skry_dask.kernels.frame.connected_pixels import label_pixels
from tests import reference

_kernels = reference.both_ways(connected_pixels)


def spiral(size):
    """One object whose two arms meet only in the middle."""
    mask = np.zeros((size, size), bool)
    mask[::2] = True
    mask[1::4, -1] = mask[3::4, 0] = True
    return mask


def test_objects_are_numbered_as_scipy_does():
    rng = np.random.default_rng(1)
    checks = np.indices((13, 17)).sum(axis=0) % 2 == 0
    shapes = [np.zeros((0, 4), bool), np.ones((1, 1), bool), np.ones((5, 7), bool), checks]
    shapes += [checks[:, ::-1], spiral(21), spiral(21).T, spiral(21)[::-1]]
    shapes += [rng.random((30, 41)) < density for density in (0.1, 0.4, 0.5, 0.6, 0.7, 0.9)]
    shapes += [rng.random((60, 82))[::2, ::2] < 0.6]
    for mask in shapes:
        expected = ndimage.label(mask)[0] if mask.size else mask
        np.testing.assert_array_equal(label_pixels(mask), expected)
