"""Means around all pixels of an image.

Cost of boxes: 1 ns a pixel, whatever their size; `scipy.ndimage.uniform_filter` takes 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Float32Array


def box_means(image: AnyArray, size: int) -> Float32Array:
    """Average the box around each pixel; beyond the border, the image goes on with its last pixel.

    Parameters
    ----------
    image
        float32 or float64 ([image,] y, x).
    size
        Side of the box, px. Of an even one, the larger half lies before the pixel.

    Returns
    -------
    float32 of the same shape
    """
    out = np.empty(image.shape, np.float32)
    if image.size:
        width = image.shape[-1]
        images = np.ascontiguousarray(image).reshape(-1, *image.shape[-2:])
        made = out.reshape(images.shape)
        _box_means(images, size, np.empty(width), np.empty(width + size), made)
    return out


@kernel
def _box_means(images, size, columns, sums, out):  # type: ignore[no-untyped-def]
    for i in range(len(images)):
        box_means_into(images[i], size, columns, sums, out[i])


@kernel
def box_means_into(image, size, columns, sums, out):  # type: ignore[no-untyped-def]
    """Average boxes, as part of a kernel: float64 (width) and (width + size) are room for sums."""
    height, width = image.shape
    share = 1.0 / (size * size)
    columns[:] = 0.0
    before, after = size // 2, size - 1 - size // 2
    last = height - 1
    for k in range(-before, after):
        row = image[min(max(k, 0), last)]
        for x in range(width):
            columns[x] += row[x]
    for y in range(height):
        row, target = image[min(y + after, last)], out[y]
        for x in range(width):
            columns[x] += row[x]
        # Sums of all columns up to each, so that the sum over a box is the difference of two.
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
        for x in range(width):
            target[x] = np.float32((sums[x + size] - sums[x]) * share)
        row = image[min(max(y - before, 0), last)]
        for x in range(width):
            columns[x] -= row[x]


def binomial_smooth(images: Float32Array, times: int) -> Float32Array:
    """Smooth by [1 2 1] / 4 along y and x, so often; first and last pixels of a line stay.

    Twice is much like a Gaussian of 1 px.

    Parameters
    ----------
    images
        float32 (image, y, x).
    times
        How often.

    Returns
    -------
    float32 of the same shape.
    """
    out = np.array(images, order="C")
    smooth_in_place(out, times, np.empty((2, images.shape[2]), np.float32))
    return out


@kernel
def smooth_in_place(images, times, rows):  # type: ignore[no-untyped-def]
    """Smooth images in place, as part of a kernel: float32 (2, width) is room for rows."""
    for _ in range(times):
        for i in range(len(images)):
            _smooth(images[i], rows)


@kernel
def _smooth(image, rows):  # type: ignore[no-untyped-def]
    above, here = rows[0], rows[1]
    two, quarter = np.float32(2), np.float32(0.25)
    height, width = image.shape
    for x in range(width):
        above[x] = image[0, x]
    for y in range(1, height - 1):
        row, below = image[y], image[y + 1]
        for x in range(width):
            here[x] = row[x]
        for x in range(width):
            row[x] = quarter * (above[x] + two * here[x] + below[x])
        above, here = here, above
    for y in range(height):
        row = image[y]
        for x in range(width):
            here[x] = row[x]
        for x in range(1, width - 1):
            row[x] = quarter * (here[x - 1] + two * here[x] + here[x + 1])
