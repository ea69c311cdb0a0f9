"""Blended quality: the quality of each area averaged with that of its neighbours.

Seeing hardly changes over 40 px; noise does, and so does the limb of a planet, which moves across
the borders of areas. A mean over neighbouring areas in a Gaussian window keeps the seeing. With a
window of 0.7 areas, the rank correlation of quality with the true blur rises from 0.947 to 0.970
(simulated Moon), and the stack of a simulated planet improves from sigma 1.35 to 1.29 px. Wider
windows gain on planets and lose on the Moon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from skry_dask.kernels.field.kriging import weighted_means

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, FloatArray, IntArray

MAX_NEIGHBOURS = 25
"""Largest number of areas, itself included, that an area is averaged with."""

WEIGHT_STEP = 2.0**-20
"""Weights are multiples of this: exp() differs by less from machine to machine."""


def blending_weights(centres: FloatArray, sigma_px: float) -> tuple[IntArray, FloatArray]:
    """Find the neighbours of each area and their Gaussian weights.

    Parameters
    ----------
    centres
        float64 (area, axis), px.
    sigma_px
        Standard deviation of the Gaussian window, px; 0 = every area for itself.

    Returns
    -------
    neighbours
        int64 (area, neighbour), nearest first, beginning with the area itself.
    weights
        float64 (area, neighbour), multiples of `WEIGHT_STEP`; each row adds up to 1 but for their
        rounding.
    """
    n_neighbours = min(len(centres), 1 if sigma_px == 0 else MAX_NEIGHBOURS)
    ranks = list(range(1, n_neighbours + 1))
    distance, neighbours = cKDTree(centres).query(centres, k=ranks)
    weights = np.exp(-0.5 * (distance / max(sigma_px, 1e-9)) ** 2)
    weights = np.rint(weights / weights.sum(axis=1, keepdims=True) / WEIGHT_STEP) * WEIGHT_STEP
    return np.asarray(neighbours, np.int64), weights


def blend_quality(
    area_quality: Float32Array, neighbours: IntArray, weights: FloatArray
) -> Float32Array:
    """Average the quality of each area with that of its neighbours.

    Parameters
    ----------
    area_quality
        float32 (frame, area), fraction of full scale; NaN where it is not measured.
    neighbours, weights
        (area, neighbour), from `blending_weights`.

    Returns
    -------
    float32 (frame, area), fraction of full scale; NaN likewise.
    """
    blended = weighted_means(area_quality.astype(np.float64), neighbours, weights)
    shown = ~np.isnan(area_quality)
    parts = shown.any(axis=1) & ~shown.all(axis=1)
    if parts.any():
        known = shown[parts]
        sums = weighted_means(
            np.where(known, area_quality[parts], 0.0).astype(np.float64), neighbours, weights
        )
        shares = weighted_means(known.astype(np.float64), neighbours, weights)
        blended[parts] = np.where(known, sums / np.maximum(shares, 1e-9), np.nan)
    return blended.astype(np.float32)
