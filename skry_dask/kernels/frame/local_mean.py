"""A frame without what varies slowly: sky glow, vignetting, thin cloud.

Blocks are compared by their covariance with the frame, in which light that is added, or that is
fixed to the camera while the scene moves, counts like detail.

Cost, on one core: 0.2 ms for a frame of 840 x 612 px.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import inlined, kernel

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, Frames

MAX_INT32_FACTOR = 64
"""Up to this factor weighted sums of samples of 16 bits fit into 32 bits."""


def subtract_interpolated_mean(frame: Frames, local_mean: Float32Array, factor: int) -> Frames:
    """Subtract the local mean from a frame, whose mean becomes the middle of its dtype's range.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x).
    local_mean
        float32 (y // factor, x // factor), means of ``factor`` x ``factor`` pixels, in grey levels;
        interpolated bilinearly between their centres.
    factor
        A power of two.

    Returns
    -------
    The same dtype, (y, x); clipped to its range.
    """
    out = np.empty(frame.shape, frame.dtype)
    # Centres lie between pixels, so weights count half pixels. They sum to (2 factor)**2.
    word = np.int32 if factor <= MAX_INT32_FACTOR else np.int64
    levels = np.rint(local_mean).astype(word)
    bits = word(2 * factor.bit_length())
    middle = word((int(np.iinfo(frame.dtype).max) + 1) // 2)
    lines = np.empty((2, frame.shape[1]), word)
    pixels = as_argument(frame)
    _subtract_interpolated_mean(pixels, levels, word(factor), bits, middle, lines, out)
    return out


@kernel(
    "S[:, ::1], W[:, ::1], W, W, W, W[:, ::1], S[:, ::1]",
    SW=("u1 i4", "u2 i4", "u1 i8", "u2 i8"),
    optional={"W": "i8"},
    seconds=0.35,
)
def _subtract_interpolated_mean(frame, levels, factor, bits, middle, lines, out):  # type: ignore[no-untyped-def]
    height, width = frame.shape
    sample, word = out.dtype.type, lines.dtype.type
    n_rows, twice = len(levels), word(2 * factor)
    white = word(2 * middle - 1)
    interpolated = -2
    for y in range(height):
        j = min((y + factor // 2) // factor - 1, n_rows - 1) if factor > 1 else y
        if j != interpolated:
            for k in range(2):
                _interpolate_row(levels[min(max(j + k, 0), n_rows - 1)], factor, lines[k])
            interpolated = j
        below = word(min(2 * (y - j * factor - factor // 2) + 1, twice) if factor > 1 else 0)
        above = word(twice - below)
        source, target, upper, lower = frame[y], out[y], lines[0], lines[1]
        for x in range(width):
            mean = word(word(above * upper[x]) + word(below * lower[x])) >> bits
            level = word(word(source[x]) - mean + middle)
            target[x] = sample(min(max(level, word(0)), white))


@inlined
def _interpolate_row(row, factor, out):  # type: ignore[no-untyped-def]
    """Interpolate between the centres of local means; the result is 2 ``factor`` times as large."""
    n, twice = len(row), 2 * factor
    for i in range(-1, n):
        left, right = row[max(i, 0)], row[min(i + 1, n - 1)]
        start = i * factor + factor // 2
        stop = len(out) if i == n - 1 else start + factor
        for x in range(max(start, 0), min(stop, len(out))):
            t = min(2 * (x - start) + 1, twice) if factor > 1 else 0
            out[x] = (twice - t) * left + t * right
