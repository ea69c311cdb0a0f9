"""Triangles to pixels, pixels to row spans, and where triangles lie in a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, FloatArray, IntArray


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
        corner = triangles[t]
        top, bottom = np.inf, -np.inf
        for k in range(3):
            top, bottom = min(top, corners[corner[k], 0]), max(bottom, corners[corner[k], 0])
        first = max(0, int(np.ceil(top - tolerance)))
        last = min(height - 1, int(np.floor(bottom + tolerance)))
        for row in range(first, last + 1):
            low, high = np.inf, -np.inf
            for k in range(3):
                y0, x0 = corners[corner[k], 0], corners[corner[k], 1]
                after = corner[(k + 1) % 3]
                y1, x1 = corners[after, 0], corners[after, 1]
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
    labels = np.ascontiguousarray(labels, np.int64)
    first = np.zeros(n_labels + 1, np.int64)
    nothing = np.empty((0, 3), np.int64)
    _label_spans(labels, first[1:], nothing)
    np.cumsum(first, out=first)
    spans = np.empty((first[-1], 3), np.int64)
    _label_spans(labels, first[:-1].copy(), spans)
    return spans, first


@kernel
def _label_spans(labels, at, spans):  # type: ignore[no-untyped-def]
    """Count the spans of each label, or write them where each label's begin."""
    height, width = labels.shape
    for row in range(height):
        begin = 0
        for column in range(1, width + 1):
            if column == width or labels[row, column] != labels[row, begin]:
                label = labels[row, begin]
                if len(spans) > 0:
                    span = spans[at[label]]
                    span[0], span[1], span[2] = row, begin, column
                at[label] += 1
                begin = column


def fill_fragments(spans: IntArray, first: IntArray, values: IntArray, out: AnyArray) -> None:
    """Give the pixels of each fragment its value.

    Parameters
    ----------
    spans, first
        From `label_spans`.
    values
        int64 (fragment).
    out
        Of integers (y, x), receives them.
    """
    _paint(spans, first, values, out)


@kernel
def _paint(spans, first, values, out):  # type: ignore[no-untyped-def]
    for fragment in range(len(values)):
        for s in range(first[fragment], first[fragment + 1]):
            row = spans[s, 0]
            for column in range(spans[s, 1], spans[s, 2]):
                out[row, column] = values[fragment]


def count_labels(
    spans: IntArray, first: IntArray, labels: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Count the pixels of each fragment that have each label.

    Parameters
    ----------
    spans, first
        From `label_spans`.
    labels
        int64 (y, x), of another kind.

    Returns
    -------
    int64 (fragment + 1), int64 (entry), int64 (entry)
        Where the entries of each fragment begin; labels, and in how many pixels: the parts of a
        matrix in compressed rows, in the order in which labels are met.
    """
    most = len(spans) + np.count_nonzero(labels[:, 1:] != labels[:, :-1])
    begins = np.zeros(len(first), np.int64)
    found, counts = np.empty(most, np.int64), np.empty(most, np.int64)
    n = _count_labels(spans, first, labels, begins, found, counts)
    return begins, found[:n].copy(), counts[:n].copy()


@kernel
def _count_labels(spans, first, labels, begins, found, counts):  # type: ignore[no-untyped-def]
    n = 0
    for fragment in range(len(first) - 1):
        begin = at = n
        for s in range(first[fragment], first[fragment + 1]):
            row = spans[s, 0]
            for column in range(spans[s, 1], spans[s, 2]):
                label = labels[row, column]
                if n == begin or found[at] != label:
                    at = begin
                    while at < n and found[at] != label:
                        at += 1
                    if at == n:
                        found[n], counts[n] = label, 0
                        n += 1
                counts[at] += 1
        begins[fragment + 1] = n
    return n


def triangle_affine(
    corners: FloatArray,
    triangles: IntArray,
    motion: FloatArray,
    origin: tuple[float, float],
    scale: float = 1.0,
) -> FloatArray:
    """Find where the pixels of each triangle lie in a frame, in a tenth of the time NumPy takes.

    Parameters
    ----------
    corners
        float64 (corner, axis), in the region, px.
    triangles
        int64 (triangle, 3), indices of corners.
    motion
        float64 (corner, axis): place in the frame less place on the canvas, px.
    origin
        Canvas position of the region's first pixel, px.
    scale
        How many pixels of the image there are along one of the region.

    Returns
    -------
    float64 (triangle, 2, 3): place in the frame = affine @ (1, row, column) of the image, px.
    """
    out = np.empty((len(triangles), 2, 3))
    _triangle_affine(corners, triangles, np.ascontiguousarray(motion), origin, scale, out)
    return out


@kernel
def _triangle_affine(corners, triangles, motion, origin, scale, out):  # type: ignore[no-untyped-def]
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        y, x = corners[a, 0], corners[a, 1]
        y1, x1 = corners[b, 0] - y, corners[b, 1] - x
        y2, x2 = corners[c, 0] - y, corners[c, 1] - x
        area = y1 * x2 - y2 * x1
        for axis in range(2):
            own = motion[a, axis]
            m1, m2 = motion[b, axis] - own, motion[c, axis] - own
            by_row, by_column = (m1 * x2 - m2 * x1) / area, (m2 * y1 - m1 * y2) / area
            first = own - by_row * y - by_column * x + origin[axis]
            by_row += 1.0 - axis
            by_column += axis
            # Rows and columns are the image's, whose first lies half of one inside the edge.
            out[t, axis, 0] = first + (by_row + by_column) * (0.5 / scale - 0.5)
            out[t, axis, 1], out[t, axis, 2] = by_row / scale, by_column / scale
