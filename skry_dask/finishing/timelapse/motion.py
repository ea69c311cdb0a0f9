"""Which part of local displacements is motion of the object, and which is the air's.

The air displaces a place now here, now there. What moves, as clouds on a turning planet, goes on: a
line through the neighbours in time follows it. But a line follows a third of the air's displacement
too, by chance. So lines count as far as they deviate more from the mean over time than chance
explains, with the air's variance from second differences in time, to which motion adds little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from skry_dask.types import FloatArray

N_NEIGHBOURS = 4
"""Number of images before an image, and after it, from which its motion is told."""

BY_CHANCE = 3.0
"""Lines that deviate less than this many times as much as chance explains, squared, are chance."""

NEAR_PLACES = 1.0
"""Standard deviation of the Gaussian over places that tell together whether there is motion."""

FEWEST = 6
"""With fewer images there is no telling, and lines count."""


def motion_that_goes_on(values: FloatArray) -> FloatArray:
    """Find the motion that goes on in displacements.

    Parameters
    ----------
    values
        float64 (image, row, column, axis), px, in the order of time.

    Returns
    -------
    float64 (image, row, column, axis), px.
    """
    n = len(values)
    smoothing = line_weights(n)
    lines = np.tensordot(smoothing, values, axes=1)
    if n < FEWEST:
        return lines
    mean = values.mean(axis=0)
    second = values[2:] - 2 * values[1:-1] + values[:-2]
    air = np.square(second).sum(axis=-1).mean(axis=0) / 6.0
    chance = np.square(smoothing - 1.0 / n).sum() / n
    deviation = np.square(lines - mean).sum(axis=-1).mean(axis=0)
    explained, seen = (ndimage.gaussian_filter(a, NEAR_PLACES) for a in (chance * air, deviation))
    by_chance = BY_CHANCE * explained / np.maximum(seen, 1e-12)
    share = np.clip(1.0 - np.square(by_chance), 0.0, 1.0)
    return mean + share[..., None] * (lines - mean)


def line_weights(n: int) -> FloatArray:
    """Return what makes lines through neighbours of values: float64 (image, image).

    Parameters
    ----------
    n
        Number of images.
    """
    weights = np.zeros((n, n))
    for i in range(n):
        near = np.arange(max(0, i - N_NEIGHBOURS), min(n, i + N_NEIGHBOURS + 1))
        weight = 1 - np.abs(near - i) / (N_NEIGHBOURS + 1)
        terms = np.stack([np.ones(len(near)), near - i], axis=1)
        matrix = terms.T * weight @ terms + np.diag([0.0, 1e-9])
        weights[i, near] = np.linalg.solve(matrix, terms.T * weight)[0]
    return weights
