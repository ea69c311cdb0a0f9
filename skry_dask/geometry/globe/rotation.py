"""The rotation of a globe while it was recorded: a displacement of each point in each frame."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.geometry.globe.disc import Disc

if TYPE_CHECKING:
    from skry_dask.types import FloatArray

MAX_CORNERS_PER_CIRCLE = 64
"""Number of points on each circle near the limb, at most."""

SPACING_PX = 14.0
"""Distance of points on a circle, px."""

CIRCLES = (0.82, 0.91, 0.96, 0.985, 1.0, 1.03)
"""Radii of the circles, relative to the limb: the nearer to it, the faster displacements change."""

BESIDE_EDGE_PX = 2.0
"""Distance of points from both sides of an edge of rings in front of the globe, px."""

N_DISC = len(fields(Disc))
"""Number of values of a disc."""


class Direction(IntEnum):
    """How the direction of the pole is known."""

    GIVEN = 0
    FOUND = 1
    ASSUMED = 2
    LIT = 3
    STATED = 4


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
        names = [field.name for field in fields(Disc)]
        of_disc = dict(zip(names, values[:N_DISC].tolist(), strict=True))
        disc = Disc(**{**of_disc, "mirrored": bool(of_disc["mirrored"])})
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
        """Points near the limb, and near edges of rings, between which displacements are linear.

        Returns
        -------
        float64 (point, axis), on the canvas, px.
        """
        disc = self.disc
        n = int(np.clip(2 * np.pi * disc.radius / SPACING_PX, 16, MAX_CORNERS_PER_CIRCLE))
        circles = []
        for number, size in enumerate(CIRCLES):
            angle = 2 * np.pi * (np.arange(n) + 0.5 * (number % 2)) / n
            circle = np.stack([np.cos(angle), disc.apparent_polar * np.sin(angle)], axis=1)
            circles.append(size * circle)
        circles += _beside_rings(disc)
        return np.concatenate(circles) * disc.radius @ disc.axes + [disc.y, disc.x]


def _beside_rings(disc: Disc) -> list[FloatArray]:
    """Find points on both sides of edges of rings in front of a globe, see `Disc.on_disc`."""
    sine = float(np.sin(np.deg2rad(disc.latitude)))
    if abs(sine) * disc.radius * (disc.ring_outer - disc.ring_inner) < 2 * BESIDE_EDGE_PX:
        return []
    found = []
    along = np.linspace(-0.9, 0.9, max(3, int(2 * disc.radius / SPACING_PX)))
    for edge in (disc.ring_inner, disc.ring_outer):
        up = -sine * np.sqrt(edge**2 - along**2)
        for side in (-BESIDE_EDGE_PX, BESIDE_EDGE_PX):
            moved = np.stack([along, up + side / disc.radius], axis=1)
            on_disc = np.hypot(moved[:, 0], moved[:, 1] / disc.apparent_polar) < min(CIRCLES)
            found.append(moved[on_disc])
    return found


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
