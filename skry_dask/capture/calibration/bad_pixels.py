"""What a sensor does to an image: uneven response, and pixels that it has lost.

A *hot* pixel is brighter than the light explains, a *dead* one darker. In a dark, hot pixels stand
out of their surroundings. In a capture they differ from detail by their shape: a telescope spreads
even a star over several pixels, so only the sensor makes spikes of a single pixel. A pixel is bad
if it differs from its neighbours of the same colour by much more than the noise there, while the
pixels beside it, of any colour, hardly differ. One of the neighbours may be bad as well.

Cost: 0.5 us a pixel for `hot_in_dark`, 0.6 to 1.5 us for `bad_in_capture`. Memory: about ten times
a frame in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray

GAIN_LIMIT = 8.0
"""Gains are limited to this factor and its inverse, so that dark corners do not become mere noise.
"""

UNLIT_LEVEL = 0.05
"""Pixels of a flat below this fraction of their colour's median got no light."""

DARK_SIGMAS = 6.0
"""A hot pixel of a dark exceeds its surroundings by at least this multiple of the noise, sigma."""

DARK_SPIKE = 0.005
"""A hot pixel of a dark exceeds its surroundings by at least this fraction of full scale."""

CAPTURE_SIGMAS = 8.0
"""A bad pixel of a capture differs from its neighbours by at least this multiple of the noise."""

CAPTURE_SPIKE = 0.01
"""A bad pixel of a capture differs from its neighbours by at least this fraction of full scale."""

STAR_SPREAD = 0.5
"""The eight pixels around the brightest one of a star, without the brightest of the eight, have
together more than this fraction of its brightness, even if the star's sigma is only 0.5 px."""

ROUNDS = 3
"""Number of searches for bad pixels: those found hide others near them, and are replaced first."""

SIGMA_PER_MEDIAN = 1.4826
"""Standard deviation of a normal distribution over the median of its absolute values."""

SIGMA_PER_MEAN = 1.2533
"""Standard deviation of a normal distribution over the mean of its absolute values."""

NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
"""Footprint of the eight neighbours of a pixel."""


def unlit_fraction(flat: Float32Array, cfa: str | None) -> float:
    """Compute the fraction of a flat's pixels that got no light.

    Parameters
    ----------
    flat
        float32 (y, x[, channel]), any units.
    cfa
        Colour filter array at its first pixel, or None.

    Returns
    -------
    float
        Fraction of a colour's pixels below a twentieth of their median, of the colour with the
        largest fraction; 1 if the median of a colour is not positive.
    """
    fractions = [0.0]
    for _, values in _pixels_of_colours(flat, cfa):
        median = np.median(values)
        fractions.append(float((values < UNLIT_LEVEL * median).mean()) if median > 0 else 1.0)
    return max(fractions)


def gain_of_flat(flat: Float32Array, cfa: str | None) -> Float32Array:
    """Convert a flat to the factors by which frames are multiplied.

    Parameters
    ----------
    flat
        float32 (y, x[, channel]), any units, most of it positive.
    cfa
        Colour filter array at its first pixel, or None.

    Returns
    -------
    float32 of the same shape, 1/8 to 8
        The mean of the lit pixels of a colour over the pixel's value. Each colour has its own mean,
        so that the balance of colours stays.
    """
    gain = np.empty(flat.shape, np.float32)
    for grids, values in _pixels_of_colours(flat, cfa):
        lit = values[values >= UNLIT_LEVEL * np.median(values)]
        mean = lit.mean(dtype=np.float64)
        for grid in grids:
            level = np.maximum(flat[grid].astype(np.float64), mean / GAIN_LIMIT)
            gain[grid] = np.maximum(mean / level, 1 / GAIN_LIMIT)
    return gain


def hot_in_dark(dark: Float32Array, cfa: str | None) -> BoolArray:
    """Find the hot pixels of a dark.

    Parameters
    ----------
    dark
        float32 (y, x[, channel]), 1 = full scale.
    cfa
        Colour filter array at its first pixel, or None.

    Returns
    -------
    bool of the same shape
        Pixels that exceed the median of the 5 x 5 pixels of their colour around them by 6 sigmas of
        such differences, and by 0.5 % of full scale.
    """
    excess = dark - _surroundings(dark, cfa)
    sigma = SIGMA_PER_MEDIAN * float(np.median(np.abs(excess)))
    hot: BoolArray = excess > max(DARK_SIGMAS * sigma, DARK_SPIKE)
    return hot


def bad_in_capture(mean: FloatArray | Float32Array, cfa: str | None) -> tuple[BoolArray, BoolArray]:
    """Find the hot and the dead pixels of a capture.

    Parameters
    ----------
    mean
        float (y, x[, channel]), 1 = full scale: mean of frames, calibrated as far as there are
        masters.
    cfa
        Colour filter array at its first pixel, or None.

    Returns
    -------
    hot, dead
        bool of the same shape.
    """
    image = mean.astype(np.float32)
    hot, dead = np.zeros((2, *image.shape), bool)
    for _ in range(ROUNDS):
        surroundings = _surroundings(image, cfa)
        excess = image - surroundings
        noise = np.maximum(_local_noise(excess, cfa), SIGMA_PER_MEDIAN * np.median(np.abs(excess)))
        threshold = np.maximum(CAPTURE_SIGMAS * noise, np.float32(CAPTURE_SPIKE))
        new_hot = _spikes(image, excess, threshold, cfa)
        new_dead = _spikes(-image, -excess, threshold, cfa)
        hot |= new_hot
        dead |= new_dead
        new = new_hot | new_dead
        if not new.any():
            break
        image[new] = surroundings[new]
    return hot, dead


def _spikes(
    image: Float32Array, excess: Float32Array, threshold: Float32Array, cfa: str | None
) -> BoolArray:
    """Find single pixels above their neighbours of the same colour.

    The brightest of the neighbours does not count, because it may be bad as well.
    """
    from scipy import ndimage

    spikes = np.zeros(image.shape, bool)
    for grid in _grids(image, cfa):
        second = ndimage.rank_filter(image[grid], -2, footprint=NEIGHBOURS, mode="mirror")
        spikes[grid] = image[grid] - second > threshold[grid]
    for grid in _grids(image, None):
        beside = ndimage.correlate(excess[grid], NEIGHBOURS.astype(np.float32), mode="mirror")
        beside -= ndimage.maximum_filter(excess[grid], footprint=NEIGHBOURS, mode="mirror")
        spikes[grid] &= beside < STAR_SPREAD * excess[grid]
    return spikes


def _surroundings(image: Float32Array, cfa: str | None) -> Float32Array:
    """Compute the median of the 5 x 5 pixels of the same colour around each pixel."""
    from scipy import ndimage

    median = np.empty_like(image)
    for grid in _grids(image, cfa):
        median[grid] = ndimage.median_filter(image[grid], 5, mode="mirror")
    return median


def _local_noise(excess: Float32Array, cfa: str | None) -> Float32Array:
    """Estimate the noise around each pixel, sigma, from its 48 neighbours of the same colour."""
    from scipy import ndimage

    sigma = np.empty_like(excess)
    for grid in _grids(excess, cfa):
        size = np.abs(excess[grid])
        others = ndimage.uniform_filter(size, 7, mode="mirror") * 49 - size
        sigma[grid] = SIGMA_PER_MEAN * np.maximum(others, 0) / 48
    return sigma


def _pixels_of_colours(image: AnyArray, cfa: str | None) -> Iterator[tuple[list[Any], AnyArray]]:
    """Yield for each colour the indices of its grids, and the values of all its pixels."""
    grids = _colour_grids(image, cfa)
    for colour in dict.fromkeys(name for name, _ in grids):
        own = [grid for name, grid in grids if name == colour]
        yield own, np.concatenate([image[grid].ravel() for grid in own])


def _grids(image: AnyArray, cfa: str | None) -> list[Any]:
    """List the indices of the regular grids of one colour that make up an image."""
    return [grid for _, grid in _colour_grids(image, cfa)]


def _colour_grids(image: AnyArray, cfa: str | None) -> list[tuple[Any, Any]]:
    """List the regular grids of one colour that make up an image: the colour, and the index."""
    if image.ndim > 2:
        return [(channel, (..., channel)) for channel in range(image.shape[2])]
    if cfa is None:
        return [(0, ...)]
    grids = [(slice(y, None, 2), slice(x, None, 2)) for y in (0, 1) for x in (0, 1)]
    return [(name, grid) for name, grid in zip(cfa, grids, strict=True) if image[grid].size]
