"""Captures of a still image, as `open_capture` gives them, for tests of calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import xarray as xr

from skry_dask.types import CHANNEL

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from skry_dask.types import AnyArray, FloatArray

SHAPE = (60, 74)
"""Height and width of frames, px."""

CFA = "GRBG"
"""Colour filter array of raw colour frames."""

KINDS = ("mono", "mosaic", "colour")
"""Kinds of frames: grey, raw colour, red green and blue."""


def capture_of(frames: ArrayLike, **attrs: Any) -> xr.Dataset:
    """Label frames (frame, y, x[, channel]), in chunks of two, of a file with an old problem."""
    frames = np.asarray(frames)
    dims = ("frame", "y", "x", "channel")[: frames.ndim]
    chunks = (2, *(-1,) * (frames.ndim - 1))
    coords: dict[str, Any] = {
        dim: np.arange(n) for dim, n in zip(dims[:3], frames.shape[:3], strict=True)
    }
    if frames.ndim > 3:
        coords["channel"] = CHANNEL
    attrs = {"bits": 8, "digest": "d", "problems": ["Old."], "source": "moon.ser", **attrs}
    return xr.Dataset({"frames": (dims, da.from_array(frames, chunks=chunks))}, coords, attrs)


def still_capture(kind: str, image: ArrayLike, n_frames: int = 5, **attrs: Any) -> xr.Dataset:
    """Repeat an image (y, x), grey levels, as frames of one of `KINDS`."""
    image = np.asarray(image)
    if kind == "colour":
        image = np.stack([image, image, image], axis=-1)
    if kind == "mosaic":
        attrs["cfa"] = CFA
    dtype = np.uint8 if attrs.get("bits", 8) == 8 else np.uint16
    return capture_of(np.stack([np.rint(image).astype(dtype)] * n_frames), **attrs)


def vignetting(shape: tuple[int, int] = SHAPE) -> FloatArray:
    """Fraction of the light that reaches each pixel: less towards the corners."""
    y, x = np.indices(shape)
    return 1 - 0.8 * ((y / shape[0] - 0.5) ** 2 + (x / shape[1] - 0.4) ** 2)


def colour_filters(shape: tuple[int, int] = SHAPE) -> AnyArray:
    """Fraction of white light that passes the filter of each pixel of raw colour."""
    passed = np.ones(shape)
    passed[::2, 1::2], passed[1::2, ::2] = 0.7, 0.4
    return passed
