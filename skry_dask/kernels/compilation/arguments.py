"""Arrays as kernels accept them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skry_dask.types import AnyArray


def as_argument(array: AnyArray) -> AnyArray:
    """Return an array that is C-contiguous, aligned and writable: itself, or else a copy.

    numba compiles a kernel again for arrays that are none of this, which takes longer than a copy.
    """
    return array if array.flags.carray else np.array(array, order="C")
