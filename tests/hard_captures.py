"""Captures that are hard to align: simulated frames, shifted, dimmed, cut and damaged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

import skry_dask as skry

if TYPE_CHECKING:
    import xarray as xr

SHAPE = (200, 240)
"""Height and width of the frames, px."""

RADIUS = 50
"""Radius of the planet, px."""


@dataclass(frozen=True, slots=True, eq=False)
class HardCapture:
    """Frames and their truth.

    Parameters
    ----------
    frames
        uint8 (frame, y, x).
    offset
        float64 (frame, axis), true offset of the scene, mean seeing of the visible region included,
        px.
    usable
        bool (frame), whether a frame can be stacked.
    """

    frames: np.ndarray
    offset: np.ndarray
    usable: np.ndarray

    def error(self, offset: np.ndarray, active: np.ndarray) -> float:
        """Error of offsets in active frames, its median removed, px rms."""
        off = (offset - self.offset)[active]
        off -= np.median(off, axis=0)
        return float(np.sqrt((off**2).sum(axis=1).mean()))


@lru_cache
def simulated(
    scene: str, frames: int = 40, height: int = SHAPE[0], width: int = SHAPE[1], **air: float
) -> xr.Dataset:
    """Simulate a scene, without drift."""
    options = skry.SimulateOptions(
        frames=frames, height=height, width=width, seed=9, drift=(0, 0), jitter=0.3, **air
    )
    return skry.simulate(scene, options).compute()


def windows(truth: xr.Dataset, corners: np.ndarray | None = None) -> HardCapture:
    """Cut a window out of each frame, at ``corners`` (frame, axis), whole px."""
    height, width = SHAPE
    corners = np.zeros((truth.sizes["frame"], 2), int) if corners is None else corners
    frames, offset = [], truth["offset"].to_numpy().copy()
    y, x = truth["grid_y"].to_numpy(), truth["grid_x"].to_numpy()
    middle = np.array(truth["frames"].shape[1:]) / 2
    for i, (top, left) in enumerate(corners):
        frames.append(truth["frames"].to_numpy()[i, top : top + height, left : left + width])
        rows, columns = (y >= top) & (y < top + height), (x >= left) & (x < left + width)
        seen = rows[:, None] & columns
        if truth.attrs["scene"] == "planet":
            seen = np.hypot(y[:, None] - middle[0], x - middle[1]) < RADIUS
        offset[i] += truth["shift"].to_numpy()[i, seen].mean(axis=0) - [top, left]
    return HardCapture(np.stack(frames), offset, np.ones(len(frames), bool))


def drifting() -> HardCapture:
    """A drift of two and a half widths of the frame."""
    x = np.linspace(0, 600, 48).round().astype(int)
    return windows(simulated("moon", 48, 210, 860), np.stack([np.full(48, 5), x], axis=1))


def jumping(distance: int) -> HardCapture:
    """A jump to the right after two thirds of the capture."""
    x = np.where(np.arange(48) < 32, 20, 20 + distance)
    return windows(simulated("moon", 48, 210, 860), np.stack([np.full(48, 5), x], axis=1))


def gusts() -> HardCapture:
    """Gusts move the telescope by 15 px; in some frames the air shifts a band of the view."""
    shake = np.random.default_rng(5).normal(size=(40, 2)) * 15
    corners = 40 + shake.round().clip(-40, 39).astype(int)
    moved = windows(simulated("moon", 40, 280, 320), corners)
    for i in range(4, 40, 9):
        band = moved.frames[i, 70:130]
        band[:, 15:] = band[:, :-15].copy()
    return moved


def pause() -> HardCapture:
    """Fourteen identical frames."""
    moon = windows(simulated("moon"))
    which = np.r_[:13, [13] * 14, 27:40]
    return replace(moon, frames=moon.frames[which], offset=moon.offset[which])


def interrupted() -> HardCapture:
    """Drift, the drive at rest, and a break in the recording during which the drift went on."""
    x = np.r_[np.linspace(0, 60, 16), np.full(16, 60), np.linspace(90, 150, 16)].round().astype(int)
    return windows(simulated("moon", 48, 210, 860), np.stack([np.full(48, 5), x], axis=1))


CLOUDED = (3, 4, 10, 11, 20, 25, 32, 33)
"""Numbers of the frames of `clouds` that show nothing."""


def clouds() -> HardCapture:
    """Frames lost in clouds: black, white, grey with noise; and frames that are only dim."""
    moon = windows(simulated("moon"))
    frames, usable = moon.frames.copy(), moon.usable.copy()
    noise = np.random.default_rng(6).normal(size=(40, *SHAPE)) * 1.2
    for i, level in zip(CLOUDED, (0, 255, 0, 120, 60, 200, 255, 120), strict=True):
        frames[i] = np.clip(level + noise[i], 0, 255) if level % 255 else level
        usable[i] = False
    for i, contrast, glow in ((6, 0.5, 0), (14, 0.35, 0), (22, 0.25, 0), (28, 0.4, 60)):
        frames[i] = np.clip(moon.frames[i] * contrast + glow + noise[i], 0, 255)
    return replace(moon, frames=frames, usable=usable)


OVEREXPOSED = (5, 16, 30)
"""Numbers of the frames of `overexposed` that are too bright."""


def overexposed() -> HardCapture:
    """A planet, in some frames exposed too long, up to white all over."""
    planet = windows(simulated("planet"))
    frames = planet.frames.astype(float)
    for i, factor in zip(OVEREXPOSED, (2.5, 4, 8), strict=True):
        frames[i] *= factor
    return replace(planet, frames=np.clip(np.rint(frames), 0, 255).astype(np.uint8))


def leaving(n_cut: int) -> HardCapture:
    """A planet that leaves the frame to the right; in the last frames the border cuts it."""
    planet = windows(simulated("planet"))
    # The disc touches the border when it has moved by 70 px.
    moved = np.r_[np.linspace(0, 45, 40 - n_cut), np.linspace(85, 115, n_cut)].round().astype(int)
    frames = [
        np.pad(frame[:, : SHAPE[1] - x], ((0, 0), (x, 0)), mode="edge")
        for frame, x in zip(planet.frames, moved, strict=True)
    ]
    offset = planet.offset + np.stack([np.zeros(40), moved], axis=1)
    return HardCapture(np.stack(frames), offset, np.arange(40) < 40 - n_cut)


def moon_beside_planet() -> HardCapture:
    """A planet with a bright moon that passes close by."""
    planet = windows(simulated("planet"))
    frames = planet.frames.astype(float)
    y, x = np.indices(SHAPE)
    for i, frame in enumerate(frames):
        away = np.hypot(y - 70 - planet.offset[i, 0], x - 172 - i - planet.offset[i, 1])
        frame += 190 * np.clip(5.5 - away, 0, 1)
    return replace(planet, frames=np.clip(frames, 0, 255).astype(np.uint8))


def faint_disc() -> HardCapture:
    """A drifting disc without markings, out of focus and hardly brighter than the sky."""
    rng = np.random.default_rng(7)
    offset = np.linspace((-20, 30), (25, -35), 30) + rng.normal(size=(30, 2))
    y, x = np.indices(SHAPE)
    frames = []
    for dy, dx in offset:
        away = np.hypot(y - 100 - dy, x - 120 - dx) / 26
        light = 14 * np.clip(1 - away**2, 0, 1)
        frames.append(12 + ndimage.gaussian_filter(light, 14) + rng.normal(size=SHAPE) * 1.5)
    return HardCapture(np.clip(frames, 0, 255).astype(np.uint8), offset, np.ones(30, bool))


def bright_limb(radius: float) -> HardCapture:
    """Nothing but an overexposed limb; its radius in px."""
    rng = np.random.default_rng(8)
    offset = rng.normal(size=(30, 2)) * 3
    y, x = np.indices(SHAPE)
    frames = []
    for dy, dx in offset:
        away = np.hypot(y - 120 - dy, x - 90 - radius - dx)
        edge = ndimage.gaussian_filter(600 * np.clip(radius - away + 0.5, 0, 1), 1.5)
        frames.append(np.clip(10 + edge + rng.normal(size=SHAPE) * 1.5, 0, 255))
    return HardCapture(np.stack(frames).astype(np.uint8), offset, np.ones(30, bool))


def uneven_light() -> HardCapture:
    """A drift under vignetting to a third and a gradient of sky glow, both fixed to the camera."""
    x = np.linspace(20, 110, 48).round().astype(int)
    moon = windows(simulated("moon", 48, 210, 860), np.stack([np.full(48, 5), x], axis=1))
    v, u = np.indices(SHAPE) / np.array(SHAPE)[:, None, None] - 0.5
    vignette = 1 - 0.67 * (u**2 + v**2) / 0.5
    frames = moon.frames * vignette + 60 * (u + 0.5)
    return replace(moon, frames=np.clip(np.rint(frames), 0, 255).astype(np.uint8))


def noisy(scene: str, read_noise: float) -> HardCapture:
    """Few photons and a noisy camera; its noise in grey levels."""
    return windows(simulated(scene, 60, photons=100, read_noise=read_noise))
