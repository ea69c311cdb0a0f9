"""Colours of a decoded video frame: red, green and blue in full range.

Most videos store colour as luma Y and two differences, U of blue and V of red, which several pixels
share. With the weights kr and kb of red and blue in luma,

    R = Y + 2 (1 - kr) V,   B = Y + 2 (1 - kb) U,   G = (Y - kr R - kb B) / (1 - kr - kb)

(ITU-R BT.601, BT.709, BT.2020). Everything is computed here in integers, for the reasons that
`io.video.grey` gives. Where there is no colour, red, green and blue are exactly the grey value of
that module, and the bits are the same on any machine.

Shared differences are interpolated linearly. Vertically they lie between the rows that share them;
horizontally in the first of the columns, or between them in Motion JPEG and MPEG-1.

Cost on one core, for 1280 x 960 px of YUV 4:2:0: 14 ms in bands of rows that fit into the
processor's cache; FFmpeg's accurate conversion takes 6 ms.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.io.lookup_table import look_up
from skry_dask.io.video.grey import expansion_table, is_limited_range
from skry_dask.io.video.pixel_layout import layout_of
from skry_dask.io.video.samples import (
    palette_colours,
    palette_indices,
    view_samples,
    with_known_layout,
)

if TYPE_CHECKING:
    from av import VideoFrame

    from skry_dask.io.video.pixel_layout import Layout
    from skry_dask.types import AnyArray, Frames

# Weights of red and blue in luma, by the matrix numbers of ITU-T H.273.
_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601
    6: (0.299, 0.114),
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
    10: (0.2627, 0.0593),
}
_BT709, _BT601, _UNSPECIFIED = 1, 5, 2
_MIN_HD_HEIGHT = 720
_BAND_ROWS = 32


def has_colour(frame: VideoFrame) -> bool:
    """Return whether the pixel format of a frame is one of colours; raw colour is not.

    Parameters
    ----------
    frame
        A decoded frame. One with a palette has colour if a colour of its palette is not grey.
    """
    if frame.format.has_palette:
        colours = palette_colours(frame)
        return bool((colours != colours[:, :1]).any())
    layout = layout_of(frame.format.name)
    if layout is None:
        return not frame.format.name.startswith(("mono", "gray", "ya"))
    return layout.kind != "grey"


def luma_weights(frame: VideoFrame) -> tuple[float, float]:
    """Return the weights of red and blue in the luma of a frame.

    Parameters
    ----------
    frame
        A decoded frame. Without a known matrix it is BT.709 from 720 rows on, else BT.601, as in
        video players.
    """
    default = _WEIGHTS[_BT709 if frame.height >= _MIN_HD_HEIGHT else _BT601]
    return _WEIGHTS.get(int(frame.colorspace), default)


def unknown_matrix(frame: VideoFrame) -> int | None:
    """Return the matrix number that a YUV frame states, if the matrix is not known here.

    Parameters
    ----------
    frame
        A decoded frame.
    """
    layout = layout_of(frame.format.name)
    number = int(frame.colorspace)
    is_yuv = layout is not None and layout.kind == "yuv"
    return number if is_yuv and number not in (*_WEIGHTS, _UNSPECIFIED) else None


def to_rgb(frame: VideoFrame, dtype: str, *, centred_chroma: bool = False) -> Frames:
    """Convert a decoded frame to red, green and blue.

    Parameters
    ----------
    frame
        A decoded frame of any pixel format. Transparency is left out.
    dtype
        ``"uint8"`` or ``"uint16"``.
    centred_chroma
        Whether a colour difference lies between the columns that share it, and not in the first.

    Returns
    -------
    uint8 or uint16 (y, x, channel)
        Full range, newly allocated.

    Raises
    ------
    ValueError, av.FFmpegError
        If its pixel format is unknown, or FFmpeg cannot convert it.
    """
    if frame.format.has_palette:
        table = expansion_table(8, False, dtype)
        return np.take(table[palette_colours(frame)], palette_indices(frame), axis=0)
    is_limited, weights = is_limited_range(frame), luma_weights(frame)
    frame, layout = with_known_layout(frame)
    rgb: Frames = np.empty((frame.height, frame.width, 3), dtype)
    if layout.kind == "yuv":
        planes = [view_samples(frame, layout, k) for k in range(3)]
        factor = layout.components[1].factor
        tables = _chroma_tables(layout, is_limited, weights, dtype)
        _convert_yuv(planes, factor, centred_chroma, tables, rgb)
        return rgb
    for channel in range(3):
        component = channel if layout.kind == "rgb" else 0
        samples = view_samples(frame, layout, component)
        bits = layout.components[component].bits
        is_final = bits == 8 and dtype == "uint8"
        rgb[..., channel] = (
            samples if is_final else look_up(expansion_table(bits, False, dtype), samples)
        )
    return rgb


class _YuvTables(NamedTuple):
    """Contribution of each sample value to the colours; int32 (2**bits), fixed point.

    Luma has `shift` fractional bits and includes half a unit for rounding. The others have fewer
    fractional bits: interpolation multiplies them by its integer weights, which makes up for that.
    """

    shift: int
    luma: AnyArray
    red_v: AnyArray
    green_u: AnyArray
    green_v: AnyArray
    blue_u: AnyArray


def _chroma_tables(
    layout: Layout, is_limited: bool, weights: tuple[float, float], dtype: str
) -> _YuvTables:
    factors = (factor for factor in layout.components[1].factor if factor > 1)
    interpolation_bits = sum((2 * factor).bit_length() - 1 for factor in factors)
    return _cached_tables(layout.bits, is_limited, weights, dtype, interpolation_bits)


@cache
def _cached_tables(
    bits: int, is_limited: bool, weights: tuple[float, float], dtype: str, interpolation_bits: int
) -> _YuvTables:
    full_scale = int(np.iinfo(dtype).max)
    # Colours outside the range reach 2.2 times full scale, which has to stay below 2**31.
    shift = 20 if dtype == "uint8" else 12
    black, white = (16 << (bits - 8), 235 << (bits - 8)) if is_limited else (0, 2**bits - 1)
    chroma_range = 224 << (bits - 8) if is_limited else 2**bits - 1
    value = np.arange(2**bits, dtype=np.int64)
    # Rounded down and with half a unit added, luma alone becomes the value of `expansion_table`.
    luma = ((value - black) * full_scale << shift) // (white - black) + (1 << (shift - 1))
    kr, kb = weights
    kg = 1 - kr - kb
    unit = 2.0 ** (shift - interpolation_bits) * full_scale / chroma_range
    factors = (1 - kr, -kb * (1 - kb) / kg, -kr * (1 - kr) / kg, 1 - kb)
    chroma = (np.rint((value - 2 ** (bits - 1)) * (2 * factor * unit)) for factor in factors)
    return _YuvTables(shift, luma.astype(np.int32), *(table.astype(np.int32) for table in chroma))


def _convert_yuv(
    planes: list[AnyArray],
    factor: tuple[int, int],
    centred: bool,
    tables: _YuvTables,
    rgb: Frames,
) -> None:
    """Convert luma and the differences of blue and red to `rgb` (y, x, channel), band by band."""
    luma, blue, red = planes
    fy, fx = factor
    full_scale = int(np.iinfo(rgb.dtype).max)
    width = luma.shape[1]
    u_padded, v_padded = np.pad(blue, 1, mode="edge"), np.pad(red, 1, mode="edge")
    n_rows = _BAND_ROWS // fy
    for top in range(0, len(blue), n_rows):
        u, v = u_padded[top : top + n_rows + 2], v_padded[top : top + n_rows + 2]
        rows = slice(top * fy, (top + n_rows) * fy)
        target = rgb[rows]
        grey = np.take(tables.luma, luma[rows], mode="clip")
        chroma = (
            np.take(tables.red_v, v, mode="clip"),
            np.take(tables.green_u, u, mode="clip") + np.take(tables.green_v, v, mode="clip"),
            np.take(tables.blue_u, u, mode="clip"),
        )
        for channel, shared in enumerate(chroma):
            for_each_row = _interpolate(shared, fy, centred=True, axis=0)
            for_each_pixel = _interpolate(for_each_row, fx, centred=centred, axis=1)
            total = for_each_pixel[: len(grey), :width] + grey
            total >>= tables.shift
            np.clip(total, 0, full_scale, out=total)
            target[..., channel] = total


def _interpolate(values: AnyArray, factor: int, *, centred: bool, axis: int) -> AnyArray:
    """Interpolate linearly along an axis; the result is multiplied by 2 `factor` unless that is 1.

    Parameters
    ----------
    values
        int32 (y, x), with one neighbour more at both ends of the axis.
    factor
        Number of results for each value.
    centred
        Whether a value lies in the middle of its results, and not at the first.
    axis
        0 or 1.

    Returns
    -------
    int32
        `factor` times as long along the axis, without the neighbours.
    """
    n = values.shape[axis] - 2
    if factor == 1:
        return values[1:-1] if axis == 0 else values[:, 1:-1]
    shape = (n * factor, values.shape[1]) if axis == 0 else (values.shape[0], n * factor)
    result = np.empty(shape, np.int32)
    source, target = (values, result) if axis == 0 else (values.T, result.T)
    for phase in range(factor):
        # Place of the result after the value, in 1 / (2 factor) of the distance between values.
        place = 2 * phase - (factor - 1 if centred else 0)
        first, weight = (1, place) if place >= 0 else (0, place + 2 * factor)
        before, after = source[first : first + n], source[first + 1 : first + 1 + n]
        if weight:
            np.add(before * (2 * factor - weight), after * weight, out=target[phase::factor])
        else:
            np.multiply(before, 2 * factor, out=target[phase::factor])
    return result
