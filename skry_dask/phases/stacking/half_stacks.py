"""Half stacks: the stack of every second frame, and that of the others.

Both show the same scene, and their noise has nothing in common. So the stack's own noise follows
from what they differ by, with all that frames add to it: photons, read noise, and what is left of
the seeing. Let D be the difference of halves of m and n frames, and v the variance of one frame.
The variance of D is v (1/m + 1/n), so D**2 m n / (m + n) estimates v at each pixel. Its local mean
divided by m + n is the variance of the stack. (With equal halves that is D**2 / 4.)

Local means are sums of integers, so a window has the bits of the whole. Cost: 40 ns a pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.types import HALF

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Float32Array, FloatArray, IntArray

BOX_RADIUS_PX = 8
"""Variances are averaged over boxes of 17 x 17 px, twice: 650 pixels count, the nearest most. Noise
is then right to 5 %, as neighbouring pixels of a stack share some of it."""

NOISE_REACH_PX = 2 * BOX_RADIUS_PX
"""How far away halves influence the noise of a pixel, px of the image."""

VARIANCE_STEP = 2.0**-42
"""Variances are added up in multiples of this, so that their order does not matter."""

MAX_VARIANCE = 1.0
"""Larger variances of a frame are cut off: no noise of frames between 0 and 1 is so large."""


def split_selection(packed: AnyArray) -> AnyArray:
    """Divide selections into halves: every second frame, and the others.

    Parameters
    ----------
    packed
        uint8 (frame, selection, byte), see `pack_selection`.

    Returns
    -------
    uint8 (frame, selection * half, byte), both halves of a selection beside each other.
    """
    n_frames, n_selections, n_bytes = packed.shape
    halves = np.zeros((n_frames, n_selections, len(HALF), n_bytes), np.uint8)
    for half in range(len(HALF)):
        halves[half :: len(HALF), :, half] = packed[half :: len(HALF)]
    return halves.reshape(n_frames, -1, n_bytes)


def noise_of_halves(images: Float32Array, frames: AnyArray) -> Float32Array:
    """Find the noise of a stack from its halves.

    Parameters
    ----------
    images
        float32 (half * plane, y, x), 1 = full scale; NaN where nothing was added.
    frames
        Number of frames averaged in them, of the same shape.

    Returns
    -------
    float32 (plane, y, x), standard deviation of the sum of both halves, divided by all of its
    frames; 1 = full scale. NaN where the halves have no pixel in common within `NOISE_REACH_PX`,
    and where neither has any. A filled hole has the noise of a single frame.
    """
    n_planes = len(images) // len(HALF)
    noise = np.empty((n_planes, *images.shape[1:]), np.float32)
    for i, of_plane in enumerate(noise):
        even, odd = images[i], images[n_planes + i]
        m, n = (frames[i + k].astype(np.float64) for k in (0, n_planes))
        all_frames = m + n
        shared = (m > 0) & (n > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = (even - odd).astype(np.float64) ** 2 * (m * n / all_frames)
        of_frame = _local_mean(np.where(shared, variance, 0.0), shared)
        of_plane[:] = np.sqrt(of_frame / np.where(all_frames > 0, all_frames, 1.0))
        of_plane[np.isnan(even) & np.isnan(odd)] = np.nan
    return noise


def _local_mean(variance: FloatArray, known: AnyArray) -> FloatArray:
    """Average variances over the known pixels around each pixel; NaN where there are none."""
    steps = np.rint(variance.clip(0, MAX_VARIANCE) / VARIANCE_STEP).astype(np.int64)
    total, n_known = (_box_sums(_box_sums(values)) for values in (steps, known.astype(np.int64)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return total * VARIANCE_STEP / n_known


def _box_sums(values: IntArray) -> IntArray:
    """Add up the box around each pixel; beyond the border there is nothing: int64 (y, x)."""
    for axis in (0, 1):
        n = values.shape[axis]
        running = np.zeros([m + (k == axis) for k, m in enumerate(values.shape)], np.int64)
        np.cumsum(values, axis=axis, out=running[1:] if axis == 0 else running[:, 1:])
        ends = np.arange(n)
        after = running.take(np.minimum(ends + BOX_RADIUS_PX + 1, n), axis=axis)
        values = after - running.take(np.maximum(ends - BOX_RADIUS_PX, 0), axis=axis)
    return values
