"""Smaller copies of a frame: means of blocks of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compile import kernel

if TYPE_CHECKING:
    from skry_dask.types import Frames

MOST_FACTOR = 256
"""So many pixels of 8 bits add up to less than 2**16."""


def halve(image: Frames) -> Frames:
    """Average 2 x 2 pixels; an odd last row or column is left out.

    Parameters
    ----------
    image
        uint8 or uint16 (y, x).

    Returns
    -------
    The same dtype, (y // 2, x // 2), rounded half up.
    """
    out = np.empty((image.shape[0] // 2, image.shape[1] // 2), image.dtype)
    _halve(image, np.empty(2 * out.shape[1], _sums_of(image, 2)), out)
    return out


@kernel
def _halve(image, column, out):  # type: ignore[no-untyped-def]
    value, word = out.dtype.type, column.dtype.type
    for y in range(out.shape[0]):
        upper, lower, target = image[2 * y], image[2 * y + 1], out[y]
        for x in range(len(column)):
            column[x] = word(word(upper[x]) + word(lower[x]))
        for x in range(len(target)):
            total = word(word(column[2 * x] + column[2 * x + 1]) + word(2))
            target[x] = value(total >> word(2))


def shrink(image: Frames, factor: int) -> Frames:
    """Average ``factor`` x ``factor`` pixels (a power of two); incomplete blocks are left out."""
    out = np.empty((image.shape[0] // factor, image.shape[1] // factor), image.dtype)
    bits = 2 * (factor.bit_length() - 1)
    _shrink(image, factor, bits, np.empty(image.shape[1], _sums_of(image, factor)), out)
    return out


def _sums_of(image: Frames, factor: int) -> type[np.unsignedinteger]:
    """Choose what sums of so many pixels of a column fit into; of 8 bits, twice as many at once."""
    return np.uint16 if image.itemsize == 1 and factor <= MOST_FACTOR else np.uint32


@kernel
def _shrink(image, factor, bits, column, out):  # type: ignore[no-untyped-def]
    half = np.uint32(1 << bits >> 1)
    value, word = out.dtype.type, column.dtype.type
    for y in range(out.shape[0]):
        column[:] = 0
        for k in range(factor):
            row = image[y * factor + k]
            for x in range(len(column)):
                column[x] = word(column[x] + word(row[x]))
        for x in range(out.shape[1]):
            total = half
            for k in range(factor):
                total = np.uint32(total + np.uint32(column[x * factor + k]))
            out[y, x] = value(total >> np.uint32(bits))
