"""Pictures of a movie: a common stretch, and text written into them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.types import AnyArray, Float32Array

DARKEST, BRIGHTEST = 0.1, 99.9
"""Percentiles of brightness that a stretch makes black and white."""

TEXT_SHARE = 1 / 22
"""Height of the text, as a fraction of the height of the picture."""

MIN_TEXT_PX = 11
"""Least height of the text, px."""


class Stretch(NamedTuple):
    """Brightness that becomes black, and white; 1 = full scale."""

    black: float = 0.0
    white: float = 1.0

    @classmethod
    def of_images(cls, images: Sequence[Float32Array]) -> Stretch:
        """Choose the same stretch for several images (y, x[, channel]), NaN where they lack."""
        values = [np.nanpercentile(image, [DARKEST, BRIGHTEST]) for image in images]
        black, white = min(v[0] for v in values), max(v[1] for v in values)
        return cls(float(black), float(max(white, black + 1e-6)))

    def applied(self, image: Float32Array) -> Float32Array:
        """Stretch an image (y, x[, channel]): 0 to 1; 0 where it has no value."""
        stretched = (image - self.black) / (self.white - self.black)
        return np.nan_to_num(stretched, nan=0.0).clip(0, 1).astype(np.float32)


def stamped(picture: Float32Array, text: str) -> Float32Array:
    """Write text into the lower left corner of a picture, white with a dark rim.

    Parameters
    ----------
    picture
        float32 (y, x[, channel]), 0 to 1.
    text
        One line.
    """
    height, width = picture.shape[:2]
    letters, around = _drawn(text, height, width)
    if picture.ndim == 3:
        letters, around = letters[..., None], around[..., None]
    out: Float32Array = picture * (1 - around) + letters
    return out.clip(0, 1)


def _drawn(text: str, height: int, width: int) -> tuple[AnyArray, AnyArray]:
    """Draw text: float32 (y, x), 0 to 1, what letters cover, and what they and their rim cover."""
    from PIL import Image, ImageDraw, ImageFont

    size = max(MIN_TEXT_PX, round(TEXT_SHARE * height))
    font = ImageFont.load_default(size)
    while size > MIN_TEXT_PX and font.getbbox(text)[2] > width - size:
        size -= 1
        font = ImageFont.load_default(size)
    covered = []
    for rim in (0, max(1, size // 12)):
        image = Image.new("L", (width, height))
        place = (size // 2, height - size // 2)
        ImageDraw.Draw(image).text(
            place, text, fill=255, font=font, anchor="ls", stroke_width=rim, stroke_fill=255
        )
        covered.append(np.asarray(image, np.float32) / 255)
    return covered[0], covered[1]
