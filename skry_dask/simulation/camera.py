"""A simulated camera: colour filters, photon noise, read noise and rounding to grey levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.options import Cfa

if TYPE_CHECKING:
    from numpy.random import Generator

    from skry_dask.options.simulation import SimulateOptions
    from skry_dask.types import Float32Array

BLACK = 8 / 255
"""Level of a pixel without light, fraction of full scale; above 0, so that noise shows."""

WHITE = 240 / 255
"""Level of a pixel where the scene is 1, fraction of full scale."""

MAX_POISSON_PHOTONS = 100.0
"""Photons below which the Poisson distribution is drawn. Above, the normal distribution takes a
quarter of the time; its lack of skewness, 0.1 and less, is lost in the rounding."""


def filtered(light: Float32Array, cfa: Cfa) -> Float32Array:
    """Take of each pixel the colour that its filter lets through.

    Parameters
    ----------
    light
        float32 (channel, y, x): red, green and blue, or one channel for a camera without filters.
    cfa
        Colour filter array.

    Returns
    -------
    float32 (y, x)
    """
    if cfa is Cfa.NONE:
        return light[0]
    mosaic = np.empty_like(light[0])
    for i, colour in enumerate(cfa.value):
        y, x = divmod(i, 2)
        mosaic[y::2, x::2] = light["RGB".index(colour), y::2, x::2]
    return mosaic


def digitise(light: Float32Array, options: SimulateOptions, rng: Generator) -> Float32Array:
    """Add photon noise and read noise to the light of a frame, and round to grey levels.

    Parameters
    ----------
    light
        float32 (y, x), 0 to 1.
    options
        Camera.
    rng
        Random numbers of this frame.

    Returns
    -------
    float32 (y, x), whole numbers from 0 to full scale.
    """
    full_scale = 2**options.bits - 1
    photons = np.maximum(light, np.float32(0.0)) * np.float32(options.photons)
    # Read noise needs a normal draw at every pixel anyway. Where photons are many, the same draw
    # carries their noise too.
    variance = photons.copy()
    few = photons < MAX_POISSON_PHOTONS
    photons[few] = rng.poisson(photons[few])
    variance[few] = 0.0

    per_photon = np.float32((WHITE - BLACK) * full_scale / options.photons)
    variance *= per_photon**2
    variance += np.float32((options.read_noise * full_scale / 255) ** 2)
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    noise *= np.sqrt(variance)
    level = photons
    level *= per_photon
    level += np.float32(BLACK * full_scale)
    level += noise
    return np.clip(np.rint(level), 0.0, full_scale)
