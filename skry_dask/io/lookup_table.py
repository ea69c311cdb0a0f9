"""Samples replaced by their values in a table: palettes, and the expansion of limited ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Frames


def look_up(table: Frames, samples: AnyArray) -> Frames:
    """Replace every sample by its value in a table.

    Parameters
    ----------
    table
        uint8 or uint16 (value); a sample beyond its end gets its last value.
    samples
        Integers (y, x), at least 0.

    Returns
    -------
    (y, x) of the table's dtype, newly allocated.
    """
    if samples.dtype == table.dtype == np.uint8 and len(table) == 256:
        # numpy widens indices to 64 bits first: 1.5 ms for 960 x 1280 px against 0.5 ms.
        found = bytearray(np.ascontiguousarray(samples).data).translate(table.tobytes())
        return np.frombuffer(found, np.uint8).reshape(samples.shape)
    return np.take(table, samples, mode="clip")
