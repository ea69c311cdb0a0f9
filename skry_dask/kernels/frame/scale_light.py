"""Frames scaled to the same brightness, in integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.kernels.compilation.decorators import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skry_dask.types import AnyArray

UNITY_BITS = 12
"""A gain of ``2**UNITY_BITS`` leaves a frame as bright as it is."""

SCALED_BITS = 4
"""Scaled samples have this many fractional bits more than those they were made from."""


def scale_light(plane: AnyArray, gain: int, black: int) -> NDArray[np.int32]:
    """Scale the light of a plane, rounded half up.

    Parameters
    ----------
    plane
        uint8, uint16 or int32 (y, x).
    gain
        Factor in units of ``2**-UNITY_BITS``.
    black
        Value of no light, which stays as it is.

    Returns
    -------
    int32 (y, x), in ``2**-SCALED_BITS`` of the plane's units.
    """
    out = np.empty(plane.shape, np.int32)
    _scale_light(np.ascontiguousarray(plane).reshape(-1), gain, black, out.reshape(-1))
    return out


@kernel
def _scale_light(plane, gain, black, out):  # type: ignore[no-untyped-def]
    down = UNITY_BITS - SCALED_BITS
    for i in range(out.shape[0]):
        light = np.int64(plane[i]) - black
        out[i] = np.int32((light * gain + (black << UNITY_BITS) + (1 << (down - 1))) >> down)
