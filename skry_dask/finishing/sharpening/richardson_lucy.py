"""Richardson-Lucy deconvolution with total variation.

An estimate of the scene is blurred by the PSF and compared with the image; their ratio, blurred
back, corrects the estimate (Richardson 1972, JOSA 62, 55; Lucy 1974, AJ 79, 745). Smoothness counts
too, so that noise grows less than detail (Dey et al. 2006, Microscopy Research and Technique 69,
260). Estimates stay positive.

Cost: 7 ms for an iteration on 640 x 640 px with a Gaussian PSF, 40 ms with any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from skry_dask.finishing.sharpening.psf import gaussian, point_spread
from skry_dask.kernels.finishing.blurring import blur
from skry_dask.kernels.finishing.total_variation import smoothing_factor
from skry_dask.options.sharpening import Psf

if TYPE_CHECKING:
    from collections.abc import Callable

    from skry_dask.options.sharpening import SharpenOptions
    from skry_dask.types import Float32Array, FloatArray

DARKEST = 1e-4
"""Least value of an estimate, as a fraction of white: a pixel that is 0 would stay 0."""

SMOOTH = 0.03
"""Gradient per px, as a fraction of white, below which nothing is an edge: less makes
patches of equal brightness."""


def deconvolve(image: Float32Array, options: SharpenOptions, white: float) -> Float32Array:
    """Sharpen by Richardson-Lucy deconvolution.

    Parameters
    ----------
    image
        float32 (y, x), without NaN.
    options
        With method richardson-lucy.
    white
        Brightness of the brightest places.

    Returns
    -------
    float32 (y, x).
    """
    white = max(white, 1e-6)
    darkest, smallest = np.float32(DARKEST * white), SMOOTH * white
    forward, backward = _blurs(options, image.shape)
    measured: Float32Array = np.maximum(image, darkest)
    estimate: Float32Array = measured.copy()
    weight = options.regularisation or 0.0
    for _ in range(options.iterations or 0):
        blurred = np.maximum(forward(estimate), darkest, dtype=np.float32)
        estimate *= backward(np.divide(measured, blurred, dtype=np.float32))
        if weight:
            estimate *= smoothing_factor(estimate, weight, smallest)
        np.maximum(estimate, darkest, out=estimate)
    return estimate


def _blurs(
    options: SharpenOptions, shape: tuple[int, ...]
) -> tuple[Callable[[Float32Array], Float32Array], Callable[[Float32Array], Float32Array]]:
    """Make the functions that blur by the PSF, and by its mirror image."""
    if options.psf is Psf.GAUSSIAN:
        weights = gaussian(options.sigma or 1.0)

        def both(image: Float32Array) -> Float32Array:
            return blur(image, weights)

        return both, both
    psf = point_spread(options)
    return convolution(psf, shape), convolution(psf[::-1, ::-1], shape)


def convolution(
    kernel: FloatArray, shape: tuple[int, ...]
) -> Callable[[Float32Array], Float32Array]:
    """Make a function that convolves images of one shape with a kernel, by Fourier transform.

    Parameters
    ----------
    kernel
        (y, x), odd sides.
    shape
        Of the images; their borders are joined, so surroundings must be wider than the kernel.
    """
    sides = [
        fft.next_fast_len(max(size, side), real=True)
        for size, side in zip(shape, kernel.shape, strict=True)
    ]
    placed = np.zeros(sides)
    placed[: kernel.shape[0], : kernel.shape[1]] = kernel
    placed = np.roll(placed, [-(k // 2) for k in kernel.shape], axis=(0, 1))
    transfer = fft.rfft2(placed).astype(np.complex64)
    margins = [(0, side - size) for side, size in zip(sides, shape, strict=True)]

    def convolve(image: Float32Array) -> Float32Array:
        padded = np.pad(image, margins, mode="edge")
        done = fft.irfft2(fft.rfft2(padded) * transfer, sides)
        return np.ascontiguousarray(done[: shape[0], : shape[1]])

    return convolve
