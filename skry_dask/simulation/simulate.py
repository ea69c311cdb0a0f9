"""Simulated captures: an artificial scene, through simulated air, with a simulated camera.

    scene, offset, displacement, blur ──▶ light of each frame ──▶ photon and read noise ──▶ frames

`scenes` draws the scene, `mount` drifts and shakes, `gaussian` and `optics` are two kinds of air.
The camera adds photon noise and read noise, and rounds to grey levels.

Frames are lazy, and each depends on the seed and its number only, so it has the same bits in any
chunk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from skry_dask.errors import OptionsError
from skry_dask.graph.datasets import variable
from skry_dask.options import Cfa, as_json
from skry_dask.options.given import options_of
from skry_dask.options.rotation import Body
from skry_dask.options.simulation import Scene, Seeing, SimulateOptions
from skry_dask.simulation.camera import BLACK, WHITE
from skry_dask.simulation.gaussian import frames as gaussian
from skry_dask.simulation.globe import VIEWS, TurningGlobe, turns
from skry_dask.simulation.optics import frames as optics
from skry_dask.simulation.randomness import Stream, random_numbers
from skry_dask.simulation.scenes import coloured, draw, scene_variable
from skry_dask.types import AXIS, CHANNEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames, IntArray

START = np.datetime64("2000-01-01T00:00:00", "ns")
"""Time of the first frame."""

WRITE_BYTES = 2**26
"""Bytes of frames that are computed at a time while a capture is written."""


def simulate(
    scene: Scene | str,
    options: SimulateOptions | None = None,
    *,
    frames_per_chunk: int = 16,
    **choices: Any,
) -> xr.Dataset:
    """Simulate a capture.

    Scene point p = (y, x), in px from the first pixel of the canvas, shows in a frame at
    p + offset + shift(p), blurred by a Gaussian of sigma blur(p), or with optics by speckles whose
    sum of squares is that Gaussian's. Shift and blur are bilinear between the nodes of their
    grid. The mean of the shift over the grid is 0, as the motion of the whole frame is in the
    offset.

    Parameters
    ----------
    scene
        "moon", "planet" or "sun"; or "jupiter", "saturn" or "mars", which turn by
        `SimulateOptions.rotation`.
    options
        Camera and air; see `SimulateOptions`.
    frames_per_chunk
        Number of frames that a task computes; the frames do not depend on it.
    **choices
        Options by name, such as ``frames=100``. They win over ``options``.

    Returns
    -------
    xarray.Dataset, with lazy frames
        - ``frames`` (frame, y, x), uint8, or uint16 above 8 bits: the capture;
        - ``scene`` float32 (scene_y, scene_x[, channel]), 0 to 1: the scene without air, with a
          margin around the canvas; red, green and blue where frames are raw colour;
        - ``offset`` float64 (frame, axis), px, with the drift centred on 0;
        - ``shift`` float32 (frame, grid_y, grid_x, axis), px;
        - ``blur`` float32 (frame, grid_y, grid_x), sigma, px;
        - ``time`` datetime64[ns] (frame).

        With optics, offset, shift and blur are lazy too: frames and truth are computed together, so
        `Dataset.compute` takes half the time of one after the other. There are also

        - ``strehl`` float32 (frame, grid_y, grid_x), 0 to 1: the peak of the point-spread function,
          relative to that without air;
        - ``scene_dl`` float32 (scene_y, scene_x[, channel]), 0 to 1: the scene through the
          telescope without air, which is what a perfect stack shows.

        In raw colour, ``blur`` and ``strehl`` are those of green. Of globes that turn there is also

        - ``turn`` float64 (frame), degrees: by how much it is turned to its east; ``scene`` is
          that of 0, in the middle of the capture.

        Coordinates: ``scene_y``, ``scene_x``, ``grid_y`` and ``grid_x``, canvas positions, px.
        Attributes: ``bits``; ``black`` and ``white``, grey levels where the scene is 0 and 1;
        ``grid_step`` and ``margin``, px; ``scene``, its name; ``seed`` and ``options``; ``cfa``
        where frames are raw colour; of globes that turn ``disc``, a `Disc` on the canvas as a dict.

    Raises
    ------
    OptionsError
        If there is no such scene, or it does not turn.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("planet", frames=3, height=64, width=96)
    >>> capture.frames.shape, capture.frames.dtype
    ((3, 64, 96), dtype('uint8'))
    """
    options = options_of(SimulateOptions, options, choices, "simulate")
    try:
        scene = Scene(scene)
    except ValueError:
        raise OptionsError(f"scene is {scene!r}; it must be one of {', '.join(Scene)}") from None
    air = optics if options.seeing is Seeing.OPTICS else gaussian
    step, margin = air.grid_step(options), air.scene_margin(options)
    shown = _Shown.of(scene, options, margin)
    exposed = air.expose(shown.light, options, frames_per_chunk, **shown.moving)

    full_scale = 2**options.bits - 1
    numbers = np.arange(options.frames)
    grid = exposed["blur"].shape[1:]
    return xr.Dataset(
        {
            "frames": exposed.pop("frames"),
            "scene": scene_variable(shown.light, "true scene"),
            **exposed,
            **shown.variables,
        },
        {
            "frame": numbers,
            "time": (
                "frame",
                _times(numbers, scene, options),
                {"long_name": "time of the frame, UTC"},
            ),
            "axis": AXIS,
            **({} if options.cfa is Cfa.NONE else {"channel": CHANNEL}),
            "scene_y": _positions("scene_y", shown.light.shape[1], 1, margin),
            "scene_x": _positions("scene_x", shown.light.shape[2], 1, margin),
            "grid_y": _positions("grid_y", grid[0], step, margin),
            "grid_x": _positions("grid_x", grid[1], step, margin),
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
            **shown.attrs,
            **({} if options.cfa is Cfa.NONE else {"cfa": options.cfa.value}),
        },
    )


class _Shown(NamedTuple):
    """What is in front of the telescope.

    ``light`` is float32 (channel, scene_y, scene_x), the truth; ``moving`` are arguments of
    ``expose`` for scenes that move, whose ``variables`` and ``attrs`` are truth too.
    """

    light: Float32Array
    moving: dict[str, Any]
    variables: dict[str, Any]
    attrs: dict[str, Any]

    @classmethod
    def of(cls, scene: Scene, options: SimulateOptions, margin: int) -> _Shown:
        """Draw a scene."""
        random = random_numbers(options, Stream.SCENE)
        canvas = options.height, options.width, margin
        if scene is Scene.MOON or scene is Scene.PLANET or scene is Scene.SUN:
            if options.rotation:
                raise OptionsError(
                    f"rotation is {options.rotation:g}, but {scene} does not turn: choose "
                    f"{', '.join(VIEWS)}"
                )
            picture = draw(scene, *canvas, random)
            return cls(_in_colours(scene, picture, options), {}, {}, {})
        globe = TurningGlobe.of(Body(scene), *canvas, random)
        turn = turns(options.frames, options.rotation)
        moving = {"moving": _Turning(scene, globe, turn, options)} if options.rotation else {}
        light = _in_colours(scene, globe.picture(0.0), options)
        on_canvas = replace(globe.disc, y=globe.disc.y - margin, x=globe.disc.x - margin)
        words = "true angle by which the globe has turned"
        return cls(
            light,
            moving,
            {"turn": variable(("frame",), turn, "degree", words)},
            {"disc": as_json(on_canvas)},
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Turning:
    """A globe as each frame sees it: called with the number of a frame."""

    scene: Scene
    globe: TurningGlobe
    turn: FloatArray
    options: SimulateOptions

    def __call__(self, number: int) -> Float32Array:
        picture = self.globe.picture(float(self.turn[number]))
        return _in_colours(self.scene, picture, self.options)


def _in_colours(scene: Scene, picture: Float32Array, options: SimulateOptions) -> Float32Array:
    """Show a picture as the camera sees it: float32 (channel, scene_y, scene_x)."""
    return picture[None] if options.cfa is Cfa.NONE else coloured(scene, picture)


def write_capture(
    path: str | Path, dataset: xr.Dataset, progress: Callable[[int], None] | None = None
) -> xr.Dataset:
    """Write simulated frames to a video file.

    Parameters
    ----------
    path
        File to write; its suffix, ``.ser`` or ``.avi`` (8 bits only), chooses the format.
    dataset
        From `simulate`. At most 64 MiB of frames, or one chunk, are computed at a time.
    progress
        Called with the number of frames computed so far.

    Returns
    -------
    The Dataset with its truth in memory: with optics, it is computed together with the frames.

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
    truth: dict[str, list[AnyArray]] = {}
    images = _computed(dataset, truth, progress)
    match path.suffix.lower():
        case ".ser":
            time = dataset["time"].values.astype("datetime64[ns]").astype(np.int64)
            write_ser(
                path,
                images,
                n_frames=n_frames,
                height=height,
                width=width,
                bits=bits,
                colour=dataset.attrs.get("cfa", "mono"),
                time=time,
            )
        case ".avi" if bits == 8:
            write_avi(
                path,
                images,
                n_frames=n_frames,
                height=height,
                width=width,
                fps=_frames_per_second(
                    Scene(dataset.attrs["scene"]), SimulateOptions(**dataset.attrs["options"])
                ),
            )
        case ".avi":
            raise OptionsError(f"{path}: AVI holds 8 bits, not {bits}; write a .ser file")
        case suffix:
            raise OptionsError(f"{path}: the suffix is {suffix!r}; it must be .ser or .avi")
    computed = {
        name: dataset[name].copy(data=np.concatenate(parts)) for name, parts in truth.items()
    }
    return dataset.assign(computed)


def write_truth(path: str | Path, dataset: xr.Dataset) -> Path:
    """Write the truth of a simulated capture to ``NAME.truth.npz`` beside it.

    The file contains ``scene`` float32 (scene_y, scene_x[, channel]), ``offsets`` float64 (frame,
    axis), ``shifts`` float32 (frame, grid_y, grid_x, axis), ``blur`` float32 (frame, grid_y,
    grid_x), ``margin`` and ``step`` (px); with optics also ``scene_dl`` like ``scene``, and
    ``strehl`` float32 (frame, grid_y, grid_x), and of globes that turn ``turn`` float64 (frame);
    see `simulate`. Node (j, i) of the grid lies at
    canvas point (j * step - margin, i * step - margin).

    Parameters
    ----------
    path
        Of the capture: ``moon.ser`` gives ``moon.truth.npz``.
    dataset
        From `write_capture`, or from `simulate`.

    Returns
    -------
    Path of the file written.
    """
    from skry_dask.io.atomic import atomic_write

    path = Path(path).with_suffix(".truth.npz")
    names = {"scene": "scene", "offset": "offsets", "shift": "shifts", "blur": "blur"}
    names |= {name: name for name in ("scene_dl", "strehl", "turn") if name in dataset}
    arrays: dict[str, Any] = {key: dataset[name].values for name, key in names.items()}
    with atomic_write(path) as file:
        np.savez_compressed(
            file, **arrays, margin=dataset.attrs["margin"], step=dataset.attrs["grid_step"]
        )
    return path


def _times(numbers: IntArray, scene: Scene, options: SimulateOptions) -> AnyArray:
    """Find the time of each frame: datetime64[ns] (frame)."""
    return START + (numbers * 1_000_000_000 // _frames_per_second(scene, options)).astype(
        "timedelta64[ns]"
    )


def _frames_per_second(scene: Scene, options: SimulateOptions) -> float:
    """Find the frame rate, which of a turning globe follows from its rotation."""
    if not options.rotation:
        return options.frame_rate
    rate = VIEWS[Body(scene)].degrees_per_day / 86400.0
    return max(options.frames - 1, 1) * rate / options.rotation


def _positions(dim: str, n: int, step: int, margin: int) -> xr.Variable:
    """Label n pixels or nodes with their canvas position, the first ``margin`` px outside it."""
    attrs = {"units": "px", "long_name": f"canvas {dim[-1]}"}
    return xr.Variable((dim,), np.arange(n) * step - margin, attrs)


def _computed(
    dataset: xr.Dataset,
    truth: dict[str, list[AnyArray]],
    progress: Callable[[int], None] | None,
) -> Iterator[Frames]:
    """Iterate over frames (y, x), computed a few chunks at a time to keep all cores busy.

    What is known of these frames, and lazy like them, is appended to ``truth`` by name.
    """
    lazy = [
        name
        for name, v in dataset.data_vars.items()
        if name != "frames" and "frame" in v.dims and v.chunks is not None
    ]
    frames = dataset["frames"].data
    chunk = frames.chunks[0][0]
    frame_bytes = math.prod(frames.shape[1:]) * frames.dtype.itemsize
    window = max(1, WRITE_BYTES // (chunk * frame_bytes)) * chunk
    for start in range(0, frames.shape[0], window):
        part = dataset[["frames", *lazy]].isel(frame=slice(start, start + window)).compute()
        for name in lazy:
            truth.setdefault(str(name), []).append(part[name].values)
        for done, image in enumerate(part["frames"].values, start + 1):
            if progress is not None:
                progress(done)
            yield image
