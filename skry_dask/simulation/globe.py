"""A globe that turns: Jupiter as it was seen from the Earth when the simulated capture begins.

Its surface is a map of bands, spots and turbulence, of which each frame shows the part that is
turned towards the viewer. As the planet scene it darkens towards the limb by Minnaert's law with
k = 0.9; the shading stays while the surface moves.

Cost: 20 ms a picture of 640 x 480 px. Memory: the map, and five numbers a pixel of the disc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import map_coordinates, spline_filter

from skry_dask.geometry.globe.bodies import ELEMENTS
from skry_dask.geometry.globe.disc import Disc
from skry_dask.options.rotation import Body, System
from skry_dask.simulation.scenes import bands, fractal

if TYPE_CHECKING:
    from numpy.random import Generator

    from skry_dask.types import Float32Array, FloatArray

LATITUDE, POLE_ANGLE = 2.894, -22.842
"""Of Jupiter on 2000-01-01 at 0:00 UTC, degrees; see `view_from_earth`."""

DEGREES_PER_DAY = ELEMENTS[Body.JUPITER].meridians[System.II].rate
"""How fast the globe turns."""

RADIUS = 0.3
"""Equatorial radius, as a fraction of the canvas's shorter side."""

MAP_PIXELS = 1.5
"""Pixels of the map for each of the image, in the middle of the disc."""

N_SPOTS = 40
"""Number of spots, of latitudes up to 60 degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class TurningGlobe:
    """A globe and its map.

    Parameters
    ----------
    disc
        Where the globe is in a picture.
    shape
        Height and width of a picture, px.
    surface
        float32 (latitude, longitude), spline coefficients of the map, -90 to 90 and 0 to 360
        degrees.
    """

    disc: Disc
    shape: tuple[int, int]
    surface: Float32Array

    @classmethod
    def of(cls, height: int, width: int, margin: int, rng: Generator) -> TurningGlobe:
        """Draw the map of a globe.

        Parameters
        ----------
        height, width
            Size of the canvas, px.
        margin
            Width of the margin drawn around the canvas, px.
        rng
            Random numbers for bands, spots and turbulence.
        """
        radius = RADIUS * min(height, width)
        shape = height + 2 * margin, width + 2 * margin
        disc = Disc(
            y=(shape[0] - 1) / 2,
            x=(shape[1] - 1) / 2,
            radius=radius,
            polar=ELEMENTS[Body.JUPITER].polar,
            latitude=LATITUDE,
            pole_angle=POLE_ANGLE,
        )
        n_longitudes = round(2 * np.pi * radius * MAP_PIXELS / 2) * 2
        surface = _draw_map(rng, n_longitudes // 2, n_longitudes)
        coefficients: Float32Array = spline_filter(
            surface, order=3, output=np.float32, mode="grid-wrap"
        )
        return cls(disc, shape, coefficients)

    def picture(self, turn: float) -> Float32Array:
        """Draw the globe turned by an angle: float32 (y, x), 0 to 1.

        Parameters
        ----------
        turn
            Degrees, to the east.
        """
        grid = np.moveaxis(np.indices(self.shape, np.float64), 0, -1)
        lit = np.clip(self.disc.distance_to_limb(grid) + 0.5, 0.0, 1.0)
        seen = lit > 0.0
        points = grid[seen]
        longitude, latitude, _ = self.disc.coordinates(points)
        rows = (latitude + 90.0) / 180.0 * self.surface.shape[0] - 0.5
        columns = (longitude - turn) / 360.0 * self.surface.shape[1]
        colour = map_coordinates(
            self.surface, [rows, columns], order=3, mode="grid-wrap", prefilter=False
        )
        shade = np.maximum(self.disc.cosine_of_view(points), 0.05) ** 0.8
        picture = np.zeros(self.shape, np.float32)
        picture[seen] = np.clip(lit[seen] * shade * colour, 0.0, 1.0)
        return picture


def turns(n_frames: int, rotation: float) -> FloatArray:
    """Find by how much the globe is turned in each frame: float64 (frame), degrees, 0 on average.

    Parameters
    ----------
    n_frames
        Number of frames.
    rotation
        From the first to the last frame, degrees.
    """
    return rotation * (np.arange(n_frames) / max(n_frames - 1, 1) - 0.5) * (n_frames > 1)


def _draw_map(rng: Generator, height: int, width: int) -> FloatArray:
    """Draw the map of a surface: float64 (latitude, longitude), 0 to 1."""
    latitude = (np.arange(height)[:, None] + 0.5) / height * 180.0 - 90.0
    longitude = np.arange(width) / width * 360.0
    profile = bands(rng, 512)
    stirred = latitude + 1.5 * fractal(rng, height, width, 3.4)
    drawn = np.interp(stirred, np.linspace(-110.0, 110.0, profile.size), profile)
    colour: FloatArray = 0.66 + 0.12 * drawn + 0.05 * fractal(rng, height, width, 2.4)
    for _ in range(N_SPOTS):
        size = rng.uniform(1.5, 6.0)
        north, east = rng.uniform(-60.0, 60.0), rng.uniform(0.0, 360.0)
        away = (longitude - east + 180.0) % 360.0 - 180.0
        away = away * np.cos(np.deg2rad(north)) / (1.8 * size)
        distance = np.hypot((latitude - north) / size, away)
        colour += rng.choice([-0.2, 0.15]) * np.exp(-(distance**4))
    return np.clip(colour, 0.05, 1.0)
