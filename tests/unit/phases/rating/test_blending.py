"""Blended quality: what an area takes from its neighbours."""

import numpy as np
import pytest

from skry_dask.geometry.areas import AreaGrid
from skry_dask.geometry.canvas import Region
from skry_dask.phases.rating.blending import MAX_NEIGHBOURS, blend_quality, blending_weights

CENTRES = AreaGrid.of_region(Region(0, 0, 200, 280), 40).centres


def test_without_a_window_every_area_keeps_its_own_quality():
    neighbours, weights = blending_weights(CENTRES, 0.0)
    assert neighbours[:, 0].tolist() == list(range(len(CENTRES)))
    quality = np.random.default_rng(1).random((3, len(CENTRES))).astype(np.float32)
    np.testing.assert_array_equal(blend_quality(quality, neighbours, weights), quality)


def test_weights_fall_like_a_gaussian_and_add_up_to_one():
    neighbours, weights = blending_weights(CENTRES, 28.0)
    assert neighbours.shape == weights.shape == (len(CENTRES), MAX_NEIGHBOURS)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-4)
    distance = np.linalg.norm(CENTRES[neighbours] - CENTRES[:, None], axis=-1)
    expected = np.exp(-0.5 * (distance / 28) ** 2)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(weights, expected, atol=2**-20)


def test_blending_keeps_even_quality_and_inactive_frames():
    neighbours, weights = blending_weights(CENTRES, 28.0)
    quality = np.full((3, len(CENTRES)), 0.25, np.float32)
    quality[1] = np.nan
    blended = blend_quality(quality, neighbours, weights)
    assert np.isnan(blended[1]).all()
    assert blended[[0, 2]] == pytest.approx(0.25, rel=1e-4)
