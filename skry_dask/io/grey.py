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

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from av import VideoFrame

    from skry_dask.types import AnyArray, Frames

# Formats whose first plane is luma and nothing else, low bits first used.
_LUMA_FIRST = re.compile(r"(gray(\d+(le|be))?|yuv[aj]?4\d\dp(\d+(le|be))?|nv(12|16|21|24))")

# What the same samples look like with luma in a plane of its own.
_PLANAR = {
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "yvyu422": "yuv422p",
    "ya8": "gray",
    "ya16le": "gray16le",
    "ya16be": "gray16le",
    "p010le": "yuv420p10le",
    "p210le": "yuv422p10le",
    "p016le": "yuv420p16le",
    "y210le": "yuv422p10le",
}
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_WEIGHTS = (19595, 38470, 7471)  # 0.299, 0.587, 0.114 times 2**16


def sample_dtype(frame: VideoFrame) -> str:
    """Choose the type that holds all bits of a frame's samples.

    Parameters
    ----------
    frame
        A decoded frame.

    Returns
    -------
    ``"uint8"`` or ``"uint16"``.
    """
    return "uint16" if max(c.bits for c in frame.format.components) > 8 else "uint8"


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
    full_by_name = frame.format.name.startswith(("gray", "ya", "mono", "yuvj"))
    full_by_kind = frame.format.is_rgb or frame.format.has_palette
    return not (full_by_name or full_by_kind or int(frame.color_range) == _FULL_RANGE)


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
    """
    limited = is_limited_range(frame)
    if planar := _PLANAR.get(frame.format.name):
        frame = frame.reformat(format=planar)
    name = frame.format.name
    if _LUMA_FIRST.fullmatch(name) and frame.planes[0].line_size > 0:
        bits = frame.format.components[0].bits
        kind = "u1" if bits <= 8 else (">u2" if name.endswith("be") else "<u2")
        table = _expansion(bits, limited, dtype)
        return look_up(table, _plane(frame, kind, 1)[..., 0])
    wide = sample_dtype(frame) == "uint16"
    colour = _plane(
        frame.reformat(format="rgb48le" if wide else "rgb24"), "<u2" if wide else "u1", 3
    )
    luma = np.full(colour.shape[:2], 1 << 15, np.int64)
    for channel, weight in enumerate(_WEIGHTS):
        luma += colour[..., channel] * np.int64(weight)
    return look_up(_expansion(16 if wide else 8, False, dtype), luma >> 16)


def look_up(table: Frames, samples: AnyArray) -> Frames:
    """Replace every sample by its value in a table.

    Parameters
    ----------
    table
        uint8 or uint16 (value); a sample beyond its end gets its last value.
    samples
        Integers (y, x), at least 0.

    Returns
    -------
    (y, x) of the table's dtype, newly allocated.
    """
    if samples.dtype == table.dtype == np.uint8 and len(table) == 256:
        # numpy widens indices to 64 bits first: 1.5 ms for 960 x 1280 px against 0.5 ms.
        found = bytearray(np.ascontiguousarray(samples).data).translate(table.tobytes())
        return np.frombuffer(found, np.uint8).reshape(samples.shape)
    return np.take(table, samples, mode="clip")


def _plane(frame: VideoFrame, kind: str, n_channels: int) -> AnyArray:
    """View the first plane as (y, x, channel); rows in memory may be longer than the picture's."""
    plane = frame.planes[0]
    sample = np.dtype(kind)
    return np.ndarray(
        (frame.height, frame.width, n_channels),
        sample,
        buffer=memoryview(plane),
        strides=(plane.line_size, n_channels * sample.itemsize, sample.itemsize),
    )


@cache
def _expansion(bits: int, limited: bool, dtype: str) -> Frames:
    """Return the full-range grey value of each sample value (2**bits)."""
    black, white = (16 << (bits - 8), 235 << (bits - 8)) if limited else (0, 2**bits - 1)
    full = int(np.iinfo(dtype).max)
    above_black = (np.arange(2**bits, dtype=np.int64) - black).clip(0, white - black)
    table: Frames = ((above_black * full + (white - black) // 2) // (white - black)).astype(dtype)
    table.flags.writeable = False
    return table
