"""A frame without what varies slowly: sky glow, vignetting, thin cloud.

Blocks are compared by their squared differences, and light that is added, or fixed to the camera
while the scene moves, counts there like detail.

Cost: 0.2 ms for a frame of 840 x 612.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compile import kernel

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, Frames


def without_local_mean(frame: Frames, local: Float32Array, factor: int) -> Frames:
    """Take the local mean out of a frame, which is put in the middle of its dtype's range.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x).
    local
        float32 (y // factor, x // factor), local means of ``factor`` x ``factor`` pixels, in grey
        levels; bilinear between their centres.
    factor
        A power of two.

    Returns
    -------
    The same dtype, (y, x); cut off at the ends of its range.
    """
    out = np.empty(frame.shape, frame.dtype)
    levels = np.rint(local).astype(np.int64)
    white = int(np.iinfo(frame.dtype).max)
    row = np.empty(levels.shape[1] + 2, np.int64)
    _without_local_mean(frame, levels, factor, white, row, np.empty(frame.shape[1], np.int64), out)
    return out


@kernel
def _without_local_mean(frame, levels, factor, white, row, mean, out):  # type: ignore[no-untyped-def]
    height, width = frame.shape
    rows, columns = levels.shape
    twice, middle = 2 * factor, (white + 1) // 2
    value = out.dtype.type
    for y in range(height):
        # Weights count in halves of a pixel, for centres lie between pixels.
        j, t = (2 * y + 1 + factor) // twice - 1, (2 * y + 1 + factor) % twice
        above, below = levels[min(max(j, 0), rows - 1)], levels[min(j + 1, rows - 1)]
        for i in range(columns):
            row[i + 1] = (twice - t) * above[i] + t * below[i]
        row[0], row[columns + 1] = row[1], row[columns]
        for x in range(width):
            i, s = (2 * x + 1 + factor) // twice, (2 * x + 1 + factor) % twice
            left, right = row[min(i, columns + 1)], row[min(i + 1, columns + 1)]
            mean[x] = (twice - s) * left + s * right
        source, target = frame[y], out[y]
        for x in range(width):
            level = np.int64(source[x]) + middle - mean[x] // (twice * twice)
            target[x] = value(min(max(level, 0), white))
