"""Partial stacks: what becomes of the image as more frames are averaged.

Few frames are sharp and noisy, many are smooth and soft; these images, and two figures of each,
help to choose how many to take. The best n frames of a fragment are among its best m > n, so each
fragment is added once, to the image of the step at which it comes in, and the images are running
sums: the pass costs no more than stacking the largest number.

Memory: as `accumulate`, for each step.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
from scipy import ndimage

from skry_dask.errors import OptionsError
from skry_dask.graph.datasets import result, variable
from skry_dask.kernels.frame.detail import frame_detail
from skry_dask.options import StackOptions
from skry_dask.phases.stack import Stacking
from skry_dask.phases.stacking.shift_and_add import Added, Image
from skry_dask.types import CHANNEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from skry_dask.types import BoolArray, Float32Array, FloatArray, IntArray

WHITE = 65535
"""Sharpness is measured on images of 16 bits."""


def partial_stacks(
    capture: xr.Dataset,
    alignment: xr.Dataset,
    quality: xr.Dataset,
    points: xr.Dataset,
    options: StackOptions | None = None,
    numbers: Sequence[int] = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
) -> xr.Dataset:
    """Stack the best fragments of 1, 2, 5... frames, all in one pass.

    Parameters
    ----------
    capture, alignment, quality, points
        As for `stack`.
    options
        As for `stack`; the criterion (percent, number or min_quality) is not used.
    numbers
        How many frames are averaged in each image, increasing. Beyond the number of active frames
        images stay the same.

    Returns
    -------
    xarray.Dataset, lazy
        ``stack`` float32 (step, y, x[, channel]), 1 = full scale; ``count`` int32 or float32 (step,
        y, x); ``noise`` float64 (step), standard deviation from pixel to pixel, as a fraction of
        full scale, and ``sharpness`` float64 (step), the mean difference to the blurred image, in
        which noise counts too: both of the region that all active frames show, colours averaged.
        Interpolation and drizzle make the noise of neighbours alike, so that it looks smaller than
        it is: compare steps of one method. Coordinates: ``number`` (step), how many frames; ``y``
        and ``x``.

    Raises
    ------
    OptionsError
        If the numbers are no increasing whole numbers from 1.

    Examples
    --------
    >>> import skry_dask as skry
    >>> from skry_dask.phases.partial_stacks import partial_stacks
    >>> capture = skry.simulate("moon", skry.SimulateOptions(frames=8, height=160, width=200))
    >>> alignment = skry.align(capture)
    >>> quality = skry.estimate_quality(capture, alignment)
    >>> points = skry.track(capture, alignment, quality)
    >>> steps = partial_stacks(capture, alignment, quality, points, numbers=[1, 4]).compute()
    >>> bool(steps["noise"][1] < steps["noise"][0])
    True
    """
    options = options or StackOptions()
    counts = _whole_numbers(numbers)
    job = Stacking.of(capture, alignment, quality, points, options)
    planes = job.developer.planes
    images = [Image(plane, i) for i in range(len(counts)) for plane in planes]
    fresh = new_fragments(job, counts)
    added = job.add(fresh, images)
    steps = (len(counts), len(planes), *added.sums.shape[1:])
    total = Added(*(_cumulative(values, steps) for values in added))
    lost = job.lost(fresh)
    lost = None if lost is None else lost.cumsum(axis=0)
    made = job.images(total, images, lost).reshape(steps)
    made = made.rechunk(-1)
    inner = _rectangle_of_region(job)
    figures = made.map_blocks(
        noise_and_sharpness,
        inner,
        quality.attrs["options"]["detail_scale"],
        dtype=np.float64,
        chunks=((len(counts),), (2,)),
        drop_axis=(2, 3),
    )
    count = [
        job.count(Added(*(values[i : i + len(planes)] for values in total)), images[: len(planes)])
        for i in range(0, len(images), len(planes))
    ]
    dims = ("step", "y", "x", "channel")[: 4 if len(planes) == len(CHANNEL) else 3]
    stacks = da.moveaxis(made, 1, -1) if len(dims) == 4 else made[:, 0]
    return result(
        capture,
        options,
        {
            "stack": variable(dims, stacks, "1", "mean of each triangle's best fragments"),
            "count": variable(("step", "y", "x"), da.stack(count), "1", "frames averaged"),
            "noise": variable(("step",), figures[:, 0], "1", "noise from pixel to pixel"),
            "sharpness": variable(("step",), figures[:, 1], "1", "mean |I - blurred I|"),
        },
        {
            **job.coords,
            "number": ("step", counts, {"units": "1", "long_name": "best frames of each triangle"}),
        },
    )


def _cumulative(values: da.Array, steps: tuple[int, ...]) -> da.Array:
    """Add up what comes in at each step: (image, y, x), images step by step."""
    sums = values.reshape(steps).cumsum(axis=0, dtype=values.dtype)
    return sums.reshape(values.shape).rechunk(-1)


def _whole_numbers(numbers: Sequence[int]) -> IntArray:
    """Check the numbers of frames."""
    values = list(numbers)
    whole = all(isinstance(n, int | np.integer) and 1 <= n < 2**31 for n in values)
    if not values or not whole or any(b <= a for a, b in pairwise(values)):
        raise OptionsError(
            f"numbers is {values!r}: it must be increasing whole numbers of frames from 1 to "
            f"{2**31 - 1}, such as 1, 10, 100"
        )
    return np.array(values, np.int64)


def new_fragments(job: Stacking, numbers: IntArray) -> BoolArray:
    """Find the fragments that come in at each step.

    Parameters
    ----------
    job
        From `Stacking.of`.
    numbers
        int64 (step), increasing.

    Returns
    -------
    bool (frame, step, fragment); each fragment at one step at most.
    """
    n_frames, n_fragments = job.candidates.n_frames, len(job.mesh.triangles)
    out = np.zeros((n_frames, len(numbers), n_fragments), bool)
    before = np.zeros((n_frames, n_fragments), bool)
    for step, number in enumerate(numbers):
        chosen = job.best(int(number))
        out[:, step] = chosen & ~before
        before = chosen
    return out


def _rectangle_of_region(job: Stacking) -> tuple[slice, slice]:
    """Find the part of the image that all active frames show."""
    rows, columns = (
        slice(*np.searchsorted(coords, [first - 0.5, first + n - 0.5]).tolist())
        for coords, first, n in zip(
            (job.mesh.y_coords, job.mesh.x_coords),
            (job.region.y, job.region.x),
            job.region.shape,
            strict=True,
        )
    )
    return rows, columns


# --- figures ---------------------------------------------------------------------------------


def noise_and_sharpness(
    images: Float32Array, inner: tuple[slice, slice], radius: int
) -> FloatArray:
    """Measure noise and sharpness of images.

    Parameters
    ----------
    images
        float32 (step, plane, y, x), 1 = full scale.
    inner
        Rows and columns of the part that is measured.
    radius
        Of the box blurs that sharpness is measured against, px.

    Returns
    -------
    float64 (step, 2), fractions of full scale. Noise is by a mask that suppresses structure
    (Immerkaer, "Fast noise variance estimation", Computer Vision and Image Understanding 64(2),
    1996, 300-302), the median in place of the mean, as for anchors.
    """
    out = np.empty((len(images), 2))
    for i, planes in enumerate(images):
        grey = np.nan_to_num(planes[(slice(None), *inner)].astype(np.float64)).mean(axis=0)
        out[i] = _noise(grey), _sharpness(grey, radius)
    return out


def _noise(image: FloatArray) -> float:
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6
    response = np.abs(ndimage.convolve(image, mask)[1:-1, 1:-1])
    return float(np.median(response) / 0.6745) if response.size else 0.0


def _sharpness(image: FloatArray, radius: int) -> float:
    levels = np.rint(image.clip(0, 1) * WHITE).astype(np.uint16)
    return frame_detail(levels, radius, WHITE.bit_length()) / (levels.size * WHITE)
