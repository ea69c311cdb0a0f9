"""Light and noise of areas: sums over one in four rows of their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.frame import light_and_noise as module
from skry_dask.kernels.frame.light_and_noise import light_and_noise
from tests import reference

_kernels = reference.both_ways(module)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize(
    ("origin", "y_edges", "x_edges"),
    [((0, 0), [0, 8, 16, 19], [0, 10, 23]), ((3, 4), [0, 5, 6], [0, 3, 7]), ((2, 1), [0], [0])],
)
def test_sums_are_those_of_the_rows_in_the_middle_of_each_four(
    dtype, step, origin, y_edges, x_edges
):
    top = np.iinfo(dtype).max
    frames = np.random.default_rng(1).integers(0, top, (2, 19, 23), endpoint=True).astype(dtype)
    line = np.zeros(2 * step + 1)
    line[[0, step, -1]] = 1, -2, 1
    y_edges, x_edges = np.array(y_edges), np.array(x_edges)
    light, noise, n_pixels = light_and_noise(frames, np.array([origin] * 2), step, y_edges, x_edges)
    assert light.shape == noise.shape == (2, len(y_edges) - 1, len(x_edges) - 1)
    for f, i, j in np.ndindex(light.shape):
        frame = frames[f].astype(float)
        response = ndimage.correlate1d(frame, line, 0, mode="nearest")
        response = np.abs(ndimage.correlate1d(response, line, 1, mode="nearest"))
        first = origin[0] + y_edges[i] + (y_edges[i + 1] - y_edges[i] - 1) % 4 // 2
        rows = np.arange(first, origin[0] + y_edges[i + 1], 4)
        columns = np.arange(x_edges[j], x_edges[j + 1]) + origin[1]
        assert light[f, i, j] == frame[np.ix_(rows, columns)].sum()
        assert noise[f, i, j] == response[np.ix_(rows, columns)].sum()
        assert n_pixels[i, j] == len(rows) * len(columns)
