"""The outline of a disc on a dark sky, and the ellipse that fits it.

The limb is where brightness falls most steeply along rays from the centre: in usual seeing 1 to 2
px inside the true one, as discs darken towards their limbs. The ratio of the axes is
known from the globe, which leaves the centre, the size and the direction of the short axis.

Of a globe with rings, places on their outer edge count as much: each belongs to the edge that is
nearer. Of a globe that is lit from the side, places on its dark side belong to the terminator, half
an ellipse that is a little narrower than it should be, as brightness fades towards it; how much is
fitted. Both show where the pole is.

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

REACH_OF_RINGS = (0.35, 2.6)
"""The same of a globe with rings."""

FLATTEST_RINGS = 0.03
"""Least ratio of the axes of rings."""

MIN_PHASE = 12.0
"""From this phase on the terminator is not taken for limb, degrees; Jupiter does not reach it."""

FADING = 0.05
"""Standard deviation of the width of the lit part of the dark half, relative to what is known."""

ROBUST_PX = 1.0
"""Places of the limb that are off by more than this count less, px."""


def find_outline(image: AnyArray, name: str, *, ringed: bool = False) -> FloatArray:
    """Find the limb of the disc in an image.

    Parameters
    ----------
    image
        (y, x), grey, any scale.
    name
        Of the image, for messages.
    ringed
        Whether there are rings around it.

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
    reach = REACH_OF_RINGS if ringed else REACH
    return _limb(smooth, np.array(ndimage.center_of_mass(largest)), radius, reach)


def _limb(
    image: FloatArray, centre: FloatArray, radius: float, reach: tuple[float, float]
) -> FloatArray:
    """Find where brightness falls most steeply along rays: float64 (place, axis), px."""
    turn = 2 * np.pi * np.arange(N_RAYS) / N_RAYS
    step = min(0.5, radius / 40)
    distance = np.arange(reach[0] * radius, reach[1] * radius, step)
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


def shows_pole(disc: Disc) -> bool:
    """Return whether the outline of a globe shows where its pole is, at least up to half a turn."""
    return disc.is_oblate or disc.phase >= MIN_PHASE


def fit_disc(limb: FloatArray, disc: Disc, *, turns: bool, near: bool = False) -> Disc:
    """Fit a disc to its limb by least squares, in which places that are far off count less.

    Parameters
    ----------
    limb
        float64 (place, axis), px.
    disc
        What is known of it; centre and radius are not.
    turns
        Whether the direction of the pole is fitted too, which takes a disc that shows it. If it
        does so up to half a turn, the one nearer to that of ``disc`` is taken.
    near
        Whether centre and radius are nearly known too.
    """
    if near:
        starts = [[disc.y, disc.x, disc.radius, disc.pole_angle]]
    else:
        starts = [
            [*(limb.min(axis=0) + limb.max(axis=0)) / 2, radius, disc.pole_angle + angle]
            for radius in _possible_radii(limb, disc)
            for angle in (_possible_turns(disc) if turns else (0.0,))
        ]
    values = slice(4) if turns else slice(3)
    lit = disc.phase >= MIN_PHASE
    fading = [1.0] if lit else []

    def of_values(values: AnyArray) -> Disc:
        y, x, size, *turned = values.tolist()
        angle = turned[0] if turns else disc.pole_angle
        return replace(disc, y=y, x=x, radius=size, pole_angle=angle)

    def misfit(values: AnyArray) -> FloatArray:
        width = float(values[-1]) if lit else 1.0
        off = _distance_to_edges(of_values(values), limb, width)
        return np.append(off, np.sqrt(len(limb)) * (width - 1.0) / FADING) if lit else off

    fits = [
        optimize.least_squares(
            misfit,
            [*start[values], *fading],
            loss="soft_l1",
            f_scale=ROBUST_PX,
            x_scale=[1.0, 1.0, 1.0, *([10.0] if turns else []), *([0.1] if lit else [])],
        )
        for start in starts
    ]
    found = of_values(min(fits, key=lambda fit: float(fit.cost)).x)
    if lit:
        return replace(found, pole_angle=(found.pole_angle + 180.0) % 360.0 - 180.0)
    return replace(found, pole_angle=nearest_half_turn(found.pole_angle, disc.pole_angle))


def _possible_radii(limb: FloatArray, disc: Disc) -> list[float]:
    """Return first guesses at the radius of a globe: its outline may be that of its rings."""
    from_centre = np.hypot(*(limb - (limb.min(axis=0) + limb.max(axis=0)) / 2).T)
    if not disc.ring_outer:
        return [float(from_centre.mean())]
    return [float(from_centre.min()), float(from_centre.max()) / disc.ring_outer]


def _possible_turns(disc: Disc) -> list[float]:
    """Return first guesses at the direction of the pole, relative to the one assumed, degrees."""
    if disc.phase >= MIN_PHASE:
        return [0.0, 60.0, 120.0, 180.0, 240.0, 300.0]
    return [0.0, 30.0, 60.0, 90.0, -60.0, -30.0] if disc.ring_outer else [0.0, 60.0, -60.0]


def _distance_to_edges(disc: Disc, points: FloatArray, width: float) -> FloatArray:
    """Find how far inside the edge to which they belong points lie, px: float64 (point).

    Parameters
    ----------
    disc
        The disc.
    points
        float64 (point, axis), px.
    width
        Of the lit part of the dark half, relative to the one that is known.
    """
    along, up = disc.on_disc(points)
    from_centre = np.hypot(along, up)
    limb = np.hypot(along, up / disc.apparent_polar)
    if disc.phase >= MIN_PHASE:
        turn, phase = np.deg2rad(disc.sun_angle), np.deg2rad(disc.phase)
        across = up / disc.apparent_polar
        sunward = across * np.cos(turn) - along * np.sin(turn)
        aside = along * np.cos(turn) + across * np.sin(turn)
        lit = np.maximum(width * np.cos(phase), 0.05)
        limb = np.where(sunward < 0, np.hypot(aside, sunward / lit), limb)
    edges = [limb]
    if disc.ring_outer:
        flat = max(abs(np.sin(np.deg2rad(disc.latitude))), FLATTEST_RINGS)
        edges.append(np.hypot(along, up / flat) / disc.ring_outer)
    off = np.array([from_centre / np.maximum(edge, 1e-9) - from_centre for edge in edges])
    nearest = np.abs(off).argmin(axis=0)
    distance: FloatArray = off[nearest, np.arange(off.shape[1])] * disc.radius
    return distance


def nearest_half_turn(angle: float, wanted: float) -> float:
    """Turn an angle by 180 degrees as often as brings it nearest to another one, degrees."""
    return angle - 180.0 * round((angle - wanted) / 180.0)
