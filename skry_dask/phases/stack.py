"""Stack: fragments of all frames, unwarped and averaged: the best ones, or all by their weights.

    points ──▶ triangles ──▶ selected fragments ──▶ sums ──▶ mean image

The region is triangulated between the points and fixed points around it. A fragment is a triangle
in a frame. Which frames a triangle takes follows from the quality of the areas that it covers, or
from the quality of whole frames. Where points have weights, it takes all frames, each with the
weight that is interpolated between its corners. Fragments move with the corners of their triangle
(`stacking.corner_motion`) and are interpolated, or drizzled onto a finer canvas.

Outside the region, where not every frame shows the scene, fixed points on a grid take the place of
reference points.

Cost: 3.5 ns a pixel of a selected fragment on one core, 9 ns with cubic kernels. Memory: see
`stacking.shift_and_add`; twice as much for sums with half stacks, which take hardly more time.
"""

from __future__ import annotations

import functools
from functools import partial
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from skry_dask.graph.datasets import (
    About,
    image_variable,
    result,
    stacked_frames,
    variable,
    whole_frames,
)
from skry_dask.graph.frame_parts import FrameParts
from skry_dask.graph.phase_inputs import aligned, check_inputs, rated, tracked
from skry_dask.graph.task_names import phase_tasks
from skry_dask.graph.windowed_array import WindowedArray
from skry_dask.options import StackOptions
from skry_dask.options.given import options_of
from skry_dask.options.rivals import OF_STACK
from skry_dask.phases.stacking.fragment_selection import count_taken
from skry_dask.phases.stacking.half_stacks import is_odd, split_selection
from skry_dask.phases.stacking.nested_stacks import NestedStacks, first_taken
from skry_dask.phases.stacking.stack_images import StackImages
from skry_dask.phases.stacking.stack_plan import StackPlan

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from skry_dask.graph.kept.pieces import Pieces
    from skry_dask.phases.stacking.shift_and_add import ImageSums
    from skry_dask.phases.stacking.stack_windows import StackWindows
    from skry_dask.types import AnyArray

ABOUT = About("the image: the mean of what is best in the frames", 'sharpen(stacked["stack"])')
"""What results say of themselves."""


@phase_tasks("stack")
def stack(
    capture: xr.Dataset,
    alignment: xr.Dataset,
    quality: xr.Dataset,
    points: xr.Dataset,
    options: StackOptions | None = None,
    *,
    pieces: Pieces | None = None,
    **choices: Any,
) -> xr.Dataset:
    """Average the best fragments of all frames, or all fragments by their weights.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]), uint8 or uint16.
    alignment, quality, points
        From `align`, `estimate_quality`, and `track` or `refine`. What is lazy of the alignment,
        the quality of areas (or frames, by which fragments are chosen) and the positions of points
        is computed here, by a pass over the frames each; this is logged at level INFO.
        Displacements and weights stay lazy.
    options
        See `StackOptions`.
    pieces
        Sums that are known from before, and where others are kept; None: neither.
    **choices
        Options by name, such as ``percent=20``. They win over ``options``.

    Returns
    -------
    xarray.Dataset, lazy
        - ``stack`` float32 (y, x[, channel]), 1 = full scale, which interpolation can overshoot
          slightly on either side; NaN where no frame shows the scene;
        - ``count`` (y, x), number of frames averaged: int32, or float32 for drizzle, which gives
          pixels fractions of frames, and for weights, where a frame counts as its fraction of the
          full weight; of raw colour the colour that has fewest;
        - ``fragments`` int64 (frame), number of fragments taken from the frame.

        With ``options.halves`` also, from the same pass:

        - ``half_stack`` float32 (half, y, x[, channel]): stacks of the selected fragments of the
          frames with even numbers, and of those with odd ones (of every second frame of a video,
          every second one of these); made as ``stack`` is, which has the bits that it has without
          them. NaN where a half has no frame, all over if it has none at all;
        - ``noise`` float32 (y, x[, channel]), standard deviation of the noise of ``stack`` at each
          pixel, 1 = full scale, from the difference of the halves in the 33 x 33 px around it, the
          nearest most; NaN where the halves have nothing in common there;
        - ``seeing`` float64 (), D/r0 of the seeing, from how frames differ from the
          stack; NaN where that does not tell.

        Coordinates: canvas ``y`` and ``x``, px, in steps of 1 / drizzle. An attribute ``note`` says
        where weights could not be used.

        With several percentages, all of these have ``percent`` as their first dim, with its
        coordinate, in %: ``result.sel(percent=15)`` has the bits of a stack of 15 % alone. Frames
        are read once.

        A window, ``result["stack"].isel(y=slice(300, 400), x=slice(400, 500))``, up to half of the
        image, reads only the rows of the frames that it needs, adds only its own fragments, and has
        the bits of the whole. (Frames of stores are read whole; `StackOptions.normalise` measures
        all frames first.)

        Holes of a drizzled image, on which no drop fell, are filled from their neighbours where
        they are at most 8 px wide; their count is 0.

    Raises
    ------
    AlignmentError
        If no frame is active, or the active frames overlap by less than 16 px.
    OptionsError
        If an argument is not what it has to be, or of another capture; or if frames are to be
        weighted, and points have no ``weight``.
    ReaderError
        If the capture has no frames of the dims and dtypes above.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.open_capture("moon.ser")
    >>> results = skry.open_results("moon.ser")  # of skry.run("moon.ser")
    >>> earlier = results["align"], results["quality"], results["track"]
    >>> stacked = skry.stack(capture, *earlier, percent=50)
    >>> int(stacked["count"].max())
    8
    """
    options = options_of(StackOptions, options, choices, "stack", OF_STACK)
    given = aligned(alignment), rated(quality, points, options), tracked(points)
    check_inputs("stack", capture, *given)
    options = options.settled(weighted="weight" in points)
    plan = StackPlan.of(capture, alignment, quality, points, options)
    of_one = StackImages(plan, n_halves=1 + options.halves)
    several = options.several
    made = NestedStacks(of_one, len(several)) if several else of_one
    along = ("percent",) if several else ()
    packed = [plan.select(one) for one in options.of_each]
    selected, taken = first_taken(packed), np.stack([count_taken(one) for one in packed])
    if options.halves:
        selected = split_selection(selected, is_odd(capture["frame"].to_numpy()))
    keeper = None
    if pieces is not None:
        # Motion follows from the points and what they were made from, gain from the motion.
        area_size = 0 if plan.gain is None else quality.attrs["options"]["area_size"]
        about = [options.version, pieces.inputs[-1], area_size]
        about += plan.content
        keeper = pieces.sums(capture, lambda: about)
    sums = plan.add_up(selected, made.requests, keeper)
    # What a later window needs stays in memory as long as the result: not the quality.
    kept = made.without_choice()
    windows = functools.cache(partial(_windows, kept, FrameParts.of(capture), selected))
    seeing_in = partial(_seeing, capture, alignment, plan, options.drizzle)
    variables = _variables(made, sums, plan.blur(selected), windows, seeing_in, along)
    variables["fragments"] = variable(
        (*along, "frame"), taken if along else taken[0], "1", "fragments taken from the frame"
    )
    coords = plan.coords
    if several:
        what = {"units": "%", "long_name": "percentage of the frames that is averaged"}
        coords["percent"] = (along, np.array(several), what)
    stacked = result(capture, options, variables, coords, about=ABOUT)
    return stacked if plan.choice.note is None else stacked.assign_attrs(note=plan.choice.note)


def _variables(
    made: StackImages | NestedStacks,
    sums: ImageSums,
    blur: da.Array | None,
    windows: Callable[[], StackWindows],
    seeing_in: Callable[[da.Array], da.Array],
    along: tuple[str, ...],
) -> dict[str, Any]:
    """Make the images of a stack, and windows of them when these are asked for."""
    image = made.stack(sums, blur)
    count = WindowedArray.of(made.count(sums), lambda y, x: windows().count(y, x), len(along))
    variables = {
        "stack": image_variable(
            image,
            "mean of the selected fragments",
            lambda y, x: windows().stack(y, x),
            along=along,
        ),
        "count": variable((*along, "y", "x"), count, "1", "frames averaged"),
    }
    if made.n_halves > 1:
        variables["half_stack"] = image_variable(
            made.halves(sums, blur),
            "mean of the selected fragments of even frames, and of odd ones",
            lambda y, x: windows().halves(y, x),
            along=(*along, "half"),
        )
        variables["noise"] = image_variable(
            made.noise(sums, blur),
            "standard deviation of the noise of the stack",
            lambda y, x: windows().noise(y, x),
            along=along,
        )
        found = da.stack([seeing_in(of_one) for of_one in image]) if along else seeing_in(image)
        # xarray wants one type of array in a Dataset.
        seeing = WindowedArray.of(found, lambda y, x: image[0, y, x])
        variables["seeing"] = variable(along, seeing, "1", "D/r0 of the seeing")
    return variables


def _seeing(
    capture: xr.Dataset, alignment: xr.Dataset, plan: StackPlan, scale: float, image: da.Array
) -> da.Array:
    """Measure the seeing: most jobs do without it, and without importing what it takes."""
    from skry_dask.phases.stacking.seeing import measure_seeing

    return measure_seeing(
        image,
        scale,
        whole_frames(capture),
        plan.mesh.region.origin(alignment["offset"].to_numpy()),
        stacked_frames(alignment, capture),
        plan.developer,
    )


def _windows(
    made: StackImages | NestedStacks, frames: FrameParts, packed: AnyArray
) -> StackWindows:
    """Prepare windows when the first one is taken: most jobs take none, and start 2 ms earlier."""
    from skry_dask.phases.stacking.stack_windows import StackWindows

    return StackWindows(made, frames, packed)
