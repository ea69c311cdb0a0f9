"""Scores of a stack against the scene through a telescope without air, frequency by frequency.

Tiles of the stack are laid on the scene to a fraction of a pixel, so that geometry, which
`tests.scoring` measures, does not count here. Their spectra are compared on rings of equal
frequency: the correlation says how much of what is seen there is true (M. van Heel, "Similarity
measures between images", Ultramicroscopy 21, 1987, 95-100), the transfer how strong it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from tests.scoring import BORDER, displacement

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, FloatArray

TILE = 96
"""Side of a tile, px; neighbours overlap by half."""

RINGS = 48
"""Number of rings from frequency 0 to 0.5 cycles/px."""

EMPTY = 0.05
"""Standard deviation of a tile without detail, as a fraction of the scene's."""

FARTHEST = 6.0
"""Largest distance from its place at which a tile is believed, px."""


@dataclass(frozen=True, slots=True)
class RingScore:
    """Figures of an image against the scene through a telescope without air.

    Parameters
    ----------
    mean
        Correlation with the scene, -1 to 1, averaged over frequencies up to 0.35 cycles/px.
    contrast
        Transfer at 0.1 to 0.2 cycles/px, relative to that at 0.01 to 0.03.
    detail
        Power of the scene up to 0.4 cycles/px over what the best filter of the image cannot tell
        of it, dB. The coarse scales rule it.
    """

    mean: float
    contrast: float
    detail: float


def ring_score(image: AnyArray, still: AnyArray, corner: FloatArray) -> RingScore:
    """Score an image.

    Parameters
    ----------
    image
        float (y, x), any scale; its rim of `BORDER` px is left out.
    still
        float (scene_y, scene_x): the scene through the telescope without air.
    corner
        Where the first pixel of the image lies in ``still``, (y, x), px.
    """
    true, seen = _spectra(image, still, np.rint(corner).astype(int))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(TILE), np.fft.fftfreq(TILE), indexing="ij"))
    ring = (frequency * 2 * RINGS).astype(int)

    def power(product: AnyArray) -> FloatArray:
        # Ring 0 has the mean alone, which has been subtracted.
        return np.bincount(ring.ravel(), product.real.sum(axis=0).ravel())[1:RINGS]

    common = power(seen * true.conj())
    of_true, of_seen = power(true * true.conj()), power(seen * seen.conj())
    correlation, transfer = common / np.sqrt(of_true * of_seen), common / of_true
    middle = (np.arange(1, RINGS) + 0.5) / (2 * RINGS)

    def mean(values: FloatArray, low: float, high: float) -> float:
        return float(values[(middle >= low) & (middle < high)].mean())

    told = of_true * (1 - np.maximum(correlation, 0) ** 2)
    resolved = middle < 0.4
    return RingScore(
        mean=mean(correlation, 0.0, 0.35),
        contrast=mean(transfer, 0.1, 0.2) / mean(transfer, 0.01, 0.03),
        detail=float(10 * np.log10(of_true[resolved].sum() / told[resolved].sum())),
    )


def _spectra(image: AnyArray, still: AnyArray, corner: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Transform tiles of the scene, and of the image laid on them: complex128 (tile, y, x)."""
    window = np.outer(np.hanning(TILE), np.hanning(TILE))

    def transform(tile: FloatArray) -> AnyArray:
        return np.fft.fft2(window * (tile - np.average(tile, weights=window)))

    true, seen = [], []
    for y in range(BORDER, image.shape[0] - BORDER - TILE + 1, TILE // 2):
        for x in range(BORDER, image.shape[1] - BORDER - TILE + 1, TILE // 2):
            top, left = corner[0] + y, corner[1] + x
            expected = still[top : top + TILE, left : left + TILE].astype(np.float64)
            found = image[y : y + TILE, x : x + TILE].astype(np.float64)
            if expected.shape != found.shape or expected.std() < EMPTY * still.std():
                continue
            moved = displacement(ndimage.gaussian_filter(expected, 1.3), found)
            if np.abs(moved).max() < FARTHEST:
                true.append(transform(expected))
                seen.append(ndimage.fourier_shift(transform(found), -moved))
    return np.array(true), np.array(seen)
