"""The resolution of a stack, from its halves: of the whole, and from place to place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skry_dask.errors import OptionsError
from skry_dask.finishing.resolution.ring_correlation import (
    Regions,
    correlation,
    finest_detail,
    of_the_sum,
    ring_sums,
)
from skry_dask.graph.datasets import variable
from skry_dask.graph.phase_inputs import Given, check_results, identity_of_result
from skry_dask.types import CHANNEL

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, FloatArray

THRESHOLDS = (1 / 2, 1 / 7)
"""Correlations at which detail ends. At 1/2 it is as strong as the noise; at 1/7 the stack and the
scene correlate by 0.38, and hardly anything is left to see."""

LEAST_SIDE_PX = 16
"""Smaller images have too few frequencies to compare."""


def measure_resolution(stack: xr.Dataset) -> xr.Dataset:
    """Find how fine the detail of a stack is, from its half stacks.

    The halves agree in detail and differ in noise. From that follows, at each spatial frequency,
    how well the stack would agree with another stack of as many frames: its Fourier ring
    correlation. `finishing.resolution.ring_correlation` has the method, and what it cannot see.

    Parameters
    ----------
    stack
        With ``half_stack`` float32 (half, y, x[, channel]), and coordinates y and x: the result of
        `stack` with ``halves=True``. It is loaded if it is lazy.

    Returns
    -------
    xarray.Dataset
        - ``ring_correlation`` float64 (frequency[, channel]), -1 to 1, of the stack with another of
          as many frames: 2 F / (1 + F), where F is the correlation of its halves;
        - ``half_correlation`` float64 (frequency[, channel]), F;
        - ``resolution`` float64 (threshold[, channel]), the frequency at which ``ring_correlation``
          falls below 1/2 and 1/7, cycles/px of the image: 1/2 where it never does, NaN where
          halves do not agree in anything;
        - ``region_correlation`` (region_y, region_x, frequency[, channel]) and
          ``region_resolution`` (region_y, region_x, threshold[, channel]), the same of squares of
          128 px that overlap by half (of a smaller image, of its shorter side).

        All are NaN where a half shows nothing. Coordinates: ``frequency``, cycles/px; ``threshold``
        1/2 and 1/7; ``region_y`` and ``region_x``, centres of the squares on the canvas, px.

    Raises
    ------
    OptionsError
        If there are no half stacks, or they are smaller than 16 px.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> import skry_dask as skry
    >>> random = np.random.default_rng(0)
    >>> scene = random.normal(size=(64, 64)).cumsum(axis=0).cumsum(axis=1)
    >>> halves = scene + 20 * random.normal(size=(2, 64, 64))
    >>> halves = xr.DataArray(halves, dims=("half", "y", "x"))
    >>> found = skry.measure_resolution(xr.Dataset({"half_stack": halves}))
    >>> found["resolution"].to_numpy().round(2).tolist()
    [0.12, 0.31]
    """
    check_results("measure_resolution", Given("stack", stack, ("half_stack",), made_by="halves"))
    halves = _half_stacks(stack)
    regions = Regions.of_image(halves.shape[1:3])
    planes = halves[..., None] if halves.ndim == 3 else halves
    measured = [_of_plane(even, odd, regions) for even, odd in np.moveaxis(planes, -1, 0)]
    last = () if halves.ndim == 3 else ("channel",)
    values = {
        name: measured[0][name]
        if not last
        else np.stack([of_plane[name] for of_plane in measured], axis=-1)
        for name in measured[0]
    }
    where = ("region_y", "region_x")
    of_stack = "correlation with another stack of as many frames"
    variables = {
        "ring_correlation": variable(("frequency", *last), values["whole"], "1", of_stack),
        "half_correlation": variable(
            ("frequency", *last), values["halves"], "1", "correlation of the half stacks"
        ),
        "resolution": variable(
            ("threshold", *last), values["finest"], "px-1", "frequency where correlation ends"
        ),
        "region_correlation": variable(
            (*where, "frequency", *last), values["local"], "1", of_stack
        ),
        "region_resolution": variable(
            (*where, "threshold", *last),
            values["local_finest"],
            "px-1",
            "frequency where correlation ends",
        ),
    }
    coords = _coords(stack, regions) | ({"channel": CHANNEL} if last else {})
    about = {"title": "how fine the detail is that the stack resolves", "phase": "resolution"}
    return xr.Dataset(variables, coords, about | identity_of_result(stack))


def resolution_of(halves: Float32Array) -> FloatArray:
    """Find the resolution of the whole image alone; see `measure_resolution`.

    Parameters
    ----------
    halves
        float32 (half, y, x[, channel]); at least 16 px along y and x.

    Returns
    -------
    float64 (threshold, channel), cycles/px; of a grey image one channel.
    """
    regions = Regions.of_image(halves.shape[1:3])
    planes = np.moveaxis(halves[..., None] if halves.ndim == 3 else halves, -1, 0)
    sums = [ring_sums(even, odd, regions).whole() for even, odd in planes]
    return np.array([[finest_detail(regions.frequency, of, t) for of in sums] for t in THRESHOLDS])


def _half_stacks(stack: xr.Dataset) -> Float32Array:
    """Take the half stacks: float32 (half, y, x[, channel])."""
    halves = stack["half_stack"]
    if min(halves.sizes["y"], halves.sizes["x"]) < LEAST_SIDE_PX:
        raise OptionsError(
            f"half_stack is {halves.sizes['x']} x {halves.sizes['y']} px: it must have at least "
            f"{LEAST_SIDE_PX} px along both axes"
        )
    return halves.to_numpy()


def _of_plane(even: Float32Array, odd: Float32Array, regions: Regions) -> dict[str, FloatArray]:
    sums = ring_sums(even, odd, regions)
    whole, frequency = sums.whole(), regions.frequency
    return {
        "halves": correlation(whole),
        "whole": of_the_sum(correlation(whole)),
        "finest": np.stack([finest_detail(frequency, whole, t) for t in THRESHOLDS]),
        "local": of_the_sum(correlation(sums)),
        "local_finest": np.stack([finest_detail(frequency, sums, t) for t in THRESHOLDS], -1),
    }


def _coords(stack: xr.Dataset, regions: Regions) -> dict[str, Any]:
    """Make the coordinates of frequencies, thresholds and regions."""
    y, x = (
        stack[dim].to_numpy()[first] / 2 + stack[dim].to_numpy()[first + regions.side - 1] / 2
        for dim, first in (("y", regions.y), ("x", regions.x))
    )
    about = {"units": "px", "long_name": "centre of the square on the canvas"}
    return {
        "frequency": ("frequency", regions.frequency, {"units": "px-1"}),
        "threshold": ("threshold", np.array(THRESHOLDS), {"units": "1"}),
        "region_y": ("region_y", y, about),
        "region_x": ("region_x", x, about),
    }
