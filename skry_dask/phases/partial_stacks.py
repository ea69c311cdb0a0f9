"""Partial stacks: how the image changes as more frames are averaged.

Few frames give a sharp and noisy image, many a smooth and soft one. These images, and the noise and
sharpness of each, help to choose a number. They are nested, and so added up in one pass: see
`stacking.nested_stacks`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from skry_dask.errors import OptionsError
from skry_dask.graph.datasets import About, image_variable, result, variable
from skry_dask.graph.phase_inputs import aligned, check_inputs, rated, tracked
from skry_dask.graph.task_names import phase_tasks
from skry_dask.kernels.frame.detail import frame_detail
from skry_dask.options import StackOptions
from skry_dask.options.given import options_of
from skry_dask.options.rivals import OF_STACK
from skry_dask.phases.rating.noise import noise_sigma
from skry_dask.phases.stacking.half_stacks import is_odd, split_selection
from skry_dask.phases.stacking.nested_stacks import NestedStacks, first_taken
from skry_dask.phases.stacking.stack_images import StackImages
from skry_dask.phases.stacking.stack_plan import StackPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from skry_dask.phases.stacking.nested_stacks import OneStack
    from skry_dask.types import Float32Array, FloatArray, IntArray

WHITE = 65535
"""Grey level of full scale in the 16-bit images of which sharpness is measured."""

ABOUT = About("stacks of more and more frames", "plotting.plot_steps(steps)")
"""What results say of themselves."""


@phase_tasks("stack")
def partial_stacks(
    capture: xr.Dataset,
    alignment: xr.Dataset,
    quality: xr.Dataset,
    points: xr.Dataset,
    options: StackOptions | None = None,
    numbers: Sequence[int] = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
    **choices: Any,
) -> xr.Dataset:
    """Stack the best fragments of 1, 2, 5... frames, in one pass over the frames.

    Parameters
    ----------
    capture, alignment, quality, points
        As for `stack`.
    options
        As for `stack`; its criterion (percent, number or min_quality) is not used. Where points
        have weights, frames count with these, and are taken in the order of their weights.
    numbers
        Number of frames averaged in each image, increasing. Images of more frames than are active
        equal the image of all active frames.
    **choices
        Options by name, such as ``halves=True``. They win over ``options``.

    Returns
    -------
    xarray.Dataset, lazy
        - ``stack`` float32 (step, y, x[, channel]), 1 = full scale, NaN where no frame shows the
          scene;
        - ``count`` (step, y, x), number of frames averaged: int32, or float32 for drizzle;
        - ``noise`` float64 (step), standard deviation of the noise, fraction of full scale: with
          ``options.halves`` the median of what `stack` finds at each pixel, NaN where a half has
          no frame; otherwise estimated from the image alone;
        - ``sharpness`` float64 (step), mean |I - blurred I|, fraction of full scale, to which
          noise contributes;
        - ``half_stack`` float32 (step, half, y, x[, channel]), with ``options.halves``.

        Noise and sharpness are measured in the region that all active frames show, on the mean of
        colours. Interpolation and drizzle correlate the noise of neighbouring pixels, so that in
        an image alone it looks smaller than it is: compare steps made by the same method.

        Coordinates: ``number`` int64 (step), number of frames; canvas ``y`` and ``x``, px.

    Raises
    ------
    OptionsError
        If an argument is not what it has to be, or of another capture; or if the numbers are not
        increasing whole numbers from 1, or as for `stack`.
    AlignmentError, ReaderError
        As for `stack`.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.open_capture("moon.ser")
    >>> results = skry.open_results("moon.ser")  # of skry.run("moon.ser")
    >>> earlier = results["align"], results["quality"], results["track"]
    >>> steps = skry.partial_stacks(capture, *earlier, numbers=[1, 4]).compute()
    >>> bool(steps["noise"][1] < steps["noise"][0])
    True
    """
    for criterion in sorted({"percent", "number", "min_quality"} & choices.keys()):
        raise OptionsError(f"{criterion} does nothing here: give numbers=[...] of frames")
    options = options_of(StackOptions, options, choices, "partial_stacks", OF_STACK)
    given = aligned(alignment), rated(quality, points, options), tracked(points)
    check_inputs("partial_stacks", capture, *given)
    options = options.settled(weighted="weight" in points)
    number = _checked_numbers(numbers)
    plan = StackPlan.of(capture, alignment, quality, points, options)
    made = StackImages(plan, n_halves=1 + options.halves)
    nested = NestedStacks(made, len(number))
    selected = first_taken(plan.select_best(n) for n in number.tolist())
    if options.halves:
        selected = split_selection(selected, is_odd(capture["frame"].to_numpy()))
    steps = nested.each(plan.add_up(selected, nested.requests), plan.blur(selected))
    coords = plan.coords | {
        "number": ("step", number, {"units": "1", "long_name": "best frames of each triangle"})
    }
    radius = quality.attrs["options"]["detail_scale"]
    return result(
        capture,
        options,
        _variables(made, steps, radius),
        coords,
        about=ABOUT,
    )


def _variables(made: StackImages, steps: list[OneStack], radius: int) -> dict[str, Any]:
    """Make the images of all steps, and measure them where all frames show them."""
    window = _common_window(made.plan)
    stacks = da.stack([made.stack(*step) for step in steps])
    counts = da.stack([made.count(step.sums) for step in steps])
    figures = stacks.map_blocks(
        noise_and_sharpness,
        window,
        radius,
        dtype=np.float64,
        chunks=(stacks.chunks[0], (2,)),
        drop_axis=(2, 3),
    )
    noise, sharpness = figures[:, 0], figures[:, 1]
    variables = {
        "stack": image_variable(stacks, "mean of each triangle's best fragments", along=("step",)),
        "count": variable(("step", "y", "x"), counts, "1", "frames averaged"),
    }
    if made.n_halves > 1:
        maps = da.stack([made.noise(*step) for step in steps])
        noise = maps.map_blocks(
            median_noise, window, dtype=np.float64, chunks=(maps.chunks[0],), drop_axis=(1, 2, 3)
        )
        variables["half_stack"] = image_variable(
            da.stack([made.halves(*step) for step in steps]),
            "mean of each triangle's best fragments in even frames, and in odd ones",
            along=("step", "half"),
        )
    return variables | {
        "noise": variable(("step",), noise, "1", "standard deviation of the noise"),
        "sharpness": variable(("step",), sharpness, "1", "mean |I - blurred I|"),
    }


def _checked_numbers(numbers: Sequence[int]) -> IntArray:
    """Refuse numbers of frames that are not increasing whole numbers from 1: int64 (step)."""
    values = list(numbers) if np.iterable(numbers) else [numbers]
    whole = all(isinstance(n, int | np.integer) and 1 <= n < 2**31 for n in values)
    if not values or not whole or any(b <= a for a, b in pairwise(values)):
        raise OptionsError(
            f"numbers is {values!r}: it must be increasing whole numbers of frames from 1 to "
            f"{2**31 - 1}, such as 1, 10, 100"
        )
    return np.array(values, np.int64)


def _common_window(plan: StackPlan) -> tuple[slice, slice]:
    """Find the rows and columns of the image that all active frames show."""
    rows, columns = (
        slice(*np.searchsorted(coords, [first - 0.5, first + n - 0.5]).tolist())
        for coords, first, n in zip(
            (plan.mesh.y_coords, plan.mesh.x_coords),
            (plan.region.y, plan.region.x),
            plan.region.shape,
            strict=True,
        )
    )
    return rows, columns


def noise_and_sharpness(
    images: Float32Array, window: tuple[slice, slice], radius: int
) -> FloatArray:
    """Measure the noise and the sharpness of images.

    Parameters
    ----------
    images
        float32 (step, plane, y, x), 1 = full scale.
    window
        Rows and columns that are measured.
    radius
        Radius of the box blurs that sharpness is measured against, px.

    Returns
    -------
    float64 (step, 2): noise, see `noise_sigma`, and sharpness, fractions of full scale.
    """
    figures = np.empty((len(images), 2))
    for i, planes in enumerate(images):
        grey = np.nan_to_num(planes[(slice(None), *window)].astype(np.float64)).mean(axis=0)
        figures[i] = noise_sigma(grey.astype(np.float32)), _sharpness(grey, radius)
    return figures


def median_noise(noise: Float32Array, window: tuple[slice, slice]) -> FloatArray:
    """Find the median noise of steps in a window, averaged over colours.

    Parameters
    ----------
    noise
        float32 (step, plane, y, x), standard deviation of the noise of each pixel.
    window
        Rows and columns that are measured.

    Returns
    -------
    float64 (step); NaN where it is not known anywhere.
    """
    inside = noise[(..., *window)].astype(np.float64)
    known = ~np.isnan(inside).all(axis=(1, 2, 3))
    medians = np.full(len(noise), np.nan)
    medians[known] = np.nanmedian(inside[known], axis=(2, 3)).mean(axis=1)
    return medians


def _sharpness(image: FloatArray, radius: int) -> float:
    levels = np.rint(image.clip(0, 1) * WHITE).astype(np.uint16)
    return frame_detail(levels, radius, WHITE.bit_length()) / (levels.size * WHITE)
