"""Structure in the blocks around pixels, against a twin that is made of whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from skry_dask.kernels.matching import structure as kernels
from skry_dask.kernels.matching.structure import measure_structure
from tests import reference

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=30)


def changes(image, straight):
    """Add up squared differences to the image shifted in four directions."""
    diagonal = max(round(straight / 2**0.5), 1)
    total = np.zeros(image.shape)
    y, x = np.indices(image.shape)
    for down, right in ((0, straight), (straight, 0), (diagonal, diagonal), (diagonal, -diagonal)):
        rows = np.clip(y + down, 0, image.shape[0] - 1)
        columns = np.clip(x + right, 0, image.shape[1] - 1)
        total += (image - image[rows, columns]) ** 2
    return total


def twin(image, distance, size):
    image = image.astype(float)
    gy, gx = np.gradient(image)
    products = (gy * gy, gx * gx, gy * gx)
    yy, xx, yx = (ndimage.uniform_filter(p, size, mode="nearest") for p in products)
    matrices = np.stack([np.stack([yy, yx], -1), np.stack([yx, xx], -1)], -2)
    values = np.linalg.eigvalsh(matrices)
    far, near = (
        ndimage.uniform_filter(changes(image, n * distance), size, mode="nearest") for n in (2, 1)
    )
    return near, far, values[..., 0], values[..., 1]


def texture(shape, seed=1):
    image = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    return (image / np.ptp(image)).astype(np.float32)


@REPEATABLE
@given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 8), st.integers(1, 33))
def test_it_is_what_whole_arrays_give(height, width, distance, size):
    image = texture((height, width))
    for found, expected in zip(
        measure_structure(image, distance, size), twin(image, distance, size), strict=True
    ):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_interpreted_kernels_give_the_same(monkeypatch):
    image = texture((24, 30))
    compiled = measure_structure(image, 3, 8)
    reference.interpret(kernels, monkeypatch)
    for one, other in zip(measure_structure(image, 3, 8), compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (1, 20), (20, 1)])
def test_an_image_of_one_row_or_column_has_no_second_direction(shape):
    found = measure_structure(texture((20, 20))[: shape[0], : shape[1]], 2, 8)
    np.testing.assert_allclose(found.smaller, 0, atol=1e-9)


def test_a_flat_image_has_none():
    for found in measure_structure(np.full((20, 24), 0.7, np.float32), 2, 8):
        assert not found.any()
