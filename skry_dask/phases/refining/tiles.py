"""Tiles of the first stack, and the filters by which they are found in every frame.

Tiles of 64 px under a Hann window lie every 16 px. Those in which nothing could be followed, such
as the sky around a planet, or that the stack does not fill, are left out.

Frequencies count up to where the stack still shows a tenth of the power of a frame's noise: beyond
that frames have little to compare. On simulated captures with a telescope of diameter D and seeing
r0 that was 0.2 cycles per px at D / r0 = 5, 0.16 at 6 and 0.12 at 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft

from skry_dask.kernels.matching.tile_filters import TileFilters

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, FloatArray, IntArray

SIDES = (64, 48)
"""Side of a tile, px: the first one of which a field holds `MIN_SIDES` along both axes, or the
last."""

MIN_SIDES = 3
"""Number of tiles side by side that a field must hold for tiles of a size to be chosen."""

SPACING = 16
"""Distance of tiles, px."""

LOWEST = 0.015
"""Frequencies below this are left out, cycles/px: light that changes slowly over the field."""

HIGHEST = 0.2
"""Frequencies above this are left out, cycles/px: frames are binned by 2."""

QUALITY_BAND = (0.06, 0.14)
"""Frequencies by which the quality of a frame is measured, cycles/px."""

NOISE_BAND = 0.43
"""Frequencies above this show nothing but noise, cycles/px: no telescope's detail is that fine."""

MIN_POWER = 0.1
"""Frequencies count up to where the stack's power falls below this fraction of a frame's noise."""

DAMPING = 4.0
"""Power that is added to that of the stack before frequencies are weighted, in units of the power
of a frame's noise. With 5, contrast falls by 1 % through strong air, with 3, geometry is worse."""

MIN_INFORMATION = 5.0
"""Tiles are used that tell a frame's shift at least this well: 1 / variance, 1/px**2."""

LEVEL = 1 / 255
"""Noise is at least that of rounding to this, 1 = full scale."""

MAX_SAMPLE = 512
"""Number of tiles, evenly spaced, from which noise is estimated, at most."""

N_BLOCK = 256
"""Number of tiles whose filters are made at a time: 0.2 MiB each."""

TINY = 1e-12
"""Takes the place of zero in tiles without any detail, which are then left out."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceTiles:
    """The tiles of a stack that can be followed.

    Parameters
    ----------
    corners
        int64 (tile, axis), top left pixel on the canvas, px.
    filters
        By which they are found.
    """

    corners: IntArray
    filters: TileFilters

    @classmethod
    def of_stack(
        cls, image: AnyArray, count: AnyArray, origin: tuple[int, int]
    ) -> ReferenceTiles | None:
        """Cut the tiles of a stack and make their filters; None if the image holds no tile.

        Parameters
        ----------
        image
            float (y, x), grey, 1 = full scale; NaN where no frame shows the scene.
        count
            Float or int (y, x), number of frames averaged.
        origin
            Canvas position of the image's first pixel, px.
        """
        side = next((s for s in SIDES if min(image.shape) >= MIN_SIDES * s), SIDES[-1])
        if min(image.shape) < side:
            return None
        starts = (np.arange(0, n - side + 1, SPACING) for n in image.shape)
        corners = np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1).reshape(-1, 2)
        windows = sliding_window_view(image, (side, side))

        def cut(some: IntArray) -> FloatArray:
            return np.asarray(windows[tuple(some.T)], np.float64)

        finite = [np.isfinite(cut(some)).all(axis=(1, 2)) for some in _blocks(corners)]
        corners = corners[np.concatenate(finite)]
        if not len(corners):
            return None
        n_frames = float(np.nanmean(np.where(count > 0, count, np.nan)))
        sample = np.unique(np.linspace(0, len(corners) - 1, MAX_SAMPLE).astype(int))
        noise, highest = noise_and_limit(cut(corners[sample]), n_frames)
        parts, used = [], []
        for some in _blocks(corners):
            filters, information = design_tile_filters(cut(some), noise, highest)
            known = information >= MIN_INFORMATION
            parts.append([values[known] for values in filters[1:]])
            used.append(some[known])
        weights, scale, step = map(np.concatenate, zip(*parts, strict=True))
        return cls(np.concatenate(used) + np.array(origin), TileFilters(side, weights, scale, step))

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self.corners)

    @property
    def centres(self) -> FloatArray:
        """Position on the canvas: float64 (tile, axis), px."""
        return np.asarray(self.corners + (self.filters.side - 1) / 2, np.float64)


def _blocks(corners: IntArray) -> list[IntArray]:
    """Split up tiles into blocks that fit into memory."""
    return [corners[i : i + N_BLOCK] for i in range(0, len(corners), N_BLOCK)]


def noise_and_limit(tiles: FloatArray, n_frames: float) -> tuple[float, float]:
    """Estimate the noise of a frame from a stack, and up to which frequency this shows detail.

    Parameters
    ----------
    tiles
        float64 (tile, y, x), 1 = full scale.
    n_frames
        Number of frames averaged.

    Returns
    -------
    noise
        Variance of a pixel of a frame, 1 = full scale.
    highest
        Cycles/px.
    """
    side = tiles.shape[-1]
    window = hann(side)
    power = np.abs(fft.fft2(_flattened(tiles, window) * window)) ** 2
    radius = np.hypot(fft.fftfreq(side)[:, None], fft.fftfreq(side)[None])
    # The median of the power of noise is ln 2 of its mean.
    floor = np.median(power[:, radius > NOISE_BAND], axis=1) / np.log(2)
    detailed = power[:, (radius > LOWEST) & (radius < QUALITY_BAND[0])].mean(axis=1)
    strong = detailed >= np.median(detailed)
    energy = float((window**2).sum())
    noise = max(float(np.median(floor[strong])) / energy * n_frames, LEVEL**2 / 12)
    rings = np.rint(radius * side).astype(int)
    typical = np.median(power[strong], axis=0) / np.log(2) - np.median(floor[strong])
    mean = np.bincount(rings.ravel(), typical.ravel()) / np.bincount(rings.ravel())
    weak = mean < MIN_POWER * noise * energy
    weak[: int(np.ceil(QUALITY_BAND[0] * side)) + 1] = False
    return noise, min(float(np.argmax(weak)) / side if weak.any() else HIGHEST, HIGHEST)


def design_tile_filters(
    tiles: FloatArray, noise: float, highest: float
) -> tuple[TileFilters, FloatArray]:
    """Make the filters of tiles.

    Parameters
    ----------
    tiles
        float64 (tile, y, x), 1 = full scale.
    noise
        Variance of a pixel of a frame.
    highest
        Frequencies that count end here, cycles/px.

    Returns
    -------
    filters
        See `TileFilters`.
    information
        float64 (tile): 1 / variance of a frame's shift along the axis where it is larger, for a
        frame that shows as much as the stack, 1/px**2.
    """
    n, side = tiles.shape[:2]
    half = side // 2
    binned = tiles.reshape(n, half, 2, half, 2).mean(axis=(2, 4))
    window = hann(half)
    centred = _flattened(binned, window)
    spectrum = fft.fft2(centred * window)
    power = np.abs(spectrum) ** 2
    damped = power + DAMPING * noise / 4 * (window**2).sum()
    fy, fx = fft.fftfreq(half)[:, None] / 2, fft.fftfreq(half)[None] / 2
    radius = np.hypot(fy, fx)
    matched = spectrum * np.where((radius > LOWEST) & (radius < highest), 1 / damped, 0)
    low, high = QUALITY_BAND
    inside = (radius >= low) & (radius < max(min(high, highest), low + 2 / side))
    rated = spectrum * np.where(inside, 1 / np.sqrt(damped), 0)
    ky, kx = 2j * np.pi * fy, 2j * np.pi * fx
    kernels = np.stack(
        [
            fft.ifft2(of_filter).real * window
            for of_filter in (matched, -ky * matched, -kx * matched, rated)
        ],
        axis=1,
    )
    kernels -= kernels.sum(axis=(2, 3), keepdims=True) / window.sum() * window

    def answer(filters: FloatArray) -> FloatArray:
        return (filters * centred).sum(axis=(1, 2))

    own = np.maximum(answer(kernels[:, 0]), TINY)
    yy, xx, yx = (
        -answer(fft.ifft2(k * matched).real * window) / own for k in (ky * ky, kx * kx, ky * kx)
    )
    scale = np.stack([own, own, own, np.maximum(answer(kernels[:, 3]), TINY)], axis=1)
    determinant = np.maximum(yy * xx - yx * yx, TINY)
    step = np.stack([xx, yy, -yx], axis=1) / determinant[:, None]
    spread = noise / 4 * (kernels[:, 1:3] ** 2).sum(axis=(2, 3)) / own[:, None] ** 2
    information = np.stack([yy, xx], axis=1) ** 2 / np.maximum(spread, TINY)
    return TileFilters.of_kernels(kernels, 1 / scale, step), information.min(axis=1)


def hann(side: int) -> FloatArray:
    """Make the window of tiles: float64 (y, x), 0 to 1."""
    line = np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2
    return np.outer(line, line)


def hann_at(distance: FloatArray, side: int) -> FloatArray:
    """Take the value of the window of tiles at a distance from their centres, px: 0 to 1."""
    return np.asarray(np.cos(np.pi * np.minimum(distance / side, 0.5)) ** 2, np.float64)


def _flattened(tiles: FloatArray, window: FloatArray) -> FloatArray:
    """Subtract from each tile its mean under the window."""
    return tiles - (tiles * window).sum(axis=(1, 2), keepdims=True) / window.sum()
