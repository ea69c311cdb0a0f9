"""Where anchor blocks are placed."""

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.options import AlignOptions
from skry_dask.phases.alignment.anchor_blocks import (
    BORDER_PX,
    MAX_BLOCK_SIZE,
    MIN_BLOCK_SIZE,
    N_CELLS,
    choose_blocks,
    mean_points,
    overlapping_blocks,
    place_blocks,
)
from skry_dask.phases.rating.noise import local_noise_variance
from tests.small_captures import expose, texture


def place(frame, size=32):
    return place_blocks(frame, size, local_noise_variance(frame, size))


@pytest.mark.parametrize("shape", [(132, 132), (133, 250), (300, 200)])
def test_blocks_of_any_size_lie_inside_the_frame(shape):
    frame = expose(texture(*shape))
    for size in (16, 32, 64, 128):
        corners = place(frame, size)
        assert corners.dtype == np.int64
        assert len(corners) >= 1
        assert (corners >= 0).all()
        assert (corners + size <= shape).all()


def test_blocks_lie_apart_and_where_there_is_detail():
    light = np.full((240, 320), 0.3)
    light[:, 160:] = texture(240, 160)
    corners = place(expose(light))
    assert (corners[:, 1] + 32 > 160).all()
    assert len(np.unique(corners, axis=0)) == len(corners)
    assert len(corners) <= 0.6 * N_CELLS
    assert np.hypot(*(corners[1:] - corners[:-1]).T).min() >= 10


def test_a_straight_edge_gets_no_block():
    light = ndimage.gaussian_filter(np.where(np.arange(320) < 150, 0.1, 0.9), 1.2)
    assert len(place(expose(np.tile(light, (240, 1)), noise=0))) == 0


def test_blocks_grow_where_noise_hides_the_structure():
    light = texture(300, 400, scale=4) * 0.1 + 0.4
    clear, noisy = (
        choose_blocks(expose(light, noise=noise), AlignOptions()).blocks.full.size
        for noise in (0.5, 25)
    )
    assert clear == MIN_BLOCK_SIZE
    assert MIN_BLOCK_SIZE < noisy <= MAX_BLOCK_SIZE
    options = AlignOptions(anchor_size=48)
    assert choose_blocks(expose(light, noise=25), options).blocks.full.size == 48


def test_overlapping_blocks_reach_every_side_of_the_frame():
    corners = overlapping_blocks((120, 200), 32)
    assert corners.min() == BORDER_PX
    np.testing.assert_array_equal(corners.max(axis=0), [120 - 32 - BORDER_PX, 200 - 32 - BORDER_PX])
    assert np.diff(np.unique(corners[:, 0])).max() <= 32 // 4 + 2


def test_points_of_the_mean_lie_evenly_over_the_frame():
    for shape in ((240, 320), (30, 1000), (16, 16)):
        points = mean_points(shape)
        np.testing.assert_allclose(points.mean(axis=0), (np.array(shape) - 1) / 2)
        assert (points >= -0.5).all()
        assert (points <= np.array(shape) - 0.5).all()
