"""Drizzle: the light of each pixel dropped onto a finer grid, where it lies.

Every pixel of a frame shrinks to a drop, and its light is spread over the pixels of the image that
the drop covers, by the area of the overlap (Fruchter and Hook, "Drizzle: a method for the linear
reconstruction of undersampled images", PASP 114, 2002, 144-152). Light is not interpolated: the
image is sharper, its noise uncorrelated for small drops, and it needs frames that lie differently.

Gathered rather than scattered: for each pixel of the image, the drops that overlap with it. Both
are squares with sides along the frame's axes; fragments are turned and stretched by no more than a
few hundredths, which is neglected. A pixel of the image and a drop are together at most two pixels
of the frame wide, so at most two drops a side overlap, and their overlaps are a table of 256 phases
like the weights of an interpolation, but without a constant sum. A drop counts by its overlap on
either side of the border between two fragments. With drops of the full size and pixels of the
frame's size, overlaps are the bilinear weights.

Raw colour is drizzled from each colour's own pixels: nothing is demosaiced.

Cost: as cubic interpolation of as many pixels, which are 4 times as many at scale 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel
from skry_dask.kernels.stacking.resample import PHASES, fixed16, fixed32

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, BoolArray, FloatArray, IntArray

OVERLAP_BITS = 11
"""Overlaps along one axis are multiples of 2**-11 px of the frame. Two of them and samples of 24
bits leave room for the sums of 2**17 frames."""


def drop_overlap_table(scale: float, drop: float) -> IntArray:
    """Overlaps of a pixel of the image with the drops before and behind its centre, at each phase.

    Parameters
    ----------
    scale
        How many pixels of the image there are along one of the frame, at least 1.
    drop
        Side of a drop, above 0 to 1, px of the frame.

    Returns
    -------
    int64 (phase, 2), in units of ``2**-DROP_BITS`` px of the frame.
    """
    centre = np.arange(PHASES)[:, None] / PHASES
    place = np.array([0.0, 1.0])
    reach = 0.5 / scale
    low = np.clip(centre - reach, place - drop / 2, place + drop / 2)
    high = np.clip(centre + reach, place - drop / 2, place + drop / 2)
    # Edges are rounded, not differences: pixels that share an edge divide a drop without a rest.
    edges = np.rint(np.stack([low, high]) * 2**OVERLAP_BITS).astype(np.int64)
    return edges[1] - edges[0]


def add_drops(
    frame: AnyArray,
    spans: IntArray,
    first_span: IntArray,
    affine: FloatArray,
    selected: BoolArray,
    table: IntArray,
    sites: IntArray,
    total: IntArray,
) -> None:
    """Add the drops of a frame's selected fragments to running sums.

    Parameters
    ----------
    frame
        uint8, uint16 or int32 (y, x). There is no light outside it, and no weight.
    spans, first_span, affine, selected
        As for `skry_dask.kernels.stacking.resample.add_fragments`.
    table
        From `drop_overlap_table`.
    sites
        int64 (2, 2): 1 where pixels of even and odd rows and columns count, else 0.
    total
        int64 (2, y, x), changed in place: sums of values times overlaps, and of overlaps, in units
        of ``2**-(2 * DROP_BITS)`` px of the frame.
    """
    frame = np.ascontiguousarray(frame)
    flat, table, own = frame.ravel(), table.ravel(), sites.ravel()
    _add_drops(frame, flat, spans, first_span, affine, selected, table, own, *total)


@kernel
def _add_drops(  # type: ignore[no-untyped-def]
    frame, flat, spans, first_span, affine, selected, table, own, values, weights
):
    height, width = frame.shape
    for fragment in range(len(selected)):
        if not selected[fragment]:
            continue
        a = affine[fragment]
        step_y, step_x = fixed16(a[0, 2]), fixed16(a[1, 2])
        ay, by, cy = fixed32(a[0, 0]), fixed32(a[0, 1]), fixed32(a[0, 2])
        ax, bx, cx = fixed32(a[1, 0]), fixed32(a[1, 1]), fixed32(a[1, 2])
        for s in range(first_span[fragment], first_span[fragment + 1]):
            row, begin, end = spans[s, 0], spans[s, 1], spans[s, 2]
            # Half a phase is added once, so that taking the upper bits rounds to the nearest.
            fy = ((ay + by * row + cy * begin) >> 16) + 128
            fx = ((ax + bx * row + cx * begin) >> 16) + 128
            ly, lx = fy + step_y * (end - 1 - begin), fx + step_x * (end - 1 - begin)
            inside = (
                min(fy, ly) >= 0
                and max(fy, ly) >> 16 < height - 1
                and min(fx, lx) >= 0
                and max(fx, lx) >> 16 < width - 1
            )
            value_row, weight_row = values[row], weights[row]
            for column in range(begin, end):
                y, x = fy >> 16, fx >> 16
                wy = np.uintp((fy >> 8) & 255) * np.uintp(2)
                wx = np.uintp((fx >> 8) & 255) * np.uintp(2)
                fy += step_y
                fx += step_x
                light, weight = 0, 0
                for j in range(2):
                    for i in range(2):
                        r, c = y + j, x + i
                        if inside or (0 <= r < height and 0 <= c < width):
                            overlap = table[wy + np.uintp(j)] * table[wx + np.uintp(i)]
                            overlap *= own[np.uintp((r & 1) * 2 + (c & 1))]
                            light += overlap * np.int64(flat[np.uintp(r * width + c)])
                            weight += overlap
                value_row[np.uintp(column)] += light
                weight_row[np.uintp(column)] += weight
