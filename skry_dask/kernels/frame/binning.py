"""Smaller copies of a frame: means of blocks of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import Frames

MAX_UINT16_FACTOR = 256
"""So many pixels of 8 bits add up to less than 2**16."""


def bin_by_2(images: Frames) -> Frames:
    """Average 2 x 2 pixels; an odd last row or column is left out.

    Parameters
    ----------
    images
        uint8 or uint16 ([image,] y, x).

    Returns
    -------
    The same dtype, ([image,] y // 2, x // 2), rounded half up.
    """
    *several, height, width = images.shape
    out = np.empty((*several, height // 2, width // 2), images.dtype)
    column = np.empty(width // 2 * 2, _sums_of(images, 2))
    _halve_all(_each(images), column, _each(out))
    return out


def _each(images: Frames) -> Frames:
    return images[None] if images.ndim == 2 else images


@kernel
def _halve_all(images, column, out):  # type: ignore[no-untyped-def]
    for i in range(len(images)):
        _halve(images[i], column, out[i])


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


def bin_pixels(images: Frames, factor: int) -> Frames:
    """Average ``factor`` x ``factor`` pixels (a power of two); incomplete blocks are left out.

    Parameters
    ----------
    images
        uint8 or uint16 ([image,] y, x).
    factor
        A power of two.

    Returns
    -------
    The same dtype, ([image,] y // factor, x // factor), rounded half up.
    """
    *several, height, width = images.shape
    out = np.empty((*several, height // factor, width // factor), images.dtype)
    bits = 2 * (factor.bit_length() - 1)
    column = np.empty(width, _sums_of(images, factor))
    _shrink_all(_each(images), factor, bits, column, _each(out))
    return out


@kernel
def _shrink_all(images, factor, bits, column, out):  # type: ignore[no-untyped-def]
    for i in range(len(images)):
        _shrink(images[i], factor, bits, column, out[i])


def _sums_of(images: Frames, factor: int) -> type[np.unsignedinteger]:
    """Choose what sums of so many pixels of a column fit into; of 8 bits, twice as many at once."""
    return np.uint16 if images.itemsize == 1 and factor <= MAX_UINT16_FACTOR else np.uint32


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
