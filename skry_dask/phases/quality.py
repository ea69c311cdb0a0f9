"""Quality: how much detail each area of each frame shows, and the images that follow from it.

    frames, offsets ──▶ measured areas ──▶ area quality ──▶ blended quality ──▶ images

The detail of an area is the mean of |I - blurred I| over it; three box blurs make it nearly
Gaussian. Its quality is the detail that it would have with the usual noise and in the usual light
(`rating.comparable_quality`). Frames are ranked by blended quality, a mean over neighbouring areas
(`rating.blending`). Squared detail in place of its modulus, and a first blur of 0.7 to 1.5 px
against noise, gain on planets but lose on the Moon.

Another pass over the frames makes two images: the best-fragments composite, each area from its
best frame, and the reference image, each area the mean of its best few percent of frames. The
reference image belongs to this phase because the track phase places its points on it, and their
number fixes the shapes of that phase's results.

Cost: 0.6 ms for a frame of 840 x 612 on one core, and 0.3 ms for the images. Memory: one chunk
of frames per thread, and the accumulators of the two images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask
import numpy as np

from skry_dask.capture.calibration.develop import GREY, Developer
from skry_dask.geometry.areas import AreaGrid
from skry_dask.graph.datasets import (
    About,
    excluded_frames,
    image_variable,
    is_union,
    measured_frames,
    region_of,
    result,
    rotation_of,
    variable,
    whole_frames,
)
from skry_dask.graph.frame_passes import map_frames
from skry_dask.graph.frame_tables import from_all_chunks, map_table, rows_at
from skry_dask.graph.parcels import share
from skry_dask.graph.phase_inputs import aligned, check_inputs
from skry_dask.graph.row_tasks import only_chunk
from skry_dask.graph.task_names import phase_tasks
from skry_dask.options import QualityOptions
from skry_dask.options.given import options_of
from skry_dask.phases.rating.area_measurements import MEASUREMENTS, AreaGauge, measure_areas
from skry_dask.phases.rating.area_statistics import (
    STATISTICS,
    best_frame_numbers,
    combine_statistics,
    frame_quality,
    partial_statistics,
    select_shown_frames,
    without_hidden,
)
from skry_dask.phases.rating.blending import blend_quality, blending_weights
from skry_dask.phases.rating.comparable_quality import (
    FrameGauge,
    Usual,
    noise_share,
    sampled_frames,
)
from skry_dask.phases.rating.hidden_cells import HiddenCells, hidden_areas
from skry_dask.phases.stacking.area_motion import AreaMotion
from skry_dask.phases.stacking.mean_images import mean_images
from skry_dask.phases.stacking.resampling import ImageRequest
from skry_dask.phases.stacking.shift_and_add import shift_and_add
from skry_dask.types import AXIS

MOSAIC_STEP = 2
"""Noise is told from pixels at this distance where frames are raw colour, px: made grey, nearer
pixels have noise in common."""

if TYPE_CHECKING:
    from collections.abc import Callable

    import dask.array as da
    import xarray as xr

    from skry_dask.graph.kept.pieces import Pieces
    from skry_dask.graph.kept.sums import SumKeeper
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, IntArray

ABOUT = About("how much detail each area of each frame shows", "track(capture, alignment, quality)")
"""What results say of themselves."""


@phase_tasks("quality")
def estimate_quality(
    capture: xr.Dataset,
    alignment: xr.Dataset,
    options: QualityOptions | None = None,
    *,
    pieces: Pieces | None = None,
    **choices: Any,
) -> xr.Dataset:
    """Estimate the quality of each area of each frame, and make the reference image.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]), uint8 or uint16.
    alignment
        From `align`. If it is lazy, all of it is computed here, by a pass over the frames, because
        the region that frames have in common fixes the shapes of the result; this is logged at
        level INFO.
    options
        See `QualityOptions`.
    pieces
        Rows and sums that are known from before, and where others are kept; None: neither.
    **choices
        Options by name, such as ``area_size=60``. They win over ``options``.

    Returns
    -------
    xarray.Dataset, lazy
        - ``area_quality`` float32 (frame, area), fraction of full scale in usual light, NaN for
          frames that are not measured: those that are inactive, and excluded ones that do not show
          all areas; of the canvas "union" NaN for areas that a frame does not show;
        - ``blended_quality`` float32 (frame, area), likewise, averaged with neighbouring areas:
          the quality by which fragments are ranked;
        - ``frame_quality`` float32 (frame), fraction of full scale, likewise NaN;
        - ``measured`` float32 (frame, measurement, area), fractions of full scale, likewise NaN:
          detail, light and noise, of which ``area_quality`` is made;
        - ``min``, ``max``, ``mean`` float32 (area), of ``area_quality`` over measured frames;
        - ``best_frame`` int64 (area), number of the frame with the highest blended quality, of
          those that are not excluded and show the area unhidden; -1 where there is none;
        - ``composite`` float32 (y, x[, channel]), each area from its best frame, 1 = full scale,
          NaN where there is none;
        - ``reference`` float32 (y, x), grey, each area the mean of its best frames, likewise.
          Excluded frames count where at most a quarter of these frames are excluded: points keep
          their measured displacements then.

        Coordinates: ``measurement``, names of what was measured; ``y`` and ``x``, canvas position
        of pixels, px; ``area_y`` and ``area_x`` (area), canvas position of the areas' centres, px.

    Raises
    ------
    OptionsError
        If an argument is not what it has to be, or of another capture.
    AlignmentError
        If no frame may be stacked, or these frames overlap by less than 16 px.
    ReaderError
        If the capture has no frames of the dims and dtypes above.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.open_capture("moon.ser")
    >>> results = skry.open_results("moon.ser")  # of skry.run("moon.ser")
    >>> quality = skry.estimate_quality(capture, results["align"], area_size=60)
    >>> quality["area_quality"].dims
    ('frame', 'area')
    """
    options = options_of(QualityOptions, options, choices, "estimate_quality")
    check_inputs("estimate_quality", capture, aligned(alignment))
    frames = whole_frames(capture)
    region = region_of(alignment, capture)
    measured = measured_frames(alignment, capture, region)
    offset, excluded = alignment["offset"].to_numpy(), excluded_frames(capture)
    grid = AreaGrid.of_region(region, options.area_size)
    developer = Developer.of(capture)
    step = MOSAIC_STEP if developer.cfa else 1
    gauge = AreaGauge(grid, options.detail_scale, step, developer.black, developer.white)
    areas = _measured_areas(capture, gauge, developer, offset, measured, options, pieces)
    area_quality = _area_quality(areas, measured, gauge)
    weights = blending_weights(grid.centres, options.blending * options.area_size)
    blended = _map_table(blend_quality, area_quality, *weights, shape=(grid.n_areas,))
    n_reference: int | IntArray
    n_reference = max(1, round(int(measured.sum()) * options.reference_percent / 100))
    if is_union(alignment):
        n_shown = grid.count_shown(offset[measured], frames.shape[1:3])
        n_reference = np.maximum(1, np.rint(n_shown * options.reference_percent / 100)).astype(int)
    shown = _without_hidden(blended, alignment, frames.shape[1:3], grid)
    selected = from_all_chunks(
        select_shown_frames,
        shown,
        excluded,
        n_reference,
        shape=(len(frames), 2, grid.n_areas),
        dtype=bool,
    )
    motion = AreaMotion.of(offset, region, options.area_size, rotation_of(alignment))
    keeper = None
    if pieces is not None:
        about = [options.version, options.area_size, *motion.content]
        keeper = pieces.sums(capture, lambda: [*about, region, developer, offset])
    variables = {
        "measured": variable(
            ("frame", "measurement", "area"), areas, "1", "what was measured of the area"
        ),
        **_quality_variables(
            area_quality, blended, shown, grid, capture["frame"].to_numpy(), excluded
        ),
        **_image_variables(frames, selected, motion, developer, keeper),
    }
    return result(capture, options, variables, _coordinates(grid), about=ABOUT)


def _measured_areas(
    capture: xr.Dataset,
    gauge: AreaGauge,
    developer: Developer,
    offset: FloatArray,
    measured: BoolArray,
    options: QualityOptions,
    pieces: Pieces | None,
) -> da.Array:
    """Measure areas in each frame, unless they are known: float32 (frame, 3, area)."""
    about: dict[str, Any] = {
        "shape": (len(MEASUREMENTS), gauge.grid.n_areas),
        "dtype": np.float32,
    }
    kept = None
    if pieces is not None:
        kept = pieces.rows(
            capture,
            [offset],
            measured,
            [options.version, developer, gauge.grid, gauge.radius],
            stored=lambda result: result["measured"].variable,
            blank=np.nan,
            **about,
        )
    return map_frames(
        measure_areas,
        whole_frames(capture),
        offset,
        measured,
        developer=_shared(developer),
        shared=[_shared(gauge)],
        kept=kept,
        **about,
    )


def _area_quality(measured_areas: da.Array, measured: BoolArray, gauge: AreaGauge) -> da.Array:
    """Make the detail of areas comparable between frames: float32 (frame, area)."""
    of_noise = noise_share(gauge.radius, gauge.step, is_mosaic=gauge.step == MOSAIC_STEP)
    frame_gauge = FrameGauge(gauge.grid.n_pixels, of_noise)
    samples = only_chunk(rows_at(measured_areas, sampled_frames(measured)))
    return map_table(
        frame_gauge.comparable_quality,
        measured_areas,
        shared=[dask.delayed(Usual.of_frames)(samples, _shared(frame_gauge))],
        shape=(gauge.grid.n_areas,),
        dtype=np.float32,
    )


def _without_hidden(
    blended: da.Array, alignment: xr.Dataset, frame_shape: tuple[int, ...], grid: AreaGrid
) -> da.Array:
    """Take their quality from areas in which something hides the scene: float32 (frame, area)."""
    cells = HiddenCells.of(alignment, frame_shape)
    if cells is None:
        return blended
    region = grid.region
    hidden = np.zeros(blended.shape, bool)
    hidden[cells.frames] = hidden_areas(cells, grid.labels(), region.y_coords, region.x_coords)
    return map_table(without_hidden, blended, hidden, shape=(grid.n_areas,), dtype=np.float32)


def _map_table(
    function: Callable[..., Float32Array],
    area_quality: da.Array,
    *arguments: AnyArray,
    shape: tuple[int, ...] = (),
) -> da.Array:
    """Call ``function(area_quality, *arguments)`` for blocks of frames, lazily."""
    return map_table(
        function,
        area_quality,
        shared=[_shared(argument) for argument in arguments],
        shape=shape,
        dtype=np.float32,
    )


def _shared(value: Any) -> Any:
    """Wrap a value so that it is in the graph once, as it is."""
    return share(value)


def _quality_variables(
    area_quality: da.Array,
    blended: da.Array,
    shown: da.Array,
    grid: AreaGrid,
    frame_numbers: IntArray,
    excluded: BoolArray,
) -> dict[str, Any]:
    """Label the quality of areas and frames and its statistics over frames."""
    best = from_all_chunks(
        best_frame_numbers, shown, frame_numbers, excluded, shape=(grid.n_areas,), dtype=np.int64
    )
    partial = map_table(
        partial_statistics,
        area_quality,
        shape=(1 + len(STATISTICS), grid.n_areas),
        dtype=float,
        reduces=True,
    )
    statistics = from_all_chunks(
        combine_statistics, partial, shape=(len(STATISTICS), grid.n_areas), dtype=np.float32
    )
    per_frame = _map_table(frame_quality, area_quality, grid.n_pixels)
    areas, frames = ("frame", "area"), ("frame",)
    detail = "mean |I - blurred I|, with usual noise in usual light, over the"
    return {
        "area_quality": variable(areas, area_quality, "1", f"{detail} area"),
        "blended_quality": variable(areas, blended, "1", "quality of the area and its neighbours"),
        "frame_quality": variable(frames, per_frame, "1", f"{detail} region"),
        **{
            name: variable(("area",), statistics[i], "1", f"{words} quality of the area")
            for i, (name, words) in enumerate(STATISTICS.items())
        },
        "best_frame": variable(("area",), best, "1", "number of the area's best frame"),
    }


def _image_variables(
    frames: da.Array,
    selected: BoolArray | da.Array,
    motion: AreaMotion,
    developer: Developer,
    keeper: SumKeeper | None,
) -> dict[str, Any]:
    """Make the composite and the reference image in one pass over the frames."""
    requests = [*(ImageRequest(plane, 0) for plane in developer.planes), ImageRequest(GREY, 1)]
    sums = shift_and_add(
        frames,
        selected,
        motion.of_corners,
        motion.mesh,
        share(developer),
        requests,
        peak=developer.peak([request.plane for request in requests]),
        keeper=keeper,
    )
    images = mean_images(sums, developer, requests)
    return {
        "composite": image_variable(images[:-1], "best-fragments composite"),
        "reference": variable(("y", "x"), images[-1], "1", "mean of each area's best frames"),
    }


def _coordinates(grid: AreaGrid) -> dict[str, object]:
    """Label pixels and the centres of areas with their position on the canvas."""
    pixels = {"y": grid.region.y_coords, "x": grid.region.x_coords}
    areas = dict(zip(AXIS.tolist(), grid.centres.T, strict=True))
    return {
        **{
            axis: (axis, values, {"units": "px", "long_name": f"canvas {axis}"})
            for axis, values in pixels.items()
        },
        "measurement": list(MEASUREMENTS),
        **{
            f"area_{axis}": (
                "area",
                values,
                {"units": "px", "long_name": f"canvas {axis} of the area's centre"},
            )
            for axis, values in areas.items()
        },
    }
