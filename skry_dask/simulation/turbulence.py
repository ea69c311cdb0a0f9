"""What a simulated mount and simulated air do to a capture: the truth a stack is measured by.

The air is a simplification of the theory of short exposures (D. L. Fried, "Optical resolution
through a randomly inhomogeneous medium for very long and very short exposures", J. Opt. Soc. Am.
56, 1966, 1372-1379; "Probability of getting a lucky short-exposure image through turbulence",
J. Opt. Soc. Am. 68, 1978, 1651-1658), keeping what decides how well a stack succeeds:

- parts of the scene are displaced, neighbours alike. The displacement is a random field with
  Gaussian correlation in space; Kolmogorov turbulence has longer tails, and wind would carry the
  field along.
- parts are blurred, by a Gaussian instead of speckles. Its sigma differs between frames and within
  each, log-uniform over the range asked for; good moments have less displacement too.
- both change gradually: first-order autoregressive sequences, one step a frame.

The fields live on a coarse grid and are computed at once, 1 ms and 55 kB a frame of 640 x 480 px.
"""

from __future__ import annotations

import math
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

if TYPE_CHECKING:
    from numpy.random import Generator

    from skry_dask.options.simulation import SimulateOptions
    from skry_dask.types import AnyArray, Float32Array, FloatArray

# How much of a frame's value the next one keeps.
_JITTER_MEMORY = 0.97
_AIR_MEMORY = 0.6
_SEEING_MEMORY = 0.8

# Part of the variance of (Gaussian-distributed) blur that a whole frame shares.
_COMMON_BLUR = 0.75


class Stream(IntEnum):
    """Sequences of random numbers from one seed, independent of each other."""

    SCENE = 0
    JITTER = 1
    SEEING = 2
    SHIFT_Y = 3
    SHIFT_X = 4
    BLUR = 5
    NOISE = 6


def random_numbers(options: SimulateOptions, stream: Stream, *number: int) -> Generator:
    """Start a stream of random numbers, or that part of it which belongs to one frame."""
    key = (int(stream), *number)
    return np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=key))


def grid_step(options: SimulateOptions) -> int:
    """Distance of nodes, px: straight lines between them are true to the field within 1 %."""
    return max(2, round(options.warp_scale / 4))


def scene_margin(options: SimulateOptions) -> int:
    """Border around the canvas that drift, jitter (5 sigma) and warp (5 sigma) can bring in, px.

    A multiple of the grid's step, so that the first pixel of the canvas is a node.
    """
    drift = max(abs(component) for component in options.drift) / 2
    jitter = 5 * options.jitter / math.sqrt(2 * (1 - _JITTER_MEMORY))
    reach = drift + jitter + 5 * options.warp + 4 * options.blur[1] + 2
    step = grid_step(options)
    return math.ceil(reach / step) * step


def offsets(options: SimulateOptions) -> FloatArray:
    """Displacement of the whole scene: the drift, centred on 0, and jitter around it.

    Returns
    -------
    float64 (frame, axis), px.
    """
    n = options.frames
    # A single frame cannot drift; it is in the middle of its capture.
    progress = np.arange(n) / (n - 1) - 0.5 if n > 1 else np.zeros(1)
    jitter = random_numbers(options, Stream.JITTER).normal(size=(n, 2))
    _correlate(jitter, _JITTER_MEMORY)
    # A step between neighbours of such a sequence has variance 2 (1 - memory).
    jitter *= options.jitter / math.sqrt(2 * (1 - _JITTER_MEMORY))
    offset: FloatArray = progress[:, None] * np.array(options.drift) + jitter
    return offset


def shift_and_blur(options: SimulateOptions) -> tuple[Float32Array, Float32Array]:
    """Local displacement and blur on a grid that covers the canvas and its margin.

    Node (j, i) lies at canvas point (j * step - margin, i * step - margin).

    Returns
    -------
    shift
        float32 (frame, grid_y, grid_x, axis), px. Its mean over the grid is 0.
    blur
        float32 (frame, grid_y, grid_x): sigma, px, within ``options.blur``.
    """
    step = grid_step(options)
    margin = scene_margin(options)
    # From the first pixel of the margin to the last one or beyond.
    grid = tuple(
        math.ceil((n + 2 * margin - 1) / step) + 1 for n in (options.height, options.width)
    )
    scale = options.warp_scale / step
    seeing = random_numbers(options, Stream.SEEING).normal(size=(options.frames, 1, 1))
    _correlate(seeing, _SEEING_MEMORY)

    # The displacement grows threefold from the best seeing to the worst. (1/2 + u)**2 has mean
    # 13/12 for the uniform u = ndtr(seeing).
    amplitude = options.warp * (0.5 + ndtr(seeing)) / math.sqrt(13 / 12)
    shift = np.empty((options.frames, *grid, 2), np.float32)
    for axis, stream in enumerate((Stream.SHIFT_Y, Stream.SHIFT_X)):
        shift[..., axis] = amplitude * _smooth_fields(options, stream, grid, scale)

    local = _smooth_fields(options, Stream.BLUR, grid, scale)
    normal = math.sqrt(_COMMON_BLUR) * seeing + math.sqrt(1 - _COMMON_BLUR) * local
    low, high = options.blur
    blur = (low * (high / low) ** ndtr(normal)).astype(np.float32)
    return shift, blur


def _smooth_fields(
    options: SimulateOptions, stream: Stream, grid: tuple[int, ...], scale: float
) -> Float32Array:
    """Draw normal random fields (frame, grid_y, grid_x), smooth in space and time.

    Each has mean 0; at any place the variance over frames is 1. White noise is smoothed by a
    Gaussian of sigma `scale` nodes: the correlation falls to 1/e at twice that distance.
    """
    fy = np.fft.fftfreq(grid[0])[:, None]
    fx = np.fft.fftfreq(grid[1])
    exponent = -2.0 * (math.pi * scale) ** 2 * (fy**2 + fx**2)
    # Without the mean. Counted from the largest that is left, the exponential of which may be too
    # small for a number when fields are smoother than the grid is wide.
    exponent[0, 0] = -np.inf
    gain = np.exp(exponent - exponent.max())
    gain /= math.sqrt((gain**2).mean())
    gain = gain[:, : grid[1] // 2 + 1].astype(np.float32)

    rng = random_numbers(options, stream)
    fields = np.empty((options.frames, *grid), np.float32)
    for field in fields:
        noise = rng.standard_normal(grid, dtype=np.float32)
        field[:] = np.fft.irfft2(np.fft.rfft2(noise) * gain, s=grid)
    _correlate(fields, _AIR_MEMORY)
    return fields


def _correlate(noise: AnyArray, memory: float) -> None:
    """Make unit white noise along frames autoregressive, in place and still of variance 1."""
    fresh = math.sqrt(1 - memory**2)
    for before, after in pairwise(noise):
        after *= fresh
        after += memory * before
