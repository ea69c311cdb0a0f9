"""Light of the cells of thumbnails: of each cell its darkest and brightest pixel, and its mean.

Cost, on one core: 0.05 ms for a thumbnail of 160 x 117 px.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import Float32Array, FloatArray

N_SIDE = 24
"""Number of cells along each axis of a thumbnail."""

N_VALUES = 3
"""Values of a cell: darkest pixel, brightest pixel, mean."""


def cell_light(thumbnails: Float32Array, shifts: FloatArray) -> Float32Array:
    """Measure the light of cells that are fixed to the scene.

    Parameters
    ----------
    thumbnails
        float32 (thumbnail, y, x).
    shifts
        float64 (thumbnail, axis): how much further down and to the right than the cells each
        thumbnail shows the scene, px.

    Returns
    -------
    float32 (thumbnail, value, cell), cells numbered row by row: darkest and brightest pixel, and
    mean; NaN for cells of which a thumbnail shows less than half, or that have no pixel.
    """
    out = np.full((len(thumbnails), N_VALUES, N_SIDE * N_SIDE), np.nan, np.float32)
    _cell_light(as_argument(thumbnails), as_argument(shifts), out)
    return out


@kernel("f4[:, :, ::1], f8[:, ::1], f4[:, :, ::1]", seconds=0.4)
def _cell_light(thumbnails, shifts, out):  # type: ignore[no-untyped-def]
    height, width = thumbnails.shape[1], thumbnails.shape[2]
    for i in range(len(thumbnails)):
        if not (np.isfinite(shifts[i, 0]) and np.isfinite(shifts[i, 1])):
            continue
        image = thumbnails[i]
        down, right = int(np.floor(shifts[i, 0])), int(np.floor(shifts[i, 1]))
        low, far = np.float32(shifts[i, 0] - down), np.float32(shifts[i, 1] - right)
        near, high = np.float32(1) - far, np.float32(1) - low
        for cell in range(N_SIDE * N_SIDE):
            row, column = cell // N_SIDE, cell % N_SIDE
            top, bottom = row * height // N_SIDE, (row + 1) * height // N_SIDE
            first, last = column * width // N_SIDE, (column + 1) * width // N_SIDE
            left, end = max(first, -right), min(last, width - 1 - right)
            n, total = 0, 0.0
            darkest, brightest = np.float32(np.inf), np.float32(-np.inf)
            for y in range(max(top, -down), min(bottom, height - 1 - down)):
                above, below = image[y + down], image[y + down + 1]
                for x in range(left, end):
                    at = x + right
                    upper = near * above[at] + far * above[at + 1]
                    value = high * upper + low * (near * below[at] + far * below[at + 1])
                    darkest, brightest = min(darkest, value), max(brightest, value)
                    total += value
                    n += 1
            if n > 0 and 2 * n >= (bottom - top) * (last - first):
                out[i, 0, cell] = darkest
                out[i, 1, cell] = brightest
                out[i, 2, cell] = total / n
