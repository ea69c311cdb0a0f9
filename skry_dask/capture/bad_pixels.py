"""The sensor: how unevenly it takes light, and the pixels it has lost.

A *hot* pixel is brighter than the light explains, a *dead* one darker. In a dark it is what stands
out of its surroundings. In a capture it is told from detail by shape: a telescope spreads even a
star over several pixels, only the sensor has spikes of one. So a pixel is bad if it is beyond its
neighbours of the same colour by much more than the noise there, while the pixels beside it, of
whatever colour, show next to nothing. One neighbour may be bad as well.

Cost: 0.5 us a pixel for `hot_in_dark`, 0.6 to 1.5 for `bad_in_capture`. Memory: some ten times a
frame in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray

GAIN_LIMIT = 8.0
"""Gains stay within this factor of 1: a dark corner must not become nothing but noise."""

UNLIT = 0.05
"""Pixels of a flat below this part of their colour's median got no light."""

DARK_SIGMAS, DARK_SPIKE = 6.0, 0.005
"""A hot pixel of a dark exceeds its surroundings by so many sigmas, and this part of full scale."""

SIGMAS, SPIKE = 8.0, 0.01
"""A bad pixel of a capture is beyond its neighbours by so many sigmas, and this part of full scale.
"""

SPREAD = 0.5
"""The eight pixels around the brightest of a star, without the brightest of them, show together
more than this part of its light, even where its sigma is only 0.5 px."""

ROUNDS = 3
"""So often, bad pixels are looked for without those already found: they hide others near them."""

SIGMA_OF_MAD, SIGMA_OF_MEAN = 1.4826, 1.2533
"""Sigma of a normal distribution over the median, and over the mean, of its absolute values."""

AROUND = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)


def unlit_part(flat: Float32Array, cfa: str | None) -> float:
    """Tell how much of a flat got no light.

    Parameters
    ----------
    flat
        float32 (y, x[, channel]) in any units.
    cfa
        Colour filter array at its first pixel, or None.

    Returns
    -------
    Part of a colour's pixels below a twentieth of their median, 0 to 1, of the colour that has
    most; 1 where a median is not positive.
    """
    parts = [0.0]
    for _, values in _colours(flat, cfa):
        median = np.median(values)
        parts.append(float((values < UNLIT * median).mean()) if median > 0 else 1.0)
    return max(parts)


def gain_of_flat(flat: Float32Array, cfa: str | None) -> Float32Array:
    """Turn a flat into what frames are to be multiplied by.

    Parameters
    ----------
    flat
        float32 (y, x[, channel]) in any units, most of it positive.
    cfa
        Colour filter array at its first pixel, or None.

    Returns
    -------
    float32 of the same shape, 1/8 to 8: the mean of the lit pixels of a colour over the pixel's
    value. Each colour has its own mean, so the balance of colours stays.
    """
    gain = np.empty(flat.shape, np.float32)
    for sites, values in _colours(flat, cfa):
        lit = values[values >= UNLIT * np.median(values)]
        mean = lit.mean(dtype=np.float64)
        for site in sites:
            level = np.maximum(flat[site].astype(np.float64), mean / GAIN_LIMIT)
            gain[site] = np.maximum(mean / level, 1 / GAIN_LIMIT)
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
    bool of the same shape: pixels that exceed the median of the 5 x 5 of their colour around them
    by 6 sigmas of such differences, and by half a percent of full scale.
    """
    above = dark - _surroundings(dark, cfa)
    sigma = SIGMA_OF_MAD * float(np.median(np.abs(above)))
    hot: BoolArray = above > max(DARK_SIGMAS * sigma, DARK_SPIKE)
    return hot


def bad_in_capture(mean: FloatArray, cfa: str | None) -> tuple[BoolArray, BoolArray]:
    """Find the hot and the dead pixels of a capture.

    Parameters
    ----------
    mean
        float (y, x[, channel]), 1 = full scale: mean of frames, less what is known of the camera.
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
        above = image - surroundings
        noise = np.maximum(_local_noise(above, cfa), SIGMA_OF_MAD * np.median(np.abs(above)))
        least = np.maximum(SIGMAS * noise, np.float32(SPIKE))
        new_hot = _spikes(image, above, least, cfa)
        new_dead = _spikes(-image, -above, least, cfa)
        hot |= new_hot
        dead |= new_dead
        new = new_hot | new_dead
        if not new.any():
            break
        image[new] = surroundings[new]
    return hot, dead


def _spikes(
    image: Float32Array, above: Float32Array, least: Float32Array, cfa: str | None
) -> BoolArray:
    """Find pixels above the neighbours of their colour, and alone so.

    The brightest of the neighbours does not count: it may be as bad.
    """
    from scipy import ndimage

    spikes = np.zeros(image.shape, bool)
    for site in _sites(image, cfa):
        second = ndimage.rank_filter(image[site], -2, footprint=AROUND, mode="mirror")
        spikes[site] = image[site] - second > least[site]
    for site in _sites(image, None):
        beside = ndimage.correlate(above[site], AROUND.astype(np.float32), mode="mirror")
        beside -= ndimage.maximum_filter(above[site], footprint=AROUND, mode="mirror")
        spikes[site] &= beside < SPREAD * above[site]
    return spikes


def _surroundings(image: Float32Array, cfa: str | None) -> Float32Array:
    """Median of the 5 x 5 pixels of the same colour around each."""
    from scipy import ndimage

    median = np.empty_like(image)
    for site in _sites(image, cfa):
        median[site] = ndimage.median_filter(image[site], 5, mode="mirror")
    return median


def _local_noise(above: Float32Array, cfa: str | None) -> Float32Array:
    """Sigma of the noise around each pixel, from its 48 neighbours of the same colour."""
    from scipy import ndimage

    sigma = np.empty_like(above)
    for site in _sites(above, cfa):
        size = np.abs(above[site])
        others = ndimage.uniform_filter(size, 7, mode="mirror") * 49 - size
        sigma[site] = SIGMA_OF_MEAN * np.maximum(others, 0) / 48
    return sigma


def _colours(image: AnyArray, cfa: str | None) -> Iterator[tuple[list[Any], AnyArray]]:
    """Where the pixels of each colour are, as indices into an image, and their values there."""
    grids = _grids(image, cfa)
    for colour in dict.fromkeys(name for name, _ in grids):
        sites = [site for name, site in grids if name == colour]
        yield sites, np.concatenate([image[site].ravel() for site in sites])


def _sites(image: AnyArray, cfa: str | None) -> list[Any]:
    return [site for _, site in _grids(image, cfa)]


def _grids(image: AnyArray, cfa: str | None) -> list[tuple[Any, Any]]:
    """Regular grids that an image consists of: the colour of each, and how to index it."""
    if image.ndim > 2:
        return [(channel, (..., channel)) for channel in range(image.shape[2])]
    if cfa is None:
        return [(0, ...)]
    sites = [(slice(y, None, 2), slice(x, None, 2)) for y in (0, 1) for x in (0, 1)]
    return [(name, site) for name, site in zip(cfa, sites, strict=True) if image[site].size]
