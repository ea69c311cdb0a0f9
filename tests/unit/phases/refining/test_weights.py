"""How many frames count, and how quality is blended."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from skry_dask.phases.refining.tile_motion import UNUSED
from skry_dask.phases.refining.weights import (
    RefinedPoints,
    mean_geometry,
    quality_levels,
    sum_geometry,
)

CENTRES = np.stack(np.meshgrid(np.arange(3.0), np.arange(4.0), indexing="ij"), -1) * 16 + 31.5

BESIDE = [(31.5, 31.5 - d) for d in (17, 24, 31)]
"""Reference points at these distances from the first tile, px."""


def points_for(n_frames):
    tiles = SimpleNamespace(centres=CENTRES.reshape(-1, 2), filters=SimpleNamespace(side=64))
    return RefinedPoints.of(tiles, np.array([(40.0, 40.0), *BESIDE, (200.0, 200.0)]), n_frames)


def weigh(quality):
    """Weights of frames whose quality is the same at all tiles, as numbers from 0 to 1."""
    measured = np.zeros((len(quality), 12, 3), np.int16)
    measured[:, :, 2] = np.rint(4096 * np.asarray(quality))[:, None]
    points = points_for(len(quality))
    weight = points.weights(measured, quality_levels(measured, points))
    assert (weight == weight[:, :1]).all()
    return weight[:, 0] / 255


@pytest.mark.parametrize(("n_frames", "n_counted"), [(30, 30), (50, 49), (100, 49), (400, 160)])
def test_of_few_frames_all_count_of_many_the_best(n_frames, n_counted):
    quality = np.linspace(0.6, 1.4, n_frames)
    weight = weigh(quality)
    full = (quality / quality.max()) ** 3.5
    # At the cut weights fall to a half.
    assert abs(int((weight > 0.5 * full - 0.002).sum()) - n_counted) <= 2


def test_weights_grow_with_quality_and_the_best_frame_counts_fully():
    weight = weigh(np.linspace(0, 2, 80))
    assert (np.diff(weight) >= 0).all()
    assert weight[0] == 0
    assert weight[-1] == 1


def test_frames_with_far_more_than_all_others_show_leave_them_their_weight():
    weight = weigh([*np.linspace(0.8, 1.2, 40), 7, 7])
    assert (weight[:40] > 0).all()
    assert (weight[40:] == 1).all()


def test_tiles_share_their_quality_with_their_neighbours():
    measured = np.zeros((1, 12, 3), np.int16)
    measured[0, 5, 2] = 4096
    quality = points_for(1).quality(measured)[0].reshape(3, 4)
    assert quality[1, 1] == quality.max() < 1
    assert quality[1, 2] == pytest.approx(quality[1, 1] * np.exp(-0.5 * (16 / 12) ** 2), rel=0.5)
    assert 0 < quality[0, 3] < 0.1


def test_reference_points_far_from_tiles_stay_points():
    position = points_for(9).position
    assert (position[:12] == CENTRES.reshape(-1, 2)).all()
    assert position[12:].tolist() == [[*place] for place in (*BESIDE, (200, 200))]


def test_reference_points_beside_tiles_are_corrected_less_the_farther_off_they_are():
    points = points_for(9)
    measured = np.zeros((1, 12, 3), np.int16)
    measured[:, :, 1] = 8192
    moved = points.displacements(measured, np.zeros((1, 5, 2), np.float32))[0]
    assert not moved[:, 0].any()
    np.testing.assert_allclose(moved[:12, 1], 1)
    np.testing.assert_allclose(moved[12:, 1], [0.45, 0.15, 0.0, 0.0], atol=0.01)


def test_tiles_are_judged_by_the_frames_that_show_them():
    quality = np.linspace(0.6, 1.4, 100)
    measured = np.full((300, 12, 3), UNUSED, np.int16)
    of_column = np.arange(12) % 4
    measured[:100, of_column == 0] = np.rint(4096 * quality)[:, None, None]
    measured[100:, of_column == 3] = np.rint(4096 * np.linspace(0.6, 1.4, 200))[:, None, None]
    points = points_for(300)
    weight = points.weights(measured, quality_levels(measured, points))[:, :12] / 255
    assert not weight[100:, of_column == 0].any()
    assert not weight[:100, of_column == 3].any()
    # Of 100 frames 49 count, of 200 the best 40 %, which are 80.
    for column, frames, n_counted in ((0, slice(100), 49), (3, slice(100, 300), 80)):
        of_tile = weight[frames, of_column == column][:, 0]
        level = np.linspace(0.6, 1.4, len(of_tile))
        full = (level / level.max()) ** 3.5
        assert abs(int((of_tile > 0.5 * full - 0.002).sum()) - n_counted) <= 2


def test_the_mean_geometry_is_that_of_the_frames_that_show_a_point():
    measured = np.full((4, 12, 3), UNUSED, np.int16)
    of_column = np.arange(12) % 4
    measured[:2, of_column == 0] = [8192, 0, 4096]
    measured[2:, of_column == 3] = [0, 16384, 4096]
    points = points_for(4)
    tracked = np.zeros((4, 5, 2), np.float32)
    mean = mean_geometry(sum_geometry(measured, tracked, points)[0])
    np.testing.assert_allclose(mean[0], [1, 0, 1])
    np.testing.assert_allclose(mean[3], [0, 2, 1])
