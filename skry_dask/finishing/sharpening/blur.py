"""What the automatic method knows of an image, and the filter that follows from it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.finishing.sharpening.air import contrast_left
from skry_dask.finishing.sharpening.automatic_resolution import Resolution, share_of_detail

if TYPE_CHECKING:
    from skry_dask.types import Float32Array

KEPT_FILTERS = 64
"""Number of filters that are kept: neighbouring places have the same one."""


class Blur(NamedTuple):
    """What the automatic method knows of an image.

    Parameters
    ----------
    seeing
        D/r0 of the seeing, for which it is sharpened.
    cutoff
        Finest detail that the telescope passes, cycles/px.
    resolution
        How finely the image resolves the scene: `places` has a value for each place of the grid.
    """

    seeing: float
    cutoff: float
    resolution: Resolution

    def gain(self, side: int, resolution: float, times: float = 1.0) -> Float32Array:
        """Return the gain of each frequency of a square.

        Parameters
        ----------
        side
            Of the square, px.
        resolution
            Around it, cycles/px.
        times
            Of how many times the seeing.

        Returns
        -------
        float32 (y, x of a half plane)
        """
        seeing = float(self.seeing * times)
        return _gain(side, resolution, self.resolution.steepness, seeing, self.cutoff)


@functools.lru_cache(KEPT_FILTERS)
def _gain(
    side: int, resolution: float, steepness: float, seeing: float, cutoff: float
) -> Float32Array:
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1e-6
    share = share_of_detail(frequency, resolution, steepness)
    gain: Float32Array = (share / contrast_left(frequency, seeing, cutoff)).astype(np.float32)
    return gain
