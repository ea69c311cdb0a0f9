"""Medians of a few values.

NumPy takes 0.1 ms for the median of a few values and holds the interpreter's lock meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, FloatArray


@kernel
def median(values, n):  # type: ignore[no-untyped-def]
    """Median of the first n values, which are sorted in place; np.median takes 4 times as long."""
    for i in range(1, n):
        v = values[i]
        j = i
        while j > 0 and values[j - 1] > v:
            values[j] = values[j - 1]
            j -= 1
        values[j] = v
    return 0.5 * (values[(n - 1) // 2] + values[n // 2])


def median_displacements(vectors: FloatArray, found: BoolArray) -> FloatArray:
    """Find the median, along y and along x, of the vectors that were found in each frame.

    Parameters
    ----------
    vectors
        float64 (frame, vector, axis).
    found
        bool (frame, vector).

    Returns
    -------
    float64 (frame, axis), NaN where none was found.
    """
    out = np.full((len(vectors), 2), np.nan)
    _median_vectors(vectors, found, np.empty(vectors.shape[1]), out)
    return out


@kernel
def _median_vectors(vectors, found, work, out):  # type: ignore[no-untyped-def]
    for frame in range(len(vectors)):
        for axis in range(2):
            n = 0
            for i in range(vectors.shape[1]):
                if found[frame, i]:
                    work[n] = vectors[frame, i, axis]
                    n += 1
            if n > 0:
                out[frame, axis] = median(work, n)
