"""Images of one scene through different filters, displaced by known amounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from tests.smooth_images import smooth

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, FloatArray


class Filter(NamedTuple):
    """How a filter shows a scene: brightness and place."""

    shift: tuple[float, float] = (0.0, 0.0)
    warp: float = 0.0
    gain: float = 1.0
    gamma: float = 1.0
    level: float = 0.0
    blur: float = 0.0
    noise: float = 0.003


def surface(shape: tuple[int, int], seed: int = 1) -> FloatArray:
    """Draw detail of all sizes, 0.1 to 0.9."""
    detail = sum(
        sigma**0.5 * (layer - layer.mean()) / layer.std()
        for sigma in (1.5, 4.0, 12.0, 30.0)
        for layer in (smooth(shape, seed + int(sigma), sigma),)
    )
    return 0.1 + 0.8 * (detail - np.min(detail)) / np.ptp(detail)


def disc(
    shape: tuple[int, int], radius: float, centre: tuple[float, float], darkening: float = 0.5
) -> FloatArray:
    """Draw a planet with belts, darker towards its limb, on a dark sky."""
    y, x = np.indices(shape) - np.reshape(centre, (2, 1, 1))
    height = np.sqrt(np.clip(1 - (y**2 + x**2) / radius**2, 0, 1))
    belts = 0.6 + 0.15 * np.sin(9 * y / radius + 0.5) + 0.1 * np.sin(7 * x / radius) * (y > 0)
    return ndimage.gaussian_filter(height**darkening * belts, 1.2)


def displacement(shape: tuple[int, int], one: Filter) -> FloatArray:
    """Where a filter shows each pixel of the scene, minus the pixel: (y, x, axis), px."""
    y, x = np.indices(shape)
    waves = np.sin(y / 31.0 + x / 37.0), np.cos(y / 33.0 - x / 29.0)
    fields = [s + one.warp * np.sqrt(2) * wave for s, wave in zip(one.shift, waves, strict=True)]
    return np.stack(fields, axis=-1)


def through(scene: FloatArray, one: Filter, seed: int = 0) -> Float32Array:
    """Draw a scene as a filter shows it."""
    bright = one.level + one.gain * scene**one.gamma
    if one.blur:
        bright = ndimage.gaussian_filter(bright, one.blur)
    pixels = np.moveaxis(np.indices(scene.shape, dtype=float), 0, -1)
    places = pixels - displacement(scene.shape, one)
    for _ in range(8):  # the displacement at a pixel is that of the place that it shows
        at = np.moveaxis(places, -1, 0)
        moved = [
            ndimage.map_coordinates(field, at, order=1, mode="nearest")
            for field in np.moveaxis(displacement(scene.shape, one), -1, 0)
        ]
        places = pixels - np.stack(moved, axis=-1)
    shown = ndimage.map_coordinates(bright, np.moveaxis(places, -1, 0), order=3, mode="nearest")
    noise = np.random.default_rng(seed).normal(0, one.noise, scene.shape)
    return (shown + noise).astype(np.float32)
