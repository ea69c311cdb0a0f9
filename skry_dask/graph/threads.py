"""Work on an image that is in memory, shared out among threads.

What is done between two passes over the frames, on one image, would leave all cores but one idle.
How an image is cut into bands or parts follows from its size alone: the result does not depend on
the number of threads.
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

BAND = 300
"""Bands have about so many rows, px."""


def n_threads() -> int:
    """Tell how many threads dask has been given, or else how many there are cores."""
    return int(dask.config.get("num_workers", None) or CPU_COUNT)


def on_threads(function: Callable[[Item], None], items: Sequence[Item]) -> None:
    """Call a function with each item, on as many threads as dask has.

    Parameters
    ----------
    function
        Called with one item; calls must not depend on each other.
    items
        What it is called with.
    """
    with ThreadPoolExecutor(n_threads(), "skry-band") as pool:
        for _ in pool.map(function, items):  # raises what a call has raised
            pass


def map_bands(
    function: Callable[[AnyArray], AnyArray], image: AnyArray, around: int, out: AnyArray
) -> None:
    """Call a function of an image band by band.

    Parameters
    ----------
    function
        Called with bands (y, x) of the image and what is around them, returns as many pixels.
    image
        (y, x)
    around
        How far pixels depend on rows above and below, px.
    out
        (y, x), receives what the function returns.
    """
    height = len(image)
    borders = np.linspace(0, height, max(1, round(height / BAND)) + 1).astype(int).tolist()

    def one(band: tuple[int, int]) -> None:
        first, end = band
        top = max(first - around, 0)
        made = function(image[top : min(end + around, height)])
        out[first:end] = made[first - top : end - top]

    on_threads(one, list(pairwise(borders)))
