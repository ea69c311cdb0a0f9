"""The telescope's mount: how the whole scene drifts and shakes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.simulation.randomness import Stream, correlate, random_numbers

if TYPE_CHECKING:
    from skry_dask.options.simulation import SimulateOptions
    from skry_dask.types import FloatArray

JITTER_MEMORY = 0.97
"""Correlation of a frame's jitter with that of the frame before."""


def mount_offsets(options: SimulateOptions) -> FloatArray:
    """Simulate the offset of each frame: the drift, centred on 0, and jitter around it.

    Returns
    -------
    float64 (frame, axis), px
    """
    n = options.frames
    # A single frame does not drift: it is the middle of the capture.
    progress = np.arange(n) / (n - 1) - 0.5 if n > 1 else np.zeros(1)
    jitter = random_numbers(options, Stream.JITTER).normal(size=(n, 2))
    correlate(jitter, JITTER_MEMORY)
    # A step from one frame to the next has variance 2 (1 - memory).
    jitter *= options.jitter / math.sqrt(2 * (1 - JITTER_MEMORY))
    offset: FloatArray = progress[:, None] * np.array(options.drift) + jitter
    return offset


def mount_reach(options: SimulateOptions) -> float:
    """Find how far the mount moves the scene from its mean place, 5 sigma of the jitter, px."""
    drift = max(abs(component) for component in options.drift) / 2
    return drift + 5 * options.jitter / math.sqrt(2 * (1 - JITTER_MEMORY))
