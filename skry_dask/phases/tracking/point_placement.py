"""Placement of reference points on the reference image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import OptionsError
from skry_dask.graph.threads import map_bands
from skry_dask.kernels.frame.box_means import box_means
from skry_dask.kernels.matching.grid_cells import most_central_pixels
from skry_dask.kernels.matching.structure import measure_structure

if TYPE_CHECKING:
    from skry_dask.geometry.canvas import Region
    from skry_dask.options import TrackOptions
    from skry_dask.types import AnyArray, BoolArray, Float32Array, IntArray

GAP_MARGIN_PX = 4
"""Blocks keep this distance from gaps of the reference image, px."""

MIN_GRADIENT = 0.001
"""Least gradient of a block, fraction of the image's range per px, rms. With the noise of a single
frame, a 60th of the range, a block of 32 px with this gradient is found to half a pixel."""


def place_points(image: Float32Array, region: Region, options: TrackOptions) -> IntArray:
    """Place at most one reference point in each cell of a grid.

    A point has to be bright enough. The block around it must change more under a shift of twice the
    structure scale than under a shift of once the scale: noise changes by the same amount,
    structure by up to four times as much. And its gradients must not all have one direction, as
    along a straight edge: the smaller eigenvalue of the summed gradient products (Shi & Tomasi,
    "Good features to track", CVPR 1994, 593-600) must be a large enough part of the sum of both.

    The limb of a planet passes. A block on it measures one component of its motion well, and along
    the limb it stays near its neighbours. Without points there, triangles reach from the face far
    into the sky, and the limb, where most of the error lies, follows the face. On simulated planets
    with ``gradient_spread`` 0.05 (limb refused) and 0.004 the stack's blur was 1.276 and 1.238 px
    (small planet: 1.259, 1.230), its warp 0.178 and 0.171 px (0.407, 0.385), psnr 57.3 and 58.0 dB
    (45.1, 45.4); Sun and Moon did not change. Points in the sky (``brightness`` 0, ``structure`` 1)
    lose up to 0.9 dB; mesh nodes on a grid through the sky, predicted by kriging, change less than
    0.1 dB.

    Of the pixels of a cell that pass, the one nearest to the centre becomes the point. The one with
    the largest smaller eigenvalue often lies on the cell's border, beside that of the next cell:
    the field of displacements between points was then 0.26 px off instead of 0.20 px.

    Parameters
    ----------
    image
        float32 (y, x), the reference image, which covers the region; NaN where there is none.
    region
        Position of the image on the canvas.
    options
        Of the track phase.

    Returns
    -------
    int64 (point, axis), on the canvas, px, row by row of cells; blocks lie inside the region.
    """
    half, spacing = options.block_size // 2, options.spacing
    suitable = _suitable_pixels(without_gaps(image), options) & ~_beside_gaps(image, options)
    places = most_central_pixels(suitable, half, spacing)
    return places + np.array([region.y, region.x])


def given_points(region: Region, options: TrackOptions) -> IntArray:
    """Round the user's points to whole pixels.

    Parameters
    ----------
    region
        In which their blocks must lie.
    options
        With the points.

    Returns
    -------
    int64 (point, axis), on the canvas, px, in the user's order.

    Raises
    ------
    OptionsError
        If the block of a point would leave the region.
    """
    half = options.block_size // 2
    y_range = (region.y + half, region.y + region.height - half)
    x_range = (region.x + half, region.x + region.width - half)
    for y, x in options.points:
        if not (y_range[0] <= round(y) <= y_range[1] and x_range[0] <= round(x) <= x_range[1]):
            raise OptionsError(
                f"point ({y:g}, {x:g}): blocks of {options.block_size} px must lie in the region "
                f"seen in every frame: y from {y_range[0]} to {y_range[1]}, x from {x_range[0]} to "
                f"{x_range[1]}"
            )
    return np.rint(np.array(options.points)).astype(np.int64).reshape(-1, 2)


def without_gaps(image: Float32Array) -> Float32Array:
    """Fill the gaps of a reference image, NaN, with its lowest value."""
    gaps = np.isnan(image)
    return np.where(gaps, np.nanmin(image), image) if gaps.any() else image


def _beside_gaps(image: Float32Array, options: TrackOptions) -> BoolArray:
    """Find the pixels whose blocks would reach into gaps of the image: bool (y, x)."""
    gaps = np.isnan(image)
    if not gaps.any():
        return gaps
    reach = options.block_size + 4 * options.structure_scale + 2 * GAP_MARGIN_PX
    near: BoolArray = box_means(gaps.astype(np.float32), reach) > 0.5 / reach**2
    return near


def _suitable_pixels(image: Float32Array, options: TrackOptions) -> BoolArray:
    """Find the pixels that can be reference points: bool (y, x)."""
    low, high = float(image.min()), float(image.max())

    def of_band(band: AnyArray) -> BoolArray:
        bright = band >= low + options.brightness * (high - low)
        found = measure_structure(band, options.structure_scale, options.block_size)
        detailed = found.max_eigenvalue > (MIN_GRADIENT * (high - low)) ** 2
        spread = found.min_eigenvalue >= options.gradient_spread * (
            found.min_eigenvalue + found.max_eigenvalue
        )
        structured = found.far_change >= options.structure * found.near_change
        suitable: BoolArray = bright & structured & detailed & spread
        return suitable

    out = np.empty(image.shape, bool)
    map_bands(of_band, image, options.block_size + 2 * options.structure_scale, out)
    return out
