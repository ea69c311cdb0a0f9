"""Displacement fields on scattered points: outliers found and gaps filled from neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import inlined, kernel
from skry_dask.kernels.field.median import median

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, FloatArray, IntArray


def reject_outliers(
    fields: FloatArray, first: IntArray, neighbours: IntArray, tolerance: float
) -> BoolArray:
    """Find vectors that differ from the median of their neighbours.

    The test of Westerweel & Scarano ("Universal outlier detection for PIV data", Experiments in
    Fluids 39, 2005, 1096-1100) with an absolute tolerance in place of the noise level: a vector is
    rejected when its residual exceeds ``tolerance`` plus twice the neighbours' median residual.

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
    bool (frame, point), False for outliers and where there is no vector. A point with fewer than
    two usable neighbours is taken as it is.
    """
    valid = ~np.isnan(fields[:, :, 0])
    work = np.empty((3, int(np.diff(first).max(initial=0))))
    out = valid.copy()
    _reject_outliers(fields, valid, first, neighbours, tolerance, work, out)
    return out


@kernel
def _reject_outliers(fields, valid, first, neighbours, tolerance, work, out):  # type: ignore[no-untyped-def]
    for f in range(len(fields)):
        _reject_in_one(fields[f], valid[f], first, neighbours, tolerance, work, out[f])


@kernel
def _reject_in_one(field, valid, first, neighbours, tolerance, work, out):  # type: ignore[no-untyped-def]
    for i in range(len(field)):
        if not valid[i]:
            continue
        n = 0
        for j in neighbours[first[i] : first[i + 1]]:
            if valid[j]:
                work[0, n], work[1, n] = field[j, 0], field[j, 1]
                n += 1
        if n < 2:
            continue
        # Sorting loses which y belongs to which x, so vectors are looked up again for the spread.
        y, x = median(work[0], n), median(work[1], n)
        residual = _length(field[i, 0] - y, field[i, 1] - x)
        if residual <= tolerance:
            continue
        m = 0
        for j in neighbours[first[i] : first[i + 1]]:
            if valid[j]:
                work[2, m] = _length(field[j, 0] - y, field[j, 1] - x)
                m += 1
        spread = median(work[2], n)
        out[i] = residual <= tolerance + 2.0 * spread


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
    out = np.where(valid[:, :, None], fields, 0.0)
    known = valid.copy()
    for_one_frame = np.empty(valid.shape[1], bool)
    _fill_gaps(known, first, neighbours, for_one_frame, out)
    return out


@kernel
def _fill_gaps(known, first, neighbours, filled, out):  # type: ignore[no-untyped-def]
    for f in range(len(out)):
        _fill_one(known[f], first, neighbours, filled, out[f])


@kernel
def _fill_one(known, first, neighbours, filled, out):  # type: ignore[no-untyped-def]
    more = True
    while more:
        more = False
        filled[:] = False
        for i in range(len(known)):
            if known[i]:
                continue
            n, y, x = 0, 0.0, 0.0
            for j in neighbours[first[i] : first[i + 1]]:
                if known[j]:
                    n += 1
                    y += out[j, 0]
                    x += out[j, 1]
            if n:
                out[i, 0], out[i, 1] = y / n, x / n
                filled[i] = more = True
        for i in range(len(known)):
            known[i] = known[i] or filled[i]
