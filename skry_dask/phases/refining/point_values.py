"""What follows for points from the tiles that were measured in all frames, lazily."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.graph.datasets import variable
from skry_dask.graph.frame_tables import map_table, rows_at, total_of
from skry_dask.graph.parcels import share
from skry_dask.phases.refining.tile_motion import QUALITY_STEP, VECTOR_STEP
from skry_dask.phases.refining.weights import (
    RefinedPoints,
    is_found,
    mean_geometry,
    quality_levels,
    subtract_mean,
    sum_geometry,
    weigh_frames,
)

if TYPE_CHECKING:
    import dask.array as da
    import xarray as xr

    from skry_dask.graph.row_tasks import Rows
    from skry_dask.types import AnyArray, BoolArray, FloatArray

MAX_SAMPLE = 512
"""Number of frames, evenly spaced, from which the range of quality is learnt, at most."""


def evenly(active: BoolArray, n: int) -> AnyArray:
    """Take at most n active frames, evenly spaced: int64, ascending."""
    numbers = np.flatnonzero(active)
    return numbers[np.unique(np.linspace(0, len(numbers) - 1, n).astype(int))]


class PointValues(NamedTuple):
    """Values of points, lazy; see `refine`.

    Parameters
    ----------
    displacement, weight, valid
        Of each frame.
    mean
        float64 (point, axis), px.
    valid_fraction
        float64 (point).
    """

    displacement: da.Array
    weight: da.Array
    valid: da.Array
    mean: da.Array
    valid_fraction: da.Array

    @classmethod
    def of(
        cls, found: da.Array, tracked: Rows | da.Array, active: BoolArray, points: RefinedPoints
    ) -> PointValues:
        """Work them out.

        Parameters
        ----------
        found
            int16 (frame, tile, value), from `measure_tiles`.
        tracked
            float32 (frame, reference point, axis), px, of the track phase.
        active
            bool (frame).
        points
            The points.
        """
        n_points = len(points.position)
        shared = share(points)
        sample = rows_at(found, evenly(active, MAX_SAMPLE))
        levels = map_table(
            quality_levels,
            sample,
            shared=[shared],
            shape=(found.shape[1], 2),
            dtype=np.float64,
            reduces=True,
        )
        weight = map_table(
            weigh_frames, found, shared=[shared, levels], shape=(n_points,), dtype=np.uint8
        )
        sums = map_table(
            sum_geometry,
            found,
            tracked,
            shared=[shared],
            shape=(n_points, 4),
            dtype=np.int64,
            reduces=True,
        )
        total = total_of(sums)
        mean = total.map_blocks(mean_geometry, dtype=np.float64, chunks=((n_points,), (3,)))
        displacement = map_table(
            subtract_mean,
            found,
            tracked,
            shared=[shared, mean],
            shape=(n_points, 2),
            dtype=np.float32,
        )
        valid = map_table(is_found, found, shared=[shared], shape=(n_points,), dtype=bool)
        return cls(displacement, weight, valid, mean[:, :2], mean[:, 2])

    def variables(self, found: da.Array, position: FloatArray) -> dict[str, xr.Variable]:
        """Label them, and what was measured.

        Parameters
        ----------
        found
            As in `of`, before light and rotation were taken into account.
        position
            float64 (point, axis), on the canvas, px.
        """
        return {
            "position": variable(("point", "axis"), position, "px", "position on the canvas"),
            "displacement": variable(
                ("frame", "point", "axis"),
                self.displacement,
                "px",
                "local displacement of the scene, its mean over frames subtracted",
            ),
            "weight": variable(
                ("frame", "point"),
                self.weight,
                "1",
                "how much the frame counts, 255 = as the best one",
            ),
            "valid": variable(
                ("frame", "point"), self.valid, "1", "found, not taken from the track phase"
            ),
            "valid_fraction": variable(
                ("point",),
                self.valid_fraction,
                "1",
                "fraction of active frames that show the point in which it was found",
            ),
            "mean_displacement": variable(
                ("point", "axis"), self.mean, "px", "mean over frames of the displacement"
            ),
            "found": variable(
                ("frame", "tile", "value"),
                found,
                "1",
                "displacement y, x minus that of the track phase in steps of step_px, and quality",
                step_px=VECTOR_STEP,
                step_quality=QUALITY_STEP,
            ),
        }
