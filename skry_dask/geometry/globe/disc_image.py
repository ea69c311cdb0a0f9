"""Small images of a disc, of as many frames as memory is not to be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Float32Array, FloatArray, IntArray

SKY = 0.05
"""Width of the sky around the disc, as a fraction of its diameter."""

MAX_ACROSS = 160
"""Images of discs that are twice as large, or larger, are reduced to about this diameter, px."""


class DiscImage(NamedTuple):
    """The part of a frame that shows the disc, and a rim of sky.

    Parameters
    ----------
    light
        float32 (y, x), blurred.
    origin
        int64 (axis), pixel of the frame at which it begins.
    step
        Pixels of the frame along one of its own.
    """

    light: Float32Array
    origin: IntArray
    step: int

    @classmethod
    def of_frame(cls, frame: AnyArray, limb: FloatArray) -> DiscImage:
        """Cut it from a frame.

        Parameters
        ----------
        frame
            (y, x), grey.
        limb
            float64 (place, axis), in the frame, px.
        """
        size = np.ptp(limb, axis=0)
        low = np.maximum((limb.min(axis=0) - SKY * size).astype(np.int64), 0)
        high = np.ceil(limb.max(axis=0) + SKY * size).astype(np.int64) + 1
        step = max(1, int(size.max()) // MAX_ACROSS)
        disc = frame[low[0] : high[0], low[1] : high[1]].astype(np.float32)
        return cls(ndimage.gaussian_filter(disc, max(0.5 * step, 1.0))[::step, ::step], low, step)

    def at(self, places: FloatArray) -> FloatArray:
        """Interpolate brightness at places of the frame: float64 (place, axis), px."""
        own = (places - self.origin) / self.step
        light: FloatArray = ndimage.map_coordinates(
            self.light, own.T, np.float64, order=1, mode="nearest"
        )
        return light
