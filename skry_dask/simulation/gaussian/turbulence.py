"""Gaussian seeing: how the air displaces and blurs places of the scene.

It simplifies the theory of short exposures (D. L. Fried, "Optical resolution through a
randomly inhomogeneous medium for very long and very short exposures", J. Opt. Soc. Am. 56, 1966,
1372-1379; "Probability of getting a lucky short-exposure image through turbulence", J. Opt. Soc.
Am. 68, 1978, 1651-1658) to what decides how well a stack succeeds:

- Places of the scene are displaced by a random field with Gaussian covariance in space. Kolmogorov
  turbulence would have longer tails, and wind would carry the field along.
- Places are blurred by a Gaussian instead of speckles. Its sigma varies between frames and within
  each frame, log-uniform over the range of the options. The sharper a frame, the smaller its
  displacements.
- Both change gradually, as first-order autoregressive sequences with one step a frame.

Cost: 1 ms a frame of 640 x 480 px. Memory: 55 kB a frame, as the fields are on a coarse grid.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from skry_dask.simulation.mount import mount_reach
from skry_dask.simulation.randomness import Stream, correlate, random_numbers

if TYPE_CHECKING:
    from skry_dask.options.simulation import SimulateOptions
    from skry_dask.types import Float32Array

FIELD_MEMORY = 0.6
"""Correlation of a frame's fields of displacement and blur with those of the frame before."""

SEEING_MEMORY = 0.8
"""Correlation of a frame's overall seeing with that of the frame before."""

COMMON_BLUR = 0.75
"""Fraction of the variance of (normally distributed) blur that a whole frame shares."""


def grid_step(options: SimulateOptions) -> int:
    """Find the spacing of grid nodes, px: linear interpolation is then within 1 % of the field."""
    return max(2, round(options.warp_scale / 4))


def scene_margin(options: SimulateOptions) -> int:
    """Find the margin around the canvas that drift, jitter and warp (5 sigma each) can show, px.

    It is a multiple of the grid's step, so that the first pixel of the canvas is a node.
    """
    reach = mount_reach(options) + 5 * options.warp + 4 * options.blur[1] + 2
    step = grid_step(options)
    return math.ceil(reach / step) * step


def shift_and_blur(options: SimulateOptions) -> tuple[Float32Array, Float32Array]:
    """Simulate displacement and blur on a grid that covers the canvas and its margin.

    Node (j, i) lies at canvas point (j * step - margin, i * step - margin).

    Returns
    -------
    shift
        float32 (frame, grid_y, grid_x, axis), displacement, px. Its mean over the grid is 0.
    blur
        float32 (frame, grid_y, grid_x), sigma, px, in the range of ``options.blur``.
    """
    step = grid_step(options)
    margin = scene_margin(options)
    # From the first pixel of the margin to the last one, or just beyond it.
    grid = tuple(
        math.ceil((n + 2 * margin - 1) / step) + 1 for n in (options.height, options.width)
    )
    scale = options.warp_scale / step
    seeing = random_numbers(options, Stream.SEEING).normal(size=(options.frames, 1, 1))
    correlate(seeing, SEEING_MEMORY)

    # The displacement grows threefold from the best seeing to the worst. For u = ndtr(seeing),
    # which is uniform, (1/2 + u)**2 has mean 13/12.
    amplitude = options.warp * (0.5 + ndtr(seeing)) / math.sqrt(13 / 12)
    shift = np.empty((options.frames, *grid, 2), np.float32)
    for axis, stream in enumerate((Stream.SHIFT_Y, Stream.SHIFT_X)):
        shift[..., axis] = amplitude * _smooth_fields(options, stream, grid, scale)

    local = _smooth_fields(options, Stream.BLUR, grid, scale)
    normal = math.sqrt(COMMON_BLUR) * seeing + math.sqrt(1 - COMMON_BLUR) * local
    low, high = options.blur
    blur = (low * (high / low) ** ndtr(normal)).astype(np.float32)
    return shift, blur


def _smooth_fields(
    options: SimulateOptions, stream: Stream, grid: tuple[int, ...], scale: float
) -> Float32Array:
    """Draw normal random fields, smooth in space and time.

    White noise is smoothed by a Gaussian of sigma ``scale`` nodes, so that the covariance falls to
    1/e at twice that distance.

    Returns
    -------
    float32 (frame, grid_y, grid_x); the mean over the grid is 0, the variance over frames is 1.
    """
    fy = np.fft.fftfreq(grid[0])[:, None]
    fx = np.fft.fftfreq(grid[1])
    exponent = -2.0 * (math.pi * scale) ** 2 * (fy**2 + fx**2)
    # Without the mean. Relative to the largest exponent that is left, because where fields are
    # smoother than the grid is wide the exponential of all others may underflow.
    exponent[0, 0] = -np.inf
    gain = np.exp(exponent - exponent.max())
    gain /= math.sqrt((gain**2).mean())
    gain = gain[:, : grid[1] // 2 + 1].astype(np.float32)

    rng = random_numbers(options, stream)
    fields = np.empty((options.frames, *grid), np.float32)
    for field in fields:
        noise = rng.standard_normal(grid, dtype=np.float32)
        field[:] = np.fft.irfft2(np.fft.rfft2(noise) * gain, s=grid)
    correlate(fields, FIELD_MEMORY)
    return fields
