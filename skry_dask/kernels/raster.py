"""Triangles to pixels, pixels to row spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compile import kernel

if TYPE_CHECKING:
    from skry_dask.types import FloatArray, IntArray


def label_triangles(corners: FloatArray, triangles: IntArray, height: int, width: int) -> IntArray:
    """Name the triangle of each pixel.

    Parameters
    ----------
    corners
        float64 (corner, axis), px; their convex hull covers the image.
    triangles
        int64 (triangle, 3), indices of corners.
    height, width
        Size of the image, px.

    Returns
    -------
    int64 (y, x); a pixel on a common edge belongs to the triangle of the lowest index.
    """
    labels = np.full((height, width), -1, np.int64)
    _label_triangles(corners, triangles, labels)
    return labels


@kernel
def _label_triangles(corners, triangles, labels):  # type: ignore[no-untyped-def]
    height, width = labels.shape
    tolerance = 1e-6
    for t in range(len(triangles)):
        p = corners[triangles[t]]
        first = max(0, int(np.ceil(p[:, 0].min() - tolerance)))
        last = min(height - 1, int(np.floor(p[:, 0].max() + tolerance)))
        for row in range(first, last + 1):
            low, high = np.inf, -np.inf
            for k in range(3):
                y0, x0 = p[k, 0], p[k, 1]
                y1, x1 = p[(k + 1) % 3, 0], p[(k + 1) % 3, 1]
                if min(y0, y1) - tolerance > row or max(y0, y1) + tolerance < row:
                    continue
                if abs(y1 - y0) < tolerance:
                    low, high = min(low, x0, x1), max(high, x0, x1)
                else:
                    x = x0 + (x1 - x0) * (row - y0) / (y1 - y0)
                    low, high = min(low, x), max(high, x)
            if low > high:
                continue
            begin = max(0, int(np.ceil(low - tolerance)))
            end = min(width - 1, int(np.floor(high + tolerance))) + 1
            for column in range(begin, end):
                if labels[row, column] < 0:
                    labels[row, column] = t
    # A pixel that rounding left out joins its neighbour: every pixel has a fragment.
    for row in range(height):
        for column in range(width):
            if labels[row, column] < 0:
                if column > 0:
                    labels[row, column] = labels[row, column - 1]
                elif row > 0:
                    labels[row, column] = labels[row - 1, column]
                else:
                    labels[row, column] = 0


def label_spans(labels: IntArray, n_labels: int) -> tuple[IntArray, IntArray]:
    """Collect runs of equal labels along the rows, label by label.

    Parameters
    ----------
    labels
        int64 (y, x), from 0 to ``n_labels - 1``.
    n_labels
        Number of labels.

    Returns
    -------
    int64 (span, 3), int64 (n_labels + 1)
        Row, first column and end column of each span, by label and row; where each label begins.
    """
    change = np.ones(labels.shape, bool)
    change[:, 1:] = labels[:, 1:] != labels[:, :-1]
    row, begin = np.nonzero(change)
    starts = np.flatnonzero(change)
    end = begin + np.diff(np.append(starts, labels.size))
    owner = labels[row, begin]
    order = np.argsort(owner, kind="stable")
    spans = np.stack([row, begin, end], axis=1)[order]
    first = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n_labels))])
    return spans, first
