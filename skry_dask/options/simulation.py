"""Options of a simulated capture: what it shows, and how it is disturbed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from numbers import Real
from typing import Any

from skry_dask.errors import OptionsError
from skry_dask.options.given import NamedOptions
from skry_dask.options.inputs import Cfa
from skry_dask.options.values import choice

_RANGES: dict[str, tuple[float, float]] = {
    "frames": (1, 100_000),
    "height": (32, 16_384),
    "width": (32, 16_384),
    "bits": (8, 16),
    "seed": (0, 2**63 - 1),
    "drift": (-1000, 1000),
    "jitter": (0, 20),
    "frame_rate": (0.1, 10_000),
    "photons": (10, 1e9),
    "read_noise": (0, 64),
    "warp": (0, 20),
    "warp_scale": (4, 1000),
    "blur": (0.5, 10),
    "d_over_r0": (0.1, 20),
    "diameter": (0.03, 10),
    "obstruction": (0, 0.9),
    "wavelength": (300, 2500),
    "sampling": (1.5, 10),
    "exposure": (0.01, 10_000),
    "rotation": (0, 60),
}
"""Smallest and largest value of each option; for a pair, of both elements."""

_STEEPEST_WARP = 1 / 16
"""Largest ratio of warp to warp_scale: beyond it, the picture would fold over itself."""


class Scene(StrEnum):
    """The object in front of the telescope."""

    MOON = "moon"
    PLANET = "planet"
    SUN = "sun"
    JUPITER = "jupiter"
    SATURN = "saturn"
    MARS = "mars"


class Seeing(StrEnum):
    """How the air disturbs frames: by smooth random fields, or by wave optics."""

    GAUSSIAN = "gaussian"
    OPTICS = "optics"


_DEFAULTS: dict[Seeing, dict[str, Any]] = {
    Seeing.GAUSSIAN: {"warp": 1.6, "warp_scale": 40.0, "blur": (0.9, 2.6)},
    Seeing.OPTICS: {
        "d_over_r0": 5.0,
        "diameter": 0.25,
        "obstruction": 0.3,
        "wavelength": 550.0,
        "sampling": 2.5,
        "exposure": 8.0,
    },
}
"""Options that only one kind of seeing has, and their defaults there."""

_NOT_GIVEN: Any = None
"""Stands for the default of an option that only one kind of seeing has; None with the other."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SimulateOptions(NamedOptions):
    """Options of a simulated capture: scene, camera and air.

    Parameters
    ----------
    frames
        Number of frames.
    height
        Height of a frame, px.
    width
        Width of a frame, px.
    bits
        Depth of a sample, 8 to 16 bits.
    cfa
        Colour filter array of the camera, for raw colour: "RGGB", "GRBG", "GBRG" or "BGGR"; "none"
        is a grey camera. Optics then has a wavelength for each colour.
    seed
        Seed of the random numbers; the same seed and options give the same capture.
    drift
        Motion of the scene over the whole capture, downwards and to the right, px.
    jitter
        Motion of the scene from one frame to the next along each axis, px rms.
    frame_rate
        Number of frames a second, of a scene that does not turn.
    rotation
        By how much jupiter, saturn or mars turns from the first to the last frame, degrees: the
        capture lasts as long as that takes. With gaussian seeing.
    photons
        Number of photons of a pixel where the scene is brightest; fewer make more noise.
    read_noise
        Noise that the camera adds to every pixel, in grey levels of 8 bits, rms.
    seeing
        "gaussian" displaces and blurs places by smooth random fields, and is fast; "optics" sends
        light through turbulent air, carried by the wind, and through a telescope: speckles,
        diffraction, 10 times the time.
    warp
        With gaussian seeing, local displacement by the air along each axis, px rms [default: 1.6].
    warp_scale
        With gaussian seeing, size of the regions that the air displaces together, px; at least 16
        times the warp [default: 40].
    blur
        With gaussian seeing, sigma of the sharpest and of the most blurred fragments, px [default:
        0.9 2.6].
    d_over_r0
        With optics, strength of the air: diameter of the telescope over Fried's parameter; 3 is
        good seeing, 10 is bad [default: 5].
    diameter
        With optics, diameter of the telescope, m [default: 0.25].
    obstruction
        With optics, diameter of the telescope's central obstruction, as a fraction [default: 0.3].
    wavelength
        With optics, wavelength of the light, nm; with a colour filter array, of green [default:
        550].
    sampling
        With optics, number of pixels to an angle of wavelength / diameter; detail ends at
        1 / sampling cycles per px [default: 2.5].
    exposure
        With optics, exposure time of a frame, ms [default: 8].

    Raises
    ------
    OptionsError
        A value lies outside its range, or options contradict each other.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.SimulateOptions(frames=100, seeing="optics", d_over_r0=6)
    SimulateOptions(frames=100, seeing='optics', d_over_r0=6)
    """

    frames: int = 200
    height: int = 480
    width: int = 640
    bits: int = 8
    cfa: Cfa = Cfa.NONE
    seed: int = 1
    drift: tuple[float, float] = (18.0, -25.0)
    jitter: float = 1.0
    frame_rate: float = 30.0
    rotation: float = 0.0
    photons: float = 3000.0
    read_noise: float = 1.2
    seeing: Seeing = Seeing.GAUSSIAN
    warp: float = _NOT_GIVEN
    warp_scale: float = _NOT_GIVEN
    blur: tuple[float, float] = _NOT_GIVEN
    d_over_r0: float = _NOT_GIVEN
    diameter: float = _NOT_GIVEN
    obstruction: float = _NOT_GIVEN
    wavelength: float = _NOT_GIVEN
    sampling: float = _NOT_GIVEN
    exposure: float = _NOT_GIVEN

    def __post_init__(self) -> None:
        """Check every value, and set the defaults of the chosen seeing."""
        object.__setattr__(self, "cfa", choice("cfa", self.cfa, Cfa))
        object.__setattr__(self, "seeing", choice("seeing", self.seeing, Seeing))
        for seeing, defaults in _DEFAULTS.items():
            for name, default in defaults.items():
                value = getattr(self, name)
                if value is None and seeing is self.seeing:
                    object.__setattr__(self, name, default)
                elif value is not None and seeing is not self.seeing:
                    raise OptionsError(
                        f"{name} is {value}, but belongs to {seeing} seeing: leave it out, or "
                        f"choose seeing {seeing}"
                    )
        self._check_ranges()
        if len(self.drift) != 2:
            raise OptionsError(f"drift is {self.drift}; it must be two numbers")
        if self.seeing is Seeing.GAUSSIAN:
            self._check_gaussian()
        elif self.rotation:
            raise OptionsError(
                f"rotation is {self.rotation:g} with {self.seeing} seeing: choose seeing "
                f"{Seeing.GAUSSIAN}"
            )
        elif self.exposure * self.frame_rate > 1000:
            raise OptionsError(
                f"exposure is {self.exposure:g} ms at a frame_rate of {self.frame_rate:g}; it must "
                f"be up to {1000 / self.frame_rate:g}, or frame_rate lower"
            )

    def _check_ranges(self) -> None:
        """Check every number by itself."""
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            elements = value if isinstance(value, tuple) else (value,)
            if value is not None and not all(isinstance(element, Real) for element in elements):
                raise OptionsError(f"{name} is {value!r}; it must be a number")
            # Written so that NaN fails too.
            if value is not None and not all(low <= element <= high for element in elements):
                raise OptionsError(f"{name} is {value}; it must be from {low:g} to {high:g}")

    def _check_gaussian(self) -> None:
        """Check how the options of Gaussian seeing go together."""
        if len(self.blur) != 2:
            raise OptionsError(f"blur is {self.blur}; it must be two numbers")
        if self.blur[0] > self.blur[1]:
            raise OptionsError(f"blur is {self.blur}; the smaller sigma comes first")
        if self.warp > _STEEPEST_WARP * self.warp_scale:
            raise OptionsError(
                f"warp is {self.warp} with a warp_scale of {self.warp_scale}; it must be from 0 "
                f"to {_STEEPEST_WARP * self.warp_scale:g}, or warp_scale larger"
            )
