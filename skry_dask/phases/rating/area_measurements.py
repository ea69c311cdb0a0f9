"""What is measured of each area of each frame: its detail, its light and its noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.kernels.frame.light_and_noise import light_and_noise
from skry_dask.phases.rating.area_detail import measure_area_detail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.geometry.areas import AreaGrid
    from skry_dask.types import BoolArray, Float32Array, FloatArray, Frames

MEASUREMENTS = ("detail", "light", "noise")
"""What is measured, in this order."""

NOISE_PER_RESPONSE = (np.pi / 2) ** 0.5 / 6
"""Standard deviation of white noise per mean absolute second difference along y and x."""


class AreaGauge(NamedTuple):
    """How areas are measured.

    Parameters
    ----------
    grid
        The areas.
    radius
        Radius of the box blurs against which detail is measured, px.
    step
        Distance of the pixels whose differences tell the noise, px.
    black, white
        Grey level of no light, and number of grey levels from there to full scale.
    """

    grid: AreaGrid
    radius: int
    step: int
    black: int
    white: int


def measure_areas(
    frames: Frames, offset: FloatArray, active: BoolArray, gauge: AreaGauge
) -> Float32Array:
    """Measure the areas that each frame of a chunk shows.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x), grey.
    offset
        float64 (frame, axis), px.
    active
        bool (frame).
    gauge
        How areas are measured.

    Returns
    -------
    float32 (frame, 3, area): mean |I - blurred I|, mean light above black, and standard deviation
    of the noise, fractions of full scale; NaN for inactive frames, and for areas that a frame does
    not show.
    """
    grid = gauge.grid
    measured = np.full((len(frames), len(MEASUREMENTS), grid.n_areas), np.nan, np.float32)
    for (rows, columns), alike in frames_by_part(grid, offset, active, frames.shape[1:]):
        whole = gauge._replace(grid=grid.part(rows, columns))
        found = _measure_whole_areas(frames, offset, alike, whole)
        numbers = grid.numbers(rows, columns)
        for i in np.flatnonzero(alike):
            measured[i][:, numbers] = found[i]
    return measured


def frames_by_part(
    grid: AreaGrid, offset: FloatArray, active: BoolArray, frame_shape: tuple[int, ...]
) -> Iterator[tuple[tuple[slice, slice], BoolArray]]:
    """Divide frames by the areas that they show.

    Parameters
    ----------
    grid
        The areas.
    offset
        float64 (frame, axis), px.
    active
        bool (frame).
    frame_shape
        Height and width of a frame, px.

    Yields
    ------
    part
        Rows and columns of areas, at least one of each.
    alike
        bool (frame), the active frames that show these.
    """
    parts: dict[tuple[int, ...], tuple[tuple[slice, slice], list[int]]] = {}
    for i in np.flatnonzero(active).tolist():
        part = grid.shown_part(offset[i], *frame_shape[:2])
        if all(side.stop > side.start for side in part):
            key = tuple(edge for side in part for edge in (side.start, side.stop))
            parts.setdefault(key, (part, []))[1].append(i)
    for part, numbers in parts.values():
        alike = np.zeros(len(offset), bool)
        alike[numbers] = True
        yield part, alike


def _measure_whole_areas(
    frames: Frames, offset: FloatArray, active: BoolArray, gauge: AreaGauge
) -> Float32Array:
    """Measure areas that all active frames show; see `measure_areas`."""
    grid, white = gauge.grid, gauge.white
    measured = np.full((len(frames), len(MEASUREMENTS), grid.n_areas), np.nan, np.float32)
    measured[:, 0] = measure_area_detail(frames, offset, active, grid, gauge.radius, white)
    used = np.flatnonzero(active)
    if not len(used):
        return measured
    light, noise, n_pixels = light_and_noise(
        frames if len(used) == len(frames) else frames[used],
        grid.region.origin(offset[used]),
        gauge.step,
        grid.y_edges,
        grid.x_edges,
    )
    measured[used, 1] = ((light / n_pixels - gauge.black) / white).reshape(len(used), -1)
    measured[used, 2] = (noise / n_pixels * NOISE_PER_RESPONSE / white).reshape(len(used), -1)
    return measured
