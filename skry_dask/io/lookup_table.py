"""Replacing samples by their values in a table: palettes, and the expansion of limited ranges."""

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
        uint8 or uint16 (value). A sample beyond the end of the table gets its last value.
    samples
        Integers (y, x), at least 0.

    Returns
    -------
    (y, x)
        Of the dtype of the table, newly allocated.
    """
    if samples.dtype == table.dtype == np.uint8 and len(table) == 256:
        # 0.5 ms for 960 x 1280 px; `np.take` first widens indices to 64 bits, 1.5 ms.
        values = bytearray(np.ascontiguousarray(samples).data).translate(table.tobytes())
        return np.frombuffer(values, np.uint8).reshape(samples.shape)
    return np.take(table, samples, mode="clip")
