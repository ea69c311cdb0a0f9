"""Options of a simulated capture: what it shows, and how it is disturbed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from skry_dask.errors import OptionsError

_RANGES: dict[str, tuple[float, float]] = {
    "frames": (1, 100_000),
    "height": (32, 16_384),
    "width": (32, 16_384),
    "bits": (8, 16),
    "seed": (0, 2**63 - 1),
    "drift": (-1000, 1000),
    "jitter": (0, 20),
    "warp": (0, 20),
    "warp_scale": (4, 1000),
    "blur": (0.5, 10),
    "photons": (10, 1e9),
    "read_noise": (0, 64),
}
"""Smallest and largest value of each option; for a pair, of both elements."""

_STEEPEST_WARP = 1 / 16
"""Largest ratio of warp to warp_scale: beyond it, the picture would fold over itself."""


class Scene(StrEnum):
    """The object in front of the telescope."""

    MOON = "moon"
    PLANET = "planet"
    SUN = "sun"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
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
    seed
        Seed of the random numbers; the same seed and options give the same capture.
    drift
        Motion of the scene over the whole capture, downwards and to the right, px.
    jitter
        Motion of the scene from one frame to the next along each axis, px rms.
    warp
        Local displacement by the air along each axis, px rms.
    warp_scale
        Size of the regions that the air displaces together, px; at least 16 times the warp.
    blur
        Sigma of the sharpest and of the most blurred fragments, px.
    photons
        Number of photons of a pixel where the scene is brightest; fewer make more noise.
    read_noise
        Noise that the camera adds to every pixel, in grey levels of 8 bits, rms.

    Raises
    ------
    OptionsError
        A value lies outside its range, or options contradict each other.
    """

    frames: int = 200
    height: int = 480
    width: int = 640
    bits: int = 8
    seed: int = 1
    drift: tuple[float, float] = (18.0, -25.0)
    jitter: float = 1.0
    warp: float = 1.6
    warp_scale: float = 40.0
    blur: tuple[float, float] = (0.9, 2.6)
    photons: float = 3000.0
    read_noise: float = 1.2

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            elements = value if isinstance(value, tuple) else (value,)
            # Written so that NaN fails too.
            if not all(low <= element <= high for element in elements):
                raise OptionsError(f"{name} is {value}; it must be from {low:g} to {high:g}")
        for name in ("drift", "blur"):
            if len(getattr(self, name)) != 2:
                raise OptionsError(f"{name} is {getattr(self, name)}; it must be two numbers")
        if self.blur[0] > self.blur[1]:
            raise OptionsError(f"blur is {self.blur}; the smaller sigma comes first")
        if self.warp > _STEEPEST_WARP * self.warp_scale:
            raise OptionsError(
                f"warp is {self.warp} with a warp_scale of {self.warp_scale}; it must be from 0 "
                f"to {_STEEPEST_WARP * self.warp_scale:g}, or warp_scale larger"
            )
