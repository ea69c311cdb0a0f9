"""Grey values of a decoded video frame.

Most videos store brightness as luma in *limited range*: with 8 bits, 16 is black and 235 is white.
It has to be expanded to the full range, or every image lacks contrast. Here that is one table
look-up for each luma sample, and not FFmpeg's conversion, for three reasons. FFmpeg's results
depend on its version: PyAV 13 expanded full-range 10-bit luma as if it were limited, and white of
limited 8-bit luma became 65277 instead of 65535. FFmpeg dithers. And its code for different
processors need not agree in every bit, while the same file has to give the same bits everywhere.

Red, green and blue become luma by the weights of ITU-R BT.601, which sum to exactly one: grey that
is stored as colour stays as it was.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.io.lookup_table import look_up
from skry_dask.io.video.pixel_layout import layout_of
from skry_dask.io.video.samples import (
    palette_colours,
    palette_indices,
    view_samples,
    with_known_layout,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av import VideoFrame

    from skry_dask.types import AnyArray, Frames

_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_LUMA_WEIGHTS = (19595, 38470, 7471)  # 0.299, 0.587, 0.114 times 2**16
_BAND_ROWS = 32


def is_limited_range(frame: VideoFrame) -> bool:
    """Return whether 16 is black and 235 is white (with 8 bits).

    Grey formats have full range whatever their flag says, as FFmpeg and programs built on it treat
    them: encoders copy full-range grey and leave the flag at its default. YUV without a flag has
    limited range, as in video players.

    Parameters
    ----------
    frame
        A decoded frame.
    """
    name = frame.format.name
    layout = layout_of(name)
    is_full = name.startswith("yuvj") or int(frame.color_range) == _FULL_RANGE
    return layout is not None and layout.kind == "yuv" and not is_full


def to_grey(frame: VideoFrame, dtype: str) -> Frames:
    """Convert a decoded frame to grey values.

    Parameters
    ----------
    frame
        A decoded frame of any pixel format.
    dtype
        ``"uint8"`` or ``"uint16"``.

    Returns
    -------
    uint8 or uint16 (y, x)
        Full range: 0 is black and the highest value of the type is white. Newly allocated. Raw
        colour (behind a colour filter array) stays raw.

    Raises
    ------
    ValueError, av.FFmpegError
        If its pixel format is unknown, or FFmpeg cannot convert it.
    """
    if frame.format.has_palette:
        greys = _to_luma(palette_colours(frame).T[:, None], (8, 8, 8), dtype)[0]
        return look_up(greys, palette_indices(frame))
    is_limited = is_limited_range(frame)
    frame, layout = with_known_layout(frame)
    if layout.kind == "rgb":
        colours = [view_samples(frame, layout, k) for k in range(3)]
        return _to_luma(colours, [component.bits for component in layout.components], dtype)
    return look_up(expansion_table(layout.bits, is_limited, dtype), view_samples(frame, layout, 0))


@cache
def expansion_table(bits: int, is_limited: bool, dtype: str) -> Frames:
    """Make the table that expands samples to the full range of a type.

    Parameters
    ----------
    bits
        Depth of the samples; at least 8 if their range is limited.
    is_limited
        Whether 16 is black and 235 is white (with 8 bits).
    dtype
        ``"uint8"`` or ``"uint16"``.

    Returns
    -------
    uint8 or uint16 (2**bits)
        Expanded value of each sample value, rounded half up; read-only.
    """
    black, white = (16 << (bits - 8), 235 << (bits - 8)) if is_limited else (0, 2**bits - 1)
    full_scale = int(np.iinfo(dtype).max)
    above_black = (np.arange(2**bits, dtype=np.int64) - black).clip(0, white - black)
    half = (white - black) // 2
    table: Frames = ((above_black * full_scale + half) // (white - black)).astype(dtype)
    table.flags.writeable = False
    return table


def _to_luma(colours: Sequence[AnyArray] | AnyArray, bits: Sequence[int], dtype: str) -> Frames:
    """Return the weighted sum of red, green and blue, each (y, x), of the given depths."""
    tables = [
        expansion_table(depth, False, dtype).astype(np.uint32) * np.uint32(weight)
        for depth, weight in zip(bits, _LUMA_WEIGHTS, strict=True)
    ]
    luma: Frames = np.empty(colours[0].shape, dtype)
    # In bands of rows that fit into a cache: four times as fast as the whole image at once.
    for top in range(0, len(luma), _BAND_ROWS):
        rows = slice(top, top + _BAND_ROWS)
        # The weights sum to 2**16: the largest sum, with half for rounding, just fits into 32 bits.
        total = np.uint32(1 << 15)
        for samples, table in zip(colours, tables, strict=True):
            total = total + np.take(table, samples[rows], mode="clip")
        luma[rows] = total >> 16
    return luma
