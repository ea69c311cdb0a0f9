"""Anchor blocks: blocks of a frame that can be found again in other frames.

Where noise hides the structure, blocks are made larger until enough of them stand out of it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.kernels.frame.binning import bin_pixels
from skry_dask.kernels.frame.box_means import box_means
from skry_dask.kernels.matching.filter_design import block_variances
from skry_dask.kernels.matching.reference_blocks import make_reference_blocks
from skry_dask.phases.alignment.thumbnails import make_thumbnails, subtract_local_mean
from skry_dask.phases.rating.noise import local_noise_variance, noise_variance

if TYPE_CHECKING:
    from skry_dask.kernels.matching.reference_blocks import ReferenceBlocks
    from skry_dask.options import AlignOptions, Positions
    from skry_dask.types import Float32Array, FloatArray, Frames, IntArray

MIN_BLOCK_SIZE = 32
"""Side of a block where noise does not hide the structure, px."""

MAX_BLOCK_SIZE = 128
"""Largest side to which blocks are doubled in noise, px."""

SIGNIFICANCE = 6.0
"""A block is found where its correlation exceeds this many times 1 / block side, the standard
deviation of its correlation with white noise."""

CLEAR_RATIO = 1.5
"""A block is clear where noise leaves a correlation this many times the one that finds it."""

MIN_CLEAR_SHARE = 0.5
"""Blocks are large enough where at least this share of them is clear."""

NOISY_SHARE = 0.5
"""Noise hides structure where it is at least this share of the frame's variance."""

MIN_NOISY_BLOCKS = 8
"""Where noise hides structure, blocks cover the whole frame if fewer than this were placed."""

SMOOTHINGS = 4
"""Number of times a frame is smoothed before gradients are taken; see `make_reference_blocks`."""

N_CELLS = 100
"""Approximate number of cells of the grid that gets at most one anchor per cell."""

MIN_STRENGTH_IN_CELL = 0.3
"""Strength of a suitable place, as a fraction of the strongest in its cell."""

MIN_STRENGTH_ABOVE_NOISE = 1.5
"""Strength of a suitable place, as a multiple of that of noise alone. (3 leaves too little of a
noisy frame: offsets 2.0 px off instead of 0.25 px.)"""

MIN_EIGENVALUE_RATIO = 0.01
"""Least ratio of the smaller eigenvalue to the mean of both: below it lies a limb, along which
blocks slide. (The limb of a planet has 0.02 at a radius of 100 px and 0.001 at 400 px.)"""

MIN_STRENGTH_BESIDE_LIMB = 0.002
"""Strength of a suitable place, as a fraction of the strongest gradient in the frame."""

N_MEAN_POINTS = 500
"""Approximate number of points over which the mean of a frame is taken."""

BORDER_PX = 3
"""Width of the frame's border without blocks, so that they can be found in their own place, px."""


class AnchorBlocks(NamedTuple):
    """Blocks of a frame that can be found again.

    Parameters
    ----------
    corners
        int64 (anchor, axis), top left pixels, px.
    blocks
        The blocks, cut from the frame.
    max_correlation
        float64 (anchor), the correlation that the noise in the block allows, 0 to 1.
    """

    corners: IntArray
    blocks: ReferenceBlocks
    max_correlation: FloatArray


def choose_blocks(
    frame: Frames, options: AlignOptions, object_area: float | None = None
) -> AnchorBlocks:
    """Choose blocks of a frame, as large as noise makes necessary, or around the user's anchors.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x).
    options
        Of the align phase.
    object_area
        Area on which the blocks lie, px [default: the frame's]; it sets the size of the grid cells
        only.
    """
    flattened = subtract_local_mean(frame, make_thumbnails(frame))
    given = options.anchors
    size = options.anchor_size or MIN_BLOCK_SIZE
    while True:
        noise = local_noise_variance(flattened, size)
        corners = (
            given_blocks(given, size, frame.shape)
            if given
            else place_blocks(flattened, size, noise, object_area)
        )
        can_grow = 2 * size + 2 * BORDER_PX <= min(MAX_BLOCK_SIZE + 2 * BORDER_PX, *frame.shape)
        hidden = float(noise.mean()) > NOISY_SHARE * float(flattened.var()) and not given
        too_few = hidden and len(corners) < MIN_NOISY_BLOCKS
        if too_few and not can_grow:
            corners = overlapping_blocks(frame.shape, size)
            corners = corners[_max_correlation(frame, corners, size, noise) > SIGNIFICANCE / size]
        max_correlation = _max_correlation(frame, corners, size, noise)
        clear = max_correlation > CLEAR_RATIO * SIGNIFICANCE / size
        enough = len(corners) > 0 and clear.mean() > MIN_CLEAR_SHARE and not too_few
        if options.anchor_size or enough or not can_grow:
            blocks = make_reference_blocks(frame, corners, size, SMOOTHINGS)
            return AnchorBlocks(corners, blocks, max_correlation)
        size *= 2


def place_blocks(
    frame: Frames, size: int, noise: FloatArray, object_area: float | None = None
) -> IntArray:
    """Place blocks that can be found again in every direction, at most one per cell of a grid.

    The smaller eigenvalue of the summed gradient products is the strength of a place (Shi & Tomasi,
    "Good features to track", CVPR 1994, 593-600). It has to stand out of what noise alone gives.
    Of the suitable places of a cell the one nearest to the centre is taken. The strongest ones,
    which often lie beside each other at the border of two cells, gave offsets 0.10 px off instead
    of 0.07 px.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x), without slow variations.
    size
        Side of a block, px.
    noise
        Float (y, x), from `local_noise_variance`.
    object_area
        See `choose_blocks`.

    Returns
    -------
    int64 (anchor, axis), top left pixels of the blocks, px.
    """
    strength, strongest_gradient = _strength(frame, size, noise)
    limit = max(
        0.02 * float(np.percentile(strength, 95)), MIN_STRENGTH_BESIDE_LIMB * strongest_gradient
    )
    height, width = frame.shape
    cell = cell_side(object_area or height * width, size)
    centres = []
    for top, bottom in _cells(height, cell, size):
        for left, right in _cells(width, cell, size):
            in_cell = strength[top // 2 : bottom // 2 + 1, left // 2 : right // 2 + 1]
            suitable = np.argwhere(
                in_cell > max(limit, MIN_STRENGTH_IN_CELL * float(in_cell.max()))
            )
            if len(suitable):
                from_centre = suitable - (np.array(in_cell.shape) - 1) / 2
                y, x = suitable[(from_centre**2).sum(axis=1).argmin()]
                centres.append([2 * (top // 2 + int(y)), 2 * (left // 2 + int(x))])
    corners = np.array(centres, np.int64).reshape(-1, 2) - size // 2
    return np.clip(corners, BORDER_PX, np.array([height, width]) - size - BORDER_PX)


def _strength(frame: Frames, size: int, noise: FloatArray) -> tuple[FloatArray, float]:
    """Find the strength of the block around each pixel at half resolution.

    Returns
    -------
    Float (y, x), 0 on limbs; and the largest mean of both eigenvalues.
    """
    levels = bin_pixels(frame, 2)
    half = levels.astype(np.float32)
    gy, gx = _sobel(half)
    yy, xx, yx = (box_means(product, size // 2) for product in (gy * gy, gx * gx, gy * gx))
    mean_eigenvalue, half_difference = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    even = tuple(slice(0, 2 * n, 2) for n in half.shape)
    noise_of_half = np.maximum(noise_variance(levels), noise[even] / 4)
    # White noise of variance 1 has the smaller eigenvalue 12 / 64 after the Sobel operator.
    of_noise = MIN_STRENGTH_ABOVE_NOISE * noise_of_half * 12 / 64
    strength = mean_eigenvalue - half_difference - of_noise
    strength[strength <= MIN_EIGENVALUE_RATIO * mean_eigenvalue] = 0
    return strength, float(mean_eigenvalue.max())


def _sobel(image: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Compute the gradient along y and along x with Sobel's operator, grey levels per px.

    Beyond the border pixels equal the last one. In NumPy, because importing `scipy.ndimage` for its
    `sobel` takes 25 ms of every start; for whole grey levels both give the same bits.
    """
    padded = np.pad(image, 1, mode="edge")
    down, right = padded[2:] - padded[:-2], padded[:, 2:] - padded[:, :-2]
    gy = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    gx = right[:-2] + 2 * right[1:-1] + right[2:]
    return gy / 8, gx / 8


def _max_correlation(frame: Frames, corners: IntArray, size: int, noise: FloatArray) -> FloatArray:
    """Find the correlation that the noise in each block allows: float64 (anchor), 0 to 1."""
    of_block = noise[tuple((corners + size // 2).T)]
    variance = np.maximum(block_variances(frame, corners, size), 1e-9)
    return np.maximum(1 - of_block / variance, 0.0)


def overlapping_blocks(shape: tuple[int, ...], size: int) -> IntArray:
    """Lay blocks all over a frame, a quarter of their side apart.

    Parameters
    ----------
    shape
        Height and width of the frame, px.
    size
        Side of a block, px.

    Returns
    -------
    int64 (anchor, axis), top left pixels, px.
    """
    rows, columns = (
        np.linspace(BORDER_PX, n - size - BORDER_PX, max(1, round(4 * n / size) - 3)).astype(
            np.int64
        )
        for n in shape
    )
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)


def given_blocks(anchors: Positions, size: int, shape: tuple[int, ...]) -> IntArray:
    """Lay blocks around the user's anchors, moved into the frame where they would leave it.

    Parameters
    ----------
    anchors
        Positions (y, x), px.
    size
        Side of a block, px.
    shape
        Height and width of the frame, px.

    Returns
    -------
    int64 (anchor, axis), top left pixels, px.
    """
    corners = np.rint(np.array(anchors)).astype(np.int64) - size // 2
    return np.clip(corners, BORDER_PX, np.array(shape) - size - BORDER_PX)


def cell_side(area: float, size: int) -> int:
    """Find the side of grid cells, px, from the area they cover (px) and the side of a block."""
    return max(size // 2, round((area / N_CELLS) ** 0.5))


def _cells(length: int, cell: int, size: int) -> list[tuple[int, int]]:
    """Divide the range of block centres, px, such that blocks stay inside, into cells."""
    first, last = size // 2, length - size // 2
    n_cells = max(1, round((last - first) / cell))
    edges = np.linspace(first, last, n_cells + 1).astype(int)
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def mean_points(shape: tuple[int, ...]) -> FloatArray:
    """Place about `N_MEAN_POINTS` points evenly over a frame: float64 (point, axis), px."""
    spacing = (shape[0] * shape[1] / N_MEAN_POINTS) ** 0.5
    rows, columns = (
        (np.arange(n) + 0.5) * (length / n) - 0.5
        for length in shape
        for n in [max(1, round(length / spacing))]
    )
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
