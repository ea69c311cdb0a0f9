"""One pixel of each cell."""

import numpy as np
import pytest

from skry_dask.kernels.matching import grid_cells
from skry_dask.kernels.matching.grid_cells import most_central_pixels
from tests import reference


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _kernels(request, monkeypatch):
    if request.param == "interpreted":
        reference.interpret(grid_cells, monkeypatch)


def plainly(passes, margin, side):
    """Do it cell by cell with NumPy."""
    found = []
    height, width = passes.shape
    for top in range(margin, height - margin + 1, side):
        for left in range(margin, width - margin + 1, side):
            cell = passes[
                top : min(top + side, height - margin + 1),
                left : min(left + side, width - margin + 1),
            ]
            candidates = np.argwhere(cell)
            if len(candidates):
                from_middle = candidates - (np.array(cell.shape) - 1) / 2
                found.append(candidates[(from_middle**2).sum(axis=1).argmin()] + [top, left])
    return np.array(found, np.int64).reshape(-1, 2)


@pytest.mark.parametrize("seed", range(6))
def test_the_pixel_nearest_to_the_middle_of_each_cell_is_taken(seed):
    rng = np.random.default_rng(seed)
    passes = rng.random(tuple(rng.integers(12, 40, 2))) < rng.choice([0.02, 0.2, 0.9])
    margin, side = int(rng.integers(1, 6)), int(rng.integers(2, 11))
    found = most_central_pixels(passes, margin, side)
    np.testing.assert_array_equal(found, plainly(passes, margin, side))


def test_cells_in_which_nothing_passes_have_no_pixel():
    passes = np.zeros((20, 20), bool)
    assert most_central_pixels(passes, 4, 6).shape == (0, 2)
    passes[10, 3] = True  # in the margin
    assert most_central_pixels(passes, 4, 6).shape == (0, 2)
    passes[10, 4] = True
    np.testing.assert_array_equal(most_central_pixels(passes, 4, 6), [(10, 4)])


def test_an_image_narrower_than_its_margins_has_no_cells():
    assert most_central_pixels(np.ones((5, 30), bool), 4, 6).shape == (0, 2)
