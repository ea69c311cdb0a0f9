"""Track (reference point alignment): how the atmosphere displaced each point of each frame.

    reference image ──▶ points ──▶ vectors of each frame ──▶ mean removed, gaps filled, denoised

Points are placed on the reference image (`tracking.point_placement`), and the block around each is
found in every frame (`tracking.point_matching`). Gaps are filled from neighbours, and the field is
denoised by kriging (`tracking.displacement_field`, `tracking.kriging`).

The geometry of the result is the mean over all frames: the mean displacement of each point, a sum
of integers, is subtracted. On a simulated capture that reduced the warp left in the stack from 0.42
px to 0.15 px, where 0.147 px is the least that this mean geometry allows.

Cost: 1.2 us a point and frame on one core. Memory: one chunk of frames per thread, and 4 bytes for
each point and frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from skry_dask.capture.calibration.develop import GREY, Developer
from skry_dask.errors import OptionsError
from skry_dask.geometry.canvas import Region
from skry_dask.graph.datasets import (
    About,
    measured_frames,
    result,
    rotation_of,
    variable,
    whole_frames,
)
from skry_dask.graph.frame_passes import map_frames
from skry_dask.graph.frame_tables import map_table
from skry_dask.graph.parcels import share
from skry_dask.graph.phase_inputs import Given, aligned, check_inputs
from skry_dask.graph.task_names import phase_tasks
from skry_dask.options import TrackOptions
from skry_dask.options.given import options_of
from skry_dask.phases.rotation.trend import without_trend
from skry_dask.phases.rotation.turning_blocks import TurningBlocks
from skry_dask.phases.tracking.dispersion import channel_shift
from skry_dask.phases.tracking.displacement_field import (
    INACTIVE,
    MISSING,
    displacement_field,
)
from skry_dask.phases.tracking.point_matching import (
    ReferencePoints,
    is_measured,
    match_points,
    match_turning_points,
)

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.geometry.globe.rotation import Rotation
    from skry_dask.graph.kept.pieces import Pieces
    from skry_dask.phases.tracking.displacement_field import DisplacementField, MeasuredPoints
    from skry_dask.types import Float32Array

ABOUT = About(
    "how reference points are displaced in each frame", "stack(capture, alignment, quality, points)"
)
"""What results say of themselves."""


@phase_tasks("track")
def track(
    capture: xr.Dataset,
    alignment: xr.Dataset,
    quality: xr.Dataset,
    options: TrackOptions | None = None,
    *,
    pieces: Pieces | None = None,
    **choices: Any,
) -> xr.Dataset:
    """Measure the displacement of reference points in each frame.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]), uint8 or uint16.
    alignment, quality
        From `align` and `estimate_quality`. What is lazy of the alignment and of the reference
        image is computed here, by up to two passes over the frames, because the image fixes the
        points and so the shapes of the result; this is logged at level INFO.
    options
        See `TrackOptions`.
    pieces
        Rows that are known from before, and where others are kept; None: neither.
    **choices
        Options by name, such as ``spacing=30``. They win over ``options``.

    Returns
    -------
    xarray.Dataset, lazy
        - ``position`` float64 (point, axis), on the canvas, px;
        - ``displacement`` float32 (frame, point, axis), px: the scene at canvas point p shows at
          p + offset + displacement; its mean over frames is 0; NaN in inactive frames; what
          `derotate` knows of the rotation of a globe is not contained;
        - ``measured`` int16 (frame, point, axis), the displacement as it was measured, in units of
          its attribute ``step_px``; below -32766 where it was not;
        - ``valid`` bool (frame, point), whether the point was measured, rather than taken from its
          neighbours;
        - ``valid_fraction`` float64 (point), fraction of the active frames that show it in which it
          was measured;
        - ``mean_displacement`` float64 (point, axis), px, what was subtracted;
        - with ``align_channels``, ``channel_shift`` float64 (frame, channel, axis), px: position of
          each colour minus that of green.

    Raises
    ------
    OptionsError
        If an argument is not what it has to be, or of another capture; or if the block of a given
        point would leave the region, blocks are larger than the region, or the search radius is
        larger than the frame.
    ReaderError
        If the capture has no frames of the dims and dtypes above.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.open_capture("moon.ser")
    >>> results = skry.open_results("moon.ser")  # of skry.run("moon.ser")
    >>> points = skry.track(capture, results["align"], results["quality"], spacing=30)
    >>> points["displacement"].dims
    ('frame', 'point', 'axis')
    """
    options = options_of(TrackOptions, options, choices, "track")
    check_inputs("track", capture, aligned(alignment), _image_of(quality, options))
    frames = whole_frames(capture)
    image = quality["reference"].load()
    region = Region.of_coords(image["y"].to_numpy(), image["x"].to_numpy())
    _check(options, frames.shape[1:3], region)
    active = measured_frames(alignment, capture, region)
    offset = alignment["offset"].to_numpy()
    developer = Developer.of(capture)
    lazy_developer = share(developer)
    points = ReferencePoints.of_image(image.to_numpy(), region, options, developer)
    rows: dict[str, Any] = {"shape": (len(points.position), 2), "dtype": np.int16}
    kept = None
    rotation = rotation_of(alignment)
    turned, globe, turning = [], [], []
    if rotation is not None:
        turned, globe = [rotation.turned], [rotation.globe]
        turning = [_turning_blocks(rotation, image.to_numpy(), region, points)]
    if pieces is not None:
        kept = pieces.rows(
            capture,
            [offset, *turned],
            active,
            [options.version, developer, image.to_numpy(), region, *points.choices, *globe],
            stored=lambda result: result["measured"].variable,
            blank=INACTIVE,
            **rows,
        )
    measured = map_frames(
        match_points if rotation is None else match_turning_points,
        frames,
        offset,
        *turned,
        active,
        developer=lazy_developer,
        shared=[share(points), *map(share, turning)],
        kept=kept,
        **rows,
    )
    vectors = measured if rotation is None else without_trend(measured, rotation.turned[:, 0])
    field = displacement_field(vectors, active, points.measured)
    variables = _variables(points.measured, measured, field)
    if options.align_channels and developer.planes != (GREY,):
        frame_quality = quality["frame_quality"].load().to_numpy()
        shift = channel_shift(
            frames, frame_quality, offset, points.position, options.block_size, lazy_developer
        )
        words = "position of each colour, relative to green"
        variables["channel_shift"] = variable(("frame", "channel", "axis"), shift, "px", words)
    return result(capture, options, variables, about=ABOUT)


def _image_of(quality: xr.Dataset, options: TrackOptions) -> Given:
    """Describe the quality whose reference image is loaded, and what colours are aligned by."""
    needed = ("reference", "frame_quality") if options.align_channels else ("reference",)
    return Given("quality", quality, needed, needed)


def _turning_blocks(
    rotation: Rotation, image: Float32Array, region: Region, points: ReferencePoints
) -> TurningBlocks:
    """Find out how the blocks of points move with a globe."""
    side = points.block_size
    origin = np.array([region.y, region.x])
    corners = points.position - origin - side // 2
    return TurningBlocks.of_image(rotation, image, origin, corners, np.ones((side, side)))


def _check(options: TrackOptions, shape: tuple[int, ...], region: Region) -> None:
    """Refuse options that no point could satisfy; the defaults are accepted for any frames."""
    default = TrackOptions()
    height, width = shape
    side, radius = options.block_size, options.search_radius
    if radius > max(min(shape), default.search_radius):
        raise OptionsError(
            f"search_radius is {radius}: it must be from 2 to {min(shape)}, since frames have "
            f"{width} x {height} px"
        )
    if side > max(min(region.shape), default.block_size):
        raise OptionsError(
            f"block_size is {side}: it must be from 8 to {min(region.shape)}, since the region "
            f"seen in every frame has {region.width} x {region.height} px"
        )


def _variables(
    points: MeasuredPoints, measured: da.Array, field: DisplacementField
) -> dict[str, xr.Variable]:
    """Label the results."""
    position = points.position
    valid = map_table(is_measured, measured, shape=(len(position),), dtype=bool)
    fraction = field.n_valid / da.maximum(field.n_shown, 1)
    return {
        "position": variable(
            ("point", "axis"), position.astype(np.float64), "px", "position on the canvas"
        ),
        "displacement": variable(
            ("frame", "point", "axis"),
            field.displacement,
            "px",
            "local displacement of the scene, its mean over frames subtracted",
        ),
        "measured": variable(
            ("frame", "point", "axis"),
            measured,
            "1",
            "local displacement as it was measured, in steps of step_px",
            step_px=points.step,
            flag_values=[MISSING, INACTIVE],
            flag_meanings="not_found not_shown",
        ),
        "valid": variable(("frame", "point"), valid, "1", "measured, not taken from neighbours"),
        "valid_fraction": variable(
            ("point",),
            fraction,
            "1",
            "fraction of the frames that show the point in which it was measured",
        ),
        "mean_displacement": variable(
            ("point", "axis"), field.mean, "px", "mean over frames of the measured displacement"
        ),
    }
