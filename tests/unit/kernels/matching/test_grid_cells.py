"""One pixel of each cell of a grid."""

import numpy as np

from skry_dask.kernels.matching import grid_cells
from skry_dask.kernels.matching.grid_cells import most_central_pixels
from tests import reference

_kernels = reference.both_ways(grid_cells)


def expected_pixels(suitable, margin, side):
    """Go through the cells with NumPy."""
    found = []
    bottom, right = (n - margin + 1 for n in suitable.shape)
    for top in range(margin, bottom, side):
        for left in range(margin, right, side):
            cell = suitable[top : min(top + side, bottom), left : min(left + side, right)]
            candidates = np.argwhere(cell)
            if len(candidates):
                from_centre = candidates - (np.array(cell.shape) - 1) / 2
                found.append(candidates[(from_centre**2).sum(axis=1).argmin()] + [top, left])
    return np.array(found, np.int64).reshape(-1, 2)


def test_the_suitable_pixel_nearest_to_the_centre_of_each_cell_is_chosen():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        suitable = rng.random(tuple(rng.integers(12, 40, 2))) < rng.choice([0.02, 0.2, 0.9])
        arguments = suitable, int(rng.integers(1, 6)), int(rng.integers(2, 11))
        expected = expected_pixels(*arguments)
        np.testing.assert_array_equal(most_central_pixels(*arguments), expected)


def test_cells_without_suitable_pixels_are_left_out():
    suitable = np.zeros((20, 20), bool)
    assert most_central_pixels(suitable, 4, 6).shape == (0, 2)
    suitable[10, 3] = True  # in the margin
    assert most_central_pixels(suitable, 4, 6).shape == (0, 2)
    suitable[10, 4] = True
    assert most_central_pixels(suitable, 4, 6).tolist() == [[10, 4]]


def test_an_image_narrower_than_its_margins_has_no_cells():
    assert most_central_pixels(np.ones((5, 30), bool), 4, 6).shape == (0, 2)
