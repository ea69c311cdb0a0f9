"""Noise of an image: what is left when a filter suppresses its structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.arguments import as_argument
from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Float32Array


def noise_response(image: AnyArray, step: int) -> Float32Array:
    """Filter an image by second differences along y and x, which suppress structure.

    The filter is [1 -2 1] x [1 -2 1] / 6 (Immerkaer, "Fast noise variance estimation", Computer
    Vision and Image Understanding 64(2), 1996, 300-302). Cost, on one core: 0.6 ns a pixel.

    Parameters
    ----------
    image
        uint8, uint16 or float32 (y, x); beyond the border it repeats its last pixel.
    step
        Distance of the pixels that are compared, px.

    Returns
    -------
    float32 (y, x), in the image's unit: white noise keeps its variance.
    """
    out = np.empty(image.shape, np.float32)
    if image.size:
        image = as_argument(image)
        _noise_response(image, step, np.empty(image.shape[1] + 2 * step, np.float32), out)
    return out


@kernel("S[:, ::1], i8, f4[::1], f4[:, ::1]", S=("u1", "u2", "f4"), optional={"S": "f4"})
def _noise_response(image, step, line, out):  # type: ignore[no-untyped-def]
    height, width = image.shape
    share = np.float32(1 / 6)
    for y in range(height):
        above, row, below = image[max(y - step, 0)], image[y], image[min(y + step, height - 1)]
        for x in range(width):
            line[step + x] = np.float32(above[x]) + np.float32(below[x])
        for x in range(width):
            line[step + x] -= np.float32(2) * np.float32(row[x])
        line[:step] = line[step]
        line[step + width :] = line[step + width - 1]
        target = out[y]
        for x in range(width):
            ends = line[x] + line[x + 2 * step]
            target[x] = share * (ends - np.float32(2) * line[x + step])
