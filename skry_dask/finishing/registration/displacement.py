"""The displacement of an image against another one, at any place, and the image without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.interpolate import RectBivariateSpline

from skry_dask.finishing.registration.smooth_field import similarity_basis

if TYPE_CHECKING:
    from skry_dask.geometry.canvas import Region
    from skry_dask.types import AnyArray, Float32Array, FloatArray

ROWS_AT_ONCE = 256
"""Number of rows that are resampled together, which limits memory."""

EDGE_PX = 0.1
"""Places this close to the outermost pixel centres still count as inside the image, px."""

MISSING_SHARE = 0.02
"""A pixel has no value if pixels without one have a larger share in it than this, bilinearly."""


@dataclass(frozen=True, slots=True, eq=False)
class Displacement:
    """Where an image shows what a reference shows: at p + displacement(p).

    Parameters
    ----------
    similarity
        float64 (4): shift y, x (px), scale - 1, rotation (radians).
    centre
        float64 (axis), the place that scale and rotation leave where it is, px.
    rows, columns
        float64 (row), float64 (column): where the local displacement is known, px; two or more.
    local
        float64 (row, column, axis), px, in addition to the similarity.
    """

    similarity: FloatArray
    centre: FloatArray
    rows: FloatArray
    columns: FloatArray
    local: FloatArray

    @classmethod
    def of_similarity(cls, similarity: FloatArray, shape: tuple[int, ...]) -> Displacement:
        """Make one without local displacements, for a reference of a shape (y, x)."""
        height, width = shape
        centre = np.array([(height - 1) / 2, (width - 1) / 2])
        ends = np.array([0.0, height - 1.0]), np.array([0.0, width - 1.0])
        return cls(similarity, centre, *ends, np.zeros((2, 2, 2)))

    def at_resolution(self, factor: int) -> Displacement:
        """Express the same in pixels that are ``factor`` times as large, see `levels`."""
        first = (factor - 1) / 2
        shift = self.similarity / np.array([factor, factor, 1, 1])
        centre, rows, columns = (
            (places - first) / factor for places in (self.centre, self.rows, self.columns)
        )
        return Displacement(shift, centre, rows, columns, self.local / factor)

    def at(self, y: FloatArray, x: FloatArray) -> FloatArray:
        """Return the displacement on a grid.

        Parameters
        ----------
        y, x
            float64 (y), float64 (x): rows and columns of the grid, ascending, px.

        Returns
        -------
        float64 (y, x, axis), px.
        """
        orders = (min(3, len(self.rows) - 1), min(3, len(self.columns) - 1))
        places = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)
        out = similarity_basis(places, self.centre) @ self.similarity
        for axis in range(2):
            spline = RectBivariateSpline(
                self.rows, self.columns, self.local[..., axis], kx=orders[0], ky=orders[1]
            )
            out[..., axis] += spline(y, x)
        return out

    def undone(self, image: AnyArray, region: Region) -> Float32Array:
        """Resample an image to where the reference shows the same.

        Parameters
        ----------
        image
            float (y, x); NaN where it has no value.
        region
            Part of the reference's grid, which may reach beyond it.

        Returns
        -------
        float32 (y, x), NaN outside the image and where one of the pixels around has no value.
        """
        missing = ~np.isfinite(image)
        smooth = image.astype(np.float32)
        if missing.any():
            nearest = ndimage.distance_transform_edt(
                missing, return_distances=False, return_indices=True
            )
            smooth = smooth[tuple(nearest)] if not missing.all() else np.zeros_like(smooth)
        share, spline = missing.astype(np.float32), np.zeros_like(smooth)
        ndimage.spline_filter(smooth, 3, spline)
        out = np.zeros(region.shape, np.float32)
        limits = np.array(image.shape).reshape(2, 1, 1) - 1 + EDGE_PX
        x = region.x_coords.astype(np.float64)
        for first in range(0, region.height, ROWS_AT_ONCE):
            y = region.y_coords[first : first + ROWS_AT_ONCE].astype(np.float64)
            places = np.moveaxis(self.at(y, x), -1, 0).copy()
            places[0] += y[:, None]
            places[1] += x
            part = out[first : first + ROWS_AT_ONCE]
            ndimage.map_coordinates(spline, places, part, 3, mode="mirror", prefilter=False)
            part[((places < -EDGE_PX) | (places > limits)).any(axis=0)] = np.nan
            if missing.any():
                touched = np.zeros_like(part)
                ndimage.map_coordinates(share, places, touched, 1, mode="nearest")
                part[touched > MISSING_SHARE] = np.nan
        return out
