"""Partial stacks: how the image changes as more frames are averaged.

Few frames give a sharp and noisy image, many a smooth and soft one. These images, and the noise and
sharpness of each, help to choose a number. A triangle's best n fragments are among its best m > n,
so each fragment is added once, to the image of the step that takes it first, and the images are
running sums over steps: the pass costs no more than stacking the largest number of frames.

Memory: as `stacking.shift_and_add`, for each step.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from skry_dask.errors import OptionsError
from skry_dask.graph.datasets import result, variable
from skry_dask.graph.task_names import phase_tasks
from skry_dask.kernels.frame.detail import frame_detail
from skry_dask.options import Choose, StackOptions
from skry_dask.phases.rating.noise import noise_sigma
from skry_dask.phases.stacking.resampling import ImageRequest
from skry_dask.phases.stacking.shift_and_add import ImageSums
from skry_dask.phases.stacking.stack_plan import StackPlan
from skry_dask.types import CHANNEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from skry_dask.types import AnyArray, Float32Array, FloatArray, IntArray

WHITE = 65535
"""Grey level of full scale in the 16-bit images of which sharpness is measured."""


@phase_tasks("stack")
def partial_stacks(
    capture: xr.Dataset,
    alignment: xr.Dataset,
    quality: xr.Dataset,
    points: xr.Dataset,
    options: StackOptions | None = None,
    numbers: Sequence[int] = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
) -> xr.Dataset:
    """Stack the best fragments of 1, 2, 5... frames, in one pass over the frames.

    Parameters
    ----------
    capture, alignment, quality, points
        As for `stack`.
    options
        As for `stack`; its criterion (percent, number or min_quality) is not used.
    numbers
        Number of frames averaged in each image, increasing. Images of more frames than are active
        equal the image of all active frames.

    Returns
    -------
    xarray.Dataset, lazy
        - ``stack`` float32 (step, y, x[, channel]), 1 = full scale, NaN where no frame shows the
          scene;
        - ``count`` (step, y, x), number of frames averaged: int32, or float32 for drizzle;
        - ``noise`` float64 (step), standard deviation of the noise, fraction of full scale;
        - ``sharpness`` float64 (step), mean |I - blurred I|, fraction of full scale, to which
          noise contributes.

        Noise and sharpness are measured in the region that all active frames show, on the mean of
        colours. Interpolation and drizzle correlate the noise of neighbouring pixels, so that it
        looks smaller than it is: compare steps made by the same method.

        Coordinates: ``number`` int64 (step), number of frames; canvas ``y`` and ``x``, px.

    Raises
    ------
    OptionsError
        If the numbers are not increasing whole numbers from 1, or frames are to be weighted.
    AlignmentError, ReaderError
        As for `stack`.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("moon", skry.SimulateOptions(frames=8, height=160, width=200))
    >>> alignment = skry.align(capture)
    >>> quality = skry.estimate_quality(capture, alignment)
    >>> points = skry.track(capture, alignment, quality)
    >>> steps = skry.partial_stacks(capture, alignment, quality, points, numbers=[1, 4]).compute()
    >>> bool(steps["noise"][1] < steps["noise"][0])
    True
    """
    options = (options or StackOptions()).settled(weighted=False)
    if options.choose is Choose.WEIGHTS:
        raise OptionsError(
            "choose is 'weights', but partial stacks take the best ones: choose fragments or frames"
        )
    number = _checked_numbers(numbers)
    plan = StackPlan.of(capture, alignment, quality, points, options)
    planes = plan.developer.planes
    requests = [ImageRequest(plane, step) for step in range(len(number)) for plane in planes]
    selected = new_fragments(plan, number)
    sums = _running_sums(plan.add_up(selected, requests), len(planes))
    blur = plan.blur(selected)
    images = plan.images(sums, requests, None if blur is None else blur.cumsum(axis=0))
    images = _by_step(images, len(planes)).rechunk(-1)
    figures = images.map_blocks(
        noise_and_sharpness,
        _common_window(plan),
        quality.attrs["options"]["detail_scale"],
        dtype=np.float64,
        chunks=((len(number),), (2,)),
        drop_axis=(2, 3),
    )
    coords = plan.coords | {
        "number": ("step", number, {"units": "1", "long_name": "best frames of each triangle"})
    }
    variables = _variables(images, _counts(plan, sums, requests), figures)
    return result(capture, options, variables, coords)


def _variables(images: da.Array, counts: da.Array, figures: da.Array) -> dict[str, Any]:
    """Label the images (step, plane, y, x), counts (step, y, x) and figures (step, 2)."""
    if images.shape[1] == len(CHANNEL):
        dims: tuple[str, ...] = ("step", "y", "x", "channel")
        images = da.moveaxis(images, 1, -1)
    else:
        dims = ("step", "y", "x")
        images = images[:, 0]
    return {
        "stack": variable(dims, images, "1", "mean of each triangle's best fragments"),
        "count": variable(("step", "y", "x"), counts, "1", "frames averaged"),
        "noise": variable(("step",), figures[:, 0], "1", "standard deviation of the noise"),
        "sharpness": variable(("step",), figures[:, 1], "1", "mean |I - blurred I|"),
    }


def _by_step(images: da.Array, n_planes: int) -> da.Array:
    """Split the images into steps and planes: (image, y, x) to (step, plane, y, x)."""
    return images.reshape((len(images) // n_planes, n_planes, *images.shape[1:]))


def _running_sums(sums: ImageSums, n_planes: int) -> ImageSums:
    """Add to the sums of each step those of the steps before it."""
    return ImageSums(
        *(
            _by_step(values, n_planes)
            .cumsum(axis=0)
            .astype(values.dtype)  # asked of cumsum, dask 2025.1 promises it and does not do it
            .reshape(values.shape)
            .rechunk(-1)
            for values in sums
        )
    )


def _counts(plan: StackPlan, sums: ImageSums, requests: list[ImageRequest]) -> da.Array:
    """Count the frames averaged at each step: lazy (step, y, x)."""
    n_planes = len(plan.developer.planes)
    return da.stack(
        [
            plan.count(
                ImageSums(*(values[i : i + n_planes] for values in sums)), requests[:n_planes]
            ).min(axis=0)
            for i in range(0, len(requests), n_planes)
        ]
    )


def _checked_numbers(numbers: Sequence[int]) -> IntArray:
    """Refuse numbers of frames that are not increasing whole numbers from 1: int64 (step)."""
    values = list(numbers)
    whole = all(isinstance(n, int | np.integer) and 1 <= n < 2**31 for n in values)
    if not values or not whole or any(b <= a for a, b in pairwise(values)):
        raise OptionsError(
            f"numbers is {values!r}: it must be increasing whole numbers of frames from 1 to "
            f"{2**31 - 1}, such as 1, 10, 100"
        )
    return np.array(values, np.int64)


def new_fragments(plan: StackPlan, numbers: IntArray) -> AnyArray:
    """Find the fragments that each step is the first to select.

    Parameters
    ----------
    plan
        Of the stack.
    numbers
        int64 (step), number of frames, increasing.

    Returns
    -------
    uint8 (frame, step, byte), see `pack_selection`: each fragment in one step at most.
    """
    n_bytes = -(-len(plan.mesh.triangles) // 8)
    new = np.zeros((len(plan.frames), len(numbers), n_bytes), np.uint8)
    before = np.zeros((len(plan.frames), n_bytes), np.uint8)
    for step, number in enumerate(numbers):
        selected = plan.select_best(int(number))
        new[:, step] = selected & ~before
        before = selected
    return new


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


def _sharpness(image: FloatArray, radius: int) -> float:
    levels = np.rint(image.clip(0, 1) * WHITE).astype(np.uint16)
    return frame_detail(levels, radius, WHITE.bit_length()) / (levels.size * WHITE)
