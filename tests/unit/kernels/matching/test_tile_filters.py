"""Tiles found by filters, and how much of them a frame shows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.matching.tile_filters import _match_tiles, match_tiles
from skry_dask.phases.refining.tiles import design_tile_filters
from tests.small_captures import expose, noise_frame, texture

CORNERS = np.array([(20, 24), (33, 41)])
SIDE = 64


@pytest.fixture(scope="module")
def light():
    return texture(130, 140, scale=2.5)


@pytest.fixture(scope="module")
def filters(light):
    tiles = np.stack([light[y : y + SIDE, x : x + SIDE] for y, x in CORNERS])
    return design_tile_filters(tiles, (1.5 / 255) ** 2, 0.15)[0]


def find(frame, filters, shift=(0, 0), white=255):
    expected = (CORNERS + np.array(shift, float))[None]
    return match_tiles(frame[None], expected, filters, (0, white), 3.0)[0]


@pytest.mark.parametrize("white", [255, 4095, 65535])
def test_shifts_are_found_to_a_tenth_of_a_pixel(light, filters, white):
    for shift in ((0, 0), (1, -2), (0.4, -0.7), (1.5, 1.2)):
        frame = expose(ndimage.shift(light, shift, order=5, mode="nearest"), white=white)
        found = find(frame, filters, white=white)
        np.testing.assert_allclose(found[:, :2], np.tile(shift, (2, 1)), atol=0.1)
        np.testing.assert_allclose(found[:, 2:], 1, atol=0.15)


def test_quality_is_what_a_frame_shows_of_the_detail(light, filters):
    sharp = find(expose(light), filters)[:, 3]
    blurred = find(expose(ndimage.gaussian_filter(light, 2.5)), filters)[:, 3]
    faint = find(expose(0.25 + light / 2), filters)[:, 3]
    noise = find(noise_frame(light.shape), filters)[:, 3]
    assert (blurred < 0.6 * sharp).all()
    np.testing.assert_allclose(faint, sharp / 2, rtol=0.1)
    assert (noise < 0.15).all()


def test_brightness_moves_no_tile(light, filters):
    dark, bright = (find(expose(0.5 * light + level, noise=0), filters) for level in (0, 0.4))
    np.testing.assert_allclose(dark[:, :3], bright[:, :3], atol=0.03)


def test_tiles_that_are_far_off_are_unlike_and_outside_the_frame_not_found(light, filters):
    frame = expose(light)
    assert (np.nan_to_num(find(frame, filters, shift=(9, 9))[:, 2:]) < 0.3).all()
    outside = find(frame, filters, shift=(60, 0))
    assert np.isnan(outside[:, 0]).all()
    assert (outside[:, 3] == 0).all()


def test_a_tile_at_the_border_is_found_where_the_frame_ends(light, filters):
    frame = expose(light)[20:]
    found = find(frame, filters, shift=(-21, 0))
    np.testing.assert_allclose(found[0, :2], (1, 0), atol=0.05)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_matches_are_those_of_the_kernel_in_python(light, filters, dtype, monkeypatch):
    frame = expose(light).astype(dtype)
    compiled = find(frame, filters, shift=(1, 0))
    monkeypatch.setattr(
        "skry_dask.kernels.matching.tile_filters._match_tiles", _match_tiles.py_func
    )
    np.testing.assert_array_equal(find(frame, filters, shift=(1, 0)), compiled)
