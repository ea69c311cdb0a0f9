"""An image of a globe as it would have been at another time.

The surface at each pixel is taken from where it was, by cubic splines; the sky stays, and so do
rings in front of the globe. Light does not move with the surface: brightness is multiplied by the
ratio of mu**(k - 1) nu**k at the pixel and where its surface came from, where mu is the cosine of
the angle of view, nu that of the angle of sunlight (Minnaert, Astrophysical Journal 93, 1941,
403-410), and k is fitted to the image.

Cost: 0.4 us a pixel of the disc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from skry_dask.geometry.globe.disc import smooth_step
from skry_dask.geometry.globe.outline import MIN_PHASE

if TYPE_CHECKING:
    from skry_dask.geometry.globe.disc import Disc
    from skry_dask.geometry.globe.rotation import Globe
    from skry_dask.types import BoolArray, Float32Array, FloatArray

SHADED = (0.2, 0.95)
"""Range of cosines in which the law of shading is fitted, and below which its ratio is the same."""

LIMB_PX = 5.0
"""At the limb blur mixes surface and sky: from this far inside on, a place shows surface alone."""

POWERS = (0.5, 1.25)
"""Range of k."""


def derotated(image: Float32Array, globe: Globe, turned: FloatArray) -> Float32Array:
    """Show a globe as it was when it had turned less.

    Parameters
    ----------
    image
        float32 (y, x) or (y, x, channel); NaN counts as 0.
    globe
        Where its disc is in the image.
    turned
        float64 (2): by how much it has turned in the image since the other moment, degrees, and
        days.

    Returns
    -------
    float32, of the same shape. Near limb and terminator the image stays as it was, and NaN
    where it has no value.
    """
    grid = np.moveaxis(np.indices(image.shape[:2], np.float64), 0, -1)
    disc = globe.disc
    seen = (disc.cosine_of_view(grid) > 0) & (disc.behind_rings(grid) < 1)
    points = grid[seen]
    here = _Shading.at(globe.disc, points)
    sources = points + globe.displacement(points, turned[None])[0]
    there = _Shading.at(globe.disc, sources)
    share = _surface_share(disc, points, sources)
    planes = image[..., None] if image.ndim == 2 else image
    out = planes.copy()
    beside = disc.distance_to_limb(grid) < 0
    for channel in range(planes.shape[2]):
        plane = np.nan_to_num(planes[..., channel].astype(np.float64))
        outside = plane[beside]
        sky = float(np.median(outside)) if outside.size else 0.0
        power = here.power(plane[seen] - sky)
        moved = ndimage.map_coordinates(plane, sources.T, order=3, mode="nearest")
        ratio = here.brightness(power) / there.brightness(power)
        shown = sky + (moved - sky) * ratio
        out[seen, channel] = plane[seen] + share * (shown - plane[seen])
    out[np.isnan(planes)] = np.nan
    return out.reshape(image.shape)


def _surface_share(disc: Disc, here: FloatArray, there: FloatArray) -> FloatArray:
    """Find how far places show surface, rather than a blurred limb or terminator, which stay.

    Parameters
    ----------
    disc
        The disc.
    here, there
        float64 (place, axis), where the surface is shown, and where it was, px.

    Returns
    -------
    float64 (place), 0 to 1.
    """
    inside = np.minimum(disc.distance_to_limb(here), disc.distance_to_limb(there))
    share = smooth_step(inside / LIMB_PX)
    if disc.phase >= MIN_PHASE:
        lit = np.minimum(disc.cosine_of_light(here), disc.cosine_of_light(there))
        share *= smooth_step(lit / SHADED[0])
    return share


class _Shading(NamedTuple):
    """How places of a globe are shaded: cosines of the angles of view and of sunlight."""

    view: FloatArray
    light: FloatArray
    used: BoolArray

    @classmethod
    def at(cls, disc: Disc, points: FloatArray) -> _Shading:
        """Find it at points, float64 (point, axis), px."""
        view = disc.cosine_of_view(points)
        light = view if disc.phase < MIN_PHASE else disc.cosine_of_light(points)
        low, high = np.minimum(view, light), np.maximum(view, light)
        used = (low > SHADED[0]) & (high < SHADED[1]) & (disc.behind_rings(points) == 0)
        return cls(np.maximum(view, SHADED[0]), np.maximum(light, SHADED[0]), used)

    def brightness(self, power: float) -> FloatArray:
        """Return how bright places are that are alike."""
        bright: FloatArray = self.view ** (power - 1.0) * self.light**power
        return bright

    def power(self, light: FloatArray) -> float:
        """Fit k to the light of the places, float64 (place)."""
        used = self.used & (light > 0)
        if used.sum() < 2:
            return POWERS[0]
        x = np.log(self.view[used] * self.light[used])
        y = np.log(light[used] * self.view[used])
        return float(np.clip(np.cov(x, y)[0, 1] / max(x.var(), 1e-9), *POWERS))
