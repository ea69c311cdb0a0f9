"""Likeness of blocks: Pearson's correlation of what both thumbnails show."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.kernels.matching import block_likeness as module
from skry_dask.kernels.matching.block_likeness import UNKNOWN, block_likeness
from tests import reference
from tests.small_captures import texture

_kernels = reference.both_ways(module)

SHAPE = 52, 67


@pytest.mark.parametrize("shift", [(0.0, 0.0), (2.25, -3.5), (-20.0, 9.5), (60.0, 0.0)])
def test_it_is_the_correlation_of_blocks_that_are_shown_by_half(shift):
    scene, other = (texture(*SHAPE, seed).astype(np.float32) for seed in (1, 2))
    other = 40 * (ndimage.shift(scene, shift, order=1) + 0.3 * other) + 7
    (found,) = block_likeness(scene, other[None], np.array([shift]))
    y, x = np.indices(SHAPE)
    at = [y + shift[0], x + shift[1]]
    back = ndimage.map_coordinates(other, at, order=1, mode="nearest")
    inside = [(a >= 0) & (np.floor(a) < n - 1) for a, n in zip(at, SHAPE, strict=True)]
    rows, columns = (np.arange(9) * n // 8 for n in SHAPE)
    for block, likeness in enumerate(found):
        i, j = divmod(block, 8)
        part = (slice(rows[i], rows[i + 1], 2), slice(columns[j], columns[j + 1]))
        shown = (inside[0] & inside[1])[part]
        if 2 * shown.sum() < shown.size:
            assert likeness == UNKNOWN
        else:
            expected = 100 * np.corrcoef(scene[part][shown], back[part][shown])[0, 1]
            assert likeness == pytest.approx(expected, abs=0.6)


def test_a_flat_block_is_like_nothing():
    scene = texture(*SHAPE).astype(np.float32)
    flat = np.full((1, *SHAPE), 7, np.float32)
    assert (block_likeness(scene, flat, np.zeros((1, 2))) == 0).all()
    assert (block_likeness(flat[0], scene[None], np.zeros((1, 2))) == 0).all()
