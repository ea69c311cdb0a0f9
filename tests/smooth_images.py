"""Smooth random images that continue periodically beyond their borders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from skry_dask.types import FloatArray, Frames


def smooth(shape: tuple[int, int], seed: int = 1, sigma: float = 3.0) -> FloatArray:
    """Draw a smooth random image, 0.05 to 0.95."""
    noise = np.random.default_rng(seed).normal(size=shape)
    image = ndimage.gaussian_filter(noise, sigma, mode="wrap")
    return 0.05 + 0.9 * (image - image.min()) / np.ptp(image)


def digitise(image: FloatArray, dtype: type = np.uint8, white: int | None = None) -> Frames:
    """Round an image of 0 to 1 to grey levels."""
    return np.rint(image * (white or np.iinfo(dtype).max)).astype(dtype)


def moved(image: FloatArray, shift: tuple[float, float]) -> FloatArray:
    """Shift an image exactly, by fractions of a pixel too."""
    phase = ndimage.fourier_shift(np.fft.fftn(image), shift)
    return np.fft.ifftn(phase).real.clip(0, 1)
