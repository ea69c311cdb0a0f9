"""The disc of a globe in an image, and how its surface moves on it as the globe turns.

A globe is a spheroid, seen from afar: orthographic projection. In its own axes z points to the
north pole and x lies in the plane of pole and viewer, in units of the equatorial radius. A point of
the surface shows at ``along`` = y, to the globe's east, and ``up`` = z cos(b) - x sin(b), to its
north, where b is the latitude of the viewer.

Cost: 0.1 us a point and moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, FloatArray

STILL_LIMB = 0.15
"""Cosine of the angle of view below which displacements taper to 0 at the limb: there a blurred
image shows the edge of the disc, which stays, rather than the surface, which moves."""

RING_EDGE_PX = 2.0
"""Width over which the edge of rings in front of a globe is blurred, px."""

OBLATE = 0.98
"""Discs whose axes have this ratio or a smaller one show where their pole is."""


class _Surface(NamedTuple):
    """Points of a surface that a viewer sees: x, y, z in units of the equatorial radius."""

    x: FloatArray
    y: FloatArray
    z: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Disc:
    """The disc of a globe in an image.

    Parameters
    ----------
    y, x
        Centre, px.
    radius
        Equatorial radius, px.
    polar
        Polar radius of the globe over its equatorial radius.
    latitude
        Planetocentric latitude of the viewer, degrees.
    pole_angle
        Direction of the north pole in the image, degrees anticlockwise from up.
    mirrored
        Whether the image is mirrored.
    phase
        Angle between the Sun and the viewer, seen from the globe, degrees.
    sun_angle
        Direction of the Sun from that of the north pole, degrees anticlockwise in an image that is
        not mirrored.
    ring_inner, ring_outer
        Edges of bright rings above the equator, in units of the equatorial radius; 0 without.
    """

    y: float
    x: float
    radius: float
    polar: float
    latitude: float
    pole_angle: float
    mirrored: bool = False
    phase: float = 0.0
    sun_angle: float = 0.0
    ring_inner: float = 0.0
    ring_outer: float = 0.0

    @property
    def apparent_polar(self) -> float:
        """Semi-minor over semi-major axis of the disc's outline."""
        b = np.deg2rad(self.latitude)
        return float(np.hypot(self.polar * np.cos(b), np.sin(b)))

    @property
    def is_oblate(self) -> bool:
        """Whether the outline shows where the pole is, up to half a turn."""
        return self.apparent_polar <= OBLATE

    @property
    def axes(self) -> FloatArray:
        """Unit vectors of the globe's east and north in the image: float64 (2, axis)."""
        turn = np.deg2rad(self.pole_angle)
        east = np.array([-np.sin(turn), np.cos(turn)])
        north = np.array([-np.cos(turn), -np.sin(turn)])
        return np.stack([-east if self.mirrored else east, north])

    def on_disc(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Find positions relative to the disc.

        Parameters
        ----------
        points
            float64 (..., axis), px.

        Returns
        -------
        float64 (...) each: to the globe's east, and to its north, in units of the equatorial
        radius.
        """
        from_centre = (points - np.array([self.y, self.x])) / self.radius
        east, north = self.axes
        return from_centre @ east, from_centre @ north

    def distance_to_limb(self, points: FloatArray) -> FloatArray:
        """Find how far inside the limb points lie, px, along the line to the centre: float64 (...).

        Below 0 outside the disc.
        """
        along, up = self.on_disc(points)
        from_centre = np.hypot(along, up)
        at_limb = np.hypot(along, up / self.apparent_polar)
        ratio = np.divide(from_centre, at_limb, out=np.ones_like(at_limb), where=at_limb > 0)
        return (ratio - from_centre) * self.radius

    def cosine_of_view(self, points: FloatArray) -> FloatArray:
        """Find the cosine of the angle between line of sight and surface normal: float64 (...).

        1 in the middle, 0 at the limb and outside the disc.
        """
        surface, inside = self._surface(*self.on_disc(points))
        b = np.deg2rad(self.latitude)
        pole = surface.z / self.polar**2
        towards = surface.x * np.cos(b) + pole * np.sin(b)
        length = np.sqrt(surface.x**2 + surface.y**2 + pole**2)
        cosine: FloatArray = np.where(inside, np.maximum(towards / length, 0.0), 0.0)
        return cosine

    def cosine_of_light(self, points: FloatArray) -> FloatArray:
        """Find the cosine of the angle between sunlight and surface normal: float64 (...).

        0 where it is night, and outside the disc.
        """
        surface, inside = self._surface(*self.on_disc(points))
        b, phase, turn = np.deg2rad([self.latitude, self.phase, self.sun_angle])
        along, up = -np.sin(phase) * np.sin(turn), np.sin(phase) * np.cos(turn)
        x = np.cos(phase) * np.cos(b) - up * np.sin(b)
        z = np.cos(phase) * np.sin(b) + up * np.cos(b)
        pole = surface.z / self.polar**2
        length = np.sqrt(surface.x**2 + surface.y**2 + pole**2)
        towards = (surface.x * x + surface.y * along + pole * z) / length
        cosine: FloatArray = np.where(inside, np.maximum(towards, 0.0), 0.0)
        return cosine

    def behind_rings(self, points: FloatArray) -> FloatArray:
        """Find how far rings in front of the globe hide points: float64 (...), 0 to 1."""
        sine = abs(np.sin(np.deg2rad(self.latitude)))
        along, up = self.on_disc(points)
        if not self.ring_outer or sine * self.radius < 1.0:
            return np.zeros_like(along)
        from_centre = np.hypot(along, up / sine)
        edge = RING_EDGE_PX / (self.radius * sine)
        hidden = smooth_step((from_centre - self.ring_inner) / edge + 0.5)
        hidden *= smooth_step((self.ring_outer - from_centre) / edge + 0.5)
        in_front: FloatArray = np.where(up * self.latitude < 0, hidden, 0.0)
        return in_front

    def coordinates(self, points: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Find longitudes from the middle of the disc, to the east, and planetocentric latitudes.

        Parameters
        ----------
        points
            float64 (..., axis), px.

        Returns
        -------
        float64 (...), degrees, each; and bool (...), whether the point lies on the disc.
        """
        surface, inside = self._surface(*self.on_disc(points))
        longitude = np.rad2deg(np.arctan2(surface.y, surface.x))
        latitude = np.rad2deg(np.arctan2(surface.z, np.hypot(surface.x, surface.y)))
        return longitude, latitude, inside

    def displacement(
        self,
        points: FloatArray,
        turn: FloatArray,
        flow: tuple[float, float, float] = (0.0, 0.0, 0.0),
        days: FloatArray | float = 0.0,
    ) -> FloatArray:
        """Find where the surface seen at some points is at other times, relative to these points.

        What has turned out of sight stays at the limb where it was last seen.

        Parameters
        ----------
        points
            float64 (point, axis), px.
        turn
            float64 (moment): by how much the globe has turned, degrees, to the east.
        flow
            How fast the surface moves relative to that; see `GlobeElements`.
        days
            float64 (moment), since points were seen where they are, for the flow.

        Returns
        -------
        float64 (moment, point, axis), px; 0 outside the disc, and on rings in front of it.
        """
        along, up = self.on_disc(points)
        surface, inside = self._surface(along, up)
        squared = np.square(surface.z) / (
            np.square(surface.x) + np.square(surface.y) + np.square(surface.z)
        )
        drift = np.multiply.outer(
            np.broadcast_to(days, turn.shape),
            flow[0] + flow[1] * squared + flow[2] * np.square(squared),
        )
        angle = np.deg2rad(turn[:, None] + drift)
        b = np.deg2rad(self.latitude)
        x = surface.x * np.cos(angle) - surface.y * np.sin(angle)
        then_along = surface.x * np.sin(angle) + surface.y * np.cos(angle)
        then_up = surface.z * np.cos(b) - x * np.sin(b)
        hidden = x * np.cos(b) + surface.z / self.polar**2 * np.sin(b) < 0
        at_limb = np.hypot(then_along, then_up / self.apparent_polar)
        reach = np.where(hidden & (at_limb > 0), 1.0 / np.maximum(at_limb, 1e-9), 1.0)
        share = np.where(inside, smooth_step(self.cosine_of_view(points) / STILL_LIMB), 0.0)
        share *= 1.0 - self.behind_rings(points)
        moved = np.stack([then_along * reach - along, then_up * reach - up], axis=-1)
        vectors: FloatArray = (moved * share[:, None]) @ self.axes * self.radius
        return vectors

    def _surface(self, along: FloatArray, up: FloatArray) -> tuple[_Surface, BoolArray]:
        """Find the surface at some points of the disc; outside it, the nearest on its limb."""
        outside = np.hypot(along, up / self.apparent_polar)
        inside = outside <= 1.0
        shrink = np.where(inside, 1.0, 1.0 / np.maximum(outside, 1.0))
        along, up = along * shrink, up * shrink
        b = np.deg2rad(self.latitude)
        cosine, sine, flat = np.cos(b), np.sin(b), 1.0 / self.polar**2
        # The depth w solves a w**2 + 2 h w + c = 0: x = w cos b - up sin b, z = w sin b + up cos b.
        a = cosine**2 + sine**2 * flat
        h = up * sine * cosine * (flat - 1.0)
        c = up**2 * (sine**2 + cosine**2 * flat) + along**2 - 1.0
        depth = (np.sqrt(np.maximum(h**2 - a * c, 0.0)) - h) / a
        return _Surface(depth * cosine - up * sine, along, depth * sine + up * cosine), inside


def smooth_step(share: FloatArray) -> FloatArray:
    """Rise smoothly from 0 at 0 to 1 at 1."""
    clipped = np.clip(share, 0.0, 1.0)
    smooth: FloatArray = clipped**2 * (3.0 - 2.0 * clipped)
    return smooth
