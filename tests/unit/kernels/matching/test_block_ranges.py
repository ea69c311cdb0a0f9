"""Parts of a list of blocks: all of them, each with its surroundings."""

import numpy as np
import pytest

from skry_dask.graph.threads import on_threads
from skry_dask.kernels.matching.block_ranges import (
    MOST_PARTS,
    PART,
    for_each_in_order,
    split_blocks,
)
from skry_dask.kernels.matching.reference_blocks import make_reference_blocks
from skry_dask.phases.tracking.kriging import texture_centres

SHAPE = (700, 640)


def grid(step):
    return np.stack(np.mgrid[0 : SHAPE[0] - 15 : step, 0 : SHAPE[1] - 15 : step], -1).reshape(-1, 2)


@pytest.mark.parametrize("n", [0, 1, PART, 2 * PART + 3, 40 * PART])
def test_parts_hold_every_block_once_and_what_is_around_it(n):
    corners = np.random.default_rng(0).integers(0, np.array(SHAPE) - 16, (n, 2))
    corners = corners[np.argsort(corners[:, 0])]
    parts = split_blocks(corners, 16, 5, SHAPE)
    assert len(parts) == min(MOST_PARTS, max(n // PART, 1), n)
    numbers = np.arange(n)
    np.testing.assert_array_equal(
        np.concatenate([[], *(numbers[p.points] for p in parts)]), numbers
    )
    for part in parts:
        origin = np.array([side.start for side in part.window])
        end = np.array([side.stop for side in part.window])
        own = corners[part.points]
        np.testing.assert_array_equal(part.corners + origin, own)
        assert (origin <= np.maximum(own - 5, 0)).all()
        assert (end >= np.minimum(own + 16 + 5, SHAPE)).all()
        assert (origin >= 0).all()
        assert (end <= SHAPE).all()


@pytest.mark.parametrize(("step", "dtype"), [(20, np.uint8), (20, np.uint16), (90, np.uint8)])
def test_filters_are_those_of_blocks_cut_one_by_one(step, dtype):
    """Close together, blocks are cut from a common image; far apart, each from its own."""
    image = np.random.default_rng(1).integers(0, 250, SHAPE).astype(dtype)
    corners = grid(step)
    assert step > 50 or len(split_blocks(corners, 16, 9, SHAPE)) > 2
    blocks = make_reference_blocks(image, corners, 16)
    for i in [0, 1, len(corners) // 2, len(corners) - 1]:
        alone = make_reference_blocks(image, corners[i : i + 1], 16)
        # Running sums begin elsewhere: weights may be rounded to the next integer.
        for one, other in ((blocks.full, alone.full), (blocks.half, alone.half)):
            np.testing.assert_allclose(one.weights[i], other.weights[0], rtol=0, atol=1)
            np.testing.assert_allclose(one.step[i], other.step[0], rtol=1e-3, atol=1e-12)


def test_threads_change_nothing():
    image = np.random.default_rng(2).integers(0, 250, SHAPE).astype(np.uint8)
    corners = grid(20)
    one, other = (
        make_reference_blocks(image, corners, 16, for_each=s)
        for s in (for_each_in_order, on_threads)
    )
    for a, b in ((one.full, other.full), (one.half, other.half)):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)
    light = image.astype(np.float32)
    places = [
        texture_centres(light, corners, 16, for_each=s) for s in (for_each_in_order, on_threads)
    ]
    assert np.ptp(places[0]) > 0.1
    np.testing.assert_array_equal(*places)
