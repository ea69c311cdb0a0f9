"""Pictures of stacking: a frame with what is taken from it, beside the stack so far.

The frame lies still, and its triangles move with the air. What is not stacked is dark; a fragment
is the brighter the more it counts. Points are blue where they were found in the frame, and red
where not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from skry_dask.finishing.timelapse.pictures import stamped

if TYPE_CHECKING:
    from skry_dask.phases.growing_stack import FrameFragments
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray

WIDTHS_PX = 960, 1920
"""Least and greatest width of a movie, px, unless the user wants another one: images are shown
pixel by pixel in between."""

GAP_PX = 4
"""Width of the gap between frame and stack, px."""

UNUSED = 0.3
"""Brightness of what is not stacked. What counts little is brightened as displays do (gamma 2), or
it would look the same."""

FINER = 2
"""Lines are drawn on a grid so many times finer, which makes them smooth."""

LINE, FOUND, NOT_FOUND = (255, 190, 60, 130), (90, 205, 255, 230), (255, 90, 80, 200)
"""Colours of triangles and points: red, green, blue, opacity."""

POINT_SHARE, OF_SPACING = 1 / 260, 1 / 10
"""Radius of a point, as a fraction of the height of the picture, and at most of their distance."""

CLEAR_SPACING_PX = 24.0
"""Triangles and points that are closer together than this are drawn fainter, or they would hide the
frame, px."""


@dataclass(frozen=True, slots=True)
class Pane:
    """Where one image goes in a picture.

    Parameters
    ----------
    y, x
        Canvas positions of the rows and columns of the image, px.
    height, width
        Size in the picture, px.
    white
        Value that is shown white.
    """

    y: FloatArray
    x: FloatArray
    height: int
    width: int
    white: float

    @classmethod
    def of_image(cls, y: AnyArray, x: AnyArray, white: float, width: int | None, n: int) -> Pane:
        """Choose the size of one of n panes beside each other; its sides are even.

        Parameters
        ----------
        y, x
            Canvas positions of the rows and columns of the image, px.
        white
            Value that is shown white.
        width
            Of the whole picture, px; None = as wide as the images, within `WIDTHS_PX`.
        n
            Number of panes.
        """
        gaps = (n - 1) * GAP_PX
        natural = n * len(x) + gaps
        wanted = int(np.clip(natural, *WIDTHS_PX)) if width is None else width
        scale = (wanted - gaps) / (n * len(x))
        height, width = (max(2, 2 * int(len(axis) * scale / 2)) for axis in (y, x))
        return cls(y.astype(np.float64), x.astype(np.float64), height, width, white)

    def shown(self, image: Float32Array) -> Float32Array:
        """Show an image in colour, on the pixels of the pane.

        Parameters
        ----------
        image
            float32 (y, x[, channel]), 1 = full scale, NaN = black.

        Returns
        -------
        float32 (y, x, 3), 0 to 1.
        """
        in_bytes = np.rint(np.nan_to_num(image * (255 / self.white)).clip(0, 255)).astype(np.uint8)
        shown = Image.fromarray(in_bytes).convert("RGB")
        if shown.size != (self.width, self.height):
            shown = shown.resize((self.width, self.height), Image.Resampling.BICUBIC)
        return _as_floats(shown)

    def places(self, positions: FloatArray) -> FloatArray:
        """Find canvas positions (..., axis) in the pane: float64 (..., 2), x before y, px."""
        places = []
        for axis, coords, n in ((1, self.x, self.width), (0, self.y, self.height)):
            step = (coords[-1] - coords[0]) / max(len(coords) - 1, 1) or 1.0
            of_image = (positions[..., axis] - coords[0]) / step
            places.append((of_image + 0.5) * n / len(coords))
        return np.stack(places, axis=-1)


def with_fragments(
    picture: Float32Array,
    pane: Pane,
    fragments: FrameFragments,
    offset: FloatArray,
    found: BoolArray,
) -> Float32Array:
    """Darken what is not stacked, and draw triangles and points.

    Parameters
    ----------
    picture
        float32 (y, x, 3), a frame in the pane.
    pane
        Where canvas positions are in the picture.
    fragments
        Of the frame.
    offset
        float64 (axis), px, of the frame.
    found
        bool (point), whether reference points were found in the frame.

    Returns
    -------
    float32 (y, x, 3), 0 to 1.
    """
    places = pane.places(fragments.corners - offset)
    corners = places[fragments.triangles]
    lit = _light(corners, fragments.share, pane)
    drawing = Image.new("RGBA", (FINER * pane.width, FINER * pane.height), (*LINE[:3], 0))
    draw = ImageDraw.Draw(drawing)
    n_points = fragments.n_points
    spacing = float(np.sqrt(pane.height * pane.width / max(n_points, 1)))
    faint = min(1.0, spacing / CLEAR_SPACING_PX)
    for triangle, share in zip(corners * FINER, fragments.share, strict=True):
        if share > 0:
            closed = [*map(tuple, triangle.tolist()), tuple(triangle[0].tolist())]
            draw.line(closed, fill=_fainter(LINE, faint), width=1)
    radius = max(1.0, min(POINT_SHARE * pane.height, OF_SPACING * spacing)) * FINER
    for (x, y), is_found in zip(places[:n_points] * FINER, found, strict=True):
        fill = _fainter(FOUND if is_found else NOT_FOUND, faint)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    layer = _as_floats(drawing.resize((pane.width, pane.height), Image.Resampling.BOX))
    colour, opacity = layer[..., :3], layer[..., 3:]
    drawn: Float32Array = picture * lit * (1 - opacity) + colour * opacity
    return drawn.clip(0, 1)


def _fainter(colour: tuple[int, int, int, int], factor: float) -> tuple[int, int, int, int]:
    return (*colour[:3], round(colour[3] * factor))


def _light(corners: FloatArray, share: Float32Array, pane: Pane) -> Float32Array:
    """Find how bright each pixel is shown: float32 (y, x, 1), `UNUSED` to 1."""
    light = Image.new("L", (pane.width, pane.height), round(255 * UNUSED))
    draw = ImageDraw.Draw(light)
    levels = np.rint(255 * (UNUSED + (1 - UNUSED) * np.sqrt(share))).astype(int).tolist()
    for triangle, level in zip(corners.tolist(), levels, strict=True):
        draw.polygon([tuple(corner) for corner in triangle], fill=level)
    return _as_floats(light)[..., None]


def _as_floats(image: Image.Image) -> Float32Array:
    """Turn an image of 8 bits into float32, 0 to 1."""
    values: Float32Array = np.asarray(image).astype(np.float32) / np.float32(255)
    return values


def side_by_side(pictures: list[tuple[Float32Array, str]]) -> Float32Array:
    """Put pictures beside each other, each with a line of text.

    Parameters
    ----------
    pictures
        float32 (y, x, 3), 0 to 1, all of one height; and the text.
    """
    parts: list[Float32Array] = []
    for picture, text in pictures:
        if parts:
            parts.append(np.full((len(picture), GAP_PX, 3), 0.5, np.float32))
        parts.append(stamped(picture, text))
    return np.concatenate(parts, axis=1)
