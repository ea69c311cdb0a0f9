"""In which direction a globe turns, by what frames show before and after.

Where the pole is assumed to be at a wrong place, frames that are derotated by it differ. All places
that come into question are tried: two where the limb is oblate, any where it is round.

Cost: 1 ms for each frame and place that is tried.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from skry_dask.geometry.globe.rotation import Globe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.geometry.globe.disc_image import DiscImage
    from skry_dask.types import AnyArray, FloatArray

N_ACROSS = 80
"""Number of places across the disc at which frames are compared."""

COARSE = 8.0
"""What is coarser than this many places does not count: the shading of the disc."""

MIN_COSINE = 0.35
"""Places count where the cosine of the angle of view is at least this."""

DECISIVE = 0.9
"""A direction is known if the difference that it leaves is below this times that of others."""

STEP_DEGREES = 15.0
"""Distance of the directions that are tried where the limb is round, degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class SeenDiscs:
    """Some frames of a globe, in the order of time.

    Parameters
    ----------
    images
        Of each frame.
    offset
        float64 (frame, axis), px.
    turned
        float64 (frame, 2), see `Globe.displacement`.
    """

    images: Sequence[DiscImage]
    offset: FloatArray
    turned: FloatArray

    def difference(self, globe: Globe) -> float:
        """Derotate frames and compare the earlier with the later ones: 0 if they are alike."""
        disc = globe.disc
        step = 2 * disc.radius / N_ACROSS
        line = np.arange(-N_ACROSS // 2, N_ACROSS // 2 + 1) * step
        grid = np.stack(np.meshgrid(line + disc.y, line + disc.x, indexing="ij"), axis=-1)
        counts = disc.cosine_of_view(grid) >= MIN_COSINE
        points = grid[counts]
        moved = globe.displacement(points, self.turned)
        views = []
        for image, offset, motion in zip(self.images, self.offset, moved, strict=True):
            view = np.zeros(counts.shape)
            view[counts] = image.at(points + offset + motion)
            views.append(_detail(view, counts))
        half = len(views) // 2
        early, late = np.mean(views[:half], axis=0), np.mean(views[-half:], axis=0)
        return float(np.square(early - late).mean() / (early.var() + late.var()))


def _detail(view: FloatArray, counts: AnyArray) -> FloatArray:
    """Subtract what is coarse: float64 (place)."""
    share = ndimage.gaussian_filter(counts.astype(np.float64), COARSE)
    coarse = ndimage.gaussian_filter(view, COARSE) / np.maximum(share, 1e-6)
    detail: FloatArray = (view - coarse)[counts]
    return detail


def find_direction(seen: SeenDiscs, globe: Globe, *, oblate: bool) -> tuple[Globe, bool]:
    """Find the direction of the pole that makes derotated frames most alike.

    Parameters
    ----------
    seen
        At least two frames.
    globe
        As it is assumed to be.
    oblate
        Whether the pole is known up to half a turn.

    Returns
    -------
    The globe with the direction that was found, and whether one was: else it is as assumed.
    """
    began = globe.disc.pole_angle

    def turned_to(angle: float) -> Globe:
        return Globe(replace(globe.disc, pole_angle=angle), globe.flow)

    others = [180.0] if oblate else np.arange(STEP_DEGREES, 360.0, STEP_DEGREES).tolist()
    angles = np.array([began, *(began + other for other in others)])
    left = np.array([seen.difference(turned_to(angle)) for angle in angles.tolist()])
    best = int(np.argmin(left))
    rest = np.delete(left, best) if oblate else np.quantile(left, [0.75])
    if left[best] > DECISIVE * rest.min():
        return globe, False
    angle = float(angles[best])
    if not oblate:
        beside = [left[best - 1], left[best], left[(best + 1) % len(left)]]
        bend = beside[0] - 2 * beside[1] + beside[2]
        if bend > 0:
            angle += STEP_DEGREES * float(np.clip((beside[0] - beside[2]) / (2 * bend), -0.5, 0.5))
    return turned_to((angle + 180.0) % 360.0 - 180.0), True
