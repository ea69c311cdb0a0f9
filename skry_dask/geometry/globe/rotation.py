"""The rotation of a globe while it was recorded: a displacement of each point in each frame."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.geometry.globe.disc import Disc

if TYPE_CHECKING:
    from skry_dask.types import FloatArray

MAX_CORNERS_PER_RING = 64
"""Number of points on each ring near the limb, at most."""

RING_SPACING_PX = 14.0
"""Distance of points on a ring, px."""

RINGS = (0.82, 0.91, 0.96, 0.985, 1.0, 1.03)
"""Radii of the rings, relative to the limb: the nearer to it, the faster displacements change."""

N_DISC = len(fields(Disc))
"""Number of values of a disc."""


class Direction(IntEnum):
    """How the direction of the pole is known."""

    GIVEN = 0
    FOUND = 1
    ASSUMED = 2


@dataclass(frozen=True, slots=True)
class Globe:
    """A globe on the canvas.

    Parameters
    ----------
    disc
        Where it is seen, and how it is turned towards the viewer.
    flow
        How fast its surface moves; see `GlobeElements`.
    """

    disc: Disc
    flow: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @classmethod
    def of_values(cls, values: FloatArray) -> Globe:
        """Take a globe from a result: float64 (value), see `values`."""
        *of_disc, mirrored = values[:N_DISC].tolist()
        y, x, radius, polar, latitude, pole_angle = of_disc
        disc = Disc(
            y=y,
            x=x,
            radius=radius,
            polar=polar,
            latitude=latitude,
            pole_angle=pole_angle,
            mirrored=bool(mirrored),
        )
        first, second, third = values[N_DISC:].tolist()
        return cls(disc, (first, second, third))

    @property
    def values(self) -> FloatArray:
        """All values in the order of their fields, the disc's first: float64 (value)."""
        return np.array([*astuple(self.disc), *self.flow], np.float64)

    def displacement(self, points: FloatArray, turned: FloatArray) -> FloatArray:
        """Find where the surface that was seen at some points is in other frames.

        Parameters
        ----------
        points
            float64 (point, axis), on the canvas, px.
        turned
            float64 (frame, 2): by how much the globe has turned, degrees, and for how long, days.

        Returns
        -------
        float64 (frame, point, axis), px, relative to the points.
        """
        return self.disc.displacement(points, turned[:, 0], self.flow, turned[:, 1])

    @property
    def corners(self) -> FloatArray:
        """Points near the limb between which displacements are nearly linear.

        Returns
        -------
        float64 (point, axis), on the canvas, px.
        """
        disc = self.disc
        n = int(np.clip(2 * np.pi * disc.radius / RING_SPACING_PX, 16, MAX_CORNERS_PER_RING))
        rings = []
        for number, size in enumerate(RINGS):
            angle = 2 * np.pi * (np.arange(n) + 0.5 * (number % 2)) / n
            outline = np.stack([np.cos(angle), disc.apparent_polar * np.sin(angle)], axis=1)
            rings.append(size * disc.radius * outline @ disc.axes + [disc.y, disc.x])
        return np.concatenate(rings)


class Rotation(NamedTuple):
    """The rotation of a globe in all frames.

    Parameters
    ----------
    globe
        The globe.
    turned
        float64 (frame, 2), see `Globe.displacement`.
    """

    globe: Globe
    turned: FloatArray
