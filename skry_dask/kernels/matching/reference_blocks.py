"""Blocks of a reference image as linear filters that tell how far a block has moved.

A block b that is seen displaced by a small d, with another brightness and contrast, is

    f = g (b - grad b . d) + c + s . r

with gain g, level c and slopes s over the block. A filter that is the gradient of b without
anything that looks like b itself, like a level or like a slope, answers to d alone. Its answer is
-g H d: one Gauss-Newton step, of which all but the sums over f is known beforehand (the inverse
compositional algorithm: Baker & Matthews, "Lucas-Kanade 20 years on", Int. J. Computer Vision
56(3), 2004, 221-255). Blur has its own effect on b, which is taken out, too: otherwise blurred
frames pull the mean geometry, and the stack of a planet has 54.3 dB in place of 57.3. The gain,
which seeing lowers and noise would bias, is the answer of a third filter, the adjoint of the
gradient applied to the first two: it compares the gradients of f and b.

The first filters are gradients of the block smoothed with [1 2 1] / 4, because frames are less
sharp than the reference, and the finest detail of b would only collect noise: 0.67 px rms in place
of 0.71 on a simulated planet, the same on a Moon. A Gaussian of 1 px is as good, one of 2 px worse.

Filters are integers, so that their answers are exact. Everything else is sums and products in a
fixed order, which have the same bits on any machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.frame.binning import bin_by_2
from skry_dask.kernels.matching.block_ranges import for_each_in_order, split_blocks
from skry_dask.kernels.matching.filter_design import (
    BLUR_REACH_PX,
    MARGIN_PX,
    PlaneBasis,
    design_filters,
)
from skry_dask.kernels.simd.int16 import aligned_zeros, padded_int16

if TYPE_CHECKING:
    from skry_dask.kernels.matching.block_ranges import BlockRange, ForEach
    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames, IntArray

N_FILTERS = 4

SUM_BITS = 11
"""``2**SUM_BITS`` products are summed in 32 bits; their sum is then added to one of 64 bits."""

MAX_BITS = 10
"""Frames of more than 8 bits are reduced to this many to be matched."""

WHITE_PERCENTILE = 99.9
"""Percentile of the reference image that counts as its brightest level, hot pixels aside."""

HEADROOM = 1.5
"""Frames may be brighter than the reference image by this factor before they are clipped."""


class BlockFilters(NamedTuple):
    """Filters of all blocks at one resolution.

    Parameters
    ----------
    size
        Side of a block, px of this resolution. A filter has one more pixel on every side.
    weights
        int16 (point, filter, weight): (size + 2)**2 weights, padded with zeros to whole vectors.
    step
        float64 (point, 4): the matrix that turns the answers of the filters of displacements into a
        displacement, row by row; NaN if a block has nothing to find it by.
    gain, norm
        float64 (point): answer of the contrast filter to its own block, and the sum of squares of
        the template.
    """

    size: int
    weights: AnyArray
    step: FloatArray
    gain: FloatArray
    norm: FloatArray

    @classmethod
    def empty(cls, n: int, size: int) -> BlockFilters:
        """Allocate filters of n blocks, which find nothing yet."""
        weights = aligned_zeros((n, N_FILTERS, padded_int16((size + 2) ** 2)))
        return cls(size, weights, np.full((n, 4), np.nan), np.full(n, np.nan), np.full(n, np.nan))

    def select(self, points: slice) -> BlockFilters:
        """View the filters of some blocks."""
        return BlockFilters(self.size, *(values[points] for values in self[1:]))


class ReferenceBlocks(NamedTuple):
    """Blocks of a reference image, to be found in frames.

    Parameters
    ----------
    full, half
        Filters at full and at half resolution.
    shift
        Number of bits by which samples are shifted right before they are compared.
    white
        Maximum of samples after that.
    """

    full: BlockFilters
    half: BlockFilters
    shift: int
    white: int

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self.full.weights)


def make_reference_blocks(
    reference: Frames,
    corners: IntArray,
    size: int,
    n_smoothings: int = 1,
    *,
    for_each: ForEach = for_each_in_order,
) -> ReferenceBlocks:
    """Make the filters of blocks of the reference image.

    Parameters
    ----------
    reference
        uint8 or uint16 (y, x), in the grey levels of the frames.
    corners
        int64 (point, axis), top left pixel of each block; blocks lie entirely inside.
    size
        Side of a block, px, even.
    n_smoothings
        How often gradients are smoothed with [1 2 1] / 4: once for a clean image, more often for a
        noisy one.
    for_each
        Calls a function for each range of blocks, possibly on several threads.

    Returns
    -------
    ReferenceBlocks
    """
    shift, bits = 0, 8
    if reference.dtype != np.uint8:
        bright = float(np.percentile(reference, WHITE_PERCENTILE)) if reference.size else 0.0
        shift = max(0, int(bright * HEADROOM).bit_length() - MAX_BITS)
        bits = MAX_BITS
    white = (1 << bits) - 1
    peak = (1 << (31 - SUM_BITS - bits)) - 1
    n = len(corners)
    full_size, half_size = BlockFilters.empty(n, size), BlockFilters.empty(n, size // 2)
    planes = PlaneBasis.for_size(size, slopes=True), PlaneBasis.for_size(size // 2, slopes=False)
    reach = MARGIN_PX + BLUR_REACH_PX + n_smoothings

    def make(blocks: BlockRange) -> None:
        levels = np.minimum(reference[blocks.window] >> shift, white).astype(reference.dtype)
        cut = sliding_window_view(levels, (size, size))[tuple(blocks.corners.T)]
        halves = bin_by_2(cut).astype(np.float32)
        margin = (MARGIN_PX, MARGIN_PX)
        halves = np.pad(halves, ((0, 0), margin, margin), mode="edge")
        images, corners, image = _surroundings(levels, blocks.corners, size, reach)
        full, half = (filters.select(blocks.points) for filters in (full_size, half_size))
        design_filters(images, image, corners, peak, n_smoothings, planes[0], full[1:])
        each, origin = np.arange(len(halves)), np.zeros_like(blocks.corners)
        design_filters(halves, each, origin, peak, n_smoothings, planes[1], half[1:])

    for_each(make, split_blocks(corners, size, reach, reference.shape))
    return ReferenceBlocks(full_size, half_size, shift, white)


def _surroundings(
    levels: Frames, corners: IntArray, size: int, reach: int
) -> tuple[Float32Array, IntArray, IntArray]:
    """Take the pixels in and around blocks: the whole image or, for few blocks, cut-outs.

    Returns
    -------
    images
        float32 (image, y, x), with `MARGIN_PX` more on every side.
    corners
        int64 (point, axis), top left pixel of each block in its image, margin aside.
    image
        int64 (point), the image in which each block lies.
    """
    side = size + 2 * reach
    if len(corners) * side**2 >= levels.size or side > min(levels.shape):
        whole = np.pad(levels.astype(np.float32), MARGIN_PX, mode="edge")
        return whole[None], as_argument(corners), np.zeros(len(corners), np.int64)
    first = np.clip(corners - reach, 0, np.array(levels.shape) - side)
    images = np.stack([levels[y : y + side, x : x + side] for y, x in first]).astype(np.float32)
    margin = (MARGIN_PX, MARGIN_PX)
    images = np.pad(images, ((0, 0), margin, margin), mode="edge")
    return images, as_argument(corners - first), np.arange(len(corners))
