"""How a globe is turned towards the Earth at a time.

Positions of the Earth, the planets and the Sun are those of astropy, from its built-in ephemeris:
nothing is downloaded. Directions are geometric, corrected for the time that light takes. Against
the almanac, angles agree within 0.1 degrees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.errors import OptionsError
from skry_dask.geometry.globe.bodies import ELEMENTS

if TYPE_CHECKING:
    from typing import Any

    from skry_dask.options.rotation import Body, System
    from skry_dask.types import FloatArray

J2000 = np.datetime64("2000-01-01T12:00:00", "ns")
"""The standard epoch, TDB."""

J2000_JD = 2451545.0
"""Its Julian date."""

TDB_MINUS_UTC_S = 69.2
"""Since 2017, s; 10 s less in 1992, in which Jupiter turns 0.1 degrees."""

LIGHT_KM_PER_DAY = 299792.458 * 86400.0
"""Speed of light."""


class GlobeView(NamedTuple):
    """A globe as it is seen from the Earth.

    Parameters
    ----------
    latitude
        Planetocentric latitude of the Earth, degrees: above 0 the north pole is seen.
    meridian
        Longitude of the middle of the disc, degrees, 0 to 360: it increases with time.
    pole_angle
        Position angle of the north pole on the sky, degrees from north to east, -180 to 180.
    phase
        Angle between the Sun and the Earth, seen from the globe, degrees; 0 for the Sun.
    sun_angle
        Position angle of the Sun, seen from the globe, degrees from north to east, -180 to 180: the
        middle of the lit limb.
    """

    latitude: float
    meridian: float
    pole_angle: float
    phase: float = 0.0
    sun_angle: float = 0.0


def view_from_earth(body: Body, time: np.datetime64, system: System | None = None) -> GlobeView:
    """Find out how a globe is turned towards the Earth.

    Parameters
    ----------
    body
        The globe.
    time
        UTC.
    system
        Of longitudes; None = the default one of the globe.

    Raises
    ------
    OptionsError
        If astropy is not installed.

    Examples
    --------
    >>> from skry_dask.options.rotation import Body
    >>> view = view_from_earth(Body.JUPITER, np.datetime64("2026-11-02T21:14:03"))
    >>> round(view.latitude, 1)
    -0.2
    """
    elements = ELEMENTS[body]
    days = float((time.astype("datetime64[ns]") - J2000) / np.timedelta64(1, "D"))
    days += TDB_MINUS_UTC_S / 86400.0
    seen, sunwards, emitted = _from_earth(body, days)
    to_globe = seen / np.linalg.norm(seen)
    pole = elements.pole(emitted)
    # The node of the globe's equator on the Earth's is 90 degrees east of the pole.
    node = np.array([-pole[1], pole[0], 0.0]) / np.hypot(pole[0], pole[1])
    ahead = np.cross(pole, node)
    towards_earth = -to_globe
    east = float(np.rad2deg(np.arctan2(towards_earth @ ahead, towards_earth @ node)))
    angle = elements.meridian_angle(emitted, system or next(iter(elements.meridians)))
    sky_east = np.array([-to_globe[1], to_globe[0], 0.0]) / np.hypot(to_globe[0], to_globe[1])
    sky_north = np.cross(to_globe, sky_east)
    across = sunwards @ sky_east, sunwards @ sky_north
    return GlobeView(
        float(np.rad2deg(np.arcsin(towards_earth @ pole))),
        (angle - east) % 360.0,
        float(np.rad2deg(np.arctan2(pole @ sky_east, pole @ sky_north))),
        float(np.rad2deg(np.arctan2(np.hypot(*across), sunwards @ towards_earth))),
        float(np.rad2deg(np.arctan2(*across))),
    )


def _from_earth(body: Body, days: float) -> tuple[FloatArray, FloatArray, float]:
    """Find a globe from the Earth and the Sun from it, km, and when light left it, since J2000."""
    coordinates, time = _import_astropy()

    def position(name: str, moment: float) -> FloatArray:
        at = time.Time(J2000_JD, moment, format="jd", scale="tdb")
        with coordinates.solar_system_ephemeris.set("builtin"):
            return np.asarray(coordinates.get_body_barycentric(name, at).xyz.to_value("km"))

    earth = position("earth", days)
    emitted = days
    for _ in range(2):
        globe = position(body.value, emitted)
        seen = globe - earth
        emitted = days - float(np.linalg.norm(seen)) / LIGHT_KM_PER_DAY
    return seen, position("sun", emitted) - globe, emitted


def _import_astropy() -> tuple[Any, Any]:
    """Import astropy, or say how to install it."""
    try:
        from astropy import coordinates, time
        from astropy.utils import iers
    except ImportError as missing:
        raise OptionsError(
            "derotate takes the package astropy: pip install 'skry_dask[derotate]'"
        ) from missing
    iers.conf.auto_download = False
    return coordinates, time
