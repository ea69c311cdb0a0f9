"""Track (reference point alignment): what the atmosphere did at each point of each frame.

Points are chosen on the reference image, and the block around each is searched in every frame
around its aligned place (`kernels.blockmatch`). A vector that disagrees with its neighbours is
rejected and replaced by theirs; then the field that most likely lies behind all of them is taken
(`smoothing`). The geometry of the result is the mean over all frames: each
point's mean displacement, a sum of integers, is subtracted. On a simulated capture that took the
warp left in the stack from 0.42 px to 0.15 px, where 0.147 px is the floor.

Cost: 1.2 us a point and frame on one core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dask
import numpy as np

from skry_dask.capture.develop import GREY, Developer
from skry_dask.errors import OptionsError
from skry_dask.geometry.mesh import neighbours_in_mesh
from skry_dask.graph.datasets import region_of, result, variable, whole_frames
from skry_dask.graph.frame_passes import map_frames
from skry_dask.graph.frame_tables import gathered, map_parts
from skry_dask.graph.threads import on_threads
from skry_dask.kernels.field.neighbours import reject_outliers
from skry_dask.kernels.matching.block_match import earlier_neighbours, match_blocks
from skry_dask.kernels.matching.templates import cut_blocks
from skry_dask.options import TrackOptions
from skry_dask.phases.tracking.dispersion import channel_shift
from skry_dask.phases.tracking.displacement_field import INACTIVE, Scattered, displacement_field
from skry_dask.phases.tracking.kriging import texture_places
from skry_dask.phases.tracking.point_placement import given_points, place_points

if TYPE_CHECKING:
    import dask.array as da
    import xarray as xr

    from skry_dask.geometry.canvas import Region
    from skry_dask.kernels.matching.templates import Blocks
    from skry_dask.phases.tracking.displacement_field import Field
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, Frames, IntArray

CHANCE = 4.0
"""A block has been found when its correlation is above this many standard deviations of chance."""

TOLERANCE = 1.5
"""How far a displacement may differ from its neighbours' where these agree, px."""


NEIGHBOURHOOD = 2.0
"""A block is looked for where others at most so many block sizes away were found."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePoints:
    """Reference points with what is needed to find them in a frame.

    Parameters
    ----------
    block_size
        Side of the blocks, px.
    blocks
        Cut from the reference image; see `cut_blocks`.
    earlier
        See `earlier_neighbours`.
    search_radius
        px.
    scattered
        Where points lie, and how what is found at them is kept.
    """

    block_size: int
    blocks: Blocks
    earlier: IntArray
    search_radius: int
    scattered: Scattered

    @classmethod
    def of_image(
        cls, reference: Float32Array, region: Region, options: TrackOptions, developer: Developer
    ) -> ReferencePoints:
        """Choose points on the reference image (y, x), or take the user's, and cut their blocks."""
        position = (
            given_points(region, options)
            if options.points
            else place_points(reference, region, options)
        )
        size = options.block_size
        levels = np.rint(reference * developer.white + developer.black)
        image = levels.clip(0, np.iinfo(developer.dtype).max).astype(developer.dtype)
        corners = position - np.array([region.y, region.x]) - size // 2
        places = texture_places(reference, corners, size, share=on_threads)
        # A displacement is counted from the frame's offset, half a pixel off the search's middle.
        most = options.search_radius + 1
        return cls(
            size,
            cut_blocks(image, corners, size, share=on_threads),
            earlier_neighbours(position, NEIGHBOURHOOD * size),
            options.search_radius,
            Scattered.of(position, neighbours_in_mesh(position, region), places, most),
        )

    @property
    def position(self) -> IntArray:
        """On the canvas, int64 (point, axis), px."""
        return self.scattered.position


def track(
    capture: xr.Dataset,
    alignment: xr.Dataset,
    quality: xr.Dataset,
    options: TrackOptions | None = None,
) -> xr.Dataset:
    """Measure displacements at reference points.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]), uint8 or uint16.
    alignment, quality
        From `align` and `estimate_quality`. They are loaded, if they are lazy: the reference image
        fixes the points and so the shapes of the result.
    options
        See `TrackOptions`.

    Returns
    -------
    xarray.Dataset, lazy
        ``position`` float64 (point, axis), on the canvas, px; ``displacement`` float32 (frame,
        point, axis), px: the scene at canvas point p shows at p + offset + displacement, NaN in
        inactive frames; ``valid`` bool (frame, point), whether it was measured there rather than
        taken from neighbours; ``valid_fraction`` float64 (point), of the active frames;
        ``mean_displacement`` float64 (point, axis), px, what was subtracted;
        with ``align_channels``, ``channel_shift`` float64 (channel, axis), px: where a colour
        shows, less where green does.

    Raises
    ------
    OptionsError
        If a given point's block would leave the region, blocks are larger than that, or the search
        radius is larger than the frame.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("moon", skry.SimulateOptions(frames=8, height=160, width=200))
    >>> alignment = skry.align(capture)
    >>> quality = skry.estimate_quality(capture, alignment)
    >>> skry.track(capture, alignment, quality)["displacement"].dims
    ('frame', 'point', 'axis')
    """
    options = options or TrackOptions()
    frames = whole_frames(capture)
    region = region_of(alignment, capture)
    _check(options, frames.shape[1:3], region)
    offset, active = alignment["offset"].to_numpy(), alignment["active"].to_numpy()
    developer = Developer.of(capture)
    lazy_developer = dask.delayed(developer, traverse=False)
    reference = quality["reference"].load().to_numpy()
    points = ReferencePoints.of_image(reference, region, options, developer)
    measured = map_frames(
        match_chunk,
        frames,
        offset,
        active,
        developer=lazy_developer,
        shared=[dask.delayed(points, traverse=False)],
        shape=(len(points.position), 2),
        dtype=np.int16,
    )
    field = displacement_field(measured, active, points.scattered)
    variables = _variables(points.position, measured, field, int(active.sum()))
    if options.align_channels and developer.planes != (GREY,):
        ranks = quality["frame_quality"].load().to_numpy()
        centres, size = points.position, options.block_size
        shift = channel_shift(frames, ranks, offset, centres, size, lazy_developer)
        words = "place of each colour, less that of green"
        variables["channel_shift"] = variable(("channel", "axis"), shift, "px", words)
    return result(capture, options, variables)


def _check(options: TrackOptions, shape: tuple[int, ...], region: Region) -> None:
    """Refuse what no point could have; the defaults go with any frames, as far as they reach."""
    usual = TrackOptions()
    height, width = shape
    side, radius = options.block_size, options.search_radius
    if radius > max(min(shape), usual.search_radius):
        raise OptionsError(
            f"search_radius is {radius}: it must be from 2 to {min(shape)}, since frames have "
            f"{width} x {height} px"
        )
    if side > max(min(region.shape), usual.block_size):
        raise OptionsError(
            f"block_size is {side}: it must be from 8 to {min(region.shape)}, since the region "
            f"seen in every frame has {region.width} x {region.height} px"
        )


def _variables(
    position: IntArray, measured: da.Array, field: Field, n_active: int
) -> dict[str, xr.Variable]:
    """Label the results."""
    valid = map_parts(
        _valid,
        gathered(measured),
        measured,
        shape=(len(position),),
        dtype=bool,
        per_frame=True,
    )
    fraction = field.n_valid / max(n_active, 1)
    return {
        "position": variable(
            ("point", "axis"), position.astype(np.float64), "px", "place on the canvas"
        ),
        "displacement": variable(
            ("frame", "point", "axis"),
            field.displacement,
            "px",
            "local motion of the scene, its mean over frames subtracted",
        ),
        "valid": variable(("frame", "point"), valid, "1", "measured, not taken from neighbours"),
        "valid_fraction": variable(
            ("point",), fraction, "1", "in how many of the active frames the point was measured"
        ),
        "mean_displacement": variable(
            ("point", "axis"), field.mean, "px", "mean over frames of the displacement measured"
        ),
    }


def _valid(measured: AnyArray) -> BoolArray:
    return measured[:, :, 0] > INACTIVE


def match_chunk(
    frames: Frames, offset: FloatArray, active: BoolArray, points: ReferencePoints
) -> AnyArray:
    """Find the reference points in each frame of a chunk.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x).
    offset
        float64 (frame, axis), px.
    active
        bool (frame).
    points
        What to look for.

    Returns
    -------
    int16 (frame, point, axis), see `Scattered.keep`; nothing where nothing was found, or what was
    found disagrees with the neighbours.
    """
    out = np.full((len(frames), len(points.position), 2), INACTIVE, np.int16)
    used = np.flatnonzero(active)
    whole = np.rint(offset[used]).astype(np.int64)
    expected = points.position + whole[:, None] - points.block_size // 2
    shown = frames if len(used) == len(frames) else frames[used]
    found = match_blocks(shown, expected, points.blocks, points.search_radius, points.earlier)
    moved = np.where(found[:, :, 2:] > CHANCE / points.block_size, found[:, :, :2], np.nan)
    moved += (whole - offset[used])[:, None]
    scattered = points.scattered
    valid = reject_outliers(moved, scattered.first, scattered.neighbours, TOLERANCE)
    out[used] = scattered.keep(np.where(valid[:, :, None], moved, np.nan))
    return out
