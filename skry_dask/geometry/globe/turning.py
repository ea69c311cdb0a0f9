"""By how much a globe has turned at some times, as it is seen from the Earth."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.geometry.globe.bodies import ELEMENTS
from skry_dask.geometry.globe.disc import Disc
from skry_dask.geometry.globe.ephemeris import view_from_earth

if TYPE_CHECKING:
    from skry_dask.options.rotation import Body, System
    from skry_dask.types import AnyArray, FloatArray


class Turning(NamedTuple):
    """How a globe turns in some time, and how it is seen in the middle of that.

    Parameters
    ----------
    turned
        float64 (moment, 2), see `Globe.displacement`.
    disc
        How it is seen; without its place and size.
    flow
        See `GlobeElements`.
    """

    turned: FloatArray
    disc: Disc
    flow: tuple[float, float, float]

    @classmethod
    def of(
        cls,
        time: AnyArray,
        body: Body,
        *,
        middle: np.datetime64 | None = None,
        north_angle: float = 0.0,
        mirrored: bool = False,
        system: System | None = None,
    ) -> Turning:
        """Compute it.

        Parameters
        ----------
        time
            datetime64[ns] (moment), UTC.
        body
            The globe.
        middle
            When it has not turned; None = in the middle between the first and the last moment.
        north_angle, mirrored, system
            See `RotationOptions`.

        Raises
        ------
        OptionsError
            If astropy is not installed.
        """
        elements = ELEMENTS[body]
        system = system or next(iter(elements.meridians))
        rate = elements.meridians[system].rate
        if middle is None:
            middle = time.min() + (time.max() - time.min()) // 2
        days = (time - middle) / np.timedelta64(1, "D")
        # The globe turns evenly while the capture lasts, a little slower or faster than at rest.
        span = max(float(np.abs(days).max()), 1e-3)
        ends = [middle + np.timedelta64(round(s * span * 86400e9), "ns") for s in (-1, 1)]
        before, after = (view_from_earth(body, moment, system).meridian for moment in ends)
        expected = 2 * span * rate
        turns = expected + (after - before - expected + 180.0) % 360.0 - 180.0
        view = view_from_earth(body, middle, system)
        disc = Disc(
            y=0.0,
            x=0.0,
            radius=1.0,
            polar=elements.polar,
            latitude=view.latitude,
            pole_angle=north_angle + (-view.pole_angle if mirrored else view.pole_angle),
            mirrored=mirrored,
            phase=view.phase,
            sun_angle=view.sun_angle - view.pole_angle,
            ring_inner=elements.rings_km[0] / elements.radius_km,
            ring_outer=elements.rings_km[1] / elements.radius_km,
        )
        turned = np.stack([days * turns / (2 * span), days], axis=1)
        return cls(turned, disc, elements.flow)
