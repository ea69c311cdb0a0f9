"""Frames through Gaussian seeing: the scene blurred, displaced and recorded.

Cost: 16 ms a frame of 640 x 480 px, 10 times that where the scene moves. Memory: a task holds its
frames, and the scene at about ten widths of blur (20 MB).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import dask
import dask.array as da
import numpy as np
from scipy.ndimage import gaussian_filter, spline_filter

from skry_dask.graph.datasets import variable
from skry_dask.kernels.frame.warp_and_blur import warp_and_blur
from skry_dask.options import Cfa
from skry_dask.simulation.camera import digitise, filtered
from skry_dask.simulation.gaussian.turbulence import grid_step, scene_margin, shift_and_blur
from skry_dask.simulation.mount import mount_offsets
from skry_dask.simulation.randomness import Stream, random_numbers
from skry_dask.types import CHANNEL

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from skry_dask.options.simulation import SimulateOptions
    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames, IntArray

    MovingScene: TypeAlias = Callable[[int], Float32Array]

SIGMA_STEP_PX = 0.2
"""Largest step from one to the next of the blurs that are applied to the scene beforehand, px."""

DARKNESS = 1e-12
"""Brightness of the scene that no camera can distinguish from 0."""


def expose(
    scene: Float32Array,
    options: SimulateOptions,
    frames_per_chunk: int,
    moving: MovingScene | None = None,
) -> dict[str, Any]:
    """Expose all frames, lazily.

    Parameters
    ----------
    scene
        float32 (channel, scene_y, scene_x), with a margin of `scene_margin`; one channel without
        colour filters, else three, which the air displaces and blurs alike.
    options
        Camera and air.
    frames_per_chunk
        Number of frames that a task computes.
    moving
        Called with the number of a frame, returns the scene as it is then; None = it stands still.

    Returns
    -------
    Variables ``frames`` (lazy), ``offset``, ``shift`` and ``blur`` by name; see `simulate`.
    """
    offset = mount_offsets(options)
    shift, blur = shift_and_blur(options)
    if moving is None:
        levels: Any = (_levels(scene, options), "clmn")
    else:
        levels = (dask.delayed(moving, traverse=False), None)
    frames = _frames(levels, offset, shift, blur, options, frames_per_chunk)
    grid = ("frame", "grid_y", "grid_x")
    return {
        "frames": variable(("frame", "y", "x"), frames, "1", "simulated frames"),
        "offset": variable(("frame", "axis"), offset, "px", "true offset of the frame"),
        "shift": variable((*grid, "axis"), shift, "px", "true local displacement"),
        "blur": variable(grid, blur, "px", "true sigma of the local blur"),
    }


def _levels(scene: Float32Array, options: SimulateOptions) -> da.Array:
    """Blur a scene that stands still, lazily: one task, which all others need; see `_blurred`."""
    sigmas = _sigmas(options)
    levels: da.Array = da.map_blocks(
        _blurred,
        da.from_array(scene, chunks=-1),
        sigmas,
        new_axis=1,
        chunks=tuple((n,) for n in (scene.shape[0], sigmas.size, *scene.shape[1:])),
        dtype=np.float32,
        meta=np.empty((0, 0, 0, 0), np.float32),
    )
    return levels


def _frames(
    levels: tuple[Any, str | None],
    offset: FloatArray,
    shift: Float32Array,
    blur: Float32Array,
    options: SimulateOptions,
    frames_per_chunk: int,
) -> da.Array:
    """Compute frames (frame, y, x) lazily.

    ``levels`` are the blurred scene and its dims, or a lazy `MovingScene` and None.
    """
    dtype = np.dtype(np.uint8 if options.bits == 8 else np.uint16)
    numbers = np.arange(options.frames)

    def by_frame(array: AnyArray) -> da.Array:
        chunked: da.Array = da.from_array(array, chunks=(frames_per_chunk, *array.shape[1:]))
        return chunked

    frames: da.Array = da.blockwise(
        _expose,
        "fyx",
        by_frame(numbers),
        "f",
        by_frame(offset),
        "fa",
        by_frame(shift),
        "fhwa",
        by_frame(blur),
        "fhw",
        *levels,
        options=options,
        new_axes={"y": options.height, "x": options.width},
        concatenate=True,
        dtype=dtype,
        meta=np.empty((0, 0, 0), dtype),
    )
    return frames


def _sigmas(options: SimulateOptions) -> FloatArray:
    """List the blurs that are applied to the scene beforehand: float64 (level), sigma, px.

    There are at least two, so that levels can be interpolated.
    """
    low, high = options.blur
    n_steps = max(1, math.ceil((high - low) / SIGMA_STEP_PX))
    return np.linspace(low, max(high, low + SIGMA_STEP_PX), n_steps + 1)


def _blurred(scene: Float32Array, sigmas: FloatArray) -> Float32Array:
    """Blur the scene: quadratic B-spline coefficients (channel, level, scene_y, scene_x)."""
    blurred = np.empty((scene.shape[0], sigmas.size, *scene.shape[1:]), np.float32)
    for picture, levels in zip(scene, blurred, strict=True):
        for level, sigma in zip(levels, sigmas, strict=True):
            gaussian_filter(picture, sigma, output=level, mode="nearest")
            level[:] = spline_filter(level, order=2, output=np.float32, mode="mirror")
            # The tails of both filters become denormal numbers, with which arithmetic takes twice
            # the time. No camera would see a thousand times more.
            level[np.abs(level) < DARKNESS] = 0.0
    return blurred


def _expose(
    numbers: IntArray,
    offset: FloatArray,
    shift: Float32Array,
    blur: Float32Array,
    levels: Float32Array | MovingScene,
    *,
    options: SimulateOptions,
) -> Frames:
    """Compute one chunk of frames: uint8 or uint16 (frame, y, x)."""
    sigmas = _sigmas(options)
    margin = float(scene_margin(options))
    step = float(grid_step(options))
    n_channels = 1 if options.cfa is Cfa.NONE else len(CHANNEL)
    light = np.empty((n_channels, options.height, options.width), np.float32)
    frames = np.empty(
        (numbers.size, *light.shape[1:]), np.uint8 if options.bits == 8 else np.uint16
    )
    for k, number in enumerate(numbers.tolist()):
        blurred = _blurred(levels(number), sigmas) if callable(levels) else levels
        for of_channel, seen in zip(blurred, light, strict=True):
            warp_and_blur(
                of_channel,
                sigmas,
                offset[k],
                shift[k, ..., 0],
                shift[k, ..., 1],
                blur[k],
                margin,
                step,
                seen,
            )
        random = random_numbers(options, Stream.NOISE, number)
        frames[k] = digitise(filtered(light, options.cfa), options, random)
    return frames
