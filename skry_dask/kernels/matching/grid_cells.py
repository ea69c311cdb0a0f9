"""One pixel of each cell of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, IntArray


def most_central_pixels(passes: BoolArray, margin: int, side: int) -> IntArray:
    """Take the pixel nearest to the middle of each cell, of those that pass.

    Parameters
    ----------
    passes
        bool (y, x).
    margin
        Cells begin so far from the edges of the image, and end there, at least 1 px.
    side
        Of a cell, px; the last ones of a row or column may be narrower.

    Returns
    -------
    int64 (cell, axis), row by row; none of cells in which nothing passes. Of pixels that are
    equally near, the first in reading order.
    """
    rows, columns = (max(-(-(n - 2 * margin + 1) // side), 0) for n in passes.shape)
    out = np.empty((rows * columns, 2), np.int64)
    return out[: _middle_of_each_cell(passes, margin, side, out)].copy()


@kernel
def _middle_of_each_cell(passes, margin, side, out):  # type: ignore[no-untyped-def]
    bottom, right = passes.shape[0] - margin + 1, passes.shape[1] - margin + 1
    n = 0
    for top in range(margin, bottom, side):
        for left in range(margin, right, side):
            end, last = min(top + side, bottom), min(left + side, right)
            # Twice the distance from the middle is whole.
            nearest = np.int64(-1)
            for y in range(top, end):
                for x in range(left, last):
                    if passes[y, x]:
                        down, along = 2 * y - top - end + 1, 2 * x - left - last + 1
                        distance = down * down + along * along
                        if nearest < 0 or distance < nearest:
                            nearest = distance
                            out[n, 0], out[n, 1] = y, x
            if nearest >= 0:
                n += 1
    return n
