"""Stack: the chosen fragments of all frames, unwarped and averaged.

The region is triangulated between the reference points and fixed points around it. A fragment is a
triangle in a frame; which frames a triangle takes follows from the quality of the areas it covers.
Fixed points move like the reference points nearest to them.

Cost: 10 ns a pixel of a chosen fragment on one core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask
import dask.array as da
import numpy as np
from scipy.spatial import cKDTree

from skry_dask.accumulate import Image, best_fragments, lazy_images, shift_and_add
from skry_dask.develop import Developer
from skry_dask.mesh import TriangleMesh, area_labels
from skry_dask.options import StackOptions
from skry_dask.results import image_variable, region_of, result, variable, whole_frames
from skry_dask.types import CHANNEL

if TYPE_CHECKING:
    import xarray as xr
    from dask.delayed import Delayed

    from skry_dask.types import BoolArray, FloatArray, IntArray

NEAREST = 4
"""A fixed point follows this many reference points, by inverse squares of their distances."""


def stack(
    capture: xr.Dataset,
    alignment: xr.Dataset,
    quality: xr.Dataset,
    points: xr.Dataset,
    options: StackOptions | None = None,
) -> xr.Dataset:
    """Average the best fragments of all frames.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]), uint8 or uint16.
    alignment, quality, points
        From `align`, `estimate_quality` and `track`. The positions of points, the alignment and
        the quality of areas are loaded, if they are lazy; displacements stay lazy.
    options
        See `StackOptions`.

    Returns
    -------
    xarray.Dataset, lazy
        ``stack`` float32 (y, x[, channel]), 1 = full scale (interpolation can pass it slightly on
        either side); ``count`` int32 (y, x), how many frames were averaged; ``fragments`` int64
        (frame), how many fragments of each frame were taken. Coordinates: canvas ``y`` and ``x``.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("moon", skry.SimulateOptions(frames=8, height=160, width=200))
    >>> alignment = skry.align(capture)
    >>> quality = skry.estimate_quality(capture, alignment)
    >>> points = skry.track(capture, alignment, quality)
    >>> result = skry.stack(capture, alignment, quality, points, skry.StackOptions(percent=50))
    >>> int(result["count"].max())
    4
    """
    options = options or StackOptions()
    frames = whole_frames(capture)
    region = region_of(alignment, capture)
    position = points["position"].load().to_numpy()
    mesh = TriangleMesh.of_points(position, region)
    area_size = quality.attrs["options"]["area_size"]
    areas = area_labels(region, area_size)
    # Sums go triangle by triangle in a fixed order, so ranks do not depend on a BLAS library.
    fragment_quality = (mesh.area_weights(areas) @ quality["area_quality"].load().to_numpy().T).T
    # A triangle so thin that it has no pixel has no area either: its sum of nothing is not NaN.
    fragment_quality[~alignment["active"].to_numpy()] = np.nan
    chosen = select(fragment_quality, options)
    developer = Developer.of(capture)
    images = [Image(plane) for plane in developer.planes]
    total = shift_and_add(
        frames,
        chosen[:, None],
        motion_of_corners(points["displacement"], alignment["offset"].to_numpy(), mesh),
        mesh,
        dask.delayed(developer, traverse=False),
        images,
        _shifts_of_images(points, images),
    )
    made = lazy_images(total, developer, images)
    return result(
        capture,
        options,
        {
            "stack": image_variable(made, "mean of the chosen fragments"),
            "count": variable(("y", "x"), total[0, 1].astype(np.int32), "1", "frames averaged"),
            "fragments": variable(
                ("frame",), chosen.sum(axis=1), "1", "fragments taken from the frame"
            ),
        },
        {
            "y": ("y", region.y_coords, {"units": "px", "long_name": "canvas y"}),
            "x": ("x", region.x_coords, {"units": "px", "long_name": "canvas x"}),
        },
    )


def _shifts_of_images(points: xr.Dataset, images: list[Image]) -> Delayed | None:
    """Find by how much the plane of each image lies off the others, lazily; see `channel_shift`."""
    if "channel_shift" not in points or len(images) < len(CHANNEL):
        return None
    shift = points["channel_shift"].data
    return shift.to_delayed()[0, 0] if isinstance(shift, da.Array) else dask.delayed(shift)


def select(quality: FloatArray, options: StackOptions) -> BoolArray:
    """Choose fragments by the criterion given.

    Parameters
    ----------
    quality
        float64 (frame, triangle); NaN in inactive frames.
    options
        Percent and number count active frames.

    Returns
    -------
    bool (frame, triangle); at least one frame of each triangle.
    """
    if options.min_quality is not None:
        low, high = np.nanmin(quality, axis=0), np.nanmax(quality, axis=0)
        return quality - low >= options.min_quality * (high - low)
    n_active = int((~np.isnan(quality).any(axis=1)).sum())
    number = options.number
    if options.percent is not None:
        number = max(1, round(n_active * options.percent / 100))
    return best_fragments(quality, number or n_active)


def motion_of_corners(
    displacement: xr.DataArray, offset: FloatArray, mesh: TriangleMesh
) -> da.Array:
    """Add up offset and displacement for all corners of the mesh, lazily.

    Parameters
    ----------
    displacement
        float32 (frame, point, axis), px.
    offset
        float64 (frame, axis), px.
    mesh
        Its first corners are the points, the rest fixed points.

    Returns
    -------
    float64 (frame, corner, axis), px
    """
    if displacement.chunks is None:
        displacement = displacement.chunk({"frame": 256})
    lazy = displacement.data.rechunk({1: -1, 2: -1})
    shift = da.from_array(offset[:, None], chunks=(lazy.chunks[0], 1, 2))
    weights, nearest = _followed_points(mesh)
    return da.map_blocks(
        _move_corners,
        lazy,
        shift,
        weights=weights,
        nearest=nearest,
        dtype=np.float64,
        chunks=(lazy.chunks[0], len(mesh.corners), 2),
        meta=np.empty((0, 0, 0)),
    )


def _move_corners(
    displacement: FloatArray, offset: FloatArray, weights: FloatArray, nearest: IntArray
) -> FloatArray:
    moved = displacement.astype(np.float64)
    followed = np.zeros((len(moved), len(nearest), 2))
    for k in range(nearest.shape[1]):
        followed += weights[:, k, None] * moved[:, nearest[:, k]]
    return np.concatenate([moved, followed], axis=1) + offset


def _followed_points(mesh: TriangleMesh) -> tuple[FloatArray, IntArray]:
    """Weights and indices (fixed point, neighbour) of the reference points that each follows."""
    fixed = mesh.corners[mesh.n_points :]
    n_near = min(NEAREST, mesh.n_points)
    if n_near == 0:
        return np.zeros((len(fixed), 0)), np.zeros((len(fixed), 0), np.int64)
    ranks = list(range(1, n_near + 1))
    distance, found = cKDTree(mesh.corners[: mesh.n_points]).query(fixed, k=ranks)
    nearest = np.asarray(found, np.int64)
    weights = 1.0 / np.maximum(distance, 1e-6) ** 2
    return weights / weights.sum(axis=1, keepdims=True), nearest
