"""Shape and rotation of the Sun, Mars, Jupiter and Saturn.

Radii, poles and prime meridians are those of Archinal et al., "Report of the IAU Working Group on
Cartographic Coordinates and Rotational Elements: 2015", Celestial Mechanics and Dynamical Astronomy
130, 2018, 22, tables 1 and 4, with the periodic terms that exceed 0.1 degrees. Systems I and II of
Jupiter are from the notes to table 1. Those of Saturn are the customary ones of amateur
astronomers: 844.3 and 812 degrees a day. The rotation of the Sun by latitude is from Snodgrass &
Ulrich, Astrophysical Journal 351, 1990, 309-316, table 1. The rings of Saturn are B and A, 92,000
to 136,780 km from its centre (NASA's Saturnian Rings Fact Sheet).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.options.rotation import Body, System

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skry_dask.types import FloatArray

DAYS_OF_CENTURY = 36525.0
"""Days of a Julian century."""


class Angle(NamedTuple):
    """An angle that changes nearly linearly: start + rate t + size f(phase + speed t), degrees.

    ``t`` is in Julian centuries from J2000, and f is a sine, or a cosine for declinations.
    """

    start: float
    rate: float
    size: float = 0.0
    phase: float = 0.0
    speed: float = 0.0

    def sine(self, centuries: float) -> float:
        """Evaluate it with a sine, degrees."""
        turn = np.deg2rad(self.phase + self.speed * centuries)
        return float(self.start + self.rate * centuries + self.size * np.sin(turn))

    def cosine(self, centuries: float) -> float:
        """Evaluate it with a cosine, degrees."""
        return self._replace(phase=self.phase + 90.0).sine(centuries)


STEADY = Angle(0.0, 0.0)
"""What is added to an angle that has no periodic term."""


class Meridian(NamedTuple):
    """Prime meridian: its angle from the node on the Earth's equator.

    Parameters
    ----------
    start
        At J2000, degrees.
    rate
        Degrees a day.
    """

    start: float
    rate: float


@dataclass(frozen=True, slots=True)
class GlobeElements:
    """Shape and rotation of a body.

    Parameters
    ----------
    radius_km
        Equatorial radius.
    polar
        Polar radius over equatorial radius.
    right_ascension, declination
        Of the north pole.
    meridians
        Prime meridian of each system of longitudes; the first is the default.
    meridian_term
        Periodic term of the prime meridian: its start and rate are 0.
    flow
        How fast the surface moves relative to the meridian: degrees a day, times 1, sin**2 and
        sin**4 of the latitude.
    rings_km
        Radii of the inner and of the outer edge of bright rings; 0 without.
    """

    radius_km: float
    polar: float
    right_ascension: Angle
    declination: Angle
    meridians: Mapping[System, Meridian]
    meridian_term: Angle = STEADY
    flow: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rings_km: tuple[float, float] = (0.0, 0.0)

    def pole(self, days: float) -> FloatArray:
        """Find the direction of the north pole: float64 (3), unit vector, ICRF.

        Parameters
        ----------
        days
            Since J2000, TDB.
        """
        centuries = days / DAYS_OF_CENTURY
        ra = np.deg2rad(self.right_ascension.sine(centuries))
        dec = np.deg2rad(self.declination.cosine(centuries))
        return np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])

    def meridian_angle(self, days: float, system: System) -> float:
        """Find the angle of the prime meridian from the node, degrees, not reduced.

        Parameters
        ----------
        days
            Since J2000, TDB.
        system
            Of longitudes, one of `meridians`.
        """
        meridian = self.meridians[system]
        term = self.meridian_term.sine(days / DAYS_OF_CENTURY)
        return meridian.start + meridian.rate * days + term


ELEMENTS: dict[Body, GlobeElements] = {
    Body.SUN: GlobeElements(
        695700.0,
        1.0,
        Angle(286.13, 0.0),
        Angle(63.87, 0.0),
        {System.III: Meridian(84.176, 14.1844)},
        flow=(14.713 - 14.1844, -2.396, -1.787),
    ),
    Body.MARS: GlobeElements(
        3396.19,
        3376.20 / 3396.19,
        Angle(317.269202, -0.10927547, 0.419057, 79.398797, 0.5042615),
        Angle(54.432516, -0.05827105, 1.591274, 166.325722, 0.5042615),
        {System.III: Meridian(176.049863, 350.891982443297)},
        Angle(0.0, 0.0, 0.584542, 95.391654, 0.5042615),
    ),
    Body.JUPITER: GlobeElements(
        71492.0,
        66854.0 / 71492.0,
        Angle(268.056595, -0.006499),
        Angle(64.495303, 0.002413),
        {
            System.II: Meridian(43.3, 870.270),
            System.I: Meridian(67.1, 877.900),
            System.III: Meridian(284.95, 870.536),
        },
    ),
    Body.SATURN: GlobeElements(
        60268.0,
        54364.0 / 60268.0,
        Angle(40.589, -0.036),
        Angle(83.537, -0.004),
        {
            System.III: Meridian(38.90, 810.7939024),
            System.I: Meridian(227.2037, 844.3),
            System.II: Meridian(104.9191, 812.0),
        },
        rings_km=(92000.0, 136780.0),
    ),
}
"""Of each body."""
