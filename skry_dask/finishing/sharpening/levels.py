"""Brightness and noise of an image, measured from windows all over it.

Noise is measured in each wavelet layer apart, since that of a stack is not white: fragments were
resampled. Half stacks tell it from detail without doubt: half their difference is noise alone, as
strong as the stack's. Without them it is the deviation that the quietest of the lit places have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.finishing.sharpening.wavelets import layers_of
from skry_dask.options.sharpening import N_LAYERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.types import AnyArray, Float32Array, FloatArray

CELL = 16
"""Side of the places whose noise is compared, px."""

QUIET = 0.1
"""Share of the places that are taken for free of detail."""

LIT = 0.15
"""Least brightness of a lit place, between those of the sky and of white: the sky has less noise,
and may be clipped."""

FADING = np.array([1.0, 0.35, 0.15, 0.075, 0.0375, 0.0187])
"""Noise of the layers over that of the finest, for fragments that were resampled; white noise has
0.23, 0.10 (Starck & Murtagh 2006, table 2.1). Coarser layers show no place without detail."""

SMALLEST_NOISE = 1e-6
"""Least noise, as a fraction of full scale: a constant image has none."""


class Levels(NamedTuple):
    """Brightness and noise of an image.

    Parameters
    ----------
    sky, white
        float32 (channel): the darkest and the brightest places, each 1 % of the image.
    noise
        float32 (channel, layer): standard deviation of the noise in each wavelet layer.
    """

    sky: Float32Array
    white: Float32Array
    noise: Float32Array


def measure_levels(
    windows: Sequence[AnyArray], differences: Sequence[AnyArray] | None = None
) -> Levels:
    """Measure the brightness and the noise of an image.

    Parameters
    ----------
    windows
        Parts of the image (y, x, channel), 1 = full scale; NaN where it has no pixels.
    differences
        Half the difference of its half stacks, at the same places.
    """
    n_channels = windows[0].shape[2]
    sky, white = np.zeros(n_channels), np.ones(n_channels)
    noise = np.full((n_channels, N_LAYERS), SMALLEST_NOISE)
    for channel in range(n_channels):
        seen = [_filled(window[..., channel]) for window in windows]
        pixels = [part.ravel() for part in seen if part is not None]
        if not pixels:  # no picture
            continue
        sky[channel], white[channel] = np.percentile(np.concatenate(pixels), (1, 99))
        lit = sky[channel] + LIT * (white[channel] - sky[channel])
        measured = seen
        if differences is not None:
            measured = [_filled(part[..., channel]) for part in differences]
        spread = [
            _deviations(window, detail, lit)
            for window, detail in zip(seen, measured, strict=True)
            if window is not None and detail is not None
        ]
        places = np.concatenate(spread) if spread else np.empty((0, N_LAYERS))
        if len(places):
            noise[channel] = _noise(places, from_halves=differences is not None)
    return Levels(
        sky.astype(np.float32),
        white.astype(np.float32),
        np.maximum(noise, SMALLEST_NOISE).astype(np.float32),
    )


def _filled(window: AnyArray) -> Float32Array | None:
    """Fill gaps with the mean; None for a window that is mostly gaps."""
    pixels = np.ascontiguousarray(window, np.float32)
    finite = np.isfinite(pixels)
    if finite.mean() < 0.5:
        return None
    return np.where(finite, pixels, pixels[finite].mean(dtype=np.float64)).astype(np.float32)


def _deviations(image: Float32Array, measured: Float32Array, lit: float) -> FloatArray:
    """Return the deviation in each layer (place, layer) of the lit places of a window."""
    n_y, n_x = (max(size // CELL, 1) for size in image.shape)
    cell_y, cell_x = (min(size, CELL) for size in image.shape)

    def cells(array: Float32Array) -> Float32Array:
        part = array[: n_y * cell_y, : n_x * cell_x]
        shaped = part.reshape(n_y, cell_y, n_x, cell_x).swapaxes(1, 2)
        return shaped.reshape(n_y * n_x, -1)

    is_lit = cells(image).mean(axis=1, dtype=np.float64) >= lit
    details, _ = layers_of(measured, N_LAYERS)
    return np.stack(
        [np.sqrt(np.square(cells(d)[is_lit]).mean(axis=1, dtype=np.float64)) for d in details], -1
    )


def _noise(places: FloatArray, *, from_halves: bool) -> FloatArray:
    """Find the noise of each layer from the deviations of places (place, layer)."""
    if from_halves:
        return np.sqrt(np.square(places).mean(axis=0))
    quiet = np.quantile(places, QUIET, axis=0)
    return np.minimum(quiet, quiet[0] * FADING)
