"""Contrast that bilinear interpolation takes from the mean, and that is restored."""

import dask.array as da
import numpy as np
import pytest

from skry_dask.geometry.canvas import Region
from skry_dask.geometry.mesh import TriangleMesh
from skry_dask.phases.stacking.interpolation_loss import (
    FULL_STRENGTH,
    VARIANCE_STEP,
    interpolation_blur,
    restore_contrast,
)

REGION = Region(3, 5, 40, 60)


def mesh_of_few_points():
    """Triangulate three points."""
    return TriangleMesh.of_points(np.array([(15.0, 20.0), (30.0, 50.0), (22.0, 35.0)]), REGION)


def blur_at(shift, mesh, *, n_frames=4, selected=None):
    """Add up the blur of frames that are all shifted by the same vector (y, x), px."""
    motion = np.full((n_frames, len(mesh.corners), 2), shift, float)
    if selected is None:
        selected = np.ones((n_frames, 1, len(mesh.triangles)), bool)
    lazy = da.from_array(motion, chunks=(3, -1, -1))
    return interpolation_blur(selected, lazy, mesh).compute()


def blur_of_random_frames():
    """Sums of blur of frames at random positions."""
    return np.array([[[round(1000 / 6 / VARIANCE_STEP), 1000]] * 2])


def test_frames_on_whole_pixels_lose_nothing_and_stay_as_they_are():
    mesh = mesh_of_few_points()
    blur = blur_at((7.0, -3.0), mesh)
    np.testing.assert_array_equal(blur[0, :, 0], [0, 0])
    image = np.random.default_rng(0).normal(size=(1, 20, 30)).astype(np.float32)
    np.testing.assert_array_equal(restore_contrast(image, blur), image)


def test_frames_half_way_between_pixels_lose_most_along_that_axis_only():
    mesh = mesh_of_few_points()
    blur = blur_at((0.5, 2.0), mesh)
    np.testing.assert_array_equal(blur[0, :, 1], 4 * 40 * 60)
    np.testing.assert_allclose(
        blur[0, :, 0] * VARIANCE_STEP / blur[0, :, 1], [0.25, 0.0], atol=1e-6
    )


def test_only_selected_fragments_count():
    mesh = mesh_of_few_points()
    selected = np.zeros((2, 1, len(mesh.triangles)), bool)
    selected[1, 0, 2] = True
    blur = blur_at((0.5, 0.5), mesh, n_frames=2, selected=selected)
    np.testing.assert_array_equal(blur[0, :, 1], mesh.n_pixels[2])


def test_the_blur_does_not_depend_on_chunks():
    mesh = mesh_of_few_points()
    rng = np.random.default_rng(1)
    motion = rng.normal(size=(9, len(mesh.corners), 2))
    selected = rng.uniform(size=(9, 2, len(mesh.triangles))) < 0.5
    one, other = (
        interpolation_blur(selected, da.from_array(motion, chunks=(n, 2, 1)), mesh).compute()
        for n in (2, 9)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("period", [4, 6, 10, 20])
def test_the_mean_of_frames_at_random_positions_has_the_contrast_of_one(period):
    wave = np.cos(2 * np.pi * np.arange(240) / period)
    mean = np.mean([resampled(t, period) for t in (np.arange(200) + 0.5) / 200], axis=0)
    image = np.tile(mean.astype(np.float32), (1, 30, 1))
    restored = restore_contrast(image, blur_of_random_frames())[0, 15, 40:200]
    assert np.ptp(restored) / np.ptp(wave) == pytest.approx(1.0, abs=0.04)
    assert np.ptp(mean) < np.ptp(wave)


def resampled(t, period):
    """Resample a wave that is shifted by t px back onto the canvas."""
    x = np.arange(241)
    frame = np.cos(2 * np.pi * (x - t) / period)
    return (1 - t) * frame[:-1] + t * frame[1:]


def test_pixels_beside_missing_ones_are_not_changed_by_them():
    image = np.full((1, 9, 9), 0.25, np.float32)
    image[0, :3] = np.nan
    restored = restore_contrast(image, blur_of_random_frames())
    np.testing.assert_array_equal(np.isnan(restored), np.isnan(image))
    assert (restored[0, 3:] == np.float32(0.25)).all()


def test_a_bright_pixel_grows_by_as_much_as_its_neighbours_lose():
    image = np.zeros((1, 7, 7), np.float32)
    image[0, 3, 3] = 1
    restored = restore_contrast(image, blur_of_random_frames())[0]
    assert restored[3, 3] == pytest.approx((1 + 2 * FULL_STRENGTH) ** 2, rel=1e-3)
    assert restored.sum() == pytest.approx(1.0, rel=1e-5)
