"""Fourier ring correlation: at which spatial frequencies two images of one scene agree.

The spectra of both are compared on rings of equal frequency (Saxton & Baumeister, "The correlation
averaging of a regularly arranged bacterial cell envelope protein", J. Microscopy 127, 1982,
127-138). Two halves of the frames have detail in common, and noise of their own, so their
correlation F at a frequency is the share of detail in their power there. With twice the frames the
noise has half the power: another stack of as many frames as both halves have together would agree
with their sum by 2 F / (1 + F) (Rosenthal & Henderson, J. Mol. Biol. 333, 2003, 721-745, eq. 16).

What all frames have in common counts as detail, if it is none: hot pixels, the pattern of a camera
that does not drift, blocks of a compressed video. Halves of one stack share its alignment, too: on
a real Moon they agree up to 0.383 cycles/px (F = 1/2), two stacks made apart up to 0.371.

The image is divided into overlapping regions under a Hann window. So the correlation is known from
place to place, images of any size and shape take the same rings, and a border or a limb far away
does not count. Sums over all regions give the correlation of the whole.

Cost: 0.11 us a pixel. Memory: a row of regions for each thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import fft, ndimage
from scipy.sparse import csr_array

from skry_dask.graph.threads import on_threads

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, Float32Array, FloatArray, IntArray

SIDE_PX = 128
"""Side of the regions, px, in images that are as large; of smaller ones their shorter side."""

FADE_PX = 16
"""Images fade out over this distance from where one of them shows nothing, px."""

LEAST_SHOWN = 0.25
"""A region counts if the images show at least this share of it, as its window sees it."""

RINGS_TOGETHER = 5
"""Number of adjacent rings of which the correlation is taken where it is compared with a threshold:
chance takes single rings of a region below it."""

COARSE_RINGS = 8
"""Regions whose images do not agree on these rings together resolve nothing."""


class Regions(NamedTuple):
    """Overlapping squares of an image.

    Parameters
    ----------
    y, x
        int64 (region_y) and (region_x): their first rows and columns.
    side
        Their side, an even number of px.
    """

    y: IntArray
    x: IntArray
    side: int

    @classmethod
    def of_image(cls, shape: tuple[int, ...]) -> Regions:
        """Cover an image (y, x) by regions that overlap by at least half."""
        side = min(SIDE_PX, *shape)
        side -= side % 2
        height, width = shape
        return cls(_starts(height, side), _starts(width, side), side)

    @property
    def frequency(self) -> FloatArray:
        """Spatial frequency of each ring, cycles/px, up to 1/2: float64 (ring)."""
        return np.arange(1, self.side // 2 + 1) / self.side


class RingSums(NamedTuple):
    """Products of two spectra, summed over the rings of each region.

    Parameters
    ----------
    cross
        float64 (region_y, region_x, ring): real part of one times the conjugate of the other.
    first, second
        float64 of the same shape: power of either image. All are 0 where regions do not count.
    """

    cross: FloatArray
    first: FloatArray
    second: FloatArray

    def whole(self) -> RingSums:
        """Add up all regions: (ring)."""
        return RingSums(*(values.sum(axis=(0, 1)) for values in self))


def ring_sums(first: Float32Array, second: Float32Array, regions: Regions) -> RingSums:
    """Compare two images on rings of equal frequency, region by region.

    Parameters
    ----------
    first, second
        float32 (y, x), of the same scene in the same place; NaN where nothing is known.
    regions
        Of images of this shape.
    """
    side = regions.side
    fading = _fading(~(np.isnan(first) | np.isnan(second)))
    hann = np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2
    hann = hann[:, None] * hann
    rings = _rings(side)
    sums = RingSums(*np.zeros((3, len(regions.y), len(regions.x), side // 2)))

    def compare(row: int) -> None:
        window = np.repeat(hann[None], len(regions.x), axis=0)
        if fading is not None:
            window *= _cut(fading, regions, row)
            window *= (window.sum(axis=(1, 2)) > LEAST_SHOWN * hann.sum())[:, None, None]
        one, other = (_spectra(_cut(image, regions, row), window) for image in (first, second))
        products = (one * other.conj()).real, _power(one), _power(other)
        for target, values in zip(sums, products, strict=True):
            target[row] = (rings @ values.reshape(len(values), -1).T).T

    on_threads(compare, range(len(regions.y)))
    return sums


def correlation(sums: RingSums) -> FloatArray:
    """Correlate two images on each ring: float64 (..., ring), NaN where nothing counts."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums.cross / np.sqrt(sums.first * sums.second)


def of_the_sum(correlation: FloatArray) -> FloatArray:
    """Turn the correlation of two halves into that of their sum with another one; see above."""
    return 2 * correlation / (1 + np.abs(correlation))  # chance can make it less than 0


def finest_detail(frequency: FloatArray, sums: RingSums, threshold: float) -> FloatArray:
    """Find the frequency at which the sum of two halves ceases to agree with another one.

    Parameters
    ----------
    frequency
        float64 (ring), cycles/px.
    sums
        Of the halves, (..., ring).
    threshold
        Correlation of the sum at which detail ends, above 0 to 1.

    Returns
    -------
    float64 (...), cycles/px, to a fraction of a ring. 1/2 where the images agree at all
    frequencies; NaN where they do not agree at any, or nothing counts.
    """
    together = np.ones(RINGS_TOGETHER)
    near = RingSums(*(ndimage.convolve1d(values, together, mode="constant") for values in sums))
    curve = of_the_sum(correlation(near))
    coarse = RingSums(*(values[..., :COARSE_RINGS].sum(axis=-1) for values in sums))
    with np.errstate(invalid="ignore"):
        resolves = of_the_sum(correlation(coarse)) >= threshold
    best = np.nan_to_num(curve[..., :COARSE_RINGS], nan=-1.0).argmax(axis=-1)[..., None]
    below = (curve < threshold) & (np.arange(len(frequency)) > best)
    end = np.maximum(below.argmax(axis=-1), 1)
    before, after = (np.take_along_axis(curve, (end - k)[..., None], -1)[..., 0] for k in (1, 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        part = ((before - threshold) / (before - after)).clip(0, 1)
    found = frequency[end - 1] + part * (frequency[end] - frequency[end - 1])
    found = np.where(below.any(axis=-1), found, frequency[-1])
    return np.where(resolves, found, np.nan)


def modes_of_rings(side: int) -> FloatArray:
    """Count the frequencies on each ring of a region of this side: float64 (ring)."""
    return np.asarray(_rings(side).sum(axis=1), np.float64)


def _starts(n: int, side: int) -> IntArray:
    """Place squares evenly along one side of an image: int64, their first rows or columns."""
    count = 1 + -(-2 * (n - side) // side)
    return np.rint(np.linspace(0, n - side, count)).astype(np.int64)


def _fading(known: BoolArray) -> FloatArray | None:
    """Let images fade out towards what is not known: 0 to 1 (y, x); None where all is known."""
    if known.all():
        return None
    distance = ndimage.distance_transform_edt(known).clip(0, FADE_PX)
    faded: FloatArray = np.sin(np.pi / 2 * distance / FADE_PX) ** 2
    return faded


def _cut(image: Float32Array | FloatArray, regions: Regions, row: int) -> FloatArray:
    """Cut a row of regions out of an image: float64 (region_x, y, x)."""
    rows = image[regions.y[row] : regions.y[row] + regions.side]
    return np.stack([rows[:, x : x + regions.side] for x in regions.x]).astype(np.float64)


def _spectra(images: FloatArray, window: FloatArray) -> FloatArray:
    """Transform images (region, y, x) without their mean, as their windows see them."""
    values = np.nan_to_num(images)
    weight = np.maximum(window.sum(axis=(1, 2), keepdims=True), 1e-9)
    mean = (values * window).sum(axis=(1, 2), keepdims=True) / weight
    spectra: FloatArray = fft.rfft2((values - mean) * window)
    return spectra


def _power(spectra: FloatArray) -> FloatArray:
    return spectra.real**2 + spectra.imag**2


def _rings(side: int) -> csr_array:
    """Make the matrix that adds up the half plane of a spectrum on rings: (ring, y * x).

    A ring holds the frequencies nearest to it. Frequencies that stand for two count twice.
    """
    down = np.abs(fft.fftfreq(side, 1 / side))[:, None]
    along = np.arange(side // 2 + 1)
    ring = np.rint(np.hypot(down, along)).astype(np.int64)
    weight = np.broadcast_to(1.0 + ((along > 0) & (along < side // 2)), ring.shape)
    inside = (ring > 0) & (ring <= side // 2)
    shape = (side // 2, ring.size)
    return csr_array((weight[inside], (ring[inside] - 1, np.flatnonzero(inside))), shape)
