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
from scipy import ndimage

from skry_dask.kernels.compile import kernel
from skry_dask.kernels.parts import one_by_one, parts_of
from skry_dask.kernels.shrink import halve
from skry_dask.kernels.vectors import lanes_for, zeros

if TYPE_CHECKING:
    from skry_dask.kernels.parts import Part, Share
    from skry_dask.types import AnyArray, FloatArray, Frames, IntArray

RUN_BITS = 11
"""So many products (as a power of two) are added up before the sum leaves 32 bits."""

DEEP_BITS = 10
"""Frames of more than 8 bits are matched in so many."""

BRIGHTEST = 99.9
"""Percentile of the reference image that counts as its brightest, hot pixels aside;"""

HEADROOM = 1.5
"""frames may be brighter by this factor before they are cut off."""

SOFT = 5
"""A block is smoothed three times by boxes of this side to tell what seeing takes from it, px."""

AROUND = 2 + 3 * (SOFT // 2)
"""So much of the image around a block is looked at, and more where gradients are smoothed, px."""

RIDGE = 0.01
"""What is added to the diagonal of H, as a fraction of its trace: along an edge, where nothing
tells how far a block has moved, it stays where it is."""

PULL_Y, PULL_X, GAIN, LIKENESS = range(4)
"""The filters of a block, in the order in which they are kept."""


class Filters(NamedTuple):
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
    def empty(cls, n: int, size: int) -> Filters:
        """Make room for filters of so many blocks; they find nothing."""
        weights = zeros((n, 4, lanes_for((size + 2) ** 2)))
        return cls(size, weights, np.full((n, 4), np.nan), np.full(n, np.nan), np.full(n, np.nan))

    def part(self, points: slice) -> Filters:
        """Take those of some blocks, as views."""
        return Filters(self.size, *(values[points] for values in self[1:]))


class Blocks(NamedTuple):
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

    full: Filters
    half: Filters
    down: int
    top: int

    def __len__(self) -> int:
        """Count the blocks."""
        return len(self.full.weights)


def cut_blocks(
    reference: Frames,
    corners: IntArray,
    size: int,
    smoothing: int = 1,
    *,
    share: Share = one_by_one,
) -> Blocks:
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
    share
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
    blocks = Blocks(Filters.empty(n, size), Filters.empty(n, size // 2), down, top)

    around = AROUND + smoothing

    def cut(part: Part) -> None:
        levels = np.minimum(reference[part.window] >> down, top).astype(reference.dtype)
        halves = np.empty((len(part.corners), size // 2, size // 2), np.float64)
        for one, (y, x) in zip(halves, part.corners, strict=True):
            one[...] = halve(np.ascontiguousarray(levels[y : y + size, x : x + size]))
        own = np.pad(halves, ((0, 0), (2, 2), (2, 2)), mode="edge")
        whole, corners, image = _surroundings(levels, part.corners, size, around)
        full, half = (filters.part(part.points) for filters in blocks[:2])
        _fill(full, whole, image, corners, peak, smoothing, slopes=True)
        each = np.arange(len(halves))
        _fill(half, own, each, part.corners * 0, peak, smoothing, slopes=False)

    share(cut, parts_of(corners, size, around, reference.shape))
    return blocks


def _surroundings(
    levels: Frames, corners: IntArray, size: int, around: int
) -> tuple[FloatArray, IntArray, IntArray]:
    """Take what lies in and around blocks: all of an image or, where they are few, cut from it.

    Returns
    -------
    images
        float64 (image, y, x), with two px more on every side: filters reach one beyond the block,
        the smoothing one further.
    corners
        int64 (point, axis), place of each block in its image, padding aside.
    image
        int64 (point), which image it is in.
    """
    side = size + 2 * around
    if len(corners) * side**2 >= levels.size or side > min(levels.shape):
        whole = np.pad(levels.astype(np.float64), 2, mode="edge")
        return whole[None], corners, np.zeros(len(corners), np.int64)
    first = np.clip(corners - around, 0, np.array(levels.shape) - side)
    images = np.stack([levels[y : y + side, x : x + side] for y, x in first]).astype(np.float64)
    images = np.pad(images, ((0, 0), (2, 2), (2, 2)), mode="edge")
    return images, corners - first, np.arange(len(corners))


def spread_of_blocks(image: Frames, corners: IntArray, size: int) -> FloatArray:
    """Find the variance of blocks of an image, level and slopes aside: float64 (point).

    Parameters
    ----------
    image, corners, size
        As for `cut_blocks`.
    """
    out = np.empty(len(corners))
    for i, (y, x) in enumerate(corners):
        block = image[y : y + size, x : x + size].astype(np.float64)
        _take_out_level(block, True)
        out[i] = _product(block, block) / block.size
    return out


def _fill(
    filters: Filters,
    images: FloatArray,
    image: IntArray,
    corners: IntArray,
    peak: int,
    smoothing: int,
    *,
    slopes: bool,
) -> None:
    """Make filters of blocks, each from one of several padded images."""
    size = filters.size
    smooth, work = images.copy(), np.empty((2, images.shape[2]))
    for _ in range(smoothing):
        _smooth(smooth, work)
    soft = images
    for _ in range(3):
        soft = ndimage.uniform_filter(soft, (0, SOFT, SOFT), mode="nearest")
    _make_all(
        images, smooth, soft, image, corners, peak, slopes, np.zeros((6, size, size)),
        np.zeros((size + 2, size + 2)), *filters[1:],
    )  # fmt: skip


@kernel
def _make_all(  # type: ignore[no-untyped-def]
    images, smooth, soft, image, corners, peak, slopes, work, wide, weights, step, gain, norm
):
    around = work.shape[1] + 4
    for p in range(len(image)):
        i, y, x = image[p], corners[p, 0], corners[p, 1]
        _make(
            images[i, y : y + around, x : x + around], smooth[i, y : y + around, x : x + around],
            soft[i, y : y + around, x : x + around], peak, slopes, work, wide, weights[p], step[p],
            gain[p : p + 1], norm[p : p + 1],
        )  # fmt: skip


@kernel
def _smooth(images, rows):  # type: ignore[no-untyped-def]
    """Smooth images by [1 2 1] / 4 along y and x, in place; the border stays as it is."""
    above, here = rows[0], rows[1]
    for image in images:
        height, width = image.shape
        for x in range(width):
            above[x] = image[0, x]
        for y in range(height):
            if 0 < y < height - 1:
                for x in range(width):
                    here[x] = image[y, x]
                    image[y, x] = 0.25 * (above[x] + 2.0 * here[x] + image[y + 1, x])
                above, here = here, above
        for y in range(height):
            for x in range(width):
                here[x] = image[y, x]
            for x in range(1, width - 1):
                image[y, x] = 0.25 * (here[x - 1] + 2.0 * here[x] + here[x + 1])


@kernel
def _make(block, smooth, soft, peak, slopes, work, wide, weights, step, gain, norm):  # type: ignore[no-untyped-def]
    """Make the filters of one block, which has two px around it."""
    n = work.shape[1]
    down, right, pull_y, pull_x = work[0], work[1], work[2], work[3]
    own, lost = work[4], work[5]
    _derive(block, smooth, soft, down, right, pull_y, pull_x, own, lost)
    _take_out_level(own, slopes)
    energy = _product(own, own)
    if energy <= 0.0:
        return
    _take_out_level(lost, slopes)
    _take_out(lost, own)
    for pull in (pull_y, pull_x):
        _take_out_level(pull, slopes)
        _take_out(pull, own)
        _take_out(pull, lost)
    most = max(_greatest(pull_y), _greatest(pull_x))
    if most <= 0.0:
        return
    _round(pull_y, peak / most, weights[PULL_Y])
    _round(pull_x, peak / most, weights[PULL_X])
    _round(own, peak / _greatest(own), weights[LIKENESS])
    _adjoint(pull_y, pull_x, wide)
    most = _greatest(wide)
    at = 0
    for y in range(n + 2):
        for x in range(n + 2):
            weights[GAIN, at] = np.int16(np.rint(wide[y, x] * (peak / most)))
            at += 1
    yy, yx = _answer(weights[PULL_Y], down), _answer(weights[PULL_Y], right)
    xy, xx = _answer(weights[PULL_X], down), _answer(weights[PULL_X], right)
    ridge = RIDGE * (yy + xx)
    yy, xx = yy + ridge, xx + ridge
    determinant = yy * xx - yx * xy
    total = 0.0
    at = 0
    for y in range(n + 2):
        for x in range(n + 2):
            total += weights[GAIN, at] * block[y + 1, x + 1]
            at += 1
    if determinant <= 0.0 or total <= 0.0:
        return
    step[0], step[1] = -xx / determinant, yx / determinant
    step[2], step[3] = xy / determinant, -yy / determinant
    gain[0] = total
    squares = 0.0
    for k in range(len(weights[LIKENESS])):
        squares += float(weights[LIKENESS, k]) * float(weights[LIKENESS, k])
    norm[0] = squares


@kernel
def _derive(block, smooth, soft, down, right, pull_y, pull_x, own, lost):  # type: ignore[no-untyped-def]
    """Find gradients of a block, and of it smoothed, and what seeing takes from it."""
    n = len(own)
    for y in range(n):
        for x in range(n):
            # What a displacement does to the block, to the fourth order: differences of neighbours
            # alone are too small in fine detail, and steps 15 % too long (sigma 1 px).
            down[y, x] = (2 / 3) * (block[y + 3, x + 2] - block[y + 1, x + 2])
            down[y, x] -= (block[y + 4, x + 2] - block[y, x + 2]) / 12
            right[y, x] = (2 / 3) * (block[y + 2, x + 3] - block[y + 2, x + 1])
            right[y, x] -= (block[y + 2, x + 4] - block[y + 2, x]) / 12
            pull_y[y, x] = 0.5 * (smooth[y + 3, x + 2] - smooth[y + 1, x + 2])
            pull_x[y, x] = 0.5 * (smooth[y + 2, x + 3] - smooth[y + 2, x + 1])
            own[y, x] = block[y + 2, x + 2]
            lost[y, x] = block[y + 2, x + 2] - soft[y + 2, x + 2]


@kernel
def _adjoint(pull_y, pull_x, wide):  # type: ignore[no-untyped-def]
    """Apply the gradient's adjoint to the first two filters, for the third."""
    n = len(pull_y)
    wide[:] = 0.0
    for y in range(n):
        for x in range(n):
            wide[y + 2, x + 1] += 0.5 * pull_y[y, x]
            wide[y, x + 1] -= 0.5 * pull_y[y, x]
            wide[y + 1, x + 2] += 0.5 * pull_x[y, x]
            wide[y + 1, x] -= 0.5 * pull_x[y, x]


@kernel
def _take_out_level(image, slopes):  # type: ignore[no-untyped-def]
    """Make an image orthogonal to a constant and, with slopes, to y and x."""
    n = len(image)
    middle = 0.5 * (n - 1)
    level, down, right, square = 0.0, 0.0, 0.0, 0.0
    for y in range(n):
        for x in range(n):
            level += image[y, x]
            down += image[y, x] * (y - middle)
            right += image[y, x] * (x - middle)
            square += (y - middle) * (y - middle)
    level /= n * n
    if slopes:
        down /= square
        right /= square
    else:
        down, right = 0.0, 0.0
    for y in range(n):
        for x in range(n):
            image[y, x] -= level + down * (y - middle) + right * (x - middle)


@kernel
def _take_out(image, other):  # type: ignore[no-untyped-def]
    """Make an image orthogonal to another."""
    square = _product(other, other)
    if square <= 0.0:
        return
    share = _product(image, other) / square
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            image[y, x] -= share * other[y, x]


@kernel
def _product(one, other):  # type: ignore[no-untyped-def]
    total = 0.0
    for y in range(one.shape[0]):
        for x in range(one.shape[1]):
            total += one[y, x] * other[y, x]
    return total


@kernel
def _greatest(image):  # type: ignore[no-untyped-def]
    most = 0.0
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            most = max(most, abs(image[y, x]))
    return most


@kernel
def _round(image, scale, weights):  # type: ignore[no-untyped-def]
    """Turn an image into weights of a filter, which has a border of zeros."""
    n = len(image)
    for y in range(n):
        for x in range(n):
            weights[(y + 1) * (n + 2) + x + 1] = np.int16(np.rint(image[y, x] * scale))


@kernel
def _answer(weights, image):  # type: ignore[no-untyped-def]
    """Answer of a filter to an image without its border."""
    n = len(image)
    total = 0.0
    for y in range(n):
        for x in range(n):
            total += weights[(y + 1) * (n + 2) + x + 1] * image[y, x]
    return total
