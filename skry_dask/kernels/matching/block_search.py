"""Exhaustive search for a block at half resolution.

Every shift near the expected place is tried. While the best one lies on the border of that window,
a window of twice the size is tried, up to the search radius.

Cost, on one core: 1.5 us for a first window of 5 x 5 shifts and a block of 16 px.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.kernels.compilation.decorators import inlined
from skry_dask.kernels.matching.reference_blocks import SUM_BITS
from skry_dask.kernels.simd.int16 import (
    aligned_zeros,
    copy_as_int16,
    dot_products,
    masked_square_sum,
    padded_int16,
)

if TYPE_CHECKING:
    from skry_dask.types import AnyArray

FIRST_RADIUS_PX = 2
"""Radius of the first window, px at half resolution."""

MAX_TERMS = 1 << SUM_BITS


class Templates(NamedTuple):
    """Memory that a search works in.

    Parameters
    ----------
    template
        int16 (2, padded pixel): the block without its level, and -1 for each of its pixels; zeros
        in the padding.
    strip
        int16 (any): columns of the window, one block wide, so that each shift along y is one run.
    """

    template: AnyArray
    strip: AnyArray

    @classmethod
    def allocate(cls, size: int, radius: int) -> Templates:
        """Allocate memory for blocks of ``size`` px and a search radius, at half resolution."""
        n = padded_int16(size**2)
        template = aligned_zeros((2, n))
        template[1, : size**2] = -1
        return cls(template, np.zeros((size + 2 * radius) * size + n, np.int16))


@inlined
def search(  # type: ignore[no-untyped-def]
    halves, f, top, left, size, radius, template, norm, shift, white, strip, place
):
    """Find the best shift, and write it to ``place``; return whether any lies inside the frame."""
    half_top, half_left = top >> 1, left >> 1
    within, best_j, best_i = min(FIRST_RADIUS_PX, radius), -1, -1
    while True:
        best_j, best_i = _best_shift(
            halves, f, half_top - within, half_left - within, size, 2 * within + 1, template, norm,
            shift, white, strip,
        )  # fmt: skip
        inside = 0 < best_j < 2 * within and 0 < best_i < 2 * within
        if inside or within == radius:
            break
        within = min(2 * within, radius)
    if best_j >= 0:
        place[0] = 2.0 * (half_top + best_j - within) - top
        place[1] = 2.0 * (half_left + best_i - within) - left
    return best_j >= 0


@inlined
def _best_shift(  # type: ignore[no-untyped-def]
    halves, f, top, left, size, n_shifts, template, norm, shift, white, strip
):
    """Find the shift of the highest correlation: (-1, -1) if all lie outside the frame.

    Of equal ones the nearest to the middle counts, and of these the first in reading order.
    """
    height, width = halves.shape[1], halves.shape[2]
    first = max(top, 0)
    rows = min(top + n_shifts - 1 + size, height) - first
    best, best_j, best_i, best_distance = -np.inf, -1, -1, 0
    for i in range(n_shifts):
        if rows < size or left + i < 0 or left + i + size > width:
            continue
        at = (f * height + first) * width + left + i
        for r in range(rows):
            copy_as_int16(halves, at + r * width, size, shift, white, strip, r * size)
        for j in range(n_shifts):
            if top + j < 0 or top + j + size > height:
                continue
            score = _correlate(strip, (top + j - first) * size, template, size * size, norm)
            distance = max(abs(2 * j - n_shifts + 1), abs(2 * i - n_shifts + 1))
            nearer = distance < best_distance or (distance == best_distance and j < best_j)
            if score > best or (score == best and nearer):
                best, best_j, best_i, best_distance = score, j, i, distance
    return best_j, best_i


@inlined
def _correlate(strip, at, template, count, norm):  # type: ignore[no-untyped-def]
    """Correlation coefficient of a template and a run of pixels; 0 if they are flat."""
    n = template.shape[1]
    product, level, squares = 0, 0, 0
    for k in range(0, n, MAX_TERMS):
        m = min(MAX_TERMS, n - k)
        a, b = dot_products(strip, at + k, template, (k, n + k), m)
        product += a
        level -= b
        squares += masked_square_sum(strip, at + k, template, n + k, m)
    variance = squares - float(level) * level / count
    usable = variance > 1e-9 * squares and norm > 0.0
    return product / np.sqrt(norm * variance) if usable else 0.0
