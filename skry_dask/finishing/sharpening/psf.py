"""Point spread functions: how the image of a star looks, on the grid of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import OptionsError
from skry_dask.io.images.read import read_image
from skry_dask.options.sharpening import SAMPLING, Psf

if TYPE_CHECKING:
    from skry_dask.options.sharpening import SharpenOptions
    from skry_dask.types import Float32Array, FloatArray

GAUSSIAN_END = 4.0
"""Radius at which a Gaussian PSF ends, in sigmas: 1/3000 of its peak."""

LARGEST = 32
"""Largest radius of a PSF, px."""

KEPT = 0.99
"""Share of the light that a PSF of a telescope keeps; its rings go on for ever."""

_GRID = 256
"""Side of the grid on which the PSF of a telescope is computed, px."""


def gaussian(sigma: float, end: float = GAUSSIAN_END) -> Float32Array:
    """Return the middle and one half of a Gaussian kernel.

    Parameters
    ----------
    sigma
        Standard deviation, px.
    end
        Radius at which it ends, in sigmas.

    Returns
    -------
    float32 (tap): the sum of the whole kernel is 1.
    """
    taps = np.exp(-0.5 * (np.arange(int(np.ceil(end * sigma)) + 1) / sigma) ** 2)
    half: Float32Array = (taps / (2 * taps.sum() - 1)).astype(np.float32)
    return half


def point_spread(options: SharpenOptions) -> FloatArray:
    """Make the PSF that options describe.

    Parameters
    ----------
    options
        With method richardson-lucy or wiener.

    Returns
    -------
    float64 (y, x): odd sides, the sum is 1.

    Raises
    ------
    OptionsError
        If the image of a PSF shows none.
    ReaderError
        If it cannot be read.
    """
    match options.psf:
        case Psf.FILE:
            return _of_file(str(options.psf_file))
        case Psf.AIRY:
            return _airy(
                options.sampling or SAMPLING, options.obstruction or 0.0, options.seeing or 0.0
            )
        case _:
            half = gaussian(options.sigma or 1.0).astype(np.float64)
            line = np.concatenate([half[:0:-1], half])
            return np.outer(line, line)


def _airy(sampling: float, obstruction: float, seeing: float) -> FloatArray:
    """Make the PSF of a telescope through air.

    Diffraction at a round aperture with a central obstruction (Born & Wolf, "Principles of Optics",
    7th ed., 8.6.2), blurred by air as in a long exposure (Fried 1966, JOSA 56, 1372, eq. 3.16; the
    width of the blur alone is 0.98 wavelengths per Fried's parameter).
    """
    from scipy.special import j1

    y = np.arange(_GRID) - _GRID // 2
    radius = np.pi / sampling * np.maximum(np.hypot(y[:, None], y), 1e-9)
    amplitude = 2 * j1(radius) / radius
    if obstruction:
        inner = obstruction * radius
        amplitude -= obstruction**2 * 2 * j1(inner) / inner
    spread = np.fft.rfft2(np.fft.ifftshift(amplitude**2))
    frequency = np.hypot(np.fft.fftfreq(_GRID)[:, None], np.fft.rfftfreq(_GRID))
    spread *= np.exp(-3.44 * (frequency * seeing / 0.98) ** (5 / 3))
    psf = np.fft.fftshift(np.fft.irfft2(spread, (_GRID, _GRID))).clip(0)
    middle = _GRID // 2
    for reach in range(1, LARGEST + 1):
        part = psf[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
        if part.sum() >= KEPT * psf.sum():
            break
    return part / part.sum()


def _of_file(name: str) -> FloatArray:
    """Read the PSF in an image: its sky is subtracted, and its centre of light is the middle."""
    image = read_image(name)
    pixels = image.data.astype(np.float64)
    pixels = pixels if pixels.ndim == 2 else pixels.mean(axis=2)
    border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    light = (pixels - np.median(border)).clip(0)
    # Noise of the sky is no light.
    light[light < 0.001 * light.max()] = 0
    total = light.sum()
    if not np.isfinite(total) or total <= 0:
        raise OptionsError(
            f"{name} shows no point spread function: no pixel is brighter than its border; give "
            "the image of a star on a dark sky"
        )
    ys, xs = np.nonzero(light)
    y, x = (round(float(np.average(at, weights=light[ys, xs]))) for at in (ys, xs))
    reach = max(y - ys.min(), ys.max() - y, x - xs.min(), xs.max() - x, 1)
    if reach > LARGEST:
        raise OptionsError(
            f"{name} shows light up to {reach} px from its centre: a point spread function may be "
            f"at most {2 * LARGEST + 1} px wide: cut it out, or darken its sky"
        )
    padded = np.pad(light, int(reach))
    return padded[y : y + 2 * reach + 1, x : x + 2 * reach + 1] / total
