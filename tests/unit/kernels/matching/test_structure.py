"""Structure of the blocks around pixels, against whole arrays in NumPy and SciPy."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from skry_dask.kernels.frame import box_means
from skry_dask.kernels.matching import structure
from skry_dask.kernels.matching.structure import gradient_energy_centres, measure_structure
from tests import reference

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=30)


def squared_changes(image, straight):
    """Sum squared differences to the image shifted in four directions."""
    diagonal = max(round(straight / 2**0.5), 1)
    total = np.zeros(image.shape)
    y, x = np.indices(image.shape)
    for down, right in ((0, straight), (straight, 0), (diagonal, diagonal), (diagonal, -diagonal)):
        rows = np.clip(y + down, 0, image.shape[0] - 1)
        columns = np.clip(x + right, 0, image.shape[1] - 1)
        total += (image - image[rows, columns]) ** 2
    return total


def expected_structure(image, distance, size):
    def mean(values):
        return ndimage.uniform_filter(values, size, mode="nearest")

    image = image.astype(float)
    gy, gx = np.gradient(image)
    yy, xx, yx = mean(gy * gy), mean(gx * gx), mean(gy * gx)
    tensors = np.stack([np.stack([yy, yx], -1), np.stack([yx, xx], -1)], -2)
    near, far = (mean(squared_changes(image, n * distance)) for n in (1, 2))
    return near, far, *np.moveaxis(np.linalg.eigvalsh(tensors), -1, 0)


def texture(shape, seed=1):
    image = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    return (image / np.ptp(image)).astype(np.float32)


@REPEATABLE
@given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 8), st.integers(1, 33))
def test_structure_is_what_whole_arrays_give(height, width, distance, size):
    image = texture((height, width))
    expected = expected_structure(image, distance, size)
    for found, plane in zip(measure_structure(image, distance, size), expected, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, plane, rtol=1e-3, atol=1e-6)


def test_interpreted_kernels_give_the_same(monkeypatch):
    image = texture((24, 30))
    compiled = measure_structure(image, 3, 8)
    for module in (structure, box_means):
        reference.interpret(module, monkeypatch)
    for one, other in zip(measure_structure(image, 3, 8), compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def test_an_image_of_one_row_or_column_has_no_second_direction():
    for shape in ((1, 1), (1, 20), (20, 1)):
        found = measure_structure(texture((20, 20))[: shape[0], : shape[1]], 2, 8)
        np.testing.assert_allclose(found.min_eigenvalue, 0, atol=1e-9)


def test_a_flat_image_has_no_structure():
    for plane in measure_structure(np.full((20, 24), 0.7, np.float32), 2, 8):
        assert not plane.any()


def test_the_centre_of_a_gradient_is_that_of_its_squares():
    gradient = np.random.default_rng(1).normal(size=(30, 34)).astype(np.float32)
    corners, out = np.array([(0, 0), (7, 9), (14, 18)]), np.empty((3, 2))
    gradient_energy_centres(gradient, corners, 16, out)
    offset = np.arange(16) - 8
    for (y, x), found in zip(corners, out, strict=True):
        energy = gradient[y : y + 16, x : x + 16].astype(float) ** 2
        expected = [(energy.sum(axis=axis) @ offset) / energy.sum() for axis in (1, 0)]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    gradient_energy_centres(np.zeros_like(gradient), corners, 16, out)
    assert not out.any()
