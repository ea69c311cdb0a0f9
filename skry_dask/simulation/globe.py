"""Globes that turn: Jupiter, Saturn and Mars, as seen from the Earth when the capture begins.

The surface is a map of bands, spots and turbulence, or of dark and bright plains, of which each
frame shows the part that is turned towards the viewer. It darkens towards limb and terminator by
Minnaert's law with k = 0.9; the shading stays while the surface moves, and so do the rings.

Cost: 20 ms a picture of 640 x 480 px. Memory: the map, and five numbers a pixel of the disc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.ndimage import map_coordinates, spline_filter

from skry_dask.geometry.globe.bodies import ELEMENTS
from skry_dask.geometry.globe.disc import Disc
from skry_dask.options.rotation import Body, System
from skry_dask.simulation.scenes import bands, fractal

if TYPE_CHECKING:
    from numpy.random import Generator

    from skry_dask.types import Float32Array, FloatArray


class SimulatedView(NamedTuple):
    """How a globe was seen on 2000-01-01 at 0:00 UTC.

    Parameters
    ----------
    latitude, pole_angle, phase, sun_angle
        See `Disc`, degrees; from `view_from_earth`. Phases that hardly show are 0.
    radius
        Equatorial radius, as a fraction of the canvas's shorter side.
    degrees_per_day
        How fast it turns.
    """

    latitude: float
    pole_angle: float
    phase: float
    sun_angle: float
    radius: float
    degrees_per_day: float


VIEWS: dict[Body, SimulatedView] = {
    Body.JUPITER: SimulatedView(
        2.894, -22.842, 0.0, 0.0, 0.3, ELEMENTS[Body.JUPITER].meridians[System.II].rate
    ),
    Body.SATURN: SimulatedView(
        -19.076, 0.215, 0.0, 0.0, 0.19, ELEMENTS[Body.SATURN].meridians[System.III].rate
    ),
    Body.MARS: SimulatedView(
        -22.929, -8.135, 31.540, -101.075, 0.3, ELEMENTS[Body.MARS].meridians[System.III].rate
    ),
}
"""Of each globe that is simulated."""

RING_EDGES = (1.239, 1.5265, 1.951, 2.027, 2.2695)
"""Edges of ring C, B, Cassini's division and ring A, in units of the equatorial radius."""

RING_LIGHT, RING_COVER = (0.08, 0.8, 0.05, 0.55), (0.1, 1.0, 0.1, 0.7)
"""Brightness of each of them, and the part of the light from behind that it takes away."""

N_SAMPLES = 4
"""Number of samples of rings in a pixel, along each axis."""

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
    rings
        float32 (3, y, x): light of the part in front of the globe, light of the part behind it, and
        how much the part in front lets through; None without.
    """

    disc: Disc
    shape: tuple[int, int]
    surface: Float32Array
    rings: Float32Array | None

    @classmethod
    def of(cls, body: Body, height: int, width: int, margin: int, rng: Generator) -> TurningGlobe:
        """Draw the map of a globe.

        Parameters
        ----------
        body
            One of `VIEWS`.
        height, width
            Size of the canvas, px.
        margin
            Width of the margin drawn around the canvas, px.
        rng
            Random numbers for bands, spots and turbulence.
        """
        view, elements = VIEWS[body], ELEMENTS[body]
        radius = view.radius * min(height, width)
        shape = height + 2 * margin, width + 2 * margin
        disc = Disc(
            y=(shape[0] - 1) / 2,
            x=(shape[1] - 1) / 2,
            radius=radius,
            polar=elements.polar,
            latitude=view.latitude,
            pole_angle=view.pole_angle,
            phase=view.phase,
            sun_angle=view.sun_angle,
            ring_inner=elements.rings_km[0] / elements.radius_km,
            ring_outer=elements.rings_km[1] / elements.radius_km,
        )
        n_longitudes = round(2 * np.pi * radius * MAP_PIXELS / 2) * 2
        draw = _draw_plains if body is Body.MARS else _draw_map
        surface = draw(rng, n_longitudes // 2, n_longitudes)
        coefficients: Float32Array = spline_filter(
            surface, order=3, output=np.float32, mode="grid-wrap"
        )
        return cls(disc, shape, coefficients, _draw_rings(disc, shape) if disc.ring_outer else None)

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
        view = np.maximum(self.disc.cosine_of_view(points), 0.05)
        if self.disc.phase:
            shade = self.disc.cosine_of_light(points) ** 0.9 * view**-0.1
        else:
            shade = view**0.8
        picture = np.zeros(self.shape, np.float32)
        picture[seen] = np.clip(lit[seen] * shade * colour, 0.0, 1.0)
        if self.rings is not None:
            ahead, behind, through = self.rings
            picture = ahead + (1 - lit.astype(np.float32)) * behind + through * picture
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


def _draw_plains(rng: Generator, height: int, width: int) -> FloatArray:
    """Draw dark and bright plains, and a polar cap: float64 (latitude, longitude), 0 to 1."""
    latitude = (np.arange(height)[:, None] + 0.5) / height * 180.0 - 90.0
    colour: FloatArray = 0.62 + 0.16 * np.tanh(fractal(rng, height, width, 3.2))
    colour += 0.04 * fractal(rng, height, width, 2.2)
    ragged = latitude + 2.0 * fractal(rng, height, width, 3.4)
    colour += 0.4 / (1.0 + np.exp((ragged + 70.0) / 0.7))
    return np.clip(colour, 0.05, 1.0)


def _draw_rings(disc: Disc, shape: tuple[int, int]) -> Float32Array:
    """Draw rings: see `TurningGlobe`."""
    n = N_SAMPLES
    sub = (np.arange(n) + 0.5) / n - 0.5
    y, x = (np.add.outer(np.arange(side), sub).ravel() for side in shape)
    along, up = disc.on_disc(np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1))
    sine = np.sin(np.deg2rad(disc.latitude))
    ring = np.searchsorted(RING_EDGES, np.hypot(along, up / sine)) - 1
    shown = (ring >= 0) & (ring < len(RING_LIGHT))
    ring = np.where(shown, ring, 0)
    in_front = shown & (up * sine < 0)

    def averaged(samples: FloatArray) -> Float32Array:
        cells = samples.reshape(shape[0], n, shape[1], n)
        return cells.mean(axis=(1, 3)).astype(np.float32)

    light = averaged(np.where(shown, np.take(RING_LIGHT, ring), 0.0))
    through = averaged(np.where(in_front, 1.0 - np.take(RING_COVER, ring), 1.0))
    ahead = averaged(np.where(in_front, np.take(RING_LIGHT, ring), 0.0))
    return np.stack([ahead, light - ahead, through])


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
