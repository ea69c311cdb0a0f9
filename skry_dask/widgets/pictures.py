"""Pictures of widgets: images as PNG of 8 bits."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from skry_dask.types import AnyArray

WHITE_PERCENTILE = 99.9
"""Percentile of an image that is shown white: a few brighter pixels must not darken the picture."""

COMPRESSION = 2
"""Of PNG, of 9: a frame of 10 megapixels in 0.2 s, and a tenth larger than the smallest."""

MAX_STILL_PX = 480
"""Longest side of a still picture, which is kept in the notebook, px."""


def white_level(image: AnyArray) -> float:
    """Choose the value of an image that is shown white: above 0."""
    known = image[~np.isnan(image)]
    found = float(np.percentile(known, WHITE_PERCENTILE)) if known.size else 0.0
    return found if found > 0 else 1.0


def to_png(image: AnyArray, white: float) -> bytes:
    """Make a PNG, black at 0 and where there is no value.

    Parameters
    ----------
    image
        (y, x) or (y, x, channel): red, green, blue.
    white
        Value that is shown white.
    """
    return _encoded(_picture(image, white))


def to_still(image: AnyArray, white: float) -> str:
    """Make a small PNG as a data URI; see `to_png`."""
    picture = _picture(image, white)
    picture.thumbnail((MAX_STILL_PX, MAX_STILL_PX))
    return f"data:image/png;base64,{base64.b64encode(_encoded(picture)).decode()}"


def _picture(image: AnyArray, white: float) -> Image.Image:
    levels = np.rint(np.nan_to_num(image * (255 / white)).clip(0, 255)).astype(np.uint8)
    return Image.fromarray(levels)


def _encoded(picture: Image.Image) -> bytes:
    content = BytesIO()
    picture.save(content, "PNG", compress_level=COMPRESSION)
    return content.getvalue()
