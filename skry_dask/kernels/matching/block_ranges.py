"""Parts of a long list of blocks, so that several threads can work on them.

Each part has the window of the image that its blocks need. Parts follow from the list alone: what
is made of them does not depend on how many threads there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from skry_dask.types import IntArray

PART = 256
"""A part has at least so many blocks, if there are as many,"""

MOST_PARTS = 16
"""and there are at most so many parts: windows overlap."""


class BlockRange(NamedTuple):
    """Some of the blocks.

    Parameters
    ----------
    points
        Which blocks.
    window
        Rows and columns of the image in which they and what is around them lie.
    corners
        int64 (point, axis), their top left pixels in the window.
    """

    points: slice
    window: tuple[slice, slice]
    corners: IntArray


ForEach: TypeAlias = "Callable[[Callable[[BlockRange], None], list[BlockRange]], None]"
"""Calls a function with each part, in any order: `for_each_in_order`, or on threads."""


def for_each_in_order(function: Callable[[BlockRange], None], parts: list[BlockRange]) -> None:
    """Call a function with each part."""
    for part in parts:
        function(part)


def split_blocks(
    corners: IntArray, size: int, around: int, shape: tuple[int, ...]
) -> list[BlockRange]:
    """Cut a list of blocks into parts.

    Parameters
    ----------
    corners
        int64 (point, axis), top left pixel of each block, px. In order, blocks of a part lie near
        each other.
    size
        Side of a block, px.
    around
        How much of the image around the blocks is needed, where there is as much, px.
    shape
        Height and width of the image, px.
    """
    n = len(corners)
    borders = np.linspace(0, n, min(max(n // PART, 1), MOST_PARTS) + 1).astype(int)
    parts = []
    for first, end in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        if first == end:
            continue
        own = corners[first:end]
        low = np.maximum(own.min(axis=0) - around, 0)
        high = np.minimum(own.max(axis=0) + size + around, shape)
        rows, columns = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        parts.append(BlockRange(slice(first, end), (rows, columns), own - low))
    return parts
