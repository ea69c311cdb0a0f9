"""How finely an image resolves the scene, everywhere in it, from half stacks or from its own noise.

What half stacks have in common is detail, see `resolution.ring_correlation`. Its share of the power
falls with frequency f as 1 / (1 + (f / resolution)**steepness), which is fitted: the rings of a
small region alone are too noisy.

An image alone has detail and noise together. Beyond the finest detail that a telescope passes there
is noise alone, and as strong at the other frequencies if it is white.

Rows of overlapping regions are measured one by one, so that the image may be larger than memory;
which rows depends on its size alone, so its chunks make no difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import dask.array as da
import numpy as np
from scipy import special

from skry_dask.finishing.resolution.ring_correlation import (
    FADE_PX,
    Regions,
    modes_of_rings,
    ring_sums,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.types import AnyArray, Float32Array, FloatArray, IntArray

LOWEST = 0.02
"""Frequencies below are the window's rather than the scene's, cycles/px."""

NOISE_ALONE = 0.44
"""Frequencies above have noise alone, cycles/px: telescopes are focussed on cameras so that they
pass less."""

RESOLUTIONS = np.geomspace(0.02, 0.5, 130)
"""Resolutions that are tried, cycles/px."""

STEEPNESSES = np.arange(3.0, 12.1, 0.5)
"""Values of the steepness that are tried."""


class Resolution(NamedTuple):
    """How finely an image resolves the scene.

    Parameters
    ----------
    whole
        Frequency at which half of the image's power is detail, cycles/px.
    steepness
        How steeply the share of detail falls there.
    places
        float64 (y, x), as `whole`, around each of the given places.
    """

    whole: float
    steepness: float
    places: FloatArray


def share_of_detail(
    frequency: AnyArray, resolution: AnyArray | float, steepness: float
) -> FloatArray:
    """Return which share of the power at a frequency is detail of the scene.

    Parameters
    ----------
    frequency, resolution
        cycles/px, > 0.
    steepness
        How steeply the share falls where it is 1/2.

    Returns
    -------
    float64, 0 to 1.
    """
    distance = steepness * (np.log(resolution) - np.log(frequency))
    share: FloatArray = special.expit(distance)
    return share


def ring_powers(image: da.Array, halves: Sequence[da.Array] | None) -> da.Array:
    """Measure the power of an image on rings of equal frequency, region by region, lazily.

    Parameters
    ----------
    image
        (y, x, channel), NaN where there is no picture, in any chunks.
    halves
        Half stacks of the image, or None.

    Returns
    -------
    dask array of float64 (4, region_y, region_x, ring)
        What the halves have in common, the power of either, and the power of the image, which is
        measured only where a half shows nothing. An image that is one px wide has no ring.
    """
    if min(image.shape[:2]) < 2:  # no frequency but zero
        return da.zeros((4, 1, 1, 0))
    regions = Regions.of_image(image.shape[:2])
    n_rings = len(regions.frequency)
    rows = []
    for y in regions.y:
        first, last = max(int(y) - FADE_PX, 0), int(y) + regions.side + FADE_PX
        band = Regions(np.array([y - first]), regions.x, regions.side)
        planes = [_luminance(part[first:last]) for part in (image, *(halves or ()))]
        # No delayed function: its arguments would be computed for each row anew.
        powers = da.map_blocks(
            _powers_of_row,
            *planes,
            regions=band,
            new_axis=[2, 3],
            chunks=((4,), (1,), (len(regions.x),), (n_rings,)),
            dtype=np.float64,
            meta=np.empty((0, 0, 0, 0)),
        )
        rows.append(powers)
    return da.concatenate(rows, axis=1)


def _luminance(image: da.Array) -> da.Array:
    """Average the channels of an image (y, x, channel): lazy float32 (y, x), one chunk."""
    return image.rechunk(-1).map_blocks(_mean_of_channels, dtype=np.float32, drop_axis=2)


def _mean_of_channels(image: AnyArray) -> Float32Array:
    return np.ascontiguousarray(image.mean(axis=2, dtype=np.float32))


def _powers_of_row(image: Float32Array, *halves: Float32Array, regions: Regions) -> FloatArray:
    """Measure a row of regions: float64 (4, 1, region_x, ring); see `ring_powers`."""
    powers = np.zeros((4, 1, len(regions.x), len(regions.frequency)))
    if halves:
        even, odd = halves
        powers[:3] = ring_sums(even, odd, regions)
    if not (powers[1].any() and powers[2].any()):
        powers[3] = ring_sums(image, image, regions).first
    return powers


def has_halves(powers: FloatArray) -> bool:
    """Return whether there are half stacks, and both have frames; see `ring_powers`."""
    return bool(powers[1].any() and powers[2].any())


def fit_resolution(
    powers: FloatArray,
    shape: tuple[int, int],
    centres: tuple[IntArray, IntArray],
    reach: int,
) -> Resolution:
    """Find how finely an image resolves the scene, as a whole and around places of a grid.

    Parameters
    ----------
    powers
        float64 (4, region_y, region_x, ring), see `ring_powers`.
    shape
        Of the image.
    centres
        Rows and columns of the grid, px.
    reach
        Windows nearer than this to a place, centre to centre, count for it, the nearest most, px.
    """
    if not powers.shape[-1]:
        nothing = np.full([len(centre) for centre in centres], RESOLUTIONS[0])
        return Resolution(float(RESOLUTIONS[0]), float(STEEPNESSES[0]), nothing)
    regions = Regions.of_image(shape)
    frequency, side = regions.frequency, regions.side
    detail, total = _detail(powers, regions)
    whole, steepness = _fit(frequency, _share(detail.sum(axis=(0, 1)), total.sum(axis=(0, 1))))
    near = [
        np.maximum(1 - np.abs(start + side / 2 - centre[:, None]) / max(reach, side), 0.0)
        for start, centre in zip((regions.y, regions.x), centres, strict=True)
    ]
    detail, total = (np.einsum("ja,ib,abk->jik", *near, power) for power in (detail, total))
    places = _fit_places(frequency, _share(detail, total), steepness)
    return Resolution(whole, steepness, places)


def _detail(powers: FloatArray, regions: Regions) -> tuple[FloatArray, FloatArray]:
    """Return the power of detail and all power: (region_y, region_x, ring)."""
    shared, first, second, alone = powers
    if has_halves(powers):
        # Of the whole stack, which has half the noise of the mean of both powers.
        return shared, (shared + (first + second) / 2) / 2
    modes = modes_of_rings(regions.side)
    beyond = regions.frequency > NOISE_ALONE
    noise = alone[..., beyond].sum(axis=-1) / max(modes[beyond].sum(), 1.0)
    return alone - noise[..., None] * modes, alone


def _share(shared: FloatArray, total: FloatArray) -> FloatArray:
    """Return shares of detail, 0 to 1; 0 where there is no power at all."""
    share = np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)
    return np.clip(share, 0.0, 1.0)


def _fit(frequency: FloatArray, share: FloatArray) -> tuple[float, float]:
    """Fit resolution and steepness to the shares of detail on rings (ring,)."""
    used = frequency >= LOWEST
    models = np.stack(
        [share_of_detail(frequency[used], RESOLUTIONS[:, None], s) for s in STEEPNESSES]
    )
    errors = np.square(models - share[used]).sum(axis=-1)
    best_steepness, best = np.unravel_index(np.argmin(errors), errors.shape)
    return float(RESOLUTIONS[best]), float(STEEPNESSES[best_steepness])


def _fit_places(frequency: FloatArray, share: FloatArray, steepness: float) -> FloatArray:
    """Fit the resolution alone to the shares (y, x, ring) of places."""
    used = frequency >= LOWEST
    models = share_of_detail(frequency[used], RESOLUTIONS[:, None], steepness)
    # |model - share|**2 without the share's own square, which is the same for all models.
    errors = np.square(models).sum(axis=-1) - 2 * share[..., used] @ models.T
    fitted: FloatArray = RESOLUTIONS[np.argmin(errors, axis=-1)]
    return fitted
