"""Bright objects on a dark sky: planets, and the Moon or the Sun as a disc.

The brightest object is found on the thumbnail, and its centre of brightness and diameter are
measured in the frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.kernels.frame.box_means import box_means
from skry_dask.kernels.frame.centroid import brightness_moments
from skry_dask.kernels.frame.connected_pixels import label_pixels
from skry_dask.phases.alignment.frame_alignment import Reason
from skry_dask.phases.alignment.thumbnails import (
    BLANK_RANGE,
    make_thumbnails,
    shrink_factor,
    stands_out,
)

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, Frames

SKY_BRIGHTNESS = 0.15
"""On a dark sky, nine tenths of the pixels around an object are darker than this fraction of its
brightness above the sky."""

LIGHT_SHARE = 0.7
"""Least share of all light above the sky that the object must have to stand alone."""

MAX_FRAME_SHARE = 0.7
"""Largest share of the frame that the rectangle around the object may cover."""

HALO_PX = 3
"""Width of the border around an object that its blur may light up, px of a thumbnail."""

MIN_CUT_PX = 4.0
"""Least length of the border along which an object must be bright to count as cut, px."""

MIN_CUT_SHARE = 0.15
"""Least length of the border along which an object must be bright to count as cut, as a fraction of
its diameter."""


class BrightObject(NamedTuple):
    """The brightest object of a thumbnail.

    Parameters
    ----------
    sky
        Grey level of the sky: the 10th percentile of all pixels.
    peak
        Grey level of the brightest pixel.
    rows, columns
        Rectangle around the object, px of the thumbnail.
    """

    sky: float
    peak: float
    rows: slice
    columns: slice

    @property
    def threshold(self) -> float:
        """Grey level above which pixels belong to the object: a quarter of the way to the peak."""
        return self.sky + (self.peak - self.sky) / 4


class Disc(NamedTuple):
    """The brightest object of a frame.

    Parameters
    ----------
    centre
        Centre of brightness (y, x), px.
    diameter
        Of a disc with as many pixels as the object, px; 0 where there is none.
    reason
        ``NOTHING_TO_SEE`` or ``CUT_BY_BORDER`` where it cannot be used, else ``ACTIVE``.
    """

    centre: tuple[float, float]
    diameter: float
    reason: Reason = Reason.ACTIVE


def find_brightest_object(thumbnail: Float32Array, full_scale: int) -> BrightObject | None:
    """Find the connected pixels with most light above the sky.

    Moons, stars, hot pixels and noise are objects of their own.

    Parameters
    ----------
    thumbnail
        float32 (y, x).
    full_scale
        Grey level of white.

    Returns
    -------
    The object; None where the thumbnail has no contrast.
    """
    sky, peak = float(np.percentile(thumbnail, 10)), float(thumbnail.max())
    if peak - sky < BLANK_RANGE * full_scale and not stands_out(thumbnail):
        return None
    above = thumbnail - (sky + (peak - sky) / 4)
    labels = label_pixels(above > 0)
    light = np.bincount(labels.ravel(), above.ravel())
    y, x = np.nonzero(labels == 1 + np.argmax(light[1:]))
    return BrightObject(sky, peak, slice(y.min(), y.max() + 1), slice(x.min(), x.max() + 1))


def is_on_dark_sky(thumbnail: Float32Array, found: BrightObject) -> bool:
    """Whether the brightest object stands alone on a dark sky, as planets do.

    Parameters
    ----------
    thumbnail
        float32 (y, x).
    found
        Its brightest object.
    """
    sky = np.ones(thumbnail.shape, bool)
    rows, columns = (
        slice(max(0, side.start - HALO_PX), side.stop + HALO_PX)
        for side in (found.rows, found.columns)
    )
    sky[rows, columns] = False
    if sky.mean() < 1 - MAX_FRAME_SHARE:
        return False
    light = np.maximum(thumbnail - found.threshold, 0)
    alone = float(light[sky].sum()) <= (1 - LIGHT_SHARE) * float(light.sum())
    # Averaged over neighbours, because noise is not light.
    smooth = box_means(thumbnail, 3)
    limit = float(np.percentile(smooth, 10)) + SKY_BRIGHTNESS * (found.peak - found.sky)
    return alone and float(np.percentile(smooth[sky], 90)) < limit


def measure_disc(frame: Frames, full_scale: int, thumbnail: Float32Array | None = None) -> Disc:
    """Measure the centre of brightness and the diameter of the brightest object.

    Its light above the threshold is summed in a rectangle that holds the object and its halo, but
    not the moons beside it.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x).
    full_scale
        Grey level of white.
    thumbnail
        float32 (y, x), the frame's thumbnail, if it is known.
    """
    factor = shrink_factor(frame.shape)
    thumbnail = make_thumbnails(frame) if thumbnail is None else thumbnail
    found = find_brightest_object(thumbnail, full_scale)
    if found is None:
        return Disc((0.0, 0.0), 0.0, Reason.NOTHING_TO_SEE)
    threshold, rows, columns = int(found.threshold), found.rows, found.columns
    top, left = (max(0, side.start - HALO_PX) * factor for side in (rows, columns))
    bottom, right = ((side.stop + HALO_PX) * factor for side in (rows, columns))
    window = frame[top:bottom, left:right]
    weight, moment_y, moment_x, n_pixels = brightness_moments(window, threshold).tolist()
    if weight == 0:
        return Disc((0.0, 0.0), 0.0, Reason.NOTHING_TO_SEE)
    centre = (top + moment_y / weight, left + moment_x / weight)
    diameter = 2 * float(np.sqrt(n_pixels / np.pi))
    cut = _length_at_border(frame, window, (top, left), threshold)
    is_cut = cut > max(MIN_CUT_PX, MIN_CUT_SHARE * diameter)
    return Disc(centre, diameter, Reason.CUT_BY_BORDER if is_cut else Reason.ACTIVE)


def _length_at_border(
    frame: Frames, window: Frames, corner: tuple[int, int], threshold: int
) -> int:
    """Find the greatest number of bright pixels along a border of the frame, px."""
    (top, left), (height, width) = corner, window.shape
    borders = (
        (top == 0, window[0]),
        (top + height == frame.shape[0], window[-1]),
        (left == 0, window[:, 0]),
        (left + width == frame.shape[1], window[:, -1]),
    )
    return max(
        (int((edge > threshold).sum()) for at_border, edge in borders if at_border), default=0
    )
