"""A first shift between two images that may differ in size and brightness: by their gradients.

Where gradients have the same direction is compared for all shifts at once by Fourier transforms
(orientation correlation: A. J. Fitch, A. Kadyrov, W. J. Christmas & J. Kittler, British Machine
Vision Conference 2002, 133-142), normalised by how strong they are where both images lie. The angle
of the direction is doubled, so that an image whose brightness is inverted, as in some infrared
bands, is as good as one that is not.

Cost: 30 ms for 256 x 256 px.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import fft, ndimage

from skry_dask.finishing.registration.levels import shown

if TYPE_CHECKING:
    from skry_dask.finishing.registration.levels import Level
    from skry_dask.types import AnyArray

MIN_SHARED = 0.4
"""Least share of the gradients of one of the images that must lie where both images do: mirrored
images agree near the mirror."""

MIN_SHARED_OF_LARGER = 0.03
"""The same of the other image, which may be much larger."""

SMOOTH_PX = 1.0
"""Standard deviation of the Gaussian whose derivatives the gradients are, px."""

STRONG = 3.0
"""Gradients that are this many times as strong as the median have half of the full weight."""


class CoarseShift(NamedTuple):
    """Where an image shows what the reference shows.

    Parameters
    ----------
    shift
        Further down, and further to the right, whole px.
    likeness
        Of the directions of their gradients, -1 to 1.
    """

    shift: tuple[int, int]
    likeness: float


def coarse_shift(reference: Level, image: Level) -> CoarseShift:
    """Find the shift at which gradients agree best.

    Parameters
    ----------
    reference, image
        At the same resolution; of any sizes.
    """
    ours, theirs = _directions(reference), _directions(image)
    shape = tuple(
        fft.next_fast_len(a + b - 1) for a, b in zip(ours.shape, theirs.shape, strict=True)
    )
    product = _correlate(ours, theirs, shape).real
    power = np.abs(ours) ** 2, np.abs(theirs) ** 2
    of_ours = _correlate(power[0], np.ones(theirs.shape), shape).real
    of_theirs = _correlate(np.ones(ours.shape), power[1], shape).real
    shares = of_ours / (power[0].sum() + 1e-30), of_theirs / (power[1].sum() + 1e-30)
    enough = (np.maximum(*shares) >= MIN_SHARED) & (np.minimum(*shares) >= MIN_SHARED_OF_LARGER)
    norm = np.sqrt(np.maximum(of_ours * of_theirs, 1e-30))
    likeness = np.where(enough, product / norm, -1.0)
    peak = np.unravel_index(int(np.argmax(likeness)), shape)
    down, right = (
        int(at) if at < n_theirs else int(at) - n
        for at, n, n_theirs in zip(peak, shape, theirs.shape, strict=True)
    )
    return CoarseShift((down, right), float(likeness[peak]))


def _correlate(ours: AnyArray, theirs: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    """Sum conj(ours at p) times theirs at p + shift, for all shifts."""
    return fft.ifft2(np.conj(fft.fft2(ours, shape)) * fft.fft2(theirs, shape))


def _directions(level: Level) -> AnyArray:
    """Return the direction of the gradient at twice its angle: complex (y, x), modulus 0 to 1."""
    along = [
        ndimage.gaussian_filter(level.pixels.astype(np.float64), SMOOTH_PX, order, mode="nearest")
        for order in ((1, 0), (0, 1))
    ]
    gradient = np.where(shown(level.valid), along[0] + 1j * along[1], 0.0)
    power = np.abs(gradient) ** 2
    scale = STRONG**2 * np.median(power) + 1e-30
    return gradient**2 / (power + scale)
