"""Work on an image in memory, divided among threads.

For what is done with one image between two passes over the frames, where no tasks use the other
cores. How an image is divided depends on its size alone, so the result does not depend on the
number of threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import dask
import numpy as np
from dask.system import CPU_COUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from skry_dask.types import AnyArray

Item = TypeVar("Item")

BAND_ROWS = 300
"""Approximate height of a band, px."""


def n_threads() -> int:
    """Return the number of threads that dask is configured for, by default one per core."""
    return int(dask.config.get("num_workers", None) or CPU_COUNT)


def on_threads(function: Callable[[Item], None], items: Sequence[Item]) -> None:
    """Call a function with each item, on as many threads as dask is configured for.

    Parameters
    ----------
    function
        Called with one item. Calls must not depend on each other. What one of them raises is
        raised here.
    items
        What it is called with.
    """
    with ThreadPoolExecutor(n_threads(), "skry-band") as pool:
        for _ in pool.map(function, items):
            pass


def map_bands(
    function: Callable[[AnyArray], AnyArray], image: AnyArray, margin: int, out: AnyArray
) -> None:
    """Call a function with each band of an image, on threads.

    Parameters
    ----------
    function
        Called with the rows (y, x) of a band and up to ``margin`` rows on either side; returns an
        array of the same shape.
    image
        (y, x)
    margin
        Number of rows above and below on which the result of a row can depend.
    out
        (y, x), receives the results.
    """
    height = len(image)
    borders = np.linspace(0, height, max(1, round(height / BAND_ROWS)) + 1).astype(int).tolist()

    def call(band: tuple[int, int]) -> None:
        first, end = band
        top = max(first - margin, 0)
        result = function(image[top : min(end + margin, height)])
        out[first:end] = result[first - top : end - top]

    on_threads(call, list(pairwise(borders)))
