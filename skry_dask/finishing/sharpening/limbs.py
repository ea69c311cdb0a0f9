"""No rings where a bright surface ends at a dark sky, and no clipped highlights.

Whatever amplifies detail overshoots at a step: the limb becomes a bright line, and the sky beside
it darker. Close to large dark areas, values are kept between the darkest and the brightest of the
stack nearby, and a small share of the step beyond. The shadows of craters are small: nothing is
changed there. Everywhere, what sharpening adds fades out towards black and full scale in place of
being cut off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.options.sharpening import SharpenMethod

if TYPE_CHECKING:
    from skry_dask.options.sharpening import SharpenOptions
    from skry_dask.types import Float32Array

DARK = 0.12
"""Brightness up to which a place may belong to the sky, between the sky's and white."""

SKY_SIDE = 25
"""Side of the smallest square of dark pixels that is sky, px."""

SHARPEST = 10
"""Least distance from the sky up to which values are limited, px."""

AUTOMATIC = 24
"""Such a distance for the automatic method, px."""

WIDEST = 48
"""Largest such distance, px."""

BRIGHTER = 4
"""Distance within which the stack shows how bright the surface beside the limb is, px."""

FADING = 4
"""Width over which the limit fades out, px."""


def limb_reach(near: int) -> int:
    """Return how far a pixel influences others, px; see `limit_overshoot`."""
    return SKY_SIDE + near + FADING + BRIGHTER


def ring_width(options: SharpenOptions) -> int:
    """Return how far from a limb sharpening may overshoot, px.

    Parameters
    ----------
    options
        How an image is sharpened.
    """
    widest = 0.0
    match options.method:
        case SharpenMethod.WAVELETS:
            amplified = [2**layer for layer, gain in enumerate(options.gains or ()) if gain > 1]
            widest = 3.0 * max(amplified, default=0)
        case SharpenMethod.AUTO:
            widest = AUTOMATIC
        case SharpenMethod.UNSHARP:
            widest = 3.0 * max(options.radii or (0.0,))
        case _:
            widest = 4.0 * (options.sigma or options.seeing or 0.0)
    return int(min(max(widest, SHARPEST), WIDEST))


def limit_overshoot(
    sharpened: Float32Array,
    image: Float32Array,
    *,
    overshoot: float,
    near: int,
    sky: float,
    white: float,
) -> Float32Array:
    """Limit how far sharpening overshoots at limbs.

    Parameters
    ----------
    sharpened, image
        float32 (y, x): the image after and before, without NaN.
    overshoot
        Part of a step by which values may lie beyond it, 0 to 1.
    near
        Distance from the sky up to which values are limited, px.
    sky, white
        Brightness of the darkest and of the brightest places.

    Returns
    -------
    float32 (y, x).
    """
    from scipy import ndimage

    dark = image < np.float32(sky + DARK * (white - sky))
    if overshoot >= 1 or sky > 0.5 * white or not dark.any():
        return sharpened
    is_sky = ndimage.minimum_filter(dark.view(np.uint8), SKY_SIDE)
    if not is_sky.any():
        return sharpened
    affected = ndimage.maximum_filter(is_sky, SKY_SIDE + 2 * near).astype(np.float32)
    share = ndimage.uniform_filter(affected, 2 * FADING + 1, mode="nearest")
    brightest = ndimage.maximum_filter(image, 2 * BRIGHTER + 1, mode="nearest")
    darkest = ndimage.minimum_filter(image, 2 * BRIGHTER + 1, mode="nearest")
    beyond = np.float32(overshoot) * (brightest - darkest)
    limited = np.clip(sharpened, darkest - beyond, brightest + beyond)
    out: Float32Array = (sharpened + share * (limited - sharpened)).astype(np.float32, copy=False)
    return out


def keep_in_range(sharpened: Float32Array, image: Float32Array) -> Float32Array:
    """Let what sharpening adds fade out towards 0 and 1.

    Parameters
    ----------
    sharpened, image
        float32 (y, x): the image after and before, without NaN.

    Returns
    -------
    float32 (y, x), 0 to 1 where the image is; changes that stay far from black and white are
    unchanged.
    """
    change = sharpened - image
    room = np.where(change > 0, np.float32(1) - image, image)
    room = np.maximum(room, np.float32(1e-6))
    ratio = change / room
    power = ratio * ratio
    fading = np.sqrt(np.sqrt(np.float32(1) + power * power))
    out: Float32Array = (image + change / fading).astype(np.float32, copy=False)
    return out
