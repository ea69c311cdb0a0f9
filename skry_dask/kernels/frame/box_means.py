"""Means of the pixels around each pixel of an image.

Cost of box means, on one core: 1 ns a pixel, whatever the size of the boxes;
`scipy.ndimage.uniform_filter` takes 3 ns.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import inlined, kernel

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Float32Array


def box_means(images: AnyArray, size: int) -> Float32Array:
    """Average the box around each pixel; beyond the border the image repeats its last pixel.

    Parameters
    ----------
    images
        float32 or float64 ([image,] y, x).
    size
        Side of the box, px. Of a box with an even side, the larger half lies before the pixel.

    Returns
    -------
    float32 of the same shape.
    """
    out = np.empty(images.shape, np.float32)
    if images.size:
        height, width = images.shape[-2:]
        shape = math.prod(images.shape[:-2]), height, width
        sums = np.empty(width), np.empty(width + size)
        _box_means(as_argument(images).reshape(shape), size, *sums, out.reshape(shape))
    return out


@kernel("F[:, :, ::1], i8, f8[::1], f8[::1], f4[:, :, ::1]", F=("f4", "f8"), optional={"F": "f8"})
def _box_means(images, size, columns, sums, out):  # type: ignore[no-untyped-def]
    """Slide sums of columns down the image; the sum of a box is a difference of running sums."""
    _, height, width = images.shape
    share = 1.0 / (size * size)
    before, after = size // 2, size - 1 - size // 2
    last = height - 1
    for i in range(len(images)):
        columns[:] = 0.0
        for k in range(-before, after):
            row = images[i, min(max(k, 0), last)]
            for x in range(width):
                columns[x] += row[x]
        for y in range(height):
            row, target = images[i, min(y + after, last)], out[i, y]
            for x in range(width):
                columns[x] += row[x]
            _accumulate(columns, before, after, sums)
            for x in range(width):
                target[x] = np.float32((sums[x + size] - sums[x]) * share)
            row = images[i, min(max(y - before, 0), last)]
            for x in range(width):
                columns[x] -= row[x]


@inlined
def _accumulate(columns, before, after, sums):  # type: ignore[no-untyped-def]
    """Sum all columns up to each, with the first and the last column repeated."""
    width = len(columns)
    total = 0.0
    sums[0] = 0.0
    for k in range(before):
        total += columns[0]
        sums[k + 1] = total
    for x in range(width):
        total += columns[x]
        sums[before + x + 1] = total
    for k in range(after):
        total += columns[width - 1]
        sums[before + width + k + 1] = total


def binomial_smooth(images: Float32Array, times: int) -> Float32Array:
    """Smooth images with [1 2 1] / 4 along y and x; first and last pixels of a line stay.

    Smoothing twice is much like a Gaussian of sigma 1 px.

    Parameters
    ----------
    images
        float32 (image, y, x).
    times
        How often images are smoothed.

    Returns
    -------
    float32 of the same shape, newly allocated.
    """
    out = np.array(images, order="C")
    _binomial_smooth(out, times, np.empty((2, images.shape[2]), np.float32))
    return out


@kernel("f4[:, :, ::1], i8, f4[:, ::1]")
def _binomial_smooth(images, times, rows):  # type: ignore[no-untyped-def]
    """Smooth in place; two rows are kept as they were."""
    two, quarter = np.float32(2), np.float32(0.25)
    _, height, width = images.shape
    for i in range(len(images) * times):
        image = images[i // times]
        for x in range(width):
            rows[0, x] = image[0, x]
        for y in range(1, height - 1):
            row, below = image[y], image[y + 1]
            above, here = rows[(y - 1) % 2], rows[y % 2]
            for x in range(width):
                here[x] = row[x]
            for x in range(width):
                row[x] = quarter * (above[x] + two * here[x] + below[x])
        here = rows[0]
        for y in range(height):
            row = image[y]
            for x in range(width):
                here[x] = row[x]
            for x in range(1, width - 1):
                row[x] = quarter * (here[x - 1] + two * here[x] + here[x + 1])
