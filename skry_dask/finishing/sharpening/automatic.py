"""Sharpen a stack without a knob: restore the contrast that the air took, as far as noise allows.

The air leaves of each spatial frequency a part of its contrast that falls smoothly (`air`).
Dividing by it restores detail, and amplifies noise as much. So each frequency is also weighted by
the share of its power that is detail: together that is Wiener's filter, the linear filter whose
result is nearest to the scene (maps of cryo-electron microscopy are sharpened in the same way:
Rosenthal & Henderson, J. Mol. Biol. 333, 2003, 721). How strongly the air blurred is the same all
over the image. The share of detail is not: it is measured around each place of a fixed grid, so
that a dark sky is smoothed and the surface beside it is not.

Around each place a square is filtered, which overlaps its neighbours by half and fades into them.
So the image may be filtered tile by tile (`tiles`), from what was measured of the whole before.
Cost: 2 transforms of 384 x 384 px for each 128 x 128 px. Memory: a tile.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from skry_dask.finishing.sharpening.air import seeing_from_resolution
from skry_dask.finishing.sharpening.automatic_resolution import (
    fit_resolution,
    has_halves,
    ring_powers,
)
from skry_dask.finishing.sharpening.blur import Blur
from skry_dask.finishing.sharpening.limb_seeing import seeing_beside_limbs, sky_energies
from skry_dask.finishing.sharpening.tiles import computed_in_bands, from_whole, measured_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dask.array as da
    from dask.delayed import Delayed

    from skry_dask.types import Float32Array, FloatArray

STEP = 128
"""Distance from place to place, px: the squares around them are twice as wide, and fade towards
their borders."""

MARGIN = 64
"""Width of what is filtered around a square, px: how far light is brought back from."""

REACH = 2 * STEP + MARGIN
"""Width of the surroundings from which a tile of any size and place is filtered, px."""


def measure_blur(
    image: da.Array,
    halves: Sequence[da.Array] | None,
    levels: Delayed,
    *,
    seeing: float | None,
    cutoff: float,
    is_large: bool = False,
) -> Delayed:
    """Measure an image before it is sharpened tile by tile, lazily.

    Parameters
    ----------
    image
        (y, x, channel), in any units and chunks; NaN where there is no picture. All channels are
        sharpened alike.
    halves
        Half stacks of even and of odd frames, each of the image's shape, which show what is detail
        and what noise. None: noise is estimated from the finest structure of the image.
    levels
        `Levels` of the image.
    seeing
        D/r0 of the capture; None or NaN: it is estimated from the resolution. Where the image has
        limbs, the sky beside them says so, too.
    cutoff
        Finest detail that the telescope passes, cycles/px.
    is_large
        Whether the image is measured now, see `measured_now`.

    Returns
    -------
    Delayed
        A `Blur`.
    """
    shape = image.shape[:2]
    if seeing is not None and not np.isfinite(seeing):
        seeing = None
    powers = ring_powers(image, halves)
    if is_large:
        powers = computed_in_bands(powers, axis=1)
    found = from_whole(_blur_of, powers, shape, seeing, cutoff)
    if is_large:
        found = measured_now(found)
    energies = sky_energies(image, levels, found)
    if is_large:
        energies = computed_in_bands(energies, axis=0)
    corrected = from_whole(_with_limbs, found, energies, seeing)
    return measured_now(corrected) if is_large else corrected


def _blur_of(
    powers: FloatArray,
    shape: tuple[int, int],
    seeing: float | None,
    cutoff: float,
) -> Blur:
    centres = tuple(np.arange(-(-size // STEP) + 1) * STEP for size in shape)
    found = fit_resolution(powers, shape, (centres[0], centres[1]), STEP)
    if seeing is None:
        seeing = seeing_from_resolution(found.whole, cutoff, from_halves=has_halves(powers))
    return Blur(seeing, cutoff, found)


def _with_limbs(blur: Blur, energies: FloatArray, seeing: float | None) -> Blur:
    """Correct the seeing by what the sky beside limbs shows."""
    beside_limbs = seeing_beside_limbs(energies, blur)
    if beside_limbs is None:
        return blur
    if seeing is not None:  # frames show it a little too high, the sky a little too low
        beside_limbs = math.sqrt(seeing * beside_limbs)
    return blur._replace(seeing=beside_limbs)


def restore(tile: Float32Array, origin: tuple[int, int], blur: Blur) -> Float32Array:
    """Filter a tile.

    Parameters
    ----------
    tile
        float32 (y, x), with `REACH` px of its surroundings; without NaN.
    origin
        First row and column of the tile in the image, without surroundings.
    blur
        Of the image.

    Returns
    -------
    float32 (y, x), of the same shape; the surroundings mean nothing.
    """
    side = 2 * (STEP + MARGIN)
    fade = _fade()
    # Rows and columns are counted from the first of the surroundings.
    starts = [first - REACH for first in origin]
    sizes = [n - 2 * REACH for n in tile.shape]
    rows, columns = (
        range(first // STEP, -(-(first + n) // STEP) + 1)
        for first, n in zip(origin, sizes, strict=True)
    )
    out = np.zeros(tile.shape, np.float32)
    for j in rows:
        for i in columns:
            y, x = ((k - 1) * STEP - start for k, start in zip((j, i), starts, strict=True))
            at = float(blur.resolution.places[j, i])
            around = tile[y - MARGIN : y + side - MARGIN, x - MARGIN : x + side - MARGIN]
            spectrum = fft.rfft2(around)
            spectrum *= blur.gain(side, at)
            done = fft.irfft2(spectrum, (side, side), overwrite_x=True)
            inner = done[MARGIN:-MARGIN, MARGIN:-MARGIN]
            out[y : y + 2 * STEP, x : x + 2 * STEP] += inner * fade
    return out


@functools.cache
def _fade() -> Float32Array:
    """Return weights of a square (y, x), which add up to 1 over squares."""
    line = np.square(np.sin(np.pi * (np.arange(2 * STEP) + 0.5) / (2 * STEP)))
    return np.outer(line, line).astype(np.float32)
