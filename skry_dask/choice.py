"""Choice: which fragments of which frames are stacked.

A fragment has the quality of the areas that it covers; beyond the region, in which quality is
estimated, that of the areas nearest to it. There not every frame shows it, and to those that are
chosen some are added so that no pixel stays empty that any frame shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.accumulate import best_fragments
from skry_dask.mesh import area_labels

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.geometry import Region
    from skry_dask.mesh import TriangleMesh
    from skry_dask.options import StackOptions
    from skry_dask.types import BoolArray, FloatArray


def quality_of_fragments(mesh: TriangleMesh, region: Region, quality: xr.Dataset) -> FloatArray:
    """Average the quality of the areas that each fragment covers, or that are nearest to it.

    Parameters
    ----------
    mesh
        Of the image.
    region
        In which quality was estimated.
    quality
        From `estimate_quality`; its ``blended_quality`` is loaded.

    Returns
    -------
    float64 (frame, fragment)
    """
    areas = area_labels(region, quality.attrs["options"]["area_size"])
    rows, columns = (
        np.clip(np.rint(coords).astype(np.int64) - first, 0, n - 1)
        for coords, first, n in zip(
            (mesh.y_coords, mesh.x_coords), (region.y, region.x), region.shape, strict=True
        )
    )
    weights = mesh.area_weights(areas[np.ix_(rows, columns)])
    # Sums go triangle by triangle in a fixed order, so ranks do not depend on a BLAS library.
    found: FloatArray = (weights @ quality["blended_quality"].load().to_numpy().T).T
    return found


def frames_that_show(
    mesh: TriangleMesh, offset: FloatArray, size: tuple[int, ...]
) -> tuple[BoolArray, BoolArray]:
    """Tell which frames show each fragment, but for what displacements change.

    Parameters
    ----------
    mesh
        Of the image.
    offset
        float64 (frame, axis), px.
    size
        Height and width of a frame, px.

    Returns
    -------
    bool (frame, fragment), bool (frame, fragment)
        Whether the whole of it is shown, and whether a part may be.
    """
    region = mesh.region
    # Fixed points lie just outside.
    inside = np.clip(mesh.corners[mesh.triangles], 0, np.array(region.shape) - 1)
    corners = inside + np.array([region.y, region.x])
    low, high = corners.min(axis=1), corners.max(axis=1)
    whole = np.ones((len(offset), len(low)), bool)
    part = whole.copy()
    for axis in (0, 1):
        first = low[:, axis] + offset[:, None, axis]
        last = high[:, axis] + offset[:, None, axis]
        whole &= (first >= 0) & (last <= size[axis] - 1)
        part &= (last >= 0) & (first <= size[axis] - 1)
    return whole, part


def fragments_to_cover(quality: FloatArray, whole: BoolArray) -> BoolArray:
    """Choose fragments such that no pixel stays empty that a frame shows.

    Parameters
    ----------
    quality
        float64 (frame, fragment); NaN in frames that show none of it.
    whole
        bool (frame, fragment), which frames show all of it.

    Returns
    -------
    bool (frame, fragment): the best frame that shows the whole; where there is none, all that show
    a part.
    """
    best = best_fragments(np.where(whole, quality, np.nan), 1)
    return best | (~np.isnan(quality) & ~best.any(axis=0))


def select(quality: FloatArray, options: StackOptions, n_active: int | None = None) -> BoolArray:
    """Choose fragments by the criterion given.

    Parameters
    ----------
    quality
        float64 (frame, fragment); NaN in frames that must not be used.
    options
        Percent and number count active frames.
    n_active
        How many there are; None = those without NaN.

    Returns
    -------
    bool (frame, fragment); at least one frame of each fragment that any frame shows.
    """
    if options.min_quality is not None:
        unusable = np.isnan(quality)
        low = np.where(unusable, np.inf, quality).min(axis=0)
        high = np.where(unusable, -np.inf, quality).max(axis=0)
        with np.errstate(invalid="ignore"):
            return quality - low >= options.min_quality * (high - low)
    if n_active is None:
        n_active = int((~np.isnan(quality).any(axis=1)).sum())
    number = options.number
    if options.percent is not None:
        number = max(1, round(n_active * options.percent / 100))
    return best_fragments(quality, number or n_active)
