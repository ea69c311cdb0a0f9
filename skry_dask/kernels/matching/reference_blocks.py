"""Blocks of a reference image as linear filters: what tells how far a block has moved.

A block b that is seen a little displaced, by d, with another brightness and contrast, is

    f = g (b - grad b . d) + c + s . r

with gain g, level c and slopes s over the block. A filter that is the gradient of b with everything
that looks like b itself, a level or a slope taken out of it answers to d alone, and its answer is
-g H d: one Gauss-Newton step, of which all but the sums over f is known beforehand (the inverse
compositional algorithm: Baker & Matthews, "Lucas-Kanade 20 years on", Int. J. Computer Vision
56(3), 2004, 221-255). The gain, which seeing lowers and which noise would bias, is the answer of a
third filter, the gradient's adjoint applied to the first two: it compares the gradients of f and b.

The first filters are gradients of the block smoothed by [1 2 1] / 4, for frames are less sharp than
the reference and the finest detail of b would but collect noise: 0.67 px rms in place of 0.71 on a
simulated planet, the same on a Moon; a Gaussian of 1 px is as good, one of 2 px loses.

Filters are integers, so that their answers are exact; all else is sums and products in a fixed
order, which give the same bits on any machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from skry_dask.kernels.compilation.simd import lanes_for, zeros
from skry_dask.kernels.frame.binning import bin_by_2
from skry_dask.kernels.matching.block_ranges import for_each_in_order, split_blocks
from skry_dask.kernels.matching.filter_design import BLUR_REACH_PX, MARGIN_PX, Plane, make_filters

if TYPE_CHECKING:
    from skry_dask.kernels.matching.block_ranges import BlockRange, ForEach
    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames, IntArray

RUN_BITS = 11
"""So many products (as a power of two) are added up before the sum leaves 32 bits."""

DEEP_BITS = 10
"""Frames of more than 8 bits are matched in so many."""

BRIGHTEST = 99.9
"""Percentile of the reference image that counts as its brightest, hot pixels aside;"""

HEADROOM = 1.5
"""frames may be brighter by this factor before they are cut off."""


class BlockFilters(NamedTuple):
    """Filters of all blocks at one resolution.

    Parameters
    ----------
    size
        Side of a block, px of this resolution; a filter has one more px on every side.
    weights
        int16 (point, filter, weight): (size + 2)**2 of them, and zeros, so many that vectors are
        full; see `lanes_for`.
    step
        float64 (point, 4): the matrix that turns the answers of the first two filters into a
        displacement, row by row; NaN where a block has nothing to hold on to.
    gain, norm
        float64 (point): answer of the third filter to its own block, and the sum of squares of the
        fourth.
    """

    size: int
    weights: AnyArray
    step: FloatArray
    gain: FloatArray
    norm: FloatArray

    @classmethod
    def empty(cls, n: int, size: int) -> BlockFilters:
        """Make room for filters of so many blocks; they find nothing."""
        weights = zeros((n, 4, lanes_for((size + 2) ** 2)))
        return cls(size, weights, np.full((n, 4), np.nan), np.full(n, np.nan), np.full(n, np.nan))

    def part(self, points: slice) -> BlockFilters:
        """Take those of some blocks, as views."""
        return BlockFilters(self.size, *(values[points] for values in self[1:]))


class ReferenceBlocks(NamedTuple):
    """Blocks of a reference image, to be found in frames.

    Parameters
    ----------
    full, half
        Filters at full and at half resolution.
    down
        By how many bits samples are shifted before they are compared,
    top
        and the greatest value that they can have then.
    """

    full: BlockFilters
    half: BlockFilters
    down: int
    top: int

    def __len__(self) -> int:
        """Count the blocks."""
        return len(self.full.weights)


def make_reference_blocks(
    reference: Frames,
    corners: IntArray,
    size: int,
    smoothing: int = 1,
    *,
    for_each: ForEach = for_each_in_order,
) -> ReferenceBlocks:
    """Make filters of blocks of the reference image.

    Parameters
    ----------
    reference
        uint8 or uint16 (y, x), in the grey levels of the frames.
    corners
        int64 (point, axis), top left pixel of each block; blocks lie wholly inside.
    size
        Side of a block, px, even.
    smoothing
        How often gradients are smoothed by [1 2 1] / 4: once for a clean image, more for a noisy
        one.
    for_each
        Carries out the work on parts of the blocks, on several threads perhaps.

    Returns
    -------
    Blocks
    """
    down, bits = 0, 8
    if reference.dtype != np.uint8:
        bright = float(np.percentile(reference, BRIGHTEST)) if reference.size else 0.0
        down = max(0, int(bright * HEADROOM).bit_length() - DEEP_BITS)
        bits = DEEP_BITS
    top = (1 << bits) - 1
    peak = (1 << (31 - RUN_BITS - bits)) - 1
    n = len(corners)
    blocks = ReferenceBlocks(
        BlockFilters.empty(n, size), BlockFilters.empty(n, size // 2), down, top
    )

    planes = Plane.of(size, slopes=True), Plane.of(size // 2, slopes=False)
    around = MARGIN_PX + BLUR_REACH_PX + smoothing

    def cut(part: BlockRange) -> None:
        levels = np.minimum(reference[part.window] >> down, top).astype(reference.dtype)
        windows = sliding_window_view(levels, (size, size))
        halves = bin_by_2(windows[tuple(part.corners.T)]).astype(np.float32)
        own = np.pad(halves, ((0, 0), (MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX)), mode="edge")
        whole, corners, image = _surroundings(levels, part.corners, size, around)
        full, half = (filters.part(part.points) for filters in blocks[:2])
        make_filters(whole, image, corners, peak, smoothing, planes[0], full[1:])
        each = np.arange(len(halves))
        make_filters(own, each, part.corners * 0, peak, smoothing, planes[1], half[1:])

    for_each(cut, split_blocks(corners, size, around, reference.shape))
    return blocks


def _surroundings(
    levels: Frames, corners: IntArray, size: int, around: int
) -> tuple[Float32Array, IntArray, IntArray]:
    """Take what lies in and around blocks: all of an image or, where they are few, cut from it.

    Returns
    -------
    images
        float32 (image, y, x), with `MARGIN_PX` px more on every side.
    corners
        int64 (point, axis), place of each block in its image, padding aside.
    image
        int64 (point), which image it is in.
    """
    side = size + 2 * around
    if len(corners) * side**2 >= levels.size or side > min(levels.shape):
        whole = np.pad(levels.astype(np.float32), MARGIN_PX, mode="edge")
        return whole[None], corners, np.zeros(len(corners), np.int64)
    first = np.clip(corners - around, 0, np.array(levels.shape) - side)
    images = np.stack([levels[y : y + side, x : x + side] for y, x in first]).astype(np.float32)
    images = np.pad(images, ((0, 0), (MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX)), mode="edge")
    return images, corners - first, np.arange(len(corners))
