"""Thumbnails of frames, and the coarse shift between two of them.

Phase correlation (Kuglin & Hines, "The phase correlation image alignment method", Proc. IEEE Conf.
Cybernetics and Society, 1975, 163-165) of thumbnails that fade out towards their borders is fast,
and right when frames share most of what they show. Where the correlation at its shift is low, all
shifts are tried.

Cost: 0.3 ms for a thumbnail of 105 x 76; trying all shifts, 1 ms.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from skry_dask.kernels.frame.binning import bin_pixels
from skry_dask.kernels.frame.box_means import box_means
from skry_dask.kernels.frame.brightness import brightness_ranges
from skry_dask.kernels.frame.local_mean import subtract_interpolated_mean
from skry_dask.kernels.matching.image_correlation import correlate_at_shifts
from skry_dask.phases.rating.noise import noise_sigma

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, Frames, IntArray

MAX_SIDE = 160
"""Largest side of a thumbnail, px."""

BLANK_RANGE = 0.02
"""A frame whose thumbnail spans less than this fraction of full scale is blank, unless what it
shows stands out of its noise."""

NOISE_SPAN = 3.0
"""Ninety-six of a hundred pixels of white noise, averaged over 3 x 3 of them, span 1.4 standard
deviations of one; something is seen where they span more than this."""

NOISE_PEAK = 8.0
"""The brightest of these means lies about 2 standard deviations above the darkest; a small object
is seen where it is more than this."""

MIN_NOISE = 0.5
"""Least standard deviation of the noise of a thumbnail, grey levels: it is rounded to them."""

MIN_CORRELATION = 0.5
"""All shifts are tried where the correlation at the shift of phase correlation is lower."""

MIN_OVERLAP = 0.2
"""Least fraction of the frame in which two frames must overlap at a coarse shift."""

BACKGROUND_SIDE_PX = 15
"""Side of the box whose mean is the background of a thumbnail, px of the thumbnail."""

VIGNETTING_SIDE_PX = 64
"""Side of the box whose mean is subtracted from a frame before blocks are matched, px. (Under
vignetting to a third, offsets were 1.6 px off without this and 0.4 px with it.)"""


def shrink_factor(shape: tuple[int, ...]) -> int:
    """Find the power of two by which frames of a shape (y, x) are shrunk to thumbnails."""
    factor = 1
    while max(shape) > MAX_SIDE * factor:
        factor *= 2
    return factor


def make_thumbnails(frames: Frames) -> Float32Array:
    """Shrink frames by a power of two to at most `MAX_SIDE` px.

    Parameters
    ----------
    frames
        uint8 or uint16 ([frame,] y, x).

    Returns
    -------
    float32 ([frame,] y, x), grey levels.
    """
    return bin_pixels(frames, shrink_factor(frames.shape[-2:])).astype(np.float32)


def subtract_local_mean(frame: Frames, thumbnail: Float32Array) -> Frames:
    """Subtract slow variations, such as vignetting, from a frame.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x).
    thumbnail
        float32 (y, x), of the frame.

    Returns
    -------
    (y, x) of the frame's dtype, see `subtract_interpolated_mean`.
    """
    factor = shrink_factor(frame.shape)
    local_mean = box_means(thumbnail, max(3, VIGNETTING_SIDE_PX // factor))
    return subtract_interpolated_mean(frame, local_mean, factor)


def are_blank(thumbnails: Float32Array, full_scale: int) -> BoolArray:
    """Whether thumbnails are black, white or otherwise without contrast.

    In a dark capture, such as one of 12 bits in samples of 16, what is there fills little of the
    full scale, but stands out of the noise.

    Parameters
    ----------
    thumbnails
        float32 (thumbnail, y, x).
    full_scale
        Grey level of white.

    Returns
    -------
    bool (thumbnail)
    """
    low, high, peak = brightness_ranges(thumbnails, 0.02).T
    blank: BoolArray = np.maximum(high - low, (peak - low) / 4) < BLANK_RANGE * full_scale
    for i in np.flatnonzero(blank):
        blank[i] = not stands_out(thumbnails[i])
    return blank


def stands_out(thumbnail: Float32Array) -> bool:
    """Whether a thumbnail shows something that its noise does not explain.

    Parameters
    ----------
    thumbnail
        float32 (y, x), grey levels.
    """
    noise = max(noise_sigma(thumbnail), MIN_NOISE)
    ((low, high, peak),) = brightness_ranges(box_means(thumbnail, 3)[None], 0.02)
    return bool(high - low > NOISE_SPAN * noise or peak - low > NOISE_PEAK * noise)


def spectrum(thumbnails: Float32Array) -> AnyArray:
    """Transform thumbnails for `coarse_shifts`, faded out towards their borders.

    Parameters
    ----------
    thumbnails
        float32 ([thumbnail,] y, x).

    Returns
    -------
    complex64 ([thumbnail,] frequency along y, frequency along x), from `scipy.fft.rfft2`.
    """
    return fft.rfft2(_without_background(thumbnails) * _window(*thumbnails.shape[-2:]))


def coarse_shifts(
    reference: Float32Array,
    reference_spectrum: AnyArray,
    thumbnails: Float32Array,
    spectra: AnyArray,
) -> tuple[IntArray, FloatArray]:
    """Find the shifts of thumbnails against a reference, in a third of the time of one by one.

    Parameters
    ----------
    reference
        float32 (y, x).
    reference_spectrum
        From `spectrum`.
    thumbnails
        float32 (thumbnail, y, x).
    spectra
        From `spectrum`.

    Returns
    -------
    shifts
        int64 (thumbnail, axis), position in the thumbnail minus position in the reference, px.
    correlation
        float64 (thumbnail), of what both show at that shift; -1 where the overlap is too small.
    """
    product = spectra * np.conj(reference_spectrum)
    magnitude = np.abs(product)
    flat = magnitude + 0.1 * magnitude.mean(axis=(1, 2), keepdims=True) + 1e-20
    surfaces = fft.irfft2(product / flat, s=reference.shape)
    peaks = surfaces.reshape(len(thumbnails), -1).argmax(axis=1)
    height, width = reference.shape
    # The transform is periodic: a peak stands for a shift in either direction.
    either_way = np.array([(0, 0), (0, -width), (-height, 0), (-height, -width)])
    shifts = np.stack(np.divmod(peaks, width), axis=1)[:, None] + either_way
    min_pixels = MIN_OVERLAP * reference.size
    correlation = correlate_at_shifts(reference, thumbnails, shifts, min_pixels)
    each, best = np.arange(len(thumbnails)), correlation.argmax(axis=1)
    shifts, correlation = shifts[each, best], correlation[each, best]
    for i in np.flatnonzero(correlation < MIN_CORRELATION):
        shifts[i] = search_all_shifts(reference, thumbnails[i])
        one, shift = thumbnails[i : i + 1], shifts[None, i : i + 1]
        correlation[i] = correlate_at_shifts(reference, one, shift, min_pixels)[0, 0]
    return shifts, correlation


def search_all_shifts(reference: Float32Array, thumbnail: Float32Array) -> tuple[int, int]:
    """Find the shift at which two thumbnails correlate best, of all shifts.

    Correlation normalised over the overlap at each shift, by Fourier transforms (Padfield, "Masked
    object registration in the Fourier domain", IEEE Trans. Image Processing 21(5), 2012,
    2706-2718). Phase correlation, which sees mostly the middle of frames, fails where they share
    less than half.

    Parameters
    ----------
    reference, thumbnail
        float32 (y, x), of one shape.

    Returns
    -------
    Position (y, x) in the thumbnail minus position in the reference, px.
    """
    shape = [fft.next_fast_len(2 * n - 1, real=True) for n in reference.shape]
    a, b = (_without_background(image).astype(np.float64) for image in (reference, thumbnail))

    def correlate(p: AnyArray, q: AnyArray) -> FloatArray:
        return fft.irfft2(fft.rfft2(q, shape) * np.conj(fft.rfft2(p, shape)), shape)

    full = np.ones(reference.shape)
    n = np.maximum(np.rint(correlate(full, full)), 1.0)
    sum_a, sum_b = correlate(a, full), correlate(full, b)
    squares_a = np.maximum(correlate(a * a, full) - sum_a**2 / n, 1e-6)
    squares_b = np.maximum(correlate(full, b * b) - sum_b**2 / n, 1e-6)
    correlation = (correlate(a, b) - sum_a * sum_b / n) / np.sqrt(squares_a * squares_b)
    # In a small overlap a high correlation is more likely by chance.
    score = np.where(n >= MIN_OVERLAP * reference.size, correlation * np.sqrt(n), -np.inf)
    y, x = (int(i) for i in np.unravel_index(np.argmax(score), score.shape))
    height, width = reference.shape
    return (y if y < height else y - shape[0]), (x if x < width else x - shape[1])


@cache
def _window(height: int, width: int) -> Float32Array:
    """Window that fades out towards the borders: float32 (y, x), 0 to 1."""
    rows, columns = (np.hanning(n + 2)[1:-1].astype(np.float32) for n in (height, width))
    return rows[:, None] * columns


def _without_background(thumbnails: Float32Array) -> Float32Array:
    """Subtract slow variations, such as vignetting, from thumbnails."""
    return thumbnails - box_means(thumbnails, BACKGROUND_SIDE_PX)
