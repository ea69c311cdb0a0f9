"""Pictures of the report: images on one canvas and one scale of brightness, as data URIs."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import ndimage

from skry_dask.capture.calibration.develop import Developer
from skry_dask.capture.calibration.on_canvas import frame_on_canvas

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.types import AnyArray, Float32Array, FloatArray

WHITE_PERCENTILE = 99.9
"""Percentile of the stack that is shown white: a few brighter pixels must not darken the page."""

JPEG_QUALITY = 95

MAX_SIDE = 2048
"""Longest side of a picture, px; larger images are shown smaller, or the page would be slow."""


class Picture(NamedTuple):
    """An image of the page.

    Parameters
    ----------
    title
        What it is.
    alt
        What it shows, for those who cannot see it.
    uri
        The image as a data URI.
    """

    title: str
    alt: str
    uri: str


def best_frame(
    capture: xr.Dataset, alignment: xr.Dataset, quality: xr.Dataset, stacked: xr.Dataset
) -> tuple[int, Float32Array]:
    """Show the best frame that the stack uses, where the stack lies.

    Parameters
    ----------
    capture, alignment, quality, stacked
        As from `calibrate`, `align`, `estimate_quality` and `stack`.

    Returns
    -------
    number
        Number of the frame.
    image
        float32 (y, x[, channel]) on the pixels of the stack, 1 = full scale; NaN where the frame
        does not show them.
    """
    rated = quality["frame_quality"].to_numpy().astype(np.float64)
    rated[stacked["fragments"].to_numpy() == 0] = np.nan
    index = int(np.nanargmax(rated)) if not np.isnan(rated).all() else 0
    image = frame_on_canvas(
        capture["frames"][index].to_numpy(),
        Developer.of(capture),
        alignment["offset"].to_numpy()[index],
        stacked["y"].to_numpy(),
        stacked["x"].to_numpy(),
    )
    return int(capture["frame"][index]), image


def on_pixels_of(stacked: xr.Dataset, image: xr.DataArray) -> FloatArray:
    """Resample an image of the region to the pixels of the stack: float64 (y, x[, channel])."""
    axes = [
        (stacked[dim].to_numpy() - float(image[dim][0]))
        / max(float(image[dim][1] - image[dim][0]), 1)
        for dim in ("y", "x")
    ]
    at = np.meshgrid(*axes, indexing="ij")
    values = image.to_numpy().astype(np.float64)
    planes = np.moveaxis(values, -1, 0) if values.ndim > 2 else values[None]
    shown = [ndimage.map_coordinates(p, at, order=1, cval=np.nan) for p in planes]
    return shown[0] if len(shown) == 1 else np.stack(shown, axis=-1)


def to_uri(image: AnyArray, white: float, *, compression: int = 6) -> str:
    """Make a PNG of 8 bits of an image, as a data URI; black at 0, not-a-number is black.

    Parameters
    ----------
    image
        (y, x[, channel]).
    white
        Value that is shown white.
    compression
        1, fast, to 9, small.
    """
    return _encoded(image, white, "png", compress_level=compression)


def to_small_uri(image: AnyArray, white: float) -> str:
    """Make a JPEG of an image: see `to_uri`.

    At this quality, pixels differ by one or two of 255 levels from those of a PNG, which is 2 to 3
    times as large, and takes ten times as long to make.
    """
    return _encoded(image, white, "jpeg", quality=JPEG_QUALITY, subsampling=0)


def _encoded(image: AnyArray, white: float, kind: str, **options: Any) -> str:
    """Make a data URI of an image, smaller if it is very large."""
    from PIL import Image

    step = -(-max(image.shape[:2]) // MAX_SIDE)
    scaled = np.nan_to_num(image[::step, ::step] * (255 / white)).clip(0, 255)
    target = BytesIO()
    Image.fromarray(np.rint(scaled).astype(np.uint8)).save(target, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(target.getvalue()).decode()}"


def white_of(image: AnyArray) -> float:
    """Choose the value that is shown white."""
    found = float(np.nanpercentile(image, WHITE_PERCENTILE))
    return found if found > 0 else 1.0
