"""Frames scaled to the same brightness, in integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skry_dask.types import AnyArray, Float32Array, FloatArray

N_BINS = 1024
"""Bins of the histogram from which percentiles are read."""

FRAME_GAIN_BITS = 12
"""A gain of ``2**UNITY_BITS`` leaves a frame as bright as it is."""

SCALED_FRACTION_BITS = 4
"""Scaled samples have this many fractional bits more than those they were made from."""


def scale_brightness(plane: AnyArray, gain: int, black: int) -> NDArray[np.int32]:
    """Scale the light of a plane, rounded half up.

    Parameters
    ----------
    plane
        uint8, uint16 or int32 (y, x).
    gain
        Factor in units of ``2**-UNITY_BITS``.
    black
        Value of no light, which stays as it is.

    Returns
    -------
    int32 (y, x), in ``2**-SCALED_BITS`` of the plane's units.
    """
    out = np.empty(plane.shape, np.int32)
    _scale_light(np.ascontiguousarray(plane).reshape(-1), gain, black, out.reshape(-1))
    return out


@kernel
def _scale_light(plane, gain, black, out):  # type: ignore[no-untyped-def]
    down = FRAME_GAIN_BITS - SCALED_FRACTION_BITS
    for i in range(out.shape[0]):
        light = np.int64(plane[i]) - black
        out[i] = np.int32((light * gain + (black << FRAME_GAIN_BITS) + (1 << (down - 1))) >> down)


def brightness_ranges(images: Float32Array, share: float) -> FloatArray:
    """Find between which levels all of an image lies but for a share at either end, and its peak.

    Parameters
    ----------
    images
        float32 (image, y, x).
    share
        From 0 to 0.5.

    Returns
    -------
    float64 (image, 3): low, high and peak, to a thousandth of the image's own range.
    """
    out = np.empty((len(images), 3))
    n, height, width = images.shape
    flat = np.ascontiguousarray(images).reshape(n, height * width)
    _spreads(flat, share, np.empty(N_BINS, np.int64), out)
    return out


@kernel
def _spreads(images, share, counts, out):  # type: ignore[no-untyped-def]
    for i in range(len(images)):
        counts[:] = 0
        out[i, 0], out[i, 1], out[i, 2] = _spread(images[i], share, counts)


@kernel
def _spread(values, share, counts):  # type: ignore[no-untyped-def]
    n = len(values)
    lowest, peak = np.float64(values[0]), np.float64(values[0])
    for value in values:
        lowest = min(lowest, value)
        peak = max(peak, value)
    if peak <= lowest:
        return lowest, peak, peak
    scale = (len(counts) - 1) / (peak - lowest)
    for value in values:
        counts[np.int64((value - lowest) * scale + 0.5)] += 1
    rest = share * (n - 1)
    first, below = 0, counts[0]
    while below <= rest:
        first += 1
        below += counts[first]
    last, above = len(counts) - 1, counts[-1]
    while above <= rest:
        last -= 1
        above += counts[last]
    return lowest + first / scale, lowest + last / scale, peak
