"""Places of the pixels of a row span in a frame, in fixed point.

The place of a pixel of the image in a frame is linear along a row of its fragment, so a fragment is
a list of row spans, and the place is stepped along a span in 16.16 fixed point. Where a span begins
is computed in 32.32, in integers too: the result does not depend on how spans are grouped.
"""

from __future__ import annotations

import numpy as np

from skry_dask.kernels.compilation.decorators import inlined

HALF_PHASE = 128
"""Half of 1/256 px in 16.16: added once to a place, so that its upper bits are rounded."""


@inlined
def coefficients(affine, fragment, axis):  # type: ignore[no-untyped-def]
    """Convert a row of an affine matrix to integers.

    Returns
    -------
    Origin, step along a column and step along a row, with 32 fractional bits, and the step along a
    row with 16.
    """
    origin, down, along = (
        affine[fragment, axis, 0],
        affine[fragment, axis, 1],
        affine[fragment, axis, 2],
    )
    return _fixed(origin, 32), _fixed(down, 32), _fixed(along, 32), _fixed(along, 16)


@inlined
def _fixed(value, bits):  # type: ignore[no-untyped-def]
    """Convert to fixed point, rounded half up."""
    return np.int64(np.floor(value * 2.0**bits + 0.5))


@inlined
def place_of(integers, row, column):  # type: ignore[no-untyped-def]
    """Compute the place of a pixel along one axis of the frame, in 16.16 plus `HALF_PHASE`."""
    return ((integers[0] + integers[1] * row + integers[2] * column) >> 16) + HALF_PHASE


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
