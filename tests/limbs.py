"""Captures of limbs whose truth is known: a bright disc that reaches out of the frame."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

from tests.small_captures import expose

SHAPE = (180, 240)
"""Height and width of the frames, px."""

MARGIN = 70
"""Width of the scene around the frame, px."""

OUTWARD = np.array([np.sin(0.35), np.cos(0.35)])
"""Direction (y, x) from the disc to the sky."""

ALONG = np.array([-OUTWARD[1], OUTWARD[0]])


@lru_cache
def scene(kind: str, radius: float = 800.0) -> np.ndarray:
    """Draw a limb with margin, 0 to 1: "textured", "blank", "corner", or with a "prominence"."""
    y, x = np.indices(tuple(n + 2 * MARGIN for n in SHAPE)).astype(float)
    middle = (np.array(y.shape) - 1) / 2
    depth = 0.3 * min(SHAPE) if kind == "corner" else 0.0
    centre = middle - OUTWARD * (radius + depth)
    height = np.hypot(y - centre[0], x - centre[1]) - radius
    disc = np.clip(0.5 - height, 0, 1)
    rng = np.random.default_rng(5)
    fine, coarse = (ndimage.gaussian_filter(rng.normal(size=y.shape), s) for s in (1.5, 4.0))
    texture = (fine / fine.std() + coarse / coarse.std()) / 2**0.5
    light = 0.6 * disc
    if kind in ("textured", "corner"):
        light *= 1 + 0.05 * texture
    if kind == "prominence":
        along = (y - middle[0]) * ALONG[0] + (x - middle[1]) * ALONG[1]
        cloud = np.exp(-np.clip(height, 0, None) / 25 - (along / 35) ** 2)
        light += (1 - disc) * 0.15 * np.clip(1 + texture, 0, 3) * cloud
    return ndimage.gaussian_filter(light, 1.5)


def frames(kind: str, offsets: np.ndarray, radius: float = 800.0, noise: float = 2.0) -> np.ndarray:
    """Expose a limb at offsets (frame, axis), px: uint8 (frame, y, x)."""
    rows, columns = np.indices(SHAPE).astype(float) + MARGIN
    light = scene(kind, radius)
    return np.stack(
        [
            expose(ndimage.map_coordinates(light, [rows - y, columns - x]), seed=i, noise=noise)
            for i, (y, x) in enumerate(offsets)
        ]
    )
