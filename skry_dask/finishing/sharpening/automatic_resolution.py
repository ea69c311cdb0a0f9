"""How finely an image resolves the scene, everywhere in it, from half stacks or from its own noise.

What half stacks have in common is detail, see `resolution.ring_correlation`. Its share of the power
falls with frequency f as 1 / (1 + (f / resolution)**steepness), which is fitted: the rings of a
small region alone are too noisy.

An image alone has detail and noise together. Beyond the finest detail that a telescope passes there
is noise alone, and as strong at the other frequencies if it is white.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from skry_dask.finishing.resolution.ring_correlation import Regions, modes_of_rings, ring_sums

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


def measure_resolution(
    image: Float32Array,
    halves: Sequence[Float32Array] | None,
    centres: tuple[IntArray, IntArray],
    reach: int,
) -> Resolution:
    """Measure how finely an image resolves the scene, as a whole and around places of a grid.

    Parameters
    ----------
    image
        float32 (y, x), without NaN.
    halves
        Half stacks of the image, or None.
    centres
        Rows and columns of the grid, px.
    reach
        Windows up to this far from a place, centre from centre, count for it, px.
    """
    if min(image.shape) < 2:  # no frequency but zero
        nothing = np.full([len(centre) for centre in centres], RESOLUTIONS[0])
        return Resolution(float(RESOLUTIONS[0]), float(STEEPNESSES[0]), nothing)
    regions = Regions.of_image(image.shape)
    frequency, side = regions.frequency, regions.side
    shared, total = _ring_powers(image, halves, regions)
    whole_share = _share(shared.sum(axis=(0, 1)), total.sum(axis=(0, 1)))
    whole, steepness = _fit(frequency, whole_share)
    near = [
        (np.abs(start + side / 2 - centre[:, None]) <= max(reach, side / 2)).astype(np.float64)
        for start, centre in zip((regions.y, regions.x), centres, strict=True)
    ]
    shared, total = (np.einsum("ja,ib,abk->jik", *near, power) for power in (shared, total))
    places = _fit_places(frequency, _share(shared, total), steepness)
    return Resolution(whole, steepness, places)


def _ring_powers(
    image: Float32Array, halves: Sequence[Float32Array] | None, regions: Regions
) -> tuple[FloatArray, FloatArray]:
    """Return the power of detail and all power on rings (region_y, region_x, ring)."""
    if halves is None:
        power = ring_sums(image, image, regions).first
        modes = modes_of_rings(regions.side)
        alone = regions.frequency > NOISE_ALONE
        noise = power[..., alone].sum(axis=-1) / max(modes[alone].sum(), 1.0)
        return power - noise[..., None] * modes, power
    even, odd = halves
    sums = ring_sums(even, odd, regions)
    # Of the whole stack, which has half the noise of the mean of both powers.
    return sums.cross, (sums.cross + (sums.first + sums.second) / 2) / 2


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
