"""Displacements at scattered points: outliers found, and gaps filled, by means of neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import inlined, kernel
from skry_dask.kernels.field.median import median

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, FloatArray, IntArray


def reject_outliers(
    fields: FloatArray, first: IntArray, neighbours: IntArray, tolerance: float
) -> BoolArray:
    """Find the vectors that agree with the median of their neighbours.

    The test of Westerweel & Scarano ("Universal outlier detection for PIV data", Experiments in
    Fluids 39, 2005, 1096-1100) with an absolute tolerance in place of the noise level: a vector is
    rejected when its distance from the median exceeds ``tolerance`` plus twice the median distance
    of the neighbours.

    Parameters
    ----------
    fields
        float64 (frame, point, axis), px; NaN where there is none.
    first, neighbours
        int64: point i's neighbours are ``neighbours[first[i]:first[i + 1]]``.
    tolerance
        px.

    Returns
    -------
    bool (frame, point), False for outliers and where there is no vector. Points with fewer than two
    neighbours that have a vector are not tested.
    """
    valid = ~np.isnan(fields[:, :, 0])
    work = np.empty((3, int(np.diff(first).max(initial=0))))
    out = valid.copy()
    arrays = (as_argument(array) for array in (fields, valid, first, neighbours))
    _reject_outliers(*arrays, float(tolerance), work, out)
    return out


@kernel("f8[:, :, ::1], b1[:, ::1], i8[::1], i8[::1], f8, f8[:, ::1], b1[:, ::1]", seconds=0.4)
def _reject_outliers(fields, valid, first, neighbours, tolerance, work, out):  # type: ignore[no-untyped-def]
    for f in range(len(fields)):
        field = fields[f]
        for i in range(len(field)):
            if not valid[f, i]:
                continue
            n = 0
            for j in neighbours[first[i] : first[i + 1]]:
                if valid[f, j]:
                    work[0, n], work[1, n], work[2, n] = field[j, 0], field[j, 1], j
                    n += 1
            if n < 2:
                continue
            y, x = median(work[0], n), median(work[1], n)
            distance = _length(field[i, 0] - y, field[i, 1] - x)
            if distance <= tolerance:
                continue
            # Sorting has separated y from x: vectors are looked up again.
            for k in range(n):
                j = np.int64(work[2, k])
                work[0, k] = _length(field[j, 0] - y, field[j, 1] - x)
            out[f, i] = distance <= tolerance + 2.0 * median(work[0], n)


@inlined
def _length(y, x):  # type: ignore[no-untyped-def]
    return np.sqrt(y * y + x * x)


def fill_gaps(
    fields: FloatArray, valid: BoolArray, first: IntArray, neighbours: IntArray
) -> FloatArray:
    """Give points without a valid vector the mean of their neighbours, ring by ring.

    Parameters
    ----------
    fields
        float64 (frame, point, axis), px.
    valid
        bool (frame, point).
    first, neighbours
        int64: point i's neighbours are ``neighbours[first[i]:first[i + 1]]``.

    Returns
    -------
    float64 (frame, point, axis); 0 where no path of neighbours leads to a valid vector.
    """
    out = as_argument(np.where(valid[:, :, None], fields, 0.0))
    known = valid.copy(order="C")
    filled = np.empty(valid.shape[1], bool)
    _fill_gaps(known, as_argument(first), as_argument(neighbours), filled, out)
    return out


@kernel("b1[:, ::1], i8[::1], i8[::1], b1[::1], f8[:, :, ::1]")
def _fill_gaps(known, first, neighbours, filled, out):  # type: ignore[no-untyped-def]
    for f in range(len(out)):
        more = True
        while more:
            more = False
            filled[:] = False
            for i in range(known.shape[1]):
                if known[f, i]:
                    continue
                n, y, x = 0, 0.0, 0.0
                for j in neighbours[first[i] : first[i + 1]]:
                    if known[f, j]:
                        n += 1
                        y += out[f, j, 0]
                        x += out[f, j, 1]
                if n:
                    out[f, i, 0], out[f, i, 1] = y / n, x / n
                    filled[i] = more = True
            for i in range(known.shape[1]):
                known[f, i] = known[f, i] or filled[i]
