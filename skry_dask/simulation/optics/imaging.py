"""One frame through wave optics: air, telescope, patches of the scene.

Light of a node crosses the layers of air at places of its own. What the air does to it is split in
two: the plane that fits the phase best in the mean over the exposure displaces the place, and what
is left blurs it. So a frame is the scene convolved with point-spread functions without tilt,
patch by patch, then warped; tilts left in would show things twice between patches.

The same air delays light of all colours alike, so its phase is inverse to the wavelength, and it
moves all colours alike.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.ndimage import spline_filter

from skry_dask.kernels.frame.warp_and_blur import warp_and_blur
from skry_dask.options import Cfa
from skry_dask.simulation.mount import mount_reach
from skry_dask.simulation.optics.air import Air, screen_side
from skry_dask.simulation.optics.patches import Patches
from skry_dask.simulation.optics.screens import LAYERS, draw_screen
from skry_dask.simulation.optics.telescope import Telescope, tilt_rms
from skry_dask.simulation.randomness import Stream, random_numbers

if TYPE_CHECKING:
    from skry_dask.options.simulation import SimulateOptions
    from skry_dask.types import ComplexArray, Float32Array, FloatArray

NODE_STEP_PX = 16
"""Distance between nodes, px; with 4 px, blended detail would be 3 % stronger."""

R0_PER_SAMPLE = 0.5
"""How far the air moves between two samples of an exposure, at most, in r0."""

COLOURS = (1.12, 1.0, 0.86)
"""Wavelengths of red, green and blue, relative to green: 616, 550 and 473 nm."""


class Shared(NamedTuple):
    """What all frames need.

    Parameters
    ----------
    spectra
        complex64 (grid_y, grid_x, frequency_y, frequency_x) of each channel, from
        `Patches.spectra`.
    screens
        complex64 (y, x) of each layer, rad.
    """

    spectra: list[ComplexArray]
    screens: list[ComplexArray]


class Image(NamedTuple):
    """The scene through the air of one frame.

    Parameters
    ----------
    light
        float32 (channel, scene_y, scene_x), without the motion by the air.
    tilt
        float32 (grid_y, grid_x, axis): motion of each node by the air, px.
    blur
        float32 (grid_y, grid_x): sigma of the Gaussian with the same sum of squares, px, in green.
    strehl
        float32 (grid_y, grid_x): peak relative to that without air, in green.
    """

    light: Float32Array
    tilt: Float32Array
    blur: Float32Array
    strehl: Float32Array


def scene_margin(options: SimulateOptions) -> int:
    """Find the margin around the canvas that drift, jitter and tilt (4 sigma) can show, px.

    It is a multiple of the grid's step, so that the first pixel of the canvas is a node.
    """
    reach = mount_reach(options) + 4 * tilt_rms(options.d_over_r0, options.sampling) + 2
    return math.ceil(reach / NODE_STEP_PX) * NODE_STEP_PX


class Optics:
    """Air, telescope and patches of a capture, from its options.

    Attributes
    ----------
    grid
        Number of nodes along y and x.
    n_samples
        Number of samples of an exposure.
    """

    def __init__(self, options: SimulateOptions) -> None:
        self._options = options
        margin = scene_margin(options)
        shape = (options.height + 2 * margin, options.width + 2 * margin)
        wavelengths = (1.0,) if options.cfa is Cfa.NONE else COLOURS
        self._telescopes = [
            Telescope(options.sampling, options.obstruction, options.d_over_r0, wavelength)
            for wavelength in wavelengths
        ]
        self._green = self._telescopes[len(wavelengths) // 2]
        self._patches = [Patches(shape, NODE_STEP_PX, t.n_psf) for t in self._telescopes]
        self.grid = self._patches[0].grid
        self._spacing = options.diameter / self._green.pupil_px
        px = options.wavelength * 1e-9 / options.diameter / options.sampling  # rad
        self._air = Air(
            [random_numbers(options, Stream.WIND, k) for k in range(len(LAYERS))],
            self.grid,
            NODE_STEP_PX * px,
            self._green.n_pupil,
            self._spacing,
        )
        self._r0 = options.diameter / options.d_over_r0
        # The speed with which the air as a whole changes: r0 over it is the coherence time.
        speed = sum(layer.share * layer.wind ** (5 / 3) for layer in LAYERS) ** (3 / 5)
        distance = speed * options.exposure / 1000
        self.n_samples = max(1, math.ceil(distance / (R0_PER_SAMPLE * self._r0)))

    def shared(self, scene: Float32Array) -> Shared:
        """Transform the scene (channel, scene_y, scene_x), and draw the screen of each layer."""
        side = screen_side(self._spacing)
        screens = [
            draw_screen(
                random_numbers(self._options, Stream.SCREEN, k),
                side,
                self._spacing,
                self._r0 * layer.share ** (-3 / 5),
            )
            for k, layer in enumerate(LAYERS)
        ]
        return Shared(
            [p.spectra(picture) for p, picture in zip(self._patches, scene, strict=True)], screens
        )

    def still(self, scene: Float32Array) -> Float32Array:
        """Show the scene without air: float32 (channel, scene_y, scene_x)."""
        images = [
            patches.image(telescope.ideal, patches.spectra(picture))
            for telescope, patches, picture in zip(
                self._telescopes, self._patches, scene, strict=True
            )
        ]
        return np.maximum(np.array(images), np.float32(0.0))

    def image(self, number: int, shared: Shared) -> Image:
        """Image the scene through the air of one frame, given its number."""
        options = self._options
        middle = (np.arange(self.n_samples) + 0.5) / self.n_samples
        times = (number / options.frame_rate + middle * options.exposure / 1000).tolist()
        images = [patches.empty_image() for patches in self._patches]
        tilt, blur, strehl = [], [], []
        for row in range(self.grid[0]):
            phases = [self._air.row(row, time, shared.screens) for time in times]
            slope = np.mean([self._green.slope(phase) for phase in phases], axis=0)
            for phase in phases:
                self._green.flatten(phase, slope)
            tilt.append(self._green.shift(slope))
            for telescope, patches, spectra, image in zip(
                self._telescopes, self._patches, shared.spectra, images, strict=True
            ):
                psf = _mean_psf(telescope, phases)
                patches.add_row(row, psf, spectra[row], image)
                if telescope is self._green:
                    blur.append(0.5 / np.sqrt(math.pi * np.einsum("pyx,pyx->p", psf, psf)))
                    strehl.append(psf.max(axis=(1, 2)) / telescope.ideal.max())
        light = [p.cut(image) for p, image in zip(self._patches, images, strict=True)]
        return Image(np.array(light), np.array(tilt), np.array(blur), np.array(strehl))


def _mean_psf(telescope: Telescope, phases: list[Float32Array]) -> Float32Array:
    """Average the point-spread functions of an exposure, from phases of green light."""
    scale = np.float32(1 / telescope.wavelength)
    total = telescope.psf(phases[0] * scale)
    for phase in phases[1:]:
        total += telescope.psf(phase * scale)
    total *= np.float32(1 / len(phases))
    return total


def warped(
    light: Float32Array,
    offset: FloatArray,
    shift: Float32Array,
    margin: int,
    shape: tuple[int, int],
) -> Float32Array:
    """Move places of an image to where they show in a frame.

    Parameters
    ----------
    light
        float32 (channel, scene_y, scene_x).
    offset
        float64 (axis), px.
    shift
        float32 (grid_y, grid_x, axis), px.
    margin
        Of the scene, px.
    shape
        Height and width of the frame, px.

    Returns
    -------
    float32 (channel, y, x)
    """
    frame = np.empty((light.shape[0], *shape), np.float32)
    no_more_blur = np.zeros(shift.shape[:2], np.float32)
    for picture, seen in zip(light, frame, strict=True):
        spline = spline_filter(picture, order=2, output=np.float32, mode="mirror")
        warp_and_blur(
            np.stack([spline, spline]),
            np.array([0.0, 1.0]),
            offset,
            shift[..., 0],
            shift[..., 1],
            no_more_blur,
            float(margin),
            float(NODE_STEP_PX),
            seen,
        )
    return frame
