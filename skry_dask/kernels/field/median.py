"""Medians of a few values.

NumPy takes 0.1 ms for the median of a few values and holds the interpreter's lock meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import inlined, kernel

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, FloatArray


@inlined
def median(values, n):  # type: ignore[no-untyped-def]
    """Compute the median of the first n values, which are sorted in place.

    `np.median` in a kernel takes 4 times as long.
    """
    for i in range(1, n):
        value = values[i]
        j = i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
    return 0.5 * (values[(n - 1) // 2] + values[n // 2])


def median_displacements(displacements: FloatArray, valid: BoolArray) -> FloatArray:
    """Compute the median of the valid displacements of each frame, along y and along x.

    Parameters
    ----------
    displacements
        float64 (frame, point, axis).
    valid
        bool (frame, point): which displacements count.

    Returns
    -------
    float64 (frame, axis), NaN in frames without valid displacements.
    """
    out = np.full((len(displacements), 2), np.nan)
    arrays = (as_argument(array) for array in (displacements, valid))
    _median_displacements(*arrays, np.empty(displacements.shape[1]), out)
    return out


@kernel("f8[:, :, ::1], b1[:, ::1], f8[::1], f8[:, ::1]")
def _median_displacements(displacements, valid, values, out):  # type: ignore[no-untyped-def]
    for frame in range(len(displacements)):
        for axis in range(2):
            n = 0
            for i in range(displacements.shape[1]):
                if valid[frame, i]:
                    values[n] = displacements[frame, i, axis]
                    n += 1
            if n > 0:
                out[frame, axis] = median(values, n)
