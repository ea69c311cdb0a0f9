"""Brightness: how much light each frame has, and the gain that makes all alike.

Measured area by area in the region, which every active frame shows, and compared with the same area
in the other frames: neither a drift that brings other parts of the scene into the frame nor air
that stretches a planet's disc changes the median of its areas; thin clouds do. (The light of the
region as a whole varies by 3 % on a simulated planet under constant light.)

Cost: reading the frames once more, and 1 ms for a frame of 840 x 612 x 8 bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import dask
import numpy as np

from skry_dask.geometry.canvas import area_edges
from skry_dask.graph.frame_passes import map_frames
from skry_dask.kernels.frame.scale_light import UNITY_BITS

if TYPE_CHECKING:
    import dask.array as da

    from skry_dask.capture.develop import Developer
    from skry_dask.geometry.canvas import Region
    from skry_dask.types import BoolArray, FloatArray, Frames, IntArray

MOST = 8
"""No frame is made brighter, or darker, by more than this factor."""

BRIGHT = 0.5
"""Areas count that usually have at least this fraction of the light of the brightest."""


class Areas(NamedTuple):
    """Where light is measured: the region, its areas' borders, and the grey level of no light."""

    region: Region
    y_edges: IntArray
    x_edges: IntArray
    black: int


def gains(
    frames: da.Array,
    offset: FloatArray,
    active: BoolArray,
    region: Region,
    area_size: int,
    developer: Developer,
) -> da.Array:
    """Find the gain that makes each frame as bright as the median of active frames, lazily.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x[, channel]), raw.
    offset
        float64 (frame, axis), px.
    active
        bool (frame).
    region
        Seen in every active frame.
    area_size
        Side of its areas, px.
    developer
        Of the frames.

    Returns
    -------
    int64 (frame), in units of ``2**-UNITY_BITS``
    """
    y_edges, x_edges = (area_edges(n, area_size) for n in region.shape)
    areas = Areas(region, y_edges, x_edges, developer.black)
    light = map_frames(
        measure_light,
        frames,
        offset,
        active,
        developer=dask.delayed(developer, traverse=False),
        shared=[dask.delayed(areas, traverse=False)],
        shape=((len(y_edges) - 1) * (len(x_edges) - 1),),
        dtype=np.int64,
    )
    return light.rechunk(-1).map_blocks(gains_of_light, active, dtype=np.int64, drop_axis=1)


def measure_light(frames: Frames, offset: FloatArray, active: BoolArray, areas: Areas) -> IntArray:
    """Add up the light of each area in each frame of a chunk.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x).
    offset
        float64 (frame, axis), px.
    active
        bool (frame).
    areas
        Where to measure.

    Returns
    -------
    int64 (frame, area), grey levels above no light; 0 for inactive frames.
    """
    region, y_edges, x_edges, black = areas
    pixels = np.outer(np.diff(y_edges), np.diff(x_edges))
    out = np.zeros((len(frames), pixels.size), np.int64)
    for i in np.flatnonzero(active):
        window = region.window(frames[i], offset[i])
        rows = np.add.reduceat(window, y_edges[:-1], axis=0, dtype=np.int64)
        light = np.add.reduceat(rows, x_edges[:-1], axis=1)
        out[i] = (light - black * pixels).ravel()
    return out


def gains_of_light(light: IntArray, active: BoolArray) -> IntArray:
    """Turn light into gains.

    Parameters
    ----------
    light
        int64 (frame, area), from `measure_light`.
    active
        bool (frame), at least one.

    Returns
    -------
    int64 (frame), in units of ``2**-UNITY_BITS``, from 1 / `MOST` to `MOST`; frames without light
    are left as they are.
    """
    usual = np.median(light[active], axis=0)
    bright = (usual > 0) & (usual >= BRIGHT * usual.max())
    gain = np.ones(len(light))
    if bright.any():
        share = np.median(light[:, bright] / usual[bright], axis=1)
        lit = active & (share > 0)
        gain[lit] = 1 / share[lit]
    return np.rint(gain.clip(1 / MOST, MOST) * 2**UNITY_BITS).astype(np.int64)
