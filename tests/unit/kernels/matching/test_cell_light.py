"""Light of cells: the darkest and the brightest pixel and the mean, where half of a cell shows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.matching import cell_light as module
from skry_dask.kernels.matching.cell_light import N_SIDE, cell_light
from tests import reference
from tests.small_captures import texture

_kernels = reference.both_ways(module)

SHAPE = 52, 67


@pytest.mark.parametrize("shift", [(0.0, 0.0), (2.25, -3.5), (-20.0, 9.5), (60.0, 0.0)])
def test_cells_are_measured_where_at_least_half_of_them_shows(shift):
    image = texture(*SHAPE).astype(np.float32)
    (found,) = cell_light(image[None], np.array([shift]))
    y, x = np.indices(SHAPE)
    at = [y + shift[0], x + shift[1]]
    back = ndimage.map_coordinates(image, at, order=1, mode="nearest")
    inside = [(a >= 0) & (np.floor(a) < n - 1) for a, n in zip(at, SHAPE, strict=True)]
    rows, columns = (np.arange(N_SIDE + 1) * n // N_SIDE for n in SHAPE)
    for cell, values in enumerate(found.T):
        i, j = divmod(cell, N_SIDE)
        part = slice(rows[i], rows[i + 1]), slice(columns[j], columns[j + 1])
        shown = (inside[0] & inside[1])[part]
        if 2 * shown.sum() < shown.size:
            assert np.isnan(values).all()
        else:
            seen = back[part][shown]
            expected = [seen.min(), seen.max(), seen.mean()]
            np.testing.assert_allclose(values, expected, rtol=0, atol=1e-4)


def test_a_thumbnail_that_lies_nowhere_shows_no_cell():
    image = texture(*SHAPE).astype(np.float32)
    assert np.isnan(cell_light(image[None], np.full((1, 2), np.nan))).all()
