"""Small captures drawn with NumPy, for tests of single phases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import xarray as xr
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.types import FloatArray, Frames


def texture(height: int, width: int, seed: int = 0, scale: float = 1.5) -> FloatArray:
    """Draw light with detail everywhere, 0 to 1."""
    image = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), scale)
    return (image - image.min()) / np.ptp(image)


def disc(
    centre: tuple[float, float],
    *,
    radius: float = 30.0,
    shape: tuple[int, int] = (160, 200),
    level: float = 0.8,
) -> FloatArray:
    """Draw the light of a disc with a soft limb."""
    y, x = np.indices(shape)
    return level * np.clip(radius + 0.5 - np.hypot(y - centre[0], x - centre[1]), 0, 1)


def expose(light: FloatArray, seed: int = 0, *, white: int = 255, noise: float = 1.5) -> Frames:
    """Turn light from 0 to 1 into a frame with read noise, in grey levels of 8 bits."""
    level = 10 + 220 * light + np.random.default_rng(seed).normal(size=light.shape) * noise
    dtype = np.uint8 if white == 255 else np.uint16
    return np.clip(np.rint(level * white / 255), 0, white).astype(dtype)


def noise_frame(shape: tuple[int, ...], seed: int = 99) -> Frames:
    """Draw a frame of 8 bits in which all pixels are unrelated."""
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8)


def capture_of(
    frames: Frames | Sequence[Frames], *, chunks: int = 3, bits: int | None = None
) -> xr.Dataset:
    """Make a capture of frames (frame, y, x[, channel])."""
    frames = np.asarray(frames)
    dims = ("frame", "y", "x", "channel")[: frames.ndim]
    lazy = da.from_array(frames, chunks=(chunks, *(-1,) * (frames.ndim - 1)))
    attrs = {} if bits is None else {"bits": bits}
    return xr.Dataset({"frames": (dims, lazy)}, {"frame": np.arange(len(frames))}, attrs)


def drifting_frames(
    shifts: Sequence[tuple[int, int]] | FloatArray,
    *,
    height: int = 96,
    width: int = 128,
    seed: int = 3,
) -> list[Frames]:
    """Cut frames out of a wide texture, so that its place in the first frame shifts by each."""
    shifts = np.asarray(shifts)
    low, high = shifts.min(axis=0), shifts.max(axis=0)
    scene = texture(height + high[0] - low[0], width + high[1] - low[1], seed)
    corners = high - shifts
    return [
        expose(scene[y : y + height, x : x + width], seed=i) for i, (y, x) in enumerate(corners)
    ]
