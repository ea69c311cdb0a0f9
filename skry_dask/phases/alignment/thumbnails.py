"""What is seen of a frame at a glance, on thumbnails: the coarse shift, an object on a dark sky.

Phase correlation (Kuglin & Hines, "The phase correlation image alignment method", Proc. IEEE Conf.
Cybernetics and Society, 1975, 163-165) of thumbnails faded out towards their borders is quick and
right when frames share most of what they show; where it leaves them unlike, all shifts are tried.

Cost: 0.3 ms for a thumbnail of 105 x 76; trying all shifts, 1 ms.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import fft

from skry_dask.kernels.frame.background import without_local_mean
from skry_dask.kernels.frame.box_means import box_means
from skry_dask.kernels.frame.shrink import shrink
from skry_dask.kernels.matching.thumbnails import likeness_of_shifts, spreads

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, Frames, IntArray

THUMBNAIL_SIDE = 160
"""The coarse shift is found on frames shrunken to at most this side, px."""

FLAT_RANGE = 0.02
"""A frame whose shrunken copy spans less than this fraction of full scale shows nothing."""

UNLIKE = 0.5
"""Where a coarse shift leaves frames less alike than this, all shifts are tried."""

MIN_COARSE_OVERLAP = 0.2
"""Coarse shifts that leave less than this fraction of the frame in common are not tried."""

DARK = 0.15
"""On a dark sky nine tenths of what is not the object are darker than this fraction of it."""

ALONE = 0.7
"""An object has at least this part of all light above the sky."""

LARGEST = 0.7
"""The rectangle around it is at most this fraction of the frame."""

HALO = 3
"""So many px around an object on a thumbnail may be lit by its blur."""

FLATTENED = 64
"""Light that varies over more than this is taken out before blocks are matched, px. (Under
vignetting to a third, offsets were 1.6 px off without, 0.4 px with it.)"""


def thumbnail(frames: Frames) -> Float32Array:
    """Shrink frames ([frame,] y, x) by a power of two to at most `THUMBNAIL_SIDE`; float32."""
    return shrink(frames, shrink_factor(frames.shape[-2:])).astype(np.float32)


def shrink_factor(shape: tuple[int, ...]) -> int:
    """Choose the power of two by which frames of this shape are shrunken."""
    factor = 1
    while max(shape) > THUMBNAIL_SIDE * factor:
        factor *= 2
    return factor


def flattened(frame: Frames, small: Float32Array) -> Frames:
    """Take what varies slowly out of a frame, given its thumbnail."""
    factor = shrink_factor(frame.shape)
    local = box_means(small, max(3, FLATTENED // factor))
    return without_local_mean(frame, local, factor)


def show_nothing(small: Float32Array, full_scale: int) -> BoolArray:
    """Tell which thumbnails (thumbnail, y, x) are black, white or otherwise flat: bool."""
    low, high, peak = spreads(small, 0.02).T
    return np.maximum(high - low, (peak - low) / 4) < FLAT_RANGE * full_scale


def shows_nothing(small: Float32Array, full_scale: int) -> bool:
    """Tell so of one thumbnail (y, x)."""
    return bool(show_nothing(small[None], full_scale)[0])


class Glimpse(NamedTuple):
    """The brightest object of a thumbnail.

    Parameters
    ----------
    sky
        Grey level of the sky: the 10th percentile.
    peak
        Of the brightest pixel.
    rows, columns
        The rectangle around the object, px of the thumbnail.
    """

    sky: float
    peak: float
    rows: slice
    columns: slice

    @property
    def threshold(self) -> float:
        """Grey level above which a pixel belongs to an object: a quarter of the way to the peak."""
        return self.sky + (self.peak - self.sky) / 4


def brightest_object(small: Float32Array, full_scale: int) -> Glimpse | None:
    """Find the connected pixels with most light above the sky; None in a flat frame.

    Moons, stars, hot pixels and noise are objects of their own.

    Parameters
    ----------
    small
        float32 (y, x).
    full_scale
        Grey level of white.
    """
    from scipy import ndimage

    sky, peak = float(np.percentile(small, 10)), float(small.max())
    if peak - sky < FLAT_RANGE * full_scale:
        return None
    above = small - (sky + (peak - sky) / 4)
    labels, _ = ndimage.label(above > 0)
    light = np.bincount(labels.ravel(), above.ravel())
    best = int(np.argmax(light[1:]))
    return Glimpse(sky, peak, *ndimage.find_objects(labels)[best])


def on_dark_sky(small: Float32Array, glimpse: Glimpse) -> bool:
    """Tell whether the brightest object stands by itself on a dark sky, as planets do.

    Parameters
    ----------
    small
        float32 (y, x).
    glimpse
        Its brightest object.
    """
    around = np.ones(small.shape, bool)
    grown = [slice(max(0, s.start - HALO), s.stop + HALO) for s in (glimpse.rows, glimpse.columns)]
    around[grown[0], grown[1]] = False
    if around.mean() < 1 - LARGEST:
        return False
    light = np.maximum(small - glimpse.threshold, 0)
    alone = float(light[around].sum()) <= (1 - ALONE) * float(light.sum())
    # Noise is not light: averaged over neighbours.
    even = box_means(small, 3)
    limit = float(np.percentile(even, 10)) + DARK * (glimpse.peak - glimpse.sky)
    return alone and float(np.percentile(even[around], 90)) < limit


def coarse_shifts(
    one: Float32Array, one_spectrum: AnyArray, others: Float32Array, spectra: AnyArray
) -> tuple[IntArray, FloatArray]:
    """Find the shifts of thumbnails against another, in a third of the time of one by one.

    Parameters
    ----------
    one
        float32 (y, x).
    one_spectrum
        Its `spectrum`.
    others
        float32 (thumbnail, y, x).
    spectra
        Theirs.

    Returns
    -------
    shifts
        int64 (thumbnail, axis), of each against the first, px of a thumbnail.
    alike
        float64 (thumbnail), correlation of what both show then, -1 where that is too little.
    """
    product = spectra * np.conj(one_spectrum)
    size = np.abs(product)
    even = size + 0.1 * size.mean(axis=(1, 2), keepdims=True) + 1e-20
    surfaces = fft.irfft2(product / even, s=one.shape)
    peaks = surfaces.reshape(len(others), -1).argmax(axis=1)
    height, width = one.shape
    # The transform is periodic: a peak stands for a shift either way.
    either_way = np.array([(0, 0), (0, -width), (-height, 0), (-height, -width)])
    shifts = np.stack(np.divmod(peaks, width), axis=1)[:, None] + either_way
    least = MIN_COARSE_OVERLAP * one.size
    alike = likeness_of_shifts(one, others, shifts, least)
    each, best = np.arange(len(others)), alike.argmax(axis=1)
    shifts, alike = shifts[each, best], alike[each, best]
    for i in np.flatnonzero(alike < UNLIKE):
        shifts[i] = search_everywhere(one, others[i])
        alike[i] = likeness_of_shifts(one, others[i : i + 1], shifts[None, i : i + 1], least)[0, 0]
    return shifts, alike


def search_everywhere(one: Float32Array, other: Float32Array) -> tuple[int, int]:
    """Find the shift after which two thumbnails are most alike, of all shifts.

    Correlation normalised over what each shift leaves in common, by Fourier transforms (Padfield,
    "Masked object registration in the Fourier domain", IEEE Trans. Image Processing 21(5), 2012,
    2706-2718): phase correlation, which sees mostly the middle of frames, fails when they share
    less than half.

    Parameters
    ----------
    one, other
        float32 (y, x).

    Returns
    -------
    Shift of the second against the first (y, x), px.
    """
    shape = [fft.next_fast_len(2 * n - 1, real=True) for n in one.shape]
    a, b = (_detail(image).astype(np.float64) for image in (one, other))

    def correlate(p: AnyArray, q: AnyArray) -> FloatArray:
        return fft.irfft2(fft.rfft2(q, shape) * np.conj(fft.rfft2(p, shape)), shape)

    full = np.ones(one.shape)
    n = np.maximum(np.rint(correlate(full, full)), 1.0)
    sum_a, sum_b = correlate(a, full), correlate(full, b)
    spread_a = np.maximum(correlate(a * a, full) - sum_a**2 / n, 1e-6)
    spread_b = np.maximum(correlate(full, b * b) - sum_b**2 / n, 1e-6)
    alike = (correlate(a, b) - sum_a * sum_b / n) / np.sqrt(spread_a * spread_b)
    # Small overlaps are alike by chance more easily.
    score = np.where(n >= MIN_COARSE_OVERLAP * one.size, alike * np.sqrt(n), -np.inf)
    y, x = (int(i) for i in np.unravel_index(np.argmax(score), score.shape))
    height, width = one.shape
    return (y if y < height else y - shape[0]), (x if x < width else x - shape[1])


def spectrum(small: Float32Array) -> AnyArray:
    """Transform the detail of thumbnails ([thumbnail,] y, x), faded out towards the borders."""
    return fft.rfft2(_detail(small) * _window(*small.shape[-2:]))


@cache
def _window(height: int, width: int) -> Float32Array:
    """Fade out towards the borders: float32 (y, x)."""
    rows, columns = (np.hanning(n + 2)[1:-1].astype(np.float32) for n in (height, width))
    return rows[:, None] * columns


def _detail(small: Float32Array) -> Float32Array:
    """Take out what varies slowly: illumination, vignetting."""
    return small - box_means(small, 15)
