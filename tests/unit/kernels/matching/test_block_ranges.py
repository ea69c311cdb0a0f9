"""Ranges of a list of blocks: all blocks, each with its surroundings."""

import numpy as np
import pytest

from skry_dask.graph.threads import on_threads
from skry_dask.kernels.matching.block_ranges import (
    MAX_RANGES,
    MIN_BLOCKS,
    for_each_in_order,
    split_blocks,
)
from skry_dask.kernels.matching.reference_blocks import make_reference_blocks
from skry_dask.phases.tracking.kriging import texture_centres

SHAPE = (500, 480)


def grid(step):
    rows, columns = (slice(0, n - 15, step) for n in SHAPE)
    return np.stack(np.mgrid[rows, columns], -1).reshape(-1, 2)


def noise(dtype=np.uint8):
    return np.random.default_rng(1).integers(0, 250, SHAPE).astype(dtype)


def test_ranges_hold_every_block_once_with_its_surroundings():
    for n in (0, 1, MIN_BLOCKS, 2 * MIN_BLOCKS + 3, 40 * MIN_BLOCKS):
        corners = np.random.default_rng(0).integers(0, np.array(SHAPE) - 16, (n, 2))
        corners = corners[np.argsort(corners[:, 0])]
        ranges = split_blocks(corners, 16, 5, SHAPE)
        assert len(ranges) == min(MAX_RANGES, max(n // MIN_BLOCKS, 1), n)
        numbers = np.arange(n)
        listed = np.concatenate([[], *(numbers[blocks.points] for blocks in ranges)])
        np.testing.assert_array_equal(listed, numbers)
        for blocks in ranges:
            first, end = np.array([(side.start, side.stop) for side in blocks.window]).T
            own = corners[blocks.points]
            np.testing.assert_array_equal(blocks.corners + first, own)
            assert (first <= np.maximum(own - 5, 0)).all()
            assert (end >= np.minimum(own + 16 + 5, SHAPE)).all()
            assert (first >= 0).all()
            assert (end <= SHAPE).all()


@pytest.mark.parametrize(("step", "dtype"), [(16, np.uint8), (16, np.uint16), (90, np.uint8)])
def test_filters_of_a_block_do_not_depend_on_the_other_blocks(step, dtype):
    # Blocks close together are cut from a common image, those far apart from one of their own.
    image, corners = noise(dtype), grid(step)
    assert step > 50 or len(split_blocks(corners, 16, 9, SHAPE)) > 2
    blocks = make_reference_blocks(image, corners, 16)
    for i in (0, 1, len(corners) // 2, len(corners) - 1):
        alone = make_reference_blocks(image, corners[i : i + 1], 16)
        # Running sums begin elsewhere: weights may be rounded to the next integer.
        for one, other in ((blocks.full, alone.full), (blocks.half, alone.half)):
            np.testing.assert_allclose(one.weights[i], other.weights[0], rtol=0, atol=1)
            np.testing.assert_allclose(one.step[i], other.step[0], rtol=1e-3, atol=1e-12)


def test_threads_give_the_same_bits():
    image, corners = noise(), grid(16)
    ways = for_each_in_order, on_threads
    one, other = (make_reference_blocks(image, corners, 16, for_each=way) for way in ways)
    np.testing.assert_equal(tuple(one.full), tuple(other.full))
    np.testing.assert_equal(tuple(one.half), tuple(other.half))
    light = image.astype(np.float32)
    centres = [texture_centres(light, corners, 16, for_each=way) for way in ways]
    assert np.ptp(centres[0]) > 0.1
    np.testing.assert_array_equal(*centres)
