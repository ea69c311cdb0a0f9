"""Artificial scenes: the Moon, a planet and the Sun as they would look without air.

A scene needs the right kind of detail (sharp, of all sizes, everywhere or on a disc in the dark),
not the right map. Each function names the laws that it follows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from skry_dask.graph.datasets import variable
from skry_dask.options.simulation import Scene

if TYPE_CHECKING:
    from typing import Any

    from numpy.random import Generator

    from skry_dask.types import Float32Array, FloatArray

DrawnScene: TypeAlias = Literal[Scene.MOON, Scene.PLANET, Scene.SUN]
"""A scene that `draw` draws: one that stands still."""

_COLOURS: dict[Scene, tuple[tuple[float, float], ...]] = {
    Scene.MOON: ((0.80, 1.00), (1.0, 1.0), (0.60, 1.05)),
    Scene.PLANET: ((0.85, 0.85), (1.0, 1.0), (0.65, 1.35)),
    Scene.SUN: ((0.90, 0.85), (1.0, 1.0), (0.70, 1.20)),
    Scene.JUPITER: ((0.85, 0.85), (1.0, 1.0), (0.65, 1.35)),
    Scene.SATURN: ((0.90, 0.85), (1.0, 1.0), (0.55, 1.35)),
    Scene.MARS: ((1.25, 0.80), (1.0, 1.0), (0.45, 1.20)),
}
"""Strength and exponent of red, green and blue: what is dark is redder, as maria, belts and the
limb of the Sun are; and a camera is most sensitive to green."""


def coloured(scene: Scene, picture: Float32Array) -> Float32Array:
    """Colour a scene as a camera without white balance sees it.

    Parameters
    ----------
    scene
        The object.
    picture
        float32 (y, x), 0 to 1, from `draw`.

    Returns
    -------
    float32 (channel, y, x), 0 to 1: red, green and blue; green is the picture.
    """
    return np.stack([np.float32(a) * picture ** np.float32(n) for a, n in _COLOURS[scene]])


def scene_variable(light: Float32Array, long_name: str) -> Any:
    """Label a scene (channel, scene_y, scene_x), 0 to 1; a single channel loses its dim."""
    if light.shape[0] == 1:
        return variable(("scene_y", "scene_x"), light[0], "1", long_name)
    return variable(("scene_y", "scene_x", "channel"), np.moveaxis(light, 0, -1), "1", long_name)


def draw(scene: DrawnScene, height: int, width: int, margin: int, rng: Generator) -> Float32Array:
    """Draw a scene as it would look without air.

    Parameters
    ----------
    scene
        The object. A planet is centred, with a diameter of 54 % of the canvas's shorter side; the
        Moon and the Sun fill canvas and margin.
    height, width
        Size of the canvas, px.
    margin
        Width of the margin drawn around the canvas, px.
    rng
        Random numbers for craters, bands and granules.

    Returns
    -------
    float32 (y, x) of height + 2 margin and width + 2 margin px, 0 to 1.
    """
    radius = 0.27 * min(height, width)
    height, width = height + 2 * margin, width + 2 * margin
    match scene:
        case Scene.MOON:
            picture = _moon(rng, height, width)
        case Scene.PLANET:
            picture = _planet(rng, height, width, radius)
        case Scene.SUN:
            picture = _sun(rng, height, width)
    return np.clip(picture, 0.0, 1.0).astype(np.float32)


def _moon(rng: Generator, height: int, width: int) -> FloatArray:
    """Draw cratered highland and smoother, darker maria under a low Sun at the left.

    Shading follows the law of Lommel and Seeliger for dark dusty surfaces, and mountains cast
    shadows.
    """
    maria = 1.0 / (1.0 + np.exp(-6.0 * (fractal(rng, height, width, 3.6) - 0.4)))
    relief = (6.0 - 4.0 * maria) * fractal(rng, height, width, 4.0)
    albedo = (1.0 - 0.45 * maria) * (1.0 + 0.05 * fractal(rng, height, width, 2.4))
    _add_craters(rng, relief, albedo, maria)

    elevation = math.radians(24.0)
    slope_y, slope_x = np.gradient(relief)
    to_viewer = 1.0 / np.sqrt(1.0 + slope_y**2 + slope_x**2)
    to_sun = (math.sin(elevation) + math.cos(elevation) * slope_x) * to_viewer
    to_sun = np.maximum(to_sun, 0.0)
    # Sunlight comes along the rows. A pixel is in shadow where some pixel to its left is higher,
    # measured from a plane that falls with the rays.
    above_ray = relief + math.tan(elevation) * np.arange(width)
    shadow = np.maximum.accumulate(above_ray, axis=1) - above_ray
    light = to_sun / (to_sun + to_viewer) * np.clip(1.0 - shadow, 0.0, 1.0)
    picture: FloatArray = gaussian_filter(light * albedo, 0.5)
    picture *= 0.87 / np.percentile(picture, 99.9)
    return picture + 0.03


def _add_craters(rng: Generator, relief: FloatArray, albedo: FloatArray, maria: FloatArray) -> None:
    """Dig craters into a relief (height in px), in place, and brighten the fresh ones.

    The number of craters larger than radius r falls as r**-2, the equilibrium of cratered surfaces
    (Gault, Radio Science 5, 1970, 273-291), up to diameters of a quarter of the scene. A fresh
    crater is a parabola 0.2 diameters deep with a rim 0.04 diameters high; a large one has a flat
    floor with a central peak (Pike, in Impact and Explosion Cratering, 1977, 489-509). The
    thickness of ejecta falls as the cube of the distance. Old craters are shallower.
    """
    height, width = relief.shape
    smallest, largest = 1.5, max(min(height, width) / 8.0, 3.0)
    n = round(0.05 * height * width / smallest**2)
    # Radii by the inverse of the cumulative distribution, truncated at the largest.
    share = rng.uniform(0.0, 1.0 - (smallest / largest) ** 2, n)
    radii = np.sort(smallest / np.sqrt(1.0 - share))[::-1]
    centres = rng.uniform(0.0, (height, width), (n, 2))
    freshness = rng.beta(1.0, 1.5, n)
    survives = rng.uniform(size=n)
    for (y, x), radius, fresh, survival in zip(
        centres.tolist(), radii.tolist(), freshness.tolist(), survives.tolist(), strict=True
    ):
        # Maria are younger: lava has covered three craters out of four.
        if survival < 0.75 * maria[int(y), int(x)]:
            continue
        reach = 2.5 * radius + 1.0
        rows = slice(max(0, math.ceil(y - reach)), math.ceil(y + reach))
        columns = slice(max(0, math.ceil(x - reach)), math.ceil(x + reach))
        patch = relief[rows, columns]
        dy = (np.arange(patch.shape[0]) + (rows.start - y)) / radius
        dx = (np.arange(patch.shape[1]) + (columns.start - x)) / radius
        squared = dy[:, None] ** 2 + dx**2
        bowl = 0.4 * squared - 0.32
        if radius > 12.0:
            bowl = np.maximum(bowl, -0.24) + 0.16 * np.exp(-squared / 0.02)
        # Falls smoothly to 0 at the edge of the patch, so that no step shows.
        ejecta = 0.08 * np.maximum(squared, 1.0) ** -1.5 * np.clip(3.0 - squared / 2.0, 0.0, 1.0)
        depth = radius * (0.15 + 0.85 * fresh)
        patch += depth * np.where(squared < 1.0, bowl, ejecta)
        if fresh > 0.7 and radius < 12.0:
            albedo[rows, columns] *= 1.0 + 0.5 * (fresh - 0.5) * np.exp(-squared)


def _planet(rng: Generator, height: int, width: int, radius: float) -> FloatArray:
    """Draw a banded, slightly oblate disc on black.

    It darkens towards the limb by Minnaert's law (Astrophysical Journal 93, 1941, 403-410) for a
    Sun behind the viewer: brightness mu**(2 k - 1) with k = 0.9.
    """
    y = (np.arange(height)[:, None] - (height - 1) / 2.0) / (0.94 * radius)
    x = (np.arange(width) - (width - 1) / 2.0) / radius
    distance = np.hypot(y, x)
    mu = np.sqrt(np.clip(1.0 - distance**2, 0.0, 1.0))

    turbulence = fractal(rng, height, width, 3.4)
    latitude = np.arcsin(np.clip(y, -1.0, 1.0)) + 0.025 * turbulence
    profile = bands(rng, 512)
    belts = np.interp(latitude, np.linspace(-2.0, 2.0, profile.size), profile)
    spot = np.hypot((x - 0.3) / 0.21, (y - 0.36) / 0.12)
    colour = 0.68 + 0.13 * belts + 0.04 * fractal(rng, height, width, 2.6)
    colour += 0.12 * np.exp(-(((spot - 1.2) / 0.3) ** 2)) - 0.2 * np.exp(-(spot**4))
    # The edge is sharp, and a pixel that it crosses is lit in proportion.
    lit = np.clip((1.0 - distance) * radius + 0.5, 0.0, 1.0)
    picture: FloatArray = lit * np.maximum(mu, 0.05) ** 0.8 * colour
    return picture


def bands(rng: Generator, n: int) -> FloatArray:
    """Draw broad and narrow bands.

    Parameters
    ----------
    rng
        Random numbers.
    n
        Number of latitudes.

    Returns
    -------
    float64 (latitude), brightness: mean 0, rms 1.
    """
    broad = gaussian_filter(rng.normal(size=n), n / 40.0, mode="nearest")
    narrow = gaussian_filter(rng.normal(size=n), n / 160.0, mode="nearest")
    profile: FloatArray = broad / broad.std() + 0.5 * narrow / narrow.std()
    profile -= profile.mean()
    profile /= profile.std()
    return profile


def _sun(rng: Generator, height: int, width: int) -> FloatArray:
    """Draw the photosphere near its limb, with granules and a spot, and black sky in a corner.

    Granules are the cells around random points, dark where two cells meet. Limb darkening is
    linear with coefficient 0.6, about right for green light.
    """
    spacing = 7.0
    n = round(height * width / spacing**2)
    points = rng.uniform(0.0, (height, width), (n, 2))
    y, x = np.mgrid[:height, :width].astype(np.float64)
    nearest = np.asarray(cKDTree(points).query(np.stack([y, x], axis=-1), k=2)[0])
    lanes = np.clip((nearest[..., 1] - nearest[..., 0]) / 2.5, 0.0, 1.0)
    granules = 0.82 + 0.18 * lanes + 0.03 * fractal(rng, height, width, 2.0)

    size = float(min(height, width))
    turn = np.arctan2(y - 0.6 * height, x - 0.4 * width)
    ragged = 1.0 + 0.06 * np.sin(5.0 * turn + 1.0) + 0.04 * np.sin(37.0 * turn)
    spot = np.hypot(y - 0.6 * height, x - 0.4 * width) / (0.09 * size) * ragged
    penumbra = 1.0 / (1.0 + np.exp(12.0 * (spot - 1.0)))
    umbra = 1.0 / (1.0 + np.exp(16.0 * (spot - 0.45)))
    filaments = 0.62 + 0.08 * np.sin(53.0 * turn + 3.0 * fractal(rng, height, width, 3.0))
    granules = granules * (1.0 - penumbra) + filaments * penumbra
    granules *= 1.0 - 0.75 * umbra

    radius = 1.6 * math.hypot(height, width)
    centre_y, centre_x = 0.16 * height + 0.8 * radius, 0.84 * width - 0.6 * radius
    distance = np.hypot(y - centre_y, x - centre_x)
    mu = np.sqrt(np.clip(1.0 - (distance / radius) ** 2, 0.0, 1.0))
    disc = np.clip(radius - distance + 0.5, 0.0, 1.0)
    picture: FloatArray = 0.95 * granules * disc * (0.4 + 0.6 * mu)
    return picture


def fractal(rng: Generator, height: int, width: int, exponent: float) -> FloatArray:
    """Draw noise whose power falls as a power of frequency; it continues across its borders.

    Parameters
    ----------
    rng
        Random numbers.
    height, width
        Size, px.
    exponent
        Power falls as frequency**-exponent.

    Returns
    -------
    float64 (y, x), mean 0, rms 1.
    """
    fy = np.fft.fftfreq(height)[:, None]
    fx = np.fft.rfftfreq(width)
    squared = fy**2 + fx**2
    squared[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.normal(size=(height, width))) * squared ** (-exponent / 4.0)
    spectrum[0, 0] = 0.0
    noise = np.fft.irfft2(spectrum, s=(height, width))
    fractal: FloatArray = noise / noise.std()
    return fractal
