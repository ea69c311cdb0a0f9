"""An image of a globe as it would have been at another time.

The surface at each pixel is taken from where it was, by cubic splines; the sky stays. Light does
not move with the surface: brightness is multiplied by the ratio of mu**k at the pixel and where its
surface came from, where mu is the cosine of the angle of view (Minnaert, Astrophysical Journal 93,
1941, 403-410, for a Sun behind the viewer), and k is fitted to the image.

Cost: 0.4 us a pixel of the disc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from skry_dask.geometry.globe.rotation import Globe
    from skry_dask.types import AnyArray, Float32Array, FloatArray

SHADED = (0.2, 0.95)
"""Range of mu in which the law of shading is fitted, and below which its ratio stays the same."""

MAX_POWER = 1.5
"""Largest power of mu."""


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
    float32, of the same shape. What was out of sight is shown as the limb was.
    """
    disc = globe.disc
    grid = np.moveaxis(np.indices(image.shape[:2], np.float64), 0, -1)
    mu = disc.cosine_of_view(grid)
    seen = mu > 0
    points = grid[seen]
    sources = points + globe.displacement(points, turned[None])[0]
    before = np.maximum(disc.cosine_of_view(sources), SHADED[0])
    ratio = np.maximum(mu[seen], SHADED[0]) / before
    planes = image[..., None] if image.ndim == 2 else image
    out = planes.copy()
    for channel in range(planes.shape[2]):
        plane = np.nan_to_num(planes[..., channel].astype(np.float64))
        sky, power = _shading(plane, mu)
        moved = ndimage.map_coordinates(plane, sources.T, order=3, mode="nearest")
        out[seen, channel] = sky + (moved - sky) * ratio**power
    return out.reshape(image.shape)


def _shading(plane: AnyArray, mu: FloatArray) -> tuple[float, float]:
    """Fit brightness = sky + c mu**k: sky and k."""
    outside = plane[mu == 0]
    sky = float(np.median(outside)) if outside.size else 0.0
    used = (mu > SHADED[0]) & (mu < SHADED[1]) & (plane > sky)
    if used.sum() < 2:
        return sky, 0.0
    x, y = np.log(mu[used]), np.log(plane[used] - sky)
    power = float(np.cov(x, y)[0, 1] / max(x.var(), 1e-9))
    return sky, float(np.clip(power, 0.0, MAX_POWER))
