"""Reference points are found in frames, and wrong vectors are rejected."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.capture.calibration.develop import Developer
from skry_dask.geometry.canvas import Region
from skry_dask.options import TrackOptions
from skry_dask.phases.tracking.displacement_field import INACTIVE, MISSING
from skry_dask.phases.tracking.point_matching import ReferencePoints, is_measured, match_points
from tests.small_captures import expose, noise_frame, texture

REGION = Region(20, 24, 150, 180)
LIGHT = texture(190, 230)
OPTIONS = TrackOptions(block_size=32, search_radius=8)
DEVELOPER = Developer("uint8", black=0, white=255)


@pytest.fixture(scope="module")
def points():
    frame = expose(LIGHT, noise=0)
    reference = REGION.window(frame, np.zeros(2)).astype(np.float32) / 255
    return ReferencePoints.of_image(reference, REGION, OPTIONS, DEVELOPER)


def vectors_of(measured, points):
    return measured * points.measured.step


def test_vectors_are_relative_to_the_offset(points):
    for offset, shift in (((0.0, 0.0), (2, -3)), ((2.3, -3.4), (2, -3)), ((-6.0, 5.0), (-4, 7))):
        frame = expose(np.roll(LIGHT, shift, axis=(0, 1)), seed=1)
        (measured,) = match_points(frame[None], np.array([offset]), np.ones(1, bool), points)
        expected = np.array(shift) - offset
        errors = vectors_of(measured, points) - expected
        assert is_measured(measured[None]).mean() > 0.95
        assert np.median(np.abs(errors)) < 0.05


def test_a_vector_that_disagrees_with_its_neighbours_is_rejected(points):
    light = LIGHT.copy()
    y, x = points.position[len(points.position) // 2]
    patch = (slice(y - 20, y + 20), slice(x - 20, x + 20))
    light[patch] = ndimage.shift(LIGHT, (5, 0), order=1)[patch]
    (measured,) = match_points(expose(light)[None], np.zeros((1, 2)), np.ones(1, bool), points)
    middle = np.abs(points.position - [y, x]).max(axis=1) == 0
    assert (measured[middle] == MISSING).all()
    assert (measured[:, 0] > INACTIVE).mean() > 0.8


def test_points_are_missing_in_noise(points):
    noise = noise_frame((190, 230))
    measured = match_points(noise[None], np.zeros((1, 2)), np.ones(1, bool), points)
    assert is_measured(measured).mean() < 0.1


def test_inactive_frames_are_not_searched(points):
    frames = np.stack([expose(LIGHT, seed=i) for i in range(3)])
    offset = np.full((3, 2), np.nan)
    offset[1] = 0
    measured = match_points(frames, offset, np.array([False, True, False]), points)
    assert (measured[[0, 2]] == INACTIVE).all()
    assert is_measured(measured)[1].mean() > 0.95
    assert not is_measured(measured)[[0, 2]].any()
