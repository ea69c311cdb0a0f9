"""How finely an image resolves the scene, everywhere in it, from half stacks or from its own noise.

Half stacks show the same scene with noise that has nothing in common. Their correlation over a ring
of spatial frequencies (Fourier ring correlation: Saxton & Baumeister, J. Microsc. 127, 1982, 127)
is h; of the whole stack's power the part 2 h / (1 + h) is detail (Rosenthal & Henderson, J. Mol.
Biol. 333, 2003, 721). It falls with frequency f as 1 / (1 + (f / resolution)**steepness), which is
fitted: the rings of a small region alone are too noisy.

An image alone has detail and noise together. Beyond the finest detail that a telescope passes there
is noise alone, and as strong at the other frequencies if it is white.

Cost: two transforms of 128 x 128 px for each 64 x 64 px. Memory: 128 numbers for each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import fft, special

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.types import AnyArray, Float32Array, FloatArray, IntArray

WINDOW = 128
"""Side of the windows whose spectra are taken, px; they overlap by half."""

N_RINGS = 64
"""Number of rings of spatial frequency, up to half a cycle per px."""

FREQUENCIES = (np.arange(N_RINGS) + 0.5) / (2 * N_RINGS)
"""Spatial frequency of each ring, cycles/px."""

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
    side = min(WINDOW, image.shape[0], image.shape[1])
    starts = tuple(_window_starts(size, side) for size in image.shape)
    shared, total = _ring_powers(image, halves, starts, side)
    whole_share = _share(shared.sum(axis=(0, 1)), total.sum(axis=(0, 1)))
    whole, steepness = _fit(whole_share)
    near = [
        (np.abs(start + side / 2 - centre[:, None]) <= max(reach, side / 2)).astype(np.float64)
        for start, centre in zip(starts, centres, strict=True)
    ]
    shared, total = (np.einsum("ja,ib,abk->jik", *near, power) for power in (shared, total))
    return Resolution(whole, steepness, _fit_places(_share(shared, total), steepness))


def _window_starts(size: int, side: int) -> IntArray:
    """Return where windows begin: in steps of half of them, the last at the border."""
    step = max(side // 2, 1)
    return np.minimum(np.arange(0, size - side + step, step), size - side)


def _ring_powers(
    image: Float32Array,
    halves: Sequence[Float32Array] | None,
    starts: tuple[IntArray, ...],
    side: int,
) -> tuple[FloatArray, FloatArray]:
    """Return the power of detail and all power in each window's rings (y, x, ring)."""
    line = np.hanning(side + 2)[1:-1]
    taper = np.outer(line, line).astype(np.float32)
    spatial = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    ring = np.minimum((spatial * 2 * N_RINGS).astype(np.int64), N_RINGS).ravel()
    # Columns between the first and the last stand for two of the whole spectrum.
    counts = np.full(side // 2 + 1, 2.0)
    counts[0] = 1.0
    weights = np.broadcast_to(counts, spatial.shape).ravel()
    noise_alone = (spatial.ravel() > NOISE_ALONE) * weights

    def spectrum(plane: Float32Array, y: int, x: int) -> AnyArray:
        window = plane[y : y + side, x : x + side]
        mean = np.float32((window * taper).sum(dtype=np.float64) / taper.sum(dtype=np.float64))
        return fft.rfft2((window - mean) * taper).ravel()

    def by_ring(power: AnyArray) -> FloatArray:
        return np.bincount(ring, power * weights, N_RINGS + 1)[:N_RINGS].astype(np.float64)

    shape = (len(starts[0]), len(starts[1]), N_RINGS)
    shared, total = np.zeros(shape), np.zeros(shape)
    modes = np.bincount(ring, weights, N_RINGS + 1)[:N_RINGS]
    for j, y in enumerate(starts[0]):
        for i, x in enumerate(starts[1]):
            if halves is None:
                power = np.square(np.abs(spectrum(image, y, x)))
                noise = float((power * noise_alone).sum() / max(noise_alone.sum(), 1.0))
                total[j, i] = by_ring(power)
                shared[j, i] = total[j, i] - noise * modes
            else:
                even, odd = (spectrum(half, y, x) for half in halves)
                common = by_ring((even * odd.conj()).real)
                # Of the whole stack, which has half the noise of the mean of both powers.
                either = by_ring(np.square(np.abs(even)) + np.square(np.abs(odd))) / 2
                shared[j, i], total[j, i] = common, (common + either) / 2
    return shared, total


def _share(shared: FloatArray, total: FloatArray) -> FloatArray:
    """Return shares of detail, 0 to 1; 0 where there is no power at all."""
    share = np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)
    return np.clip(share, 0.0, 1.0)


def _fit(share: FloatArray) -> tuple[float, float]:
    """Fit resolution and steepness to the shares of detail in rings (ring,)."""
    used = FREQUENCIES >= LOWEST
    models = np.stack(
        [share_of_detail(FREQUENCIES[used], RESOLUTIONS[:, None], s) for s in STEEPNESSES]
    )
    errors = np.square(models - share[used]).sum(axis=-1)
    best_steepness, best = np.unravel_index(np.argmin(errors), errors.shape)
    return float(RESOLUTIONS[best]), float(STEEPNESSES[best_steepness])


def _fit_places(share: FloatArray, steepness: float) -> FloatArray:
    """Fit the resolution alone to the shares (y, x, ring) of places."""
    used = FREQUENCIES >= LOWEST
    models = share_of_detail(FREQUENCIES[used], RESOLUTIONS[:, None], steepness)
    # |model - share|**2 without the share's own square, which is the same for all models.
    errors = np.square(models).sum(axis=-1) - 2 * share[..., used] @ models.T
    fitted: FloatArray = RESOLUTIONS[np.argmin(errors, axis=-1)]
    return fitted
