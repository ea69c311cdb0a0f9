"""Wiener deconvolution: each frequency is amplified as far as noise permits.

The transfer of the filter is H* / (|H|^2 + N / S), with the transfer H of the PSF and the ratio of
the power of noise to that of the scene (Wiener 1949; Gonzalez & Woods, "Digital Image Processing",
4th ed., 5.8). Noise is taken for white, the power of the scene for falling with the square of the
frequency, as that of most pictures does (Field 1987, JOSA A 4, 2379).

The filter is a kernel that ends, so that tiles give what the whole image would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.finishing.sharpening.psf import point_spread
from skry_dask.finishing.sharpening.richardson_lucy import convolution

if TYPE_CHECKING:
    from skry_dask.options.sharpening import SharpenOptions
    from skry_dask.types import Float32Array, FloatArray

REACH = 48
"""Radius at which the filter ends, px."""

_GRID = 256
"""Side of the grid on which the filter is designed, px."""


def wiener_filter(options: SharpenOptions) -> FloatArray:
    """Make the filter.

    Parameters
    ----------
    options
        With method wiener.

    Returns
    -------
    float64 (y, x): `REACH` px from the middle to each side; the sum is 1.
    """
    psf = point_spread(options)
    placed = np.zeros((_GRID, _GRID))
    placed[: psf.shape[0], : psf.shape[1]] = psf
    placed = np.roll(placed, [-(side // 2) for side in psf.shape], axis=(0, 1))
    transfer = np.fft.fft2(placed)
    frequency = np.hypot(np.fft.fftfreq(_GRID)[:, None], np.fft.fftfreq(_GRID))
    noise = (options.noise or 0.0) * (2 * frequency) ** 2
    wanted = np.fft.ifft2(transfer.conj() / (np.abs(transfer) ** 2 + noise)).real
    at = np.arange(-REACH, REACH + 1)
    window = np.cos(0.5 * np.pi * at / (REACH + 1)) ** 2
    kernel = wanted[np.ix_(at, at)] * np.outer(window, window)
    return kernel / kernel.sum()


def apply_wiener(image: Float32Array, options: SharpenOptions) -> Float32Array:
    """Sharpen by Wiener deconvolution.

    Parameters
    ----------
    image
        float32 (y, x), without NaN, with surroundings of at least `REACH` px.
    options
        With method wiener.

    Returns
    -------
    float32 (y, x).
    """
    return convolution(wiener_filter(options), image.shape)(image)
