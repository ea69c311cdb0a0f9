"""Places of the pixels of a row span in a frame, in fixed point.

The place of a pixel of the image in a frame is linear along a row of its fragment, so a fragment is
a list of row spans, and the place is stepped along a span in 16.16 fixed point. Where a span begins
is computed in 32.32, in integers too: the result does not depend on how spans are grouped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import inlined

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, FloatArray

FULL_WEIGHT = 255
"""Weight of a frame that counts fully, where frames are weighted."""

HALF_PHASE = 128
"""Half of 1/256 px in 16.16: added once to a place, so that its upper bits are rounded."""

MAX_COEFFICIENT = 2.0**15
"""Places are counted from another pixel exactly where no coefficient is larger, px."""

MAX_ORIGIN_PX = 2.0**19
"""Largest place of that pixel, px: a float64 holds it with 32 fractional bits and one to spare."""


def counted_from(affine: FloatArray, row: int, column: int) -> tuple[FloatArray, BoolArray]:
    """Count rows and columns from another pixel of the image, so that all places keep their bits.

    Parameters
    ----------
    affine
        float64 (..., 2, 3): place in the frame = affine @ (1, row, column) of the image, px.
    row, column
        The pixel of the image that becomes the first.

    Returns
    -------
    affine
        float64 (..., 2, 3), for rows and columns from there. Whole pixels, up to 2**19, can be
        added to places without rounding.
    exact
        bool (...), whether all places of a fragment keep their bits: false for coefficients far
        beyond those of fragments that are seen.
    """
    with np.errstate(invalid="ignore"):  # NaN is not exact
        integers = np.floor(affine * 2.0**32 + 0.5).astype(np.int64)
    origin = integers[..., 0] + row * integers[..., 1] + column * integers[..., 2]
    moved = affine.copy()
    moved[..., 0] = origin * 2.0**-32
    small = np.max(np.abs(affine), axis=(-1, -2)) < MAX_COEFFICIENT
    return moved, small & (np.max(np.abs(moved[..., 0]), axis=-1) < MAX_ORIGIN_PX)


@inlined
def coefficients(affine, fragment, axis):  # type: ignore[no-untyped-def]
    """Convert a row of an affine matrix to integers.

    Returns
    -------
    Origin, step along a column and step along a row, with 32 fractional bits, and the step along a
    row with 16; rounded half up.
    """
    origin, down, along = (
        affine[fragment, axis, 0],
        affine[fragment, axis, 1],
        affine[fragment, axis, 2],
    )
    return (
        np.int64(np.floor(origin * 2.0**32 + 0.5)),
        np.int64(np.floor(down * 2.0**32 + 0.5)),
        np.int64(np.floor(along * 2.0**32 + 0.5)),
        np.int64(np.floor(along * 2.0**16 + 0.5)),
    )


@inlined
def place_of(integers, row, column):  # type: ignore[no-untyped-def]
    """Compute the place of a pixel along one axis of the frame, in 16.16 plus `HALF_PHASE`."""
    return ((integers[0] + integers[1] * row + integers[2] * column) >> 16) + HALF_PHASE


@inlined
def weight_at(place):  # type: ignore[no-untyped-def]
    """Round a weight up, from what `place_of` returns: what is above 0 stays so."""
    return min(max((place - HALF_PHASE + 0xFFFF) >> 16, 0), FULL_WEIGHT)


@inlined
def is_inside(place, last_place, before, after, length):  # type: ignore[no-untyped-def]
    """Whether a span needs only pixels that the frame has, along one axis.

    Parameters
    ----------
    place, last_place
        Places of the first and the last pixel of the span.
    before, after
        Number of pixels that are needed before and after the pixel in which a place lies.
    length
        Number of pixels along the axis.
    """
    low, high = min(place, last_place) >> 16, max(place, last_place) >> 16
    return low >= before and high < length - after
