"""Detail of a frame: how far it is from its own blurred copy, summed over areas.

Three box blurs of radius r come close to a Gaussian of variance r (r + 1) (Wells, "Efficient
synthesis of Gaussian filters by cascaded uniform filters", IEEE PAMI 8(2), 1986, 234-239). All
sums are integers: a blur is a horizontal sum by shifted adds, a vertical running sum, and a
division by multiplication and shift that returns constant images unchanged.

Cost: 8-bit samples carry 4 fractional bits and stay in uint16 lanes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compile import kernel

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Frames, IntArray


def area_detail(image: Frames, radius: int, y_edges: IntArray, x_edges: IntArray) -> IntArray:
    """Sum |image - blurred image| over areas.

    Parameters
    ----------
    image
        uint8 or uint16 (y, x); strided views will do. Edges are continued by their last pixel.
    radius
        Radius of the three box blurs, px.
    y_edges, x_edges
        int64, borders of the areas, ascending from 0 to the height or width, px.

    Returns
    -------
    int64 (area_y, area_x), in 1/16 of a grey level for uint8, in grey levels for uint16.
    """
    side = 2 * radius + 1
    fraction = 4 if image.dtype == np.uint8 else 0
    peak = int(np.iinfo(image.dtype).max) << fraction
    narrow = peak * side < 1 << 16
    value = np.uint16 if narrow else np.uint32
    total = np.uint32 if peak.bit_length() <= 12 and side <= 15 else np.uint64
    # The multiplier has as many bits as the sums leave free: enough for blur(constant) = constant.
    free = (32 if total is np.uint32 else 62) - (peak * side * side).bit_length()
    shift = free + (side * side).bit_length() - 1
    multiplier = round(2**shift / side**2)
    height, width = image.shape
    out = np.zeros((len(y_edges) - 1, len(x_edges) - 1), np.int64)
    if height == 0 or width == 0:
        return out
    planes = np.empty((2, height, width), value)
    padded = np.empty(width + 2 * radius, value)
    column = np.empty(width, total)
    _area_detail(
        image, radius, fraction, total(multiplier), total(shift), planes, padded, column,
        y_edges, x_edges, out,
    )  # fmt: skip
    return out


@kernel
def _area_detail(  # type: ignore[no-untyped-def]
    image, radius, fraction, multiplier, shift, planes, padded, column, y_edges, x_edges, out
):
    height, width = image.shape
    value = planes.dtype.type
    source, sums = planes[0], planes[1]
    for y in range(height):
        for x in range(width):
            source[y, x] = value(value(image[y, x]) << value(fraction))
    for _ in range(3):
        _row_sums(source, radius, padded, sums)
        _column_means(sums, radius, multiplier, shift, column, source)
    for j in range(len(y_edges) - 1):
        for y in range(y_edges[j], y_edges[j + 1]):
            for i in range(len(x_edges) - 1):
                detail = np.uint32(0)
                for x in range(x_edges[i], x_edges[i + 1]):
                    sharp = np.int32(np.int32(image[y, x]) << np.int32(fraction))
                    detail = np.uint32(detail + np.uint32(abs(np.int32(sharp - source[y, x]))))
                out[j, i] += detail


@kernel
def _row_sums(source, radius, padded, sums):  # type: ignore[no-untyped-def]
    """Sum 2 radius + 1 neighbours along each row by shifted adds, which vectorise."""
    height, width = source.shape
    value = sums.dtype.type
    for y in range(height):
        row, out = source[y], sums[y]
        for k in range(radius):
            padded[k] = row[0]
            padded[radius + width + k] = row[width - 1]
        for x in range(width):
            padded[radius + x] = row[x]
            out[x] = row[x]
        for k in range(radius):
            left = padded[k:]
            right = padded[2 * radius - k :]
            for x in range(width):
                out[x] = value(out[x] + value(left[x] + right[x]))


@kernel
def _column_means(sums, radius, multiplier, shift, column, out):  # type: ignore[no-untyped-def]
    """Sum down the columns, divided by the size of the box."""
    height, width = sums.shape
    value, total = out.dtype.type, column.dtype.type
    half = total(total(1) << total(shift - 1))
    for x in range(width):
        column[x] = total(sums[0, x]) * total(radius)
    for y in range(radius):
        row = sums[min(y, height - 1)]
        for x in range(width):
            column[x] = total(column[x] + total(row[x]))
    for y in range(height):
        entering = sums[min(y + radius, height - 1)]
        target = out[y]
        for x in range(width):
            column[x] = total(column[x] + total(entering[x]))
            target[x] = value(total(total(column[x] * multiplier) + half) >> shift)
        leaving = sums[max(y - radius, 0)]
        for x in range(width):
            column[x] = total(column[x] - total(leaving[x]))


def frame_detail(image: AnyArray, radius: int) -> int:
    """Detail of a whole frame; see `area_detail`."""
    edges = [np.array([0, n], np.int64) for n in image.shape]
    return int(area_detail(image, radius, edges[0], edges[1])[0, 0])
