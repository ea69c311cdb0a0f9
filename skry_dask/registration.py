"""Where one frame lies against another: the methods of the align phase.

A template is made from one frame and then placed on others; every placement is independent of
every other. `AnchorTemplate` finds the coarse shift by phase correlation of shrunken frames over
the full range (Kuglin & Hines, "The phase correlation image alignment method", Proc. IEEE Conf.
Cybernetics and Society, 1975, 163-165), then matches blocks at many anchors and combines them
robustly: a single anchor would follow its local seeing. `CentroidTemplate` compares centres of
brightness.

Cost: 1.5 ms for a frame of 840 x 612 on one core.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from scipy import fft, ndimage

from skry_dask.kernels.blockmatch import cut_blocks, match_blocks, shrink
from skry_dask.kernels.centroid import moments

if TYPE_CHECKING:
    from skry_dask.options import AlignOptions, Positions
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, Frames, IntArray

THUMBNAIL_SIDE = 160
"""The coarse shift is found on frames shrunken to at most this side, px."""

MAX_ANCHORS = 64
"""Anchors are placed at most one per cell of a grid with about this many cells."""

SEEING_REACH = 8
"""How far local seeing moves an anchor's block from where the whole frame has gone, px."""

AGREEMENT = 8.0
"""Anchors within this distance of the median agree with it, px."""

CHANCE = 6.0
"""A block has been found when its correlation is above this many standard deviations of chance."""

MIN_COARSE_OVERLAP = 0.2
"""Coarse shifts that leave less than this fraction of the frame in common are not tried."""

FLAT_RANGE = 0.02
"""A frame whose shrunken copy spans less than this fraction of full scale shows nothing."""


class Reason(IntEnum):
    """Why a frame is inactive."""

    ACTIVE = 0
    NOTHING_TO_SEE = 1
    NOT_RECOGNISED = 2
    CUT_BY_BORDER = 3
    TOO_LITTLE_OVERLAP = 4


class Placement(NamedTuple):
    """Where a frame lies: offset (y, x) in px, confidence from 0 to 1, and why not."""

    offset: tuple[float, float]
    confidence: float
    reason: Reason = Reason.ACTIVE


class Template(Protocol):
    """A frame prepared for placing others against it."""

    def place(self, frame: Frames) -> Placement:
        """Find where this template's scene lies in a frame (y, x)."""
        ...


def thumbnail(frame: Frames) -> Float32Array:
    """Shrink a frame by a power of two to at most `THUMBNAIL_SIDE`; float32 (y, x)."""
    return shrink(frame, _shrink_factor(frame.shape)).astype(np.float32)


def _shrink_factor(shape: tuple[int, ...]) -> int:
    factor = 1
    while max(shape) > THUMBNAIL_SIDE * factor:
        factor *= 2
    return factor


def shows_nothing(small: Float32Array, full_scale: int) -> bool:
    """Tell whether a shrunken frame is black, white or otherwise flat."""
    low, high = np.percentile(small, [2, 98])
    peak = float(small.max())
    return bool(max(high - low, (peak - low) / 4) < FLAT_RANGE * full_scale)


# --- anchors ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class AnchorTemplate:
    """A frame with blocks at its anchors.

    Parameters
    ----------
    full_scale
        Grey level of white.
    factor
        How much thumbnails are shrunken.
    small
        float32 (y, x), the frame's thumbnail.
    spectrum
        complex64, of the thumbnail's detail.
    corners
        int64 (anchor, axis), top left pixels of the anchors' blocks.
    blocks
        The blocks, as block matching wants them.
    """

    full_scale: int
    factor: int
    small: Float32Array
    spectrum: AnyArray
    corners: IntArray
    blocks: tuple[AnyArray, AnyArray]

    @classmethod
    def of_frame(cls, frame: Frames, full_scale: int, options: AlignOptions) -> AnchorTemplate:
        """Place anchors on a frame (y, x), or take the user's."""
        frame = np.ascontiguousarray(frame)
        size = options.anchor_size
        corners = (
            _corners_of(options.anchors, size, frame.shape)
            if options.anchors
            else place_anchors(frame, size)
        )
        small = thumbnail(frame)
        return cls(
            full_scale,
            _shrink_factor(frame.shape),
            small,
            _spectrum(small),
            corners,
            cut_blocks(frame, corners, size),
        )

    def place(self, frame: Frames) -> Placement:
        """Find the scene in a frame: coarse shift, then the mean of the agreeing anchors."""
        frame = np.ascontiguousarray(frame)
        small = thumbnail(frame)
        if shows_nothing(small, self.full_scale):
            return Placement((0.0, 0.0), 0.0, Reason.NOTHING_TO_SEE)
        shift = np.rint(self._coarse_shift(small) * self.factor).astype(np.int64)
        size = round(self.blocks[0].shape[1] ** 0.5)
        expected = self.corners + shift
        seen = ((expected >= 0) & (expected + size <= frame.shape)).all(axis=1)
        if seen.sum() < min(3, len(seen)) or not seen.any():
            return Placement((0.0, 0.0), 0.0, Reason.NOT_RECOGNISED)
        blocks = (self.blocks[0][seen], self.blocks[1][seen])
        reach = self.factor + SEEING_REACH
        matches = match_blocks(frame, expected[seen], blocks, reach)
        matched, likeness = matches[:, :2], matches[:, 2]
        # Blocks of unrelated noise correlate by chance, the less the larger they are.
        found = likeness > CHANCE / size
        if not found.any():
            return Placement((0.0, 0.0), 0.0, Reason.NOT_RECOGNISED)
        median = np.median(matched[found], axis=0)
        near = np.hypot(*(matched[found] - median).T) <= AGREEMENT
        if not near.any():
            return Placement((0.0, 0.0), 0.0, Reason.NOT_RECOGNISED)
        y, x = shift + matched[found][near].mean(axis=0)
        return Placement((float(y), float(x)), float(near.sum() / seen.sum()))

    def _coarse_shift(self, small: Float32Array) -> FloatArray:
        """Shift of a thumbnail against the template's, in its own pixels."""
        product = _spectrum(small) * np.conj(self.spectrum)
        size = np.abs(product)
        surface = fft.irfft2(product / (size + 0.1 * size.mean() + 1e-20), s=small.shape)
        peak = np.unravel_index(np.argmax(surface), surface.shape)
        # The transform is periodic: a peak stands for a shift either way.
        options = [
            (y, x)
            for y in (int(peak[0]), int(peak[0]) - small.shape[0])
            for x in (int(peak[1]), int(peak[1]) - small.shape[1])
        ]
        return np.array(max(options, key=lambda shift: self._likeness(small, shift)), float)

    def _likeness(self, small: Float32Array, shift: tuple[int, int]) -> float:
        """Correlation of what both show after a shift, favouring a large overlap."""
        (a, b), (c, d) = (_common(n, s) for n, s in zip(small.shape, shift, strict=True))
        mine, other = self.small[a, c], small[b, d]
        if mine.size < MIN_COARSE_OVERLAP * small.size:
            return -1.0
        mine, other = mine - mine.mean(), other - other.mean()
        norm = float(np.sqrt((mine**2).sum() * (other**2).sum()))
        share = mine.size / small.size
        return float((mine * other).sum()) / norm * share**0.5 if norm > 0 else -1.0


def _common(length: int, shift: int) -> tuple[slice, slice]:
    """Parts of two rows of this length that show the same, the second being shifted."""
    size = max(length - abs(shift), 0)
    return slice(max(-shift, 0), max(-shift, 0) + size), slice(max(shift, 0), max(shift, 0) + size)


def _spectrum(small: Float32Array) -> AnyArray:
    """Spectrum of a thumbnail's detail, faded out towards the borders."""
    detail = small - ndimage.uniform_filter(small, 15, mode="nearest")
    window = [np.hanning(n + 2)[1:-1].astype(np.float32) for n in small.shape]
    return fft.rfft2(detail * window[0][:, None] * window[1])


def place_anchors(frame: Frames, size: int) -> IntArray:
    """Choose places whose blocks can be found again in every direction.

    The smaller eigenvalue of the summed gradient products tells how well a block can be placed
    (Shi & Tomasi, "Good features to track", CVPR 1994, 593-600); it has to stand out of what noise
    alone gives, estimated from the frame itself.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x).
    size
        Side of a block, px.

    Returns
    -------
    int64 (anchor, axis): top left pixels, at most one per cell of a grid.
    """
    half = shrink(frame, 2).astype(np.float32)
    gy, gx = ndimage.sobel(half, 0) / 8, ndimage.sobel(half, 1) / 8
    mean = [ndimage.uniform_filter(p, size // 2) for p in (gy * gy, gx * gx, gy * gx)]
    strength = (mean[0] + mean[1]) / 2 - np.hypot((mean[0] - mean[1]) / 2, mean[2])
    # Smaller eigenvalue from white noise of this variance through the Sobel operator: 12 / 64.
    floor = 3 * noise_variance(half) * 12 / 64
    limit = max(floor, 0.02 * float(np.percentile(strength, 95)))
    height, width = frame.shape
    cell = max(size, round((height * width / MAX_ANCHORS) ** 0.5))
    corners = []
    for y in _cells(height, cell, size):
        for x in _cells(width, cell, size):
            inner = strength[y[0] // 2 : y[1] // 2 + 1, x[0] // 2 : x[1] // 2 + 1]
            at = np.unravel_index(np.argmax(inner), inner.shape)
            if inner[at] > limit:
                centre = [2 * (y[0] // 2 + int(at[0])), 2 * (x[0] // 2 + int(at[1]))]
                corners.append(centre)
    top_left = np.array(corners, np.int64).reshape(-1, 2) - size // 2
    return np.clip(top_left, 0, np.array([height, width]) - size)


def _cells(length: int, cell: int, size: int) -> list[tuple[int, int]]:
    """Ranges of block centres, cell by cell, such that blocks stay inside."""
    first, last = size // 2, length - size // 2
    n_cells = max(1, round((last - first) / cell)) if last > first else 0
    edges = np.linspace(first, last, n_cells + 1).astype(int)
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def noise_variance(image: AnyArray) -> float:
    """Estimate the variance of white noise in an image.

    By a mask that suppresses structure (Immerkaer, "Fast noise variance estimation", Computer
    Vision and Image Understanding 64(2), 1996, 300-302), the median in place of the mean.
    """
    image = image.astype(np.float32)
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    response = np.abs(ndimage.convolve(image, mask)[1:-1, 1:-1])
    return float(np.median(response) / 0.6745) ** 2 if response.size else 0.0


def _corners_of(positions: Positions, size: int, shape: tuple[int, ...]) -> IntArray:
    corners = np.rint(np.array(positions)).astype(np.int64) - size // 2
    return np.clip(corners, 0, np.array(shape) - size)


# --- centroid --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class CentroidTemplate:
    """The centre of brightness of a frame.

    Parameters
    ----------
    full_scale
        Grey level of white.
    centre
        Centroid (y, x), px.
    """

    full_scale: int
    centre: tuple[float, float]

    @classmethod
    def of_frame(cls, frame: Frames, full_scale: int, options: AlignOptions) -> CentroidTemplate:
        """Find the centroid of a frame (y, x)."""
        del options
        return cls(full_scale, centroid(frame, full_scale).offset)

    def place(self, frame: Frames) -> Placement:
        """Compare centroids."""
        found = centroid(frame, self.full_scale)
        y, x = (a - b for a, b in zip(found.offset, self.centre, strict=True))
        return found._replace(offset=(y, x))


def centroid(frame: Frames, full_scale: int) -> Placement:
    """Find the centre of brightness above background.

    The background is the 10th percentile of the shrunken frame, what counts as object lies above
    a quarter of the way to its peak; a window of twice the object's size keeps noise far from it
    out of the sums.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x).
    full_scale
        Grey level of white.

    Returns
    -------
    Placement
        The centroid as its offset, px.
    """
    factor = _shrink_factor(frame.shape)
    small = thumbnail(frame)
    background, peak = float(np.percentile(small, 10)), float(small.max())
    if peak - background < FLAT_RANGE * full_scale:
        return Placement((0.0, 0.0), 0.0, Reason.NOTHING_TO_SEE)
    threshold = int(background + (peak - background) / 4)
    bright = small > threshold
    rows, columns = np.nonzero(bright)
    reach = int(factor * (2 * np.sqrt(len(rows) / np.pi) + 4))
    middle = [int((np.median(axis) + 0.5) * factor) for axis in (rows, columns)]
    top, left = (max(0, m - reach) for m in middle)
    window = frame[top : middle[0] + reach, left : middle[1] + reach]
    weight, moment_y, moment_x, n_pixels = moments(window, threshold).tolist()
    if weight == 0:
        return Placement((0.0, 0.0), 0.0, Reason.NOTHING_TO_SEE)
    centre = (top + moment_y / weight, left + moment_x / weight)
    diameter = 2 * np.sqrt(n_pixels / np.pi)
    if _on_border(frame > threshold) > max(4.0, 0.15 * diameter):
        return Placement(centre, 0.0, Reason.CUT_BY_BORDER)
    return Placement(centre, 1.0)


def _on_border(bright: BoolArray) -> int:
    """Count bright pixels on the frame's outermost rows and columns."""
    return max(int(edge.sum()) for edge in (bright[0], bright[-1], bright[:, 0], bright[:, -1]))
