"""Where anchors are placed: blocks of a frame that can be found again in others."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.kernels.frame.box_means import box_means
from skry_dask.kernels.frame.noise import noise_response
from skry_dask.kernels.frame.shrink import shrink
from skry_dask.kernels.matching.block_filters import spread_of_blocks
from skry_dask.kernels.matching.templates import cut_blocks
from skry_dask.phases.alignment.thumbnails import flattened, thumbnail

if TYPE_CHECKING:
    from skry_dask.kernels.matching.templates import Blocks
    from skry_dask.options import AlignOptions, Positions
    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames, IntArray

SMALLEST = 32
"""Side of an anchor's block, px, where noise does not hide it;"""

LARGEST = 128
"""it is doubled as long as it does, up to this."""

CHANCE = 6.0
"""A block has been found when its correlation is above this many standard deviations of chance."""

CLEAR = 1.5
"""A block is clear when what noise leaves of its correlation is this many times as much."""

ENOUGH_CLEAR = 0.5
"""Blocks are large enough when at least this part of them is clear."""

NOISY = 0.5
"""Where noise is at least this part of a frame's variance it hides where there is structure."""

FEW = 8
"""Blocks are then laid all over the frame if there would be fewer than this."""

SMOOTHING = 4
"""Gradients of a single frame are smoothed so often; see `cut_blocks`."""

MAX_ANCHORS = 100
"""Anchors are placed at most one per cell of a grid with about this many cells."""

GOOD_ENOUGH = 0.3
"""A place is good where its strength is above this fraction of the best in its cell."""

ABOVE_NOISE = 1.5
"""A place is good where its strength is this many times what noise alone gives. (With 3 there is
too little of a noisy frame left: 2.0 px off, against 0.25.)"""

SPREAD = 0.01
"""Least ratio of a place's strength to the mean of both directions: less is a limb, along which
blocks slide. (That of a planet of 100 px radius has 0.02, one of 400 px 0.001.)"""

FAINT = 0.002
"""Beside a strong limb a place counts only if it has at least this part of the limb's strength."""

SAMPLES = 2**14
"""Noise is estimated from about so many pixels, at least: to 2 %, and in 1 ms in place of 20."""

N_TARGETS = 500
"""The mean over the frame is taken at about so many places."""

EDGE = 3
"""Blocks stay so far from the frame's border that they can be found in their own place, px."""


MOSAIC = 0.4
"""Frames in which pixels two apart are so much more alike than neighbours are raw colour."""


class AnchorBlocks(NamedTuple):
    """Blocks of a frame that can be found again.

    Parameters
    ----------
    corners
        int64 (anchor, axis), top left pixels.
    blocks
        What is matched.
    possible
        float64 (anchor): the correlation coefficient that noise leaves possible.
    """

    corners: IntArray
    blocks: Blocks
    possible: FloatArray


def choose_blocks(frame: Frames, options: AlignOptions, area: float | None = None) -> AnchorBlocks:
    """Choose blocks of a frame (y, x), as large as noise makes necessary, or the user's.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x).
    options
        Of the align phase.
    area
        See `place_anchors`.
    """
    flat = flattened(frame, thumbnail(frame))
    size = options.anchor_size or SMALLEST
    while True:
        noise = local_noise(flat, size)
        corners = (
            given_anchors(options.anchors, size, frame.shape)
            if options.anchors
            else place_anchors(flat, size, noise, area)
        )
        larger = 2 * size + 2 * EDGE <= min(LARGEST + 2 * EDGE, *frame.shape)
        hidden = float(noise.mean()) > NOISY * float(flat.var()) and not options.anchors
        few = hidden and len(corners) < FEW
        if few and not larger:
            corners = everywhere(frame.shape, size)
            corners = corners[_possible(frame, corners, size, noise) > CHANCE / size]
        possible = _possible(frame, corners, size, noise)
        clear = possible > CLEAR * CHANCE / size
        enough = len(corners) > 0 and clear.mean() > ENOUGH_CLEAR and not few
        if options.anchor_size or enough or not larger:
            return AnchorBlocks(corners, cut_blocks(frame, corners, size, SMOOTHING), possible)
        size *= 2


def _possible(frame: Frames, corners: IntArray, size: int, noise: FloatArray) -> FloatArray:
    """Find the correlation coefficient of each block that the noise in it leaves possible."""
    own = noise[tuple((corners + size // 2).T)]
    return np.maximum(1 - own / np.maximum(spread_of_blocks(frame, corners, size), 1e-9), 0.0)


def everywhere(shape: tuple[int, ...], size: int) -> IntArray:
    """Lay overlapping blocks all over a frame: int64 (anchor, axis), top left pixels."""
    rows, columns = (
        np.linspace(EDGE, n - size - EDGE, max(1, round(4 * n / size) - 3)).astype(np.int64)
        for n in shape
    )
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)


def place_anchors(
    frame: Frames, size: int, noise: FloatArray, area: float | None = None
) -> IntArray:
    """Choose places whose blocks can be found again in every direction.

    The smaller eigenvalue of the summed gradient products tells how well a block can be placed
    (Shi & Tomasi, "Good features to track", CVPR 1994, 593-600); it has to stand out of what noise
    alone gives, estimated from the frame itself. Of the good places of a cell the one nearest to
    its centre is taken: with the best ones, which often lie beside each other across the border of
    two cells, offsets were 0.10 px off, against 0.07.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x).
    size
        Side of a block, px.
    noise
        float (y, x), from `local_noise`.
    area
        In which they are to lie, px [default: the frame's]; it sets the size of the cells only.

    Returns
    -------
    int64 (anchor, axis): top left pixels, at most one per cell of a grid.
    """
    levels = shrink(frame, 2)
    half = levels.astype(np.float32)
    gy, gx = _sobel(half)
    mean = [box_means(product, size // 2) for product in (gy * gy, gx * gx, gy * gx)]
    middle, half_gap = (mean[0] + mean[1]) / 2, np.hypot((mean[0] - mean[1]) / 2, mean[2])
    # Smaller eigenvalue from white noise of this variance through the Sobel operator: 12 / 64.
    even = tuple(slice(0, 2 * n, 2) for n in half.shape)
    of_half = np.maximum(noise_variance(levels), noise[even] / 4)
    strength = middle - half_gap - ABOVE_NOISE * of_half * 12 / 64
    strength[strength <= SPREAD * middle] = 0
    limit = max(0.02 * float(np.percentile(strength, 95)), FAINT * float(middle.max()))
    height, width = frame.shape
    cell = cell_side(area or height * width, size)
    corners = []
    for y in _cells(height, cell, size):
        for x in _cells(width, cell, size):
            inner = strength[y[0] // 2 : y[1] // 2 + 1, x[0] // 2 : x[1] // 2 + 1]
            strong = np.argwhere(inner > max(limit, GOOD_ENOUGH * float(inner.max())))
            if len(strong):
                from_centre = strong - (np.array(inner.shape) - 1) / 2
                at = strong[(from_centre**2).sum(axis=1).argmin()]
                corners.append([2 * (y[0] // 2 + int(at[0])), 2 * (x[0] // 2 + int(at[1]))])
    top_left = np.array(corners, np.int64).reshape(-1, 2) - size // 2
    return np.clip(top_left, EDGE, np.array([height, width]) - size - EDGE)


def _sobel(image: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Compute the gradient along y and x with Sobel's operator, grey levels per px.

    Beyond the border lies its last pixel. In NumPy, because importing `scipy.ndimage` for its
    `sobel` takes 25 ms of every start; for whole grey levels both give the same bits.
    """
    padded = np.pad(image, 1, mode="edge")
    down, right = padded[2:] - padded[:-2], padded[:, 2:] - padded[:, :-2]
    gy = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    gx = right[:-2] + 2 * right[1:-1] + right[2:]
    return gy / 8, gx / 8


def _cells(length: int, cell: int, size: int) -> list[tuple[int, int]]:
    """Ranges of block centres, cell by cell, such that blocks stay inside."""
    first, last = size // 2, length - size // 2
    n_cells = max(1, round((last - first) / cell))
    edges = np.linspace(first, last, n_cells + 1).astype(int)
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def cell_side(area: float, size: int) -> int:
    """Side of the cells that get at most one anchor each, px, given area and size of a block."""
    return max(size // 2, round((area / MAX_ANCHORS) ** 0.5))


def noise_variance(image: AnyArray) -> float:
    """Estimate the variance of white noise in an image.

    By a mask that suppresses structure (Immerkaer, "Fast noise variance estimation", Computer
    Vision and Image Understanding 64(2), 1996, 300-302), the median in place of the mean.
    """
    return _variance(_noise_response(image))


def _variance(response: Float32Array) -> float:
    inner = response[1:-1, 1:-1]
    return (_usual(inner) / 0.6745) ** 2 if inner.size else 0.0


def _usual(response: Float32Array) -> float:
    """Find the median modulus, in large images of pixels evenly spread over them."""
    # An odd step meets all colours of raw frames.
    step = 2 * int((response.size / SAMPLES) ** 0.5 / 2) + 1
    return float(np.median(np.abs(response[::step, ::step])))


def local_noise(image: AnyArray, size: int) -> FloatArray:
    """Estimate the variance of noise around each pixel, at least that of the image.

    Light has noise of its own, so a planet has more of it than the sky, and overexposed parts have
    none at all.
    """
    response = _noise_response(image)
    return np.maximum(box_means(response * response, size), _variance(response))


def _noise_response(image: AnyArray) -> Float32Array:
    """Suppress structure, and the pattern of raw colour in frames that are said to be mono.

    There neighbours differ by their colours; every second pixel has the same.
    """
    responses = [noise_response(image, step) for step in (1, 2)]
    near, far = (_usual(response) for response in responses)
    return responses[1 if far < MOSAIC * near else 0]


def even_places(shape: tuple[int, ...]) -> FloatArray:
    """Choose about `N_TARGETS` places evenly over a frame: float64 (target, axis)."""
    step = (shape[0] * shape[1] / N_TARGETS) ** 0.5
    rows, columns = (
        (np.arange(n) + 0.5) * (length / n) - 0.5
        for length in shape
        for n in [max(1, round(length / step))]
    )
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)


def given_anchors(positions: Positions, size: int, shape: tuple[int, ...]) -> IntArray:
    """Lay blocks around the user's anchors, inside the frame: int64 (anchor, axis), corners."""
    corners = np.rint(np.array(positions)).astype(np.int64) - size // 2
    return np.clip(corners, EDGE, np.array(shape) - size - EDGE)
