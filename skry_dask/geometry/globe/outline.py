"""The outline of a disc on a dark sky, and the ellipse that fits it.

The limb is where brightness falls most steeply along rays from the centre: in usual seeing 1 to 2
px inside the true one, as discs darken towards their limbs. The ratio of the axes is
known from the globe, which leaves the centre, the size and the direction of the short axis.

Cost: 10 ms for a frame of 640 x 480 px.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, optimize

from skry_dask.errors import AlignmentError

if TYPE_CHECKING:
    from skry_dask.geometry.globe.disc import Disc
    from skry_dask.types import AnyArray, FloatArray

N_RAYS = 180
"""Number of places at which the limb is looked for."""

BLUR_PX = 1.5
"""Standard deviation of the blur before that, px."""

DARK = 0.3
"""The disc is what is brighter than this, from the sky to the disc's typical brightness."""

MIN_RADIUS_PX = 8.0
"""Smallest radius of a disc, px."""

MIN_CONTRAST = 6.0
"""The disc is brighter than the sky by at least this many times the sky's noise."""

REACH = (0.6, 1.5)
"""Along rays the limb is looked for at these distances, in units of the mean radius."""

ROBUST_PX = 1.0
"""Places of the limb that are off by more than this count less, px."""


def find_outline(image: AnyArray, name: str) -> FloatArray:
    """Find the limb of the disc in an image.

    Parameters
    ----------
    image
        (y, x), grey, any scale.
    name
        Of the image, for messages.

    Returns
    -------
    float64 (place, axis), px.

    Raises
    ------
    AlignmentError
        If there is no disc, or the border cuts it.
    """
    smooth = ndimage.gaussian_filter(image.astype(np.float64), BLUR_PX)
    rim = np.concatenate([smooth[0], smooth[-1], smooth[:, 0], smooth[:, -1]])
    sky = float(np.median(rim))
    noise = 1.4826 * float(np.median(np.abs(rim - sky)))
    bright = smooth[smooth >= (sky + smooth.max()) / 2]
    level = sky + DARK * (float(np.median(bright)) - sky)
    labels, n_parts = ndimage.label(smooth > level)
    sizes = np.bincount(labels.ravel(), minlength=n_parts + 1)[1:]
    largest = labels == (int(np.argmax(sizes)) + 1 if n_parts else -1)
    radius = float(np.sqrt(largest.sum() / np.pi))
    if radius < MIN_RADIUS_PX or level - sky <= MIN_CONTRAST * noise * DARK:
        raise AlignmentError(
            f"{name} shows no disc on a dark sky, which derotate takes: leave derotate out"
        )
    edges = (largest[0], largest[-1], largest[:, 0], largest[:, -1])
    if any(edge.any() for edge in edges):
        raise AlignmentError(
            f"{name}: the border of the frame cuts the disc, which derotate takes as a whole: "
            "leave derotate out, or leave such frames out with --frames"
        )
    return _limb(smooth, np.array(ndimage.center_of_mass(largest)), radius)


def _limb(image: FloatArray, centre: FloatArray, radius: float) -> FloatArray:
    """Find where brightness falls most steeply along rays: float64 (place, axis), px."""
    turn = 2 * np.pi * np.arange(N_RAYS) / N_RAYS
    step = min(0.5, radius / 40)
    distance = np.arange(REACH[0] * radius, REACH[1] * radius, step)
    along = np.stack([np.sin(turn), np.cos(turn)], axis=1)
    places = centre + along[:, None] * distance[:, None]
    inside = ((places >= 0) & (places <= np.array(image.shape) - 1)).all(axis=2)
    light = ndimage.map_coordinates(image, np.moveaxis(places, 2, 0), order=1, mode="nearest")
    fall = light[:, :-2] - light[:, 2:]
    fall = np.where(inside[:, 2:], fall, -np.inf)
    steepest = np.argmax(fall, axis=1)
    rows = np.arange(N_RAYS)
    before, here, after = (
        fall[rows, np.clip(steepest + i, 0, fall.shape[1] - 1)] for i in (-1, 0, 1)
    )
    bend = before - 2 * here + after
    whole = np.isfinite(before) & np.isfinite(after) & (bend < 0)
    part = np.where(whole, 0.5 * (before - after) / np.where(whole, bend, 1.0), 0.0)
    at_limb = distance[steepest + 1] + part * step
    limb: FloatArray = centre + along * at_limb[:, None]
    return limb


def fit_disc(limb: FloatArray, disc: Disc, *, turns: bool) -> Disc:
    """Fit a disc to its limb by least squares, in which places that are far off count less.

    Parameters
    ----------
    limb
        float64 (place, axis), px.
    disc
        What is known of it; centre and radius are not.
    turns
        Whether the direction of the pole is fitted too, which takes an oblate disc: up to half a
        turn, the one nearer to that of ``disc``.
    """
    centre = (limb.min(axis=0) + limb.max(axis=0)) / 2
    radius = float(np.hypot(*(limb - centre).T).mean())
    began = disc.pole_angle
    starts = (began, began + 60.0, began - 60.0) if turns else (began,)

    def of_values(values: AnyArray) -> Disc:
        y, x, size, *turned = values.tolist()
        return replace(disc, y=y, x=x, radius=size, pole_angle=turned[0] if turned else began)

    def misfit(values: AnyArray) -> FloatArray:
        return of_values(values).distance_to_limb(limb)

    fits = [
        optimize.least_squares(
            misfit,
            [*centre, radius, *([start] if turns else [])],
            loss="soft_l1",
            f_scale=ROBUST_PX,
            x_scale=[1.0, 1.0, 1.0, *([10.0] if turns else [])],
        )
        for start in starts
    ]
    found = of_values(min(fits, key=lambda fit: float(fit.cost)).x)
    return replace(found, pole_angle=nearest_half_turn(found.pole_angle, began))


def nearest_half_turn(angle: float, wanted: float) -> float:
    """Turn an angle by 180 degrees as often as brings it nearest to another one, degrees."""
    return angle - 180.0 * round((angle - wanted) / 180.0)
