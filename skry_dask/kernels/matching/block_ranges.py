"""Ranges of a long list of blocks, so that several threads can work on them.

Each range comes with the window of the image that its blocks need. Ranges follow from the list
alone, so results do not depend on the number of threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from skry_dask.types import IntArray

MIN_BLOCKS = 256
"""Number of blocks in a range, at least, unless there are fewer."""

MAX_RANGES = 16
"""Number of ranges, at most: windows overlap."""


class BlockRange(NamedTuple):
    """Consecutive blocks of a list.

    Parameters
    ----------
    points
        Their indices.
    window
        Rows and columns of the image in which they and their surroundings lie.
    corners
        int64 (point, axis), top left pixel of each of them in the window.
    """

    points: slice
    window: tuple[slice, slice]
    corners: IntArray


ForEach: TypeAlias = "Callable[[Callable[[BlockRange], None], list[BlockRange]], None]"
"""Calls a function with each range, in any order, possibly on several threads."""


def for_each_in_order(function: Callable[[BlockRange], None], ranges: list[BlockRange]) -> None:
    """Call a function with each range, one after the other."""
    for blocks in ranges:
        function(blocks)


def split_blocks(
    corners: IntArray, size: int, reach: int, shape: tuple[int, ...]
) -> list[BlockRange]:
    """Split a list of blocks into ranges.

    Parameters
    ----------
    corners
        int64 (point, axis), top left pixel of each block, px. Windows are small if neighbours in
        the list are neighbours in the image.
    size
        Side of a block, px.
    reach
        Width of the surroundings that are needed, as far as the image has them, px.
    shape
        Height and width of the image, px.
    """
    n = len(corners)
    edges = np.linspace(0, n, min(max(n // MIN_BLOCKS, 1), MAX_RANGES) + 1).astype(int)
    ranges = []
    for first, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if first == end:
            continue
        own = corners[first:end]
        low = np.maximum(own.min(axis=0) - reach, 0)
        high = np.minimum(own.max(axis=0) + size + reach, shape)
        rows, columns = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        ranges.append(BlockRange(slice(first, end), (rows, columns), own - low))
    return ranges
