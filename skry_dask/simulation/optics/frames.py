"""Frames through wave optics, with the truth about them: lazy, chunk by chunk.

A frame depends on the seed and its number only.

Cost: on one core 0.11 s a frame of 400 x 320 px at D / r0 = 5, three times that in colour, and 2 s
for the screens. Memory: 32 MB a layer for the screens, and 26 kB a node and channel for the scene,
which all tasks share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask
import dask.array as da
import numpy as np

from skry_dask.graph.datasets import variable
from skry_dask.simulation.camera import digitise, filtered
from skry_dask.simulation.mount import mount_offsets
from skry_dask.simulation.optics.imaging import NODE_STEP_PX, Optics, Shared, scene_margin, warped
from skry_dask.simulation.randomness import Stream, random_numbers
from skry_dask.simulation.scenes import scene_variable

if TYPE_CHECKING:
    from typing import Any

    from skry_dask.options.simulation import SimulateOptions
    from skry_dask.types import Float32Array, FloatArray, Frames, IntArray

__all__ = ["expose", "grid_step", "scene_margin"]


def grid_step(_: SimulateOptions) -> int:
    """Find the spacing of grid nodes, px."""
    return NODE_STEP_PX


def expose(scene: Float32Array, options: SimulateOptions, frames_per_chunk: int) -> dict[str, Any]:
    """Expose all frames, lazily, together with the truth about them.

    Parameters
    ----------
    scene
        float32 (channel, scene_y, scene_x), with a margin of `scene_margin`; one channel without
        colour filters, else three.
    options
        Camera, telescope and air.
    frames_per_chunk
        Number of frames that a task computes.

    Returns
    -------
    Variables ``frames``, ``offset``, ``shift``, ``blur`` and ``strehl``, lazy, and ``scene_dl`` by
    name; see `simulate`.
    """
    optics = Optics(options)
    shared = dask.delayed(_shared)(scene, options)
    mount = mount_offsets(options)
    expose_chunk = dask.delayed(_expose, nout=5)
    chunks = []
    for start in range(0, options.frames, frames_per_chunk):
        numbers = np.arange(start, min(start + frames_per_chunk, options.frames))
        chunks.append((numbers.size, expose_chunk(numbers, mount[numbers], shared, options)))

    def joined(part: int, shape: tuple[int, ...], dtype: type) -> da.Array:
        arrays = [da.from_delayed(task[part], (n, *shape), dtype) for n, task in chunks]
        return da.concatenate(arrays)

    frames = joined(0, (options.height, options.width), _dtype(options))
    offset = joined(1, (2,), np.float64)
    shift = joined(2, (*optics.grid, 2), np.float32)
    blur, strehl = (joined(part, optics.grid, np.float32) for part in (3, 4))
    grid = ("frame", "grid_y", "grid_x")
    return {
        "frames": variable(("frame", "y", "x"), frames, "1", "simulated frames"),
        "scene_dl": scene_variable(
            optics.still(scene), "true scene through the telescope without air"
        ),
        "offset": variable(("frame", "axis"), offset, "px", "true offset of the frame"),
        "shift": variable((*grid, "axis"), shift, "px", "true local displacement"),
        "blur": variable(grid, blur, "px", "true sigma of the local blur"),
        "strehl": variable(grid, strehl, "1", "true local Strehl ratio"),
    }


def _dtype(options: SimulateOptions) -> type:
    """Choose the dtype of frames."""
    return np.uint8 if options.bits == 8 else np.uint16


def _shared(scene: Float32Array, options: SimulateOptions) -> Shared:
    """Transform the scene and draw all screens: one task, which all others need."""
    return Optics(options).shared(scene)


def _expose(
    numbers: IntArray, mount: FloatArray, shared: Shared, options: SimulateOptions
) -> tuple[Frames, FloatArray, Float32Array, Float32Array, Float32Array]:
    """Compute one chunk: frames, offset, shift, blur and Strehl ratio, each with dim frame."""
    optics = Optics(options)
    margin, shape = scene_margin(options), (options.height, options.width)
    frames: Frames = np.empty((numbers.size, *shape), _dtype(options))
    offset, shift = mount.copy(), np.empty((numbers.size, *optics.grid, 2), np.float32)
    blur, strehl = np.empty((2, numbers.size, *optics.grid), np.float32)
    for k, number in enumerate(numbers.tolist()):
        image = optics.image(number, shared)
        mean = image.tilt.reshape(-1, 2).mean(axis=0, dtype=np.float64)
        offset[k] += mean
        shift[k] = image.tilt - mean.astype(np.float32)
        blur[k], strehl[k] = image.blur, image.strehl
        light = filtered(warped(image.light, offset[k], shift[k], margin, shape), options.cfa)
        frames[k] = digitise(light, options, random_numbers(options, Stream.NOISE, number))
    return frames, offset, shift, blur, strehl
