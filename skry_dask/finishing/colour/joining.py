"""Joining registered images of filters to one in colour, with the brightness of a luminance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, Float32Array, FloatArray

FLOOR = 0.02
"""Added to both brightnesses before they are divided, as a fraction of the highest: in the dark,
noise would become colour."""

OBJECT_SHARE = 0.25
"""Pixels belong to the object that are brighter than this share of the way from the darkest to the
brightest."""


def with_luminance(colour: Float32Array, luminance: Float32Array) -> Float32Array:
    """Replace the brightness of an image by that of a luminance, and keep its colours.

    The luminance is first brought to the mean and the standard deviation of the brightness that it
    replaces, so that only detail changes.

    Parameters
    ----------
    colour
        float32 (y, x, channel), 1 = full scale; NaN where there is no value.
    luminance
        float32 (y, x), likewise.
    """
    brightness = colour.mean(axis=2)
    both = np.isfinite(brightness) & np.isfinite(luminance)
    if not both.any():
        return colour
    own, other = brightness[both].astype(np.float64), luminance[both].astype(np.float64)
    gain = own.std() / max(other.std(), 1e-12)
    matched = own.mean() + gain * (luminance - other.mean())
    floor = FLOOR * np.percentile(own, 99.0) + 1e-12
    ratio = np.maximum(matched + floor, 0.0) / np.maximum(brightness + floor, floor)
    # The sky beyond the object stays as it is: there is no colour in which to raise it.
    return (colour * ratio[..., None]).astype(np.float32)


def grey_gains(colour: Float32Array) -> FloatArray:
    """Find gains that make the mean of the bright parts grey.

    Parameters
    ----------
    colour
        float32 (y, x, channel); NaN where there is no value.

    Returns
    -------
    float64 (channel): the green one is 1.
    """
    means = colour[_is_object(colour.mean(axis=2))].mean(axis=0, dtype=np.float64)
    return means[1] / np.maximum(means, 1e-6)


def _is_object(brightness: Float32Array) -> BoolArray:
    low, high = np.nanpercentile(brightness, [1.0, 99.5])
    return brightness >= low + OBJECT_SHARE * (high - low)


def within_full_scale(colour: Float32Array) -> tuple[Float32Array, float]:
    """Darken an image whose highlights would be cut off.

    Parameters
    ----------
    colour
        float32 (y, x, channel), 1 = full scale.

    Returns
    -------
    The image, and the factor that it was multiplied with, at most 1.
    """
    highest = float(np.nanmax(colour, initial=0.0))
    if highest <= 1.0:
        return colour, 1.0
    return colour / np.float32(highest), 1.0 / highest
