"""Filters of blocks of the reference image."""

import numpy as np
import pytest

from skry_dask.kernels.frame import box_means
from skry_dask.kernels.matching import filter_design
from skry_dask.kernels.matching.filter_design import (
    CONTRAST,
    SHIFT_X,
    SHIFT_Y,
    TEMPLATE,
    block_variances,
)
from skry_dask.kernels.matching.reference_blocks import make_reference_blocks
from tests import reference
from tests.smooth_images import digitise, smooth

_kernels = reference.both_ways(filter_design, box_means)
DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])


def test_filters_are_those_of_the_twin():
    image = digitise(smooth((60, 64), sigma=2.0))
    corners = np.array([(12, 14), (25, 30)])
    filters = make_reference_blocks(image, corners, 16).full
    for weights, corner in zip(filters.weights, corners, strict=True):
        peak = int(np.abs(weights[TEMPLATE]).max())
        squares = weights[:, : 18**2].reshape(4, 18, 18)
        assert not weights[:, 18**2 :].any()
        found = squares[[SHIFT_Y, SHIFT_X, TEMPLATE], 1:-1, 1:-1].astype(int)
        expected = reference.block_filters(image, corner, 16, peak)
        # Values half-way between two integers may be rounded either way.
        assert np.abs(found - expected).max() <= 1
        assert (found != expected).mean() < 0.01


@DTYPES
def test_filters_of_displacements_do_not_answer_to_brightness_slopes_or_the_block(dtype):
    image = digitise(smooth((60, 64), sigma=2.0), dtype)
    corner, size = (21, 24), 16
    blocks = make_reference_blocks(image, np.array([corner]), size)
    weights = blocks.full.weights[0, :, : (size + 2) ** 2].astype(np.int64)
    y, x = np.indices((size + 2, size + 2))
    window = image[corner[0] - 1 :, corner[1] - 1 :][: size + 2, : size + 2] / 2.0**blocks.shift
    for light in (np.ones_like(y), y, x, window):
        total = np.abs(weights) @ np.abs(light).ravel()
        answers = np.abs(weights @ light.ravel())
        for row in (SHIFT_Y, SHIFT_X):
            assert answers[row] < 2e-3 * total[row]
    # The filter of contrast compares gradients.
    other = np.random.default_rng(1).uniform(size=(size + 2, size + 2))
    shifts = weights[[SHIFT_Y, SHIFT_X]].reshape(2, size + 2, size + 2)
    gradients = [(shifts * np.gradient(light)).sum() for light in (other, window)]
    answers = [weights[CONTRAST] @ light.ravel() for light in (other, window)]
    assert gradients[0] / gradients[1] == pytest.approx(answers[0] / answers[1], abs=1e-3)


@DTYPES
def test_blocks_that_are_flat_or_a_slope_have_no_filters(dtype):
    y, x = np.indices((70, 80))
    for slope_y, slope_x in ((0, 0), (1, 0), (0, -1), (1, 1)):
        image = (100 + slope_y * (y - 40) + slope_x * (x - 40)).astype(dtype)
        for size in (8, 12, 32):
            filters = make_reference_blocks(image, np.array([(12, 14)]), size).full
            assert np.isnan(filters.step).all()
            assert not filters.weights.any()


@DTYPES
def test_the_variance_of_a_block_is_that_without_slopes_in_grey_levels(dtype):
    image = digitise(smooth((60, 64)), dtype)
    corners = np.array([(3, 4), (21, 24)])
    for variance, (y, x) in zip(block_variances(image, corners, 16), corners, strict=True):
        block = reference.without_plane(image[y : y + 16, x : x + 16].astype(float))
        assert variance == pytest.approx((block**2).mean(), rel=1e-9)


@DTYPES
def test_blocks_of_strided_images_are_those_of_their_copies(dtype):
    image = digitise(smooth((40, 40)), dtype)
    strided = np.repeat(np.repeat(image, 2, axis=0), 3, axis=1)[::2, ::3]
    corners = np.array([(3, 5), (20, 11)])
    found = make_reference_blocks(strided, corners, 8)
    np.testing.assert_equal(found, make_reference_blocks(image, corners, 8))
