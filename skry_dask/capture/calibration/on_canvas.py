"""Single frames as images on the canvas: developed, and moved by their offset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.capture.calibration.develop import Developer
    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames


def developed_image(frame: Frames, developer: Developer) -> Float32Array:
    """Develop a frame to an image.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x[, channel]), raw.
    developer
        Of the capture's frames.

    Returns
    -------
    float32 (y, x[, channel]), 0 = no light, 1 = full scale.
    """
    names = developer.planes
    planes = developer.develop(frame, names)
    image = np.empty((*planes[0].shape, len(names)), np.float32)
    for i, (name, plane) in enumerate(zip(names, planes, strict=True)):
        image[..., i] = (plane / developer.units(name) - developer.black) / developer.white
    return image if len(names) > 1 else image[..., 0]


def frame_on_canvas(
    frame: Frames, developer: Developer, offset: FloatArray, y: AnyArray, x: AnyArray
) -> Float32Array:
    """Develop a frame, and take the pixels of the canvas from it, by linear interpolation.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x[, channel]), raw.
    developer
        Of the capture's frames.
    offset
        float64 (axis), px: the scene at canvas point p shows in the frame at p + offset.
    y, x
        Canvas positions of rows and columns, px.

    Returns
    -------
    float32 (y, x[, channel]), 0 = no light, 1 = full scale, NaN where the frame does not show the
    canvas.
    """
    image = developed_image(frame, developer)
    for axis, places in enumerate((y + offset[0], x + offset[1])):
        image = _interpolated(image, places, axis)
    return image


def _interpolated(image: Float32Array, places: FloatArray, axis: int) -> Float32Array:
    """Take the places along an axis, px; NaN outside."""
    last = image.shape[axis] - 1
    first = np.clip(np.floor(places), 0, max(last - 1, 0)).astype(np.int64)
    shape = [1] * image.ndim
    shape[axis] = -1
    share = (places - first).astype(np.float32).reshape(shape)
    before, after = (image.take(np.minimum(at, last), axis) for at in (first, first + 1))
    taken = before + share * (after - before)
    outside = (places < 0) | (places > last)
    return np.where(outside.reshape(shape), np.float32(np.nan), taken)
