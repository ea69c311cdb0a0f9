"""Frames through wave optics: every place of the scene has a point-spread function of its own.

Light of a node crosses the layers of air at places of its own. What the air does to it is split in
two: the plane that fits the phase best in the mean over the exposure displaces the place, and what
is left blurs it. So a frame is the scene convolved with point-spread functions without tilt,
patch by patch, then warped; tilts left in would show things twice between patches.

Nodes are 16 px apart. A frame depends on the seed and its number only.

Cost: on one core 0.1 s a frame of 400 x 320 px at D / r0 = 5, and 2 s for the screens. Memory: 32
MB a layer for the screens, 26 kB a node for the scene, which all tasks share.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import dask
import dask.array as da
import numpy as np
from scipy.ndimage import spline_filter

from skry_dask.graph.datasets import variable
from skry_dask.kernels.frame.warp_and_blur import warp_and_blur
from skry_dask.simulation.camera import digitise
from skry_dask.simulation.mount import mount_offsets, mount_reach
from skry_dask.simulation.optics.air import Air, screen_side
from skry_dask.simulation.optics.patches import Patches
from skry_dask.simulation.optics.screens import LAYERS, draw_screen
from skry_dask.simulation.optics.telescope import Telescope, tilt_rms
from skry_dask.simulation.randomness import Stream, random_numbers

if TYPE_CHECKING:
    from typing import Any

    from skry_dask.options.simulation import SimulateOptions
    from skry_dask.types import (
        ComplexArray,
        Float32Array,
        FloatArray,
        Frames,
        IntArray,
    )

NODE_STEP_PX = 16
"""Distance between nodes, px; with 4 px, blended detail would be 3 % stronger."""

R0_PER_SAMPLE = 0.5
"""How far the air moves between two samples of an exposure, at most, in r0."""


def grid_step(_: SimulateOptions) -> int:
    """Find the spacing of grid nodes, px."""
    return NODE_STEP_PX


def scene_margin(options: SimulateOptions) -> int:
    """Find the margin around the canvas that drift, jitter and tilt (4 sigma) can show, px.

    It is a multiple of the grid's step, so that the first pixel of the canvas is a node.
    """
    reach = mount_reach(options) + 4 * tilt_rms(options.d_over_r0, options.sampling) + 2
    return math.ceil(reach / NODE_STEP_PX) * NODE_STEP_PX


def expose(scene: Float32Array, options: SimulateOptions, frames_per_chunk: int) -> dict[str, Any]:
    """Expose all frames, lazily, together with the truth about them.

    Parameters
    ----------
    scene
        float32 (scene_y, scene_x), with a margin of `scene_margin`.
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
    spectra = optics.patches.spectra(scene)
    still = np.maximum(optics.patches.image(optics.telescope.ideal, spectra), np.float32(0.0))
    shared = dask.delayed(_shared)(scene, options)
    mount = mount_offsets(options)
    expose_chunk = dask.delayed(_expose, nout=5)
    chunks = []
    for start in range(0, options.frames, frames_per_chunk):
        numbers = np.arange(start, min(start + frames_per_chunk, options.frames))
        chunks.append((numbers.size, expose_chunk(numbers, mount[numbers], shared, options)))
    frame = (options.height, options.width)
    grid = optics.patches.grid

    def joined(part: int, shape: tuple[int, ...], dtype: type) -> da.Array:
        arrays = [da.from_delayed(task[part], (n, *shape), dtype) for n, task in chunks]
        return da.concatenate(arrays)

    frames = joined(0, frame, np.uint8 if options.bits == 8 else np.uint16)
    of_grid = ("frame", "grid_y", "grid_x")
    return {
        "frames": variable(("frame", "y", "x"), frames, "1", "simulated frames"),
        "scene_dl": variable(
            ("scene_y", "scene_x"), still, "1", "true scene through the telescope without air"
        ),
        "offset": variable(
            ("frame", "axis"), joined(1, (2,), np.float64), "px", "true offset of the frame"
        ),
        "shift": variable(
            (*of_grid, "axis"), joined(2, (*grid, 2), np.float32), "px", "true local displacement"
        ),
        "blur": variable(
            of_grid,
            joined(3, grid, np.float32),
            "px",
            "sigma of the Gaussian with the sum of squares of the local point-spread function",
        ),
        "strehl": variable(
            of_grid,
            joined(4, grid, np.float32),
            "1",
            "true peak of the local point-spread function, relative to that without air",
        ),
    }


class Optics:
    """Air, telescope and patches of a capture, from its options."""

    def __init__(self, options: SimulateOptions) -> None:
        self.options = options
        margin = scene_margin(options)
        shape = (options.height + 2 * margin, options.width + 2 * margin)
        self.telescope = Telescope(options.sampling, options.obstruction, options.d_over_r0)
        self.patches = Patches(shape, NODE_STEP_PX, self.telescope.n_psf)
        self.spacing = options.diameter / self.telescope.pupil_px
        px = options.wavelength * 1e-9 / options.diameter / options.sampling  # rad
        rngs = [random_numbers(options, Stream.WIND, k) for k in range(len(LAYERS))]
        self.air = Air(
            rngs, self.patches.grid, NODE_STEP_PX * px, self.telescope.n_pupil, self.spacing
        )
        # The speed by which the air as a whole changes (Fried 1978, or any text on tau0).
        speed = sum(layer.share * layer.wind ** (5 / 3) for layer in LAYERS) ** (3 / 5)
        distance = speed * options.exposure / 1000
        r0 = options.diameter / options.d_over_r0
        self.n_samples = max(1, math.ceil(distance / (R0_PER_SAMPLE * r0)))

    def screens(self) -> list[ComplexArray]:
        """Draw the screen of each layer."""
        options = self.options
        r0 = options.diameter / options.d_over_r0
        side = screen_side(self.spacing)
        return [
            draw_screen(
                random_numbers(options, Stream.SCREEN, k),
                side,
                self.spacing,
                r0 * layer.share ** (-3 / 5),
            )
            for k, layer in enumerate(LAYERS)
        ]

    def image(
        self, number: int, spectra: ComplexArray, screens: list[ComplexArray]
    ) -> tuple[Float32Array, Float32Array, Float32Array, Float32Array]:
        """Image the scene through the air of one frame, without the motion by the air.

        Parameters
        ----------
        number
            Number of the frame.
        spectra
            Of the scene, from `Patches.spectra`.
        screens
            From `screens`.

        Returns
        -------
        image
            float32 (scene_y, scene_x).
        tilt
            float32 (grid_y, grid_x, axis): motion of each node by the air, px.
        blur
            float32 (grid_y, grid_x): sigma of the Gaussian with the same sum of squares, px.
        strehl
            float32 (grid_y, grid_x): peak relative to that without air.
        """
        middle = (np.arange(self.n_samples) + 0.5) / self.n_samples
        times = number / self.options.frame_rate + middle * self.options.exposure / 1000
        image = self.patches.empty_image()
        tilt, blur, strehl = [], [], []
        for row in range(self.patches.grid[0]):
            slope, psf = self._exposed([self.air.row(row, time, screens) for time in times])
            self.patches.add_row(row, psf, spectra[row], image)
            tilt.append(self.telescope.shift(slope))
            blur.append(0.5 / np.sqrt(math.pi * np.einsum("pyx,pyx->p", psf, psf)))
            strehl.append(psf.max(axis=(1, 2)) / self.telescope.ideal.max())
        return self.patches.cut(image), np.array(tilt), np.array(blur), np.array(strehl)

    def _exposed(self, phases: list[Float32Array]) -> tuple[Float32Array, Float32Array]:
        """Find the mean slopes of an exposure, and its point-spread functions without them."""
        slope = np.mean([self.telescope.slope(phase) for phase in phases], axis=0)
        psf: Float32Array = np.zeros((), np.float32)
        for phase in phases:
            self.telescope.flatten(phase, slope)
            psf = psf + self.telescope.psf(phase)
        return slope, psf * np.float32(1 / len(phases))


def _shared(
    scene: Float32Array, options: SimulateOptions
) -> tuple[ComplexArray, list[ComplexArray]]:
    """Transform the scene and draw all screens: one task, which all others need."""
    optics = Optics(options)
    return optics.patches.spectra(scene), optics.screens()


def _expose(
    numbers: IntArray,
    mount: FloatArray,
    shared: tuple[ComplexArray, list[ComplexArray]],
    options: SimulateOptions,
) -> tuple[Frames, FloatArray, Float32Array, Float32Array, Float32Array]:
    """Compute one chunk: frames, offset, shift, blur and Strehl ratio, each with dim frame."""
    optics = Optics(options)
    margin = float(scene_margin(options))
    grid = optics.patches.grid
    frames = np.empty(
        (numbers.size, options.height, options.width),
        np.uint8 if options.bits == 8 else np.uint16,
    )
    light = np.empty(frames.shape[1:], np.float32)
    offset, shift = mount.copy(), np.empty((numbers.size, *grid, 2), np.float32)
    blur, strehl = np.empty((2, numbers.size, *grid), np.float32)
    not_again = np.zeros(grid, np.float32)  # the image is blurred already
    for k, number in enumerate(numbers.tolist()):
        image, tilt, blur[k], strehl[k] = optics.image(number, *shared)
        mean = tilt.reshape(-1, 2).mean(axis=0, dtype=np.float64)
        offset[k] += mean
        shift[k] = tilt - mean.astype(np.float32)
        spline = spline_filter(image, order=2, output=np.float32, mode="mirror")
        warp_and_blur(
            np.stack([spline, spline]),
            np.array([0.0, 1.0]),
            offset[k],
            shift[k, ..., 0],
            shift[k, ..., 1],
            not_again,
            margin,
            float(NODE_STEP_PX),
            light,
        )
        frames[k] = digitise(light, options, random_numbers(options, Stream.NOISE, number))
    return frames, offset, shift, blur, strehl
