"""Simulated captures: an artificial scene, through simulated air, with a simulated camera.

    scene, offset, displacement, blur ──▶ light of each frame ──▶ photon and read noise ──▶ frames

`scenes` draws the scene, and `turbulence` finds how each frame displaces and blurs it. The camera
adds photon noise and read noise, and rounds to grey levels.

Scene and air are computed at once. Frames are lazy, and each depends on the seed and its number
only, so it has the same bits in any chunk.

Cost: 16 ms a frame of 640 x 480 px. Memory: 55 kB a frame for the air; a task holds its frames, and
the scene at about ten widths of blur (20 MB).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter, spline_filter

from skry_dask.errors import OptionsError
from skry_dask.graph.datasets import variable
from skry_dask.kernels.frame.warp_and_blur import warp_and_blur
from skry_dask.options import as_json
from skry_dask.options.simulation import Scene, SimulateOptions
from skry_dask.simulation.camera import BLACK, WHITE, digitise
from skry_dask.simulation.scenes import draw
from skry_dask.simulation.turbulence import (
    Stream,
    grid_step,
    offsets,
    random_numbers,
    scene_margin,
    shift_and_blur,
)
from skry_dask.types import AXIS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames, IntArray

FRAMES_PER_SECOND = 30
"""Frame rate of the capture."""

START = np.datetime64("2000-01-01T00:00:00", "ns")
"""Time of the first frame."""

SIGMA_STEP_PX = 0.2
"""Largest step from one to the next of the blurs that are applied to the scene beforehand, px."""

DARKNESS = 1e-12
"""Brightness of the scene that no camera can distinguish from 0."""

WRITE_BYTES = 2**26
"""Bytes of frames that are computed at a time while a capture is written."""


def simulate(
    scene: Scene | str, options: SimulateOptions | None = None, *, frames_per_chunk: int = 16
) -> xr.Dataset:
    """Simulate a capture.

    Scene point p = (y, x), in px from the first pixel of the canvas, shows in a frame at
    p + offset + shift(p), blurred by a Gaussian of sigma blur(p). Shift and blur are bilinear
    between the nodes of their grid. The mean of the shift over the grid is 0, as the motion of the
    whole frame is in the offset.

    Parameters
    ----------
    scene
        "moon", "planet" or "sun".
    options
        Camera and air; see `SimulateOptions`.
    frames_per_chunk
        Number of frames that a task computes; the frames do not depend on it.

    Returns
    -------
    xarray.Dataset, with lazy frames
        - ``frames`` (frame, y, x), uint8, or uint16 above 8 bits: the capture;
        - ``scene`` float32 (scene_y, scene_x), 0 to 1: the scene without air, with a margin around
          the canvas;
        - ``offset`` float64 (frame, axis), px, with the drift centred on 0;
        - ``shift`` float32 (frame, grid_y, grid_x, axis), px;
        - ``blur`` float32 (frame, grid_y, grid_x), sigma, px;
        - ``time`` datetime64[ns] (frame), 30 frames a second.

        Coordinates: ``scene_y``, ``scene_x``, ``grid_y`` and ``grid_x``, canvas positions, px.
        Attributes: ``bits``; ``black`` and ``white``, grey levels where the scene is 0 and 1;
        ``grid_step`` and ``margin``, px; ``scene``, its name; ``seed`` and ``options``.

    Raises
    ------
    OptionsError
        If there is no such scene.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("planet", skry.SimulateOptions(frames=3, height=64, width=96))
    >>> capture.frames.shape, capture.frames.dtype
    ((3, 64, 96), dtype('uint8'))
    """
    options = options or SimulateOptions()
    try:
        scene = Scene(scene)
    except ValueError:
        raise OptionsError(f"scene is {scene!r}; it must be one of {', '.join(Scene)}") from None
    step = grid_step(options)
    margin = scene_margin(options)
    random = random_numbers(options, Stream.SCENE)
    truth = draw(scene, options.height, options.width, margin, random)
    offset = offsets(options)
    shift, blur = shift_and_blur(options)
    frames = _frames(truth, offset, shift, blur, options, frames_per_chunk)

    full_scale = 2**options.bits - 1
    numbers = np.arange(options.frames)
    return xr.Dataset(
        {
            "frames": variable(("frame", "y", "x"), frames, "1", "simulated frames"),
            "scene": variable(("scene_y", "scene_x"), truth, "1", "true scene"),
            "offset": variable(("frame", "axis"), offset, "px", "true offset of the frame"),
            "shift": variable(
                ("frame", "grid_y", "grid_x", "axis"), shift, "px", "true local displacement"
            ),
            "blur": variable(
                ("frame", "grid_y", "grid_x"), blur, "px", "true sigma of the local blur"
            ),
        },
        {
            "frame": numbers,
            "time": ("frame", _times(numbers), {"long_name": "time of the frame, UTC"}),
            "axis": AXIS,
            "scene_y": _positions("scene_y", truth.shape[0], 1, margin),
            "scene_x": _positions("scene_x", truth.shape[1], 1, margin),
            "grid_y": _positions("grid_y", blur.shape[1], step, margin),
            "grid_x": _positions("grid_x", blur.shape[2], step, margin),
        },
        {
            "bits": options.bits,
            "black": BLACK * full_scale,
            "white": WHITE * full_scale,
            "grid_step": step,
            "margin": margin,
            "scene": scene.value,
            "seed": options.seed,
            "options": as_json(options),
        },
    )


def write_capture(
    path: str | Path, dataset: xr.Dataset, progress: Callable[[int], None] | None = None
) -> None:
    """Write simulated frames to a video file.

    Parameters
    ----------
    path
        File to write; its suffix, ``.ser`` or ``.avi`` (8 bits only), chooses the format.
    dataset
        From `simulate`. At most 64 MiB of frames, or one chunk, are computed at a time.
    progress
        Called with the number of frames computed so far.

    Raises
    ------
    OptionsError
        If the suffix is another one, or the frames have more bits than the format.
    """
    from skry_dask.io.raw.avi import write_avi
    from skry_dask.io.raw.ser import write_ser

    path = Path(path)
    n_frames, height, width = dataset["frames"].shape
    bits = dataset.attrs["bits"]
    images = _computed(dataset["frames"].data, progress)
    match path.suffix.lower():
        case ".ser":
            time = dataset["time"].values.astype("datetime64[ns]").astype(np.int64)
            write_ser(
                path, images, n_frames=n_frames, height=height, width=width, bits=bits, time=time
            )
        case ".avi" if bits == 8:
            write_avi(
                path, images, n_frames=n_frames, height=height, width=width, fps=FRAMES_PER_SECOND
            )
        case ".avi":
            raise OptionsError(f"{path}: AVI holds 8 bits, not {bits}; write a .ser file")
        case suffix:
            raise OptionsError(f"{path}: the suffix is {suffix!r}; it must be .ser or .avi")


def write_truth(path: str | Path, dataset: xr.Dataset) -> Path:
    """Write the truth of a simulated capture to ``NAME.truth.npz`` beside it.

    The file contains ``scene`` float32 (scene_y, scene_x), ``offsets`` float64 (frame, axis),
    ``shifts`` float32 (frame, grid_y, grid_x, axis), ``blur`` float32 (frame, grid_y, grid_x),
    ``margin`` and ``step`` (px); see `simulate`. Node (j, i) of the grid lies at canvas point
    (j * step - margin, i * step - margin).

    Parameters
    ----------
    path
        Of the capture: ``moon.ser`` gives ``moon.truth.npz``.
    dataset
        From `simulate`; no frame is computed.

    Returns
    -------
    Path of the file written.
    """
    from skry_dask.io.atomic import atomic_write

    path = Path(path).with_suffix(".truth.npz")
    with atomic_write(path) as file:
        np.savez_compressed(
            file,
            scene=dataset["scene"].values,
            offsets=dataset["offset"].values,
            shifts=dataset["shift"].values,
            blur=dataset["blur"].values,
            margin=dataset.attrs["margin"],
            step=dataset.attrs["grid_step"],
        )
    return path


def _times(numbers: IntArray) -> AnyArray:
    """Find the time of each frame: datetime64[ns] (frame)."""
    return START + (numbers * 1_000_000_000 // FRAMES_PER_SECOND).astype("timedelta64[ns]")


def _positions(dim: str, n: int, step: int, margin: int) -> xr.Variable:
    """Label n pixels or nodes with their canvas position, the first ``margin`` px outside it."""
    attrs = {"units": "px", "long_name": f"canvas {dim[-1]}"}
    return xr.Variable((dim,), np.arange(n) * step - margin, attrs)


def _frames(
    scene: Float32Array,
    offset: FloatArray,
    shift: Float32Array,
    blur: Float32Array,
    options: SimulateOptions,
    frames_per_chunk: int,
) -> da.Array:
    """Compute frames (frame, y, x) lazily; one task, which all others need, blurs the scene."""
    sigmas = _sigmas(options)
    levels = da.map_blocks(
        _blurred,
        da.from_array(scene, chunks=-1),
        sigmas,
        new_axis=0,
        chunks=((sigmas.size,), *((n,) for n in scene.shape)),
        dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
    )
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
        levels,
        "lmn",
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
    """Blur the scene: quadratic B-spline coefficients, float32 (level, scene_y, scene_x)."""
    levels = np.empty((sigmas.size, *scene.shape), np.float32)
    for level, sigma in zip(levels, sigmas, strict=True):
        gaussian_filter(scene, sigma, output=level, mode="nearest")
        level[:] = spline_filter(level, order=2, output=np.float32, mode="mirror")
        # The tails of both filters become denormal numbers, with which arithmetic takes twice the
        # time. No camera would see a thousand times more.
        level[np.abs(level) < DARKNESS] = 0.0
    return levels


def _expose(
    numbers: IntArray,
    offset: FloatArray,
    shift: Float32Array,
    blur: Float32Array,
    levels: Float32Array,
    *,
    options: SimulateOptions,
) -> Frames:
    """Compute one chunk of frames: uint8 or uint16 (frame, y, x)."""
    sigmas = _sigmas(options)
    margin = float(scene_margin(options))
    step = float(grid_step(options))
    light = np.empty((options.height, options.width), np.float32)
    frames = np.empty((numbers.size, *light.shape), np.uint8 if options.bits == 8 else np.uint16)
    for k, number in enumerate(numbers.tolist()):
        warp_and_blur(
            levels,
            sigmas,
            offset[k],
            shift[k, ..., 0],
            shift[k, ..., 1],
            blur[k],
            margin,
            step,
            light,
        )
        frames[k] = digitise(light, options, random_numbers(options, Stream.NOISE, number))
    return frames


def _computed(frames: da.Array, progress: Callable[[int], None] | None) -> Iterator[Frames]:
    """Iterate over frames (y, x), computed a few chunks at a time to keep all cores busy."""
    chunk = frames.chunks[0][0]
    frame_bytes = math.prod(frames.shape[1:]) * frames.dtype.itemsize
    window = max(1, WRITE_BYTES // (chunk * frame_bytes)) * chunk
    for start in range(0, frames.shape[0], window):
        images = frames[start : start + window].compute()
        for done, image in enumerate(images, start + 1):
            if progress is not None:
                progress(done)
            yield image
