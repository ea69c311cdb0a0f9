"""Connected pixels of a mask, numbered object by object.

Two passes over the rows, in which labels that meet are united (Rosenfeld & Pfaltz, "Sequential
operations in digital picture processing", Journal of the ACM 13, 1966). Cost: 1 to 2 ns a pixel.
`scipy.ndimage.label` gives the same numbers, but importing it takes 25 ms of every job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, IntArray


def label_pixels(mask: BoolArray) -> IntArray:
    """Label the objects of a mask: pixels that are connected along rows and columns.

    Parameters
    ----------
    mask
        bool (y, x); strided views are copied.

    Returns
    -------
    int64 (y, x)
        0 outside all objects; objects from 1, in the order of their first pixels, row by row.
    """
    labels = np.zeros(mask.shape, np.int64)
    # At most every other pixel begins an object, as on a chessboard.
    _label(as_argument(mask), labels, np.zeros((mask.size + 1) // 2 + 1, np.int64))
    return labels


@kernel("b1[:, ::1], i8[:, ::1], i8[::1]")
def _label(mask, labels, parents):  # type: ignore[no-untyped-def]
    """Fill labels; parents has a smaller label of the same object for each label, or itself."""
    n_labels = np.int64(0)
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if not mask[y, x]:
                continue
            above = labels[y - 1, x] if y > 0 else np.int64(0)
            before = labels[y, x - 1] if x > 0 else np.int64(0)
            if above == 0 and before == 0:
                n_labels += 1
                parents[n_labels] = n_labels
                labels[y, x] = n_labels
                continue
            if above > 0 and before > 0:
                while parents[above] != above:
                    above = parents[above]
                while parents[before] != before:
                    before = parents[before]
                parents[max(above, before)] = min(above, before)
                labels[y, x] = min(above, before)
            else:
                labels[y, x] = max(above, before)
    # A parent is smaller than its label, so its own number is known already.
    n_objects = np.int64(0)
    for label in range(1, n_labels + 1):
        if parents[label] == label:
            n_objects += 1
            parents[label] = n_objects
        else:
            parents[label] = parents[parents[label]]
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            labels[y, x] = parents[labels[y, x]]
