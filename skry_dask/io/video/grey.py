"""Grey values of a decoded video frame.

Video mostly stores brightness as luma in *limited range*: with 8 bits, Y 16 is black and 235 white.
It has to be spread to the full range, or every video is grey in grey. Here that is one table
look-up per sample of the luma plane, for three reasons. FFmpeg's own conversion depends on its
version: its full-range 10-bit luma came out spread as if it were limited (PyAV 13), and limited
8-bit white as 65277 in place of 65535. It dithers. And its fast paths for one processor or another
need not agree to the bit, while the same file has to give the same bits everywhere.

Frames of red, green and blue become luma by the weights of ITU-R BT.601, which sum to exactly one:
a grey picture stored as colour stays as it was.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.io.lookup_table import look_up
from skry_dask.io.video.pixel_layout import indices, layout_of, palette, readable, view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av import VideoFrame

    from skry_dask.types import AnyArray, Frames

_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_WEIGHTS = (19595, 38470, 7471)  # 0.299, 0.587, 0.114 times 2**16
_BAND_ROWS = 32


def is_limited_range(frame: VideoFrame) -> bool:
    """Say whether luma has to be spread: 16 is black and 235 is white.

    Grey formats are full range whatever their flag says, as FFmpeg and the programs built on it
    take them: encoders copy full-range grey and leave the flag at its default. YUV without a flag
    is limited, which is what players do.

    Parameters
    ----------
    frame
        A decoded frame.
    """
    name = frame.format.name
    layout = layout_of(name)
    full = name.startswith("yuvj") or int(frame.color_range) == _FULL_RANGE
    return layout is not None and layout.kind == "yuv" and not full


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
    uint8 or uint16 (y, x), full range: 0 is black and the greatest value white; newly allocated.
    Raw colour (behind a colour filter array) stays raw.

    Raises
    ------
    ValueError, av.FFmpegError
        Nothing is known of its pixel format, or FFmpeg cannot convert it.
    """
    if frame.format.has_palette:
        colours = palette(frame)
        return look_up(_luma(colours.T[:, None], (8, 8, 8), dtype)[0], indices(frame))
    limited = is_limited_range(frame)
    frame, layout = readable(frame)
    if layout.kind == "rgb":
        samples = [view(frame, layout, k) for k in range(3)]
        return _luma(samples, [c.bits for c in layout.components], dtype)
    return look_up(expansion(layout.bits, limited, dtype), view(frame, layout, 0))


@cache
def expansion(bits: int, limited: bool, dtype: str) -> Frames:
    """Spread all values that a sample can have to the full range.

    Parameters
    ----------
    bits
        Of the sample; at least 8 if its range is limited.
    limited
        Whether 16 (with 8 bits) is black and 235 white.
    dtype
        ``"uint8"`` or ``"uint16"``.

    Returns
    -------
    uint8 or uint16 (2**bits), the value of each, rounded half up; read-only.
    """
    black, white = (16 << (bits - 8), 235 << (bits - 8)) if limited else (0, 2**bits - 1)
    full = int(np.iinfo(dtype).max)
    above_black = (np.arange(2**bits, dtype=np.int64) - black).clip(0, white - black)
    table: Frames = ((above_black * full + (white - black) // 2) // (white - black)).astype(dtype)
    table.flags.writeable = False
    return table


def _luma(colours: Sequence[AnyArray] | AnyArray, bits: Sequence[int], dtype: str) -> Frames:
    """Weigh red, green and blue, each (y, x) of so many bits."""
    tables = [
        expansion(depth, False, dtype).astype(np.uint32) * np.uint32(weight)
        for depth, weight in zip(bits, _WEIGHTS, strict=True)
    ]
    out: Frames = np.empty(colours[0].shape, dtype)
    # Some rows at a time: four times as fast as the whole, which is larger than a cache.
    for top in range(0, len(out), _BAND_ROWS):
        rows = slice(top, top + _BAND_ROWS)
        # The weights sum to 2**16: the greatest sum, with rounding, is just within 32 bits.
        total = np.uint32(1 << 15)
        for samples, table in zip(colours, tables, strict=True):
            total = total + np.take(table, samples[rows], mode="clip")
        out[rows] = total >> 16
    return out
