"""Sums over all pixels that two frames share."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.matching import whole_shift
from skry_dask.kernels.matching.whole_shift import Overlap, answers, normal_matrix
from tests import reference

_kernels = reference.both_ways(whole_shift)
RNG = np.random.default_rng(3)
TERMS = RNG.normal(size=(4, 23, 31)).astype(np.float32)
WEIGHT = RNG.uniform(size=(23, 31)).astype(np.float32)
FRAME = RNG.normal(100, 20, (23, 31)).astype(np.float32)
OVERLAPS = [
    Overlap(0, 0, 22, 30, 0, 0),
    Overlap(3, 0, 19, 26, -3, 4),
    Overlap(0, 7, 20, 24, 2, -7),
    Overlap(4, 5, 1, 1, 0, 0),
    Overlap(4, 5, 0, 0, 0, 0),
]


def columns_of(overlap):
    """Level and terms of each pixel, and its weight, by plain NumPy."""
    rows = slice(overlap.top, overlap.top + overlap.height)
    columns = slice(overlap.left, overlap.left + overlap.width)
    terms = TERMS[:, rows, columns].reshape(4, -1).astype(np.float64)
    return np.concatenate([np.ones((1, terms.shape[1])), terms]), WEIGHT[rows, columns].ravel()


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_products_of_terms_are_summed_over_the_overlap(overlap):
    terms, weight = columns_of(overlap)
    expected = (terms * weight) @ terms.T
    np.testing.assert_allclose(normal_matrix(TERMS, WEIGHT, overlap), expected, atol=1e-9)


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("fraction", [(0.0, 0.0), (0.25, 0.8)])
def test_the_frame_is_interpolated_where_it_shows_the_reference(overlap, fraction):
    terms, weight = columns_of(overlap)
    rows, columns = np.mgrid[: overlap.height, : overlap.width]
    at = [
        rows + overlap.top + overlap.down + fraction[0],
        columns + overlap.left + overlap.right + fraction[1],
    ]
    shown = ndimage.map_coordinates(FRAME.astype(np.float64), at, order=1).ravel()
    expected = np.concatenate([(terms * weight) @ shown, [(weight * shown) @ shown]])
    found = answers(TERMS, WEIGHT, FRAME, overlap, fraction)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-3)


def test_strided_arrays_give_the_same_sums():
    overlap = Overlap(0, 0, 10, 14, 0, 0)
    terms, weight, frame = TERMS[:, ::2, ::2], WEIGHT[::2, ::2], FRAME[::2, ::2]
    copies = terms.copy(), weight.copy(), frame.copy()
    np.testing.assert_array_equal(
        normal_matrix(terms, weight, overlap), normal_matrix(*copies[:2], overlap)
    )
    np.testing.assert_array_equal(
        answers(terms, weight, frame, overlap, (0.5, 0.5)),
        answers(*copies, overlap, (0.5, 0.5)),
    )
