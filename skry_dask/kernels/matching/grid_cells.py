"""One pixel of each cell of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, IntArray


def most_central_pixels(suitable: BoolArray, margin: int, side: int) -> IntArray:
    """Choose the suitable pixel nearest to the centre of each cell.

    Parameters
    ----------
    suitable
        bool (y, x).
    margin
        Distance of the grid from the edges of the image, at least 1 px.
    side
        Side of a cell, px; the last ones of a row or column may be narrower.

    Returns
    -------
    int64 (cell, axis), row by row, without cells that have no suitable pixel. Of pixels that are
    equally near, the first in reading order.
    """
    rows, columns = (max(-(-(n - 2 * margin + 1) // side), 0) for n in suitable.shape)
    out = np.empty((rows * columns, 2), np.int64)
    n = _most_central_pixels(as_argument(suitable), margin, side, out)
    return out[:n].copy()


@kernel("b1[:, ::1], i8, i8, i8[:, ::1]")
def _most_central_pixels(suitable, margin, side, out):  # type: ignore[no-untyped-def]
    bottom, right = suitable.shape[0] - margin + 1, suitable.shape[1] - margin + 1
    n = 0
    for top in range(margin, bottom, side):
        for left in range(margin, right, side):
            end, last = min(top + side, bottom), min(left + side, right)
            # Twice the distance from the centre is an integer.
            nearest = np.int64(-1)
            for y in range(top, end):
                for x in range(left, last):
                    if suitable[y, x]:
                        down, along = 2 * y - top - end + 1, 2 * x - left - last + 1
                        distance = down * down + along * along
                        if nearest < 0 or distance < nearest:
                            nearest = distance
                            out[n, 0], out[n, 1] = y, x
            if nearest >= 0:
                n += 1
    return n
