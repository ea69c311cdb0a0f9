"""Sharpen a stack without a knob: restore the contrast that the air took, as far as noise allows.

The air leaves of each spatial frequency a part of its contrast that falls smoothly (`air`).
Dividing by it restores detail, and amplifies noise as much. So each frequency is also weighted by
the share of its power that is detail: together that is Wiener's filter, the linear filter whose
result is nearest to the scene (maps of cryo-electron microscopy are sharpened in the same way:
Rosenthal & Henderson, J. Mol. Biol. 333, 2003, 721). How strongly the air blurred is the same all
over the image. The share of detail is not: it is measured around each tile, so that a dark sky is
smoothed and the surface beside it is not.

Tiles of a fixed grid overlap by half and fade into each other. Cost: 2 transforms of 384 x 384 px
for each 128 x 128 px. Memory: the image and its halves, the result, and a tile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import fft, ndimage

from skry_dask.errors import OptionsError
from skry_dask.finishing.sharpening.air import CUTOFF, contrast_left, seeing_from_resolution
from skry_dask.finishing.sharpening.automatic_resolution import (
    Resolution,
    measure_resolution,
    share_of_detail,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.types import AnyArray, BoolArray, Float32Array

STEP = 128
"""Distance from tile to tile, px: each is twice as wide, and fades towards the borders."""

MARGIN = 64
"""Width of what is filtered around a tile, px: how far light is brought back from."""


class AutoSharpened(NamedTuple):
    """An image that has been sharpened automatically.

    Parameters
    ----------
    image
        float32 (y, x) or (y, x, channel), in the units of the image; not cut off at black or white.
    seeing
        D/r0 of the seeing, for which it was sharpened.
    resolution
        Frequency at which half of the stack's power is detail, cycles/px.
    """

    image: Float32Array
    seeing: float
    resolution: float


def auto_sharpen(
    image: AnyArray,
    halves: Sequence[AnyArray] | None = None,
    *,
    seeing: float | None = None,
    cutoff: float = CUTOFF,
) -> AutoSharpened:
    """Sharpen a stack.

    Parameters
    ----------
    image
        (y, x) or (y, x, channel), in any units; NaN where there is no picture, which stays so. All
        channels are sharpened alike.
    halves
        Half stacks of even and of odd frames, each of the image's shape, which show what is detail
        and what noise. None: noise is estimated from the finest structure of the image.
    seeing
        D/r0 of the capture; None or NaN: it is estimated from the resolution.
    cutoff
        Finest detail that the telescope passes, cycles/px.

    Raises
    ------
    OptionsError
        If the image or the halves have another shape.
    """
    _check(image, halves)
    filled = _filled(image)
    planes = None if halves is None else [_luminance(_filled(half)) for half in halves]
    if planes is not None and not all(plane.any() for plane in planes):
        planes = None  # one half has no frame
    centres = tuple(np.arange(-(-size // STEP) + 1) * STEP for size in image.shape[:2])
    found = measure_resolution(_luminance(filled), planes, (centres[0], centres[1]), STEP)
    if seeing is None or not np.isfinite(seeing):
        seeing = seeing_from_resolution(found.whole, cutoff, from_halves=planes is not None)
    out = np.empty(filled.shape, np.float32)
    for channel in range(filled.shape[2]):
        out[..., channel] = _restore(filled[..., channel], found, seeing, cutoff)
    out = out.reshape(image.shape)
    out[np.isnan(image)] = np.nan
    return AutoSharpened(out, seeing, found.whole)


def _check(image: AnyArray, halves: Sequence[AnyArray] | None) -> None:
    """Refuse what is no image, and halves of another shape."""
    if image.ndim not in (2, 3) or min(image.shape, default=0) == 0:
        raise OptionsError(
            f"an image of the shape {image.shape} cannot be sharpened: give (y, x) or "
            "(y, x, channel)"
        )
    for half in halves or ():
        if half.shape != image.shape:
            raise OptionsError(
                f"a half stack has the shape {half.shape}, but the image {image.shape}: give the "
                "half stacks of this image, or none"
            )


def _filled(image: AnyArray) -> Float32Array:
    """Return float32 (y, x, channel), gaps filled with the nearest pixel that has a value."""
    filled = np.array(image, np.float32, ndmin=3 if image.ndim == 3 else 2)
    filled = filled.reshape(*image.shape[:2], -1)
    gaps: BoolArray = np.logical_not(np.isfinite(filled).all(axis=2))
    if gaps.all():
        return np.zeros_like(filled)
    if gaps.any():
        nearest = ndimage.distance_transform_edt(gaps, return_distances=False, return_indices=True)
        filled = filled[tuple(nearest)]
    return filled


def _luminance(image: Float32Array) -> Float32Array:
    """Return the mean of the channels (y, x)."""
    return np.ascontiguousarray(image.mean(axis=2, dtype=np.float32))


def _restore(plane: Float32Array, found: Resolution, seeing: float, cutoff: float) -> Float32Array:
    """Filter a plane (y, x) tile by tile."""
    side = 2 * (STEP + MARGIN)
    height, width = plane.shape
    rows, columns = found.places.shape
    before = STEP + MARGIN
    after = [n * STEP + MARGIN - size for n, size in zip((rows, columns), plane.shape, strict=True)]
    padded = np.pad(plane, [(before, after[0]), (before, after[1])], mode="symmetric")
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1e-6
    gain = 1 / contrast_left(frequency, seeing, cutoff)
    fade = _fade()
    filters: dict[float, Float32Array] = {}
    out = np.zeros(((rows + 1) * STEP, (columns + 1) * STEP), np.float32)
    for j in range(rows):
        for i in range(columns):
            y, x, at = j * STEP, i * STEP, float(found.places[j, i])
            if at not in filters:
                share = share_of_detail(frequency, at, found.steepness)
                filters[at] = (gain * share).astype(np.float32)
            spectrum = fft.rfft2(padded[y : y + side, x : x + side])
            tile = fft.irfft2(spectrum * filters[at], (side, side), overwrite_x=True)
            inner = tile[MARGIN:-MARGIN, MARGIN:-MARGIN]
            out[y : y + 2 * STEP, x : x + 2 * STEP] += inner * fade
    return out[STEP : STEP + height, STEP : STEP + width]


def _fade() -> Float32Array:
    """Return weights of a tile (y, x), which add up to 1 over tiles."""
    line = np.square(np.sin(np.pi * (np.arange(2 * STEP) + 0.5) / (2 * STEP)))
    return np.outer(line, line).astype(np.float32)
