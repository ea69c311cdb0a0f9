"""Detail of areas: the mean of |I - blurred I| over each area of each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.frame.detail import area_detail_of_frames, plan_box_sums, sample_bits

if TYPE_CHECKING:
    from skry_dask.geometry.areas import AreaGrid
    from skry_dask.types import BoolArray, Float32Array, FloatArray, Frames


def measure_area_detail(
    frames: Frames, offset: FloatArray, active: BoolArray, grid: AreaGrid, radius: int, white: int
) -> Float32Array:
    """Measure the detail of each area in each frame of a chunk.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x), grey.
    offset
        float64 (frame, axis), px.
    active
        bool (frame).
    grid
        The areas.
    radius
        Radius of the box blurs, px.
    white
        Grey levels from black to full scale.

    Returns
    -------
    float32 (frame, area), fraction of full scale; NaN for inactive frames.
    """
    quality = np.full((len(frames), grid.n_areas), np.nan, np.float32)
    used = np.flatnonzero(active)
    # Sums keep the bits that a frame really uses. Frames of equal depth, most often all of them,
    # are measured in one call.
    bits = np.array([_used_bits(grid.region.window(frames[i], offset[i])) for i in used], int)
    for depth in np.unique(bits):
        indices = used[bits == depth]
        detail = area_detail_of_frames(
            frames if len(indices) == len(frames) else frames[indices],
            grid.region.origin(offset[indices]),
            radius,
            grid.y_edges,
            grid.x_edges,
            int(depth),
        )
        units = plan_box_sums(int(depth), radius).units_per_level
        quality[indices] = detail.reshape(len(indices), -1) / units / (grid.n_pixels * white)
    return quality


def _used_bits(window: Frames) -> int:
    return sample_bits(window.dtype, int(window.max()) if window.itemsize > 1 else 255)
