"""Displacements denoised by kriging."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.phases.tracking.kriging import (
    denoise,
    denoising_weights,
    fit_covariance,
    nearest_textures,
    texture_centres,
)

SPACING, LENGTH = 24, 50.0


def denoised(measured, position, textures):
    nearest = nearest_textures(position, textures)
    weights = denoising_weights(measured, position, textures, nearest)
    return denoise(measured, weights, nearest)


def grid(rows=12, columns=14):
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    return np.stack([y.ravel(), x.ravel()], axis=1) * SPACING + 20


def fields(position, n_frames=80, seed=1, length=LENGTH):
    """Draw smooth displacements with Gaussian covariance of a length: (frame, point, axis)."""
    rng = np.random.default_rng(seed)
    step = 8
    size = [int(n) // step + 12 for n in position.max(axis=0)]
    out = np.empty((n_frames, len(position), 2))
    for frame in out:
        for axis in (0, 1):
            noise = rng.standard_normal(size)
            # White noise smoothed with sigma s has covariance of length s * sqrt(2).
            field = ndimage.gaussian_filter(noise, length / 2**0.5 / step, mode="wrap")
            field /= field.std()
            frame[:, axis] = ndimage.map_coordinates(field, position.T / step + 2, order=1)
    return out


@pytest.mark.parametrize("noise", [0.1, 0.4])
def test_the_field_is_separated_from_its_noise(noise):
    position = grid()
    true = fields(position)
    rng = np.random.default_rng(5)
    measured = (true + noise * rng.standard_normal(true.shape)).astype(np.float32)
    textures = np.zeros((2, len(position), 2))
    length, ratio = fit_covariance(measured, position + textures)
    assert length == pytest.approx(LENGTH, rel=0.25)
    assert ratio == pytest.approx(max(noise**2, 0.02), abs=0.06)
    before, after = (
        np.sqrt(np.mean((found - true) ** 2))
        for found in (measured, denoised(measured, position, textures))
    )
    assert after < 0.75 * before


def test_vectors_belong_to_the_textures_not_to_the_centres_of_blocks():
    position = grid()
    rng = np.random.default_rng(3)
    textures = rng.uniform(-10, 10, (2, len(position), 2))
    everywhere = np.concatenate([position, *(position + textures)])
    true = fields(everywhere)
    n = len(position)
    at_points = true[:, :n]
    at_textures = np.stack([true[:, n : 2 * n, 0], true[:, 2 * n :, 1]], axis=-1)
    measured = at_textures.astype(np.float32)
    found = denoised(measured, position, textures)
    naive = np.sqrt(np.mean((measured - at_points) ** 2))
    assert np.sqrt(np.mean((found - at_points) ** 2)) < naive / 3


def test_the_texture_of_a_block_is_found_for_each_axis():
    image = np.zeros((64, 64), np.float32)
    image[20:, :] += 1.0  # an edge across y, in row 20
    image[:, 40:] += 0.5  # one across x, in column 40
    (along_y, along_x) = texture_centres(image, np.array([[8, 16]]), 32)
    assert along_y[0, 0] == pytest.approx(19.5 - (8 + 16), abs=0.6)
    assert along_x[0, 1] == pytest.approx(39.5 - (16 + 16), abs=0.6)


def test_inactive_frames_stay_without_displacements():
    position = grid(3, 4)
    true = fields(position, 6).astype(np.float32)
    textures = np.zeros((2, 12, 2))
    nearest = nearest_textures(position, textures)
    weights = denoising_weights(true, position, textures, nearest)
    true[2] = np.nan
    found = denoise(true, weights, nearest)
    assert np.isnan(found[2]).all()
    assert not np.isnan(np.delete(found, 2, axis=0)).any()


def test_no_point_is_needed_and_few_are_enough():
    for n_points in (0, 1, 2, 5):
        position = grid()[:n_points]
        measured = np.ones((4, n_points, 2), np.float32)
        found = denoised(measured, position, np.zeros((2, n_points, 2)))
        np.testing.assert_allclose(found, measured, atol=1e-6)


def test_without_a_field_everything_is_noise():
    rng = np.random.default_rng(2)
    measured = rng.standard_normal((60, 168, 2)).astype(np.float32)
    position = grid()
    _, noise = fit_covariance(measured, position + np.zeros((2, 168, 2)))
    assert noise > 3
