"""Drizzle: the light of each pixel dropped onto a finer grid, where it lies.

Every pixel of a frame shrinks to a drop, whose light is distributed over the pixels of the image
that the drop covers, by the area of the overlap (Fruchter and Hook, "Drizzle: a method for the
linear reconstruction of undersampled images", PASP 114, 2002, 144-152). Light is not interpolated:
the image is sharper, and its noise is uncorrelated for small drops. It needs frames that are
shifted against each other.

For each pixel of the image the drops that overlap with it are collected. Both are squares with
sides along the frame's axes; fragments are rotated and stretched by no more than a few hundredths,
which is neglected. A pixel of the image and a drop are together at most two pixels of the frame
wide, so at most two drops overlap along each axis. Their overlaps are a table of 256 phases like
the weights of an interpolation, but without a constant sum. A drop counts with its overlap on
either side of the border between two fragments. With drops of the full size, and pixels of the
frame's size, overlaps are the bilinear weights.

Raw colour is drizzled from the pixels of each colour: nothing is demosaiced.

Cost: like cubic interpolation of the same number of pixels, which are 4 times as many at scale 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import kernel
from skry_dask.kernels.compilation.signatures import PLANES
from skry_dask.kernels.stacking.resample import PHASES
from skry_dask.kernels.stacking.row_spans import coefficients, is_inside, place_of, weight_at

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, BoolArray, FloatArray, IntArray

OVERLAP_BITS = 11
"""Overlaps along one axis are multiples of 2**-11 px of the frame. Two of them and samples of 24
bits leave room for the sums of 2**17 frames."""


def drop_overlap_table(scale: float, drop: float) -> IntArray:
    """Compute the overlaps of a pixel of the image with the drops before and after its centre.

    Parameters
    ----------
    scale
        Number of pixels of the image along one of the frame, at least 1.
    drop
        Side of a drop, above 0 to 1, px of the frame.

    Returns
    -------
    int64 (phase, 2), in units of ``2**-OVERLAP_BITS`` px of the frame.
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
    """Add the drops of a frame's selected fragments to sums.

    Parameters
    ----------
    frame
        uint8, uint16 or int32 (y, x). Outside it there is neither light nor weight.
    spans, first_span, affine, selected
        As for `skry_dask.kernels.stacking.resample.add_fragments`; overlaps count with the weight
        of their pixel / 256, rounded.
    table
        From `drop_overlap_table`.
    sites
        int64 (2, 2): 1 if pixels in even and odd rows and columns count, else 0.
    total
        int64 (2, y, x), contiguous, changed in place: sums of values times overlaps, and of
        overlaps, in units of ``2**-(2 * OVERLAP_BITS)`` px**2 of the frame.
    """
    pixels = as_argument(frame).reshape(-1)
    fragments = (as_argument(array) for array in (spans, first_span, affine, selected))
    tables = (as_argument(array).reshape(-1) for array in (table, sites))
    # The length of a tuple is part of its type: loops are compiled with weights and without.
    rows = (0,) * affine.shape[1]
    _add_drops(pixels, *frame.shape, *fragments, *tables, rows, total)


@kernel(
    "S[::1], i8, i8, i8[:, ::1], i8[::1], f8[:, :, ::1], b1[::1], i8[::1], i8[::1], "
    "UniTuple(i8, N), i8[:, :, ::1]",
    seconds=0.4,
    is_optional=True,
    S=PLANES,
    N=("2", "3"),
)
def _add_drops(  # type: ignore[no-untyped-def]
    pixels, height, width, spans, first_span, affine, selected, table, sites, rows, total
):
    for fragment in range(len(selected)):
        if not selected[fragment]:
            continue
        in_y, in_x = coefficients(affine, fragment, 0), coefficients(affine, fragment, 1)
        step_y, step_x = in_y[3], in_x[3]
        weights = coefficients(affine, fragment, len(rows) - 1)
        for s in range(first_span[fragment], first_span[fragment + 1]):
            row, begin, end = spans[s, 0], spans[s, 1], spans[s, 2]
            y, x = place_of(in_y, row, begin), place_of(in_x, row, begin)
            last_y, last_x = y + step_y * (end - 1 - begin), x + step_x * (end - 1 - begin)
            inside = is_inside(y, last_y, 0, 1, height) and is_inside(x, last_x, 0, 1, width)
            place = place_of(weights, row, begin)
            for column in range(begin, end):
                whole_y, whole_x = y >> 16, x >> 16
                wy = np.uintp((y >> 8) & 255) * np.uintp(2)
                wx = np.uintp((x >> 8) & 255) * np.uintp(2)
                y += step_y
                x += step_x
                light, weight = 0, 0
                own = weight_at(place)
                place += weights[3]
                for j in range(2):
                    for i in range(2):
                        r, c = whole_y + j, whole_x + i
                        if inside or (0 <= r < height and 0 <= c < width):
                            overlap = table[wy + np.uintp(j)] * table[wx + np.uintp(i)]
                            overlap *= sites[np.uintp((r & 1) * 2 + (c & 1))]
                            if len(rows) > 2:
                                overlap = (overlap * own + 128) >> 8
                            light += overlap * np.int64(pixels[np.uintp(r * width + c)])
                            weight += overlap
                total[0, row, column] += light
                total[1, row, column] += weight
